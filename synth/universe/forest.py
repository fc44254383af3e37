"""The forest: every class and all ways to form it, as flat arrays."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Forest:
  """Classes and their alternatives, mapped from the store.

  N nodes: a node is a semantic class of one nonterminal, in the order of
  (size, nonterminal, key). M alternatives, grouped by node. A = max arity.
  An alternative of a symmetric production (a commutative operator on arguments
  of one nonterminal) stands for both orders of its arguments, if they differ.
  R classes that have programs of a size larger than their minimal one.

  Attributes:
    size_N: Minimal size of the class.
    nonterminal_N: Index of its nonterminal.
    key_N, rest_N: Identity (`identity.Policy.pack`).
    first_N1: First alternative of each node; N + 1 entries.
    production_M: Index of the production.
    arg_MxA: Argument nodes; -1 beyond the arity.
    upto_M: Inclusive running number of minimal programs within the node.
    again_node_R, again_ways_R: By size and nonterminal, nodes and how many
      programs of that size they have; empty if they were not counted.
  """

  size_N: np.ndarray
  nonterminal_N: np.ndarray
  key_N: np.ndarray
  rest_N: np.ndarray
  first_N1: np.ndarray
  production_M: np.ndarray
  arg_MxA: np.ndarray
  upto_M: np.ndarray
  again_node_R: np.ndarray
  again_ways_R: np.ndarray

  def upto(self, size: int) -> 'Forest':
    """Its classes up to a minimal size; `again_*` are empty."""
    nodes = int(np.searchsorted(self.size_N, size, 'right'))
    rows = int(self.first_N1[nodes])
    return Forest(
      self.size_N[:nodes],
      self.nonterminal_N[:nodes],
      self.key_N[:nodes],
      self.rest_N[:nodes],
      self.first_N1[: nodes + 1],
      self.production_M[:rows],
      self.arg_MxA[:rows],
      self.upto_M[:rows],
      self.again_node_R[:0],
      self.again_ways_R[:0],
    )
