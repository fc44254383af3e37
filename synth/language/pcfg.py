"""Probabilistic grammars: programs drawn by their derivation.

Each production has a probability among those of its nonterminal, and a program
the product of the probabilities of its derivation (there is exactly one). What
is large is unlikely, and a law over sizes comes out that one does not choose:
`sample` draws from it, up to a size; `sample_of_size` from the programs of one
size, without rejection.
"""

import bisect
from collections.abc import Iterable
from collections.abc import Mapping
import functools
import math

import numpy as np

from synth import errors
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib

_LARGEST_LOG = 50.0  # -log t
_PRECISION = 1e-6  # of log t
_ROUNDS = 5000  # of adding programs that are one level deeper
_INFINITE = 1e9


class Pcfg:
  """A grammar with a probability for each production.

  Args:
    grammar: The grammar.
    weight: Production -> weight, positive; those of each nonterminal are
      divided by their sum.

  Raises:
    InputError: for a weight that is missing or not positive.
  """

  def __init__(
    self,
    grammar: grammar_lib.Grammar,
    weight: Mapping[grammar_lib.Production, float],
  ):
    self.grammar = grammar
    self.probability: dict[grammar_lib.Production, float] = {}
    for rules in grammar.by_nonterminal.values():
      for rule in rules:
        if not 0 < weight.get(rule, 0.0) < math.inf:
          raise errors.InputError(
            f'{grammar.name}: the weight of {rule} is {weight.get(rule)}: it '
            'must be positive'
          )
      total = sum(weight[rule] for rule in rules)
      self.probability |= {rule: weight[rule] / total for rule in rules}
    # nonterminal -> probability that it derives a program of 0, 1, ... nodes.
    self._mass: dict[str, list[float]] = {
      name: [0.0] for name in grammar.nonterminals
    }
    # Made once: draws ask for the same ones again and again.
    self._choices = functools.cache(self._make_choices)
    self._sizes = functools.cache(self._make_sizes)

  @classmethod
  def uniform(cls, grammar: grammar_lib.Grammar) -> 'Pcfg':
    """Every production of a nonterminal equally likely."""
    return cls(grammar, dict.fromkeys(grammar.productions, 1.0))

  @classmethod
  def fit(
    cls,
    grammar: grammar_lib.Grammar,
    programs: Iterable[program_lib.Node],
    smoothing: float = 1.0,
  ) -> 'Pcfg':
    """The most likely probabilities given some programs.

    Args:
      grammar: The grammar; it must derive all programs.
      programs: What was drawn.
      smoothing: Added to the count of each production, so that none is
        impossible.

    Raises:
      ProgramError: if the grammar does not derive a program.
    """
    count = dict.fromkeys(grammar.productions, smoothing)
    for program in programs:
      for rule in _derivation(grammar, program):
        count[rule] += 1
    return cls(grammar, count)

  @classmethod
  def critical(cls, grammar: grammar_lib.Grammar) -> 'Pcfg':
    """The grammar's critical Boltzmann law (Duchon et al., 2004).

    All programs of a size are equally likely, and a node more makes them less
    likely by the same factor (`critical_weight`): the smallest decrease at
    which derivations end with probability 1.
    """
    t = critical_weight(grammar)
    mass = _masses(grammar, t)
    assert mass is not None
    return cls(
      grammar,
      {
        rule: t * math.prod(mass[name] for name in rule.args)
        for rule in grammar.productions
      },
    )

  def size_probability(self, size: int) -> float:
    """Probability that the start derives a program of exactly `size` nodes."""
    return self._of_size(self.grammar.start, size)

  def _of_size(self, name: str, size: int) -> float:
    table = self._mass
    while len(table[name]) <= size:
      new = len(table[name])
      for other, rules in self.grammar.by_nonterminal.items():
        table[other].append(
          sum(
            self._share(rule, sizes)
            for rule in rules
            for sizes in grammar_lib.argument_sizes(new, len(rule.args))
          )
        )
    return table[name][size]

  def _share(
    self, rule: grammar_lib.Production, sizes: tuple[int, ...]
  ) -> float:
    """Probability of a production with arguments of the given sizes."""
    return self.probability[rule] * math.prod(
      self._mass[name][size]
      for name, size in zip(rule.args, sizes, strict=True)
    )

  def sample(self, max_size: int, rng: np.random.Generator) -> program_lib.Node:
    """A program of at most `max_size` nodes.

    Its law is the grammar's, given that the program is not larger.

    Raises:
      InputError: if there is none.
    """
    return self.sample_of_size(self._sizes(max_size).draw(rng), rng)

  def _make_sizes(self, max_size: int) -> 'Choice':
    """The law of sizes up to the largest."""
    mass = np.array([self.size_probability(s) for s in range(max_size + 1)])
    if not mass.sum():
      raise errors.InputError(
        f'{self.grammar.name}: no program of at most {max_size} nodes'
      )
    return Choice(mass / mass.sum())

  def sample_of_size(
    self, size: int, rng: np.random.Generator
  ) -> program_lib.Node:
    """A program of exactly `size` nodes, by its probability among them.

    Raises:
      InputError: if there is none.
    """
    if not self.size_probability(size):
      raise errors.InputError(
        f'{self.grammar.name}: no program of {size} nodes'
      )
    return self._sample(self.grammar.start, size, rng)

  def _sample(
    self, name: str, size: int, rng: np.random.Generator
  ) -> program_lib.Node:
    options, choice = self._choices(name, size)
    symbol, args = options[choice.draw(rng)]
    return program_lib.Node(
      symbol,
      tuple(self._sample(arg, arg_size, rng) for arg, arg_size in args),
    )

  def _make_choices(
    self, name: str, size: int
  ) -> tuple[list[tuple[str, list[tuple[str, int]]]], 'Choice']:
    """Root symbols with each argument's nonterminal and size; their law."""
    rules = [
      (rule, sizes)
      for rule in self.grammar.by_nonterminal[name]
      for sizes in grammar_lib.argument_sizes(size, len(rule.args))
    ]
    options = [
      (rule.symbol, list(zip(rule.args, sizes, strict=True)))
      for rule, sizes in rules
    ]
    share = np.array([self._share(*rule) for rule in rules])
    return options, Choice(share / share.sum())


