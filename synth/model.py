"""The model: a decoder transformer that reads outputs and writes a program.

A program's outputs (`synth.spaces.specification`) pass through an MLP and enter
the decoder as projected prefix tokens, one or as many as there are grid points;
the program follows, BOS first. The decoder is causal and pre-norm (RMSNorm, no
biases in attention). `Config` says which positions, MLP and head it has, and
how it is computed.

Letters: S models (seeds), B batch, R tokens of the prefix, T positions of
tokens, P = R + T positions in all, F specification features, V vocabulary, D
width, H heads, K head width, M = keys. Config letters are those of `Config`.
"""

from collections.abc import Callable
import dataclasses
import functools
import re
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp

from synth import attention
from synth import errors
from synth import settings

POSITIONS = ('learned', 'rope')
MLPS: dict[str, Callable[[jax.Array], jax.Array]] = {
  'relu': jax.nn.relu,
  'gelu': jax.nn.gelu,
  'swiglu': jax.nn.silu,  # of the gate: Shazeer 2020 (arXiv 2002.05202)
}
DTYPES = {'float32': jnp.float32, 'bfloat16': jnp.bfloat16}

# Group of parameters -> pattern of their paths; the first that matches.
GROUPS = {
  'encoder': r'^encoder/',  # with its norms
  'embedding': r'^(embed|position)$',
  'attention': r'/(qkv|out)/',
  'mlp': r'/(up|gate|down)/',
  'norms': r'norm/scale$',
  'head': r'^head/',
}

# Keys and values BxHxMxK of each layer, or of all layers, stacked.
Cache = list[tuple[jax.Array, jax.Array]] | tuple[jax.Array, jax.Array]


@dataclasses.dataclass(frozen=True)
class Mup:
  """Maximal update parametrization: what the learning rate was tuned on.

  Yang et al. 2022 (arXiv 2203.03466), table 3. All widths of the model (F, W)
  are taken to grow in proportion to D.

  Attributes:
    base_width: D of the model that the learning rate was tuned on.
    base_head_width: K of that model.
  """

  base_width: int
  base_head_width: int


@dataclasses.dataclass(frozen=True)
class Config:
  """Shape of a model and how it is computed.

  Attributes:
    D: Width of the decoder.
    H: Heads.
    N: Layers of the decoder.
    F: Hidden width of the decoder's MLPs.
    W: Width of the specification's encoder.
    M: Residual layers of the encoder.
    features: Specification features.
    vocabulary: Token ids.
    length: Positions of tokens, T.
    prefix: Tokens that the specification becomes, R; each is made from
      features / R of the features, by the same weights.
    positions: One of `POSITIONS`.
    mlp: One of `MLPS`; `swiglu` has a third matrix of D x F.
    tied: Whether the head is the transposed embedding.
    dtype: One of `DTYPES`, of activations; parameters and logits are float32.
    remat: Whether the backward pass computes each layer anew, for memory.
    scan: Whether the layers are one loop over stacked parameters, for the time
      to compile.
    mup: Of the initialization, attention and head; None: standard.
  """

  D: int
  H: int
  N: int
  F: int
  W: int
  M: int
  features: int
  vocabulary: int
  length: int
  prefix: int = 1
  positions: str = 'learned'
  mlp: str = 'relu'
  tied: bool = False
  dtype: str = 'float32'
  remat: bool = False
  scan: bool = False
  mup: Mup | None = None

  def __post_init__(self) -> None:
    if self.D % self.H:
      raise errors.InputError(
        f'model.D={self.D} is not divisible by model.H={self.H}'
      )
    for key, table in (
      ('positions', dict.fromkeys(POSITIONS)),
      ('mlp', MLPS),
      ('dtype', DTYPES),
    ):
      settings.choose(getattr(self, key), table, f'model.{key}')
    if self.positions == 'rope' and self.head_width % 2:
      raise errors.InputError(
        f'model.positions={self.positions!r} needs an even head width, but '
        f'model.D={self.D} / model.H={self.H} is {self.head_width}'
      )

  @property
  def head_width(self) -> int:
    """Width of a head, K."""
    return self.D // self.H

  @property
  def compute_dtype(self) -> Any:
    """Of activations."""
    return DTYPES[self.dtype]

  @property
  def width_ratio(self) -> float:
    """D over the width that the learning rate was tuned on; 1 without muP."""
    return self.D / self.mup.base_width if self.mup else 1.0

  @property
  def attention_scale(self) -> float:
    """By which products of queries and keys are multiplied.

    With muP it falls like 1 / K, not its root, and is that of the tuned model
    at its head width.
    """
    if self.mup:
      return self.mup.base_head_width**0.5 / self.head_width
    return self.head_width**-0.5


