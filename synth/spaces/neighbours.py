"""Exact nearest neighbours in the pq-gram distance, by sparse products.

Bags are taken apart into 0/1 features (gram, 1), ..., (gram, count): the dot
product of two such rows is the size of the bag intersection.
"""

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
    distance_P and index_P (the first of equals).
  """
  if not np.array_equal(query.gram_G, among.gram_G):
    raise ValueError('profiles with different lists of grams')
  sizes = [
    np.asarray(profiles.count_PxG.sum(axis=1)).ravel()
    for profiles in (query, among)
  ]
  if not len(sizes[1]):
    raise ValueError('there is nothing to be near to')
  copies = int(max(query.count_PxG.max(), among.count_PxG.max()))
  query_PxF = _binary(query.count_PxG, copies)
  among_TxF = _binary(among.count_PxG, copies)
  used = np.flatnonzero(query_PxF.getnnz(axis=0))
  query_PxF, among_TxF = query_PxF[:, used], among_TxF[:, used]
  # Ratios of whole numbers below 2**12 that differ are still different in
  # float32, and equal ones are equal: no nearer program is missed.
  size_P, size_T = (size.astype(np.float32) for size in sizes)

  def search(rows: slice) -> np.ndarray:
    query_FxP = np.ascontiguousarray(query_PxF[rows].T.toarray())
    best_P = np.full(query_FxP.shape[1], -1, np.float32)
    index_P = np.zeros(query_FxP.shape[1], np.int64)
    for start in range(0, len(size_T), _AMONG):
      part = slice(start, start + _AMONG)
      shared = (among_TxF[part] @ query_FxP).astype(np.float32)
      similar = size_T[part, None] + size_P[rows]
      similar -= shared
      np.divide(shared, similar, out=similar)
      most_P = similar.max(axis=0)
      (better,) = np.nonzero(most_P > best_P)
      best_P[better] = most_P[better]
      index_P[better] = start + similar[:, better].argmax(axis=0)
    return index_P

  found = blocks.over(len(size_P), search, 'nearest neighbours', rows=_QUERIES)
  index_P = np.concatenate(
    [np.zeros(0, np.int64), *(index_B for _, index_B in found)]
  )
  return syntactic.distance(query, among.take(index_P)), index_P


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
