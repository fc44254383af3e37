"""Meet in the middle: an operator between two functions of a bank.

The bank holds every function with a program of at most b nodes. For a task t
and a function a of the bank the other argument follows, from t = a + b that it
is t - a, and is looked up in the bank (methods: section 6.3). Inverting and
looking up is done with exact outputs at four points of the specification grid,
modulo a prime each; what is found is executed and judged like any answer.

A task is solved iff it is in the bank or is op(a, b) for some a and b in it.
So with binary operators alone every task of minimal size up to b + 2 is solved
(the smaller argument of its root has at least one node, the larger at most b),
none beyond 2 b + 1, and in between those of which some program, minimal or
not, has two arguments with programs of at most b nodes.
"""

from collections.abc import Iterator
import dataclasses
import itertools
import time

import numpy as np

from synth.baselines import charges
from synth.baselines import enumeration
from synth.language import grammar as grammar_lib
from synth.language import tokens
from synth.universe import field
from synth.universe import identity
from synth.universe import lookup
from synth.universe import universe as universe_lib

_BLOCK = 1 << 18  # look-ups at once
# (operator, place of the known argument) -> the operator that gives the other
# one, and whether it takes the task (t) or the known argument (a) first.
_INVERSES = {
  ('add', 0): ('sub', 'ta'),
  ('add', 1): ('sub', 'ta'),
  ('sub', 0): ('sub', 'at'),
  ('sub', 1): ('add', 'ta'),
  ('mul', 0): ('div', 'ta'),
  ('mul', 1): ('div', 'ta'),
  ('div', 0): ('div', 'at'),
  ('div', 1): ('mul', 'ta'),
}
_UNARY = ('neg', 'inv')  # their own inverses


@dataclasses.dataclass(frozen=True)
class _Hits:
  """Programs found, in the order of a task's look-ups: H hits.

  Attributes:
    task_H: Which task.
    lookup_H: The number of the look-up, from 1.
    rule_H: The production; -1 if the task itself is in the bank.
    node_Hx2: Argument nodes, -1 beyond the arity (or the bank's node).
  """

  task_H: np.ndarray
  lookup_H: np.ndarray
  rule_H: np.ndarray
  node_Hx2: np.ndarray


def on_grid(tasks: charges.Tasks) -> tuple[field.Field, identity.Values]:
  """Exact outputs at points of the specification grid, and those of all nodes.

  Raises:
    Inapplicable: if no four of its points do.
  """
  universe = tasks.inputs.universe
  assert isinstance(universe.policy, field.Field)
  primes = universe.policy.primes
  for attempt in range(tasks.points):
    at = (attempt + np.arange(len(primes)) * tasks.points // len(primes)) % (
      tasks.points
    )
    residues = {
      name: [
        column[e].numerator * pow(column[e].denominator, -1, p) % p
        for e, p in zip(at.tolist(), primes, strict=True)
      ]
      for name, column in tasks.grid.items()
    }
    policy = field.Field(primes, residues, attempt)
    try:
      values = universe.values_under(policy)
      policy.check(values)
    except identity.UnluckyPoints:
      continue
    return policy, values
  raise charges.Inapplicable(
    'at every point of the specification grid some function is zero or '
    'undefined'
  )


