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
  """Exact outputs at points of a grid, and those of all nodes.

  Args:
    universe: Of a grammar of rational operators.
    grid: The specification grid: what is told of a task.

  Raises:
    NoPoints: if no four of its points do.
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
  """All functions up to a size.

  Args:
    universe: Whose functions.
    policy: What outputs are compared.
    values: Those of all nodes.
    max_size: Nodes of the largest programs.

  Attributes:
    universe, policy: As given.
    nodes: Nonterminal -> its nodes, smallest first.
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
    """Outputs of some nodes, of the bank or not."""
    return tuple(column[nodes] for column in self._values)

  def find(
    self, name: str, values: identity.Values, keep: np.ndarray | None
  ) -> np.ndarray:
    """The node of a nonterminal with some outputs, or -1, in their shape.

    Args:
      name: The nonterminal.
      values: The outputs.
      keep: Which of them are to be looked up (None: all).
    """
    nodes = self.nodes[name]
    found = self._lookup[name].find(*self.policy.pack(values))
    if keep is not None:
      found = np.where(keep, found, -1)
    return np.where(found >= 0, nodes[found], -1) if len(nodes) else found

  def programs(self, node_P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A minimal program of each node: tok_PxL, and its size_P."""
    middle = np.full((len(node_P), self.universe.max_size), 0.5)
    tok_PxL = self.universe.programs_at(node_P, middle)
    return tok_PxL, self.universe.forest.size_N[node_P]
