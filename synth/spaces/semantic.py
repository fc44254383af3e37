"""The semantic space: outputs on a grid, standardized, PCA.

Two grids of rationals k/97 are named here. The *specification grid* is what a
model sees of a program; the *hold-out grid* is never shown and is for checks.
(Identity is decided elsewhere, on random points of a prime field.) No program
over small constants has a pole at k/97 unless it can make 97, so a grid point
is hardly ever undefined.
"""

from collections.abc import Sequence
import fractions

import numpy as np

from synth import errors
from synth import seeding
from synth.language import arithmetic
from synth.spaces import pca
from synth.universe import universe as universe_lib

DENOMINATOR = 97
EXPLAINED = 0.95


def grid(
  numerators: Sequence[int], variables: Sequence[str], seed: int
) -> dict[str, list[fractions.Fraction]]:
  """The points of a grid: variable -> k/97 for each numerator k.

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
  points = {}
  for index, name in enumerate(variables):
    order = np.arange(len(numerators))
    if index:
      order = seeding.generator(seed, 'grid', name).permutation(order)
    points[name] = [
      fractions.Fraction(numerators[i], DENOMINATOR) for i in order.tolist()
    ]
  return points


def values(
  universe: universe_lib.Universe,
  points: dict[str, list[fractions.Fraction]],
) -> tuple[np.ndarray, np.ndarray]:
  """float64 value_CxE of every class on a grid and ok_CxE."""
  inputs = {
    name: np.array([float(x) for x in column])
    for name, column in points.items()
  }
  return universe.evaluate(arithmetic.Real(np, np.float64), inputs)


def standardize(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """arcsinh, then z-score at each point over all classes; undefined is 0.

  arcsinh because raw values are so heavy-tailed that a thousandth of the
  programs would carry a third of the variance (methods: 3.6).
  """
  squashed = np.where(ok_CxE, np.arcsinh(value_CxE), 0.0)
  number_E = np.maximum(ok_CxE.sum(axis=0), 1)
  mean_E = squashed.sum(axis=0) / number_E
  centred = np.where(ok_CxE, squashed - mean_E, 0.0)
  std_E = np.sqrt((centred**2).sum(axis=0) / number_E)
  return centred / np.where(std_E > 0, std_E, 1.0)


def embed(z_CxE: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """PCA of standardized outputs, as many axes as hold 95 % of the variance.

  Returns:
    coordinate_CxD and explained_D, as `pca.project` gives them.
  """
  mean_E = z_CxE.mean(axis=0)
  covariance = z_CxE.T @ z_CxE / len(z_CxE) - np.outer(mean_E, mean_E)
  coordinate, explained = pca.project(
    covariance, mean_E, lambda axis: z_CxE @ axis, z_CxE.shape[1]
  )
  enough = int(np.searchsorted(np.cumsum(explained), EXPLAINED)) + 1
  return coordinate[:, :enough], explained[:enough]
