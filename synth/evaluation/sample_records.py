"""What is known of every distinct sample, and what it says of each task.

One record a distinct program of one model for one task, in flat arrays of R
records, stored in records.npz:

    seed, item    place of the model and of the task
    first, count  its first place among the task's samples, and how many it has
    size          nodes, or tokens if it is no program
    logprob       of the whole program under its model at temperature 1, among
                  what it could write: the grammar's programs if it was
                  constrained, else all rows of tokens
    parses        it is a program
    defined       somewhere: it does not divide by the zero function
    fits          the specification; so does every exact program
    exact         the same function as the target
    minimal       no program of its function is smaller
    shown         a program that training on the arm shows (`inputs.Inputs`)
    structure     it has the held-out structure, if the split holds one out

and of `synth.evaluation.retrieval`

    subtrees         subtrees of at least 3 nodes, itself included
    copied_subtrees  those that training on the arm shows
    nearest          pq-gram distance to the nearest training program, of some

What is no program in postfix or infix order cannot be told in prefix order: all
such samples of a task are one record, of size 0.

An AST novel against training is one that `parses` and is not `shown`.
"""

from collections.abc import Callable
from collections.abc import Mapping
import enum
from typing import Any

import numpy as np

from synth import inputs as inputs_lib
from synth.evaluation import verify
from synth.language import tokens

Records = Mapping[str, np.ndarray]


class Best(enum.IntEnum):
  """What became of a task: the best that any of its samples is.

  Held-out structures can be avoided: most functions have larger programs
  without them. Only the first is generalization to a new structure. Without a
  held-out structure nothing is the first.
  """

  WITH_STRUCTURE = 0  # solved by a program with the held-out structure
  WITHOUT_STRUCTURE = 1  # solved, but only by paraphrases without it
  FITS_ONLY = 2  # equal on the specification grid, another function
  UNSOLVED = 3


class Error(enum.IntEnum):
  """Why a sample is wrong: exactly one of these."""

  UNPARSED = 0  # not a program
  UNDEFINED = 1  # divides by the zero function
  WRONG_FUNCTION = 2  # differs from the target on the specification grid
  FITS_ONLY = 3  # another function that is equal on the grid


