"""Models that diverge are frozen; those trained beside them do not notice.

The state has `diverged_S`, the step at which the loss or the gradient of a
model was not finite, 0 if it never was. Such a model keeps the parameters and
the optimizer state that it had before that step.
"""

from collections.abc import Callable
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
  """The step at which one model diverged, once that of `step` is known.

  Args:
    diverged: Its entry until now.
    step: The present step, from 1.
    loss: Its loss at this step.
    norm: The norm of its gradient.
  """
  fine = jnp.isfinite(loss) & jnp.isfinite(norm)
  return jnp.where((diverged == 0) & ~fine, step, diverged)


def keep(diverged: jax.Array, new: Any, old: Any) -> Any:
  """`new` of one model, `old` if it has diverged."""
  return jax.tree.map(lambda n, o: jnp.where(diverged == 0, n, o), new, old)


class Divergences:
  """Which models have diverged, as the host sees it.

  Args:
    seeds: Of the models.
    latest: Tells the step of the last checkpoint. It is good: models that are
      all frozen are not saved.
  """

  def __init__(self, seeds: tuple[int, ...], latest: Callable[[], int | None]):
    self._seeds = seeds
    self._latest = latest
    self._told: dict[str, int] = {}

  def report(self, diverged_S: ArrayLike) -> dict[str, int]:
    """Seed -> the step at which its model diverged, of those that have."""
    return {
      str(seed): int(step)
      for seed, step in zip(self._seeds, np.asarray(diverged_S), strict=True)
      if step
    }

  def check(self, diverged_S: ArrayLike) -> dict[str, int]:
    """The report; warns of new entries.

    Raises:
      InputError: if no model is left.
    """
    found = self.report(diverged_S)
    if len(found) == len(self._seeds):
      seed, step = max(found.items(), key=lambda item: item[1])
      latest = self._latest()
      last = (
        'there is no checkpoint'
        if latest is None
        else (f'the last good checkpoint is of step {latest}')
      )
      raise errors.InputError(
        f'the loss of seed {seed} is not finite at step {step} and no other '
        f'seed is left; {last}: lower opt.lr or opt.clip_norm'
      )
    for seed in found.keys() - self._told.keys():
      print(
        f'warning: the loss of seed {seed} is not finite at step '
        f'{found[seed]}: this model is frozen, the others go on',
        file=sys.stderr,
      )
    self._told = found
    return found

  def mean(self, value_S: ArrayLike, diverged_S: ArrayLike) -> float:
    """The mean over the models that have not diverged."""
    value = np.asarray(value_S, np.float64)
    return float(np.mean(value[np.asarray(diverged_S) == 0]))
