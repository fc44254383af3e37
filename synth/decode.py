"""Sampling programs from a model: batched, with a key-value cache.

Every token is drawn from the whole vocabulary: nothing keeps a sample from
being malformed, so that what the model has learned of the grammar is measured
too. (Only PAD and BOS, which training never asks for, are excluded.)
"""

import functools
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp

from synth import model as model_lib
from synth.language import tokens


@functools.partial(jax.jit, static_argnames=('graph', 'num_samples', 'length'))
def sample(
  params: Any,
  spec_BxF: jax.Array,
  key: jax.Array,
  temperature: jax.Array | float,
  *,
  graph: nnx.GraphDef,
  num_samples: int,
  length: int,
) -> tuple[jax.Array, jax.Array]:
  """Independent samples for each specification.

  Args:
    params: Parameters of one model.
    spec_BxF: Specifications of B tasks.
    key: Random key.
    temperature: Divides the logits; 0 takes the most probable token.
    graph: The static half of the model.
    num_samples: Samples a task, n.
    length: Tokens written at most, EOS included: T.

  Returns:
    tok_BxnxT (without BOS; PAD after EOS) and logprob_Bxn, the log-probability
    of each sample under the model at temperature 1.
  """
  model = model_lib.merge(graph, params)
  # The prefix is read once for all samples of a task.
  cache = jax.tree.map(
    lambda x: jnp.repeat(x, num_samples, axis=0), model.prefill(spec_BxF)
  )
  rows = len(spec_BxF) * num_samples

  def step(carry: Any, position: jax.Array) -> tuple[Any, jax.Array]:
    cache, last_R, finished_R, logprob_R = carry
    logits_RxV, cache = model.step(cache, last_R, position)
    logits_RxV = logits_RxV.at[:, jnp.array([tokens.PAD, tokens.BOS])].set(
      -jnp.inf
    )
    noise_RxV = jax.random.gumbel(
      jax.random.fold_in(key, position), logits_RxV.shape
    )
    tok_R = jnp.argmax(logits_RxV + temperature * noise_RxV, axis=1)
    tok_R = jnp.where(finished_R, tokens.PAD, tok_R)
    picked_R = jnp.take_along_axis(
      jax.nn.log_softmax(logits_RxV), tok_R[:, None], axis=1
    )[:, 0]
    logprob_R = logprob_R + jnp.where(finished_R, 0.0, picked_R)
    finished_R = finished_R | (tok_R == tokens.EOS)
    return (cache, tok_R, finished_R, logprob_R), tok_R

  start = (
    cache,
    jnp.full((rows,), tokens.BOS),
    jnp.zeros((rows,), bool),
    jnp.zeros((rows,)),
  )
  (*_, logprob_R), tok_TxR = jax.lax.scan(step, start, jnp.arange(length))
  tok_BxnxT = tok_TxR.T.reshape(len(spec_BxF), num_samples, length)
  return tok_BxnxT, logprob_R.reshape(len(spec_BxF), num_samples)
