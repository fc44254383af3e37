"""Keeping programs to a grammar while thousands of them are written.

The device's half of `synth.language.prefixes`: one stack of cells a program.
Letters: ... any leading axes, T positions, C, B, V, A as in `prefixes.Tables`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from synth.language import prefixes


class State(NamedTuple):
  """What programs still need.

  Attributes:
    top: The cell on top of each stack.
    stack_xT: The cells below it, the lowest first.
    height: How many these are.
    need: Fewest nodes that finish the program.
  """

  top: jax.Array
  stack_xT: jax.Array
  height: jax.Array
  need: jax.Array


def begin(
  tables: prefixes.Tables, shape: tuple[int, ...], length: int
) -> State:
  """The state before the first token.

  Args:
    tables: Of the grammar.
    shape: Leading axes of the state: that of the programs.
    length: Tokens that may be written, EOS included, T.
  """
  stack_xT = jnp.full((*shape, length), prefixes.NOTHING)
  return State(
    jnp.full(shape, tables.start),
    stack_xT.at[..., 0].set(tables.bottom),
    jnp.ones(shape, jnp.int32),
    jnp.full(shape, tables.least),
  )


def allowed(
  tables: prefixes.Tables, state: State, room: jax.Array | int
) -> jax.Array:
  """Which tokens may come next: bool_xV.

  Args:
    tables: Of the grammar.
    state: What programs still need.
    room: Nodes that may still be written.
  """
  extra_xV = jnp.asarray(tables.extra_CxV)[state.top]
  return state.need[..., None] + extra_xV <= room


def write(tables: prefixes.Tables, state: State, tok: jax.Array) -> State:
  """The state after one more token of each program.

  Args:
    tables: Of the grammar.
    state: Before the token.
    tok: The tokens, shaped like the programs. One that cannot come leaves its
      program's state as it is.
  """
  place = state.top, tok
  extra = jnp.asarray(tables.extra_CxV)[place]
  stack_xT, height = state.stack_xT, state.height
  # A token without arguments exposes the cell below.
  below = jnp.take_along_axis(stack_xT, height[..., None] - 1, axis=-1)[..., 0]
  links = jnp.asarray(tables.links_CxV)[place]
  pops = links != prefixes.NOTHING
  top = jnp.where(
    pops,
    jnp.asarray(tables.exposed_BxI)[below, links],
    jnp.asarray(tables.top_CxV)[place],
  )
  height = height - pops
  slot_T = jnp.arange(stack_xT.shape[-1])
  below_xA = jnp.asarray(tables.below_CxVxA)[place]
  for a in range(below_xA.shape[-1]):
    pushes = below_xA[..., a] != prefixes.NOTHING
    here_xT = pushes[..., None] & (slot_T == height[..., None])
    stack_xT = jnp.where(here_xT, below_xA[..., a, None], stack_xT)
    height = height + pushes
  after = State(top, stack_xT, height, state.need + extra - 1)
  can = extra < prefixes.NEVER
  return jax.tree.map(
    lambda new, old: jnp.where(
      can.reshape(can.shape + (1,) * (new.ndim - can.ndim)), new, old
    ),
    after,
    state,
  )
