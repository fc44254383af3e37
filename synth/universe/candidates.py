"""Candidates: every application of a production to classes found before.

What the tiles of a level stand for (`tiles`): the identity of each candidate,
from the values of its arguments.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import fractions
import functools
import pathlib
from typing import Any

import numpy as np

from synth.universe import columns as columns_lib
from synth.universe import exact as exact_lib
from synth.universe import identity
from synth.universe import tiles as tiles_lib

_STRIP = 1 << 15  # candidates evaluated at once: fits the processor's cache
_BAND = 1 << 19  # bytes of values: of tiles that are evaluated together
_PART = 1 << 19  # candidates handed on at once

WAYS = np.int64
ORDINAL = np.uint32  # within a task


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
  rules: tuple[tiles_lib.Rule, ...]
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


def form(
  bench: Workbench, tiles: Sequence[tiles_lib.Tile]
) -> Iterator[Candidates]:
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
  # Small tiles cost calls of numpy, for which threads wait for each other.
  together = min(_STRIP, _BAND // sum(c.nbytes for c in bench.policy.columns))
  number = start = 0
  for band in tiles_lib.bands(tiles, together):
    for strip in _strips(bench, band):
      stop = number + len(strip.key)
      part.key[number:stop] = strip.key
      part.rest[number:stop] = strip.rest
      part.ways[number:stop] = strip.ways
      np.add(strip.ordinal, ORDINAL(start), out=part.ordinal[number:stop])
      number = stop
      if number >= _PART:
        yield part.slice(0, number)
        number = 0
    start += band.tile.size
  yield part.slice(0, number)


def _strips(bench: Workbench, band: tiles_lib.Band) -> Iterator[Candidates]:
  """The candidates of a band, some rows of the first argument at a time.

  More than one block is one strip.
  """
  tile = band.tile
  if not tile.ranges:
    key, rest = bench.policy.pack(bench.policy.leaf(tile.rule.symbol))
    yield Candidates(key, rest, np.ones(1, WAYS), np.zeros(1, ORDINAL))
    return
  arguments = [
    _argument(bench, band, place) for place in range(len(tile.ranges))
  ]
  rows = tile.ranges[0][1] - tile.ranges[0][0]
  columns = tile.size // rows
  step = max(1, _STRIP // columns)
  for start in range(0, rows, step):
    stop = min(start + step, rows)
    yield _strip(bench, tile, arguments, start, stop)


@dataclasses.dataclass
class _Argument:
  """A range of classes, shaped to broadcast against other arguments.

  The first axis is of a band's blocks, then there is one for each argument.
  """

  place: np.ndarray  # number in the range's column
  ways: np.ndarray
  values: identity.Values

  def rows(self, start: int, stop: int) -> '_Argument':
    """A part of the classes, if this is the first argument."""
    return _Argument(
      self.place[:, start:stop],
      self.ways[:, start:stop],
      tuple(value[:, start:stop] for value in self.values),
    )


def _argument(bench: Workbench, band: tiles_lib.Band, place: int) -> _Argument:
  """An argument of a band."""
  columns, tile = bench.columns, band.tile
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
    shape = [1] * (1 + len(tile.ranges))
    if place == len(tile.ranges) - 1:
      shape[0] = band.blocks
    shape[1 + place] = (high - low) // shape[0]
    return array.reshape(*shape, *array.shape[1:])

  return _Argument(
    axis(np.arange(low, high)),
    axis(ways),
    bench.policy.ready(tile.rule.symbol, place, tuple(map(axis, values))),
  )


def _strip(
  bench: Workbench,
  tile: tiles_lib.Tile,
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
  columns = tile.size // arguments[0].place.size
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
