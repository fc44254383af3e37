"""Models that diverge are frozen; those trained beside them do not notice.

The state has `diverged_S`, the step at which the loss or the gradient of a
model was not finite, 0 if it never was. Such a model keeps the parameters and
the optimizer state that it had before that step.
"""

from collections.abc import Callable
from collections.abc import Iterable
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from synth import errors


def note(
  diverged: jax.Array, step: jax.Array, loss: jax.Array, norm: jax.Array
) -> jax.Array:
  """Notes whether one model diverges at a step. All arguments are scalars.

  Args:
    diverged: The step at which the model diverged, 0 if it has not.
    step: The present step, counted from 1.
    loss: The model's loss at this step.
    norm: Norm of the gradient of that loss.

  Returns:
    `diverged` if it was set already; else `step` if loss or norm is not finite;
    else 0.
  """
  fine = jnp.isfinite(loss) & jnp.isfinite(norm)
  return jnp.where((diverged == 0) & ~fine, step, diverged)


def keep(diverged: jax.Array, new: Any, old: Any) -> Any:
  """Chooses what a model goes on with.

  Args:
    diverged: The step at which it diverged, 0 if it has not.
    new: Its parameters and optimizer state after the step, any pytree.
    old: The same before the step.

  Returns:
    `new`, or `old` if the model has diverged.
  """
  return jax.tree.map(lambda n, o: jnp.where(diverged == 0, n, o), new, old)


class Divergences:
  """Which models of a run have diverged, as the host sees it.

  Args:
    seeds: Of the models.
    latest: Step -> step of the last checkpoint before it, None if there is
      none.
    name: Of the run, for messages; empty if no others are trained with it.
  """

  def __init__(
    self,
    seeds: tuple[int, ...],
    latest: Callable[[int], int | None],
    name: str = '',
  ):
    self._seeds = seeds
    self._latest = latest
    self._prefix = f'{name}: ' if name else ''
    self._told: dict[str, int] = {}

  def report(self, diverged_S: ArrayLike) -> dict[str, int]:
    """Seed -> the step at which its model diverged, of those that have."""
    return {
      str(seed): int(step)
      for seed, step in zip(self._seeds, np.asarray(diverged_S), strict=True)
      if step
    }

  def lost(self, diverged_S: ArrayLike) -> str | None:
    """What to say if all models of the run have diverged, else None.

    Args:
      diverged_S: The step at which each model diverged, 0 if it has not.
    """
    found = self.report(diverged_S)
    if len(found) < len(self._seeds):
      return None
    seed, step = max(found.items(), key=lambda item: item[1])
    # Beside runs that go on frozen models are saved, too: later steps are not
    # good. The state after step `step` is the first that lacks an update.
    latest = self._latest(step)
    last = (
      'there is no checkpoint of before'
      if latest is None
      else f'the last good checkpoint is of step {latest}'
    )
    return (
      f'{self._prefix}the loss of seed {seed} is not finite at step {step} and '
      f'no other seed is left; {last}'
    )

  def warn(self, diverged_S: ArrayLike) -> None:
    """Warns of models that have diverged since it was last called."""
    found = self.report(diverged_S)
    rest = 'the others go on'
    if len(found) == len(self._seeds):  # else there would be an error
      rest = 'no other seed is left, the other arms go on'
    for seed in (seed for seed in found if seed not in self._told):
      print(
        f'warning: {self._prefix}the loss of seed {seed} is not finite at step '
        f'{found[seed]}: this model is frozen, {rest}',
        file=sys.stderr,
      )
    self._told = found


def error(lost: Iterable[str]) -> errors.InputError:
  """The error to raise when no model is left of some runs.

  Args:
    lost: For each of them, what `Divergences.lost` says.
  """
  return errors.InputError(
    f'{", and ".join(lost)}: lower opt.lr or opt.clip_norm'
  )


def mean(value_M: ArrayLike, diverged_M: ArrayLike) -> float:
  """The mean over the models that have not diverged; there must be one.

  Args:
    value_M: A number of each model.
    diverged_M: The step at which each model diverged, 0 if it has not.
  """
  value = np.asarray(value_M, np.float64)
  return float(np.mean(value[np.asarray(diverged_M) == 0]))
