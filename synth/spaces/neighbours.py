"""Exact nearest neighbours in the pq-gram distance, by bounds and products.

How many grams of a program occur in a query at all, with their repeats, is no
less than what the two share, and is a sum over the program's inner nodes: one
product of (programs x surroundings) and (surroundings x queries), a fifth of
the work of counting gram by gram. Queries that are asked for together, as all
minimal programs of a class are, have one such bound, the largest of theirs.
Only where it beats the nearest program found so far are the intersections of
the bags counted: for about one pair in ten thousand of a large universe.
"""

import itertools

import numpy as np
import scipy.sparse

from synth import seeding
from synth.spaces import blocks
from synth.spaces import syntactic

_OWNERS = 128  # at once; their bounds stay in the cache
_AMONG = 4096  # programs that they are compared with at once
_FIRST = 256  # fewer at first, while what is near is not known
_COUNT = np.int16  # of shared grams


def nearest(query: syntactic.Profiles, among: syntactic.Profiles) -> np.ndarray:
  """Distance of each query program to the nearest of `among`: float_P."""
  distance_P: np.ndarray = Index(among).nearest(query)[0]
  return distance_P


class Index:
  """Programs, and subsets of them, among which neighbours are sought."""

  def __init__(
    self,
    among: syntactic.Profiles,
    row_T: np.ndarray | None = None,
    member_AxT: np.ndarray | None = None,
  ):
    """Orders the programs.

    Args:
      among: Profiles of programs.
      row_T: Those that are meant; all if not given.
      member_AxT: Which of these are in each of A subsets; one of all if not
        given.

    Raises:
      ValueError: if a subset is empty.
    """
    size_T = among.size_P
    if row_T is None:
      row_T = np.arange(len(size_T))
    size_T = size_T[row_T]
    if member_AxT is None:
      member_AxT = np.ones((1, len(size_T)), bool)
    if not member_AxT.size or not member_AxT.any(axis=1).all():
      raise ValueError('there is nothing to be near to')
    # The largest first: there are most of them, and what is near is soon found.
    rng = seeding.generator(0, 'neighbours')
    self._order_T = np.lexsort((rng.random(len(size_T)), -size_T))
    self._among = among
    self._row_T = row_T[self._order_T]
    self._size_T = size_T[self._order_T]
    self._member_AxT = member_AxT[:, self._order_T]
    around_TxS = among.around_PxS[self._row_T].astype(_COUNT)
    self._parts = [
      (start, end, around_TxS[start:end])
      for start, end in itertools.pairwise(_bounds(self._size_T))
    ]

  def nearest(
    self,
    query: syntactic.Profiles,
    itself_P: np.ndarray | None = None,
    owner_P: np.ndarray | None = None,
  ) -> np.ndarray:
    """Distance of each query to the nearest of each subset.

    Args:
      query: Of P programs, with the same p and q.
      itself_P: Where in `row_T` each query is, -1 if it is not: a program
        is not its own neighbour. If not given, it may be.
      owner_P: Ascending, all from 0: queries of one owner are programs of one
        thing, whose distance is the least of theirs. If not given, each has
        its own.

    Returns:
      distance_AxO of the owners; infinite where there is nothing but itself.
    """
    number = query.count_PxG.shape[0]
    place_P = np.full(number, -1)
    if itself_P is not None:
      (inside,) = np.nonzero(itself_P >= 0)
      place_P[inside] = np.argsort(self._order_T)[itself_P[inside]]
    if owner_P is None:
      owner_P = np.arange(number)
    owners = int(owner_P.max(initial=-1)) + 1
    first_O1 = np.searchsorted(owner_P, np.arange(owners + 1))
    count_PxG = query.counts_of(self._among)
    size_P = query.size_P

    def search(some: slice) -> np.ndarray:
      rows = slice(first_O1[some.start], first_O1[some.stop])
      return self._search(
        count_PxG[rows].toarray().astype(_COUNT),
        size_P[rows],
        place_P[rows],
        first_O1[some.start : some.stop + 1] - rows.start,
      )

    found = blocks.over(owners, search, 'nearest neighbours', rows=_OWNERS)
    none_AxO = np.zeros((len(self._member_AxT), 0))
    return np.concatenate([none_AxO, *(part for _, part in found)], axis=1)

  def _search(
    self,
    count_QxG: np.ndarray,
    size_Q: np.ndarray,
    place_Q: np.ndarray,
    first_O1: np.ndarray,
  ) -> np.ndarray:
    """`nearest` of some queries, of which each owner has a range."""
    among = self._among
    occurs_SxQ = among.gram_SxG.astype(_COUNT) @ (count_QxG > 0).T.astype(
      _COUNT
    )
    number_O = np.diff(first_O1)
    most_SxO = np.maximum.reduceat(occurs_SxQ, first_O1[:-1], axis=1)
    size_O = np.minimum.reduceat(size_Q, first_O1[:-1])
    # What the nearest so far shares, and how many grams the two have.
    shape = (len(self._member_AxT), len(number_O))
    shared_AxO, total_AxO = np.full(shape, -1), np.ones(shape, np.int64)
    for start, end, around_BxS in self._parts:
      member_AxB = self._member_AxT[:, start:end]
      has_A = member_AxB.any(axis=1)
      if not has_A.any():
        continue
      least_AxO = (
        shared_AxO[has_A] * (size_O + self._size_T[start]) // total_AxO[has_A]
      )
      most_BxO = around_BxS @ most_SxO
      # Much faster than np.nonzero of two dimensions, and nearly all are 0.
      hopeful_BxO = most_BxO > least_AxO.min(axis=0).astype(_COUNT)
      row_K, owner_K = np.divmod(np.flatnonzero(hopeful_BxO), len(number_O))
      # All queries of these owners.
      number_K = number_O[owner_K]
      last_K = np.cumsum(number_K)
      before_K = first_O1[owner_K] - (last_K - number_K)
      query_K = np.arange(number_K.sum()) + np.repeat(before_K, number_K)
      row_K, owner_K = (np.repeat(k, number_K) for k in (row_K, owner_K))
      other = row_K + start != place_Q[query_K]
      row_K, owner_K, query_K = row_K[other], owner_K[other], query_K[other]
      if not len(row_K):
        continue
      count_KxG = among.count_PxG[self._row_T[row_K + start]]
      shared_K = _shared(count_KxG, count_QxG, query_K)
      total_K = size_Q[query_K] + self._size_T[start]
      # The nearest of each owner comes last, and stays.
      order = np.argsort(shared_K / total_K, kind='stable')
      for subset in np.flatnonzero(has_A):
        mine = order[member_AxB[subset, row_K[order]]]
        owner = owner_K[mine]
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
