"""Candidates in buckets by leading bits of their key, in memory or on disk.

Sorted by bucket, so that a bucket is one stretch of each array. On disk they
are one file: a header, with a checksum a bucket, then each array whole.
"""

from collections.abc import Iterable
from collections.abc import Sequence
import dataclasses
import os
import pathlib

import numpy as np

from synth import array_files
from synth.universe import candidates as candidates_lib


def bucket_of(key: np.ndarray, bits: int) -> np.ndarray:
  """The bucket of each key: its leading `bits` bits, at most 16."""
  dtype = np.uint8 if bits <= 8 else np.uint16  # fewer bytes sort faster
  if bits == 0:
    return np.zeros(len(key), dtype)
  return (key >> np.uint64(64 - bits)).astype(dtype)


@dataclasses.dataclass(frozen=True)
class Piece:
  """Some candidates of a task, sorted by bucket.

  Attributes:
    start: First candidate of each bucket, and their number.
    found: The candidates; ordinals and ways in as few bytes as they need.
  """

  start: np.ndarray
  found: candidates_lib.Candidates

  @classmethod
  def of(cls, found: candidates_lib.Candidates, bits: int) -> 'Piece':
    """Sorts candidates into 2**bits buckets; ordinals are below 2**32."""
    bucket = bucket_of(found.key, bits)
    order = np.argsort(bucket, kind='stable')
    start = np.zeros(2**bits + 1, np.int64)
    np.cumsum(np.bincount(bucket, minlength=2**bits), out=start[1:])
    small = len(found.ways) and int(found.ways.max()) < 2**32
    ways = found.ways.astype(np.uint32 if small else np.int64)
    return cls(
      start,
      candidates_lib.Candidates(
        found.key.take(order),
        found.rest.take(order),
        ways.take(order),
        found.ordinal.take(order),
      ),
    )

  def bucket(self, number: int) -> candidates_lib.Candidates:
    """The candidates of one bucket, in the order they were formed."""
    return self.found.slice(self.start[number], self.start[number + 1])


def pieces_of(
  parts: Iterable[candidates_lib.Candidates], bits: int
) -> list[Piece]:
  """All candidates of a task, in buckets.

  Args:
    parts: Consecutive ones, each used before the next is asked for.
    bits: At most 16; there are 2**bits buckets.
  """
  return [Piece.of(found, bits) for found in parts]


def write(pieces: Sequence[Piece], path: pathlib.Path) -> None:
  """Writes the candidates of a task; the file appears whole or not at all."""
  buckets = range(len(pieces[0].start) - 1)
  parts = [piece.bucket(number) for number in buckets for piece in pieces]
  start = np.sum([piece.start for piece in pieces], axis=0)
  arrays = [
    np.concatenate([getattr(part, name) for part in parts])
    for name in ('key', 'rest', 'ordinal', 'ways')
  ]
  sums = [array_files.checksums(array, start) for array in arrays]
  with array_files.whole(path) as file:
    array_files.append(file, np.array([arrays[-1].itemsize], np.int64))
    array_files.append(file, start)
    array_files.append(file, np.sum(sums, axis=0))
    for array in arrays:
      array_files.append(file, array)


def read(
  path: pathlib.Path, bits: int, bucket: int
) -> candidates_lib.Candidates:
  """The candidates of one bucket of a file, in the order they were formed.

  Args:
    path: Written by `write`.
    bits: There are 2**bits buckets in it.
    bucket: Which one.

  Raises:
    InputError: if the file is not as long as it says, or the bucket is not
      what was written.
  """
  with path.open('rb') as file:
    head = np.fromfile(file, np.int64, 2 * 2**bits + 2)
    ways_bytes, start, sums = np.split(head, [1, 2**bits + 2])
    # A crash of the machine may leave a file of its final name without its end.
    entry = 8 + 8 + 4 + ways_bytes
    length = os.fstat(file.fileno()).st_size
    if len(sums) < 2**bits or length != head.nbytes + start[-1] * entry:
      raise array_files.damaged(path)
    low, high = start[bucket], start[bucket + 1]
    if not 0 <= low <= high <= start[-1]:
      raise array_files.damaged(path)
    offset = file.tell()

    def stretch(dtype: type) -> np.ndarray:
      nonlocal offset
      entry = np.dtype(dtype).itemsize
      file.seek(offset + low * entry)
      offset += int(start[-1]) * entry
      return np.fromfile(file, dtype, high - low)

    key, rest = stretch(np.uint64), stretch(np.uint64)
    ordinal = stretch(np.uint32)
    ways = stretch(np.uint32 if ways_bytes == 4 else np.int64)
  found = sum(map(array_files.checksum, (key, rest, ordinal, ways))) % 2**64
  if found != int(sums[bucket]) % 2**64:
    raise array_files.damaged(path)
  return candidates_lib.Candidates(key, rest, ways, ordinal)
