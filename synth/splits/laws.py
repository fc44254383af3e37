"""Laws over classes: weights by which training sets and tests are drawn.

Each law gives the logarithm of a weight for every class.

Letters: C classes, S sizes, D dimensions, K clusters or cells, R classes of a
random sample, B of a block; H = D + 1.
"""

import numpy as np
import scipy.spatial

from synth.spaces import blocks
from synth.spaces import dimension as dimension_lib
from synth.spaces import points
from synth.splits import sampling

NEIGHBOURS = 16  # whose distance estimates the density
_CLIP = 0.99  # quantile of the weights
_BINNED_AXES = 3
_ROUNDS = 20  # of k-means
_FITTED = 1 << 16  # classes whose centres are found, of more
_STEPS = 1 << 12  # of eps, from 0 to the largest distance there may be
_CANDIDATES = 1024  # for a net, at once
_ROWS = 1 << 10  # whose products with them stay in the cache


def programs(count_SxC: np.ndarray) -> np.ndarray:
  """Uniform over programs: a class weighs as much as it has programs (A1).

  Args:
    count_SxC: Programs of each size of each class.
  """
  return np.log(np.maximum(count_SxC.sum(axis=0, dtype=float), 1))


def derivations(
  count_SxC: np.ndarray, size_S: np.ndarray, node_weight: float
) -> np.ndarray:
  """A class weighs as much as the derivations that compute it (A2).

  A program of n nodes has weight `node_weight`**n: with the critical weight
  (`language.pcfg.critical_weight`) that is the law of the derivations of a
  probabilistic grammar, cut off at the largest size.

  Args:
    count_SxC: Programs of each class of each size.
    size_S: The sizes, in nodes.
    node_weight: Weight of a node, from 0 to 1.
  """
  scaled_SxC = count_SxC * node_weight ** (size_S - size_S[0])[:, None]
  return np.log(scaled_SxC.sum(axis=0))


