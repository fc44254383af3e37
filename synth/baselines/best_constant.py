"""A bound: the same answers to every task, whatever it is.

Each training class shows one program at a time, so no program is more frequent
than all others. But test classes are distinct functions, so one constant
answer, the most frequent program or any other, solves at most one task of a
set, and k of them at most k. The answers here are those that reach the bound:
programs of the tasks themselves, in turn.
"""

import numpy as np

from synth.baselines import charges


def share(class_I: np.ndarray) -> float:
  """Largest share of the tasks that one constant answer solves."""
  _, count = np.unique(class_I, return_counts=True)
  return float(count.max() / len(class_I))


def solve(tasks: charges.Tasks) -> charges.Charged:
  """The first of the answers is to the first task, and so on."""
  attempts = {}
  for name, class_I in tasks.sets.items():
    first_I = 1 + np.arange(len(class_I))
    size_I = tasks.inputs.universe.size_C[class_I].astype(np.int64)
    stop_I = np.minimum(first_I, tasks.budget)
    attempts[name] = charges.Attempt(
      charges.solved_at(first_I, tasks.budgets),
      stop_I,
      np.cumsum(size_I)[stop_I - 1] * tasks.points,
      None,
    )
  return charges.Charged(0, 0.0, attempts)
