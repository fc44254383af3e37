"""The grids of a universe: three sets of points, three purposes.

identity        Random points of a prime field, or reals where that does not do:
                `synth.universe.policies`. They decide which programs are one
                class and are never shown.
specification   Points k/97 of the config, `spaces.grid`. The values there are
                all that a model sees of a task, and make the semantic space.
hold-out        64 fresh points k/97 between -4 and 4, none of them in the
                specification grid. No model sees them and no class is made by
                them: they tell whether an answer agrees with a task beyond what
                it was given (`synth.evaluation.verify`, for grammars that
                residues cannot judge).

No program over small constants has a pole at k/97 unless it can make 97, so a
grid point is hardly ever undefined.
"""

from collections.abc import Sequence
import fractions

import numpy as np

from synth import errors
from synth import seeding

DENOMINATOR = 97
HOLDOUT_POINTS = 64
_HOLDOUT_SPAN = 4  # they lie between minus and plus this

Grid = dict[
  str, list[fractions.Fraction]
]  # variable -> its value at each point


def specification(
  numerators: Sequence[int], variables: Sequence[str], seed: int
) -> Grid:
  """The points that a model sees: k/97 for each numerator k.

  The first variable takes the numerators in their order, each further one in
  an order of its own (seeded), so that points are spread in all dimensions.

  Raises:
    InputError: for a numerator that repeats or is a multiple of 97.
  """
  if not numerators or not all(type(k) is int for k in numerators):
    raise errors.InputError(
      f'grid numerators {list(numerators)} are not a list of whole numbers'
    )
  for k in numerators:
    if k % DENOMINATOR == 0:
      raise errors.InputError(
        f'grid numerator {k} is a multiple of {DENOMINATOR}: programs may have '
        'poles at integers'
      )
  if len(set(numerators)) != len(numerators):
    raise errors.InputError(f'grid numerators {list(numerators)} repeat')
  grid = {}
  for index, name in enumerate(variables):
    order = np.arange(len(numerators))
    if index:
      order = seeding.generator(seed, 'grid', name).permutation(order)
    grid[name] = _points([numerators[i] for i in order.tolist()])
  return grid


def holdout(
  numerators: Sequence[int], variables: Sequence[str], seed: int
) -> Grid:
  """Fresh points for a universe of this seed.

  Args:
    numerators: Of the specification grid, whose coordinates are avoided.
    variables: The input variables.
    seed: The universe's.
  """
  limit = _HOLDOUT_SPAN * DENOMINATOR
  free = np.array(
    [
      k
      for k in range(-limit, limit + 1)
      if k % DENOMINATOR and k not in set(numerators)
    ]
  )
  return {
    name: _points(
      seeding.generator(seed, 'hold-out', name)
      .choice(free, HOLDOUT_POINTS, replace=False)
      .tolist()
    )
    for name in variables
  }


def _points(numerators: Sequence[int]) -> list[fractions.Fraction]:
  return [fractions.Fraction(k, DENOMINATOR) for k in numerators]


def floats(grid: Grid, dtype: type[np.floating]) -> dict[str, np.ndarray]:
  """A grid in floating point: variable -> float_E."""
  return {
    name: np.array([float(x) for x in column], dtype)
    for name, column in grid.items()
  }