def of(
  tok_SxIxnxT: np.ndarray,
  logprob_SxIxn: np.ndarray,
  outcome_SxIxn: np.ndarray,
  inputs: inputs_lib.Inputs,
  arm: str,
) -> dict[str, np.ndarray]:
  """The records of the samples of one test set, by (seed, item, first).

  Args:
    tok_SxIxnxT: Samples in prefix order, EOS or PAD after the program.
    logprob_SxIxn: -inf: there is no such sample, and no record of it.
    outcome_SxIxn: `verify.Outcome`.
    inputs: Universe and split.
    arm: That the models were trained on.
  """
  _, items, samples, length = tok_SxIxnxT.shape
  (there,) = np.nonzero(np.isfinite(logprob_SxIxn.ravel()))
  tok_PxT = tok_SxIxnxT.reshape(-1, length)[there].astype(tokens.DTYPE)
  tok_UxT, program_P = tokens.distinct(tokens.without_eos(tok_PxT))
  task_P = there // samples
  _, place_R, count_R = np.unique(
    task_P * len(tok_UxT) + program_P, return_index=True, return_counts=True
  )
  order_R = np.argsort(place_R)
  place_R, count_R = place_R[order_R], count_R[order_R]
  program_R, sample_R = program_P[place_R], there[place_R]
  outcome_R = outcome_SxIxn.ravel()[sample_R]
  # What a program is, apart from the task, is found out once.
  parses_R = outcome_R != verify.Outcome.UNPARSED
  parses_U = np.zeros(len(tok_UxT), bool)
  parses_U[program_R[parses_R]] = True
  minimal_U, shown_U, structure_U = np.zeros((3, len(tok_UxT)), bool)
  class_P = inputs.universe.minimal_classes(tok_UxT[parses_U])
  minimal_U[parses_U] = class_P >= 0
  shown_U[parses_U] = inputs.shown(arm, tok_UxT[parses_U])
  if inputs.holdout is not None:
    structure_U[parses_U] = inputs.holdout.has(tok_UxT[parses_U])
  return {
    'seed': (sample_R // samples // items).astype(np.int16),
    'item': (sample_R // samples % items).astype(np.int32),
    'first': (sample_R % samples).astype(np.int32),
    'count': count_R.astype(np.int32),
    'size': (tok_UxT != tokens.PAD).sum(axis=1).astype(np.int16)[program_R],
    'logprob': logprob_SxIxn.ravel()[sample_R].astype(np.float32),
    'parses': parses_R,
    'defined': parses_R & (outcome_R != verify.Outcome.UNDEFINED),
    'fits': outcome_R <= verify.Outcome.GRID_ONLY,
    'exact': outcome_R == verify.Outcome.CORRECT,
    'minimal': minimal_U[program_R],
    'shown': shown_U[program_R],
    'structure': structure_U[program_R],
  }


def best_of_tasks(records: Records, seeds: int, items: int) -> np.ndarray:
  """The `Best` of every task and model: int8_SxI.

  Args:
    records: Of one test set.
    seeds: Number of models S.
    items: Number of tasks I.
  """
  best_R = np.select(
    [records['exact'] & records['structure'], records['exact'],
     records['fits']],
    [Best.WITH_STRUCTURE, Best.WITHOUT_STRUCTURE, Best.FITS_ONLY],
    Best.UNSOLVED,
  )  # fmt: skip
  best_SxI = np.full((seeds, items), Best.UNSOLVED, np.int8)
  np.minimum.at(best_SxI, (records['seed'], records['item']), best_R)
  return best_SxI


def best_by_forced(
  records: Mapping[str, Records], seeds: int, forced: Mapping[str, np.ndarray]
) -> dict[str, Any]:
  """What became of tasks that cannot be dodged and of those that can.

  Args:
    records: Test set -> its records.
    seeds: Number of models S.
    forced: Test set -> forced_I: whether every program that is short enough to
      be written has the held-out structure.

  Returns:
    Test set -> 'forced' or 'avoidable' (where there are some) -> number of
    tasks, and `Best` -> share of them, one number a seed.
  """
  found: dict[str, Any] = {}
  for name, forced_I in forced.items():
    best_SxI = best_of_tasks(records[name], seeds, len(forced_I))
    found[name] = {
      label: {
        'tasks': int(here_I.sum()),
        **{
          best.name.lower(): (best_SxI[:, here_I] == best).mean(axis=1).tolist()
          for best in Best
        },
      }
      for label, here_I in (('forced', forced_I), ('avoidable', ~forced_I))
      if here_I.any()
    }
  return found


def summary(
  records: Mapping[str, Records], seeds: int, items: Mapping[str, int]
) -> dict[str, Any]:
  """Shares for JSON, one number a seed; None where there is nothing to share.

  Args:
    records: Test set -> its records.
    seeds: Number of models S.
    items: Test set -> number of tasks.

  Returns:
    best_of_task: test set -> `Best` -> share of tasks.
    errors: test set -> `Error` -> share of the samples that are not exact.
    copies: test set -> share of samples that are programs training shows.
    with_structure: test set -> share of samples that have the structure.
  """
  found: dict[str, Any] = {
    key: {} for key in ('best_of_task', 'errors', 'copies', 'with_structure')
  }
  for name, fields in records.items():
    best_SxI = best_of_tasks(fields, seeds, items[name])
    found['best_of_task'][name] = {
      best.name.lower(): (best_SxI == best).mean(axis=1).tolist()
      for best in Best
    }
    share = _sharing(fields, seeds)
    error_R = np.select(
      [~fields['parses'], ~fields['defined'], ~fields['fits']],
      [Error.UNPARSED, Error.UNDEFINED, Error.WRONG_FUNCTION],
      Error.FITS_ONLY,
    )
    wrong_R = ~fields['exact']
    found['errors'][name] = {
      error.name.lower(): share(error_R == error, wrong_R) for error in Error
    }
    every_R = np.ones(len(wrong_R), bool)
    found['copies'][name] = share(fields['shown'], every_R)
    found['with_structure'][name] = share(fields['structure'], every_R)
  return found


def _sharing(
  records: Records, seeds: int
) -> Callable[[np.ndarray, np.ndarray], list[float | None]]:
  """A function that gives the share of some samples among others, by model."""

  def share(some_R: np.ndarray, of_R: np.ndarray) -> list[float | None]:
    number = [
      np.bincount(records['seed'], records['count'] * member_R, seeds)
      for member_R in (some_R & of_R, of_R)
    ]
    return [
      float(some / whole) if whole else None
      for some, whole in zip(*number, strict=True)
    ]

  return share
