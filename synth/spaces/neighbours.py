"""Exact nearest neighbours in the pq-gram distance, by bounds and products.

How many grams of a program occur in a query at all, with their repeats, is no
less than what the two share, and is a sum over the program's inner nodes: one
product of (programs x surroundings) and (surroundings x queries), a fifth of
the work of counting gram by gram. Only where this bound beats the nearest
program found so far is the intersection of the bags counted: for about one
pair in ten thousand of a large universe.
"""

import itertools

import numpy as np
import scipy.sparse

from synth import seeding
from synth.spaces import blocks
from synth.spaces import syntactic

_QUERIES = 128  # at once; their bounds stay in the cache
_AMONG = 4096  # programs that they are compared with at once
_FIRST = 256  # fewer at first, while what is near is not known
_COUNT = np.int16  # of shared grams


def nearest(query: syntactic.Profiles, among: syntactic.Profiles) -> np.ndarray:
  """Distance of each query program to the nearest of `among`: float_P.

  The two must stem from one `profile` call (a shared list of grams).
  """
  everyone = np.ones((1, among.count_PxG.shape[0]), bool)
  return nearest_in(query, among, everyone)[0]


def nearest_in(
  query: syntactic.Profiles,
  among: syntactic.Profiles,
  member_AxT: np.ndarray,
  itself_P: np.ndarray | None = None,
  owner_P: np.ndarray | None = None,
) -> np.ndarray:
  """Distance of each query to the nearest of each of several subsets.

  Args:
    query: Of P programs.
    among: Of T programs, from the same `profile` call.
    member_AxT: Which of them are in each of A subsets.
    itself_P: Where each query is in `among`, -1 if it is not: a program is not
      its own neighbour. If not given, it may be.
    owner_P: Ascending, from 0: queries of one owner are programs of one thing,
      whose distance is the least of theirs. If not given, each has its own.

  Returns:
    distance_AxO of the owners; infinite where there is nothing but itself.

  Raises:
    ValueError: if the lists of grams differ or a subset is empty.
  """
  if not np.array_equal(query.gram_G, among.gram_G):
    raise ValueError('profiles with different lists of grams')
  if not member_AxT.size or not member_AxT.any(axis=1).all():
    raise ValueError('there is nothing to be near to')
  size_P, size_T = query.size_P, among.size_P
  # The largest first: there are most of them, and what is near is soon found.
  rng = seeding.generator(0, 'neighbours')
  order_T = np.lexsort((rng.random(len(size_T)), -size_T))
  among, size_T = among.take(order_T), size_T[order_T]
  member_AxT = member_AxT[:, order_T]
  place_P = np.full(len(size_P), -1)
  if itself_P is not None:
    (inside,) = np.nonzero(itself_P >= 0)
    place_P[inside] = np.argsort(order_T)[itself_P[inside]]
  if owner_P is None:
    owner_P = np.arange(len(size_P))
  around_TxS = among.around_PxS.astype(_COUNT)
  parts = [
    (start, end, around_TxS[start:end])
    for start, end in itertools.pairwise(_bounds(size_T))
  ]

  def search(rows: slice) -> np.ndarray:
    count_QxG = query.count_PxG[rows].toarray().astype(_COUNT)
    occurs_SxQ = among.gram_SxG.astype(_COUNT) @ (count_QxG > 0).T.astype(
      _COUNT
    )
    owner_Q = owner_P[rows] - owner_P[rows.start]
    # What the nearest so far shares, and how many grams the two have.
    shape = (len(member_AxT), owner_Q[-1] + 1)
    shared_AxO, total_AxO = np.full(shape, -1), np.ones(shape, np.int64)
    for start, end, around_BxS in parts:
      member_AxB = member_AxT[:, start:end]
      has_A = member_AxB.any(axis=1)
      if not has_A.any():
        continue
      total_Q = size_P[rows] + size_T[start]
      least_AxQ = (
        shared_AxO[has_A][:, owner_Q] * total_Q // total_AxO[has_A][:, owner_Q]
      )
      most_BxQ = around_BxS @ occurs_SxQ
      # Much faster than np.nonzero of two dimensions, and nearly all are 0.
      hopeful_BxQ = most_BxQ > least_AxQ.min(axis=0).astype(_COUNT)
      row_K, query_K = np.divmod(np.flatnonzero(hopeful_BxQ), len(owner_Q))
      other = row_K + start != place_P[rows][query_K]
      row_K, query_K = row_K[other], query_K[other]
      if not len(row_K):
        continue
      shared_K = _shared(among.count_PxG[row_K + start], count_QxG, query_K)
      total_K = total_Q[query_K]
      # The nearest of each owner comes last, and stays.
      order = np.argsort(shared_K / total_K, kind='stable')
      for subset in np.flatnonzero(has_A):
        mine = order[member_AxB[subset, row_K[order]]]
        owner = owner_Q[query_K[mine]]
        better = (
          shared_K[mine] * total_AxO[subset, owner]
          > shared_AxO[subset, owner] * total_K[mine]
        )
        owner, mine = owner[better], mine[better]
        shared_AxO[subset, owner] = shared_K[mine]
        total_AxO[subset, owner] = total_K[mine]
    return np.where(
      shared_AxO < 0, np.inf, syntactic.tanimoto(shared_AxO, total_AxO)
    )

  distance_AxO = np.full((len(member_AxT), owner_P.max(initial=-1) + 1), np.inf)
  for rows, found_AxO in blocks.over(
    len(size_P), search, 'nearest neighbours', rows=_QUERIES
  ):
    first = owner_P[rows.start]
    here_AxO = distance_AxO[:, first : first + found_AxO.shape[1]]
    np.minimum(here_AxO, found_AxO, out=here_AxO)
  return distance_AxO


def _bounds(size_T: np.ndarray) -> list[int]:
  """Where blocks of programs of one size begin; the first ones are small."""
  ends = np.flatnonzero(np.diff(size_T)) + 1
  cuts = [0]
  while cuts[-1] < len(size_T):
    cuts.append(min(cuts[-1] + min(cuts[-1] + _FIRST, _AMONG), len(size_T)))
  return np.union1d(cuts, ends).tolist()


def _shared(
  count_KxG: scipy.sparse.csr_matrix,
  count_QxG: np.ndarray,
  query_K: np.ndarray,
) -> np.ndarray:
  """Sizes of the intersections of programs' bags with those of queries."""
  query = np.repeat(query_K, np.diff(count_KxG.indptr))
  both = np.minimum(count_KxG.data, count_QxG[query, count_KxG.indices])
  return np.add.reduceat(both, count_KxG.indptr[:-1], dtype=np.int64)
