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

No program of one variable over small constants has a pole at k/97 unless it can
make 97, so a grid point is hardly ever undefined. Of several variables a
denominator can also vanish where they meet, as `x - y + 3` does where their
numerators differ by 3 * 97. So numerators are laid out such that at no point a
sum or difference of variables, each taken at most once, is a whole number, or
at as few as can be (of the 32 numerators of `configs/base.py` at none for up to
five variables). Multiples and products may meet: `2 * x - y` can vanish. The
first variable, and so a grammar of one, keeps the order it comes in.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import fractions

import numpy as np
import scipy.optimize

from synth import errors
from synth import seeding

DENOMINATOR = 97
HOLDOUT_POINTS = 64
_HOLDOUT_SPAN = 4  # they lie between minus and plus this
_LAYOUT = 'no whole sums'  # its name: a change needs another

Grid = dict[
  str, list[fractions.Fraction]
]  # variable -> its value at each point


def specification(
  numerators: Sequence[int], variables: Sequence[str], seed: int
) -> Grid:
  """The points that a model sees: k/97 for each numerator k.

  The first variable takes the numerators in their order, each further one in
  an order of its own (seeded), so that points are spread in all dimensions.
  The order is one of those that the module's docstring tells of.

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
  return _lay_out(dict.fromkeys(variables, numerators), seed, 'grid')


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
  drawn = {
    name: seeding.generator(seed, 'hold-out', name)
    .choice(free, HOLDOUT_POINTS, replace=False)
    .tolist()
    for name in variables
  }
  return _lay_out(drawn, seed, 'hold-out')


def layout(variables: Sequence[str]) -> dict[str, str]:
  """What a manifest says of the layout of grids: of one variable nothing.

  What was stored with another layout is of other points, and refused.
  """
  return {'grid_layout': _LAYOUT} if len(variables) > 1 else {}


def _lay_out(
  numerators: Mapping[str, Sequence[int]], seed: int, purpose: str
) -> Grid:
  """Orders the numerators of all variables but the first.

  One variable after the other takes, of all orders in which the fewest sums
  with those before it are whole at a point, a random one.

  Args:
    numerators: Variable -> its E numerators.
    seed: Of the orders.
    purpose: Names their random numbers.
  """
  points = len(next(iter(numerators.values()), ()))
  # How many sums of the variables so far have each residue. That of none is 0.
  sums_ExR = np.zeros((points, DENOMINATOR))
  sums_ExR[:, 0] = 1
  grid: Grid = {}
  for name, column in numerators.items():
    residue_E = np.array([k % DENOMINATOR for k in column])
    order_E = np.arange(points)
    if grid:
      whole_ExE = sums_ExR[:, residue_E] + sums_ExR[:, -residue_E]
      rng = seeding.generator(seed, purpose, 'order', name)
      # The chances of an order together count less than one sum.
      chance_ExE = rng.random(whole_ExE.shape) / points
      _, order_E = scipy.optimize.linear_sum_assignment(whole_ExE + chance_ExE)
    grid[name] = _points([column[place] for place in order_E.tolist()])
    moved_ExR = np.arange(DENOMINATOR) - residue_E[order_E, None]
    back_ExR = np.arange(DENOMINATOR) + residue_E[order_E, None]
    sums_ExR = (
      sums_ExR
      + np.take_along_axis(sums_ExR, moved_ExR % DENOMINATOR, axis=1)
      + np.take_along_axis(sums_ExR, back_ExR % DENOMINATOR, axis=1)
    )
  return grid


def _points(numerators: Sequence[int]) -> list[fractions.Fraction]:
  return [fractions.Fraction(k, DENOMINATOR) for k in numerators]


def floats(grid: Grid, dtype: type[np.floating]) -> dict[str, np.ndarray]:
  """A grid in floating point: variable -> float_E."""
  return {
    name: np.array([float(x) for x in column], dtype)
    for name, column in grid.items()
  }
