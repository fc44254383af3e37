"""Causal attention, and positions by rotation.

Letters: B batch, T new positions, M all positions (keys), H heads, K width of a
head.
"""

import functools
import sys
from typing import Literal

import jax
import jax.numpy as jnp

_ROPE_BASE = 10_000.0  # Su et al. 2021 (arXiv 2104.09864), section 3.3
_FUSED_HEAD = 128  # widest head that cuDNN's kernel differentiates everywhere


def among_themselves(
  q_BxTxHxK: jax.Array,
  k_BxTxHxK: jax.Array,
  v_BxTxHxK: jax.Array,
  scale: float,
) -> jax.Array:
  """Attention of T positions to themselves and those before: y_BxTxHxK.

  Args:
    q_BxTxHxK, k_BxTxHxK, v_BxTxHxK: Queries, keys and values.
    scale: Multiplies the products of queries and keys.
  """
  positions = q_BxTxHxK.shape[1]
  kernel = implementation(q_BxTxHxK.dtype, q_BxTxHxK.shape[-1], positions)
  spare = _even(positions) - positions if kernel == 'cudnn' else 0
  even = [
    jnp.pad(x_BxTxHxK, ((0, 0), (0, spare), (0, 0), (0, 0)))
    for x_BxTxHxK in (q_BxTxHxK, k_BxTxHxK, v_BxTxHxK)
  ]
  y_BxTxHxK = jax.nn.dot_product_attention(
    *even, scale=scale, is_causal=True, implementation=kernel
  )
  return y_BxTxHxK[:, :positions]


def rotate(x_BxTxHxK: jax.Array, position_T: jax.Array) -> jax.Array:
  """Rotary position embedding (Su et al. 2021, arXiv 2104.09864).

  Coordinates i and i + K/2 turn by position * 10,000^(-2i/K), in float32.

  Args:
    x_BxTxHxK: Queries or keys, K even.
    position_T: The position of each.

  Returns:
    What they become, of their own type.
  """
  half = x_BxTxHxK.shape[-1] // 2  # J
  rate_J = _ROPE_BASE ** (-jnp.arange(half) / half)
  angle_Tx1xJ = (position_T[:, None] * rate_J)[:, None]
  sin, cos = jnp.sin(angle_Tx1xJ), jnp.cos(angle_Tx1xJ)
  a, b = jnp.split(x_BxTxHxK.astype(jnp.float32), 2, axis=-1)
  turned = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
  return turned.astype(x_BxTxHxK.dtype)


def to_cache(
  q_BxTxHxK: jax.Array,
  k_BxHxMxK: jax.Array,
  v_BxHxMxK: jax.Array,
  start: jax.Array | int,
  scale: float,
) -> jax.Array:
  """Attention of T new positions, the first at `start`, to a cache.

  In this layout both products read the cache as it lies: with positions before
  heads, as `jax.nn.dot_product_attention` has them, XLA copies all of it for
  each token.

  Args:
    q_BxTxHxK: Queries.
    k_BxHxMxK, v_BxHxMxK: Keys and values of all positions, M.
    start: Position of the first query; each sees itself and those before it.
    scale: Multiplies the products of queries and keys.

  Returns:
    y_BxTxHxK.
  """
  logits_BxHxMxT = scale * jax.lax.dot_general(
    k_BxHxMxK,
    q_BxTxHxK.transpose(0, 2, 3, 1),
    (((3,), (2,)), ((0, 1), (0, 1))),
    preferred_element_type=jnp.float32,
  )
  position_M = jnp.arange(k_BxHxMxK.shape[2])
  position_T = start + jnp.arange(q_BxTxHxK.shape[1])
  seen_MxT = position_M[:, None] <= position_T
  weight_BxHxMxT = jax.nn.softmax(
    jnp.where(seen_MxT, logits_BxHxMxT, -jnp.inf), axis=2
  ).astype(v_BxHxMxK.dtype)
  y_BxHxTxK = jax.lax.dot_general(
    weight_BxHxMxT.swapaxes(2, 3),
    v_BxHxMxK,
    (((3,), (2,)), ((0, 1), (0, 1))),
    preferred_element_type=jnp.float32,
  )
  return y_BxHxTxK.swapaxes(1, 2).astype(v_BxHxMxK.dtype)


def implementation(
  dtype: jnp.dtype, head_width: int, positions: int
) -> Literal['cudnn', 'xla']:
  """The fused kernel (cudnn) where it exists, else XLA's products (xla)."""
  device = jax.devices()[0]
  fused = (
    dtype == jnp.bfloat16
    and head_width % 8 == 0
    and head_width <= _FUSED_HEAD
    and device.platform == 'gpu'
    and device.device_kind.startswith('NVIDIA')
    and float(device.compute_capability) >= 8
    and _compiles(head_width, _even(positions))
  )
  return 'cudnn' if fused else 'xla'


def _even(positions: int) -> int:
  """How many positions the fused kernel gets.

  JAX 0.10 to 0.12 refuse to differentiate it at odd numbers of them, as they
  mean to do only where there is a bias. No other sees one more at the end.
  """
  return positions + positions % 2


@functools.cache
def _compiles(head_width: int, positions: int) -> bool:
  """Whether the fused kernel and its gradient do: cuDNN's version has a say."""

  def loss(q_BxTxHxK: jax.Array) -> jax.Array:
    y_BxTxHxK = jax.nn.dot_product_attention(
      *[q_BxTxHxK] * 3, is_causal=True, implementation='cudnn'
    )
    return y_BxTxHxK.sum()

  shape = jax.ShapeDtypeStruct((1, positions, 1, head_width), jnp.bfloat16)
  try:
    jax.jit(jax.grad(loss)).lower(shape).compile()
  except Exception as error:  # whatever it is, XLA has products of its own
    reason = ' '.join(str(error).split())[:300]
    print(
      'warning: attention without the fused kernel, which does not compile for '
      f'{positions} positions and heads {head_width} wide: {reason}',
      file=sys.stderr,
    )
    return False
  return True
