"""Programs drawn from a probabilistic grammar fitted to the training arm.

The learner that knows marginals only and sees nothing of the task. It draws a
size as often as training shows it and then a program of that size: left to
itself the grammar would draw mostly leaves, since training has nothing beyond
the universe's size. The probability that a draw is right is not estimated but
summed over all programs of the task's class, so pass@k is exact for every k.
"""

from collections.abc import Iterator
import dataclasses
import fractions
import functools
import math
import time

import numpy as np

from synth import inputs as inputs_lib
from synth import progress
from synth import seeding
from synth.baselines import charges
from synth.language import grammar as grammar_lib
from synth.language import pcfg as pcfg_lib
from synth.language import program as program_lib
from synth.language import tokens
from synth.universe import identity
from synth.universe import lookup
from synth.universe import universe as universe_lib

_BLOCK = 1 << 22  # numbers computed at once
_TIMED = 200  # draws whose time is taken


@dataclasses.dataclass(frozen=True)
class Sampler:
  """A law of programs.

  Attributes:
    pcfg: The law of programs of one size.
    share_S: The law of sizes, from 0 to the largest.
  """

  pcfg: pcfg_lib.Pcfg
  share_S: np.ndarray

  def sample(self, rng: np.random.Generator) -> program_lib.Node:
    """One program."""
    return self.pcfg.sample_of_size(self._size.draw(rng), rng)

  @functools.cached_property
  def _size(self) -> pcfg_lib.Choice:
    return pcfg_lib.Choice(self.share_S)

  @property
  def mean_size(self) -> float:
    """Mean size of a draw, in nodes."""
    return float(self.share_S @ np.arange(len(self.share_S)))


def fit(inputs: inputs_lib.Inputs, arm: str) -> Sampler:
  """The law that is most likely given the programs of a training arm.

  Of each class one program, drawn as training draws it; each production counts
  once more than it occurs (`Pcfg.fit`).

  Args:
    inputs: Universe and split.
    arm: The training arm.
  """
  universe = inputs.universe
  train_N = inputs.split.arms[arm]
  rng = seeding.generator(0, 'pcfg')
  tok_NxL = inputs.programs_at(
    train_N, rng.random((len(train_N), universe.max_size))
  )
  bar = progress.Progress(f'pcfg: fit {arm}', len(tok_NxL), 'programs')

  def programs() -> Iterator[program_lib.Node]:
    for number, tok_L in enumerate(tok_NxL):
      yield universe.vocabulary.decode(tok_L)
      bar.update(number + 1)

  size_N = (tok_NxL != tokens.PAD).sum(axis=1)
  count_S = np.bincount(size_N, minlength=universe.max_size + 1)
  pcfg = pcfg_lib.Pcfg.fit(universe.grammar, programs())
  return Sampler(pcfg, count_S / len(size_N))


def class_probability(
  universe: universe_lib.Universe, sampler: Sampler
) -> np.ndarray:
  """Probability that a program drawn is of each class: probability_C.

  The probability of all programs of a size, nonterminal and class is a sum over
  the classes of their arguments; programs without a class have what is left.
  """
  mass = _Masses(universe, sampler.pcfg)
  bar = progress.Progress('pcfg: programs of', universe.max_size, 'sizes')
  for size in range(1, universe.max_size + 1):
    mass.add(size)
    bar.update(size)
  return mass.of_start(sampler.share_S)


