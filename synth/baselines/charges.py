"""What baselines are asked, what they solve and what they are charged.

*Candidates* are what is compared with a task until it is solved: programs that
are executed, or look-ups in a bank. *Operations* are evaluations of one node at
one point. What does not depend on the task (fitting, building a bank) is
*preparation*, counted once and apart. Seconds are those of one process on this
machine's processor.
"""

from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

import numpy as np

from synth import inputs as inputs_lib
from synth import packing
from synth import seeding
from synth.evaluation import verify
from synth.spaces import grids

_STEP = 16  # from one budget to the next


class Inapplicable(Exception):
  """A baseline that a grammar does not admit; says why."""


@dataclasses.dataclass(frozen=True)
class Tasks:
  """What baselines are asked and what they may use.

  Attributes:
    inputs: Universe, spaces and split.
    arm: The training arm that they may learn from.
    grid: The specification grid: what is told of a task.
    verifier: Judges answers.
    budget: Candidates a task, at most.
    bank_size: Nodes of the largest programs in a bank.
  """

  inputs: inputs_lib.Inputs
  arm: str
  grid: grids.Grid
  verifier: verify.Verifier
  budget: int
  bank_size: int

  @property
  def sets(self) -> dict[str, np.ndarray]:
    """Test set -> class_I: those of the models, by the same names."""
    return self.inputs.split.evaluation_sets()

  @property
  def points(self) -> int:
    """Points at which a candidate is executed."""
    return len(next(iter(self.grid.values()), [None]))

  @property
  def budgets(self) -> list[int]:
    """Numbers of candidates at which the share of solved tasks is told."""
    found = [1]
    while found[-1] * _STEP < self.budget:
      found.append(found[-1] * _STEP)
    return [*found, self.budget] if found[-1] < self.budget else found

  @functools.cached_property
  def targets(self) -> dict[str, np.ndarray]:
    """Test set -> a random program of each task: tok_IxL."""
    found = {}
    for name, class_I in self.sets.items():
      shape = (len(class_I), self.inputs.universe.max_size)
      uniform_IxL = seeding.generator(0, 'baseline target', name).random(shape)
      found[name] = self.inputs.programs_at(class_I, uniform_IxL)
    return found

  def correct(self, name: str, tok_IxL: np.ndarray) -> np.ndarray:
    """Whether one answer to each task of a set is right: bool_I.

    The first call draws the targets: it is not for the clock.
    """
    outcome_Ix1 = self.verifier.outcomes(tok_IxL[:, None], self.targets[name])
    return outcome_Ix1[:, 0] == verify.Outcome.CORRECT


@dataclasses.dataclass(frozen=True)
class Attempt:
  """What became of the I tasks of a test set.

  Attributes:
    solved_KxI: For each of K budgets the probability that one of so many
      candidates is right; 0 or 1 if nothing is random.
    candidates_I: Compared until solved or given up, on average.
    operations_I: Evaluations of a node at a point, of all candidates.
    seconds: A task; None if not measured.
  """

  solved_KxI: np.ndarray
  candidates_I: np.ndarray
  operations_I: np.ndarray
  seconds: float | None


@dataclasses.dataclass(frozen=True)
class Charged:
  """A baseline's result.

  Attributes:
    operations: Of preparation.
    seconds: Of preparation.
    attempts: Test set -> what became of its tasks.
    facts: What else is worth knowing.
  """

  operations: float
  seconds: float
  attempts: Mapping[str, Attempt]
  facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def to_json(self, tasks: Tasks) -> dict[str, Any]:
    """Means over tasks, for baselines.json; of each task what is solved.

    `solved_by_task` is solved_KxI, packed (`synth.records`), its tasks those of
    `Tasks.sets`.
    """
    return {
      'preparation': {'operations': self.operations, 'seconds': self.seconds},
      'facts': dict(self.facts),
      'tests': {
        name: {
          'solved': {
            str(k): float(solved_I.mean())
            for k, solved_I in zip(
              tasks.budgets, attempt.solved_KxI, strict=True
            )
          },
          'solved_by_size': _by_size(
            tasks.inputs.universe.size_C[tasks.sets[name]],
            attempt.solved_KxI[-1],
          ),
          'solved_by_task': packing.pack(attempt.solved_KxI, '<f4'),
          'candidates': float(attempt.candidates_I.mean()),
          'operations': float(attempt.operations_I.mean()),
          'seconds': attempt.seconds,
        }
        for name, attempt in self.attempts.items()
      },
    }


def _by_size(size_I: np.ndarray, solved_I: np.ndarray) -> dict[str, list]:
  """Minimal size -> [number of tasks, share solved within the budget]."""
  return {
    str(size): [
      int((size_I == size).sum()),
      float(solved_I[size_I == size].mean()),
    ]
    for size in np.unique(size_I).tolist()
  }


def solved_at(first_I: np.ndarray, budgets: list[int]) -> np.ndarray:
  """solved_KxI, given which candidate of each task is right (0: none is)."""
  return np.array([(first_I > 0) & (first_I <= k) for k in budgets], float)
