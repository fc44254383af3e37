"""All small functions of a universe, found by their outputs on a grid."""

import numpy as np

from synth.spaces import grids
from synth.universe import field
from synth.universe import identity
from synth.universe import lookup
from synth.universe import universe as universe_lib


class NoPoints(Exception):
  """No points of a grid tell all functions apart; says why."""


def on_grid(
  universe: universe_lib.Universe, grid: grids.Grid
) -> tuple[field.Field, identity.Values]:
  """Exact outputs of all nodes at four points of a grid, modulo a prime each.

  The four points are spread over the grid. Where some function that is not zero
  has the residue 0 at one of them, or is undefined there, the next ones are
  taken.

  Args:
    universe: Of a grammar of rational operators, so with `field.Field` as its
      policy.
    grid: The specification grid: what is told of a task.

  Returns:
    The policy of these points, with the universe's primes, and the nodes'
    values under it.

  Raises:
    NoPoints: if no four of its points will do.
  """
  assert isinstance(universe.policy, field.Field)
  primes = universe.policy.primes
  points = len(next(iter(grid.values()), [None]))
  for attempt in range(points):
    at = (attempt + np.arange(len(primes)) * points // len(primes)) % points
    residues = {
      name: [
        column[e].numerator * pow(column[e].denominator, -1, p) % p
        for e, p in zip(at.tolist(), primes, strict=True)
      ]
      for name, column in grid.items()
    }
    policy = field.Field(primes, residues, attempt)
    try:
      values = universe.values_under(policy)
      policy.check(values)
    except identity.UnluckyPoints:
      continue
    return policy, values
  raise NoPoints(
    'at every point of the specification grid some function is zero or '
    'undefined'
  )


class Bank:
  """All functions of a universe with a program of at most some size.

  Args:
    universe: Whose functions.
    policy: At whose points outputs are compared.
    values: Outputs of all nodes of the universe there (`on_grid`).
    max_size: Nodes of the largest minimal programs in the bank.

  Attributes:
    universe, policy: As given.
    nodes: Nonterminal -> its nodes in the bank, smallest first.
  """

  def __init__(
    self,
    universe: universe_lib.Universe,
    policy: field.Field,
    values: identity.Values,
    max_size: int,
  ):
    self.universe, self.policy, self._values = universe, policy, values
    forest = universe.forest
    number = int(np.searchsorted(forest.size_N, max_size, 'right'))
    self.nodes = {
      name: np.flatnonzero(forest.nonterminal_N[:number] == index)
      for index, name in enumerate(universe.grammar.nonterminals)
    }
    self._lookup = {
      name: lookup.Lookup(*policy.pack(self.values(nodes)))
      for name, nodes in self.nodes.items()
    }

  def __len__(self) -> int:
    return sum(map(len, self.nodes.values()))

  def values(self, nodes: np.ndarray) -> identity.Values:
    """Outputs of some nodes of the universe, whether in the bank or not."""
    return tuple(column[nodes] for column in self._values)

  def find(
    self, name: str, values: identity.Values, keep: np.ndarray | None
  ) -> np.ndarray:
    """Looks functions up by their outputs.

    Args:
      name: The nonterminal that they are to be of.
      values: The outputs, of any shape.
      keep: Which of them are to be looked up, of that shape (None: all).

    Returns:
      The node with these outputs, in their shape; -1 where the bank has none.
    """
    nodes = self.nodes[name]
    found = self._lookup[name].find(*self.policy.pack(values))
    if keep is not None:
      found = np.where(keep, found, -1)
    return np.where(found >= 0, nodes[found], -1) if len(nodes) else found

  def programs(self, node_P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A minimal program of each node, always the same one.

    Returns:
      tok_PxL in prefix order, L the universe's largest size, and size_P.
    """
    middle = np.full((len(node_P), self.universe.max_size), 0.5)
    tok_PxL = self.universe.programs_at(node_P, middle)
    return tok_PxL, self.universe.forest.size_N[node_P]
