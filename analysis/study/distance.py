"""The distance law: success against distance to training, and its rivals.

Curves that never rise, by program size, apart for tasks of what is held out; a
logistic regression of success on both distances and what else makes a task
hard; and how well each predictor alone foretells tasks it was not fitted to.
Held-out tasks are farther than others by their choice, so whether a task is one
of them is a predictor too: without it distance would stand for it. One slope
for both kinds of tasks may be that of neither, so slopes are told within each,
too. A function that several splits test is one task in folds and in errors.
"""

from typing import NamedTuple

import numpy as np

from analysis.study import cells as cells_lib
from analysis.study import study as study_lib
from synth import seeding
from synth.splits import support
from synth.statistics import isotonic
from synth.statistics import logistic
from synth.statistics import rivals
from synth.statistics import splines
from synth.statistics.design import Interval

_COLUMNS = 3  # of a spline
_RIDGE = 1e-3
_RESAMPLES = 300
_REACH = 0.99  # of the distances: few tasks are farther
NUISANCES = ('size', 'minimal programs', 'programs', 'probability')
HELD_OUT = 'held out or not'


class Law(NamedTuple):
  """What distance explains.

  Attributes:
    curves: Space -> whether held out -> size -> curve of pass@1.
    sizes: Whether held out -> size -> tasks.
    slope: Space -> change of the logit of success by one standard deviation of
      distance, everything else equal; 95 % interval, robust to tasks.
    within: Space -> whether held out -> the same of these tasks alone, by their
      own standard deviation; none of tasks solved never or always.
    reach: Space -> the distance beyond which only one task in a hundred is.
    rivals: Predictor -> held-out standing of it alone.
    all_but: Space -> share of the constant's held-out deviance that is
      explained by everything but the distance in this space.
    everything: The share that everything explains.
    items: Tasks.
    seeds: Training seeds.
  """

  curves: dict[str, dict[bool, dict[int, isotonic.Curve]]]
  sizes: dict[bool, dict[int, int]]
  slope: dict[str, Interval]
  within: dict[str, dict[bool, Interval]]
  reach: dict[str, float]
  rivals: dict[str, rivals.Rival]
  all_but: dict[str, float]
  everything: float
  items: int
  seeds: int


def measure(cells: list[cells_lib.Cell]) -> Law:
  """The law over the tasks of some cells of one arm: equal splits and seeds.

  Raises:
    NotMeasured: if there is nothing, or it was solved never or always.
  """
  if not cells:
    raise cells_lib.NotMeasured('no test set')
  seeds = {len(cell.seeds) for cell in cells}
  if len(seeds) > 1 or len({cell.samples for cell in cells}) > 1:
    raise cells_lib.NotMeasured('splits differ in seeds or samples')
  names = [n for n in NUISANCES if all(n in cell.facts for cell in cells)]
  spaces = (study_lib.SYNTACTIC, study_lib.SEMANTIC)
  fact = {
    name: np.concatenate([cell.facts[name] for cell in cells]).astype(float)
    for name in (*spaces, *names)
  }
  novel_I = np.concatenate(
    [np.full(len(cell.item_I), cell.test == support.NOVEL) for cell in cells]
  )
  fact[HELD_OUT] = novel_I.astype(float)
  item_I = np.concatenate([cell.item_I for cell in cells])
  correct_SxI = np.concatenate([cell.correct_SxI for cell in cells], axis=1)
  success_I = correct_SxI.sum(axis=0)
  trials_I = np.full(len(success_I), len(correct_SxI) * cells[0].samples)
  if not 0 < success_I.sum() < trials_I.sum():
    raise cells_lib.NotMeasured('solved never or always: nothing to explain')
  value_SxI = correct_SxI / cells[0].samples
  rng = seeding.generator(0, 'distance')
  stratum_I = fact.get('size', np.zeros(len(success_I))).astype(int)
  design = {name: _design(fact[name]) for name in fact}
  groups = {
    **design,
    'everything': _join(design, list(fact)),
    **{
      f'all but {space}': _join(design, [n for n in fact if n != space])
      for space in spaces
    },
  }
  found = rivals.compare(
    groups, success_I, trials_I, rng, cluster_N=item_I, ridge=_RIDGE
  )
  parts = {bool(held_out): novel_I == held_out for held_out in set(novel_I)}

  def curves(space: str, chosen_I: np.ndarray) -> dict[int, isotonic.Curve]:
    return isotonic.curves(
      value_SxI[:, chosen_I],
      fact[space][chosen_I],
      stratum_I[chosen_I],
      rng,
      resamples=_RESAMPLES,
    )

  def slopes(chosen_I: np.ndarray) -> dict[str, Interval]:
    return _slopes(
      {name: fact_I[chosen_I] for name, fact_I in fact.items()},
      spaces,
      success_I[chosen_I],
      trials_I[chosen_I],
      item_I[chosen_I],
    )

  inside = {part: slopes(parts[part]) for part in sorted(parts)}
  return Law(
    {
      space: {part: curves(space, parts[part]) for part in sorted(parts)}
      for space in spaces
    },
    {
      part: {
        int(size): int(number)
        for size, number in zip(
          *np.unique(stratum_I[parts[part]], return_counts=True), strict=True
        )
      }
      for part in sorted(parts)
    },
    slopes(np.full(len(item_I), True)),
    {
      space: {part: one[space] for part, one in inside.items() if space in one}
      for space in spaces
    },
    {space: float(np.quantile(fact[space], _REACH)) for space in spaces},
    {name: found[name] for name in fact},
    {space: found[f'all but {space}'].explained for space in spaces},
    found['everything'].explained,
    len(success_I),
    seeds.pop(),
  )


def _design(x_I: np.ndarray) -> np.ndarray:
  """A spline of a predictor, or a line where it has few distinct values."""
  try:
    return splines.natural(x_I, splines.knots(x_I, _COLUMNS))
  except ValueError:
    spread = x_I.std()
    return ((x_I - x_I.mean()) / (spread or 1.0))[:, None]


def _join(design: dict[str, np.ndarray], names: list[str]) -> np.ndarray:
  return np.column_stack([design[name] for name in names])


def _slopes(
  fact: dict[str, np.ndarray],
  spaces: tuple[str, ...],
  success_I: np.ndarray,
  trials_I: np.ndarray,
  item_I: np.ndarray,
) -> dict[str, Interval]:
  """Linear in all, on the scale of their standard deviations.

  Nothing where tasks were solved never or always.
  """
  if not 0 < success_I.sum() < trials_I.sum():
    return {}
  names = [name for name, x_I in fact.items() if x_I.std() > 0]
  x_IxP = np.column_stack(
    [(fact[n] - fact[n].mean()) / fact[n].std() for n in names]
  )
  x_IxP = np.column_stack([np.ones(len(success_I)), x_IxP])
  model = logistic.fit(x_IxP, success_I, trials_I, _RIDGE, item_I)
  result = {}
  for space in spaces:
    if space in names:
      place = 1 + names.index(space)
      value = float(model.coefficient_P[place])
      half = 1.96 * float(np.sqrt(model.covariance_PxP[place, place]))
      result[space] = Interval(value, value - half, value + half)
  return result
