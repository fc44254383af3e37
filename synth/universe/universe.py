"""The universe: every semantic class of a grammar up to a size, stored.

`synth.universe.build` writes the directory that `load` opens. A class is known
by its node (`synth.universe.forest`); the classes of the start nonterminal are
the tasks.
"""

from collections.abc import Iterator
import fractions
import functools
import itertools
import pathlib
from typing import Any

import numpy as np

from synth import errors
from synth import store
from synth.language import arithmetic
from synth.language import constants
from synth.language import grammar as grammar_lib
from synth.language import operators
from synth.language import program as program_lib
from synth.language import reference
from synth.language import tokens
from synth.universe import draws
from synth.universe import exact as exact_lib
from synth.universe import forest as forest_lib
from synth.universe import identity
from synth.universe import lookup
from synth.universe import policies
from synth.universe import recognition

KIND = 'universe'


class Universe:
  """A stored universe.

  Attributes (N nodes, M alternatives, C classes of the start nonterminal):
    grammar: The grammar it enumerates.
    max_size: Largest program size in nodes.
    forest: Classes and alternatives.
    vocabulary: What the tokens of its rows mean.
    node_C: Nodes of the start nonterminal, in order of (size, key).
    count_N: Number of minimal programs of each node.
    representative_CxL: For each class one minimal program, drawn uniformly.
    manifest: What was stored with it.
  """

  def __init__(
    self,
    grammar: grammar_lib.Grammar,
    forest: forest_lib.Forest,
    representative_CxL: np.ndarray,
    manifest: dict[str, Any],
    vocabulary: tokens.Vocabulary | None = None,
  ):
    self.grammar = grammar
    self.max_size = int(manifest['max_size'])
    self.manifest = manifest
    self.forest = forest
    self.vocabulary = vocabulary or tokens.Vocabulary.of(grammar)
    self.representative_CxL = representative_CxL
    start = grammar.nonterminals.index(grammar.start)
    self.node_C = np.flatnonzero(forest.nonterminal_N == start)
    self.count_N = forest.upto_M[forest.first_N1[1:] - 1]
    self._token_Q = np.array(
      [self.vocabulary.index[p.symbol] for p in grammar.productions],
      tokens.DTYPE,
    )
    self._alternatives = draws.Alternatives(
      **{name: np.asarray(getattr(forest, name)) for name in draws.STORED},
      symmetric_Q=symmetric(grammar),
    )

  def written_in(self, vocabulary: tokens.Vocabulary) -> 'Universe':
    """The same universe with rows of another vocabulary.

    Args:
      vocabulary: Of a grammar that has all symbols of this one. Tokens are
        numbered by the symbols there are, so a part of a grammar numbers them
        otherwise than the whole.
    """
    if vocabulary == self.vocabulary:
      return self
    token_V = self.vocabulary.numbers_in(vocabulary)
    return Universe(
      *(self.grammar, self.forest, token_V[self.representative_CxL]),
      *(self.manifest, vocabulary),
    )

  @property
  def size_C(self) -> np.ndarray:
    """Minimal size of each class."""
    return self.forest.size_N[self.node_C]

  @property
  def key_C(self) -> np.ndarray:
    """Identity of each class as one structured value (key, rest)."""
    return _pair(self.forest, self.node_C)

  @functools.cached_property
  def _lookup(self) -> lookup.Lookup:
    key_C = self.key_C
    return lookup.Lookup(key_C['key'], key_C['rest'])

  def find(self, key_P: np.ndarray) -> np.ndarray:
    """The class with each identity (values like `key_C`), or -1."""
    return self._lookup.find(key_P['key'], key_P['rest'])

  def sample_programs(
    self, node_P: np.ndarray, rng: np.random.Generator
  ) -> np.ndarray:
    """For each node, one of its minimal programs, uniformly at random.

    Args:
      node_P: Nodes (`node_C[classes]`), repeated at will.
      rng: Source of randomness.

    Returns:
      tok_PxL in prefix order, L = max_size, padded.
    """
    return self.programs_at(node_P, rng.random((len(node_P), self.max_size)))

  def programs_at(
    self, node_P: np.ndarray, uniform_PxL: np.ndarray
  ) -> np.ndarray:
    """`sample_programs` with the randomness given, row by row.

    Args:
      node_P: Nodes.
      uniform_PxL: Independent uniform numbers in [0, 1): the program of a row
        is a function of its node and its numbers alone. L is at least the
        size of every program asked for.

    Returns:
      tok_PxL in prefix order, padded.
    """
    return self._alternatives.programs_at(node_P, uniform_PxL, self._token_Q)

  def evaluate(
    self, system: arithmetic.NumberSystem, inputs: dict[str, np.ndarray]
  ) -> tuple[np.ndarray, np.ndarray]:
    """value_CxE and ok_CxE of the start nonterminal; see `evaluate_nodes`."""
    value_NxE, ok_NxE = self.evaluate_nodes(system, inputs)
    return value_NxE[self.node_C], ok_NxE[self.node_C]

  def evaluate_nodes(
    self, system: arithmetic.NumberSystem, inputs: dict[str, np.ndarray]
  ) -> tuple[np.ndarray, np.ndarray]:
    """Values of every node at E points, each node computed once.

    Each node is evaluated through its first alternative, so the work is one
    operation a class and point.

    Args:
      system: A number system on numpy arrays.
      inputs: Variable -> its E values at the points, numbers of `system`.

    Returns:
      value_NxE and ok_NxE; ok is False where that program is undefined.
    """
    forest = self.forest
    first = forest.first_N1[:-1]
    production_N = forest.production_M[first]
    arg_NxA = forest.arg_MxA[first]
    points = len(next(iter(inputs.values()))) if inputs else 1
    sample = system.constant(fractions.Fraction(0))
    value_NxE = np.zeros((len(first), points), np.asarray(sample).dtype)
    ok_NxE = np.ones((len(first), points), bool)
    for rows, rule in self._levels(production_N):
      if rule.args:
        args = arg_NxA[rows, : len(rule.args)].T
        value, ok = system.apply(
          rule.symbol, *((value_NxE[a], ok_NxE[a]) for a in args)
        )
        value_NxE[rows], ok_NxE[rows] = value, ok
      else:
        constant = constants.value(rule.symbol)
        value_NxE[rows] = (
          inputs[rule.symbol] if constant is None else system.constant(constant)
        )
    return value_NxE, ok_NxE

  @functools.cached_property
  def policy(self) -> identity.Policy:
    """How its classes are told apart."""
    return policies.from_json(self.manifest['identity'])

  def class_of(self, program: program_lib.Node) -> int | None:
    """The class of a program, or None: it has none up to `max_size`.

    The program may be larger than the universe's, and need not be one of the
    grammar's.

    Raises:
      ProgramError: if it has a variable that the grammar lacks, or an operator
        that the identity policy cannot apply.
    """
    for symbol in program_lib.preorder(program):
      self._check_symbol(program, symbol)
    values = run(self.policy, program)
    if values is None:
      return None
    key, rest = self.policy.pack(values)
    pair = np.zeros(1, self.key_C.dtype)
    pair['key'], pair['rest'] = key, rest
    (found,) = self.find(pair).tolist()
    return found if found >= 0 else None

  def _check_symbol(self, program: program_lib.Node, symbol: str) -> None:
    operator = operators.OPERATORS.get(symbol)
    if operator is not None:
      if operator.kind in self.policy.kinds:
        return
      what, known = 'operator', self.grammar.operators
    else:
      if constants.value(symbol) is not None or symbol in (
        self.grammar.variables
      ):
        return
      what, known = 'variable', self.grammar.variables
    raise program_lib.ProgramError(
      f'program {program_lib.to_infix(program)!r}: {symbol!r} is no {what} of '
      f'{self.grammar.name} (has: {" ".join(known)})'
    )

  @functools.cached_property
  def recognizer(self) -> recognition.Recognizer:
    """Tells minimal programs, and of which node, from other token rows."""
    return recognition.Recognizer(self.grammar, self.forest, self.vocabulary)

  def minimal_classes(self, tok_PxL: np.ndarray) -> np.ndarray:
    """The class whose minimal program each row is; -1 if it is of none."""
    node_P = self.recognizer.nodes(tok_PxL)
    class_P = np.searchsorted(self.node_C, node_P)
    return np.where(node_P == recognition.NONE, -1, class_P)

  def minimal_programs(self, node: int) -> Iterator[program_lib.Node]:
    """All `count_N[node]` minimal programs of a node, each once."""
    forest = self.forest
    for alternative in range(forest.first_N1[node], forest.first_N1[node + 1]):
      rule = self.grammar.productions[forest.production_M[alternative]]
      nodes = forest.arg_MxA[alternative, : len(rule.args)].tolist()
      orders = [nodes]
      if rule.symmetric and nodes[0] != nodes[1]:
        orders.append(nodes[::-1])
      for order in orders:
        for args in itertools.product(*map(self.minimal_programs, order)):
          yield program_lib.Node(rule.symbol, args)

  def _levels(
    self, production_N: np.ndarray
  ) -> Iterator[tuple[np.ndarray, grammar_lib.Production]]:
    """Nodes of one size and production after the other, arguments first."""
    bounds = np.searchsorted(self.forest.size_N, np.arange(self.max_size + 2))
    for low, high in itertools.pairwise(bounds):
      level = production_N[low:high]
      for number in np.unique(level):
        rows = low + np.flatnonzero(level == number)
        yield rows, self.grammar.productions[number]

  def multiplicity(self, size: int) -> np.ndarray:
    """Number of programs of exactly `size` nodes of each class: int64_C.

    Raises:
      InputError: if they were not counted (too many for 63 bits).
    """
    if not self.manifest['multiplicities']:
      raise errors.InputError(
        f'{self.grammar.name}: multiplicities were not counted to size '
        f'{self.max_size}: there may be more than 2**63'
      )
    start = self.grammar.nonterminals.index(self.grammar.start)
    count_C = np.zeros(len(self.node_C), np.int64)
    for level in self.manifest['levels']:
      if level[:2] == [size, start]:
        new, again = level[2:4], level[4:6]
        at = np.searchsorted(self.node_C, new)
        count_C[slice(*at)] = self.count_N[slice(*new)]
        node = self.forest.again_node_R[slice(*again)]
        at = np.searchsorted(self.node_C, node)
        count_C[at] = self.forest.again_ways_R[slice(*again)]
    return count_C

  def values_under(self, policy: identity.Policy) -> identity.Values:
    """Values of every node at a policy's points, by its first alternative."""
    forest = self.forest
    first_N = forest.first_N1[:-1]
    production_N, arg_NxA = (
      forest.production_M[first_N],
      forest.arg_MxA[first_N],
    )
    values = tuple(
      np.zeros((len(first_N), *column.shape), column.dtype)
      for column in policy.columns
    )
    exact_value = self.exact_under(policy)
    for rows, rule in self._levels(production_N):
      found = policy.of_nodes(
        rule.symbol, arg_NxA[rows, : len(rule.args)], values, exact_value
      )
      for value, column in zip(found, values, strict=True):
        column[rows] = value
    return values

  def exact_under(self, policy: identity.Policy) -> exact_lib.Exact:
    """Exact values of nodes at a policy's points, for policies that ask."""
    forest = self.forest
    return exact_lib.Exact(
      [p.symbol for p in self.grammar.productions],
      *(forest.first_N1, forest.production_M, forest.arg_MxA),
      policy.point,
    )

  def depends_CxW(self) -> np.ndarray:
    """Whether each class depends on each of the grammar's W variables.

    Decided at the identity points: a class depends on a variable iff giving
    that variable other values changes the class's values.
    """
    depends_CxW = np.zeros(
      (len(self.node_C), len(self.grammar.variables)), bool
    )
    here = self.values_under(self.policy)
    for v, name in enumerate(self.grammar.variables):
      moved = self.values_under(self.policy.moved(name))
      for before, after in zip(here, moved, strict=True):
        differs_N = (before != after).reshape(len(before), -1).any(axis=1)
        depends_CxW[:, v] |= differs_N[self.node_C]
    return depends_CxW

  def classes_by_size(self) -> dict[str, int]:
    """New classes of the start nonterminal by size, for JSON."""
    sizes, counts = np.unique(self.size_C, return_counts=True)
    return {str(s): int(c) for s, c in zip(sizes, counts, strict=True)}


