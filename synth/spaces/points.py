"""Exact nearest neighbours among thousands of points.

With more than some ten dimensions a tree looks at a large part of its points
one by one. There products of matrices in float32 find the few that may be among
the nearest, by how far its rounding can be off, and only their distances are
taken in float64: the same bits in a third of the time.

Letters: P points, B of a block, S points that neighbours are sought among, in
G groups of R; D dimensions, H = D + 1; K pairs of a point and a hopeful group,
J of a point and a hopeful other one, M of these a point at most; k neighbours.
"""

import numpy as np
import scipy.spatial

from synth.spaces import blocks

_DIMENSIONS = 10  # up to which a tree is faster
_LEAF = 64  # points of a tree that are compared at once
_BLOCK = 1 << 20  # products that stay in the cache
_GROUP = 64  # points whose best product stands for them
_GROUPS_A_NEIGHBOUR = 4  # at least, where points are few


def nearest(
  point_PxD: np.ndarray, among_SxD: np.ndarray, number: int
) -> np.ndarray:
  """Distances to the `number` nearest of other points, ascending.

  Args:
    point_PxD: Of P points, float64.
    among_SxD: Of at least `number` points, float64.
    number: k.

  Returns:
    distance_Pxk.
  """
  if among_SxD.shape[1] > _DIMENSIONS:
    return by_products(point_PxD, among_SxD, number)
  tree = scipy.spatial.cKDTree(among_SxD, leafsize=_LEAF)
  distance_Pxk, _ = tree.query(point_PxD, range(1, number + 1), workers=-1)
  return np.asarray(distance_Pxk)


def by_products(
  point_PxD: np.ndarray, among_SxD: np.ndarray, number: int
) -> np.ndarray:
  """`nearest`, for points of many dimensions."""
  mean_D = among_SxD.mean(axis=0)
  centred_SxD = among_SxD - mean_D
  square_S = (centred_SxD**2).sum(axis=1)
  # Groups of points are columns of the last axis, one point of each a row.
  rows = max(1, min(_GROUP, len(among_SxD) // (_GROUPS_A_NEIGHBOUR * number)))
  columns = -(-len(among_SxD) // rows)
  query_HxS = np.zeros((len(mean_D) + 1, rows * columns), np.float32)
  query_HxS[:-1, : len(square_S)] = centred_SxD.T
  query_HxS[-1] = -np.finfo(np.float32).max  # of nothing
  query_HxS[-1, : len(square_S)] = -square_S / 2

  def search(some: slice) -> np.ndarray:
    centred_BxD = point_PxD[some] - mean_D
    single_BxH = np.ones((len(centred_BxD), len(query_HxS)), np.float32)
    single_BxH[:, :-1] = centred_BxD
    # The larger, the nearer.
    product_BxRxG = (single_BxH @ query_HxS).reshape(-1, rows, columns)
    best_BxG = product_BxRxG.max(axis=1)
    least_B = np.partition(best_BxG, -number, axis=1)[:, -number]
    error_B = rounding(
      np.linalg.norm(centred_BxD, axis=1),
      np.sqrt(square_S.max()),
      len(query_HxS),
    )
    least_B -= 2 * error_B.astype(np.float32)
    row_K, group_K = np.divmod(
      np.flatnonzero(best_BxG >= least_B[:, None]), columns
    )
    hopeful_KxR = product_BxRxG[row_K, :, group_K] >= least_B[row_K, None]
    group, place = np.divmod(np.flatnonzero(hopeful_KxR), rows)
    row_J = row_K[group]
    distance_J = _distance(
      point_PxD[some][row_J], among_SxD[place * columns + group_K[group]]
    )
    number_B = np.bincount(row_J, minlength=len(centred_BxD))
    distance_BxM = np.full((len(number_B), number_B.max()), np.inf)
    distance_BxM[np.arange(number_B.max()) < number_B[:, None]] = distance_J
    distance_BxM.partition(number - 1, axis=1)
    return np.sort(distance_BxM[:, :number], axis=1)

  size = max(1, _BLOCK // (rows * columns))
  found = blocks.over(len(point_PxD), search, 'nearest points', rows=size)
  none_0xk = np.zeros((0, number))
  return np.concatenate([none_0xk, *(part for _, part in found)])


def rounding(norm_P: np.ndarray, largest: float, terms: int) -> np.ndarray:
  """How far x.y - |y|^2 / 2 may be off in float32, for |x| and the largest |y|.

  Factors, products and sums are each off by at most half a unit in the last
  place, so the whole by so many of the sum of the absolute terms.
  """
  unit = np.finfo(np.float32).eps / 2
  error_P: np.ndarray = norm_P * largest + largest**2 / 2
  return (terms + 3) * unit * error_P


def _distance(a_JxD: np.ndarray, b_JxD: np.ndarray) -> np.ndarray:
  """Row by row, added up in the order of scipy's trees."""
  square_JxD = (a_JxD - b_JxD) ** 2
  whole = square_JxD.shape[1] // 4 * 4
  lane_Jx4 = square_JxD[:, :whole].reshape(len(square_JxD), -1, 4).sum(axis=1)
  total_J = lane_Jx4[:, 0].copy()
  for rest_J in (*lane_Jx4.T[1:], *square_JxD.T[whole:]):
    total_J += rest_J
  return np.sqrt(total_J)
