"""How probable given programs are under models: teacher forcing."""

import functools
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp

from synth import compilation
from synth import model as model_lib
from synth.language import tokens


@functools.partial(compilation.jit, static_argnames='graph')
def log_probability(
  params_S: Any,
  spec_BxF: jax.Array,
  input_BxT: jax.Array,
  target_BxT: jax.Array,
  *,
  graph: nnx.GraphDef,
) -> jax.Array:
  """Log-probability of each program, EOS included, under each of S models.

  At temperature 1 and among all tokens but PAD and BOS, as
  `synth.evaluation.decode` tells it of unconstrained samples.

  Args:
    params_S: Parameters of S models, stacked.
    spec_BxF, input_BxT, target_BxT: A batch (`data.make_batch`).
    graph: The static half of the models.

  Returns:
    logprob_SxB.
  """

  def one(params: Any) -> jax.Array:
    logits_BxTxV = model_lib.merge(graph, params)(spec_BxF, input_BxT)
    written_V = jnp.arange(logits_BxTxV.shape[-1]) >= tokens.EOS
    logprob_BxTxV = jax.nn.log_softmax(
      jnp.where(written_V, logits_BxTxV, -jnp.inf)
    )
    logprob_BxT = jnp.take_along_axis(
      logprob_BxTxV, target_BxT[..., None], axis=-1
    )[..., 0]
    there_BxT = target_BxT != tokens.PAD
    return jnp.where(there_BxT, logprob_BxT, 0.0).sum(axis=1)

  return jax.vmap(one)(params_S)
