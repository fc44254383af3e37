"""Checkpoints: training state, position in the data, and what made them.

A checkpoint is a directory of Orbax with one more file, `sha256.json`, of the
hashes of its files. It is written before the directory gets its final name, so
that there is no checkpoint without it. Hashes are checked before Orbax reads
anything: it does not notice a flipped bit.
"""

from collections.abc import Sequence
from concurrent import futures
import json
import logging
import pathlib
import shutil
import sys
import traceback
from typing import Any

import jax
from jax.experimental import multihost_utils
import numpy as np
import orbax.checkpoint as ocp

from synth import errors
from synth import runs as runs_lib
from synth import store

_DIRECTORY = 'checkpoints'
_KEEP = 2
# Raised when equal arrays come to mean something else. In 1 the columns of qkv
# had queries, keys and values outermost, not heads.
FORMAT = 2
_FORMAT_KEY = 'format'
_HASHES = 'sha256.json'
# Orbax writes them after the hashes were taken; nothing is read from them.
NOT_HASHED = (_HASHES, '_CHECKPOINT_METADATA', 'commit_success.txt')
_NONE, _REFUSED = -1, -2  # in place of a step


class CheckpointError(errors.InputError):
  """A checkpoint that is missing or cannot be read or written."""


class Checkpoints:
  """The checkpoints of one working directory.

  Saves are asynchronous and appear whole or not at all; the newest two are
  kept. Use as a context manager: leaving waits for the last save.
  """

  def __init__(self, workdir: pathlib.Path):
    self._path = (workdir / _DIRECTORY).absolute()
    if self._path.exists() and not self._path.is_dir():
      raise CheckpointError(f'{self._path} is not a directory')
    _quiet_orbax()
    self._saving = 0  # the step of the last save that was begun
    self._manager = ocp.CheckpointManager(
      self._path,
      options=ocp.CheckpointManagerOptions(
        max_to_keep=_KEEP,
        create=True,
        # Saves of runs that are trained together overlap: without names of
        # their own the processes would take one's barrier for the other's.
        multiprocessing_options=ocp.options.MultiprocessingOptions(
          barrier_sync_key_prefix=workdir.name
        ),
        async_options=ocp.AsyncOptions(
          # Called in the first process, before the directory is renamed.
          post_finalization_callback=lambda: _write_hashes(
            self._path, self._saving
          )
        ),
      ),
    )

  def __str__(self) -> str:
    return str(self._path)

  def __enter__(self) -> 'Checkpoints':
    self._hook = sys.unraisablehook
    sys.unraisablehook = self._unraisable
    return self

  def __exit__(self, *exception: object) -> None:
    try:
      self.wait()
    finally:
      try:
        self._manager.close()
      except Exception as error:  # of some saves it tells again why they failed
        raise self._cannot_write(error) from None
      finally:
        sys.unraisablehook = self._hook

  def _unraisable(self, found: Any) -> None:
    """Drops what is left behind by a save or a restore that failed.

    At the first error Orbax closes its event loop; the threads of its other
    reads and writes still report to it. The error itself is raised.
    """
    if str(found.exc_value) != 'Event loop is closed':
      self._hook(found)

  def wait(self) -> None:
    """Waits for the last save.

    Raises:
      CheckpointError: if it cannot be written.
    """
    try:
      self._manager.wait_until_finished()
    except Exception as error:  # orbax raises many kinds
      raise self._cannot_write(error) from None

  def save(self, step: int, state: Any, meta: dict[str, Any]) -> None:
    """Begins to save the state after `step` steps; see `wait`.

    Args:
      step: Optimizer steps taken.
      state: Pytree of arrays.
      meta: JSON-serializable facts that are saved with it.

    Raises:
      CheckpointError: if this save or the one before cannot be written.
    """
    self.wait()  # until then `_saving` is that step
    self._saving = step
    try:
      self._manager.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardSave(state),
          meta=ocp.args.JsonSave({**meta, _FORMAT_KEY: FORMAT}),
        ),
      )
    except Exception as error:  # orbax raises many kinds
      raise self._cannot_write(error) from None

  @property
  def trained(self) -> bool:
    """Whether the run has reached its end."""
    return (self._path.parent / runs_lib.TRAINED).exists()

  def latest(self, before: int | None = None) -> int | None:
    """The newest step, of those before a step if one is given; else None."""
    if before is None:
      return self._manager.latest_step()
    earlier = (step for step in self._manager.all_steps() if step < before)
    return max(earlier, default=None)

  def path(self, step: int) -> pathlib.Path:
    """Where the checkpoint of a step is."""
    return self._path / str(step)

  def steps(self) -> set[int]:
    """All steps that were saved."""
    return set(self._manager.all_steps())

  def damage(self, step: int) -> str | None:
    """What is wrong with the checkpoint of a step; None if nothing is."""
    return damage(self.path(step))

  def sha256(self, step: int) -> str:
    """Hash of all files of a checkpoint that is without damage."""
    path = self._path / str(step) / _HASHES
    sha256: str = json.loads(path.read_text(encoding='utf-8'))['sha256']
    return sha256

  def forget_after(self, step: int) -> None:
    """Removes later and half-written checkpoints, before training goes on."""
    for later in self._manager.all_steps():
      if later > step:
        self._manager.delete(later)
    if jax.process_index() == 0:
      for path in self._path.glob('*.*'):  # whole ones have no suffix
        shutil.rmtree(path, ignore_errors=True)

  def restore(self, step: int, like: Any) -> tuple[Any, dict[str, Any]]:
    """The state and facts saved at `step`.

    Args:
      step: A step that was saved.
      like: Shapes, types and shardings of the state.

    Raises:
      CheckpointError: names the checkpoint.
    """
    try:
      restored = self._manager.restore(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardRestore(like), meta=ocp.args.JsonRestore()
        ),
      )
    except Exception as error:  # orbax raises many kinds
      raise CheckpointError(
        f'checkpoint {self._path / str(step)} cannot be read '
        f'({_first_line(error)})'
      ) from None
    meta = dict(restored.meta)
    found = meta.pop(_FORMAT_KEY, 1)
    if found != FORMAT:
      raise CheckpointError(
        f'checkpoint {self._path / str(step)} is of format {found}, not '
        f'{FORMAT}: its arrays have another meaning; train anew'
      )
    return restored.state, meta

  def _cannot_write(self, error: Exception) -> CheckpointError:
    if isinstance(error, CheckpointError):
      return error
    return CheckpointError(
      f'cannot write checkpoint {self._path / str(self._saving)}: '
      f'{_first_line(error)}'
    )


