"""Exact nearest neighbours in the pq-gram distance, by sparse products."""

import numpy as np
import scipy.sparse

from synth.spaces import syntactic

_BLOCK = 256  # queries at once


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
  copies = int(max(query.count_PxG.max(), among.count_PxG.max()))
  query_PxF = _binary(query.count_PxG, copies)
  among_FxT = _binary(among.count_PxG, copies).T.tocsr()
  query_size = np.asarray(query.count_PxG.sum(axis=1)).ravel()
  among_size = np.asarray(among.count_PxG.sum(axis=1)).ravel()
  distance_P = np.empty(len(query_size))
  index_P = np.empty(len(query_size), np.int64)
  for start in range(0, len(query_size), _BLOCK):
    rows = slice(start, start + _BLOCK)
    shared = (query_PxF[rows] @ among_FxT).toarray()
    block = syntactic.tanimoto(
      shared, query_size[rows, None], among_size[None, :]
    )
    index_P[rows] = block.argmin(axis=1)
    distance_P[rows] = block.min(axis=1)
  return distance_P, index_P


def _binary(
  count_PxG: scipy.sparse.csr_matrix, copies: int
) -> scipy.sparse.csr_matrix:
  """Counts as 0/1 features (gram, 1), ..., (gram, count).

  The dot product of two such rows is the size of the bag intersection.
  """
  coo = count_PxG.tocoo()
  repeat = coo.data.astype(np.int64)
  row = np.repeat(coo.row, repeat)
  ends = np.cumsum(repeat)
  number = np.arange(len(row)) - np.repeat(ends - repeat, repeat)
  column = np.repeat(coo.col.astype(np.int64), repeat) * copies + number
  return scipy.sparse.csr_matrix(
    (np.ones(len(row), np.float32), (row, column)),
    shape=(count_PxG.shape[0], count_PxG.shape[1] * copies),
  )
