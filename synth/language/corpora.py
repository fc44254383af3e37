"""The interpreter's plan for corpora: each distinct subtree is computed once.

Rows are taken in chunks of a fixed number of tokens. The host builds a chunk's
`dag.Dag`; the device fills one buffer of node values, block after block, all
nodes of a block with one operator. Compiled shapes are those of the buffer,
whose length is a power of two, so few are ever compiled.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from synth.language import arithmetic
from synth.language import dag as dag_lib
from synth.language import tokens

_LEAST = 1 << 10  # nodes of a buffer


@dataclasses.dataclass(frozen=True)
class Sizes:
  """What fits the caches of a CPU core, or fills a device.

  Attributes:
    tokens: Tokens a chunk.
    nodes: Nodes a block.
    points: Points a pass.
  """

  tokens: int
  nodes: int
  points: int


_CPU = Sizes(1 << 17, 1 << 7, 1 << 7)
_DEVICE = Sizes(1 << 22, 1 << 14, 1 << 8)


@dataclasses.dataclass(frozen=True)
class Chunk:
  """R rows, ready to execute.

  Attributes:
    arg_MxA: Arguments of each node; M is the buffer's length.
    operator_B, start_B: Operator and first node of each block, padded.
    blocks: Number of blocks. A block computes `Sizes.nodes` nodes even where
      its bucket ends: those that follow are overwritten in their turn.
    root_R, parsed_R: See `dag.Dag`.
  """

  arg_MxA: np.ndarray
  operator_B: np.ndarray
  start_B: np.ndarray
  blocks: int
  root_R: np.ndarray
  parsed_R: np.ndarray


def build(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary
) -> Iterator[Chunk]:
  """The chunks of token rows, one after the other, whatever the points.

  Args:
    tok_PxL: Tokens of the vocabulary, L > 0.
    vocabulary: What they mean.
  """
  sizes = _sizes()
  rows = max(sizes.tokens // tok_PxL.shape[1], 1)
  for low in range(0, len(tok_PxL), rows):
    dag = dag_lib.build(tok_PxL[low : low + rows], vocabulary)
    yield _schedule(dag, _operators(vocabulary), sizes.nodes)


def run(
  chunks: Iterator[Chunk] | Sequence[Chunk],
  programs: int,
  leaf_VxE: jax.Array,
  vocabulary: tokens.Vocabulary,
  numbers: arithmetic.NumberSystem,
) -> tuple[jax.Array, jax.Array]:
  """Executes what `build` gave.

  Returns:
    Packed value_PxE and parsed_P; see `interpreter.run`.
  """
  sizes = _sizes()
  points = leaf_VxE.shape[1]
  width = min(sizes.points, points)
  value_PxE = jax.lax.empty((programs, points), leaf_VxE.dtype)
  parsed_P = np.zeros(programs, bool)
  node_MxD = jax.lax.empty((0, width), leaf_VxE.dtype)
  row = 0
  for chunk in chunks:
    if len(node_MxD) != len(chunk.arg_MxA):
      shape = (len(chunk.arg_MxA), width)
      node_MxD = jax.lax.empty(shape, leaf_VxE.dtype)
    for start in range(0, points, width):
      column = min(start, points - width)  # the last pass may overlap
      node_MxD = _execute(
        node_MxD,
        leaf_VxE[:, column : column + width],
        *(chunk.arg_MxA, chunk.operator_B, chunk.start_B, chunk.blocks),
        operators=_operators(vocabulary),
        numbers=numbers,
        size=sizes.nodes,
      )
      value_PxE = _collect(value_PxE, node_MxD, chunk.root_R, row, column)
    parsed_P[row : row + len(chunk.root_R)] = chunk.parsed_R
    row += len(chunk.root_R)
  return value_PxE, jnp.asarray(parsed_P)


def _sizes() -> Sizes:
  return _CPU if jax.default_backend() == 'cpu' else _DEVICE


def _operators(vocabulary: tokens.Vocabulary) -> tuple[tuple[str, int], ...]:
  """(symbol, arity) of each operator, in the order of the tokens."""
  return tuple(
    (symbol, int(arity))
    for symbol, arity in zip(
      vocabulary.symbols, vocabulary.arity_V, strict=True
    )
    if arity > 0
  )


def _schedule(
  dag: dag_lib.Dag, operators: tuple[tuple[str, int], ...], size: int
) -> Chunk:
  """Blocks of at most `size` nodes of one bucket."""
  index = {symbol: i for i, (symbol, _) in enumerate(operators)}
  nodes, max_arity = dag.arg_NxA.shape
  length = max(1 << (nodes + size - 1).bit_length(), _LEAST)
  arg_MxA = np.zeros((length, max_arity), np.int32)
  arg_MxA[:nodes] = dag.arg_NxA
  block = [
    (index[symbol], start)
    for symbol, low, high in dag.buckets
    for start in range(low, high, size)
  ]
  # As long as any schedule of so long a buffer, unless it is very high.
  padded = max(1 << len(block).bit_length(), 2 * length // size)
  table_Bx2 = np.zeros((padded, 2), np.int32)
  table_Bx2[: len(block)] = np.reshape(block, (-1, 2))
  return Chunk(
    arg_MxA=arg_MxA,
    operator_B=table_Bx2[:, 0],
    start_B=table_Bx2[:, 1],
    blocks=len(block),
    root_R=dag.root_P,
    parsed_R=dag.parsed_P,
  )


@functools.partial(
  jax.jit,
  static_argnames=('operators', 'numbers', 'size'),
  donate_argnames='node_MxD',
)
def _execute(
  node_MxD: jax.Array,
  leaf_VxD: jax.Array,
  arg_MxA: jax.Array,
  operator_B: jax.Array,
  start_B: jax.Array,
  blocks: int,
  *,
  operators: tuple[tuple[str, int], ...],
  numbers: arithmetic.NumberSystem,
  size: int,
) -> jax.Array:
  """Fills the buffer with the packed values of all nodes."""
  branches = [_branch(*operator, numbers) for operator in operators]

  def step(block: jax.Array, node_MxD: jax.Array) -> jax.Array:
    start = start_B[block]
    arg_SxA = jax.lax.dynamic_slice_in_dim(arg_MxA, start, size)
    value_SxD = jax.lax.switch(operator_B[block], branches, node_MxD, arg_SxA)
    return jax.lax.dynamic_update_slice_in_dim(node_MxD, value_SxD, start, 0)

  node_MxD = jax.lax.dynamic_update_slice(node_MxD, leaf_VxD, (0, 0))
  return jax.lax.fori_loop(0, blocks, step, node_MxD) if branches else node_MxD


def _branch(
  symbol: str, arity: int, numbers: arithmetic.NumberSystem
) -> Callable[[jax.Array, jax.Array], jax.Array]:
  """Computes a block of nodes with one operator."""

  def compute(node_MxD: jax.Array, arg_SxA: jax.Array) -> jax.Array:
    args = [
      numbers.unpack(node_MxD.at[arg_SxA[:, a]].get(mode='promise_in_bounds'))
      for a in range(arity)
    ]
    return numbers.pack(numbers.apply(symbol, *args))

  return compute


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
