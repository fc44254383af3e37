"""The work of an enumeration: functions of paths and small arguments.

They run in any process that sees the same files (`executors`); each writes one
file whole or finds it written, so a task may be done twice. Nothing here
imports a parser or JAX: workers start in a fraction of a second.
"""

import pathlib

import numpy as np

from synth.universe import candidates as candidates_lib
from synth.universe import equivalence
from synth.universe import identity
from synth.universe import spill
from synth.universe import tiles as tiles_lib


def form_spill(
  bench: candidates_lib.Workbench, tiles: list[tiles_lib.Tile], bits: int
) -> list[spill.Piece]:
  """Forms the candidates of some tiles, in buckets."""
  return spill.pieces_of(candidates_lib.form(bench, tiles), bits)


def write_spill(
  bench: candidates_lib.Workbench,
  tiles: list[tiles_lib.Tile],
  bits: int,
  path: pathlib.Path,
) -> None:
  """Forms the candidates of some tiles and writes them in buckets."""
  if not path.exists():
    spill.write(form_spill(bench, tiles, bits), path)


def write_part(
  bench: candidates_lib.Workbench,
  plan: tiles_lib.Plan,
  known: list[tuple[int, int]],
  spills: list[tuple[int, pathlib.Path]],
  bits: int,
  bucket: int,
  path: pathlib.Path,
) -> None:
  """Groups the candidates of one bucket into classes and writes them.

  Args:
    bench: The workbench.
    plan: The tiles of all spills, in order.
    known: Node ranges of known classes.
    spills: The files, each with the ordinal in `plan` where its own begin.
    bits: There are 2**bits buckets.
    bucket: Which one.
    path: Where to write the part.
  """
  if path.exists():
    return
  found = [(start, spill.read(file, bits, bucket)) for start, file in spills]
  group(bench, plan, known, found, bits, bucket).save(path)


def group(
  bench: candidates_lib.Workbench,
  plan: tiles_lib.Plan,
  known: list[tuple[int, int]],
  found: list[tuple[int, candidates_lib.Candidates]],
  bits: int,
  bucket: int,
) -> equivalence.Part:
  """Groups the candidates of one bucket into classes.

  Args:
    bench, plan, known, bits, bucket: As for `write_part`.
    found: The candidates, in parts, each with the ordinal in `plan` where its
      own begin.
  """
  return equivalence.classes_of(
    candidates_lib.Candidates(
      np.concatenate([part.key for _, part in found]),
      np.concatenate([part.rest for _, part in found]),
      np.concatenate([part.ways for _, part in found]),
      np.concatenate([part.ordinal + np.int64(start) for start, part in found]),
    ),
    plan,
    _known(bench, known, bits, bucket),
  )


def _known(
  bench: candidates_lib.Workbench,
  levels: list[tuple[int, int]],
  bits: int,
  bucket: int,
) -> equivalence.Known:
  """The classes of earlier levels whose keys are in a bucket."""
  keys, rests, nodes = [], [], []
  for low, high in levels:
    key = bench.columns.read('key_N', low, high)
    if bits:
      edge = np.array([bucket, bucket + 1], object) << (64 - bits)
      start = int(np.searchsorted(key, np.uint64(edge[0])))
      stop = len(key)
      if bucket + 1 < 2**bits:
        stop = int(np.searchsorted(key, np.uint64(edge[1])))
      low, high, key = low + start, low + stop, key[start:stop]
    keys.append(key)
    rests.append(bench.columns.read('rest_N', low, high))
    nodes.append(np.arange(low, high, dtype=tiles_lib.NODE))
  empty = np.zeros(0, np.uint64)
  return equivalence.Known(
    np.concatenate([empty, *keys]),
    np.concatenate([empty, *rests]),
    np.concatenate([np.zeros(0, tiles_lib.NODE), *nodes]),
  )


def values_of(
  bench: candidates_lib.Workbench, low: int, high: int
) -> identity.Values:
  """Values of the nodes [low, high), each by its first alternative."""
  columns = bench.columns
  first = np.asarray(columns.read('first_N1', low, high))
  start, stop = int(first[0]), int(first[-1]) + 1
  production = columns.read('production_M', start, stop)[first - start]
  args = columns.read('arg_MxA', start, stop)[first - start]
  names = [
    candidates_lib.value_name(k) for k in range(len(bench.policy.columns))
  ]
  so_far = tuple(columns.read(name, 0, columns.length(name)) for name in names)
  values = tuple(
    np.zeros((high - low, *column.shape), column.dtype)
    for column in bench.policy.columns
  )
  for number in np.unique(production):
    rows = np.flatnonzero(production == number)
    rule = bench.rules[number]
    found = bench.policy.of_nodes(
      rule.symbol, args[rows, : len(rule.args)], so_far, bench.exact
    )
    for value, column in zip(found, values, strict=True):
      column[rows] = value
  return values
