"""The semantic space: outputs on the specification grid, standardized, PCA.

The other grids are never shown and make no space: see `synth.spaces.grids`.
"""

import numpy as np
import scipy.spatial

from synth.language import arithmetic
from synth.spaces import dimension
from synth.spaces import grids
from synth.spaces import pca
from synth.universe import universe as universe_lib

EXPLAINED = 0.95
_NEIGHBOURS = 16  # by whose distances the intrinsic dimension is estimated


def values(
  universe: universe_lib.Universe, grid: grids.Grid
) -> tuple[np.ndarray, np.ndarray]:
  """float64 value_CxE of every class on a grid and ok_CxE, its mask.

  A value where ok is False is undefined and says nothing.
  """
  inputs = grids.floats(grid, np.float64)
  return universe.evaluate(arithmetic.Real(np, np.float64), inputs)


def standardize(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """arcsinh, then z-score at each point over all classes; undefined is 0.

  arcsinh because raw values are so heavy-tailed that a thousandth of the
  programs would carry a third of the variance.
  """
  z_CxE = np.where(ok_CxE, np.arcsinh(value_CxE), 0.0)
  number_E = np.maximum(ok_CxE.sum(axis=0), 1)
  z_CxE -= z_CxE.sum(axis=0) / number_E
  z_CxE[~ok_CxE] = 0
  std_E = np.sqrt(np.einsum('CE,CE->E', z_CxE, z_CxE) / number_E)
  z_CxE /= np.where(std_E > 0, std_E, 1.0)
  return z_CxE


def embed(z_CxE: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """PCA of standardized outputs, as many axes as hold 95 % of the variance.

  Returns:
    float32 coordinate_CxD and explained_D, as in `synth.spaces.pca`.
  """
  number, points = z_CxE.shape
  mean_E, covariance_ExE = pca.moments(
    number, z_CxE.__getitem__, 'Gram matrix of outputs'
  )
  axis_ExD, explained_D = pca.axes(covariance_ExE, points)
  enough = int(np.searchsorted(np.cumsum(explained_D), EXPLAINED)) + 1
  coordinate_CxD = pca.coordinates(
    number,
    z_CxE.__getitem__,
    mean_E,
    axis_ExD[:, :enough],
    'semantic projection',
  )
  return coordinate_CxD, explained_D[:enough]


def intrinsic_dimension(
  coordinate_CxD: np.ndarray, class_P: np.ndarray
) -> float:
  """Dimension of the space around some classes, by 16 neighbours among all."""
  neighbours = min(_NEIGHBOURS, len(coordinate_CxD) - 1)
  if neighbours < 2:
    return 0.0
  distance_PxK, _ = scipy.spatial.cKDTree(coordinate_CxD).query(
    coordinate_CxD[class_P], neighbours + 1, workers=-1
  )
  return dimension.levina_bickel(distance_PxK[:, 1:])  # the first is itself
