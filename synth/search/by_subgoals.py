"""Tasks solved by way of their subgoals: by models, and by looking them up.

A model is asked for a program of each subgoal, as it is for a task, and what it
writes goes into the hole. Beside that each subgoal is looked up among the
functions of training: what a model could have retrieved.
"""

from collections.abc import Iterator
import time
from typing import Any

import numpy as np

from synth import inputs as inputs_lib
from synth import packing
from synth import progress
from synth.evaluation import verify
from synth.inversion import bank as bank_lib
from synth.inversion import subgoals
from synth.language import structure
from synth.search import results
from synth.search import writer as writer_lib
from synth.spaces import grids
from synth.universe import lookup

_TASKS = 256  # whose subgoals are made at once, at most
_VALUES = 1 << 26  # of all subgoals made at once, about
_ROWS = 4096  # answers judged at once


class BySubgoals:
  """What all searches by subgoals of a run share.

  Args:
    inputs: Universe, spaces and split of the run.
    arm: The arm that it was trained on.
    verifier: Judges answers.
    writer: The run's models.
  """

  def __init__(
    self,
    inputs: inputs_lib.Inputs,
    arm: str,
    verifier: verify.Verifier,
    writer: writer_lib.Writer,
  ):
    self._inputs, self._verifier, self._writer = inputs, verifier, writer
    self._known_N = inputs.split.arms[arm]
    self._points = grids.floats(inputs.context.grid, np.float64)
    self._longest = inputs.universe.max_size
    self._has = inputs.holdout.has if inputs.holdout is not None else None

  def solve(
    self,
    name: str,
    bank: bank_lib.Bank,
    depth: int,
    class_I: np.ndarray,
    target_IxL: np.ndarray,
  ) -> dict[str, Any]:
    """What subgoals of a set of tasks solve.

    Args:
      name: Of the set, for progress.
      bank: The functions that known arguments may be.
      depth: How many operators may be given, one in another.
      class_I: The tasks.
      target_IxL: A program of each, to judge answers by.

    Returns:
      For search.json: `subgoals`, their mean number a task; `seconds`; and for
      `model` and `training` `solved`, the share of tasks (S models together),
      `solved_with_structure`, that by programs with the held-out edges (if
      there are any), and `number_SxI`, packed: the number of the subgoal that
      solved the task, 0 if none did (S = 1 for `training`).
    """
    start = time.monotonic()
    universe = self._inputs.universe
    divider = subgoals.Divider(bank, self._points, self._longest)
    known = lookup.Lookup(
      *bank.policy.pack(bank.values(universe.node_C[self._known_N]))
    )
    models, items = self._writer.models, len(class_I)
    number = {
      results.MODEL: np.zeros((models, items), np.int64),
      results.TRAINING: np.zeros((1, items), np.int64),
    }
    with_structure = {who: np.zeros(n.shape, bool) for who, n in number.items()}
    count = 0
    points = len(next(iter(self._points.values())))
    each = points * max(divider.per_goal, 1) ** depth
    tasks = max(min(_VALUES // each, _TASKS), 1)
    bar = progress.Progress(f'search {name}: subgoals', items, 'tasks')
    for low in range(0, items, tasks):
      part_I = class_I[low : low + tasks]
      goals = divider.subgoals(
        universe.node_C[part_I], self._inputs.spaces.value_CxE[part_I], depth
      )
      count += len(goals)
      for who, model, rows, tok_RxL in self._written(bank, known, goals):
        answer_RxL = goals.answers(rows, tok_RxL, self._longest)
        task_R = low + goals.task_Q[rows]
        right_R = self._right(answer_RxL, target_IxL[task_R])
        # The first right answer of each task: subgoals are sorted by task.
        task_U, first_U = np.unique(task_R[right_R], return_index=True)
        row_U = np.flatnonzero(right_R)[first_U]
        number[who][model, task_U] = goals.number_Q[rows[row_U]]
        if self._has is not None and len(row_U):
          with_structure[who][model, task_U] = self._has(answer_RxL[row_U])
      bar.update(min(low + tasks, items))
    told: dict[str, Any] = {'subgoals': count / items}
    for who, number_SxI in number.items():
      told[who] = {'solved': float((number_SxI > 0).mean())}
      if self._has is not None:
        told[who]['solved_with_structure'] = float(with_structure[who].mean())
      told[who]['number_SxI'] = packing.pack(number_SxI, '<u4')
    return {**told, 'seconds': round(time.monotonic() - start, 2)}

  def _written(
    self, bank: bank_lib.Bank, known: lookup.Lookup, goals: subgoals.Subgoals
  ) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """What is written for subgoals.

    Yields:
      `model` or `training`, which of the models, R rows of subgoals, and a
      program for each of these, tok_RxL.
    """
    tok_SxQxT = self._writer(goals.value_QxE)
    vocabulary = self._inputs.universe.vocabulary
    for model, tok_QxT in enumerate(tok_SxQxT):
      # Tokens that are no program might make one with what follows the hole:
      # in prefix order, `div ? 2` with `x add x` in it is x / (x + 2).
      (rows,) = np.nonzero(structure.well_formed(tok_QxT, vocabulary))
      yield results.MODEL, model, rows, tok_QxT[rows]
    found_Q = known.find(*bank.policy.pack(goals.values))
    (rows,) = np.nonzero(found_Q >= 0)
    tok_CxL = self._inputs.universe.representative_CxL
    yield results.TRAINING, 0, rows, tok_CxL[self._known_N[found_Q[rows]]]

  def _right(
    self, answer_RxL: np.ndarray, target_RxL: np.ndarray
  ) -> np.ndarray:
    """Whether each answer computes what its target does: right_R."""
    number = len(answer_RxL)
    right_R = np.zeros(number, bool)
    for low in range(0, number, _ROWS):
      at_B = (low + np.arange(_ROWS)) % number  # one shape for all
      outcome_Bx1 = self._verifier.outcomes(
        answer_RxL[at_B, None], target_RxL[at_B]
      )
      right_B = outcome_Bx1[:, 0] == verify.Outcome.CORRECT
      right_R[low : low + _ROWS] = right_B[: number - low]
    return right_R
