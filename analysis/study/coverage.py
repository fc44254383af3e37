"""What more samples buy: coverage, and the tasks that none would solve."""

from typing import NamedTuple

import numpy as np
import scipy.stats

from analysis.study import cells as cells_lib
from analysis.study import effects
from synth import seeding
from synth.statistics import coverage
from synth.statistics import design
from synth.statistics.design import Interval


class Coverage(NamedTuple):
  """Coverage of one arm on one test set.

  Attributes:
    k_K: Powers of two, up to the samples there are.
    rates: pass@k at each k.
    unsolved: Share of tasks that no sample solved.
    zero: Mass at zero of the law of success rates; None where a run solved
      nothing, for then it is any.
    tail: Tail exponent a of that law, likewise.
    laws: Of each run that solved something.
    runs: How many.
    samples: A task.
    items: Tasks of a split.
  """

  k_K: np.ndarray
  rates: list[Interval]
  unsolved: Interval
  zero: Interval | None
  tail: Interval | None
  laws: list[coverage.Law]
  runs: int
  samples: int
  items: int

  def band(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """pass@k with pointwise 95 % ends: mean_K, low_K, high_K."""
    mean_K, low_K, high_K = np.array(self.rates).T
    return mean_K, low_K, high_K


def measure(grid: cells_lib.Grid, arm: str, test: str) -> Coverage:
  """Coverage with a law of the tasks' success rates fitted to every run.

  Intervals are for these splits, over new seeds and tasks (`effects.share`);
  that of the tail exponent is Student's over runs, for these tasks; that of the
  mass at zero: see `_zero`.

  Raises:
    NotMeasured: if a split lacks the arm or the test, or splits differ in
      samples.
  """
  cells = [grid.get(split, arm, test) for split in grid.splits]
  samples = {cell.samples for cell in cells}
  if len(samples) != 1:
    raise cells_lib.NotMeasured('splits have different numbers of samples')
  number = samples.pop()
  k_K = 2 ** np.arange(int(np.log2(number)) + 1)
  runs = [correct_I for cell in cells for correct_I in cell.correct_SxI]
  if len(runs) < 2:
    raise cells_lib.NotMeasured('one run has no error bar')
  laws = [coverage.fit(c_I, number) for c_I in runs if c_I.any()]
  rng = seeding.generator(0, 'coverage')

  def share(by_split: list[np.ndarray]) -> Interval:
    terms = [
      [design.Term(value_SxI.astype(float), cluster_I=cell.cluster_I)]
      for value_SxI, cell in zip(by_split, cells, strict=True)
    ]
    return effects.share(terms, rng)

  whole = len(laws) == len(runs)
  return Coverage(
    k_K,
    [share([cell.value(k) for cell in cells]) for k in k_K.tolist()],
    share([cell.correct_SxI == 0 for cell in cells]),
    _zero(runs, laws, number) if whole else None,
    over_runs(np.array([law.a for law in laws])) if whole else None,
    laws,
    len(runs),
    number,
    cells[0].correct_SxI.shape[1],
  )


def _zero(
  runs: list[np.ndarray], laws: list[coverage.Law], number: int
) -> Interval:
  """Mean over runs of their mass at zero.

  Its ends are the mean ends of the runs' profile likelihoods: all runs have the
  same tasks, so that what these leave open does not average out. They are never
  nearer than Student's over runs.
  """
  found = over_runs(np.array([law.zero for law in laws]))
  ends_Rx2 = [
    coverage.zero_interval(c_I, number, law)
    for c_I, law in zip(runs, laws, strict=True)
  ]
  low, high = np.mean(ends_Rx2, axis=0).tolist()
  low, high = min(low, found.low), max(high, found.high)
  return Interval(found.estimate, max(low, 0.0), min(high, 1.0))


def over_runs(value_R: np.ndarray) -> Interval:
  """Mean and Student's 95 % interval over runs."""
  mean = float(np.mean(value_R))
  error = float(np.std(value_R, ddof=1)) / len(value_R) ** 0.5
  half = float(scipy.stats.t.ppf(0.975, len(value_R) - 1)) * error
  return Interval(mean, mean - half, mean + half)
