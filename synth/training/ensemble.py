"""Runs that are trained in one program: those of several arms of a split.

Small models can leave most of a device idle, so the M = A * S models of A arms,
S seeds each, take their steps together. Every arm keeps a run's directory, with
what would be in it had it been trained alone: metrics, checkpoints, reports of
models that diverged. They are saved at the same steps, which is where they go
on from.
"""

from collections.abc import Callable
from collections.abc import Mapping
import contextlib
import pathlib
from typing import Any

import numpy as np

from synth import errors
from synth import locks
from synth import runs
from synth.training import checkpoint
from synth.training import distributed
from synth.training import freezing
from synth.training import trainer as trainer_lib
from synth.training import watching

_POSITION, _RUN = 'next_index', 'run'  # in the data; what made a checkpoint


class Ensemble:
  """The directories of runs that are trained together.

  Use as a context manager: no other process trains in them meanwhile, and
  leaving waits for the last save.

  Args:
    workdirs: Arm -> directory of its run.
    records: Arm -> config and other facts of its run, kept in its checkpoints.
    trainer: Of as many arms.
    admit: Called in the first process once the directories are ours; raises
      InputError if they are of other runs.
  """

  def __init__(
    self,
    workdirs: Mapping[str, pathlib.Path],
    records: Mapping[str, Mapping[str, Any]],
    trainer: trainer_lib.Trainer,
    admit: Callable[[], None],
  ):
    self._workdirs = dict(workdirs)
    self._records = [records[arm] for arm in workdirs]
    self._trainer = trainer
    self._admit = admit

  def __enter__(self) -> 'Ensemble':
    with contextlib.ExitStack() as stack:
      distributed.first(lambda: self._open(stack))
      self._checkpoints = [
        stack.enter_context(checkpoint.Checkpoints(workdir))
        for workdir in self._workdirs.values()
      ]
      self._divergences = [
        freezing.Divergences(
          self._trainer.seeds,
          checkpoints.latest,
          f'arm {arm}' if len(self._workdirs) > 1 else '',
        )
        for arm, checkpoints in zip(
          self._workdirs, self._checkpoints, strict=True
        )
      ]
      self._stack = stack.pop_all()
    return self

  def __exit__(self, *exception: object) -> None:
    self._stack.close()

  def _open(self, stack: contextlib.ExitStack) -> None:
    for workdir in self._workdirs.values():
      path = workdir / '.train.lock'
      try:
        ours = stack.enter_context(locks.exclusive(path, '', wait=False))
      except OSError as error:
        raise runs.RunError(f'cannot write {path}: {error.strerror}') from None
      if not ours:
        raise errors.InputError(f'another process is training in {workdir}')
    self._admit()

  def restore(self) -> tuple[int, trainer_lib.State, int] | None:
    """Step, state of all models and position in the data to go on from.

    Returns:
      Those of the newest step of which every run has a good checkpoint; None if
      there is none yet.

    Raises:
      CheckpointError: if there are checkpoints but no such step.
      RunError: if they are of another run, or nothing tells of which.
    """
    step = checkpoint.newest_good(self._checkpoints)
    if step is None:
      return None
    found = [
      checkpoints.restore(step, self._trainer.abstract_state)
      for checkpoints in self._checkpoints
    ]
    for workdir, checkpoints, (_, meta), record in zip(
      self._workdirs.values(),
      *(self._checkpoints, found, self._records),
      strict=True,
    ):
      if _RUN in meta:
        runs.check_resumable(checkpoints.path(step), meta[_RUN], record)
      elif not (workdir / runs.RECORD).exists():  # older ones do not tell
        raise runs.RunError(
          f'{checkpoints.path(step)} may be of another run: {runs.RECORD} is '
          'missing; choose another workdir or remove this one'
        )
    state = self._trainer.join([state for state, _ in found])
    return step, state, found[0][1][_POSITION]

  def begin(self, start: int, steps: int, options: watching.Options) -> None:
    """Drops what was saved and written after step `start`; opens the logs.

    Args:
      start: The step training goes on from.
      steps: The step it ends at.
      options: What else to write.
    """
    for checkpoints in self._checkpoints:
      checkpoints.forget_after(start)
    if start < steps and distributed.is_first():
      for workdir in self._workdirs.values():  # not at its end any more
        (workdir / runs.TRAINED).unlink(missing_ok=True)
    self._logs = [
      self._stack.enter_context(watching.Log(workdir, start, options))
      for workdir in self._workdirs.values()
    ]

  def save(self, step: int, state: trainer_lib.State, position: int) -> None:
    """Begins to save every run's part of the state.

    Args:
      step: Optimizer steps taken.
      state: Of all models.
      position: Of the next batch in the data.

    Raises:
      CheckpointError: if this save or the one before cannot be written.
    """
    # A run that is one save ahead has the last step of the others still; were
    # it two ahead, it might not.
    for checkpoints in self._checkpoints:
      checkpoints.wait()
    states = self._trainer.cut(state)
    for checkpoints, part, record in zip(
      self._checkpoints, states, self._records, strict=True
    ):
      checkpoints.save(step, part, {_POSITION: position, _RUN: record})

  def write(self, step: int, values_M: Mapping[str, np.ndarray]) -> None:
    """Writes what was measured at a step, a number a model, to the logs.

    Of `diverged`, models that have are written, as `Divergences.report` does.
    """
    for place, log in enumerate(self._logs):
      part = {
        name: self._split(array)[place] for name, array in values_M.items()
      }
      diverged_S = part.pop('diverged', np.zeros(len(self._trainer.seeds)))
      report = self._divergences[place].report(diverged_S)
      told = {'diverged': report} if report else {}
      lists = {name: array.tolist() for name, array in part.items()}
      log.write(step, {**lists, **told})

  def logged_loss(self) -> np.ndarray:
    """Training loss of every model, as it was last written: loss_M.

    Raises:
      RunError: if none is.
    """
    found: list[float] = []
    for workdir in self._workdirs.values():
      rows = [row for row in runs.read_metrics(workdir) if 'loss' in row]
      if not rows:
        raise runs.RunError(
          f'{workdir / runs.METRICS} holds no loss, but the run is at its end: '
          'it was removed or cut'
        )
      found += rows[-1]['loss']
    return np.array(found, np.float64)

  def check(self, diverged_M: np.ndarray) -> None:
    """Warns of models that have diverged.

    Raises:
      InputError: if no model of any run is left.
    """
    parts = self._split(diverged_M)
    told = list(zip(self._divergences, parts, strict=True))
    lost = [
      text for divergences, part in told if (text := divergences.lost(part))
    ]
    if len(lost) == len(told):
      raise freezing.error(lost)
    for divergences, part in told:
      divergences.warn(part)

  def results(
    self, values_M: Mapping[str, np.ndarray], diverged_M: np.ndarray
  ) -> dict[str, dict[str, Any] | str]:
    """What came of each arm: means over its models that have not diverged.

    Returns:
      Arm -> these means and its report of divergence; of an arm of which no
      model is left, what is wrong, for `freezing.error`.
    """
    found: dict[str, dict[str, Any] | str] = {}
    for place, (arm, divergences) in enumerate(
      zip(self._workdirs, self._divergences, strict=True)
    ):
      diverged_S = self._split(diverged_M)[place]
      found[arm] = divergences.lost(diverged_S) or {
        **{
          name: freezing.mean(self._split(array)[place], diverged_S)
          for name, array in values_M.items()
        },
        'diverged': divergences.report(diverged_S),
      }
    return found

  def _split(self, array_M: np.ndarray) -> list[np.ndarray]:
    """Each run's part of what has a number for each model."""
    return np.split(np.asarray(array_M), len(self._workdirs))
