"""Candidates on disk, cut into buckets by leading bits of their key.

One file a task: a header, then each array of `Candidates` whole, sorted by
bucket. A reader of one bucket touches one stretch of each array.
"""

import pathlib

import numpy as np

from synth.universe import candidates as candidates_lib


def bucket_of(key: np.ndarray, bits: int) -> np.ndarray:
  """The bucket of each key: its leading `bits` bits."""
  if bits == 0:
    return np.zeros(len(key), np.uint16)
  return (key >> np.uint64(64 - bits)).astype(np.uint16)


def write(
  path: pathlib.Path, found: candidates_lib.Candidates, bits: int
) -> None:
  """Writes candidates; the file appears whole or not at all.

  Args:
    path: The file.
    found: Candidates whose ordinals are below 2**32.
    bits: At most 16; there are 2**bits buckets.
  """
  bucket = bucket_of(found.key, bits)
  order = np.argsort(bucket, kind='stable')
  start = np.zeros(2**bits + 1, np.int64)
  np.cumsum(np.bincount(bucket, minlength=2**bits), out=start[1:])
  small = len(found.ways) and int(found.ways.max()) < 2**32
  scratch = path.with_suffix('.tmp')
  with scratch.open('wb') as file:
    np.array([4 if small else 8], np.int64).tofile(file)
    start.tofile(file)
    found.key[order].tofile(file)
    found.rest[order].tofile(file)
    found.ordinal.astype(np.uint32)[order].tofile(file)
    found.ways.astype(np.uint32 if small else np.int64)[order].tofile(file)
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