class Bank:
  """All functions up to a size, by their outputs.

  Args:
    universe: Whose functions.
    policy: What outputs are compared.
    values: Those of all nodes.
    max_size: Nodes of the largest programs.
  """

  def __init__(
    self,
    universe: universe_lib.Universe,
    policy: field.Field,
    values: identity.Values,
    max_size: int,
  ):
    self._universe, self._policy, self._values = universe, policy, values
    self._grammar = universe.grammar
    forest = universe.forest
    number = int(np.searchsorted(forest.size_N, max_size, 'right'))
    self._nodes = {
      name: np.flatnonzero(forest.nonterminal_N[:number] == index)
      for index, name in enumerate(self._grammar.nonterminals)
    }
    self._lookup = {
      name: lookup.Lookup(*policy.pack(self._of(nodes)))
      for name, nodes in self._nodes.items()
    }
    self._ready = {
      name: policy.ready('div', 1, self._of(nodes))
      for name, nodes in self._nodes.items()
    }
    self._inversions = [
      (number, rule, known)
      for number, rule in enumerate(self._grammar.productions)
      if rule.nonterminal == self._grammar.start
      for known in range(len(rule.args))
      if (rule.symbol, known) in _INVERSES and not (known and rule.symmetric)
    ]
    self._unary = [
      (number, rule)
      for number, rule in enumerate(self._grammar.productions)
      if rule.nonterminal == self._grammar.start and rule.symbol in _UNARY
    ]
    self._turn = self._turns()

  def __len__(self) -> int:
    return sum(map(len, self._nodes.values()))

  @property
  def lookups(self) -> int:
    """Look-ups for a task that is not found."""
    return 1 + len(self._unary) + sum(map(len, self._turn))

  def _turns(self) -> list[np.ndarray]:
    """For each inversion the number of each look-up: smallest known first."""
    nodes = [self._nodes[rule.args[k]] for _, rule, k in self._inversions]
    which = np.repeat(np.arange(len(nodes)), [len(part) for part in nodes])
    order = np.lexsort((which, np.concatenate([*nodes, []])))
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order))
    turn += 2 + len(self._unary)
    ends = [0, *itertools.accumulate(map(len, nodes))]
    return [turn[low:high] for low, high in itertools.pairwise(ends)]

  def _of(self, nodes: np.ndarray) -> identity.Values:
    return tuple(column[nodes] for column in self._values)

  def find(self, node_I: np.ndarray) -> _Hits:
    """Looks for programs of some nodes of the start.

    Only the outputs of the nodes are used.
    """
    width = max(map(len, self._nodes.values()))
    step = max(1, _BLOCK // max(width, 1))
    parts = [
      part
      for low in range(0, len(node_I), step)
      for part in self._find(low, self._of(node_I[low : low + step]))
    ]
    hits = (np.concatenate(column) for column in zip(*parts, strict=True))
    task_H, lookup_H, rule_H, node_Hx2 = hits
    order = np.lexsort((lookup_H, task_H))
    return _Hits(task_H[order], lookup_H[order], rule_H[order], node_Hx2[order])

  def _find(
    self, low: int, task_T: identity.Values
  ) -> Iterator[tuple[np.ndarray, ...]]:
    """Hits of a block of tasks, in parts like `_Hits`."""
    start = self._grammar.start
    column_Tx1 = tuple(column[:, None] for column in task_T)

    def hits(
      name: str, values: identity.Values, keep: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
      """Tasks, places of known arguments, and nodes found."""
      found_TxN = self._lookup[name].find(*self._policy.pack(values))
      if keep is not None:
        found_TxN = np.where(keep, found_TxN, -1)
      task_H, place_H = np.nonzero(found_TxN >= 0)
      return task_H, place_H, self._nodes[name][found_TxN[task_H, place_H]]

    def single(
      number: int, turn: int, task_H: np.ndarray, node_H: np.ndarray
    ) -> tuple[np.ndarray, ...]:
      return (
        low + task_H,
        np.full(len(task_H), turn),
        np.full(len(task_H), number),
        np.stack([node_H, np.full(len(task_H), -1)], axis=1),
      )

    task_H, _, node_H = hits(start, column_Tx1, None)
    yield single(-1, 1, task_H, node_H)
    for turn, (number, rule) in enumerate(self._unary):
      values, keep = self._policy.value(
        rule.symbol, (column_Tx1,), identity.undecided
      )
      task_H, _, node_H = hits(rule.args[0], values, keep)
      yield single(number, 2 + turn, task_H, node_H)
    for (number, rule, known), turn_N in zip(
      self._inversions, self._turn, strict=True
    ):
      values, keep = self._invert(rule, known, column_Tx1)
      task_H, place_H, other_H = hits(rule.args[1 - known], values, keep)
      pair_H = [self._nodes[rule.args[known]][place_H], other_H]
      yield (
        low + task_H,
        turn_N[place_H],
        np.full(len(task_H), number),
        np.stack(pair_H[::-1] if known else pair_H, axis=1),
      )

  def _invert(
    self,
    rule: grammar_lib.Production,
    known: int,
    task_Tx1: identity.Values,
  ) -> tuple[identity.Values, np.ndarray | None]:
    """What the other argument is for every task and known argument: TxN."""
    name = rule.args[known]
    symbol, order = _INVERSES[rule.symbol, known]
    known_N = self._of(self._nodes[name])
    if (symbol, order) == ('div', 'ta'):
      args = task_Tx1, self._ready[name]
    elif order == 'ta':
      args = task_Tx1, known_N
    else:
      args = known_N, self._policy.ready(symbol, 1, task_Tx1)
    values, keep = self._policy.apply(symbol, args, identity.undecided)
    if rule.symbol == 'div':  # neither the divisor nor its inverse may be zero
      divisor = known_N if known else values
      nonzero = divisor[0] != 0
      keep = nonzero if keep is None else keep & nonzero
    return values, keep

  def programs(self, hits: _Hits, rows: np.ndarray) -> np.ndarray:
    """The programs of some hits: tok_PxL."""
    forest, vocabulary = self._universe.forest, self._universe.vocabulary
    longest = self._universe.max_size
    tok_PxL = np.full((len(rows), 1 + 2 * longest), tokens.PAD, tokens.DTYPE)
    end_P = np.zeros(len(rows), np.int64)
    for row, rule in enumerate(hits.rule_H[rows].tolist()):
      if rule >= 0:
        symbol = self._grammar.productions[rule].symbol
        tok_PxL[row, 0] = vocabulary.index[symbol]
        end_P[row] = 1
    for node_P in hits.node_Hx2[rows].T:
      (there,) = np.nonzero(node_P >= 0)
      middle = np.full((len(there), longest), 0.5)
      arg_PxL = self._universe.programs_at(node_P[there], middle)
      size_P = forest.size_N[node_P[there]]
      for p, size, tok_L in zip(there, size_P, arg_PxL, strict=True):
        tok_PxL[p, end_P[p] : end_P[p] + size] = tok_L[:size]
        end_P[p] += size
    return tok_PxL


def solve(tasks: charges.Tasks) -> charges.Charged:
  """One level, from a bank of all functions of at most `bank_size` nodes.

  Raises:
    Inapplicable: if the grammar has operators that cannot be inverted.
  """
  universe = tasks.inputs.universe
  if not isinstance(universe.policy, field.Field):
    raise charges.Inapplicable(
      f'{universe.grammar.name} has operators that cannot be inverted'
    )
  policy, values = on_grid(tasks)
  bank_size = min(tasks.bank_size, universe.max_size)
  cost = enumeration.measure(universe.grammar, bank_size, policy)
  start = time.monotonic()
  bank = Bank(universe, policy, values, bank_size)
  preparation = float(cost.seconds_S[-1]) + time.monotonic() - start
  attempts = {}
  for name, class_I in tasks.sets.items():
    nothing = np.zeros((len(class_I), 1 + 2 * universe.max_size), tokens.DTYPE)
    tasks.correct(name, nothing)  # compiles
    start = time.monotonic()
    first_I, executed_I = _first(tasks, bank, name)
    seconds = (time.monotonic() - start) / len(class_I)
    limit = min(tasks.budget, bank.lookups)
    stop_I = np.where(first_I > 0, first_I, limit)
    attempts[name] = charges.Attempt(
      charges.solved_at(first_I, tasks.budgets),
      stop_I,
      stop_I * enumeration.numbers(policy) + executed_I * tasks.points,
      seconds,
    )
  facts = {
    'bank_size': bank_size,
    'bank': len(bank),
    'lookups': bank.lookups,
  }
  return charges.Charged(
    float(cost.operations_S[-1]), preparation, attempts, facts
  )


def _first(
  tasks: charges.Tasks, bank: Bank, name: str
) -> tuple[np.ndarray, np.ndarray]:
  """The look-up that solves each task (0: none); nodes executed for it."""
  class_I = tasks.sets[name]
  hits = bank.find(tasks.inputs.universe.node_C[class_I])
  first_I, executed_I = np.zeros((2, len(class_I)), np.int64)
  (todo,) = np.nonzero(hits.lookup_H <= tasks.budget)
  while len(todo):
    task_P, where = np.unique(hits.task_H[todo], return_index=True)
    rows = todo[where]  # the next hit of each task that is not solved
    program_PxL = bank.programs(hits, rows)
    tok_IxL = np.zeros((len(class_I), program_PxL.shape[1]), tokens.DTYPE)
    tok_IxL[task_P] = program_PxL
    executed_I += (tok_IxL != tokens.PAD).sum(axis=1)
    right_P = tasks.correct(name, tok_IxL)[task_P]
    first_I[task_P[right_P]] = hits.lookup_H[rows[right_P]]
    todo = np.delete(todo, where)
    todo = todo[first_I[hits.task_H[todo]] == 0]
  return first_I, executed_I