def sparsity(
  point_CxD: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
  """Inverse local density by the k-th neighbour (A4, A5).

  With r the distance to it and d the intrinsic dimension, density goes as
  r**-d, so weights r**d flatten it. Neighbours are sought among all classes, of
  many among a sample (`sampling.some`), which has the same density.

  Returns:
    The log-weights and d (Levina and Bickel's estimate).
  """
  among = sampling.some(len(point_CxD), rng)
  neighbours = min(NEIGHBOURS, len(among) - 1)
  distance = points.nearest(point_CxD, point_CxD[among], neighbours + 1)
  # The first is the point itself if it is among them.
  itself_C = np.zeros(len(point_CxD), bool)
  itself_C[among] = True
  distance = np.where(itself_C[:, None], distance[:, 1:], distance[:, :-1])
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
  """The mean of two log-weights, brought to one distribution first (A9).

  The r-th smallest of each is replaced by the mean of the r-th smallest of
  both, so that neither space's scale dominates.
  """
  common = (np.sort(first_C) + np.sort(second_C)) / 2
  ranks = (
    np.argsort(np.argsort(log_weight_C, kind='stable'), kind='stable')
    for log_weight_C in (first_C, second_C)
  )
  both: np.ndarray = sum(common[rank_C] for rank_C in ranks) / 2
  return both


def bins(point_CxD: np.ndarray, cells: int) -> np.ndarray:
  """The cell of each class: a grid of equal shares along the first axes (A5b).

  Args:
    point_CxD: Coordinates; the first three axes are used.
    cells: How many cells the grid has, about.

  Returns:
    cell_C, numbered 0, 1, ... without those that are empty.
  """
  import scipy.stats  # here, for it loads slowly

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
  """The cluster of each class: k-means from k-means++ (A7).

  Of more than 65,536 classes only a sample is used to find the centres; then
  every class joins the nearest one. The centre of a cluster that loses all its
  classes stays where it was, and may win some back.

  Args:
    point_CxD: Coordinates.
    number: Of clusters; those that are empty in the end are left out.
    rng: Draws sample and first centres.

  Returns:
    cluster_C, numbered 0, 1, ...
  """
  some_R = sampling.some(len(point_CxD), rng, _FITTED)
  some_RxD = np.asarray(point_CxD[some_R], np.float64)
  centre_KxD = _spread(some_RxD, number, rng)
  for _ in range(_ROUNDS - 1):
    label_R = _nearest(some_RxD, centre_KxD)
    count_K = np.bincount(label_R, minlength=number)
    total_KxD = np.stack(
      [np.bincount(label_R, axis_R, number) for axis_R in some_RxD.T], axis=1
    )
    centre_KxD = np.where(
      count_K[:, None] > 0,
      total_KxD / np.maximum(count_K, 1)[:, None],
      centre_KxD,
    )
  label_C = _nearest(point_CxD, centre_KxD)
  return np.unique(label_C, return_inverse=True)[1]


def _nearest(point_CxD: np.ndarray, centre_KxD: np.ndarray) -> np.ndarray:
  """The nearest centre of each point."""
  half_K = (centre_KxD**2).sum(axis=1) / 2

  def nearest(rows: slice) -> np.ndarray:
    label_B: np.ndarray = np.argmax(
      point_CxD[rows] @ centre_KxD.T - half_K, axis=1
    )
    return label_B

  found = blocks.over(len(point_CxD), nearest, 'k-means')
  return np.concatenate([label_B for _, label_B in found])


def _spread(
  point_CxD: np.ndarray, number: int, rng: np.random.Generator
) -> np.ndarray:
  """Centres by k-means++ (Arthur and Vassilvitskii, SODA 2007).

  Each is a point, drawn by its squared distance to the nearest so far.
  """
  chosen = [int(rng.integers(len(point_CxD)))]
  square_C = np.full(len(point_CxD), np.inf)
  while len(chosen) < number:
    last_1xD = point_CxD[chosen[-1:]]
    found_C = scipy.spatial.distance.cdist(last_1xD, point_CxD, 'sqeuclidean')
    np.minimum(square_C, found_C[0], out=square_C)
    share_C = np.cumsum(square_C / square_C.sum())
    place = int(np.searchsorted(share_C, rng.uniform()))
    chosen.append(min(place, len(point_CxD) - 1))
  return point_CxD[chosen]


def even(cell_C: np.ndarray) -> np.ndarray:
  """The same total weight for every cell, shared equally by its classes.

  Args:
    cell_C: The cell of each class, 0, 1, ...
  """
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
  order = rng.permutation(len(point_CxD))
  shuffled_CxD = point_CxD[order]
  widest = float(np.linalg.norm(np.ptp(point_CxD, axis=0)))
  # Steps of eps that give too many, and not too many with how many they give.
  low, enough = 0, {_STEPS: np.zeros(1, np.int64)}
  while (high := min(enough)) - low > 1:
    step = _next_step(
      low, {at: len(taken) for at, taken in enough.items()}, number
    )
    taken = _thinned(shuffled_CxD, widest * step / _STEPS, number)
    if len(taken) > number:
      low = step
    else:
      enough[step] = taken
  taken = enough[high][:number]
  free_C = np.ones(len(order), bool)
  free_C[taken] = False
  rest = np.flatnonzero(free_C)[: number - len(taken)]
  return np.sort(order[np.concatenate([taken, rest])])


def nets(
  point_CxD: np.ndarray,
  cell_C: np.ndarray,
  number: int,
  rng: np.random.Generator,
) -> np.ndarray:
  """A net in each cell, of the cell's share of `number`.

  Shares are rounded at random from cell to cell, so that cells that stand next
  to each other have together what they ought to, up to one class.

  Args:
    point_CxD: Coordinates.
    cell_C: The cell of each class, 0, 1, ...
    number: Of classes in all.

  Returns:
    Places of exactly `number` classes, sorted.
  """
  order = np.argsort(cell_C, kind='stable')
  end_K = np.cumsum(np.bincount(cell_C))
  quota_K = np.diff(
    np.floor(end_K * number / len(cell_C) + rng.random()), prepend=0
  )
  chosen = [
    places[net(point_CxD[places], int(quota), rng)]
    for places, quota in zip(np.split(order, end_K[:-1]), quota_K, strict=True)
    if quota
  ]
  return np.sort(np.concatenate(chosen))


def _next_step(low: int, number_of: dict[int, int], number: int) -> int:
  """The step of eps to try next, in the search of `net`.

  It is where the numbers of the two smallest steps tried lead, as a power law
  of eps; but halfway between the bounds where these numbers are equal. Large
  eps are cheap to try, so the search comes down from them; halving the bounds
  throughout would end at the same step, by more of the dear tries.

  Args:
    low: The largest step known to give too many (0: none is known).
    number_of: Step -> classes taken with it, of those that do not give too
      many.
    number: How many classes are wanted.
  """
  high, *larger = sorted(number_of)
  middle = (low + high) // 2
  if low or not larger or number_of[high] in (number, number_of[larger[0]]):
    return middle
  growth = np.log(number_of[high] / number_of[larger[0]])
  power = max(growth / np.log(larger[0] / high), 1.0)
  wanted = high * (number_of[high] / number) ** (1 / power)
  return int(np.clip(wanted, middle, high - 1))


def _thinned(point_CxD: np.ndarray, eps: float, enough: int) -> np.ndarray:
  """Places that are taken with this eps, in order, each if none before is near.

  It ends early once more than `enough` are taken. Blocks of places are thinned
  among themselves, then they thin out all that follow: x is within eps of y if
  x.y - |y|^2 / 2 >= (|x|^2 - eps^2) / 2. That is decided in float32 where its
  rounding cannot matter, else in float64.
  """
  point_CxD = point_CxD - point_CxD.mean(axis=0)
  half_C = (point_CxD**2).sum(axis=1) / 2
  norm_C = np.sqrt(2 * half_C)
  # One coordinate more: a product with a query is x.y - |y|^2 / 2.
  query_CxH = np.column_stack([point_CxD, -half_C])
  point_CxH = np.column_stack([point_CxD, np.ones(len(half_C))])
  single_CxH = point_CxH.astype(np.float32)
  least_C = half_C - eps**2 / 2
  left = np.arange(len(point_CxD))
  taken: list[np.ndarray] = []
  number = 0
  with blocks.threads() as threads:
    while len(left) and number <= enough:
      own_B, left = left[:_CANDIDATES], left[_CANDIDATES:]
      single_CxH = single_CxH[_CANDIDATES:]
      near_BxB = point_CxH[own_B] @ query_CxH[own_B].T >= least_C[own_B, None]
      free_B = np.ones(len(own_B), bool)
      for place in range(len(own_B)):
        if free_B[place]:
          free_B[place + 1 :] &= ~near_BxB[place + 1 :, place]
      taken.append(own_B[free_B])
      number += len(taken[-1])
      query_HxB = query_CxH[taken[-1]].T
      single_HxB = query_HxB.astype(np.float32, order='C')

      def nearest(
        start: int,
        point_CxH: np.ndarray = single_CxH,
        query_HxB: np.ndarray = single_HxB,
      ) -> np.ndarray:
        product = point_CxH[start : start + _ROWS] @ query_HxB
        most: np.ndarray = product.max(axis=1)
        return most

      most = list(threads.map(nearest, range(0, len(left), _ROWS)))
      if most:
        beyond = np.concatenate(most) - least_C[left]
        error = points.rounding(
          norm_C[left], norm_C[taken[-1]].max(), len(query_HxB)
        )
        (unsure,) = np.nonzero(np.abs(beyond) <= error)
        check = left[unsure]
        product = point_CxH[check] @ query_HxB
        beyond[unsure] = product.max(axis=1) - least_C[check]
        free = np.flatnonzero(beyond < 0)
        left, single_CxH = left[free], single_CxH[free]
  return np.concatenate(taken)
