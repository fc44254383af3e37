"""The interpreter's plan for corpora: each distinct subtree is computed once.

Rows are taken in chunks of a fixed number of tokens. The host builds a chunk's
`dag.Dag`; the device fills one buffer of node values, block after block, all
nodes of a block with one operator. Shapes are those of the buffer, whose length
is a power of two, so few are ever compiled.
"""

from collections.abc import Iterator
import functools
import itertools

import jax
import numpy as np

from synth.language import arithmetic
from synth.language import dag as dag_lib
from synth.language import tokens

# Sizes for the caches of a CPU core and for devices with memory of their own:
# tokens a DAG, points a pass, numbers a block.
_SIZES = {'cpu': (1 << 17, 128, 1 << 14)}
_DEVICE_SIZES = (1 << 22, 256, 1 << 22)


def run(
  tok_PxL: np.ndarray,
  leaf_VxE: jax.Array,
  vocabulary: tokens.Vocabulary,
  numbers: arithmetic.NumberSystem,
) -> tuple[jax.Array, np.ndarray]:
  """Packed value_PxE and parsed_P; see `interpreter.run`."""
  chunk, width, block = _SIZES.get(jax.default_backend(), _DEVICE_SIZES)
  points = leaf_VxE.shape[1]
  rows = max(chunk // max(tok_PxL.shape[1], 1), 1)
  value_PxE = jax.lax.empty((len(tok_PxL), points), leaf_VxE.dtype)
  parsed_P = np.zeros(len(tok_PxL), bool)
  node_MxD = None
  for low in range(0, len(tok_PxL), rows):
    dag = dag_lib.build(tok_PxL[low : low + rows], vocabulary)
    parsed_P[low : low + rows] = dag.parsed_P
    for left, right in _passes(points, width):
      size = max(block // (right - left), 1)
      schedule = _schedule(dag, size, vocabulary)
      shape = (len(schedule[0]), right - left)
      if node_MxD is None or node_MxD.shape != shape:
        node_MxD = jax.lax.empty(shape, leaf_VxE.dtype)
      node_MxD = _execute(
        node_MxD,
        *schedule,
        leaf_VxE[:, left:right],
        symbols=vocabulary.symbols,
        numbers=numbers,
        size=size,
      )
      value_PxE = _collect(value_PxE, node_MxD, dag.root_P, low, left)
  return value_PxE, parsed_P


def _passes(points: int, width: int) -> Iterator[tuple[int, int]]:
  """Equal ranges of at most `width` points (the last may be shorter)."""
  step = -(-points // -(-points // width))
  bounds = [*range(0, points, step), points]
  return itertools.pairwise(bounds)


def _schedule(
  dag: dag_lib.Dag, size: int, vocabulary: tokens.Vocabulary
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
  """Blocks of at most `size` nodes of one bucket.

  Returns:
    arg_MxA, M the buffer's length; the operator and first node of each block,
    padded; and their number. A block computes `size` nodes even where its
    bucket ends: those that follow are overwritten in their turn.
  """
  nodes, max_arity = dag.arg_NxA.shape
  length = 1 << max(nodes + size - 1, 1023).bit_length()
  arg_MxA = np.zeros((length, max_arity), np.int32)
  arg_MxA[:nodes] = dag.arg_NxA
  operators = [s for s, arity in enumerate(vocabulary.arity_V) if arity > 0]
  block = [
    (operators.index(token), start)
    for token, low, high in dag.buckets
    for start in range(low, high, size)
  ]
  table_Bx2 = np.zeros((1 << len(block).bit_length(), 2), np.int32)
  table_Bx2[: len(block)] = np.reshape(block, (-1, 2))
  return arg_MxA, table_Bx2[:, 0], table_Bx2[:, 1], len(block)


@functools.partial(
  jax.jit,
  static_argnames=('symbols', 'numbers', 'size'),
  donate_argnames='node_MxD',
)
def _execute(
  node_MxD: jax.Array,
  arg_MxA: jax.Array,
  operator_B: jax.Array,
  start_B: jax.Array,
  blocks: int,
  leaf_VxD: jax.Array,
  *,
  symbols: tuple[str, ...],
  numbers: arithmetic.NumberSystem,
  size: int,
) -> jax.Array:
  """Packed values of all nodes: node_MxD."""
  arity_V = tokens.Vocabulary(symbols).arity_V

  def branch(symbol: str, arity: int):  # type: ignore[no-untyped-def]
    def compute(node_MxD: jax.Array, arg_SxA: jax.Array) -> jax.Array:
      args = [
        node_MxD.at[arg_SxA[:, a]].get(mode='promise_in_bounds')
        for a in range(arity)
      ]
      return numbers.pack(numbers.apply(symbol, *map(numbers.unpack, args)))

    return compute

  branches = [
    branch(symbol, int(arity))
    for symbol, arity in zip(symbols, arity_V, strict=True)
    if arity > 0
  ]

  def step(block: jax.Array, node_MxD: jax.Array) -> jax.Array:
    start = start_B[block]
    arg_SxA = jax.lax.dynamic_slice_in_dim(arg_MxA, start, size)
    value_SxD = jax.lax.switch(operator_B[block], branches, node_MxD, arg_SxA)
    return jax.lax.dynamic_update_slice_in_dim(node_MxD, value_SxD, start, 0)

  node_MxD = jax.lax.dynamic_update_slice(node_MxD, leaf_VxD, (0, 0))
  if not branches:
    return node_MxD
  return jax.lax.fori_loop(0, blocks, step, node_MxD)


@functools.partial(jax.jit, donate_argnames='value_PxE')
def _collect(
  value_PxE: jax.Array,
  node_MxD: jax.Array,
  root_R: jax.Array,
  row: int,
  column: int,
) -> jax.Array:
  """Writes the values of R programs into their rows."""
  value_RxD = node_MxD.at[root_R].get(mode='promise_in_bounds')
  return jax.lax.dynamic_update_slice(value_PxE, value_RxD, (row, column))
