"""The universe: every semantic class of a grammar up to a size, stored.

`build` enumerates and writes a directory; `load` opens it. A class is known by
its node (`synth.universe.enumerate.Forest`); the classes of the start
nonterminal are the tasks.
"""

import dataclasses
import fractions
import functools
import itertools
import pathlib
import sys
from typing import Any

import numpy as np

from synth import __version__
from synth import errors
from synth import progress
from synth import seeding
from synth import store
from synth.language import arithmetic
from synth.language import counting
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.language import tokens
from synth.universe import enumerate as enumerate_lib
from synth.universe import identity

KIND = 'universe'
_ATTEMPTS = 20


class Universe:
  """A stored universe.

  Attributes (N nodes, M alternatives, C classes of the start nonterminal):
    grammar: The grammar it enumerates.
    max_size: Largest program size in nodes.
    forest: Classes and alternatives.
    node_C: Nodes of the start nonterminal, in order of (size, key).
    count_N: Number of minimal programs of each node.
    representative_CxL: For each class one minimal program, drawn uniformly.
    manifest: What was stored with it.
  """

  def __init__(
    self,
    grammar: grammar_lib.Grammar,
    forest: enumerate_lib.Forest,
    representative_CxL: np.ndarray,
    manifest: dict[str, Any],
  ):
    self.grammar = grammar
    self.max_size = int(manifest['max_size'])
    self.manifest = manifest
    self.forest = forest
    self.vocabulary = tokens.Vocabulary.of(grammar)
    self.representative_CxL = representative_CxL
    start = grammar.nonterminals.index(grammar.start)
    self.node_C = np.flatnonzero(forest.nonterminal_N == start)
    self.count_N = forest.upto_M[forest.first_N1[1:] - 1]
    self._token_P = np.array(
      [self.vocabulary.index[p.symbol] for p in grammar.productions],
      tokens.DTYPE,
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
  def _sorted_keys(self) -> tuple[np.ndarray, np.ndarray]:
    key_C = self.key_C
    order = np.argsort(key_C, order=('key', 'rest'))
    return key_C[order], order

  def find(self, key_P: np.ndarray) -> np.ndarray:
    """The class with each identity (values like `key_C`), or -1."""
    keys, order = self._sorted_keys
    place = np.minimum(np.searchsorted(keys, key_P), len(keys) - 1)
    return np.where(keys[place] == key_P, order[place], -1)

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
    forest = self.forest
    rows = np.arange(len(node_P))
    tok_PxL = np.full(uniform_PxL.shape, tokens.PAD, tokens.DTYPE)
    # A stack of nodes still to write for each program; the top is written.
    stack_PxL = np.zeros((len(node_P), self.max_size + 1), np.int64)
    stack_PxL[:, 0] = node_P
    height_P = np.ones(len(node_P), np.int64)
    for position in range(uniform_PxL.shape[1]):
      height_P[rows] -= 1
      node = stack_PxL[rows, height_P[rows]]
      # 53 random bits: enumeration refuses counts that would need more.
      pick = (uniform_PxL[rows, position] * self.count_N[node]).astype(np.int64)
      alternative = _first_above(
        forest.upto_M, forest.first_N1[node], forest.first_N1[node + 1], pick
      )
      tok_PxL[rows, position] = self._token_P[forest.production_M[alternative]]
      args = forest.arg_MxA[alternative]
      for column in reversed(range(args.shape[1])):  # first argument on top
        used = args[:, column] >= 0
        target = rows[used]
        stack_PxL[target, height_P[target]] = args[used, column]
        height_P[target] += 1
      rows = rows[height_P[rows] > 0]
      if not len(rows):
        break
    return tok_PxL

  def evaluate(
    self, system: arithmetic.NumberSystem, input_AxE: dict[str, np.ndarray]
  ) -> tuple[np.ndarray, np.ndarray]:
    """value_CxE and ok_CxE of the start nonterminal; see `evaluate_nodes`."""
    value_NxE, ok_NxE = self.evaluate_nodes(system, input_AxE)
    return value_NxE[self.node_C], ok_NxE[self.node_C]

  def evaluate_nodes(
    self, system: arithmetic.NumberSystem, input_AxE: dict[str, np.ndarray]
  ) -> tuple[np.ndarray, np.ndarray]:
    """Values of every node at E points, each node computed once.

    Each node is evaluated through its first alternative, so the work is one
    operation a class and point.

    Args:
      system: A number system on numpy arrays.
      input_AxE: Variable -> its values at the points, numbers of `system`.

    Returns:
      value_NxE and ok_NxE; ok is False where that program is undefined.
    """
    forest = self.forest
    first = forest.first_N1[:-1]
    production_N = forest.production_M[first]
    arg_NxA = forest.arg_MxA[first]
    points = len(next(iter(input_AxE.values()))) if input_AxE else 1
    sample = system.constant(fractions.Fraction(0))
    value_NxE = np.zeros((len(first), points), np.asarray(sample).dtype)
    ok_NxE = np.ones((len(first), points), bool)
    bounds = np.searchsorted(forest.size_N, np.arange(self.max_size + 2))
    for low, high in itertools.pairwise(bounds):
      level = production_N[low:high]
      for number in np.unique(level):
        rows = low + np.flatnonzero(level == number)
        rule = self.grammar.productions[number]
        if rule.args:
          args = arg_NxA[rows, : len(rule.args)].T
          value, ok = system.apply(
            rule.symbol, *((value_NxE[a], ok_NxE[a]) for a in args)
          )
          value_NxE[rows], ok_NxE[rows] = value, ok
        else:
          constant = program_lib.constant_value(rule.symbol)
          value_NxE[rows] = (
            input_AxE[rule.symbol]
            if constant is None
            else system.constant(constant)
          )
    return value_NxE, ok_NxE

  def classes_by_size(self) -> dict[str, int]:
    """New classes of the start nonterminal by size, for JSON."""
    sizes, counts = np.unique(self.size_C, return_counts=True)
    return {str(s): int(c) for s, c in zip(sizes, counts, strict=True)}


def _pair(forest: enumerate_lib.Forest, node: np.ndarray) -> np.ndarray:
  pair = np.empty(len(node), [('key', np.uint64), ('rest', np.uint64)])
  pair['key'] = forest.key_N[node]
  pair['rest'] = forest.rest_N[node]
  return pair


def _first_above(
  value_M: np.ndarray, low_P: np.ndarray, high_P: np.ndarray, than_P: np.ndarray
) -> np.ndarray:
  """First index in [low, high) whose value exceeds `than`; values ascend."""
  low_P, high_P = low_P.copy(), high_P - 1
  while np.any(low_P < high_P):
    middle_P = (low_P + high_P) // 2
    above = value_M[middle_P] > than_P
    high_P = np.where(above, middle_P, high_P)
    low_P = np.where(above, low_P, np.minimum(middle_P + 1, high_P))
  return low_P


def enumerate_universe(
  grammar: grammar_lib.Grammar, max_size: int, seed: int, name: str
) -> tuple[enumerate_lib.Forest, identity.IdentityPoints]:
  """Enumerates, drawing other identity points when they prove unlucky."""
  for attempt in range(_ATTEMPTS):
    points = identity.IdentityPoints.draw(grammar.variables, seed, attempt)
    bar = progress.Progress(f'enumerate {name}', max_size, 'size')
    try:
      forest = enumerate_lib.enumerate_classes(
        grammar, max_size, points, bar.update
      )
      return forest, points
    except identity.UnluckyPoints as reason:
      print(f'identity points redrawn: {reason}', file=sys.stderr)
  raise errors.InputError(
    f'{grammar.name}: no {_ATTEMPTS} sets of identity points tell its classes '
    'apart; is the grammar over rational functions?'
  )


def build(
  directory: pathlib.Path,
  grammar: grammar_lib.Grammar,
  max_size: int,
  seed: int,
) -> 'Universe':
  """Enumerates a universe and stores it in `directory`.

  Raises:
    InputError: for limits without a program, overflow or a failed write.
  """
  programs = counting.Counts(grammar).by_size(max_size)
  if not programs:
    raise errors.InputError(
      f'{grammar.name}: no program of at most {max_size} nodes'
    )
  _check_limits(grammar, max_size)
  forest, points = enumerate_universe(grammar, max_size, seed, directory.name)
  facts = {
    'version': __version__,
    'grammar': grammar.to_json(),
    'grammar_sha256': grammar.sha256,
    'max_size': max_size,
    'seed': seed,
    'identity': dataclasses.asdict(points),
    'numpy': np.__version__,
    'programs_by_size': {str(size): n for size, n in programs.items()},
  }
  universe = Universe(grammar, forest, np.zeros((0, max_size)), facts)
  if not len(universe.node_C):
    raise errors.InputError(
      f'{grammar.name}: every program of at most {max_size} nodes divides by '
      'the zero function'
    )
  universe.representative_CxL = universe.sample_programs(
    universe.node_C, seeding.generator(seed, 'representative')
  )
  facts['classes_by_size'] = universe.classes_by_size()
  arrays = dataclasses.asdict(forest)
  arrays['representative_CxL'] = universe.representative_CxL
  store.write(directory, KIND, arrays, facts)
  return load(directory)


def _check_limits(grammar: grammar_lib.Grammar, max_size: int) -> None:
  """Refuses sizes that the stored types cannot hold."""
  limit = np.iinfo(np.uint8).max
  if max_size > limit:
    raise errors.InputError(
      f'{grammar.name}: max_size={max_size} is more than {limit}'
    )


def load(directory: pathlib.Path) -> Universe:
  """Opens a stored universe.

  Raises:
    StoreError: if the directory is missing, truncated, edited or foreign.
  """
  manifest, arrays = store.read(directory, KIND)
  grammar = grammar_lib.Grammar.from_json(manifest['grammar'])
  if grammar.sha256 != manifest['grammar_sha256']:
    raise store.StoreError(f'{directory}: its grammar was changed')
  representative_CxL = arrays.pop('representative_CxL')
  return Universe(
    grammar, enumerate_lib.Forest(**arrays), representative_CxL, manifest
  )


def load_or_build(
  directory: pathlib.Path,
  grammar: grammar_lib.Grammar,
  max_size: int,
  seed: int,
) -> Universe:
  """Opens `directory`, building it first if it is not there.

  Raises:
    InputError: if it holds a universe of another grammar, size or seed.
  """
  if not store.exists(directory):
    return build(directory, grammar, max_size, seed)
  universe = load(directory)
  store.check_facts(
    directory,
    universe.manifest,
    {
      'grammar_sha256': grammar.sha256,
      'max_size': max_size,
      'seed': seed,
    },
  )
  return universe