def run(
  policy: identity.Policy, program: program_lib.Node
) -> identity.Values | None:
  """Values of one program, leading axis 1; None if it has no semantics."""
  if not program.args:
    return policy.leaf(program.symbol)
  args = [run(policy, arg) for arg in program.args]
  known = tuple(arg for arg in args if arg is not None)
  if len(known) < len(args):
    return None

  def exact(
    argument: int, index: tuple[int, ...], place: int
  ) -> fractions.Fraction:
    arg = program.args[argument]
    point = {
      symbol: policy.point(symbol, place)
      for symbol in program_lib.preorder(arg)
      if symbol not in operators.OPERATORS and constants.value(symbol) is None
    }
    value: fractions.Fraction = reference.evaluate(arg, point)
    return value

  values, keep = policy.value(program.symbol, known, exact)
  return values if keep is None or bool(keep.all()) else None


def symmetric(grammar: grammar_lib.Grammar) -> np.ndarray:
  """Whether each production is symmetric (`grammar.Production.symmetric`)."""
  return np.array([p.symmetric for p in grammar.productions], bool)


def _pair(forest: forest_lib.Forest, node: np.ndarray) -> np.ndarray:
  pair = np.empty(len(node), [('key', np.uint64), ('rest', np.uint64)])
  pair['key'] = forest.key_N[node]
  pair['rest'] = forest.rest_N[node]
  return pair


def load(directory: pathlib.Path, sealed: bool = False) -> Universe:
  """Opens a stored universe.

  Args:
    directory: Where it is.
    sealed: See `store.read`.

  Raises:
    StoreError: if the directory is missing, truncated, edited or foreign.
  """
  manifest, arrays = store.read(directory, KIND, sealed)
  grammar = grammar_lib.Grammar.from_json(manifest['grammar'])
  if grammar.sha256 != manifest['grammar_sha256']:
    raise store.StoreError(f'{directory}: its grammar was changed')
  representative_CxL = arrays.pop('representative_CxL')
  return Universe(
    grammar, forest_lib.Forest(**arrays), representative_CxL, manifest
  )
