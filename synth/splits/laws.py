"""Laws over classes: weights by which training sets and tests are drawn.

Each law gives the logarithm of a weight for every class; see methods 1.3
(A1, A3-A7, A9) for where they come from.
"""

import numpy as np
import scipy.cluster
import scipy.spatial
import scipy.stats

from synth.spaces import dimension as dimension_lib

NEIGHBOURS = 16  # whose distance estimates the density
_CLIP = 0.99  # quantile of the weights
_BINNED_AXES = 3


def programs(count_SxC: np.ndarray) -> np.ndarray:
  """Uniform over programs: a class by its number of programs (A1).

  Args:
    count_SxC: Its programs of each size.
  """
  return np.log(np.maximum(count_SxC.sum(axis=0, dtype=float), 1))


def derivations(
  count_SxC: np.ndarray, size_S: np.ndarray, node_weight: float
) -> np.ndarray:
  """By the chance that a random derivation computes the class (A2).

  A program of n nodes has weight `node_weight`**n: with the critical weight
  (`language.pcfg.critical_weight`) that is the law of the derivations of a
  probabilistic grammar, cut off at the largest size.

  Args:
    count_SxC: Programs of each class of each size.
    size_S: The sizes.
    node_weight: See above.
  """
  scaled_SxC = count_SxC * node_weight ** (size_S - size_S[0])[:, None]
  return np.log(scaled_SxC.sum(axis=0))


def sparsity(point_CxD: np.ndarray) -> tuple[np.ndarray, float]:
  """Inverse local density by the k-th neighbour (A4, A5).

  With r the distance to it and d the intrinsic dimension, density goes as
  r**-d, so weights r**d flatten it.

  Returns:
    The log-weights and d (Levina and Bickel's estimate).
  """
  neighbours = min(NEIGHBOURS, len(point_CxD) - 1)
  distance, _ = scipy.spatial.cKDTree(point_CxD).query(
    point_CxD, neighbours + 1, workers=-1
  )
  distance = distance[:, 1:]  # the first is the point itself
  dimension = dimension_lib.levina_bickel(distance)
  if not 0 < dimension < np.inf:
    return np.zeros(len(point_CxD)), dimension  # no place is denser
  smallest = distance[distance > 0].min()
  radius_C = np.maximum(distance[:, -1], smallest)
  return clipped(dimension * np.log(radius_C)), dimension


def clipped(log_weight_C: np.ndarray) -> np.ndarray:
  """The largest hundredth of the weights cut down to where it begins."""
  return np.minimum(log_weight_C, np.quantile(log_weight_C, _CLIP))


def joint(first_C: np.ndarray, second_C: np.ndarray) -> np.ndarray:
  """The mean of two log-weights brought to one distribution (A9).

  Each is replaced, rank by rank, by the average of both, so that neither
  space's scale dominates.
  """
  common = (np.sort(first_C) + np.sort(second_C)) / 2
  ranks = (
    np.argsort(np.argsort(log_weight_C, kind='stable'), kind='stable')
    for log_weight_C in (first_C, second_C)
  )
  both: np.ndarray = sum(common[rank_C] for rank_C in ranks) / 2
  return both


def bins(point_CxD: np.ndarray, cells: int) -> np.ndarray:
  """The cell of each class: equal shares along the first axes (A5b).

  Args:
    point_CxD: Coordinates.
    cells: About so many.
  """
  axes = min(_BINNED_AXES, point_CxD.shape[1])
  number = max(2, round(cells ** (1 / axes)))
  cell_C = np.zeros(len(point_CxD), np.int64)
  for axis in range(axes):
    rank_C = scipy.stats.rankdata(point_CxD[:, axis], 'average')
    share_C = (rank_C - 0.5) / len(point_CxD)
    cell_C = cell_C * number + np.floor(share_C * number).astype(np.int64)
  return np.unique(cell_C, return_inverse=True)[1]


def clusters(
  point_CxD: np.ndarray, number: int, rng: np.random.Generator
) -> np.ndarray:
  """The k-means cluster of each class (A7)."""
  _, label_C = scipy.cluster.vq.kmeans2(
    point_CxD.astype(np.float64), number, iter=20, minit='++', rng=rng
  )
  return np.unique(label_C, return_inverse=True)[1]


def even(cell_C: np.ndarray) -> np.ndarray:
  """The same total weight for every cell, shared equally within it."""
  return -np.log(np.bincount(cell_C)[cell_C].astype(float))


def net(
  point_CxD: np.ndarray, number: int, rng: np.random.Generator
) -> np.ndarray:
  """About `number` classes no two of which are near each other (A6).

  Classes are taken in random order unless one within eps has been taken, with
  the eps that gives the number: a packing that is also a cover.

  Returns:
    Places of exactly `number` classes (cut or filled up at random), sorted.
  """
  tree = scipy.spatial.cKDTree(point_CxD)
  order = rng.permutation(len(point_CxD))
  low, high = 0.0, float(np.linalg.norm(np.ptp(point_CxD, axis=0)))
  taken = order
  for _ in range(12):
    eps = (low + high) / 2
    taken = _thinned(tree, point_CxD, order, eps, number)
    if len(taken) > number:
      low = eps
    else:
      high = eps
  taken = _thinned(tree, point_CxD, order, high, number)[:number]
  rest = order[~np.isin(order, taken)][: number - len(taken)]
  return np.sort(np.concatenate([taken, rest]))


def _thinned(
  tree: scipy.spatial.cKDTree,
  point_CxD: np.ndarray,
  order: np.ndarray,
  eps: float,
  enough: int,
) -> np.ndarray:
  """Places taken with this eps; stops when there are more than enough."""
  covered_C = np.zeros(len(order), bool)
  taken = []
  for place in order.tolist():
    if not covered_C[place]:
      taken.append(place)
      if len(taken) > enough:
        break
      covered_C[tree.query_ball_point(point_CxD[place], eps)] = True
  return np.array(taken, np.int64)
