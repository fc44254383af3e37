"""Random minimal programs of classes, from the alternatives of a forest."""

from collections.abc import Callable
from collections.abc import Sequence
import dataclasses
import functools
import pathlib
import threading

import numpy as np

from synth import array_files
from synth import seeding
from synth.language import tokens

_PARSING = threading.Lock()
_TABLED = 1 << 15  # minimal programs that are looked up

_Nodes = tuple[np.ndarray, np.ndarray]  # nodes to write, and their places
_Pick = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class _Table:
  """All E choices at the first symbol of the minimal programs of K nodes.

  A node has one entry for each of its programs, those of a choice together, so
  that a random number in [0, 1) times their number tells the entry.

  Attributes:
    start_K, total_K: Each node's first entry, and how many it has.
    production_E, arg_ExA: Production and argument nodes.
  """

  start_K: np.ndarray
  total_K: np.ndarray
  production_E: np.ndarray
  arg_ExA: np.ndarray

  def pick(
    self, node: np.ndarray, uniform: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """As `Alternatives._pick`, in a fifth of the steps."""
    number = (uniform * self.total_K.take(node)).astype(np.int64)
    number += self.start_K.take(node)
    return self.production_E.take(number), self.arg_ExA.take(number, axis=0)


@dataclasses.dataclass(frozen=True)
class Alternatives:
  """The part of a forest that generates programs; see `forest.Forest`.

  N nodes, M alternatives, A arguments, Q productions.
  """

  size_N: np.ndarray
  first_N1: np.ndarray
  production_M: np.ndarray
  arg_MxA: np.ndarray
  upto_M: np.ndarray
  symmetric_Q: np.ndarray  # whether each production is symmetric

  def programs_at(
    self, node_P: np.ndarray, uniform_PxL: np.ndarray, token_Q: np.ndarray
  ) -> np.ndarray:
    """One minimal program of each node, uniform among all of them.

    Args:
      node_P: Nodes.
      uniform_PxL: Independent uniform numbers in [0, 1): the program of a row
        is a function of its node and its numbers alone. L is at least the
        size of every program asked for.
      token_Q: The token of each production's symbol.

    Returns:
      tok_PxL in prefix order, padded.
    """
    tok_PxL = np.full(uniform_PxL.shape, tokens.PAD, tokens.DTYPE)
    tok, uniform = tok_PxL.reshape(-1), uniform_PxL.reshape(-1)
    leaf_token = self._leaf_tokens(token_Q)
    leaves, tabled = len(leaf_token), len(self._table.start_K)

    def leave(node: np.ndarray, place: np.ndarray) -> _Nodes:
      """Writes the leaves; the others are left."""
      here = np.flatnonzero((node >= 0) & (node < leaves))
      tok[place.take(here)] = leaf_token.take(node.take(here))
      return _some(node, place, node >= leaves)

    def descend(pick: _Pick, node: np.ndarray, place: np.ndarray) -> _Nodes:
      """Writes the nodes' first symbols and the leaves among their arguments.

      All of one depth at once: a subtree takes as many places as its class has
      nodes.
      """
      production, args = pick(node, uniform.take(place))
      tok[place] = token_Q.take(production)
      place = place + 1
      found = []
      for column in args.T.copy():
        found.append(leave(column, place))
        # Beyond the arity, where nothing follows, it does not matter whose.
        place += self.size_N.take(column, mode='clip')
      return _joined(found)

    node = np.asarray(node_P)
    node, place = leave(node, np.arange(len(node)) * uniform_PxL.shape[1])
    small = [_some(node, place, node < tabled)]
    node, place = _some(node, place, node >= tabled)
    while len(node):
      node, place = descend(self._pick, node, place)
      small.append(_some(node, place, node < tabled))
      node, place = _some(node, place, node >= tabled)
    node, place = _joined(small)
    while len(node):  # below them are others of the table
      node, place = descend(self._table.pick, node, place)
    return tok_PxL

  @functools.cached_property
  def _table(self) -> _Table:
    """The first nodes, as many as have `_TABLED` programs together."""
    first = self.first_N1[: _TABLED + 1]
    total = np.minimum(self.upto_M.take(first[1:] - 1), _TABLED + 1)
    start = np.append(0, np.cumsum(total))
    nodes = int(np.searchsorted(start, _TABLED, 'right')) - 1
    upto = self.upto_M[: first[nodes]]
    ways = np.diff(upto, prepend=0)
    ways[first[:nodes]] = upto[first[:nodes]]
    which = np.repeat(np.arange(len(ways)), ways)
    production, args = self.production_M.take(which), self.arg_MxA[which]
    both = self.symmetric_Q.take(production)
    if both.any():
      both &= args[:, 0] != args[:, 1]
      middle = np.cumsum(ways) - ((ways + 1) >> 1)  # orders as in `_pick`
      swap = both & (np.arange(len(which)) >= middle.take(which))
      args[swap, :2] = args[swap, 1::-1]
    return _Table(start[:nodes], total[:nodes].astype(float), production, args)

  def _leaf_tokens(self, token_Q: np.ndarray) -> np.ndarray:
    """The token of each node that is one symbol: the first nodes are."""
    # A value of its own type: of another, all sizes would be converted.
    number = int(np.searchsorted(self.size_N, self.size_N.dtype.type(2)))
    first = self.first_N1[: number + 1]
    if number and np.diff(first).max() > 1:  # two symbols for one class
      number = 0
    return token_Q[self.production_M[first[:number]]]

  def _pick(
    self, node: np.ndarray, uniform: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """An alternative of each node, weighted by its number of programs.

    Returns:
      Its production, and its argument nodes in one of their orders.
    """
    first = self.first_N1.take(node)
    last = self.first_N1.take(node + 1) - 1
    # 53 random bits: enumeration refuses counts that would need more.
    than = (uniform * self.upto_M.take(last)).astype(np.int64)
    low = first.copy()
    search = np.flatnonzero(first < last)
    below, wanted = first.take(search), than.take(search)
    span = (last.take(search) - below) + 1
    while len(search):  # by bisection, among those not decided yet
      half = span >> 1
      right = self.upto_M.take(below + half - 1) <= wanted
      below += half * right
      span -= half
      low[search] = below
      (left,) = np.nonzero(span > 1)
      search, below = search.take(left), below.take(left)
      span, wanted = span.take(left), wanted.take(left)
    production = self.production_M.take(low)
    args = self.arg_MxA.take(low, axis=0)
    both = self.symmetric_Q.take(production)
    if both.any():
      # The first half of its programs have one order, the second the other.
      both = np.flatnonzero(both & (args[:, 0] != args[:, 1]))
      chosen = low.take(both)
      before = self.upto_M.take(chosen - 1, mode='clip')
      before *= chosen > first.take(both)
      middle = (before + self.upto_M.take(chosen)) >> 1
      swap = both[than.take(both) >= middle]
      args[swap, :2] = args[swap, 1::-1]
    return production, args


def _some(node: np.ndarray, place: np.ndarray, which: np.ndarray) -> _Nodes:
  chosen = np.flatnonzero(which)
  return node.take(chosen), place.take(chosen)


def _joined(found: Sequence[_Nodes]) -> _Nodes:
  nodes, places = zip(*found, strict=True)
  return np.concatenate(nodes), np.concatenate(places)


STORED = tuple(f.name for f in dataclasses.fields(Alternatives))[:-1]


def write_representatives(
  directory: pathlib.Path,
  path: pathlib.Path,
  nodes: pathlib.Path,
  token_Q: np.ndarray,
  symmetric_Q: np.ndarray,
  seed: int,
  rows: tuple[int, int],
) -> None:
  """Draws some rows of an array of representatives in place.

  The random numbers of a row depend on the seed and the row alone, so the rows
  may be cut and shared out in any way.

  Args:
    directory: Where the forest's columns are.
    path: The `.npy` file, of its final shape.
    nodes: A `.npy` file with the node of each row.
    token_Q: The token of each production's symbol.
    symmetric_Q: Whether each production is symmetric.
    seed: The universe's.
    rows: The rows to draw.
  """
  arrays = {
    name: _mapped(directory / f'{name}.npy').view(np.ndarray) for name in STORED
  }
  alternatives = Alternatives(**arrays, symmetric_Q=symmetric_Q)
  low, high = rows
  mapped = _mapped(path)
  length = mapped.shape[1]
  rng = seeding.generator(seed, 'representative')
  rng.bit_generator.advance(low * length)  # type: ignore[attr-defined]
  tok_PxL = alternatives.programs_at(
    _mapped(nodes)[low:high],
    rng.random((high - low, length)),
    token_Q,
  )
  # Not through the map: to flush one is to wait for the disk.
  with array_files.opened(path, 'r+b') as file:
    file.seek(mapped.offset + low * length * tok_PxL.itemsize)
    array_files.append(file, tok_PxL)


def _mapped(path: pathlib.Path) -> np.memmap:
  # numpy parses an array's header as Python, which Python before 3.11.8 cannot
  # do in several threads at once: a rare SystemError (its issue 106905).
  with _PARSING:
    array: np.memmap = np.load(path, mmap_mode='r')
  return array
