"""How probable given programs are under models: teacher forcing."""

import functools
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp

from synth import compilation
from synth import model as model_lib
from synth.evaluation import constraint
from synth.language import prefixes
from synth.language import tokens


@functools.partial(compilation.jit, static_argnames='graph')
def log_probability(
  params_S: Any,
  spec_BxF: jax.Array,
  input_BxT: jax.Array,
  target_BxT: jax.Array,
  tables: prefixes.Tables | None = None,
  *,
  graph: nnx.GraphDef,
) -> jax.Array:
  """Log-probability of each program, EOS included, under each of S models.

  At temperature 1, as `synth.evaluation.decode` tells it of samples: among all
  tokens but PAD and BOS or, with tables, among those that the grammar allows.

  Args:
    params_S: Parameters of S models, stacked.
    spec_BxF, input_BxT, target_BxT: A batch (`data.make_batch`).
    tables: Of the grammar that samples are kept to, or None. T is the length
      that they are decoded to.
    graph: The static half of the models.

  Returns:
    logprob_SxB.
  """

  def one(params: Any) -> jax.Array:
    logits_BxTxV = model_lib.merge(graph, params)(spec_BxF, input_BxT)
    if tables is None:
      allowed = jnp.arange(logits_BxTxV.shape[-1]) >= tokens.EOS
    else:
      allowed = _allowed(tables, target_BxT)
    logprob_BxTxV = jax.nn.log_softmax(
      jnp.where(allowed, logits_BxTxV, -jnp.inf)
    )
    logprob_BxT = jnp.take_along_axis(
      logprob_BxTxV, target_BxT[..., None], axis=-1
    )[..., 0]
    there_BxT = target_BxT != tokens.PAD
    return jnp.where(there_BxT, logprob_BxT, 0.0).sum(axis=1)

  return jax.vmap(one)(params_S)


def _allowed(tables: prefixes.Tables, target_BxT: jax.Array) -> jax.Array:
  """What may come after each part of these programs: bool_BxTxV."""
  rows, length = target_BxT.shape

  def write(
    state: constraint.State, now: tuple[jax.Array, jax.Array]
  ) -> tuple[constraint.State, jax.Array]:
    position, tok_B = now
    allowed_BxV = constraint.allowed(tables, state, length - 1 - position)
    return constraint.write(tables, state, tok_B), allowed_BxV

  _, allowed_TxBxV = jax.lax.scan(
    write,
    constraint.begin(tables, (rows,), length),
    (jnp.arange(length), target_BxT.T),
  )
  return jnp.moveaxis(allowed_TxBxV, 0, 1)
