"""Loss and gradients of a batch that does not fit in memory, part by part."""

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
  """The loss of a batch and its gradients, as `jax.value_and_grad` gives them.

  The batch is cut into parts, and the means over the parts are added up with
  their weights; only one part's activations are in memory at a time. The result
  is that of the whole batch but for rounding.

  Args:
    loss: (params, batch) -> loss, a mean over the items of the batch.
    weight: batch -> how many items that mean is over (say, tokens that are not
      padding).
    params: Parameters, any pytree.
    batch: Pytree of arrays B x ...
    parts: How many parts; must divide B. Part i has the rows i, i + parts,
      i + 2 parts, ...: a batch whose rows are divided among devices stays
      divided in the same way.

  Returns:
    The loss, a scalar, and its gradients, shaped like `params`.
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