class Choice:
  """Draws one of n indices.

  It is the one that `rng.choice(n, p=probability)` draws, bit for bit, which
  adds the probabilities up every time.
  """

  def __init__(self, probability: np.ndarray):
    upto = probability.cumsum()
    self._upto = (upto / upto[-1]).tolist()

  def draw(self, rng: np.random.Generator) -> int:
    """One index."""
    return bisect.bisect_right(self._upto, rng.random())


def critical_weight(grammar: grammar_lib.Grammar) -> float:
  """The largest weight t <= 1 of a node at which all weights have a finite sum.

  The sum is that of t**size over the programs of every nonterminal.
  """
  low, high = -_LARGEST_LOG, 0.0
  if _masses(grammar, 1.0) is not None:
    return 1.0  # finitely many programs
  while high - low > _PRECISION:
    middle = (low + high) / 2
    if _masses(grammar, math.exp(middle)) is None:
      high = middle
    else:
      low = middle
  return math.exp(low)


def _masses(grammar: grammar_lib.Grammar, t: float) -> dict[str, float] | None:
  """Nonterminal -> sum of t**size over its programs; None if it is infinite."""
  names = {name: place for place, name in enumerate(grammar.nonterminals)}
  rules = grammar.productions
  width = max(len(rule.args) for rule in rules)
  # Arguments beyond a rule's arity read a mass of 1.
  arg_RxA = np.full((len(rules), max(width, 1)), len(names))
  for row, rule in enumerate(rules):
    arg_RxA[row, : len(rule.args)] = [names[name] for name in rule.args]
  left_R = np.array([names[rule.nonterminal] for rule in rules])
  mass_N: np.ndarray = np.zeros(len(names) + 1)
  mass_N[-1] = 1.0
  for _ in range(_ROUNDS):
    new_N = np.bincount(
      left_R, t * mass_N[arg_RxA].prod(axis=1), minlength=len(mass_N)
    )
    new_N[-1] = 1.0
    if new_N.max() > _INFINITE:
      return None
    if np.array_equal(new_N, mass_N):
      break
    mass_N = new_N
  return {name: float(mass_N[place]) for name, place in names.items()}


def _derivation(
  grammar: grammar_lib.Grammar, program: program_lib.Node
) -> list[grammar_lib.Production]:
  """The productions that derive a program, in pre-order."""
  if not grammar.derives(program):
    raise program_lib.ProgramError(
      f'program {program_lib.to_infix(program)!r} does not derive from '
      f'{grammar.name}'
    )
  found: list[grammar_lib.Production] = []
  todo = [(grammar.start, program)]
  while todo:
    name, node = todo.pop()
    rule = grammar.production(name, node)
    found.append(rule)
    todo += reversed(list(zip(rule.args, node.args, strict=True)))
  return found
