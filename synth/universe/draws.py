"""Random minimal programs of classes, from the alternatives of a forest."""

import dataclasses
import pathlib

import numpy as np

from synth import seeding
from synth.language import tokens


@dataclasses.dataclass(frozen=True)
class Alternatives:
  """The part of a forest that generates programs; see `forest.Forest`."""

  size_N: np.ndarray
  first_N1: np.ndarray
  production_M: np.ndarray
  arg_MxA: np.ndarray
  upto_M: np.ndarray
  symmetric_R: np.ndarray  # whether each production is symmetric

  def programs_at(
    self, node_P: np.ndarray, uniform_PxL: np.ndarray, token_R: np.ndarray
  ) -> np.ndarray:
    """One minimal program of each node, uniform among all of them.

    Args:
      node_P: Nodes.
      uniform_PxL: Independent uniform numbers in [0, 1): the program of a row
        is a function of its node and its numbers alone. L is at least the
        size of every program asked for.
      token_R: The token of each production's symbol.

    Returns:
      tok_PxL in prefix order, padded.
    """
    tok_PxL = np.full(uniform_PxL.shape, tokens.PAD, tokens.DTYPE)
    tok, uniform = tok_PxL.reshape(-1), uniform_PxL.reshape(-1)
    leaf_token = self._leaf_tokens(token_R)
    # Nodes still to write and their places: a subtree takes as many places as
    # its class has nodes, so all of one depth are written at once.
    node = np.asarray(node_P)
    place = np.arange(len(node)) * uniform_PxL.shape[1]
    while len(node):
      production, args = self._pick(node, uniform[place])
      tok[place] = token_R[production]
      place += 1
      nodes, places = [], []
      for column in args.T:
        leaf = np.flatnonzero((column >= 0) & (column < len(leaf_token)))
        tok[place[leaf]] = leaf_token[column[leaf]]
        inner = np.flatnonzero(column >= len(leaf_token))
        nodes.append(column[inner])
        places.append(place[inner])
        place[leaf] += 1
        place[inner] += self.size_N[nodes[-1]]
      node, place = np.concatenate(nodes), np.concatenate(places)
    return tok_PxL

  def _leaf_tokens(self, token_R: np.ndarray) -> np.ndarray:
    """The token of each node that is one symbol: the first nodes are."""
    # A value of its own type: of another, all sizes would be converted.
    number = int(np.searchsorted(self.size_N, self.size_N.dtype.type(2)))
    first = self.first_N1[: number + 1]
    if number and np.diff(first).max() > 1:  # two symbols for one class
      number = 0
    return token_R[self.production_M[first[:number]]]

  def _pick(
    self, node: np.ndarray, uniform: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """An alternative of each node, weighted by its number of programs.

    Returns:
      Its production, and its argument nodes in one of their orders.
    """
    first = self.first_N1[node]
    low, high = first.copy(), self.first_N1[node + 1] - 1
    # 53 random bits: enumeration refuses counts that would need more.
    than = (uniform * self.upto_M[high]).astype(np.int64)
    search = np.flatnonzero(low < high)
    while len(search):  # by bisection, among those not decided yet
      below, above = low[search], high[search]
      middle = (below + above) >> 1
      right = self.upto_M[middle] <= than[search]
      low[search] = np.where(right, middle + 1, below)
      high[search] = np.where(right, above, middle)
      search = search[low[search] < high[search]]
    production, args = self.production_M[low], self.arg_MxA[low]
    both = self.symmetric_R[production]
    if both.any():
      # The first half of its programs have one order, the second the other.
      both = np.flatnonzero(both & (args[:, 0] != args[:, 1]))
      chosen = low[both]
      before = np.where(chosen > first[both], self.upto_M[chosen - 1], 0)
      half = (self.upto_M[chosen] - before) >> 1
      swap = both[than[both] - before >= half]
      args[swap, :2] = args[swap, 1::-1]
    return production, args


STORED = tuple(f.name for f in dataclasses.fields(Alternatives))[:-1]


def write_representatives(
  directory: pathlib.Path,
  path: pathlib.Path,
  nodes: pathlib.Path,
  token_R: np.ndarray,
  symmetric_R: np.ndarray,
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
    token_R: The token of each production's symbol.
    symmetric_R: Whether each production is symmetric.
    seed: The universe's.
    rows: The rows to draw.
  """
  arrays = {
    name: np.load(directory / f'{name}.npy', mmap_mode='r').view(np.ndarray)
    for name in STORED
  }
  alternatives = Alternatives(**arrays, symmetric_R=symmetric_R)
  low, high = rows
  tok_CxL = np.load(path, mmap_mode='r+')
  length = tok_CxL.shape[1]
  rng = seeding.generator(seed, 'representative')
  rng.bit_generator.advance(low * length)  # type: ignore[attr-defined]
  tok_CxL[low:high] = alternatives.programs_at(
    np.load(nodes, mmap_mode='r')[low:high],
    rng.random((high - low, length)),
    token_R,
  )
  tok_CxL.flush()
