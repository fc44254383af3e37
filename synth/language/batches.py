"""The interpreter's plan for generated batches: static single assignment.

Everything happens on the device, in one shape, whatever the rows hold. A row
has at most K operators. Step k computes for every row its k-th operator from
the right: its arguments are leaves or results of earlier steps, whose places
are known beforehand, so each step gathers them, computes all operators of the
vocabulary and selects. No stack, no scatter, no compilation but the first.

Letters: P programs, R of a group, L tokens, A arguments; N values of the
buffer, V of them leaves; E points, D of a pass.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from synth.language import arithmetic
from synth.language import tokens

# Numbers a step computes: what the cache of a CPU core holds, or enough to
# occupy a device; and points a pass.
_SIZES = {'cpu': (1 << 14, 256)}
_DEVICE_SIZES = (1 << 26, 4096)


@functools.partial(jax.jit, static_argnames=('symbols', 'numbers'))
def run(
  tok_PxL: jax.Array,
  leaf_VxE: jax.Array,
  *,
  symbols: tuple[str, ...],
  numbers: arithmetic.NumberSystem,
) -> tuple[jax.Array, jax.Array]:
  """value_PxE and parsed_P; see `interpreter.run`."""
  vocabulary = tokens.Vocabulary(symbols)
  programs, points = len(tok_PxL), leaf_VxE.shape[1]
  size, width = _SIZES.get(jax.default_backend(), _DEVICE_SIZES)
  width = min(width, points)
  rows = min(max(size // width, 1), programs)
  slots = len(vocabulary) + rows * _steps(tok_PxL.shape[1], vocabulary)

  def group(g: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[Any, ...]:
    node_NxD, value_PxE, parsed_P = carry
    # The last group overlaps the one before, so that nothing is padded.
    row = jnp.minimum(g * rows, programs - rows)
    tok_RxL = jax.lax.dynamic_slice_in_dim(tok_PxL, row, rows)
    plan, parsed_R = _plan(tok_RxL, vocabulary)

    def one_pass(d: jax.Array, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
      node_NxD, value_PxE = arrays
      column = jnp.minimum(d * width, points - width)
      leaf_VxD = jax.lax.dynamic_slice_in_dim(leaf_VxE, column, width, axis=1)
      node_NxD = jax.lax.dynamic_update_slice(node_NxD, leaf_VxD, (0, 0))
      node_NxD, value_RxD = _execute(*plan, node_NxD, symbols, numbers)
      place = row, column
      return node_NxD, jax.lax.dynamic_update_slice(value_PxE, value_RxD, place)

    node_NxD, value_PxE = jax.lax.fori_loop(
      0, -(-points // width), one_pass, (node_NxD, value_PxE)
    )
    parsed_P = jax.lax.dynamic_update_slice(parsed_P, parsed_R, (row,))
    return node_NxD, value_PxE, parsed_P

  _, value_PxE, parsed_P = jax.lax.fori_loop(
    0,
    -(-programs // rows),
    group,
    (
      jax.lax.empty((slots, width), leaf_VxE.dtype),
      jax.lax.empty((programs, points), leaf_VxE.dtype),
      jax.lax.empty((programs,), bool),
    ),
  )
  return value_PxE, parsed_P


def _steps(length: int, vocabulary: tokens.Vocabulary) -> int:
  """The largest number of operators in a row that is a program."""
  arities = vocabulary.arity_V[vocabulary.arity_V > 0]
  return (length - 1) // int(arities.min()) if len(arities) else 0


def _plan(
  tok_RxL: jax.Array, vocabulary: tokens.Vocabulary
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], jax.Array]:
  """What each step computes, where from, and which rows are programs.

  Values live in a buffer: the V leaves, then R results of each step.

  Returns:
    (token_KxR, arg_KxAxR, root_R) and parsed_R; `arg` and `root` are places in
    the buffer; the root of what is no program is the leaf PAD.
  """
  rows, length = tok_RxL.shape
  steps = _steps(length, vocabulary)
  max_arity = vocabulary.max_arity
  arity_RxL, missing_RxL, parsed_R = _parse(tok_RxL, vocabulary)
  # Operators are numbered from the right, so that arguments come first.
  internal_RxL = arity_RxL > 0
  number_RxL = jnp.cumsum(internal_RxL[:, ::-1], axis=1)[:, ::-1] - 1
  row_R = jnp.arange(rows)
  place_RxL = jnp.where(
    internal_RxL,
    len(vocabulary) + number_RxL * rows + row_R[:, None],
    tok_RxL,
  )
  position_L = jnp.arange(length)
  # Position of the k-th operator; -1, and so a leaf's, where there are fewer.
  is_RxKxL = internal_RxL[:, None] & (
    number_RxL[:, None] == jnp.arange(steps)[:, None]
  )
  position_RxK = jnp.max(jnp.where(is_RxKxL, position_L, 0), axis=2, initial=0)
  at = functools.partial(jnp.take_along_axis, indices=position_RxK, axis=1)
  args = []
  for argument in range(max_arity):
    # It starts where only it and those after it are missing.
    missing_RxK = at(missing_RxL) + at(arity_RxL) - 1 - argument
    start_RxKxL = (missing_RxL[:, None] == missing_RxK[..., None]) & (
      position_L > position_RxK[..., None]
    )
    start_RxK = jnp.min(
      jnp.where(start_RxKxL, position_L, length - 1), axis=2, initial=length - 1
    )
    place_RxK = jnp.take_along_axis(place_RxL, start_RxK, axis=1)
    used_RxK = (at(arity_RxL) > argument) & parsed_R[:, None]
    args.append(jnp.where(used_RxK, place_RxK, 0))
  arg_KxAxR = jnp.stack(args).transpose(2, 0, 1)
  root_R = jnp.where(parsed_R, place_RxL[:, 0], tokens.PAD)
  return (at(tok_RxL).T, arg_KxAxR, root_R), parsed_R


def _parse(
  tok_RxL: jax.Array, vocabulary: tokens.Vocabulary
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """arity_RxL (0 after the end), missing_RxL and parsed_R.

  `missing` is how many arguments, with the one that starts there, are missing
  before each position.
  """
  stop_RxL = (tok_RxL == tokens.PAD) | (tok_RxL == tokens.EOS)
  stops_RxL = jnp.cumsum(stop_RxL, axis=1)
  arity_RxL = jnp.asarray(vocabulary.arity_V)[tok_RxL]
  change_RxL = jnp.where(stops_RxL > 0, 0, arity_RxL - 1)
  after_RxL = 1 + jnp.cumsum(change_RxL, axis=1)
  missing_RxL = after_RxL - change_RxL
  # EOS or PAD, then PAD alone; before that no BOS, and nothing that no operator
  # wants as its argument.
  tail_RxL = (tok_RxL == tokens.PAD) | (stop_RxL & (stops_RxL == 1))
  head_RxL = (arity_RxL >= 0) & (missing_RxL > 0)
  fine_RxL = jnp.where(stops_RxL > 0, tail_RxL, head_RxL)
  parsed_R = jnp.all(fine_RxL, axis=1) & (after_RxL[:, -1] == 0)
  arity_RxL = jnp.where(stops_RxL > 0, 0, arity_RxL)
  return arity_RxL, missing_RxL, parsed_R


def _execute(
  token_KxR: jax.Array,
  arg_KxAxR: jax.Array,
  root_R: jax.Array,
  node_NxD: jax.Array,
  symbols: tuple[str, ...],
  numbers: arithmetic.NumberSystem,
) -> tuple[jax.Array, jax.Array]:
  """The buffer, its leaves given, after all steps; packed value_RxD."""
  arity_V = tokens.Vocabulary(symbols).arity_V
  steps, rows = token_KxR.shape

  def step(k: int, node_NxD: jax.Array) -> jax.Array:
    args = [
      node_NxD.at[place_R].get(mode='promise_in_bounds')
      for place_R in arg_KxAxR[k]
    ]
    value_RxD = jnp.zeros((rows, node_NxD.shape[1]), node_NxD.dtype)
    for token, symbol in enumerate(symbols):
      if arity_V[token] > 0:
        applied = numbers.combine(symbol, *args[: arity_V[token]])
        value_RxD = jnp.where(
          (token_KxR[k] == token)[:, None], applied, value_RxD
        )
    start = len(symbols) + k * rows
    return jax.lax.dynamic_update_slice_in_dim(
      node_NxD, numbers.settle(value_RxD), start, 0
    )

  if steps:
    node_NxD = jax.lax.fori_loop(0, steps, step, node_NxD)
  return node_NxD, node_NxD.at[root_R].get(mode='promise_in_bounds')
