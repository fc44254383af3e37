"""The optimizer: AdamW under a schedule, clipped; what decays; muP.

Settings are the keys of `config.opt`.
"""

import re
from typing import Any

import jax
import ml_collections
import optax

from synth import errors
from synth import settings

# Matrices from a width to a width, or from one to the logits: with muP their
# learning rate falls like 1 / width. Embeddings, the encoder's first layer,
# biases and norms keep theirs (Yang et al. 2022, arXiv 2203.03466, table 3).
_HIDDEN = r'(^|/)(blocks/.*|encoder/(layers/\d+|out)|head)/kernel$'


def make(
  opt: ml_collections.ConfigDict, width_ratio: float = 1.0
) -> optax.GradientTransformation:
  """AdamW (decoupled: decay is times the learning rate, whatever its group).

  Args:
    opt: Settings.
    width_ratio: Of the model to the one that `opt.lr` was tuned on; 1: no muP.

  Raises:
    InputError: for an unknown schedule or shares that do not fit in one run.
  """
  parts = [
    optax.scale_by_adam(b2=opt.b2),
    optax.add_decayed_weights(opt.weight_decay, mask=_matrices),
    optax.scale_by_learning_rate(make_schedule(opt)),
  ]
  if width_ratio != 1:
    parts.insert(1, _scale_hidden(1 / width_ratio))
  return optax.chain(
    optax.clip_by_global_norm(opt.clip_norm), optax.chain(*parts)
  )


def make_schedule(opt: ml_collections.ConfigDict) -> optax.Schedule:
  """Learning rate by step: from 0 up to `opt.lr` and down to 0.

  `cosine` falls from the end of the warm-up on; `wsd` (warmup-stable-decay, Hu
  et al. 2024, arXiv 2404.06395) stays, then falls linearly.

  Raises:
    InputError: for an unknown schedule or shares that do not fit in one run.
  """
  steps = opt.num_steps
  warmup = max(1, round(opt.warmup_share * steps))
  decay = max(1, round(opt.decay_share * steps))
  schedules = {
    'cosine': lambda: optax.warmup_cosine_decay_schedule(
      0.0, opt.lr, warmup, max(steps, warmup + 1)
    ),
    'wsd': lambda: optax.join_schedules(
      [
        optax.linear_schedule(0.0, opt.lr, warmup),
        optax.constant_schedule(opt.lr),
        optax.linear_schedule(opt.lr, 0.0, decay),
      ],
      [warmup, max(warmup, steps - decay)],
    ),
  }
  chosen = settings.choose(opt.schedule, schedules, 'opt.schedule')
  if opt.schedule == 'wsd' and opt.warmup_share + opt.decay_share > 1:
    raise errors.InputError(
      f'opt.warmup_share={opt.warmup_share} and '
      f'opt.decay_share={opt.decay_share} are together more than 1'
    )
  return chosen()


def _matrices(params: Any) -> Any:
  """Which parameters decay: no norms, biases, embeddings or positions."""
  return jax.tree_util.tree_map_with_path(
    lambda path, _: path[-1].key == 'kernel', params
  )


def _scale_hidden(factor: float) -> optax.GradientTransformation:
  """Multiplies the updates of `_HIDDEN`."""

  def scale(path: tuple[Any, ...], update: jax.Array) -> jax.Array:
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    return update * factor if re.search(_HIDDEN, name) else update

  return optax.stateless(
    lambda updates, _: jax.tree_util.tree_map_with_path(scale, updates)
  )
