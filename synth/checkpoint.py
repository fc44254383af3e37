"""Checkpoints: training state, position in the data, and what made them."""

import pathlib
import sys
from typing import Any

import jax
import orbax.checkpoint as ocp

from synth import errors

_DIRECTORY = 'checkpoints'
_KEEP = 2


class CheckpointError(errors.InputError):
  """A checkpoint that is missing or cannot be read."""


class Checkpoints:
  """The checkpoints of one working directory.

  Saves are asynchronous and appear whole or not at all; the newest two are
  kept. Use as a context manager: leaving waits for the last save.
  """

  def __init__(self, workdir: pathlib.Path):
    self._path = (workdir / _DIRECTORY).absolute()
    if self._path.exists() and not self._path.is_dir():
      raise CheckpointError(f'{self._path} is not a directory')
    self._manager = ocp.CheckpointManager(
      self._path,
      options=ocp.CheckpointManagerOptions(max_to_keep=_KEEP, create=True),
    )

  def __enter__(self) -> 'Checkpoints':
    return self

  def __exit__(self, *exception: object) -> None:
    self._manager.wait_until_finished()
    self._manager.close()

  def save(self, step: int, state: Any, meta: dict[str, Any]) -> None:
    """Saves the state after `step` steps with JSON-serializable facts."""
    self._manager.save(
      step,
      args=ocp.args.Composite(
        state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta)
      ),
    )

  def latest(self) -> int | None:
    """The newest step, or None."""
    return self._manager.latest_step()

  def restore_newest(self, like: Any) -> tuple[int, Any, dict[str, Any]] | None:
    """The newest state that can be read, with its step and facts.

    A damaged checkpoint is passed over with a warning.

    Args:
      like: Shapes, types and shardings of the state.

    Returns:
      Step, state and facts; None if nothing was saved yet.

    Raises:
      CheckpointError: if there are checkpoints, but none can be read.
    """
    steps = sorted(self._manager.all_steps(), reverse=True)
    failures = []
    for step in steps:
      try:
        state, meta = self.restore(step, like)
      except CheckpointError as error:
        failures.append(error)
        continue
      for reason in failures:
        print(f'warning: {reason}: using that of step {step}', file=sys.stderr)
      return step, state, meta
    if failures:
      raise CheckpointError(f'{failures[0]}, and there is no earlier one')
    return None

  def forget_after(self, step: int) -> None:
    """Removes checkpoints of later steps, so that these can be saved anew."""
    for later in self._manager.all_steps():
      if later > step:
        self._manager.delete(later)

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
      reason = (str(error).strip().splitlines() or [repr(error)])[0][:100]
      raise CheckpointError(
        f'checkpoint {self._path / str(step)} cannot be read ({reason})'
      ) from None
    return restored.state, restored.meta


def abstract(state: Any, sharding: Any) -> Any:
  """Shapes, types and shardings of a state, for `Checkpoints.restore`."""
  return jax.tree.map(
    lambda leaf, s: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=s),
    state,
    sharding,
  )
