"""The order in which a model writes a program.

Everywhere else programs are rows in prefix order (`synth.language.tokens`); a
model may be trained on another order, and what it writes is brought back.

    prefix   sub x div 1 x
    postfix  x 1 x div sub
    infix    ( x sub ( 1 div x ) ), ( neg x ), ( if a b c )

Infix has parentheses around every operator, so it needs no precedence; they are
two tokens after those of the vocabulary.
"""

import dataclasses

import numpy as np

from synth import settings
from synth.language import structure
from synth.language import tokens

PREFIX = 'prefix'
ORDERS = (PREFIX, 'postfix', 'infix')


class _MalformedError(Exception):
  """Tokens that are no program."""


@dataclasses.dataclass(frozen=True)
class Serialization:
  """One order of the programs of a vocabulary, up to a size in nodes."""

  order: str
  vocabulary: tokens.Vocabulary
  max_size: int

  def __post_init__(self) -> None:
    settings.choose(self.order, dict.fromkeys(ORDERS), 'data.order')

  @property
  def num_tokens(self) -> int:
    """Token ids, V."""
    return len(self.vocabulary) + 2 * (self.order == 'infix')

  @property
  def length(self) -> int:
    """Tokens of the longest program, M."""
    arity_V = self.vocabulary.arity_V
    if self.order != 'infix' or not (arity_V > 0).any():
      return self.max_size
    least = int(arity_V[arity_V > 0].min())
    return self.max_size + 2 * ((self.max_size - 1) // least)

  def write(self, tok_PxL: np.ndarray) -> np.ndarray:
    """Programs in this order: tok_PxM, PAD beyond their end.

    Args:
      tok_PxL: Well-formed programs in prefix order, PAD beyond their end.
    """
    if self.order == PREFIX:
      return tok_PxL
    child_PxLxA = structure.children(tok_PxL, self.vocabulary)
    size_PxL, depth_PxL = _sizes_and_depths(tok_PxL, child_PxLxA)
    at_L = np.arange(tok_PxL.shape[1])
    row_P, node_P = np.nonzero(tok_PxL)
    out_PxM = np.full((len(tok_PxL), self.length), tokens.PAD, np.int32)
    if self.order == 'postfix':
      # Before a node come all nodes that begin before its end, less itself and
      # the nodes above it.
      place_PxL = at_L + size_PxL - 1 - depth_PxL
      out_PxM[row_P, place_PxL[row_P, node_P]] = tok_PxL[row_P, node_P]
      return out_PxM
    arity_PxL = self.vocabulary.arity_V[tok_PxL]
    inner_PxL = arity_PxL > 0
    # Operators stand before their second argument if there are two, else first.
    second_PxL = np.where(
      arity_PxL == 2, child_PxLxA[..., :2][..., -1], at_L + 1
    )
    # before[p, i]: tokens before node i. Node j < i has given itself or an
    # opening parenthesis, its operator, and a closing one if it has ended.
    end_PxL = at_L + size_PxL
    given_PxLxL = (at_L[:, None] < at_L) * (
      1
      + inner_PxL[..., None]
      * (
        (second_PxL[..., None] <= at_L).astype(int)
        + (end_PxL[..., None] <= at_L)
      )
    )
    before_PxL = (given_PxLxL * (tok_PxL != tokens.PAD)[..., None]).sum(axis=1)
    inside_PxLxL = (at_L[:, None] <= at_L) & (at_L < end_PxL[..., None])
    width_PxL = (inside_PxLxL * (1 + 2 * inner_PxL)[:, None]).sum(axis=2)
    leaf_P = arity_PxL[row_P, node_P] == 0
    row, node = row_P[leaf_P], node_P[leaf_P]
    out_PxM[row, before_PxL[row, node]] = tok_PxL[row, node]
    row, node = row_P[~leaf_P], node_P[~leaf_P]
    first, binary = before_PxL[row, node], arity_PxL[row, node] == 2
    operator = np.where(
      binary, before_PxL[row, second_PxL[row, node]] - 1, first + 1
    )
    out_PxM[row, first] = len(self.vocabulary)
    out_PxM[row, operator] = tok_PxL[row, node]
    out_PxM[row, first + width_PxL[row, node] - 1] = len(self.vocabulary) + 1
    return out_PxM

  def read(self, tok_RxT: np.ndarray) -> np.ndarray:
    """What a model wrote, in prefix order: tok_Rx(max_size + 1).

    Args:
      tok_RxT: Rows of tokens in this order, EOS or PAD at their end.

    Returns:
      Programs with EOS; rows of PAD, which no interpreter takes for a program,
      where there is none (in postfix and infix) or one of more nodes than fit.
    """
    if self.order == PREFIX:
      ended_R = (tok_RxT == tokens.EOS) | (tok_RxT == tokens.PAD)
      return np.where(ended_R.any(axis=1)[:, None], tok_RxT, tokens.PAD)
    # Samples repeat: each row is read once.
    unique_UxT, index_R = np.unique(tok_RxT, axis=0, return_inverse=True)
    out_UxL = np.full(
      (len(unique_UxT), self.max_size + 1), tokens.PAD, tok_RxT.dtype
    )
    parse = _from_postfix if self.order == 'postfix' else _from_infix
    for out_L, tok_T in zip(out_UxL, unique_UxT.tolist(), strict=True):
      ends = (i for i, t in enumerate(tok_T) if t in (tokens.PAD, tokens.EOS))
      try:
        program = parse(tok_T[: next(ends, None)], self.vocabulary)
      except _MalformedError:
        continue
      if len(program) <= self.max_size:
        out_L[: len(program)] = program
        out_L[len(program)] = tokens.EOS
    return out_UxL[index_R.reshape(-1)]


def _sizes_and_depths(
  tok_PxL: np.ndarray, child_PxLxA: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Nodes of each subtree and nodes above it; 1 and 0 for padding."""
  parent_PxL = structure.parents(child_PxLxA)
  size_PxL, depth_PxL = np.ones_like(parent_PxL), np.zeros_like(parent_PxL)
  rows, length = np.arange(len(tok_PxL)), tok_PxL.shape[1]
  for position in range(length - 1, 0, -1):
    parent_P = parent_PxL[:, position]
    has_P = parent_P != structure.NONE
    size_PxL[rows[has_P], parent_P[has_P]] += size_PxL[has_P, position]
  for position in range(1, length):
    parent_P = parent_PxL[:, position]
    has_P = parent_P != structure.NONE
    depth_PxL[has_P, position] = depth_PxL[rows[has_P], parent_P[has_P]] + 1
  return size_PxL, depth_PxL


def _from_postfix(tok: list[int], vocabulary: tokens.Vocabulary) -> list[int]:
  stack: list[list[int]] = []
  for token in tok:
    arity = vocabulary.arity_V[token]
    if arity < 0 or arity > len(stack):
      raise _MalformedError
    first = len(stack) - arity
    stack[first:] = [sum(stack[first:], [token])]
  if len(stack) != 1:
    raise _MalformedError
  return stack[0]


def _from_infix(tok: list[int], vocabulary: tokens.Vocabulary) -> list[int]:
  opening, closing = len(vocabulary), len(vocabulary) + 1

  def arity(place: int) -> int:
    symbol = place < len(tok) and tok[place] < len(vocabulary)
    return int(vocabulary.arity_V[tok[place]]) if symbol else -1

  def read(place: int) -> tuple[list[int], int]:
    """The expression that begins at `place`, and the place after it."""
    if arity(place) == 0:
      return [tok[place]], place + 1
    if place >= len(tok) or tok[place] != opening:
      raise _MalformedError
    arguments: list[int] = []
    wanted = 2
    if arity(place + 1) > 0:
      operator, wanted = place + 1, arity(place + 1)
      if wanted == 2:
        raise _MalformedError
      place += 2
    else:
      arguments, operator = read(place + 1)
      if arity(operator) != 2:
        raise _MalformedError
      place, wanted = operator + 1, 1
    for _ in range(wanted):
      argument, place = read(place)
      arguments = arguments + argument
    if place >= len(tok) or tok[place] != closing:
      raise _MalformedError
    return [tok[operator], *arguments], place + 1

  program, end = read(0)
  if end != len(tok):
    raise _MalformedError
  return program
