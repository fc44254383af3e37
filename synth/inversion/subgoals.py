"""What is left of a task when its outermost operators are given.

If t = a + b, then b = t - a. So for a task t, an operator, a place for its
known argument and a function a of a bank, there is one function b that makes
the whole t: a subgoal. Its *context* is the program around it, with a hole
where a program for b goes. Subgoals of subgoals are those at depth 2, and so
on; a task is its own subgoal at depth 0. A model that writes programs for
outputs can be asked for each of them.

Subgoals need not be functions of the universe. They are known exactly, modulo
primes at four points of the specification grid, and as floats at all points.

Letters: I tasks, Q subgoals, N functions of the bank as known arguments, E
points, L tokens of a context, M of what takes the place of a hole.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses

import numpy as np

from synth.inversion import arguments
from synth.inversion import bank as bank_lib
from synth.language import arithmetic
from synth.language import interpreter
from synth.language import structure
from synth.language import tokens
from synth.universe import identity

_REAL = arithmetic.Real(np, np.float64)


@dataclasses.dataclass(frozen=True)
class Subgoals:
  """Q subgoals, sorted by task, then by the size of their contexts.

  Attributes:
    task_Q: The task of each: its place among the I tasks.
    number_Q: Number of the subgoal among those of its task, from 1.
    values: The outputs it must have, exactly: arrays of length Q, one for each
      point of the bank's policy.
    value_QxE: The same outputs as floats at the E points of the specification
      grid, all of them finite.
    context_QxL: The program around it: tokens in prefix order, PAD beyond the
      end, and one BOS where the hole is.
    hole_Q: The position of the hole.
    size_Q: Nodes of the context, the hole not counted.
  """

  task_Q: np.ndarray
  number_Q: np.ndarray
  values: identity.Values
  value_QxE: np.ndarray
  context_QxL: np.ndarray
  hole_Q: np.ndarray
  size_Q: np.ndarray

  def __len__(self) -> int:
    return len(self.task_Q)

  def take(self, rows: np.ndarray) -> 'Subgoals':
    """The subgoals of these rows, in their order."""
    return Subgoals(
      self.task_Q[rows],
      self.number_Q[rows],
      tuple(column[rows] for column in self.values),
      self.value_QxE[rows],
      self.context_QxL[rows],
      self.hole_Q[rows],
      self.size_Q[rows],
    )

  def answers(
    self, rows: np.ndarray, tok_RxL: np.ndarray, max_size: int
  ) -> np.ndarray:
    """Programs for the tasks, from programs for R of their subgoals.

    Args:
      rows: The subgoals that programs were written for.
      tok_RxL: The program of each in prefix order, PAD beyond its end.
      max_size: Nodes that a whole program may have, T.

    Returns:
      tok_RxT: the context of each subgoal with the program in its hole. A row
      is PAD alone where nothing was written or the whole is too large.
    """
    size_R = (tok_RxL != tokens.PAD).sum(axis=1)
    whole_RxT = structure.replaced(
      self.context_QxL[rows],
      self.hole_Q[rows],
      np.ones_like(size_R),
      tok_RxL,
      size_R,
    )[:, :max_size]
    fits_R = (size_R > 0) & (self.size_Q[rows] + size_R <= max_size)
    return np.where(fits_R[:, None], whole_RxT, tokens.PAD)


@dataclasses.dataclass(frozen=True)
class _Move:
  """One operator and place, with each of N functions as known argument.

  Attributes:
    symbol: The operator.
    known: Place of the known argument, 0 or 1; None for a unary operator, which
      has none (then N = 1).
    values: Exact outputs of the known argument; empty for a unary operator.
    value_NxE: The same as floats, NaN where undefined.
    fill_NxM: What takes the place of a hole: the operator, the known argument
      and a new hole (BOS), in prefix order.
    hole_N: Position of the new hole in it.
    size_N: Nodes added to the context: operator and known argument.
  """

  symbol: str
  known: int | None
  values: identity.Values
  value_NxE: np.ndarray
  fill_NxM: np.ndarray
  hole_N: np.ndarray
  size_N: np.ndarray


class Divider:
  """Makes the subgoals of tasks.

  Args:
    bank: The functions that known arguments may be.
    inputs: Variable -> float64 values at the E points of the specification
      grid.
    max_size: Nodes that a whole program may have. A context has fewer, so that
      at least a leaf fits into its hole.

  Attributes:
    per_goal: How many subgoals one function has at depth 1, at most.
  """

  def __init__(
    self,
    bank: bank_lib.Bank,
    inputs: Mapping[str, np.ndarray],
    max_size: int,
  ):
    self._bank, self._max_size = bank, max_size
    self._moves = list(_moves(bank, inputs))
    self.per_goal = sum(len(move.size_N) for move in self._moves)

  def subgoals(
    self, node_I: np.ndarray, value_IxE: np.ndarray, depth: int
  ) -> Subgoals:
    """All distinct subgoals of I tasks, down to a depth.

    Of equal subgoals of a task only that with the smallest context is kept.

    Args:
      node_I: The tasks' nodes; only their outputs are used.
      value_IxE: The same outputs as floats, all finite.
      depth: How many operators may be given, one in another; 0 gives the tasks
        themselves.
    """
    number = len(node_I)
    level = Subgoals(
      np.arange(number),
      np.ones(number, np.int64),
      self._bank.values(node_I),
      value_IxE,
      np.full((number, 1), tokens.BOS, tokens.DTYPE),
      np.zeros(number, np.int64),
      np.zeros(number, np.int64),
    )
    found = level
    for _ in range(depth):
      level = _distinct(self._bank, self._below(level))
      if not len(level.task_Q):  # all nodes are given: nothing lies deeper
        break
      found = _distinct(self._bank, _joined([found, level]))
    return found

  def _below(self, level: Subgoals) -> Subgoals:
    """All subgoals at depth 1 of each subgoal of a level."""
    return _joined(
      [
        level.take(np.zeros(0, int)),
        *[self._moved(level, move) for move in self._moves],
      ]
    )

  def _moved(self, level: Subgoals, move: _Move) -> Subgoals:
    """Those that one operator and place give, where they exist and fit."""
    policy = self._bank.policy
    wanted = tuple(column[:, None] for column in level.values)
    real = level.value_QxE[:, None], np.True_
    if move.known is None:
      values, keep = arguments.only_argument(policy, move.symbol, wanted)
      value_QxNxE, ok = arguments.only_real(_REAL, move.symbol, real)
    else:
      values, keep = arguments.other_argument(
        policy, move.symbol, move.known, wanted, move.values
      )
      value_QxNxE, ok = arguments.other_real(
        _REAL, move.symbol, move.known, real, (move.value_NxE, np.True_)
      )
    size_QxN = level.size_Q[:, None] + move.size_N
    kept_QxN = size_QxN < self._max_size
    kept_QxN &= (np.isfinite(value_QxNxE) & ok).all(axis=2)
    if keep is not None:
      kept_QxN &= keep
    row, place = np.nonzero(kept_QxN)
    hole_R = level.hole_Q[row]
    return Subgoals(
      level.task_Q[row],
      level.number_Q[row],
      tuple(np.broadcast_to(c, kept_QxN.shape)[row, place] for c in values),
      value_QxNxE[row, place],
      structure.replaced(
        level.context_QxL[row],
        hole_R,
        np.ones_like(hole_R),
        move.fill_NxM[place],
        move.size_N[place] + 1,
      ),
      hole_R + move.hole_N[place],
      size_QxN[row, place],
    )


def _moves(
  bank: bank_lib.Bank, inputs: Mapping[str, np.ndarray]
) -> Iterator[_Move]:
  """Every operator and place whose hole takes programs of the start symbol.

  So a subgoal is of the kind that tasks are.
  """
  grammar, vocabulary = bank.universe.grammar, bank.universe.vocabulary
  points = len(next(iter(inputs.values())))
  for rule in grammar.productions:
    if rule.nonterminal != grammar.start or not arguments.invertible(
      rule.symbol, len(rule.args)
    ):
      continue
    symbol = vocabulary.index[rule.symbol]
    if len(rule.args) == 1:
      if rule.args[0] == grammar.start:
        yield _Move(
          rule.symbol, None, (), np.zeros((1, points)),
          np.array([[symbol, tokens.BOS]], tokens.DTYPE),
          np.ones(1, np.int64), np.ones(1, np.int64),
        )  # fmt: skip
      continue
    for known in range(2):
      if rule.args[1 - known] != grammar.start or (known and rule.symmetric):
        continue
      node_N = bank.nodes[rule.args[known]]
      tok_NxL, size_N = bank.programs(node_N)
      size_N = size_N.astype(np.int64)
      found = interpreter.run(tok_NxL, inputs, vocabulary, interpreter.DOUBLE)
      open_Nx2 = np.tile(np.array([symbol, tokens.BOS], tokens.DTYPE),
                         (len(node_N), 1))  # fmt: skip
      hole_N = np.ones_like(size_N)
      if known:  # the operator, the hole, the known argument
        fill_NxM = np.concatenate([open_Nx2, tok_NxL], axis=1)
      else:
        fill_NxM = structure.replaced(
          open_Nx2, hole_N, np.zeros_like(hole_N), tok_NxL, size_N
        )
        hole_N = hole_N + size_N
      value_NxE = np.where(found.ok, found.value, np.nan)
      yield _Move(
        rule.symbol, known, bank.values(node_N), value_NxE, fill_NxM, hole_N,
        1 + size_N,
      )  # fmt: skip


def _joined(parts: list[Subgoals]) -> Subgoals:
  """All subgoals of the parts, contexts padded to one length."""
  longest = max(part.context_QxL.shape[1] for part in parts)
  values = zip(*(part.values for part in parts), strict=True)
  contexts = [
    np.pad(part.context_QxL, ((0, 0), (0, longest - part.context_QxL.shape[1])))
    for part in parts
  ]
  return Subgoals(
    np.concatenate([part.task_Q for part in parts]),
    np.concatenate([part.number_Q for part in parts]),
    tuple(np.concatenate(column) for column in values),
    np.concatenate([part.value_QxE for part in parts]),
    np.concatenate(contexts),
    np.concatenate([part.hole_Q for part in parts]),
    np.concatenate([part.size_Q for part in parts]),
  )


def _distinct(bank: bank_lib.Bank, goals: Subgoals) -> Subgoals:
  """Of equal subgoals of a task the one with the smallest context; sorted.

  Of equally small contexts it is the first. Numbers are given anew.
  """
  key_Q, rest_Q = bank.policy.pack(goals.values)
  order = np.arange(len(goals))
  by_value = np.lexsort((order, goals.size_Q, rest_Q, key_Q, goals.task_Q))
  same = np.ones(len(by_value), bool)
  same[:1] = False
  for column in (goals.task_Q, key_Q, rest_Q):
    same[1:] &= column[by_value[1:]] == column[by_value[:-1]]
  kept = by_value[~same]
  kept = kept[np.lexsort((kept, goals.size_Q[kept], goals.task_Q[kept]))]
  found = goals.take(kept)
  start_Q = np.searchsorted(found.task_Q, found.task_Q)
  return dataclasses.replace(found, number_Q=1 + np.arange(len(kept)) - start_Q)
