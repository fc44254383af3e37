"""Writing programs with models: many at once, with a key-value cache.

Three methods (`Method`): independent samples, the beam of the most probable
programs, and samples without replacement. Several models (seeds) decode
together, and the specification of a task is read once for all its programs.

By default every token may come from the whole vocabulary: nothing keeps a
program from being malformed, so that what the model has learned of the grammar
is measured too. (Only PAD and BOS, which training never asks for, are
excluded.) With the tables of a grammar, only tokens that continue a program of
the grammar, and leave room to finish it, may come: everything written is one.

Rows that are finished are computed until all are: programs of a universe have
nearly all the same length, 9.7 of at most 10 tokens in the mean (docs/log.md).

Letters: S models, B tasks, n programs a task, V vocabulary, T tokens, R = B x n
rows of a model's cache.
"""

import dataclasses
import functools
from typing import Any
from typing import NamedTuple

from flax import nnx
import jax
import jax.numpy as jnp

from synth import compilation
from synth import errors
from synth import model as model_lib
from synth.evaluation import constraint
from synth.language import prefixes
from synth.language import tokens

SAMPLE, BEAM, UNIQUE = 'sample', 'beam', 'unique'

# Method -> whether its programs of one task are independent draws, so that the
# unbiased estimator of pass@k holds for them.
METHODS = {SAMPLE: True, BEAM: False, UNIQUE: False}

_COLDEST = 1e-6  # temperature by which logits are still divided


@dataclasses.dataclass(frozen=True)
class Method:
  """How programs are chosen.

  Attributes:
    name: One of METHODS. `sample`: independent samples of the model at the
      temperature, 0 being greedy decoding. `beam`: beam search for the programs
      most probable at temperature 1, as many beams as programs, not normalized
      by length. `unique`: distinct programs, drawn one after the other without
      replacement from what `sample` draws from (stochastic beam search; Kool,
      van Hoof and Welling, ICML 2019, arXiv 1903.06059, algorithm 1); the first
      is a sample.
    top_k: Tokens that `sample` and `unique` draw from, the most probable ones;
      0: all.
    top_p: They draw from the fewest most probable tokens of at least this
      probability together at the temperature (nucleus; Holtzman et al. 2020,
      arXiv 1904.09751), among the top_k; 1: all.

  Raises:
    InputError: if `beam` is given a top_k or top_p, which would change nothing.
  """

  name: str = SAMPLE
  top_k: int = 0
  top_p: float = 1.0

  def __post_init__(self) -> None:
    if self.name == BEAM and (self.top_k or self.top_p < 1):
      raise errors.InputError(
        f'eval.method=beam takes the most probable programs: top_k={self.top_k}'
        f' and top_p={self.top_p} must be 0 and 1'
      )


class _State(NamedTuple):
  """What has been written; leading axes S x B x n unless said otherwise.

  Attributes:
    position: Tokens written, a scalar.
    cache: Of the models, leading axes S x R (S x layers x R if scanned).
    tok_SxBxnxT: The tokens.
    finished: Whether EOS has been written, or there is no such program.
    logprob: log-probability at temperature 1.
    drawn: log-probability at the temperature, of the tokens drawn from.
    score: What programs of a search are ranked by; -inf: there is none.
    todo: What the grammar still asks for; None without one.
  """

  position: jax.Array
  cache: Any
  tok_SxBxnxT: jax.Array
  finished: jax.Array
  logprob: jax.Array
  drawn: jax.Array
  score: jax.Array
  todo: Any


