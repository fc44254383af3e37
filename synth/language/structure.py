"""Tree structure of token rows, vectorized on the host.

Rows are well-formed programs in prefix order, PAD beyond their end.
"""

import numpy as np

from synth.language import operators
from synth.language import tokens

NONE = -1  # no such node


def subtree_sizes(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary
) -> np.ndarray:
  """Number of nodes below and including each node: int16_PxL, 1 for padding."""
  programs, length = tok_PxL.shape
  arity_PxL = vocabulary.arity_V[tok_PxL]
  size_PxL = np.ones((programs, length), np.int16)
  size = size_PxL.reshape(-1)
  row_P = np.arange(programs) * length
  for position in range(length - 1, -1, -1):
    arity_P = arity_PxL[:, position]
    for argument in range(arity_P.max(initial=0)):
      row = row_P[arity_P > argument]
      size[row + position] += size[row + position + size[row + position]]
  return size_PxL


def children(tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary) -> np.ndarray:
  """Positions of each node's arguments: child_PxLxA, `NONE` beyond the arity.

  A = the largest arity of the vocabulary, at least 1.
  """
  programs, length = tok_PxL.shape
  arity_PxL = vocabulary.arity_V[tok_PxL]
  max_arity = vocabulary.max_arity
  size_PxL = subtree_sizes(tok_PxL, vocabulary)
  child_PxLxA = np.full((programs, length, max_arity), NONE, np.int16)
  for position in range(length):
    next_P = np.full(programs, position + 1, np.int16)
    for argument in range(arity_PxL[:, position].max(initial=0)):
      (row,) = np.nonzero(arity_PxL[:, position] > argument)
      start = next_P[row]
      child_PxLxA[row, position, argument] = start
      next_P[row] += size_PxL[row, start]
  return child_PxLxA


def well_formed(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary
) -> np.ndarray:
  """Whether each row, of any tokens up to PAD, is one complete program."""
  inside_PxL = np.logical_and.accumulate(tok_PxL != tokens.PAD, axis=1)
  arity_PxL = vocabulary.arity_V[tok_PxL]
  # Subtrees that are still to come after each token.
  open_PxL = 1 + np.cumsum(np.where(inside_PxL, arity_PxL - 1, 0), axis=1)
  last_P = inside_PxL.sum(axis=1) - 1
  at_L = np.arange(tok_PxL.shape[1])
  return (
    (last_P >= 0)
    & ((arity_PxL >= 0) | ~inside_PxL).all(axis=1)
    & ((open_PxL > 0) | (at_L >= last_P[:, None])).all(axis=1)
    & (open_PxL[:, -1] == 0)
  )


def replaced(
  tok_PxL: np.ndarray,
  start_P: np.ndarray,
  size_P: np.ndarray,
  fill_PxM: np.ndarray,
  fill_size_P: np.ndarray,
) -> np.ndarray:
  """Rows with other tokens in the place of some: tok_PxN, N = L + M.

  Args:
    tok_PxL: The rows.
    start_P: The first position that is replaced.
    size_P: How many tokens are.
    fill_PxM: The tokens that take their place.
    fill_size_P: How many of them.
  """
  place_N = np.arange(tok_PxL.shape[1] + fill_PxM.shape[1])
  end_P = start_P + fill_size_P
  found_PxN = np.full((len(tok_PxL), len(place_N)), tokens.PAD, tokens.DTYPE)
  for from_PxL, shift_P, there_PxN in (
    (tok_PxL, np.zeros_like(start_P), place_N < start_P[:, None]),
    (
      fill_PxM,
      -start_P,
      (place_N >= start_P[:, None]) & (place_N < end_P[:, None]),
    ),
    (tok_PxL, size_P - fill_size_P, place_N >= end_P[:, None]),
  ):
    at_PxN = place_N + shift_P[:, None]
    inside_PxN = there_PxN & (at_PxN < from_PxL.shape[1])
    at_PxN = np.clip(at_PxN, 0, from_PxL.shape[1] - 1)
    taken_PxN = np.take_along_axis(from_PxL, at_PxN, axis=1)
    found_PxN = np.where(inside_PxN, taken_PxN, found_PxN)
  return found_PxN


def parents(child_PxLxA: np.ndarray) -> np.ndarray:
  """Position of each node's parent: parent_PxL, `NONE` for root and padding."""
  parent_PxL = np.full(child_PxLxA.shape[:2], NONE, np.int16)
  row, position, argument = np.nonzero(child_PxLxA != NONE)
  parent_PxL[row, child_PxLxA[row, position, argument]] = position
  return parent_PxL


def sort_commutative(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary
) -> np.ndarray:
  """The same programs with the arguments of commutative operators in order.

  Arguments are ordered by their own sorted token rows, lexicographically, from
  the leaves up. So two programs get equal rows iff swapping arguments of
  commutative operators makes one of the other, whatever else is sorted with
  them.
  """
  length = tok_PxL.shape[1]
  commutes_V = np.array(
    [
      symbol in operators.OPERATORS and operators.OPERATORS[symbol].commutative
      for symbol in vocabulary.symbols
    ]
  )
  tok_PxL = np.array(tok_PxL)
  size_PxL = subtree_sizes(tok_PxL, vocabulary)
  for position in range(length - 3, -1, -1):
    (row,) = np.nonzero(commutes_V[tok_PxL[:, position]])
    first = position + 1
    second = first + size_PxL[row, first].astype(np.int64)
    a, b = tok_PxL[row, first], tok_PxL[row, second]
    swap = a > b
    # Only if the first symbols agree and are no leaves must more be read. No
    # program is the beginning of another, so a difference is found in time.
    tie = np.flatnonzero((a == b) & (vocabulary.arity_V[a] > 0))
    place_L = np.arange(length - first)
    a_RxL = tok_PxL[row[tie, None], first + place_L]
    at_RxL = np.minimum(second[tie, None] + place_L, length - 1)
    b_RxL = tok_PxL[row[tie, None], at_RxL]
    at = (a_RxL != b_RxL).argmax(axis=1)[:, None]
    swap[tie] = np.ravel(
      np.take_along_axis(a_RxL, at, 1) > np.take_along_axis(b_RxL, at, 1)
    )
    row, second = row[swap], second[swap, None]
    end = second + size_PxL[row[:, None], second]
    moved = first + end - second  # where the first argument begins then
    place_L += first
    from_RxL = np.where(
      place_L < moved, place_L + second - first, place_L + first - moved
    )
    from_RxL = np.where(place_L < end, from_RxL, place_L)
    # Sizes stay: only arguments of nodes further left will be asked for.
    tok_PxL[row, first:] = tok_PxL[row[:, None], from_RxL]
  return tok_PxL
