"""Random minimal programs of classes, from the alternatives of a forest."""

import dataclasses
import pathlib
import threading

import numpy as np

from synth import array_files
from synth import seeding
from synth.language import tokens

_PARSING = threading.Lock()


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
    # Nodes still to write and their places: a subtree takes as many places as
    # its class has nodes, so all of one depth are written at once.
    node = np.asarray(node_P)
    place = np.arange(len(node)) * uniform_PxL.shape[1]
    while len(node):
      production, args = self._pick(node, uniform.take(place))
      tok[place] = token_Q.take(production)
      place += 1
      nodes, places = [], []
      for column in args.T:
        leaf = np.flatnonzero((column >= 0) & (column < len(leaf_token)))
        tok[place.take(leaf)] = leaf_token.take(column.take(leaf))
        inner = np.flatnonzero(column >= len(leaf_token))
        nodes.append(column.take(inner))
        places.append(place.take(inner))
        # Beyond the arity, where nothing follows, it does not matter whose.
        place += self.size_N.take(column, mode='clip')
      node, place = np.concatenate(nodes), np.concatenate(places)
    return tok_PxL

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
    low = first.copy()
    search = np.flatnonzero(first < last)
    # 53 random bits: enumeration refuses counts that would need more.
    high = last.take(search)
    than = uniform.take(search) * self.upto_M.take(high)
    than = than.astype(np.int64)
    while len(search):  # by bisection, among those not decided yet
      below = low.take(search)
      middle = (below + high) >> 1
      right = self.upto_M.take(middle) <= than
      below = np.where(right, middle + 1, below)
      high = np.where(right, high, middle)
      low[search] = below
      (left,) = np.nonzero(below < high)
      search, high, than = search.take(left), high.take(left), than.take(left)
    production = self.production_M.take(low)
    args = self.arg_MxA.take(low, axis=0)
    both = self.symmetric_Q.take(production)
    if both.any():
      # The first half of its programs have one order, the second the other.
      both = np.flatnonzero(both & (args[:, 0] != args[:, 1]))
      chosen = low.take(both)
      than = uniform.take(both) * self.upto_M.take(last.take(both))
      than = than.astype(np.int64)
      before = np.where(
        chosen > first.take(both), self.upto_M.take(chosen - 1), 0
      )
      half = (self.upto_M.take(chosen) - before) >> 1
      swap = both[than - before >= half]
      args[swap, :2] = args[swap, 1::-1]
    return production, args


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
