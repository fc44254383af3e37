"""Linear contrasts of success: estimate, interval, exact test, equivalence.

A contrast gives a weight to every (arm, test set): a difference of two arms,
a difference in differences, a slope over doses. It is paired by task and by
training seed; its interval is over new splits, new seeds and new tasks
(`small_sample.careful`), its p an exact sign-flip over runs, for the splits
there are (docs/preregistration.md).
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize

from analysis.study import cells as cells_lib
from synth import seeding
from synth.statistics import bootstrap as bootstrap_lib
from synth.statistics import design
from synth.statistics import hypotheses
from synth.statistics import interval as interval_lib
from synth.statistics import small_sample
from synth.statistics.design import Interval

MARGIN = 0.03  # of equivalence: a tenth of the effect that the paper claims

# (arm, test set) -> weight.
Weights = Mapping[tuple[str, str], float]


class Part(NamedTuple):
  """The contrast in one split: for this split, over new seeds and tasks."""

  split: int
  interval: Interval
  p: float
  error: float  # standard


class Effect(NamedTuple):
  """A contrast, measured.

  Attributes:
    interval: Estimate and 95 % interval.
    error: Standard error, over the same as the interval.
    degrees: Of freedom of `error`; few make it a rough estimate.
    p: Two-sided, exact sign-flip over the runs of the splits there are (over
      sums of one run of every split if there are more than 40).
    equivalence: Whether it is within 3 points of 0 (two one-sided tests).
    least: The least p that so many runs could have.
    parts: Each split on its own; empty with one seed a split.
    these_splits: 95 % interval for the splits there are, over new seeds and
      tasks; NaN with one seed a split.
    these_splits_error: Its standard error.
    splits: How many.
    seeds: Training seeds of each split, the fewest.
    items: Tasks in all, each counted once.
  """

  interval: Interval
  error: float
  degrees: float
  p: float
  least: float
  equivalence: hypotheses.Equivalence
  parts: tuple[Part, ...]
  these_splits: Interval
  these_splits_error: float
  splits: int
  seeds: int
  items: int


def share(contrast: design.Contrast, rng: np.random.Generator) -> Interval:
  """Mean share of tasks or samples, 95 % for these splits (`of_share`).

  Over new seeds and tasks; over tasks alone where a split has one seed.
  """
  if min(design.of(contrast).seeds_R) > 1:
    return interval_lib.of_share(small_sample.these_splits(contrast), contrast)
  splits = [interval_lib.crossed([terms], rng) for terms in contrast]
  mean = float(np.mean([one.estimate for one in splits]))
  half = float(np.linalg.norm([(v.high - v.low) / 2 for v in splits]))
  half /= len(splits)
  found = Interval(mean, mean - half, mean + half)
  return interval_lib.of_share(found, contrast)


def effect(
  grid: cells_lib.Grid,
  weights: Weights | Callable[[int], Weights],
  k: int = 1,
) -> Effect:
  """Measures a contrast of pass@k.

  Args:
    grid: The records.
    weights: Of each arm on each test set; by split where they differ.
    k: Samples that a task may take.

  Raises:
    NotMeasured: if a split lacks an arm, a test set or a seed of one of them,
      or there is but one run.
  """
  by_split = _by_split(grid, weights)
  seeds = [_seeds(grid, split, part) for split, part in by_split.items()]
  contrast = [_terms(grid, split, w, k) for split, w in by_split.items()]
  interval = _interval(contrast)
  by_run = design.of(contrast).by_seed()
  unit_U = _units(by_run)
  parts = [
    Part(
      split,
      small_sample.crossed([terms]),
      hypotheses.sign_flip(value_S),
      small_sample.standard_error([terms]),
    )
    for split, terms, value_S in zip(by_split, contrast, by_run, strict=True)
    if len(value_S) > 1
  ]
  items = [
    grid.get(split, arm, test).item_I
    for split, part in by_split.items()
    for arm, test in part
  ]
  return Effect(
    interval,
    small_sample.standard_error(contrast),
    small_sample.degrees(contrast),
    hypotheses.sign_flip(unit_U),
    2.0 ** (1 - len(unit_U)),
    hypotheses.equivalence(contrast, MARGIN),
    tuple(parts),
    *_these_splits(contrast, len(parts)),
    len(by_split),
    min(map(len, seeds)),
    len(np.unique(np.concatenate(items))),
  )


def bootstrap(grid: cells_lib.Grid, weights: Weights) -> Interval:
  """The crossed bootstrap's 95 % interval of pass@1, 10,000 resamples.

  Raises:
    NotMeasured: as `effect`.
  """
  by_split = _by_split(grid, weights)
  contrast = [_terms(grid, split, w, 1) for split, w in by_split.items()]
  return bootstrap_lib.crossed(contrast, seeding.generator(0, 'effect'))


def ratio(
  grid: cells_lib.Grid, over: Weights, under: Weights, k: int = 1
) -> Interval:
  """One contrast divided by another, with Fieller's (1954) 95 % interval.

  The interval is the set of r for which over - r under is not told from 0; its
  ends are NaN where `under` is not told from 0.

  Raises:
    NotMeasured: as `effect`.
  """

  def interval(top: float, below: float) -> Interval:
    weights = {
      key: top * over.get(key, 0.0) + below * under.get(key, 0.0)
      for key in {**over, **under}
    }
    by_split = _by_split(grid, weights)
    return _interval([_terms(grid, r, w, k) for r, w in by_split.items()])

  divisor = interval(0.0, 1.0)
  if divisor.estimate <= 0:
    raise cells_lib.NotMeasured('nothing to be relative to')
  value = interval(1.0, 0.0).estimate / divisor.estimate
  if divisor.low <= 0:
    return Interval(value, np.nan, np.nan)
  # As r grows, over - r under falls: its low end is 0 first.
  low = _zero(lambda r: interval(1.0, -r).low, value, -1.0)
  high = _zero(lambda r: interval(1.0, -r).high, value, 1.0)
  return Interval(value, low, high)


def _zero(
  falling: Callable[[float], float], start: float, direction: float
) -> float:
  """Where a function is 0, on one side of a place."""
  step = 0.1
  while falling(start + direction * step) * falling(start) > 0:
    step *= 2
    if step > 1e6:
      return float(np.nan)
  ends = sorted((start, start + direction * step))
  return float(scipy.optimize.brentq(falling, *ends, xtol=1e-4))


def slope(dose: Mapping[str, float], test: str) -> Weights:
  """Weights of the least-squares slope of success over the doses of arms.

  Raises:
    NotMeasured: if the doses do not differ.
  """
  dose_A = np.array(list(dose.values()), float)
  centred_A = dose_A - dose_A.mean()
  if not centred_A.any():
    raise cells_lib.NotMeasured('a slope needs two doses')
  weight_A = centred_A / np.sum(centred_A**2)
  return {(arm, test): float(w) for arm, w in zip(dose, weight_A, strict=True)}


def _by_split(
  grid: cells_lib.Grid, weights: Weights | Callable[[int], Weights]
) -> dict[int, Weights]:
  if not grid.splits:
    raise cells_lib.NotMeasured('no records')
  return {
    split: weights(split) if callable(weights) else weights
    for split in grid.splits
  }


def _these_splits(
  contrast: design.Contrast, repeated: int
) -> tuple[Interval, float]:
  """Interval and error for the splits there are, if all have two seeds."""
  if repeated < len(contrast):
    return Interval(*[float(np.nan)] * 3), float(np.nan)
  return (
    small_sample.these_splits(contrast),
    small_sample.these_splits_error(contrast),
  )


def _interval(contrast: design.Contrast) -> Interval:
  try:
    return small_sample.careful(contrast)
  except ValueError:
    raise cells_lib.NotMeasured('one run has no error bar') from None


def _seeds(
  grid: cells_lib.Grid, split: int, weights: Weights
) -> tuple[int, ...]:
  """The training seeds of a split, which all its arms must have."""
  found = {grid.get(split, arm, test).seeds for arm, test in weights}
  if len(found) > 1:
    raise cells_lib.NotMeasured(f'split {split}: arms have different seeds')
  return found.pop()


def _terms(
  grid: cells_lib.Grid, split: int, weights: Weights, k: int
) -> list[design.Term]:
  """One term a test set: the arms are paired by task."""
  terms = []
  for test in dict.fromkeys(test for _, test in weights):
    chosen = [
      (grid.get(split, arm, test), weight)
      for (arm, name), weight in weights.items()
      if name == test
    ]
    item_I = chosen[0][0].item_I
    if any(not np.array_equal(cell.item_I, item_I) for cell, _ in chosen):
      raise cells_lib.NotMeasured(f'split {split}: arms have other tasks')
    value_SxI = np.sum([w * cell.value(k) for cell, w in chosen], axis=0)
    terms.append(design.Term(value_SxI, cluster_I=chosen[0][0].cluster_I))
  return terms


def _units(by_run: Sequence[np.ndarray]) -> np.ndarray:
  """What signs are flipped of: runs, or sums of one run of every split.

  Under the null hypothesis a sum of independent symmetric differences is
  symmetric too.
  """
  if sum(map(len, by_run)) <= hypotheses.MOST_UNITS:
    return np.concatenate([v_S / len(v_S) for v_S in by_run])
  unit_U = np.zeros(max(map(len, by_run)))
  for value_S in by_run:
    unit_U[: len(value_S)] += value_S / len(value_S)
  return unit_U
