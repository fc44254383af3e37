"""Tokens: a program in prefix order as a row of small integers.

A row is `BOS? symbols... EOS PAD...`. Ids: PAD 0, BOS 1, EOS 2, then the
grammar's operators, variables and constants. Prefix order with fixed arities
needs no parentheses, so a row of `max_size` symbols holds every program up to
that size.
"""

from collections.abc import Sequence
import dataclasses
import functools

import numpy as np

from synth.language import grammar as grammar_lib
from synth.language import operators
from synth.language import program as program_lib

PAD, BOS, EOS = 0, 1, 2
SPECIALS = ('<pad>', '<bos>', '<eos>')
DTYPE = np.int8


def without_eos(tok_xL: np.ndarray) -> np.ndarray:
  """Rows that end in EOS as stored programs do, in PAD alone.

  Args:
    tok_xL: Token rows, with any leading axes.

  Returns:
    tok_xL of the same type.
  """
  return np.where(tok_xL == EOS, PAD, tok_xL)


def distinct(tok_PxL: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The distinct rows, ordered by their bytes.

  Args:
    tok_PxL: Token rows, programs or not.

  Returns:
    tok_UxL, and place_P, the place of each row among them.
  """
  length = tok_PxL.shape[1]
  # One word of bytes a row, which sorts faster than numbers one by one.
  word_P = np.ascontiguousarray(tok_PxL, DTYPE).view(f'V{length}')[:, 0]
  word_U, place_P = np.unique(word_P, return_inverse=True)
  return word_U.view(DTYPE).reshape(-1, length), place_P


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """The token ids of a grammar's symbols."""

  symbols: tuple[str, ...]

  @classmethod
  def of(cls, grammar: grammar_lib.Grammar) -> 'Vocabulary':
    """The vocabulary of a grammar."""
    symbols = SPECIALS + grammar.symbols
    limit = np.iinfo(DTYPE).max + 1
    if len(symbols) > limit:
      raise grammar_lib.GrammarError(
        f'{grammar.name}: {len(grammar.symbols)} symbols are more than the '
        f'{limit - len(SPECIALS)} that a token can tell apart'
      )
    return cls(symbols)

  def __len__(self) -> int:
    return len(self.symbols)

  @functools.cached_property
  def index(self) -> dict[str, int]:
    """Symbol -> id."""
    return {symbol: i for i, symbol in enumerate(self.symbols)}

  @functools.cached_property
  def arity_V(self) -> np.ndarray:
    """Arity of each id; -1 for the special tokens."""
    return np.array(
      [-1] * len(SPECIALS)
      + [
        operators.OPERATORS[s].arity if s in operators.OPERATORS else 0
        for s in self.symbols[len(SPECIALS) :]
      ],
      np.int32,
    )

  @functools.cached_property
  def max_arity(self) -> int:
    """The most arguments that a symbol has, at least 1."""
    return max(int(self.arity_V.max()), 1)

  def numbers_in(self, other: 'Vocabulary') -> np.ndarray:
    """The id in another vocabulary, which has all symbols, of each id."""
    return np.array([other.index[s] for s in self.symbols], DTYPE)

  def encode(self, program: program_lib.Node, length: int) -> np.ndarray:
    """The symbols of `program` padded to `length`: tok_L (no BOS, no EOS).

    Raises:
      ProgramError: for a symbol outside the vocabulary or a program too long.
    """
    symbols = program_lib.preorder(program)
    for symbol in symbols:
      if symbol not in self.index:
        known = ' '.join(self.symbols[len(SPECIALS) :])
        raise program_lib.ProgramError(
          f'program {program_lib.to_infix(program)!r}: symbol {symbol!r} is '
          f'not in the grammar (has: {known})'
        )
    if len(symbols) > length:
      raise program_lib.ProgramError(
        f'program {program_lib.to_infix(program)!r} has size {len(symbols)}, '
        f'more than {length}'
      )
    tok_L = np.full(length, PAD, DTYPE)
    tok_L[: len(symbols)] = [self.index[s] for s in symbols]
    return tok_L

  def decode(self, tok_L: Sequence[int] | np.ndarray) -> program_lib.Node:
    """The program in a row; a first BOS is skipped, EOS or PAD ends it.

    Raises:
      ProgramError: if the symbols are not exactly one complete program.
    """
    symbols = self.row_symbols(tok_L)
    if SPECIALS[BOS] in symbols:
      raise program_lib.ProgramError(
        f'row {" ".join(symbols)!r} has {SPECIALS[BOS]} in the middle'
      )
    return program_lib.from_preorder(symbols)

  def row_symbols(self, tok_L: Sequence[int] | np.ndarray) -> list[str]:
    """The symbols of a row up to EOS or PAD, well-formed or not.

    A BOS at the beginning is left out.
    """
    symbols = []
    for token in np.asarray(tok_L).tolist():
      if token in (PAD, EOS):
        break
      if not 0 <= token < len(self.symbols):
        raise program_lib.ProgramError(
          f'token {token} is not in the vocabulary of {len(self.symbols)}'
        )
      symbols.append(self.symbols[token])
    return symbols[1:] if symbols[:1] == [SPECIALS[BOS]] else symbols
