"""The first right one of the programs that a search found for each task."""

from collections.abc import Callable

import numpy as np

from synth.language import tokens


def first_right(
  task_H: np.ndarray,
  tasks: int,
  programs: Callable[[np.ndarray], np.ndarray],
  correct: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
  """Judges the hits of each task in turn until one is right.

  Args:
    task_H: The task of each of H hits, 0..I-1. Hits of one task are tried in
      this order.
    tasks: Number of tasks I.
    programs: Rows of hits, row_P -> their programs, tok_PxL.
    correct: tok_IxL, one answer to each task (PAD alone: none) -> right_I.

  Returns:
    row_I, the first right hit of each task, -1 if it has none; and executed_I,
    nodes of all programs that were judged for it.
  """
  row_I, executed_I = np.full(tasks, -1), np.zeros(tasks, np.int64)
  todo = np.arange(len(task_H))
  while len(todo):
    task_P, where = np.unique(task_H[todo], return_index=True)
    rows = todo[where]  # the next hit of each task that is not solved
    program_PxL = programs(rows)
    tok_IxL = np.zeros((tasks, program_PxL.shape[1]), tokens.DTYPE)
    tok_IxL[task_P] = program_PxL
    executed_I += (tok_IxL != tokens.PAD).sum(axis=1)
    right_P = correct(tok_IxL)[task_P]
    row_I[task_P[right_P]] = rows[right_P]
    todo = np.delete(todo, where)
    todo = todo[row_I[task_H[todo]] < 0]
  return row_I, executed_I
