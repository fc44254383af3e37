"""Sampling programs from a model: batched, with a key-value cache.

By default every token is drawn from the whole vocabulary: nothing keeps a
sample from being malformed, so that what the model has learned of the grammar
is measured too. (Only PAD and BOS, which training never asks for, are
excluded.) With the tables of a grammar, only tokens that continue a program of
the grammar, and leave room to finish it, are drawn: every sample is one.
"""

import functools
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp

from synth import model as model_lib
from synth.language import prefixes
from synth.language import tokens


@functools.partial(jax.jit, static_argnames=('graph', 'num_samples', 'length'))
def sample(
  params: Any,
  spec_BxF: jax.Array,
  key: jax.Array,
  temperature: jax.Array | float,
  tables: prefixes.Tables | None = None,
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
    tables: Of a grammar that all samples shall belong to, or None.
    graph: The static half of the model.
    num_samples: Samples a task, n.
    length: Tokens written at most, EOS included: T.

  Returns:
    tok_BxnxT (without BOS; PAD after EOS) and logprob_Bxn, the log-probability
    of each sample under the model at temperature 1 (among the tokens allowed).
  """
  model = model_lib.merge(graph, params)
  # The prefix is read once for all samples of a task.
  cache = model.prefill(spec_BxF, num_samples)
  rows = len(spec_BxF) * num_samples

  def step(carry: Any, position: jax.Array) -> tuple[Any, jax.Array]:
    cache, last_R, finished_R, logprob_R, todo = carry
    logits_RxV, cache = model.step(cache, last_R, position)
    if tables is None:
      allowed_RxV = jnp.ones(logits_RxV.shape, bool)
      allowed_RxV = allowed_RxV.at[:, : tokens.EOS].set(False)  # PAD and BOS
    else:
      # One token of the length is EOS.
      allowed_RxV = _allowed(tables, todo, length - 1 - position)
    logits_RxV = jnp.where(allowed_RxV, logits_RxV, -jnp.inf)
    noise_RxV = jax.random.gumbel(
      jax.random.fold_in(key, position), logits_RxV.shape
    )
    tok_R = jnp.argmax(logits_RxV + temperature * noise_RxV, axis=1)
    tok_R = jnp.where(finished_R, tokens.PAD, tok_R)
    picked_R = jnp.take_along_axis(
      jax.nn.log_softmax(logits_RxV), tok_R[:, None], axis=1
    )[:, 0]
    logprob_R = logprob_R + jnp.where(finished_R, 0.0, picked_R)
    if tables is not None:
      todo = _written(tables, todo, tok_R, finished_R)
    finished_R = finished_R | (tok_R == tokens.EOS)
    return (cache, tok_R, finished_R, logprob_R, todo), tok_R

  start = (
    cache,
    jnp.full((rows,), tokens.BOS),
    jnp.zeros((rows,), bool),
    jnp.zeros((rows,)),
    _beginning(tables, rows, length),
  )
  (*_, logprob_R, _), tok_TxR = jax.lax.scan(step, start, jnp.arange(length))
  tok_BxnxT = tok_TxR.T.reshape(len(spec_BxF), num_samples, length)
  return tok_BxnxT, logprob_R.reshape(len(spec_BxF), num_samples)


# Nonterminals still to be written (the last is next), their number, and the
# fewest nodes they need together: stack_RxT, height_R, need_R.
_Todo = tuple[jax.Array, ...]


def _beginning(tables: prefixes.Tables | None, rows: int, length: int) -> _Todo:
  """The start nonterminal, for every row."""
  if tables is None:
    return ()
  stack_RxT = jnp.full((rows, length + 1), prefixes.NOTHING)
  return (
    stack_RxT.at[:, 0].set(tables.start),
    jnp.ones((rows,), jnp.int32),
    jnp.full((rows,), jnp.asarray(tables.least_K)[tables.start]),
  )


def _top(todo: _Todo) -> jax.Array:
  stack_RxT, height_R, _ = todo
  return stack_RxT[jnp.arange(len(height_R)), jnp.maximum(height_R - 1, 0)]


def _allowed(
  tables: prefixes.Tables, todo: _Todo, room: jax.Array
) -> jax.Array:
  """Tokens that may come next if `room` nodes may still be written."""
  _, height_R, need_R = todo
  top_R = _top(todo)
  least_RxV = jnp.asarray(tables.least_KxV)[top_R]
  others_R = need_R - jnp.asarray(tables.least_K)[top_R]
  fits_RxV = (least_RxV > 0) & (least_RxV + others_R[:, None] <= room)
  end_V = jnp.arange(least_RxV.shape[1]) == tokens.EOS
  return jnp.where((height_R == 0)[:, None], end_V, fits_RxV)


def _written(
  tables: prefixes.Tables, todo: _Todo, tok_R: jax.Array, finished_R: jax.Array
) -> _Todo:
  """What is left to write after one more token."""
  stack_RxT, height_R, need_R = todo
  top_R = _top(todo)
  rows = jnp.arange(len(height_R))
  active_R = ~finished_R & (height_R > 0)
  args_RxA = jnp.asarray(tables.args_KxVxA)[top_R, tok_R]
  need_R += jnp.where(
    active_R,
    jnp.asarray(tables.least_KxV)[top_R, tok_R]
    - 1
    - jnp.asarray(tables.least_K)[top_R],
    0,
  )
  height_R -= active_R
  for place in reversed(range(args_RxA.shape[1])):  # first argument on top
    push_R = active_R & (args_RxA[:, place] != prefixes.NOTHING)
    stack_RxT = stack_RxT.at[rows, height_R].set(
      jnp.where(push_R, args_RxA[:, place], stack_RxT[rows, height_R])
    )
    height_R += push_R
  return stack_RxT, height_R, need_R
