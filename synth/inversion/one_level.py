"""One operator between two functions of a bank: meet in the middle.

For a task t, an operator and a function a of the bank, the other argument
follows: if t = a + b, it is t - a. It is looked up in the bank.

Letters: I tasks, T tasks of a block, N functions of the bank as known
arguments, H hits.
"""

from collections.abc import Iterator
import dataclasses
import itertools

import numpy as np

from synth.inversion import arguments
from synth.inversion import bank as bank_lib
from synth.language import tokens
from synth.universe import identity

_BLOCK = 1 << 18  # look-ups at once


@dataclasses.dataclass(frozen=True)
class Hits:
  """H programs found, sorted by task and look-up.

  Attributes:
    task_H: The task, 0..I-1.
    lookup_H: How many look-ups of the task it took, from 1.
    rule_H: Number of the production at the root; -1 if the task itself is in
      the bank.
    node_Hx2: Nodes of its arguments, -1 beyond the arity; if the task is in the
      bank, its node there and -1.
  """

  task_H: np.ndarray
  lookup_H: np.ndarray
  rule_H: np.ndarray
  node_Hx2: np.ndarray


class OneLevel:
  """A search of programs with one operator between two functions of a bank.

  Unary operators on one of them, and the functions themselves, are tried, too.

  Args:
    bank: The functions.
  """

  def __init__(self, bank: bank_lib.Bank):
    self._bank, self._policy = bank, bank.policy
    self._grammar = bank.universe.grammar
    self._reciprocal = {
      name: bank.policy.ready('div', 1, bank.values(nodes))
      for name, nodes in bank.nodes.items()
    }
    rules = [
      (number, rule)
      for number, rule in enumerate(self._grammar.productions)
      if rule.nonterminal == self._grammar.start
      and arguments.invertible(rule.symbol, len(rule.args))
    ]
    self._inversions = [
      (number, rule, known)
      for number, rule in rules
      if len(rule.args) == 2
      for known in range(2)
      if not (known and rule.symmetric)
    ]
    self._unary = [one for one in rules if len(one[1].args) == 1]
    self._turn = self._turns()

  @property
  def lookups(self) -> int:
    """How many look-ups are made for a task that is not found."""
    return 1 + len(self._unary) + sum(map(len, self._turn))

  def _turns(self) -> list[np.ndarray]:
    """The number of each look-up: for each inversion turn_N.

    Look-up 1 is that of the task itself; those of unary operators follow, then
    all others by the size of the known argument, smallest first.
    """
    nodes = [self._bank.nodes[rule.args[k]] for _, rule, k in self._inversions]
    which = np.repeat(np.arange(len(nodes)), [len(part) for part in nodes])
    order = np.lexsort((which, np.concatenate([*nodes, []])))
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order))
    turn += 2 + len(self._unary)
    ends = [0, *itertools.accumulate(map(len, nodes))]
    return [turn[low:high] for low, high in itertools.pairwise(ends)]

  def find(self, node_I: np.ndarray) -> Hits:
    """Looks for programs of tasks.

    Args:
      node_I: Nodes of the start symbol; only their outputs are used.
    """
    width = max(map(len, self._bank.nodes.values()))
    step = max(1, _BLOCK // max(width, 1))
    parts = [
      part
      for low in range(0, len(node_I), step)
      for part in self._find(low, self._bank.values(node_I[low : low + step]))
    ]
    hits = (np.concatenate(column) for column in zip(*parts, strict=True))
    task_H, lookup_H, rule_H, node_Hx2 = hits
    order = np.lexsort((lookup_H, task_H))
    return Hits(task_H[order], lookup_H[order], rule_H[order], node_Hx2[order])

  def _find(
    self, low: int, task_T: identity.Values
  ) -> Iterator[tuple[np.ndarray, ...]]:
    """Hits of the tasks from `low` on, in parts: the four arrays of `Hits`."""
    start = self._grammar.start
    column_Tx1 = tuple(column[:, None] for column in task_T)

    def hits(
      name: str, values: identity.Values, keep: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
      """Task, place of the known argument and node found, of each hit."""
      found_TxN = self._bank.find(name, values, keep)
      task_H, place_H = np.nonzero(found_TxN >= 0)
      return task_H, place_H, found_TxN[task_H, place_H]

    def single(
      number: int, turn: int, task_H: np.ndarray, node_H: np.ndarray
    ) -> tuple[np.ndarray, ...]:
      """A part of hits with one node each: arrays as in `Hits`."""
      return (
        low + task_H,
        np.full(len(task_H), turn),
        np.full(len(task_H), number),
        np.stack([node_H, np.full(len(task_H), -1)], axis=1),
      )

    task_H, _, node_H = hits(start, column_Tx1, None)
    yield single(-1, 1, task_H, node_H)
    for turn, (number, rule) in enumerate(self._unary):
      values, keep = arguments.only_argument(
        self._policy, rule.symbol, column_Tx1
      )
      task_H, _, node_H = hits(rule.args[0], values, keep)
      yield single(number, 2 + turn, task_H, node_H)
    for (number, rule, known), turn_N in zip(
      self._inversions, self._turn, strict=True
    ):
      name = rule.args[known]
      values, keep = arguments.other_argument(
        self._policy,
        rule.symbol,
        known,
        column_Tx1,
        self._bank.values(self._bank.nodes[name]),
        self._reciprocal[name],
      )
      task_H, place_H, other_H = hits(rule.args[1 - known], values, keep)
      pair_H = [self._bank.nodes[name][place_H], other_H]
      yield (
        low + task_H,
        turn_N[place_H],
        np.full(len(task_H), number),
        np.stack(pair_H[::-1] if known else pair_H, axis=1),
      )

  def programs(self, hits: Hits, rows: np.ndarray) -> np.ndarray:
    """The programs of some hits, a minimal one of each argument: tok_PxL.

    L is 1 + 2 * the universe's largest size, which is more than is needed.
    """
    vocabulary = self._bank.universe.vocabulary
    longest = self._bank.universe.max_size
    tok_PxL = np.full((len(rows), 1 + 2 * longest), tokens.PAD, tokens.DTYPE)
    end_P = np.zeros(len(rows), np.int64)
    for row, rule in enumerate(hits.rule_H[rows].tolist()):
      if rule >= 0:
        symbol = self._grammar.productions[rule].symbol
        tok_PxL[row, 0] = vocabulary.index[symbol]
        end_P[row] = 1
    for node_P in hits.node_Hx2[rows].T:
      (there,) = np.nonzero(node_P >= 0)
      arg_PxL, size_P = self._bank.programs(node_P[there])
      for p, size, tok_L in zip(there, size_P, arg_PxL, strict=True):
        tok_PxL[p, end_P[p] : end_P[p] + size] = tok_L[:size]
        end_P[p] += size
    return tok_PxL
