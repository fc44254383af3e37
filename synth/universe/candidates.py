"""Candidates: every application of a production to classes found before.

The programs of a nonterminal and size are cut into *tiles*: one production, one
range of classes for each argument, at most `_TILE` candidates. The tiles and
the order of candidates in them depend on the universe alone, never on who works
on it, so that any number of processes finds the same.

Two kinds of argument: classes *new* at the argument's size, and classes that
have programs of that size but were found *again*. A minimal program is made of
minimal programs, so only tiles of new arguments can find a class
or add to its minimal programs; the others count the programs of each size.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import fractions
import functools
import itertools
import math
import pathlib
from typing import Any

import numpy as np

from synth.universe import columns as columns_lib
from synth.universe import exact as exact_lib
from synth.universe import identity

_TILE = 1 << 20  # candidates at most
# Of each argument at most: so many of the last leave 512 rows of the first that
# share its reciprocals. Larger tiles of a single argument take no less time.
_COLUMNS = 2048
_STRIP = 1 << 15  # candidates evaluated at once: fits the processor's cache
_PART = 1 << 19  # candidates handed on at once

NODE = np.int32
WAYS = np.int64
ORDINAL = np.uint32  # within a task
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


@dataclasses.dataclass
class Candidates:
  """Programs of one nonterminal and size, indexed alike.

  Attributes:
    key, rest: Identity.
    ways: Number of programs each stands for.
    ordinal: Place among all candidates of the tiles they were formed from,
      counting those that were dropped: `Plan.arguments` decodes it.
  """

  key: np.ndarray
  rest: np.ndarray
  ways: np.ndarray
  ordinal: np.ndarray

  def slice(self, low: int, high: int) -> 'Candidates':
    """Those from `low` to before `high`; no copy."""
    return Candidates(
      self.key[low:high],
      self.rest[low:high],
      self.ways[low:high],
      self.ordinal[low:high],
    )


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


@dataclasses.dataclass(frozen=True)
class Workbench:
  """What a worker needs to form candidates: picklable, a few kilobytes.

  Attributes:
    directory: Where the columns are.
    policy: How classes are told apart.
    rules: All productions.
    arity: The largest number of arguments.
  """

  directory: pathlib.Path
  policy: identity.Policy
  rules: tuple[Rule, ...]
  arity: int

  def __reduce__(self) -> tuple[Any, ...]:
    # Maps of files stay behind: a worker opens its own.
    return type(self), (self.directory, self.policy, self.rules, self.arity)

  def exact(self, node: int, place: int) -> fractions.Fraction:
    """The exact value of a node found so far at a point of the policy."""
    known = self.__dict__.get('_exact')
    if known is None or node >= len(known):
      first_N, production_M, arg_MxA = (
        self.columns.read(name, 0, self.columns.length(name))
        for name in ('first_N1', 'production_M', 'arg_MxA')
      )
      known = exact_lib.Exact(
        [rule.symbol for rule in self.rules],
        *(first_N, production_M, arg_MxA),
        self.policy.point,
      )
      self.__dict__['_exact'] = known
    return known(node, place)

  @functools.cached_property
  def columns(self) -> columns_lib.Columns:
    """Everything found so far.

    Per node: `key_N`, `rest_N`, `count_N` (minimal programs), `first_N1`, and
    one column `value_k` a value. Per alternative: `production_M`, `arg_MxA`,
    `upto_M`. Per class found again: `again_node_R`, `again_ways_R`.
    """
    values = {
      value_name(k): column for k, column in enumerate(self.policy.columns)
    }
    return columns_lib.Columns(
      self.directory,
      {
        'key_N': columns_lib.Column('<u8'),
        'rest_N': columns_lib.Column('<u8'),
        'count_N': columns_lib.Column('<i8'),
        'first_N1': columns_lib.Column('<i8'),
        'production_M': columns_lib.Column('<u2'),
        'arg_MxA': columns_lib.Column('<i4', (self.arity,)),
        'upto_M': columns_lib.Column('<i8'),
        'again_node_R': columns_lib.Column('<i4'),
        'again_ways_R': columns_lib.Column('<i8'),
        **values,
      },
    )


def value_name(k: int) -> str:
  """The column of the k-th value."""
  return f'value_{k}'


def tiles(
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


def form(bench: Workbench, tiles: Sequence[Tile]) -> Iterator[Candidates]:
  """The candidates of some tiles, each in row-major order of its arguments.

  They come in parts of `_PART` or a strip more: what was formed just now is
  still in the processor's cache when it is used. The next part is written over
  the last, so that its memory is, too.
  """
  most = _PART + max(_STRIP, *(tile.size for tile in tiles))
  part = Candidates(
    np.empty(most, np.uint64),
    np.empty(most, np.uint64),
    np.empty(most, WAYS),
    np.empty(most, ORDINAL),
  )
  number = start = 0
  for tile in tiles:
    for strip in _strips(bench, tile):
      stop = number + len(strip.key)
      part.key[number:stop] = strip.key
      part.rest[number:stop] = strip.rest
      part.ways[number:stop] = strip.ways
      np.add(strip.ordinal, ORDINAL(start), out=part.ordinal[number:stop])
      number = stop
      if number >= _PART:
        yield part.slice(0, number)
        number = 0
    start += tile.size
  yield part.slice(0, number)


def _strips(bench: Workbench, tile: Tile) -> Iterator[Candidates]:
  """The candidates of a tile, some rows of the first argument at a time."""
  if not tile.ranges:
    key, rest = bench.policy.pack(bench.policy.leaf(tile.rule.symbol))
    yield Candidates(key, rest, np.ones(1, WAYS), np.zeros(1, ORDINAL))
    return
  arguments = [
    _argument(bench, tile, place) for place in range(len(tile.ranges))
  ]
  rows = tile.ranges[0][1] - tile.ranges[0][0]
  columns = tile.size // rows
  step = max(1, _STRIP // columns)
  for start in range(0, rows, step):
    stop = min(start + step, rows)
    yield _strip(bench, tile, arguments, start, stop)


@dataclasses.dataclass
class _Argument:
  """A range of classes, shaped to broadcast against other arguments."""

  place: np.ndarray  # number in the range's column
  ways: np.ndarray
  values: identity.Values

  def rows(self, start: int, stop: int) -> '_Argument':
    """A part of the classes, if this is the first argument."""
    return _Argument(
      self.place[start:stop],
      self.ways[start:stop],
      tuple(value[start:stop] for value in self.values),
    )


def _argument(bench: Workbench, tile: Tile, place: int) -> _Argument:
  """An argument of a tile."""
  columns = bench.columns
  low, high = tile.ranges[place]
  names = [value_name(k) for k in range(len(bench.policy.columns))]
  if tile.again[place]:
    node = columns.read('again_node_R', low, high)
    top = int(node.max()) + 1
    values = tuple(columns.read(name, 0, top)[node] for name in names)
    ways = columns.read('again_ways_R', low, high)
  else:
    values = tuple(columns.read(name, low, high) for name in names)
    ways = columns.read('count_N', low, high)

  def axis(array: np.ndarray) -> np.ndarray:
    shape = [1] * len(tile.ranges)
    shape[place] = high - low
    return array.reshape(*shape, *array.shape[1:])

  return _Argument(
    axis(np.arange(low, high)),
    axis(ways),
    bench.policy.ready(tile.rule.symbol, place, tuple(map(axis, values))),
  )


def _strip(
  bench: Workbench,
  tile: Tile,
  arguments: Sequence[_Argument],
  start: int,
  stop: int,
) -> Candidates:
  """The candidates of rows [start, stop) of the first argument."""
  parts = [arguments[0].rows(start, stop), *arguments[1:]]
  shape = np.broadcast_shapes(*(part.place.shape for part in parts))
  rank = len(shape)

  def exact(
    argument: int, index: tuple[int, ...], place: int
  ) -> fractions.Fraction:
    number = int(np.broadcast_to(parts[argument].place, shape)[index])
    if tile.again[argument]:
      number = int(bench.columns.read('again_node_R', number, number + 1)[0])
    return bench.exact(number, place)

  values, keep = bench.policy.apply(
    tile.rule.symbol, tuple(part.values for part in parts), exact
  )
  key, rest = bench.policy.pack(
    tuple(
      np.broadcast_to(value, shape + value.shape[rank:]).reshape(
        -1, *value.shape[rank:]
      )
      for value in values
    )
  )
  ways = np.full(shape, 1 + tile.twice, WAYS)
  for part in parts:
    ways *= part.ways
  if keep is not None:
    keep = np.broadcast_to(keep, shape)
  if tile.triangle:
    first, second = (part.place for part in parts)
    # A pair of one and the same class is its own exchange.
    np.floor_divide(ways, 2, out=ways, where=first == second)
    upper = first <= second
    keep = upper if keep is None else keep & upper
  columns = tile.size // len(arguments[0].place)
  found = Candidates(
    key,
    rest,
    ways.reshape(-1),
    np.arange(start * columns, stop * columns, dtype=ORDINAL),
  )
  if keep is None:
    return found
  kept = keep.reshape(-1)
  return Candidates(
    *(getattr(found, f.name)[kept] for f in dataclasses.fields(found))
  )
