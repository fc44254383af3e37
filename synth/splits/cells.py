"""Cells of equal nuisances, inside which splits are matched."""

from collections.abc import Iterable

import numpy as np

from synth.language import operators
from synth.language import tokens

_BIG = 2**62


def combine(columns: Iterable[np.ndarray]) -> np.ndarray:
  """A number from 0 for each distinct row of columns of small whole numbers."""
  cell_C: np.ndarray | None = None
  for column in columns:
    column = np.asarray(column, np.int64) - int(column.min())
    if cell_C is None:
      cell_C = column
      continue
    radix = int(column.max()) + 1
    if (int(cell_C.max()) + 1) * radix >= _BIG:
      cell_C = np.unique(cell_C, return_inverse=True)[1]
    cell_C = cell_C * radix + column
  if cell_C is None:
    raise ValueError('no columns')
  return np.unique(cell_C, return_inverse=True)[1]


def by_symbols(
  tok_CxL: np.ndarray,
  vocabulary: tokens.Vocabulary,
  *,
  tell_operators_apart: bool = True,
) -> np.ndarray:
  """Cells of equal size and equal numbers of every symbol.

  Args:
    tok_CxL: A program of each class.
    vocabulary: Its tokens.
    tell_operators_apart: If not, operators of one arity count as one symbol.
  """
  groups: dict[object, list[int]] = {}
  for token, symbol in enumerate(vocabulary.symbols):
    alike = symbol in operators.OPERATORS and not tell_operators_apart
    key = int(vocabulary.arity_V[token]) if alike else symbol
    groups.setdefault(key, []).append(token)
  return combine(
    np.sum([(tok_CxL == token).sum(axis=1) for token in group], axis=0)
    for group in groups.values()
  )


def by_number(number_C: np.ndarray) -> np.ndarray:
  """Cells of positive numbers that are equal up to half a power of two."""
  return np.floor(2 * np.log2(np.asarray(number_C, float))).astype(np.int64)
