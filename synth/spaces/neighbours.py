"""Exact nearest neighbours in the pq-gram distance, by sparse products.

Bags are taken apart into 0/1 features (gram, 1), ..., (gram, count): the dot
product of two such rows is the size of the bag intersection. Among programs of
one size the nearest is the one that shares most, so all but the maximum of each
size stays in small whole numbers.
"""

import itertools

import numpy as np
import scipy.sparse

from synth.spaces import blocks
from synth.spaces import syntactic

_QUERIES = 128  # at once; their dense features stay in the cache
_AMONG = 4096  # programs that they are compared with at once
_COUNT = np.int16  # of shared grams


def nearest(
  query: syntactic.Profiles, among: syntactic.Profiles
) -> tuple[np.ndarray, np.ndarray]:
  """For each query program the nearest of `among`.

  The two must stem from one `profile` call (a shared list of grams).

  Returns:
    distance_P and index_P (of equals the first of the smallest).
  """
  everyone = np.ones((1, among.count_PxG.shape[0]), bool)
  distance_1xP, index_1xP = nearest_in(query, among, everyone)
  return distance_1xP[0], index_1xP[0]


def nearest_in(
  query: syntactic.Profiles,
  among: syntactic.Profiles,
  member_AxT: np.ndarray,
  itself_P: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """For each query the nearest of each of several subsets of `among`.

  Args:
    query: Of P programs.
    among: Of T programs, from the same `profile` call.
    member_AxT: Which of them are in each of A subsets.
    itself_P: Where each query is in `among`, -1 if it is not: a program is not
      its own neighbour. If not given, it may be.

  Returns:
    distance_AxP and index_AxP into `among` (of equals the first of the
    smallest).

  Raises:
    ValueError: if the lists of grams differ or a subset is empty.
  """
  if not np.array_equal(query.gram_G, among.gram_G):
    raise ValueError('profiles with different lists of grams')
  if not member_AxT.size or not member_AxT.any(axis=1).all():
    raise ValueError('there is nothing to be near to')
  sizes = [
    np.asarray(profiles.count_PxG.sum(axis=1)).ravel()
    for profiles in (query, among)
  ]
  copies = int(max(query.count_PxG.max(), among.count_PxG.max()))
  order_T = np.argsort(sizes[1], kind='stable')
  size_P, size_T = sizes[0], sizes[1][order_T]
  member_AxT = member_AxT[:, order_T]
  query_PxF = _binary(query.count_PxG, copies)
  among_TxF = _binary(among.count_PxG[order_T], copies)
  used = np.flatnonzero(query_PxF.getnnz(axis=0))
  query_PxF, among_TxF = query_PxF[:, used], among_TxF[:, used]
  place_P = np.full(len(size_P), -1)
  if itself_P is not None:
    (inside,) = np.nonzero(itself_P >= 0)
    place_P[inside] = np.argsort(order_T)[itself_P[inside]]
  # Blocks of programs of one size.
  ends = np.flatnonzero(np.diff(size_T)) + 1
  cuts = np.arange(0, len(size_T), _AMONG)
  bounds = np.unique(np.concatenate([cuts, ends, [len(size_T)]])).tolist()

  def search(rows: slice) -> np.ndarray:
    query_FxP = np.ascontiguousarray(query_PxF[rows].T.toarray())
    shape = (len(member_AxT), query_FxP.shape[1])
    best_AxP = np.full(shape, -1.0)
    index_AxP = np.zeros(shape, np.int64)
    for start, end in itertools.pairwise(bounds):
      shared = among_TxF[start:end] @ query_FxP
      at_P = place_P[rows] - start
      (here,) = np.nonzero((at_P >= 0) & (at_P < len(shared)))
      shared[at_P[here], here] = -1
      total_P = size_P[rows] + size_T[start]
      for subset, member_T in enumerate(member_AxT[:, start:end]):
        (rows_T,) = np.nonzero(member_T)
        if not len(rows_T):
          continue
        mine = shared if len(rows_T) == len(shared) else shared[rows_T]
        most_P = mine.max(axis=0).astype(np.int64)
        similar_P = most_P / (total_P - most_P)
        (better,) = np.nonzero((most_P >= 0) & (similar_P > best_AxP[subset]))
        best_AxP[subset, better] = similar_P[better]
        found = mine[:, better].argmax(axis=0)
        index_AxP[subset, better] = order_T[start + rows_T[found]]
    return index_AxP

  found = blocks.over(len(size_P), search, 'nearest neighbours', rows=_QUERIES)
  index_AxP = np.concatenate(
    [
      np.zeros((len(member_AxT), 0), np.int64),
      *(index_AxB for _, index_AxB in found),
    ],
    axis=1,
  )
  distance_AxP = np.stack(
    [syntactic.distance(query, among.take(index_P)) for index_P in index_AxP]
  )
  return distance_AxP, index_AxP


def _binary(
  count_PxG: scipy.sparse.csr_matrix, copies: int
) -> scipy.sparse.csr_matrix:
  """Counts as 0/1 features, `copies` for each gram."""
  repeat = count_PxG.data
  ends = np.concatenate([[0], np.cumsum(repeat, dtype=np.int64)])
  number = np.arange(ends[-1]) - np.repeat(ends[:-1], repeat)
  column = np.repeat(count_PxG.indices.astype(np.int64), repeat) * copies
  return scipy.sparse.csr_matrix(
    (
      np.ones(len(column), _COUNT),
      column + number,
      ends[count_PxG.indptr],
    ),
    shape=(count_PxG.shape[0], count_PxG.shape[1] * copies),
  )