class Encoder(nnx.Module):
  """Residual MLP on each part of the specification: spec_BxF -> BxRxD."""

  def __init__(self, config: Config, rngs: nnx.Rngs):
    make = {'dtype': config.compute_dtype, 'rngs': rngs}
    self.prefix = config.prefix
    self.embed = nnx.Linear(config.features // config.prefix, config.W, **make)
    self.norms = nnx.List(
      [nnx.RMSNorm(config.W, **make) for _ in range(config.M)]
    )
    self.layers = nnx.List(
      [nnx.Linear(config.W, config.W, **make) for _ in range(config.M)]
    )
    self.norm = nnx.RMSNorm(config.W, **make)
    self.out = nnx.Linear(config.W, config.D, **make)

  def __call__(self, spec_BxF: jax.Array) -> jax.Array:
    rows = len(spec_BxF) * self.prefix
    x = self.embed(spec_BxF.reshape(rows, -1))
    for norm, layer in zip(self.norms, self.layers, strict=True):
      x = x + layer(jax.nn.relu(norm(x)))
    x = self.out(jax.nn.relu(self.norm(x)))
    return x.reshape(len(spec_BxF), self.prefix, -1)


class Block(nnx.Module):
  """Attention and MLP, each on the normalized residual stream."""

  def __init__(self, config: Config, rngs: nnx.Rngs):
    self.config = config
    make = {'dtype': config.compute_dtype, 'rngs': rngs}
    width, hidden = config.D, config.F
    self.attention_norm = nnx.RMSNorm(width, **make)
    self.qkv = nnx.Linear(width, 3 * width, use_bias=False, **make)
    self.out = nnx.Linear(width, width, use_bias=False, **make)
    self.mlp_norm = nnx.RMSNorm(width, **make)
    self.up = nnx.Linear(width, hidden, **make)
    self.down = nnx.Linear(hidden, width, **make)
    if config.mlp == 'swiglu':
      self.gate = nnx.Linear(width, hidden, **make)

  def __call__(
    self,
    x_BxTxD: jax.Array,
    cache: tuple[jax.Array, jax.Array] | None = None,
    start: jax.Array | int = 0,
  ) -> tuple[jax.Array, tuple[jax.Array, jax.Array] | None]:
    """One layer.

    Args:
      x_BxTxD: Residual stream of T new positions.
      cache: Keys and values BxHxMxK of all positions; the new ones are written
        into it. None: the new positions are all there are.
      start: Position of the first new one within the cache.

    Returns:
      The residual stream after the layer, and the cache.
    """
    batch, new, width = x_BxTxD.shape
    config = self.config
    # Matrix products on flat rows: faster on CPU, the same elsewhere.
    h = self.qkv(self.attention_norm(x_BxTxD).reshape(-1, width))
    # Heads outermost: where columns are cut, each part has whole heads.
    qkv = h.reshape(batch, new, config.H, 3, config.head_width)
    q_BxTxHxK, k_BxTxHxK, v_BxTxHxK = (qkv[:, :, :, i] for i in range(3))
    if config.positions == 'rope':
      position_T = start + jnp.arange(new)
      q_BxTxHxK = attention.rotate(q_BxTxHxK, position_T)
      k_BxTxHxK = attention.rotate(k_BxTxHxK, position_T)
    if cache is None:
      y = attention.among_themselves(
        q_BxTxHxK, k_BxTxHxK, v_BxTxHxK, config.attention_scale
      )
    else:
      cache = tuple(
        jax.lax.dynamic_update_slice_in_dim(
          old, fresh.swapaxes(1, 2), start, axis=2
        )
        for old, fresh in zip(cache, (k_BxTxHxK, v_BxTxHxK), strict=True)
      )
      y = attention.to_cache(q_BxTxHxK, *cache, start, config.attention_scale)
    x = x_BxTxD.reshape(-1, width) + self.out(y.reshape(-1, width))
    x = x + self._mlp(self.mlp_norm(x))
    return x.reshape(batch, new, width), cache

  def _mlp(self, x: jax.Array) -> jax.Array:
    active = MLPS[self.config.mlp]
    if self.config.mlp == 'swiglu':
      return self.down(active(self.gate(x)) * self.up(x))
    return self.down(active(self.up(x)))


class Model(nnx.Module):
  """The whole model."""

  def __init__(self, config: Config, rngs: nnx.Rngs):
    self.config = config
    self.encoder = Encoder(config, rngs)
    normal = nnx.initializers.normal(0.5)
    self.embed = nnx.Param(normal(rngs(), (config.vocabulary, config.D)))
    if config.positions == 'learned':
      self.position = nnx.Param(
        nnx.initializers.normal(0.3)(
          rngs(), (config.prefix + config.length, config.D)
        )
      )
    blocks = [Block(config, rngs) for _ in range(config.N)]
    self.blocks = _stack(blocks) if config.scan else nnx.List(blocks)
    self.norm = nnx.RMSNorm(config.D, dtype=config.compute_dtype, rngs=rngs)
    if not config.tied:
      self.head = nnx.Linear(
        config.D,
        config.vocabulary,
        # Variance 1 / fan-in; with muP another 1 / width.
        kernel_init=nnx.initializers.variance_scaling(
          1 / config.width_ratio, 'fan_in', 'truncated_normal'
        ),
        rngs=rngs,
      )

  def __call__(self, spec_BxF: jax.Array, tok_BxT: jax.Array) -> jax.Array:
    """Logits of the token after each position: logits_BxTxV."""
    prefix = self.config.prefix
    x_BxPxD = jnp.concatenate(
      [self._prefix(spec_BxF), self._embed(tok_BxT, prefix)], axis=1
    )
    x_BxPxD, _ = self._layers(x_BxPxD)
    return self._logits(x_BxPxD[:, prefix:])

  @property
  def cache_axis(self) -> int:
    """The axis of the rows in the leaves of a cache."""
    return 1 if self.config.scan else 0

  def prefill(self, spec_BxF: jax.Array, copies: int = 1) -> Cache:
    """Runs the prefix alone; the cache has room for all positions.

    Args:
      spec_BxF: Specifications.
      copies: Rows of the cache for each of them, one after the other.
    """
    x_BxTxD = self._prefix(spec_BxF)
    config = self.config
    shape = (
      len(spec_BxF),
      config.H,
      config.prefix + config.length,
      config.head_width,
    )
    empty = jnp.zeros(shape, x_BxTxD.dtype)
    cache: Cache = [(empty, empty)] * config.N
    if config.scan:
      empty = jnp.zeros((config.N, *shape), x_BxTxD.dtype)
      cache = (empty, empty)
    _, cache = self._layers(x_BxTxD, cache, 0)
    return jax.tree.map(
      lambda x: jnp.repeat(x, copies, axis=self.cache_axis), cache
    )

  def step(
    self, cache: Cache, tok_B: jax.Array, position: jax.Array
  ) -> tuple[jax.Array, Cache]:
    """Logits after one more token, which stands at `position` (BOS: 0)."""
    start = self.config.prefix + position
    x_BxTxD = self._embed(tok_B[:, None], start)
    x_BxTxD, cache = self._layers(x_BxTxD, cache, start)
    return self._logits(x_BxTxD)[:, 0], cache

  def _layers(
    self,
    x_BxTxD: jax.Array,
    cache: Cache | None = None,
    start: jax.Array | int = 0,
  ) -> tuple[jax.Array, Any]:
    """All layers, as `Block.__call__` is one."""

    def layer(
      graph: nnx.GraphDef, x: jax.Array, params: Any, cache: Any
    ) -> tuple[jax.Array, Any]:
      return nnx.merge(graph, params)(x, cache, start)

    if self.config.remat and cache is None:
      layer = jax.checkpoint(layer, static_argnums=0)
    if self.config.scan:
      graph, params = nnx.split(self.blocks)
      return jax.lax.scan(
        lambda x, args: layer(graph, x, *args), x_BxTxD, (params, cache)
      )
    new = []
    for i, block in enumerate(self.blocks):
      graph, params = nnx.split(block)
      x_BxTxD, kv = layer(graph, x_BxTxD, params, cache[i] if cache else None)
      new.append(kv)
    return x_BxTxD, new

  def _prefix(self, spec_BxF: jax.Array) -> jax.Array:
    x_BxRxD = self.encoder(spec_BxF)
    if self.config.positions == 'learned':
      x_BxRxD = x_BxRxD + self.position[: self.config.prefix]
    return x_BxRxD.astype(self.config.compute_dtype)

  def _embed(self, tok_BxT: jax.Array, start: jax.Array | int) -> jax.Array:
    # One-hot product: its gradient is a product too, not a scatter.
    dtype = self.config.compute_dtype
    one_hot = jax.nn.one_hot(
      tok_BxT.reshape(-1), self.config.vocabulary, dtype=dtype
    )
    x = (one_hot @ self.embed[...].astype(dtype)).reshape(*tok_BxT.shape, -1)
    if self.config.positions == 'learned':
      x = x + jax.lax.dynamic_slice_in_dim(
        self.position[...], start, tok_BxT.shape[1]
      )
    return x.astype(dtype)

  def _logits(self, x_BxTxD: jax.Array) -> jax.Array:
    config = self.config
    x = self.norm(x_BxTxD).reshape(-1, config.D).astype(jnp.float32)
    if config.tied:
      # Logits of unit scale at any width; with muP they shrink with it.
      scale = (config.D * config.width_ratio) ** -0.5
      logits = x @ self.embed[...].T * scale
    else:
      logits = self.head(x)
    return logits.reshape(*x_BxTxD.shape[:2], config.vocabulary)


def _stack(blocks: list[Block]) -> Block:
  """One block whose every parameter has a leading axis of layers."""
  params = [nnx.state(block) for block in blocks]
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *params)
  return nnx.merge(nnx.graphdef(blocks[0]), stacked)


@functools.cache
def split(config: Config) -> nnx.GraphDef:
  """The static half of a model, the same for all parameters."""
  model = nnx.eval_shape(lambda: Model(config, nnx.Rngs(0)))
  return nnx.split(model)[0]


# Traced once for a config: shapes are asked for before there are parameters.
@functools.partial(jax.jit, static_argnums=0, inline=True)
def init(config: Config, key: jax.Array) -> Any:
  """Fresh parameters as nested dicts of arrays."""
  return nnx.to_pure_dict(nnx.state(Model(config, nnx.Rngs(key))))


def merge(graph: nnx.GraphDef, params: Any) -> Model:
  """The model with the given parameters."""
  return nnx.merge(graph, nnx.State(params))


def count_by_group(config: Config) -> dict[str, int]:
  """Numbers of parameters by `GROUPS`; they sum to the total.

  Nothing is allocated, so any size can be counted anywhere.
  """
  like = jax.eval_shape(lambda: init(config, jax.random.key(0)))
  counts = dict.fromkeys(GROUPS, 0)
  for path, leaf in jax.tree_util.tree_leaves_with_path(like):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    group = next(g for g, pattern in GROUPS.items() if re.search(pattern, name))
    counts[group] += leaf.size
  return counts
