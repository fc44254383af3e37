"""The batched interpreter: any token rows, one fixed shape, one compilation.

Rows are programs in prefix order as `synth.language.tokens` writes them, but
any integers are accepted: a model's output need not be a program. A row is
well-formed iff its symbols up to the first EOS or PAD are exactly one complete
program and only PAD follows. Everything is computed for every row; `ok` says
what counts.

Plan: single static assignment. One scan from the last position to the first
finds, for each position, where its subtree ends, so a position's arguments are
known positions whose values are gathered from a buffer. No stack, no scatter.
"""

from collections.abc import Mapping
import fractions
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from synth.language import arithmetic
from synth.language import constants
from synth.language import tokens

# A prime whose residues multiply within 32 bits: no 64-bit types are needed,
# so exact identity runs on every accelerator.
PRIME = 65521
FLOAT = 'float'
MODULAR = 'modular'


def number_system(name: str) -> arithmetic.NumberSystem:
  """The number system `FLOAT` or `MODULAR` on the device."""
  if name == FLOAT:
    return arithmetic.Real(jnp, jnp.float32)
  return arithmetic.Modular(jnp, PRIME, jnp.uint32)


def run(
  tok_PxL: jax.Array | np.ndarray,
  inputs: Mapping[str, jax.Array | np.ndarray],
  vocabulary: tokens.Vocabulary,
  system: str,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Executes P rows at E points.

  Args:
    tok_PxL: Integer rows, without BOS.
    inputs: Variable -> its values at the points, shape E: float32 numbers or
      uint32 residues modulo `PRIME`.
    vocabulary: What the tokens mean.
    system: `FLOAT` or `MODULAR`.

  Returns:
    value_PxE, ok_PxE and parsed_P. `ok` is False where the program is
    undefined or the row is no program; `value` is then unspecified.
  """
  return _run(
    jnp.asarray(tok_PxL, jnp.int32),
    {name: jnp.asarray(value) for name, value in inputs.items()},
    symbols=vocabulary.symbols,
    system=system,
  )


@functools.partial(jax.jit, static_argnames=('symbols', 'system'))
def _run(
  tok_PxL: jax.Array,
  inputs: dict[str, jax.Array],
  *,
  symbols: tuple[str, ...],
  system: str,
) -> tuple[jax.Array, jax.Array, jax.Array]:
  vocabulary = tokens.Vocabulary(symbols)
  arity_PxL, parsed_P = _arities(tok_PxL, vocabulary)
  numbers = number_system(system)
  leaf_VxE = _leaves(inputs, vocabulary, numbers)
  rows, length = tok_PxL.shape
  max_arity = max(int(vocabulary.arity_V.max()), 1)
  broken = length + 1  # the end of a subtree that is incomplete
  value_PxLxE = jnp.zeros((rows, length, leaf_VxE.shape[1]), leaf_VxE.dtype)
  ok_PxLxE = jnp.zeros(value_PxLxE.shape, bool)
  end_PxL = jnp.full((rows, length + 2), broken)

  def step(carry: tuple[Any, ...], position: jax.Array) -> tuple[Any, None]:
    value_PxLxE, ok_PxLxE, end_PxL = carry
    token_P, arity_P = tok_PxL[:, position], arity_PxL[:, position]
    # Where the first, second, ... argument starts and where the last ends.
    bounds = [jnp.full((rows,), position + 1)]
    for _ in range(max_arity):
      bounds.append(_pick(end_PxL, bounds[-1]))
    end_P = jnp.stack(bounds, axis=1)[jnp.arange(rows), jnp.maximum(arity_P, 0)]
    end_P = jnp.where(arity_P >= 0, end_P, broken)
    args = [
      (_pick(value_PxLxE, start_P), _pick(ok_PxLxE, start_P))
      for start_P in (jnp.minimum(b, length - 1) for b in bounds[:-1])
    ]
    value_PxE = _pick_row(leaf_VxE, token_P)
    ok_PxE = jnp.ones(value_PxE.shape, bool)
    for token, symbol in enumerate(symbols):
      arity = int(vocabulary.arity_V[token])
      if arity > 0:
        is_PxE = (token_P == token)[:, None]
        number_PxE, defined_PxE = numbers.apply(symbol, *args[:arity])
        value_PxE = jnp.where(is_PxE, number_PxE, value_PxE)
        ok_PxE = jnp.where(is_PxE, defined_PxE, ok_PxE)
    return (
      value_PxLxE.at[:, position].set(value_PxE),
      ok_PxLxE.at[:, position].set(ok_PxE),
      end_PxL.at[:, position].set(end_P),
    ), None

  (value_PxLxE, ok_PxLxE, end_PxL), _ = jax.lax.scan(
    step, (value_PxLxE, ok_PxLxE, end_PxL), jnp.arange(length - 1, -1, -1)
  )
  parsed_P &= end_PxL[:, 0] == jnp.sum(arity_PxL >= 0, axis=1)
  ok_PxE = ok_PxLxE[:, 0] & parsed_P[:, None]
  return value_PxLxE[:, 0], ok_PxE, parsed_P


def _arities(
  tok_PxL: jax.Array, vocabulary: tokens.Vocabulary
) -> tuple[jax.Array, jax.Array]:
  """The arity at each position, -1 from EOS or PAD on, and row sanity."""
  known_PxL = (tok_PxL >= 0) & (tok_PxL < len(vocabulary))
  token_PxL = jnp.where(known_PxL, tok_PxL, tokens.BOS)
  stop_PxL = (token_PxL == tokens.PAD) | (token_PxL == tokens.EOS)
  stopped_PxL = jnp.cumsum(stop_PxL, axis=1)
  arity_PxL = jnp.asarray(vocabulary.arity_V)[token_PxL]
  arity_PxL = jnp.where(stopped_PxL > 0, -1, arity_PxL)
  # BOS or an unknown token before the end, anything but PAD after it.
  stray_PxL = (stopped_PxL == 0) & (arity_PxL < 0)
  tail_PxL = (stopped_PxL > 0) & (token_PxL != tokens.PAD)
  first_PxL = stop_PxL & (stopped_PxL == 1)
  sane_P = ~jnp.any(stray_PxL | (tail_PxL & ~first_PxL), axis=1)
  return arity_PxL, sane_P & (arity_PxL[:, 0] >= 0)


def _leaves(
  inputs: Mapping[str, jax.Array],
  vocabulary: tokens.Vocabulary,
  numbers: arithmetic.NumberSystem,
) -> jax.Array:
  """The value of each token as a leaf: leaf_VxE (zero for non-leaves)."""
  points = max((len(value) for value in inputs.values()), default=1)
  zero = numbers.constant(fractions.Fraction(0))
  rows = []
  for token, symbol in enumerate(vocabulary.symbols):
    value = zero
    if vocabulary.arity_V[token] == 0:
      constant = constants.value(symbol)
      value = inputs[symbol] if constant is None else numbers.constant(constant)
    rows.append(jnp.broadcast_to(value, (points,)).astype(zero.dtype))
  return jnp.stack(rows)


def _pick(array_PxLx: jax.Array, index_P: jax.Array) -> jax.Array:
  """array[p, index[p]] for each row p."""
  return array_PxLx[jnp.arange(len(index_P)), index_P]


def _pick_row(table_VxE: jax.Array, token_P: jax.Array) -> jax.Array:
  """table[token[p]]; unknown tokens give some row, masked by the caller."""
  return table_VxE[jnp.clip(token_P, 0, len(table_VxE) - 1)]