def newest_good(runs: Sequence[Checkpoints]) -> int | None:
  """The newest step of which all runs have a checkpoint without damage.

  A damaged checkpoint is passed over with a warning.

  Args:
    runs: Those trained together: all are saved at the same steps.

  Returns:
    The step; None if not all of them were saved yet.

  Raises:
    CheckpointError: if there are checkpoints, but all are damaged or they are
      not of runs that were trained together.
  """
  step, why = _NONE, 'the first process found no good checkpoint'
  if jax.process_index() == 0:
    step, why = _newest_good(runs)
  if jax.process_count() > 1:
    step = int(multihost_utils.broadcast_one_to_all(np.int32(step)))
  if step == _REFUSED:
    raise CheckpointError(why)
  return None if step == _NONE else step


def _newest_good(runs: Sequence[Checkpoints]) -> tuple[int, str]:
  """That step, or why it is refused; warns of damaged ones after it."""
  steps = [run.steps() for run in runs]
  common = set.intersection(*steps)
  if not common and any(steps):
    ends = sorted(zip(map(len, steps), map(str, runs), strict=True))
    fewest, most = ends[0][1], ends[-1][1]
    # A kill during the first save leaves one to some, none to the others.
    killed = set() in steps and max(map(len, steps)) == 1
    if not killed or any(run.trained for run in runs):
      return _REFUSED, f'{most} and {fewest} have no step in common'
    print(
      f'warning: {most} has a checkpoint, {fewest} has none, as after a kill '
      'during the first save: training starts anew',
      file=sys.stderr,
    )
    return _NONE, ''
  found: list[str] = []
  for step in sorted(common, reverse=True):
    faults = [fault for run in runs if (fault := run.damage(step))]
    if not faults:
      for text in found:
        print(f'warning: {text}: using that of step {step}', file=sys.stderr)
      return step, ''
    found += faults
  if found:
    return _REFUSED, f'{found[0]}, and there is no earlier one'
  return _NONE, ''


