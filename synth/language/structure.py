"""Tree structure of token rows, vectorized on the host.

Rows are well-formed programs in prefix order, PAD beyond their end.
"""

import numpy as np

from synth.language import tokens

NONE = -1  # no such node


def children(tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary) -> np.ndarray:
  """Positions of each node's arguments: child_PxLxA, `NONE` beyond the arity.

  A = the largest arity of the vocabulary, at least 1.
  """
  programs, length = tok_PxL.shape
  arity_PxL = vocabulary.arity_V[tok_PxL]
  max_arity = max(int(vocabulary.arity_V.max()), 1)
  child_PxLxA = np.full((programs, length, max_arity), NONE, np.int16)
  # end[p, i]: the position after the subtree at i; the last column is a guard.
  end_PxL = np.full((programs, length + 1), length, np.int64)
  rows = np.arange(programs)
  for position in range(length - 1, -1, -1):
    start_P = np.full(programs, position + 1)
    for argument in range(max_arity):
      has_P = arity_PxL[:, position] > argument
      child_PxLxA[has_P, position, argument] = start_P[has_P]
      start_P = np.where(has_P, end_PxL[rows, start_P], start_P)
    end_PxL[:, position] = start_P
  return child_PxLxA


def parents(child_PxLxA: np.ndarray) -> np.ndarray:
  """Position of each node's parent: parent_PxL, `NONE` for root and padding."""
  parent_PxL = np.full(child_PxLxA.shape[:2], NONE, np.int16)
  row, position, argument = np.nonzero(child_PxLxA != NONE)
  parent_PxL[row, child_PxLxA[row, position, argument]] = position
  return parent_PxL
