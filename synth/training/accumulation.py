"""Gradients of a batch that is larger than memory: part by part."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def value_and_grad(
  loss: Callable[[Any, Any], jax.Array],
  weight: Callable[[Any], jax.Array],
  params: Any,
  batch: Any,
  parts: int,
) -> tuple[jax.Array, Any]:
  """Those of the whole batch, to rounding.

  Args:
    loss: Of (params, batch): a mean over what `weight` counts.
    weight: Of a batch: how many items its loss is the mean of.
    params: Parameters.
    batch: Arrays B x ...
    parts: Equal parts of B, taken in turn. Part i has rows i, i + parts, ...:
      a batch that is cut over devices stays cut in the same way.

  Returns:
    The loss and its gradients.
  """
  if parts == 1:
    return jax.value_and_grad(loss)(params, batch)
  total = weight(batch)

  def add(sums: Any, part: Any) -> tuple[Any, None]:
    share = weight(part) / total
    found = jax.value_and_grad(loss)(params, part)
    return jax.tree.map(lambda s, x: s + share * x, sums, found), None

  cut = jax.tree.map(
    lambda x: x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1), batch
  )
  zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
  return jax.lax.scan(add, zero, cut)[0]