def abstract(state: Any, sharding: Any) -> Any:
  """Shapes, types and shardings of a state, for `Checkpoints.restore`."""
  return jax.tree.map(
    lambda leaf, s: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=s),
    state,
    sharding,
  )


def damage(directory: pathlib.Path) -> str | None:
  """What is wrong with the files of a checkpoint; None if nothing is."""
  path = directory / _HASHES
  try:
    hashes = json.loads(path.read_text(encoding='utf-8'))
    wanted, whole = hashes['files'], hashes['sha256']
  except FileNotFoundError:
    return f'checkpoint {directory} cannot be read ({_HASHES} is missing)'
  except (OSError, ValueError, TypeError, KeyError, RecursionError):
    return f'checkpoint {directory} cannot be read ({_HASHES} is damaged)'
  if store.content_hash(wanted) != whole:
    return f'checkpoint {directory} cannot be read ({_HASHES} is damaged)'
  for name in wanted:
    if not (directory / name).is_file():
      return f'checkpoint {directory} cannot be read ({name} is missing)'
  for name, sha256 in _hash_files(directory, list(wanted)).items():
    if sha256 != wanted[name]:
      return f'checkpoint {directory} cannot be read ({name} was changed)'
  return None


def _write_hashes(root: pathlib.Path, step: int) -> None:
  """Adds `sha256.json` to the checkpoint that is about to be finished."""
  # Its name is temporary yet: STEP.SUFFIX; on stores without rename, STEP.
  directory = next(iter(root.glob(f'{step}.*')), root / str(step))
  names = [
    path.relative_to(directory).as_posix()
    for path in sorted(directory.rglob('*'))
    if path.is_file() and path.name not in NOT_HASHED
  ]
  files = _hash_files(directory, names)
  text = json.dumps({'files': files, 'sha256': store.content_hash(files)})
  (directory / _HASHES).write_text(text, encoding='utf-8')


def _hash_files(directory: pathlib.Path, names: list[str]) -> dict[str, str]:
  with futures.ThreadPoolExecutor() as threads:
    hashes = threads.map(
      store.sha256_of_file, [directory / name for name in names]
    )
    return dict(zip(names, hashes, strict=True))


def _first_line(error: Exception) -> str:
  text = str(error)
  if 'No space left on device' in text:
    return 'No space left on device'
  return (text.strip().splitlines() or [repr(error)])[0][:100]


def _quiet_orbax() -> None:
  """Drops the tracebacks that Orbax logs of errors that it raises as well."""
  for name in ('absl', 'asyncio'):
    logger = logging.getLogger(name)
    if _raised_as_well not in logger.filters:
      logger.addFilter(_raised_as_well)


def _raised_as_well(record: logging.LogRecord) -> bool:
  if not record.exc_info:
    return True
  if record.name == 'asyncio':  # tells of writes that fail after the first one
    frames = traceback.extract_tb(record.exc_info[2])
    return not any('orbax' in frame.filename for frame in frames)
  return 'orbax' not in record.pathname
