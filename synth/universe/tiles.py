"""Tiles: the candidates of a level, cut into blocks.

The candidates of a nonterminal and size are all applications of a production to
classes found before. A *tile* is one production and one range of classes for
each argument, at most `_TILE` candidates. The tiles and the order of candidates
in them depend on the universe alone, never on who works on it, so that any
number of processes finds the same.

Two kinds of argument: classes *new* at the argument's size, and classes that
have programs of that size but were found *again*. A minimal program is made of
minimal programs, so only tiles of new arguments can find a class
or add to its minimal programs; the others count the programs of each size.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import itertools
import math

import numpy as np

# Both decide in which order the ways to form a class are stored, and so which
# program a random number stands for: with others a universe has other bits.
_TILE = 1 << 20  # candidates at most
# Of each argument at most: so many of the last leave 512 rows of the first that
# share its reciprocals.
_COLUMNS = 2048

NODE = np.int32
PRODUCTION = np.uint16


@dataclasses.dataclass(frozen=True)
class Rule:
  """A production in numbers.

  Attributes:
    number: Its place in the grammar.
    symbol: Operator, variable or constant.
    args: Index of each argument's nonterminal.
    symmetric: Whether exchanging the two arguments gives an equal program.
  """

  number: int
  symbol: str
  args: tuple[int, ...]
  symmetric: bool


@dataclasses.dataclass(frozen=True)
class Level:
  """The classes of one nonterminal with programs of exactly one size.

  Attributes:
    new: Range of nodes whose minimal size it is.
    again: Range in the columns `again_*`: classes found at a smaller size.
    candidates: How many were formed, in all tiles.
  """

  new: tuple[int, int]
  again: tuple[int, int]
  candidates: int


@dataclasses.dataclass(frozen=True)
class Tile:
  """A block of candidates.

  Attributes:
    rule: The production.
    ranges: For each argument the range of nodes, or in `again_*`.
    again: For each argument whether its range is one in `again_*`.
    triangle: Whether only pairs with first <= second count, both ways.
    twice: Whether each candidate stands for itself and its exchange.
  """

  rule: Rule
  ranges: tuple[tuple[int, int], ...]
  again: tuple[bool, ...]
  triangle: bool
  twice: bool

  @property
  def size(self) -> int:
    """Number of candidates before any are dropped."""
    return math.prod(high - low for low, high in self.ranges)

  @property
  def minimal(self) -> bool:
    """Whether its programs can be minimal."""
    return not any(self.again)


@dataclasses.dataclass(frozen=True)
class Plan:
  """Tiles as arrays: T tiles, A arguments.

  Attributes:
    start_T1: Ordinal of each tile's first candidate; T + 1 entries.
    production_T: Number of the production.
    minimal_T: Whether its programs can be minimal.
    low_TxA, width_TxA: Range of each argument; width 1 beyond the arity.
    arity_T: Number of arguments.
  """

  start_T1: np.ndarray
  production_T: np.ndarray
  minimal_T: np.ndarray
  low_TxA: np.ndarray
  width_TxA: np.ndarray
  arity_T: np.ndarray

  @classmethod
  def of(cls, tiles: Sequence[Tile], arity: int) -> 'Plan':
    """The plan of some tiles, in order."""
    low_TxA = np.zeros((len(tiles), arity), np.int64)
    width_TxA = np.ones((len(tiles), arity), np.int64)
    for t, tile in enumerate(tiles):
      for place, (low, high) in enumerate(tile.ranges):
        low_TxA[t, place], width_TxA[t, place] = low, high - low
    return cls(
      np.append(0, np.cumsum([tile.size for tile in tiles], dtype=np.int64)),
      np.array([tile.rule.number for tile in tiles], PRODUCTION),
      np.array([tile.minimal for tile in tiles], bool),
      low_TxA,
      width_TxA,
      np.array([len(tile.ranges) for tile in tiles], np.int64),
    )

  def tiles_of(self, ordinal: np.ndarray) -> np.ndarray:
    """The tile of each ordinal; ordinals ascend."""
    cut = np.searchsorted(ordinal, self.start_T1[1:-1])
    step = np.bincount(cut, minlength=len(ordinal) + 1)
    return np.cumsum(step[:-1])

  def arguments(self, ordinal: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """Argument nodes of minimal candidates, -1 beyond the arity."""
    arity = self.low_TxA.shape[1]
    args = np.full((len(ordinal), arity), -1, NODE)
    # A tile has less than 2**32 candidates: 32-bit division is faster.
    offset = (ordinal - self.start_T1.take(tile)).astype(np.uint32)
    for place in reversed(range(arity)):
      width = self.width_TxA[:, place].astype(np.uint32).take(tile)
      quotient = offset // width
      node = self.low_TxA[:, place].astype(NODE).take(tile)
      node += (offset - quotient * width).astype(NODE)
      args[:, place] = np.where(self.arity_T.take(tile) > place, node, NODE(-1))
      offset = quotient
    return args


def of_production(
  rule: Rule, levels: Sequence[Level], multiplicities: bool, same_size: bool
) -> Iterator[Tile]:
  """All tiles of a production and levels of its arguments, in order.

  Args:
    rule: A production; if symmetric, the first level is not of a larger size.
    levels: One for each argument.
    multiplicities: Whether to form programs that are not minimal too.
    same_size: Whether all arguments have one size.
  """
  kinds = [False, True] if multiplicities else [False]
  for again in itertools.product(kinds, repeat=len(levels)):
    # Symmetric, of one level: classes found again come before new ones.
    if rule.symmetric and same_size and again == (False, True):
      continue
    ranges = [
      level.again if old else level.new
      for level, old in zip(levels, again, strict=True)
    ]
    triangle = rule.symmetric and same_size and len(set(again)) == 1
    for cut in _cuts(ranges):
      if triangle and cut[0][0] >= cut[1][1]:
        continue  # wholly below the diagonal
      yield Tile(rule, cut, again, triangle, rule.symmetric)


def _cuts(
  ranges: Sequence[tuple[int, int]],
) -> Iterator[tuple[tuple[int, int], ...]]:
  """Cuts the product of ranges into blocks, `_TILE` and `_COLUMNS` at most."""
  steps, budget = [], _TILE
  for low, high in reversed(ranges):
    step = max(1, min(high - low, budget, _COLUMNS))
    steps.append(step)
    budget //= step
  cuts = [
    [(start, min(start + step, high)) for start in range(low, high, step)]
    for (low, high), step in zip(ranges, reversed(steps), strict=True)
  ]
  yield from itertools.product(*cuts)


@dataclasses.dataclass(frozen=True)
class Band:
  """Neighbouring tiles, whose candidates are formed at once.

  Attributes:
    tile: One of all their ranges.
    blocks: Into how many equal stretches the last argument's range falls if
      the tiles differ in it: all candidates of a stretch come before those of
      the next. 1 if they differ in the first argument: their candidates come
      in the order of one tile.
  """

  tile: Tile
  blocks: int

  def joined(self, other: Tile) -> 'Band | None':
    """With the next tile, if that is a neighbour."""
    mine, ranges = self.tile, self.tile.ranges
    if not ranges or dataclasses.replace(other, ranges=ranges) != mine:
      return None
    low, high = ranges[0]
    start, stop = other.ranges[0]
    if self.blocks == 1 and (start, other.ranges[1:]) == (high, ranges[1:]):
      whole = (low, stop), *ranges[1:]
      return Band(dataclasses.replace(mine, ranges=whole), 1)
    low, high = ranges[-1]
    stop = high + (high - low) // self.blocks
    if other.ranges == (*ranges[:-1], (high, stop)):
      whole = *ranges[:-1], (low, stop)
      return Band(dataclasses.replace(mine, ranges=whole), self.blocks + 1)
    return None


def bands(tiles: Iterable[Tile], most: int) -> Iterator[Band]:
  """All tiles in order, neighbours together up to `most` candidates."""
  band: Band | None = None
  for tile in tiles:
    longer = band and band.joined(tile)
    if longer and longer.tile.size <= most:
      band = longer
      continue
    if band:
      yield band
    band = Band(tile, 1)
  if band:
    yield band
