"""The model: a decoder transformer that reads outputs and writes a program.

A program's outputs (`synth.spaces.specification`) pass through an MLP and enter
the decoder as one projected prefix token; the program follows, BOS first. The
decoder is pre-norm (RMSNorm, ReLU, learned positions, no biases in attention).

Letters: S models (seeds), B batch, T positions of tokens, P = T + 1 positions
with the prefix, F specification features, V vocabulary, D width, H heads,
K head width, M = keys. Config letters are those of `Config`.
"""

import dataclasses
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp

from synth import errors

PREFIX = 1  # tokens that the specification becomes

Cache = list[tuple[jax.Array, jax.Array]]


@dataclasses.dataclass(frozen=True)
class Config:
  """Shape of a model.

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

  def __post_init__(self) -> None:
    if self.D % self.H:
      raise errors.InputError(
        f'model.D={self.D} is not divisible by model.H={self.H}'
      )


class Encoder(nnx.Module):
  """Residual MLP on the specification: spec_BxF -> prefix_BxD."""

  def __init__(self, config: Config, rngs: nnx.Rngs):
    self.embed = nnx.Linear(config.features, config.W, rngs=rngs)
    self.norms = nnx.List(
      [nnx.RMSNorm(config.W, rngs=rngs) for _ in range(config.M)]
    )
    self.layers = nnx.List(
      [nnx.Linear(config.W, config.W, rngs=rngs) for _ in range(config.M)]
    )
    self.norm = nnx.RMSNorm(config.W, rngs=rngs)
    self.out = nnx.Linear(config.W, config.D, rngs=rngs)

  def __call__(self, spec_BxF: jax.Array) -> jax.Array:
    x_BxW = self.embed(spec_BxF)
    for norm, layer in zip(self.norms, self.layers, strict=True):
      x_BxW = x_BxW + layer(jax.nn.relu(norm(x_BxW)))
    return self.out(jax.nn.relu(self.norm(x_BxW)))


class Block(nnx.Module):
  """Attention and MLP, each on the normalized residual stream."""

  def __init__(self, config: Config, rngs: nnx.Rngs):
    self.heads = config.H
    self.attention_norm = nnx.RMSNorm(config.D, rngs=rngs)
    self.qkv = nnx.Linear(config.D, 3 * config.D, use_bias=False, rngs=rngs)
    self.out = nnx.Linear(config.D, config.D, use_bias=False, rngs=rngs)
    self.mlp_norm = nnx.RMSNorm(config.D, rngs=rngs)
    self.up = nnx.Linear(config.D, config.F, rngs=rngs)
    self.down = nnx.Linear(config.F, config.D, rngs=rngs)

  def __call__(
    self,
    x_BxTxD: jax.Array,
    cache: tuple[jax.Array, jax.Array] | None = None,
    start: jax.Array | int = 0,
  ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """One layer.

    Args:
      x_BxTxD: Residual stream of T new positions.
      cache: Keys and values BxMxHxK of all positions; the new ones are written
        into it. None: the new positions are all there are.
      start: Position of the first new one within the cache.

    Returns:
      The residual stream after the layer, and the keys and values.
    """
    batch, new, width = x_BxTxD.shape
    # Matrix products on flat rows: faster on CPU, the same elsewhere.
    h = self.qkv(self.attention_norm(x_BxTxD).reshape(-1, width))
    qkv = h.reshape(batch, new, 3, self.heads, width // self.heads)
    q_BxTxHxK, k_BxMxHxK, v_BxMxHxK = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
    if cache is not None:
      k_BxMxHxK, v_BxMxHxK = (
        jax.lax.dynamic_update_slice_in_dim(old, fresh, start, axis=1)
        for old, fresh in zip(cache, (k_BxMxHxK, v_BxMxHxK), strict=True)
      )
    query_T = start + jnp.arange(new)
    mask_TxM = jnp.arange(k_BxMxHxK.shape[1])[None, :] <= query_T[:, None]
    y = jax.nn.dot_product_attention(
      q_BxTxHxK, k_BxMxHxK, v_BxMxHxK, mask=mask_TxM[None, None]
    )
    x = x_BxTxD.reshape(-1, width) + self.out(y.reshape(-1, width))
    x = x + self.down(jax.nn.relu(self.up(self.mlp_norm(x))))
    return x.reshape(batch, new, width), (k_BxMxHxK, v_BxMxHxK)


class Model(nnx.Module):
  """The whole model."""

  def __init__(self, config: Config, rngs: nnx.Rngs):
    self.config = config
    self.encoder = Encoder(config, rngs)
    normal = nnx.initializers.normal(0.5)
    self.embed = nnx.Param(normal(rngs(), (config.vocabulary, config.D)))
    self.position = nnx.Param(
      nnx.initializers.normal(0.3)(rngs(), (PREFIX + config.length, config.D))
    )
    self.blocks = nnx.List([Block(config, rngs) for _ in range(config.N)])
    self.norm = nnx.RMSNorm(config.D, rngs=rngs)
    self.head = nnx.Linear(config.D, config.vocabulary, rngs=rngs)

  def __call__(self, spec_BxF: jax.Array, tok_BxT: jax.Array) -> jax.Array:
    """Logits of the token after each position: logits_BxTxV."""
    x_BxPxD = jnp.concatenate(
      [self._prefix(spec_BxF), self._embed(tok_BxT, PREFIX)], axis=1
    )
    for block in self.blocks:
      x_BxPxD, _ = block(x_BxPxD)
    return self._logits(x_BxPxD[:, PREFIX:])

  def prefill(self, spec_BxF: jax.Array) -> Cache:
    """Runs the prefix alone; the cache has room for all positions."""
    x_BxTxD = self._prefix(spec_BxF)
    config = self.config
    shape = (
      len(spec_BxF),
      PREFIX + config.length,
      config.H,
      config.D // config.H,
    )
    empty = jnp.zeros(shape, x_BxTxD.dtype)
    cache = []
    for block in self.blocks:
      x_BxTxD, kv = block(x_BxTxD, (empty, empty), 0)
      cache.append(kv)
    return cache

  def step(
    self, cache: Cache, tok_B: jax.Array, position: jax.Array
  ) -> tuple[jax.Array, Cache]:
    """Logits after one more token, which stands at `position` (BOS: 0)."""
    start = PREFIX + position
    x_BxTxD = self._embed(tok_B[:, None], start)
    new = []
    for block, kv in zip(self.blocks, cache, strict=True):
      x_BxTxD, kv = block(x_BxTxD, kv, start)
      new.append(kv)
    return self._logits(x_BxTxD)[:, 0], new

  def _prefix(self, spec_BxF: jax.Array) -> jax.Array:
    return self.encoder(spec_BxF)[:, None] + self.position[:PREFIX]

  def _embed(self, tok_BxT: jax.Array, start: jax.Array | int) -> jax.Array:
    # One-hot product: its gradient is a product too, not a scatter.
    one_hot = jax.nn.one_hot(tok_BxT.reshape(-1), self.config.vocabulary)
    x = (one_hot @ self.embed[...]).reshape(*tok_BxT.shape, -1)
    return x + jax.lax.dynamic_slice_in_dim(
      self.position[...], start, tok_BxT.shape[1]
    )

  def _logits(self, x_BxTxD: jax.Array) -> jax.Array:
    x = self.norm(x_BxTxD).reshape(-1, self.config.D)
    logits = self.head(x).astype(jnp.float32)
    return logits.reshape(*x_BxTxD.shape[:2], self.config.vocabulary)


def split(config: Config) -> nnx.GraphDef:
  """The static half of a model, the same for all parameters."""
  model = nnx.eval_shape(lambda: Model(config, nnx.Rngs(0)))
  return nnx.split(model)[0]


def init(config: Config, key: jax.Array) -> Any:
  """Fresh parameters as nested dicts of arrays."""
  return nnx.to_pure_dict(nnx.state(Model(config, nnx.Rngs(key))))


def merge(graph: nnx.GraphDef, params: Any) -> Model:
  """The model with the given parameters."""
  return nnx.merge(graph, nnx.State(params))


def count_by_group(params: Any) -> dict[str, int]:
  """Numbers of parameters by top-level part; they sum to the total."""
  return {
    name: sum(leaf.size for leaf in jax.tree.leaves(part))
    for name, part in params.items()
  }