@functools.partial(
  compilation.jit,
  static_argnames=('graph', 'method', 'num_programs', 'length'),
)
def decode(
  params_S: Any,
  spec_BxF: jax.Array,
  key: jax.Array,
  temperature: jax.Array | float,
  tables: prefixes.Tables | None = None,
  *,
  graph: nnx.GraphDef,
  method: Method,
  num_programs: int,
  length: int,
) -> tuple[jax.Array, jax.Array]:
  """Programs of every model for each specification.

  Args:
    params_S: Parameters of S models, stacked.
    spec_BxF: Specifications of B tasks.
    key: Random key.
    temperature: Divides the logits of `sample` and `unique`.
    tables: Of a grammar that all programs shall belong to, or None.
    graph: The static half of the models.
    method: How programs are chosen.
    num_programs: Programs a task, n.
    length: Tokens written at most, EOS included: T.

  Returns:
    tok_SxBxnxT (without BOS; PAD after EOS) and logprob_SxBxn, the
    log-probability of each program under its model at temperature 1 (among the
    tokens that the grammar allows). In the order drawn; those of a beam by
    falling probability. Where there are fewer distinct programs than asked for,
    the rest is PAD and -inf.
  """
  models = len(jax.tree.leaves(params_S)[0])
  shape = (models, len(spec_BxF), num_programs)
  # A token is read by all models at once: on an accelerator one product.
  step = jax.vmap(
    lambda params, *args: model_lib.merge(graph, params).step(*args),
    in_axes=(0, 0, 0, None),
  )

  def read(params: Any) -> Any:
    return model_lib.merge(graph, params).prefill(spec_BxF, num_programs)

  one = model_lib.merge(graph, jax.tree.map(lambda x: x[0], params_S))
  rows_axis = 1 + one.cache_axis  # after that of the models

  def write(state: _State) -> _State:
    position = state.position
    previous = jnp.where(
      position == 0, tokens.BOS, state.tok_SxBxnxT[..., position - 1]
    )
    logits, cache = step(
      params_S, state.cache, previous.reshape(models, -1), position
    )
    logits = logits.reshape(*shape, -1)
    if tables is None:
      allowed = jnp.arange(logits.shape[-1]) >= tokens.EOS  # not PAD, not BOS
    else:
      # One token of the length is EOS.
      room = length - 1 - position
      allowed = constraint.allowed(tables, state.todo, room)
    logits = jnp.where(allowed, logits, -jnp.inf)
    noise = jax.random.gumbel(jax.random.fold_in(key, position), logits.shape)
    logprob_xV = jax.nn.log_softmax(logits)
    state = state._replace(cache=cache)
    if method.name == SAMPLE:
      kept = _kept(logits, temperature, method)
      tok = jnp.argmax(kept + temperature * noise, axis=-1)
      tok = jnp.where(state.finished, tokens.PAD, tok)
    else:
      drawn_xV = logprob_xV
      if method.name == UNIQUE:
        kept = _kept(logits, temperature, method)
        drawn_xV = jax.nn.log_softmax(kept / jnp.maximum(temperature, _COLDEST))
      score, parent, tok = _best(state, drawn_xV, noise, method)
      state = _of_parents(state, parent, rows_axis)
      logprob_xV = _pick(logprob_xV, parent)
      drawn = _of(tok, _pick(drawn_xV, parent), state.finished)
      state = state._replace(score=score, drawn=state.drawn + drawn)
    logprob = state.logprob + _of(tok, logprob_xV, state.finished)
    todo = state.todo
    if tables is not None:
      todo = constraint.write(tables, todo, tok)
    return state._replace(
      position=position + 1,
      tok_SxBxnxT=state.tok_SxBxnxT.at[..., position].set(tok),
      finished=state.finished | (tok == tokens.EOS) | (tok == tokens.PAD),
      logprob=logprob,
      todo=todo,
    )

  # A search begins with one empty program a task.
  first = (method.name == SAMPLE) | (jnp.arange(num_programs) == 0)
  score = jnp.broadcast_to(jnp.where(first, 0.0, -jnp.inf), shape)
  start = _State(
    jnp.zeros((), jnp.int32),
    jax.vmap(read)(params_S),
    jnp.full((*shape, length), tokens.PAD),
    score == -jnp.inf,
    jnp.zeros(shape),
    jnp.zeros(shape),
    score,
    None if tables is None else constraint.begin(tables, shape, length),
  )
  state = jax.lax.while_loop(
    lambda state: (state.position < length) & ~jnp.all(state.finished),
    write,
    start,
  )
  there = state.score > -jnp.inf
  return (
    jnp.where(there[..., None], state.tok_SxBxnxT, tokens.PAD),
    jnp.where(there, state.logprob, -jnp.inf),
  )


