"""Intrinsic dimension: how many dimensions a cloud of points fills locally."""

import numpy as np


def levina_bickel(distance_PxK: np.ndarray) -> float:
  """Maximum likelihood from distances to nearest neighbours.

  Levina and Bickel (NIPS 2004), with the inverses averaged over the points
  (MacKay and Ghahramani, 2005): with T_j the distance to the j-th neighbour,
  1 / d is the mean of log(T_K / T_j) over the points and over j < K.

  Args:
    distance_PxK: Ascending distances of each point to its K >= 2 nearest
      others. Those of points in the same place count as the smallest positive
      one.

  Returns:
    The dimension; infinite if all neighbours are equally far.
  """
  smallest = distance_PxK[distance_PxK > 0].min(initial=np.inf)
  if not np.isfinite(smallest):
    return 0.0  # all in one place
  distance_PxK = np.maximum(distance_PxK, smallest)
  ratio = np.log(distance_PxK[:, -1:] / distance_PxK[:, :-1])
  return float(np.divide(1, ratio.mean())) if ratio.any() else float('inf')
