"""Is a token row a minimal program of some class, and of which?

Every subtree of a minimal program is a minimal program of its own class, so
rows are recognized from the leaves up: a symbol on recognized arguments is an
alternative of the forest, or the row is no minimal program. Nothing is
evaluated: this is exact under every identity policy.
"""

import numpy as np

from synth.language import dag
from synth.language import grammar as grammar_lib
from synth.language import tokens
from synth.universe import forest as forest_lib

NONE = -1  # no node
_ROWS = 1 << 15  # at a time: the DAG of so many has keys of 63 bits


class Recognizer:
  """The alternatives of a forest, found by symbol and argument nodes.

  Args:
    grammar: The grammar that was enumerated.
    forest: Its classes.
    vocabulary: What the tokens of rows mean; it may have symbols that the
      grammar lacks.
  """

  def __init__(
    self,
    grammar: grammar_lib.Grammar,
    forest: forest_lib.Forest,
    vocabulary: tokens.Vocabulary,
  ):
    self._grammar = grammar
    self._vocabulary = vocabulary
    number_N = np.diff(forest.first_N1)
    owner_M = np.repeat(np.arange(len(number_N)), number_N)
    production_M = np.asarray(forest.production_M)
    self._rules: dict[str, list[_Rule]] = {}
    for number, production in enumerate(grammar.productions):
      rows = np.flatnonzero(production_M == number)
      arg_MxA = forest.arg_MxA[rows, : len(production.args)]
      rule = _Rule(grammar, production, arg_MxA, owner_M[rows])
      self._rules.setdefault(production.symbol, []).append(rule)

  def nodes(self, tok_PxL: np.ndarray) -> np.ndarray:
    """The node of the start nonterminal whose minimal program each row is.

    Args:
      tok_PxL: Token rows in prefix order, programs or not.

    Returns:
      node_P, `NONE` where there is none.
    """
    start = self._grammar.nonterminals.index(self._grammar.start)
    return self.nodes_by_nonterminal(tok_PxL)[start]

  def nodes_by_nonterminal(self, tok_PxL: np.ndarray) -> np.ndarray:
    """`nodes` of each of J nonterminals: node_JxP."""
    starts = range(0, len(tok_PxL), _ROWS)
    parts = [self._nodes(tok_PxL[start : start + _ROWS]) for start in starts]
    none = np.zeros((len(self._grammar.nonterminals), 0), np.int64)
    return np.concatenate([none, *parts], axis=1)

  def _nodes(self, tok_PxL: np.ndarray) -> np.ndarray:
    graph = dag.build(tok_PxL, self._vocabulary)
    nonterminals = self._grammar.nonterminals
    # Of every distinct subtree, under every nonterminal J.
    node_JxN = np.full((len(nonterminals), len(graph.arg_NxA)), NONE)
    leaves = [
      (symbol, number, number + 1)
      for number, symbol in enumerate(self._vocabulary.symbols)
      if self._vocabulary.arity_V[number] == 0
    ]
    for symbol, low, high in leaves + graph.buckets:
      for rule in self._rules.get(symbol, []):
        arg_AxQ = np.array(
          [
            node_JxN[place, graph.arg_NxA[low:high, argument]]
            for argument, place in enumerate(rule.argument_places)
          ]
        ).reshape(-1, high - low)
        # A grammar is unambiguous: at most one rule of a nonterminal fits.
        found = node_JxN[rule.place, low:high]
        np.maximum(found, rule.nodes(arg_AxQ), out=found)
    return np.where(graph.parsed_P, node_JxN[:, graph.root_P], NONE)


class _Rule:
  """One production's alternatives: argument nodes -> node.

  The arguments of an alternative become one key after the other: the place of
  the arguments so far among all that occur, times the number of nodes, plus the
  next argument.
  """

  def __init__(
    self,
    grammar: grammar_lib.Grammar,
    production: grammar_lib.Production,
    arg_MxA: np.ndarray,
    node_M: np.ndarray,
  ):
    places = {name: i for i, name in enumerate(grammar.nonterminals)}
    self.place = places[production.nonterminal]
    self.argument_places = [places[name] for name in production.args]
    self._symmetric = bool(production.args) and production.symmetric
    self._radix = int(arg_MxA.max(initial=0)) + 1
    key_M = np.zeros(len(node_M), np.int64)
    self._tables = []
    for arg_M in self._ordered(arg_MxA.T):
      table, place_M = np.unique(key_M, return_inverse=True)
      self._tables.append(table)
      key_M = place_M * self._radix + arg_M
    order = np.argsort(key_M)
    self._tables.append(key_M[order])
    self._node_M = node_M[order]

  def _ordered(self, arg_AxM: np.ndarray) -> np.ndarray:
    """Arguments in an order that does not matter to the alternative."""
    return np.sort(arg_AxM, axis=0) if self._symmetric else arg_AxM

  def nodes(self, arg_AxQ: np.ndarray) -> np.ndarray:
    """The node of each column of argument nodes; `NONE` if there is none."""
    if not len(self._node_M):
      return np.full(arg_AxQ.shape[1], NONE)
    key_Q = np.zeros(arg_AxQ.shape[1], np.int64)
    fits_Q = np.all((arg_AxQ >= 0) & (arg_AxQ < self._radix), axis=0)
    for table, arg_Q in zip(
      self._tables, [*self._ordered(arg_AxQ), 0], strict=True
    ):
      place_Q = np.minimum(np.searchsorted(table, key_Q), len(table) - 1)
      fits_Q &= table[place_Q] == key_Q
      key_Q = place_Q * self._radix + arg_Q
    return np.where(fits_Q, self._node_M[place_Q], NONE)