class _Masses:
  """Probabilities of nodes by size, growing."""

  def __init__(self, universe: universe_lib.Universe, pcfg: pcfg_lib.Pcfg):
    self._universe, self._pcfg = universe, pcfg
    self._grammar, self._policy = universe.grammar, universe.policy
    self._values = universe.values_under(self._policy)
    self._exact = universe.exact_under(self._policy)
    self._ready: dict[tuple[str, int], identity.Values] = {}
    forest = universe.forest
    # nonterminal -> its nodes, and who finds them.
    self._nodes = {
      name: np.flatnonzero(forest.nonterminal_N == index)
      for index, name in enumerate(self._grammar.nonterminals)
    }
    self._lookup = {
      name: lookup.Lookup(forest.key_N[nodes], forest.rest_N[nodes])
      for name, nodes in self._nodes.items()
    }
    # (nonterminal, size) -> nodes that have such programs, their probability.
    self._mass: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}

  def of_start(self, share_S: np.ndarray) -> np.ndarray:
    """The probability of each class under a law of sizes."""
    found_N = np.zeros(len(self._universe.forest.size_N))
    for size in np.flatnonzero(share_S).tolist():
      nodes, mass = self._mass[self._grammar.start, size]
      total = self._pcfg.size_probability(size)
      found_N[nodes] += share_S[size] / total * mass
    return found_N[self._universe.node_C]

  def add(self, size: int) -> None:
    """Adds the programs of a size."""
    for name, rules in self._grammar.by_nonterminal.items():
      mass = np.zeros(len(self._nodes[name]))
      for rule in rules:
        for sizes in grammar_lib.argument_sizes(size, len(rule.args)):
          mass += self._of_rule(rule, sizes)
      (places,) = np.nonzero(mass)
      self._mass[name, size] = self._nodes[name][places], mass[places]

  def _of_rule(
    self, rule: grammar_lib.Production, sizes: tuple[int, ...]
  ) -> np.ndarray:
    """What a production adds with arguments of some sizes."""
    args = [self._mass[pair] for pair in zip(rule.args, sizes, strict=True)]
    rest = math.prod(len(nodes) for nodes, _ in args[1:])
    width = sum(math.prod(c.shape) for c in self._policy.columns)
    step = max(1, _BLOCK // max(rest * width, 1))
    number = len(args[0][0]) if args else 1
    mass = np.zeros(len(self._nodes[rule.nonterminal]))
    for low in range(0, number, step):
      if args:
        nodes, share = self._mass[rule.args[0], sizes[0]]
        args[0] = nodes[low : low + step], share[low : low + step]
      self._add_block(mass, rule, args)
    return mass

  def _add_block(
    self,
    mass: np.ndarray,
    rule: grammar_lib.Production,
    args: list[tuple[np.ndarray, np.ndarray]],
  ) -> None:
    """Adds all programs of a production on some arguments to `mass`."""
    nodes = [nodes for nodes, _ in args]
    shape = tuple(map(len, nodes)) or (1,)
    if not math.prod(shape):
      return

    def exact(
      argument: int, index: tuple[int, ...], place: int
    ) -> fractions.Fraction:
      return self._exact(int(nodes[argument][index[argument]]), place)

    if args:
      ready = (self._argument(rule.symbol, p, nodes) for p in range(len(args)))
      values, keep = self._policy.apply(rule.symbol, tuple(ready), exact)
    else:
      values, keep = self._policy.leaf(rule.symbol), None
    share = np.full(shape, self._pcfg.probability[rule])
    for place, (_, part) in enumerate(args):
      share *= part.reshape(_along(place, len(args)))
    if keep is not None:
      share = share * keep  # what divides by zero has no class
    key, rest = self._policy.pack(values)
    found = self._lookup[rule.nonterminal].find(key.ravel(), rest.ravel())
    share = np.where(found >= 0, share.ravel(), 0.0)
    mass += np.bincount(np.maximum(found, 0), share, len(mass))

  def _argument(
    self, symbol: str, place: int, nodes: list[np.ndarray]
  ) -> identity.Values:
    """Values of an argument's nodes along the axis of its place."""
    if (symbol, place) not in self._ready:
      self._ready[symbol, place] = self._policy.ready(
        symbol, place, self._values
      )
    return tuple(
      column[nodes[place]].reshape(
        *_along(place, len(nodes)), *column.shape[1:]
      )
      for column in self._ready[symbol, place]
    )


def _along(place: int, axes: int) -> tuple[int, ...]:
  """The shape of an array along one of some axes."""
  return (1,) * place + (-1,) + (1,) * (axes - place - 1)


def expected_candidates(probability_I: np.ndarray, budget: int) -> np.ndarray:
  """Mean number of independent draws until one is right or the budget spent."""
  safe_I = np.where(probability_I > 0, probability_I, 1.0)
  missed_I = -np.expm1(budget * _log_wrong(safe_I))
  return np.where(probability_I > 0, missed_I / safe_I, float(budget))


def pass_at_k(probability_I: np.ndarray, k: int) -> np.ndarray:
  """Probability that one of k independent draws is right."""
  return -np.expm1(k * _log_wrong(probability_I))


def _log_wrong(probability_I: np.ndarray) -> np.ndarray:
  with np.errstate(divide='ignore'):
    return np.log1p(-np.minimum(probability_I, 1.0))


def solve(tasks: charges.Tasks) -> charges.Charged:
  """pass@k of independent draws."""
  start = time.monotonic()
  sampler = fit(tasks.inputs, tasks.arm)
  preparation = time.monotonic() - start
  probability_C = class_probability(tasks.inputs.universe, sampler)
  seconds = _seconds(tasks, sampler)
  attempts = {}
  for name, class_I in tasks.sets.items():
    probability_I = probability_C[class_I]
    candidates_I = expected_candidates(probability_I, tasks.budget)
    attempts[name] = charges.Attempt(
      np.array([pass_at_k(probability_I, k) for k in tasks.budgets]),
      candidates_I,
      candidates_I * sampler.mean_size * tasks.points,
      float(candidates_I.mean() * seconds),
    )
  facts = {
    'probability': {
      str(rule): p for rule, p in sampler.pcfg.probability.items()
    },
    'mean_size': sampler.mean_size,
    'seconds_a_candidate': seconds,
  }
  return charges.Charged(0, preparation, attempts, facts)


def _seconds(tasks: charges.Tasks, sampler: Sampler) -> float:
  """Seconds to draw a program and to verify it, measured on 200."""
  universe = tasks.inputs.universe
  target_1xL = universe.representative_CxL[:1]
  for _ in range(2):  # the first time compiles
    start = time.monotonic()
    rng = seeding.generator(0, 'pcfg draws')
    drawn = [sampler.sample(rng) for _ in range(_TIMED)]
    tok_TxL = np.stack(
      [universe.vocabulary.encode(p, universe.max_size) for p in drawn]
    )
    tasks.verifier.outcomes(tok_TxL[None], target_1xL)
    seconds = (time.monotonic() - start) / _TIMED
  return seconds