def _of(tok: jax.Array, value_xV: jax.Array, finished: jax.Array) -> jax.Array:
  """The value of each token; 0 where nothing more is written."""
  picked = jnp.take_along_axis(value_xV, tok[..., None], axis=-1)[..., 0]
  return jnp.where(finished, 0.0, picked)


def _kept(
  logits_xV: jax.Array, temperature: jax.Array | float, method: Method
) -> jax.Array:
  """Logits, -inf where top_k or top_p leave a token out.

  Of equally probable tokens the first are kept.
  """
  size = logits_xV.shape[-1]
  if not method.top_k and method.top_p == 1:
    return logits_xV
  order_xV = jnp.argsort(logits_xV, axis=-1, descending=True)
  falling_xV = jnp.take_along_axis(logits_xV, order_xV, axis=-1)
  kept_V = jnp.arange(size) < (method.top_k or size)
  probability_xV = jax.nn.softmax(
    jnp.where(kept_V, falling_xV, -jnp.inf) / jnp.maximum(temperature, _COLDEST)
  )
  before_xV = jnp.cumsum(probability_xV, axis=-1) - probability_xV
  kept_xV = kept_V & (before_xV < method.top_p)
  rank_xV = jnp.argsort(order_xV, axis=-1)
  kept_xV = jnp.take_along_axis(kept_xV, rank_xV, axis=-1)
  return jnp.where(kept_xV, logits_xV, -jnp.inf)


def _best(
  state: _State, drawn_xV: jax.Array, noise_xV: jax.Array, method: Method
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """The n best continuations: score, parent and token of each, S x B x n."""
  score_xV = state.drawn[..., None] + drawn_xV
  if method.name == UNIQUE:
    score_xV = _conditioned(score_xV + noise_xV, state.score[..., None])
  # A finished program goes on as it is.
  num_tokens = drawn_xV.shape[-1]
  stays_V = jnp.arange(num_tokens) == tokens.PAD
  stays_xV = jnp.where(stays_V, state.score[..., None], -jnp.inf)
  score_xV = jnp.where(state.finished[..., None], stays_xV, score_xV)
  *leading, n, _ = score_xV.shape
  score, place = jax.lax.top_k(score_xV.reshape(*leading, -1), n)
  parent, tok = place // num_tokens, place % num_tokens
  return score, parent, jnp.where(score == -jnp.inf, tokens.PAD, tok)


def _conditioned(gumbel_xV: jax.Array, top: jax.Array) -> jax.Array:
  """Gumbel variables given that their largest is `top`.

  Kool et al. 2019, appendix B.3; -inf stays so.
  """
  largest = jnp.max(gumbel_xV, axis=-1, keepdims=True)
  gap_xV = gumbel_xV - largest  # at most 0
  v_xV = top - gumbel_xV + jnp.log(-jnp.expm1(gap_xV))
  return top - jnp.maximum(v_xV, 0) - jnp.log1p(jnp.exp(-jnp.abs(v_xV)))


def _of_parents(state: _State, parent: jax.Array, rows_axis: int) -> _State:
  """The state of the parents; the cache has its rows on `rows_axis`."""

  def of_cache(x: jax.Array) -> jax.Array:
    x = jnp.moveaxis(x, rows_axis, 1)
    rows = x.reshape(*parent.shape, *x.shape[2:])
    x = _pick(rows, parent).reshape(x.shape)
    return jnp.moveaxis(x, 1, rows_axis)

  position, cache, *rest = state
  return _State(
    position,
    jax.tree.map(of_cache, cache),
    *jax.tree.map(lambda x: _pick(x, parent), rest),
  )


# Rows of an array with leading axes S x B x n.
_pick = jax.vmap(jax.vmap(lambda x_n, parent_n: x_n[parent_n]))
