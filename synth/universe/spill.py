"""Candidates in buckets by leading bits of their key, in memory or on disk.

Sorted by bucket, so that a bucket is one stretch of each array. On disk they
are one file: a header, then each array whole.
"""

import dataclasses
import pathlib

import numpy as np

from synth.universe import candidates as candidates_lib


def bucket_of(key: np.ndarray, bits: int) -> np.ndarray:
  """The bucket of each key: its leading `bits` bits, at most 16."""
  dtype = np.uint8 if bits <= 8 else np.uint16  # fewer bytes sort faster
  if bits == 0:
    return np.zeros(len(key), dtype)
  return (key >> np.uint64(64 - bits)).astype(dtype)


@dataclasses.dataclass(frozen=True)
class Spill:
  """Candidates of one task, sorted by bucket.

  Attributes:
    start: First candidate of each bucket, and their number.
    key, rest, ordinal, ways: See `candidates.Candidates`; in as few bytes as
      they need.
  """

  start: np.ndarray
  key: np.ndarray
  rest: np.ndarray
  ordinal: np.ndarray
  ways: np.ndarray

  @classmethod
  def of(cls, found: candidates_lib.Candidates, bits: int) -> 'Spill':
    """Sorts candidates, whose ordinals are below 2**32, into buckets.

    Args:
      found: The candidates.
      bits: At most 16; there are 2**bits buckets.
    """
    bucket = bucket_of(found.key, bits)
    order = np.argsort(bucket, kind='stable')
    start = np.zeros(2**bits + 1, np.int64)
    np.cumsum(np.bincount(bucket, minlength=2**bits), out=start[1:])
    small = len(found.ways) and int(found.ways.max()) < 2**32
    return cls(
      start,
      found.key[order],
      found.rest[order],
      found.ordinal.astype(np.uint32)[order],
      found.ways.astype(np.uint32 if small else np.int64)[order],
    )

  def bucket(self, number: int) -> candidates_lib.Candidates:
    """The candidates of one bucket, in the order they were formed."""
    part = slice(self.start[number], self.start[number + 1])
    return candidates_lib.Candidates(
      self.key[part], self.rest[part], self.ways[part], self.ordinal[part]
    )

  def write(self, path: pathlib.Path) -> None:
    """Writes the file; it appears whole or not at all."""
    scratch = path.with_suffix('.tmp')
    with scratch.open('wb') as file:
      np.array([self.ways.itemsize], np.int64).tofile(file)
      for field in dataclasses.fields(self):
        getattr(self, field.name).tofile(file)
    scratch.replace(path)


def read(
  path: pathlib.Path, bits: int, bucket: int
) -> candidates_lib.Candidates:
  """The candidates of one bucket, in the order they were formed."""
  with path.open('rb') as file:
    (ways_bytes,) = np.fromfile(file, np.int64, 1)
    start = np.fromfile(file, np.int64, 2**bits + 1)
    low, high = start[bucket], start[bucket + 1]
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
  return candidates_lib.Candidates(key, rest, ways, ordinal)
