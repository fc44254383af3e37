"""Bottom-up enumeration: all functions, smallest first, until one is right.

The order is the universe's, (size, identity), so the class of a task is
candidate number 1 + its own. Programs that repeat an earlier function are
formed, and charged as operations, but they are no candidates (observational
equivalence). A size is formed whole before its functions are in order, so a
task is charged all programs formed up to its size.
"""

import dataclasses
import math
import pathlib
import tempfile
import time

import numpy as np

from synth.baselines import charges
from synth.language import grammar as grammar_lib
from synth.universe import enumerate as enumerate_lib
from synth.universe import executors
from synth.universe import identity


@dataclasses.dataclass(frozen=True)
class Cost:
  """What an enumeration took up to each size.

  Attributes:
    operations_S: Programs formed x numbers kept of each, by size from 0.
    seconds_S: Measured, on one core.
  """

  operations_S: np.ndarray
  seconds_S: np.ndarray


def measure(
  grammar: grammar_lib.Grammar, max_size: int, policy: identity.Policy
) -> Cost:
  """Enumerates in this process, in a directory that is thrown away: the cost.

  Args:
    grammar: What is enumerated.
    max_size: Nodes of the largest programs.
    policy: How classes are told apart.

  Raises:
    UnluckyPoints: if the policy cannot tell the classes apart.
  """
  seconds_S = np.zeros(max_size + 1)
  start = time.monotonic()

  def report(size: int, note: str) -> None:
    del note
    seconds_S[size] = time.monotonic() - start

  with (
    tempfile.TemporaryDirectory() as directory,
    executors.open_executor(executors.SERIAL) as executor,
  ):
    found = enumerate_lib.enumerate_classes(
      grammar,
      max_size,
      policy,
      pathlib.Path(directory) / 'columns',
      executor,
      report=report,
    )
  formed_S = np.zeros(max_size + 1)
  for (size, _), level in found.levels.items():
    formed_S[size] += level.candidates
  return Cost(np.cumsum(formed_S) * numbers(policy), seconds_S)


def numbers(policy: identity.Policy) -> int:
  """Numbers that a policy computes of each program: one a point or two."""
  return sum(math.prod(column.shape) for column in policy.columns)


def solve(tasks: charges.Tasks) -> charges.Charged:
  """Every task up to the budget, or to the end of the universe."""
  universe = tasks.inputs.universe
  size_C = universe.size_C
  stop = {
    name: np.minimum(class_I + 1, min(tasks.budget, len(size_C)))
    for name, class_I in tasks.sets.items()
  }
  largest = max(int(size_C[stop_I - 1].max()) for stop_I in stop.values())
  cost = measure(universe.grammar, largest, universe.policy)
  attempts = {}
  for name, class_I in tasks.sets.items():
    right_I = tasks.correct(name, universe.representative_CxL[class_I])
    size_I = size_C[stop[name] - 1]
    attempts[name] = charges.Attempt(
      charges.solved_at(np.where(right_I, class_I + 1, 0), tasks.budgets),
      stop[name],
      cost.operations_S[size_I],
      float(cost.seconds_S[size_I].mean()),
    )
  return charges.Charged(0, 0.0, attempts, {'functions': len(size_C)})
