"""The interpreter's plan for corpora: each distinct subtree is computed once.

Rows are taken in chunks of about a fixed number of tokens. The host builds a
chunk's `dag.Dag`; the device fills one buffer of node values, block after
block, all nodes of a block with one operator, and copies the programs' values
from it while they are in the cache. Compiled shapes are those of the buffer,
whose length is a power of two, and of the result, which has a few rows more
than there are programs: few are ever compiled.

Letters: P programs, Q with the rows that are added, R rows of a chunk, G of
these copied at once; B blocks, S nodes of a block, M nodes of the buffer, N
nodes of a DAG; V tokens, E points, D of a pass, A arguments.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import functools
from typing import Any
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from synth.language import arithmetic
from synth.language import dag as dag_lib
from synth.language import tokens

Array: TypeAlias = jax.Array | np.ndarray

_LEAST = 1 << 10  # nodes of a buffer
_RESULT = 9 << 7  # least rows of a result


@dataclasses.dataclass(frozen=True)
class Sizes:
  """How much is done at once: what fits a CPU core's caches or fills a device.

  Attributes:
    tokens: Tokens of a chunk, at most.
    nodes: Nodes of a block, S.
    rows: Programs whose values are copied at once, G.
    points: Points of a pass, at most, D.
  """

  tokens: int
  nodes: int
  rows: int
  points: int


_CPU = Sizes(1 << 16, 1 << 5, 1 << 7, 1 << 7)
_DEVICE = Sizes(1 << 22, 1 << 14, 1 << 13, 1 << 8)


@dataclasses.dataclass(frozen=True)
class Chunk:
  """R rows, ready to execute.

  Attributes:
    arg_MxA: Arguments of each node; M is the buffer's length.
    operator_B, start_B: Operator and first node of each block, padded.
    blocks: Number of blocks. A block computes `Sizes.nodes` nodes even where
      its bucket ends: those that follow are overwritten in their turn.
    rows: How many rows.
    root_R: See `dag.Dag`; padded, to one length for all chunks.
    parsed_R: See `dag.Dag`.
  """

  arg_MxA: np.ndarray
  operator_B: np.ndarray
  start_B: np.ndarray
  blocks: int
  rows: int
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
  most = min(sizes.tokens, dag_lib.most_tokens(vocabulary))
  rows = most // (tok_PxL.shape[1] * sizes.rows) * sizes.rows
  rows = max(rows, sizes.rows)
  for low in range(0, len(tok_PxL), rows):
    dag = dag_lib.build(tok_PxL[low : low + rows], vocabulary)
    yield _schedule(dag, _operators(vocabulary), sizes.nodes, rows)


def run(
  chunks: Iterator[Chunk] | Sequence[Chunk],
  programs: int,
  leaf_VxE: jax.Array,
  vocabulary: tokens.Vocabulary,
  numbers: arithmetic.NumberSystem,
) -> tuple[Array, Array]:
  """Executes what `build` gave.

  Args:
    chunks: All of a corpus, in order.
    programs: How many there are in it.
    leaf_VxE: Values of the tokens as leaves, undefined if they are none.
    vocabulary: What the tokens mean.
    numbers: What values are.

  Returns:
    value_PxE and parsed_P; see `interpreter.run`.
  """
  sizes = _sizes()
  points = leaf_VxE.shape[1]
  shape = (_padded(programs + sizes.rows), points)
  value_QxE: Array = jax.lax.empty(shape, leaf_VxE.dtype)
  parsed_P = np.zeros(programs, bool)
  row = 0
  for chunk in chunks:
    value_QxE = _execute(
      *(value_QxE, leaf_VxE, row),
      *(chunk.arg_MxA, chunk.operator_B, chunk.start_B, chunk.blocks),
      *(chunk.root_R, -(-chunk.rows // sizes.rows)),
      operators=_operators(vocabulary),
      numbers=numbers,
      sizes=sizes,
    )
    parsed_P[row : row + chunk.rows] = chunk.parsed_R
    row += chunk.rows
  if jax.default_backend() == 'cpu':
    value_QxE = np.asarray(value_QxE)  # a part of it is no copy
  return value_QxE[:programs], parsed_P


def run_on_host(
  tok_PxL: np.ndarray,
  leaf_VxE: np.ndarray,
  vocabulary: tokens.Vocabulary,
  numbers: arithmetic.NumberSystem,
) -> tuple[np.ndarray, np.ndarray]:
  """Builds and runs a corpus in numpy, for numbers that devices lack.

  Args:
    tok_PxL: Tokens of the vocabulary, L > 0.
    leaf_VxE: Values of the tokens as leaves, undefined if they are none.
    vocabulary: What the tokens mean.
    numbers: What values are, on numpy arrays.

  Returns:
    value_PxE and parsed_P; see `interpreter.run`.
  """
  programs, points = len(tok_PxL), leaf_VxE.shape[1]
  value_PxE = np.empty((programs, points), leaf_VxE.dtype)
  parsed_P = np.empty(programs, bool)
  arity = dict(_operators(vocabulary))
  rows = max(_CPU.tokens // tok_PxL.shape[1], 1)
  for low in range(0, programs, rows):
    part = slice(low, low + rows)
    dag = dag_lib.build(tok_PxL[part], vocabulary)
    node_NxE = np.empty((len(dag.arg_NxA), points), leaf_VxE.dtype)
    node_NxE[: len(leaf_VxE)] = leaf_VxE
    with np.errstate(all='ignore'):  # what is undefined is marked
      for symbol, first, end in dag.buckets:
        arg_SxA = dag.arg_NxA[first:end, : arity[symbol]]
        args = [node_NxE[arg_S] for arg_S in arg_SxA.T]
        node_NxE[first:end] = numbers.settle(numbers.combine(symbol, *args))
    value_PxE[part], parsed_P[part] = node_NxE[dag.root_P], dag.parsed_P
  return value_PxE, parsed_P


def _padded(rows: int) -> int:
  """Rows of a result: as many or a few more, so that there are few lengths."""
  step = 1 << max(rows.bit_length() - 5, 0)
  return max(-(-rows // step) * step, _RESULT)


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
  dag: dag_lib.Dag,
  operators: tuple[tuple[str, int], ...],
  size: int,
  rows: int,
) -> Chunk:
  """Blocks of at most `size` nodes of one bucket; `rows` roots with padding."""
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
  number = len(dag.root_P)
  root_R = np.zeros(rows, np.int32)
  root_R[:number] = dag.root_P
  return Chunk(
    arg_MxA=arg_MxA,
    operator_B=table_Bx2[:, 0],
    start_B=table_Bx2[:, 1],
    blocks=len(block),
    rows=number,
    root_R=root_R,
    parsed_R=dag.parsed_P,
  )


@functools.partial(
  jax.jit,
  static_argnames=('operators', 'numbers', 'sizes'),
  donate_argnames='value_QxE',
)
def _execute(
  value_QxE: jax.Array,
  leaf_VxE: jax.Array,
  row: int,
  arg_MxA: jax.Array,
  operator_B: jax.Array,
  start_B: jax.Array,
  blocks: int,
  root_R: jax.Array,
  row_blocks: int,
  *,
  operators: tuple[tuple[str, int], ...],
  numbers: arithmetic.NumberSystem,
  sizes: Sizes,
) -> jax.Array:
  """Writes the values of a chunk's programs, from `row` on."""
  points = leaf_VxE.shape[1]
  width = min(sizes.points, points)
  branches = [_branch(*operator, numbers) for operator in operators]

  def block(b: jax.Array, node_MxD: jax.Array) -> jax.Array:
    start = start_B[b]
    arg_SxA = jax.lax.dynamic_slice_in_dim(arg_MxA, start, sizes.nodes)
    value_SxD = jax.lax.switch(operator_B[b], branches, node_MxD, arg_SxA)
    return jax.lax.dynamic_update_slice_in_dim(node_MxD, value_SxD, start, 0)

  def one_pass(d: jax.Array, arrays: tuple[jax.Array, ...]) -> tuple[Any, ...]:
    node_MxD, value_QxE = arrays
    column = jnp.minimum(d * width, points - width)  # the last may overlap
    leaf_VxD = jax.lax.dynamic_slice_in_dim(leaf_VxE, column, width, axis=1)
    node_MxD = jax.lax.dynamic_update_slice(node_MxD, leaf_VxD, (0, 0))
    if branches:
      node_MxD = jax.lax.fori_loop(0, blocks, block, node_MxD)

    def copy(b: jax.Array, value_QxE: jax.Array) -> jax.Array:
      start = b * sizes.rows
      root_G = jax.lax.dynamic_slice_in_dim(root_R, start, sizes.rows)
      value_GxD = node_MxD.at[root_G].get(mode='promise_in_bounds')
      place = row + start, column
      return jax.lax.dynamic_update_slice(value_QxE, value_GxD, place)

    return node_MxD, jax.lax.fori_loop(0, row_blocks, copy, value_QxE)

  node_MxD = jax.lax.empty((len(arg_MxA), width), leaf_VxE.dtype)
  _, value_QxE = jax.lax.fori_loop(
    0, -(-points // width), one_pass, (node_MxD, value_QxE)
  )
  return value_QxE


def _branch(
  symbol: str, arity: int, numbers: arithmetic.NumberSystem
) -> Callable[[jax.Array, jax.Array], jax.Array]:
  """Computes a block of nodes with one operator."""

  def compute(node_MxD: jax.Array, arg_SxA: jax.Array) -> jax.Array:
    args = [
      node_MxD.at[arg_SxA[:, a]].get(mode='promise_in_bounds')
      for a in range(arity)
    ]
    return numbers.settle(numbers.combine(symbol, *args))

  return compute
