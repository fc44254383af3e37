"""Retrieval: the program of the training class nearest in the semantic space.

Training classes are disjoint from test classes, so its answer can be right on
the specification grid at most.
"""

import time

import numpy as np
import scipy.spatial

from synth import inputs as inputs_lib
from synth import seeding
from synth.baselines import charges
from synth.language import tokens


class Retriever:
  """Answers with programs of a training arm, one of each of its classes.

  Args:
    inputs: Universe, spaces and split.
    arm: The training arm.
  """

  def __init__(self, inputs: inputs_lib.Inputs, arm: str):
    train_N = inputs.split.arms[arm]
    shape = (len(train_N), inputs.universe.max_size)
    uniform_NxL = seeding.generator(0, 'baseline').random(shape)
    self._tok_NxL = inputs.programs_at(train_N, uniform_NxL)
    self._semantic_CxD = inputs.spaces.semantic_CxD
    self._tree = scipy.spatial.cKDTree(self._semantic_CxD[train_N])

  def answers(self, class_I: np.ndarray) -> np.ndarray:
    """The program of the class nearest to each task: tok_IxL."""
    _, nearest_I = self._tree.query(self._semantic_CxD[class_I])
    return self._tok_NxL[nearest_I]

  def nearest(self, class_I: np.ndarray, number: int) -> np.ndarray:
    """Programs of the classes nearest to each task, nearest first: tok_IxnxL.

    Args:
      class_I: The tasks.
      number: How many for each, n; fewer if the arm has fewer.
    """
    ranks = range(1, min(number, len(self._tok_NxL)) + 1)
    _, nearest_Ixn = self._tree.query(self._semantic_CxD[class_I], ranks)
    return self._tok_NxL[nearest_Ixn]


def solve(tasks: charges.Tasks) -> charges.Charged:
  """One candidate a task."""
  start = time.monotonic()
  retriever = Retriever(tasks.inputs, tasks.arm)
  preparation = time.monotonic() - start
  attempts = {}
  for name, class_I in tasks.sets.items():
    tasks.correct(name, retriever.answers(class_I))  # draws, compiles
    start = time.monotonic()
    tok_IxL = retriever.answers(class_I)
    correct_I = tasks.correct(name, tok_IxL)
    seconds = (time.monotonic() - start) / len(class_I)
    attempts[name] = charges.Attempt(
      charges.solved_at(correct_I.astype(int), tasks.budgets),
      np.ones(len(class_I)),
      (tok_IxL != tokens.PAD).sum(axis=1) * tasks.points,
      seconds,
    )
  return charges.Charged(0, preparation, attempts)
