"""Arrays written so that a full disk is always an error.

`numpy.ndarray.tofile`, and with it `numpy.save`, hands the end of an array to a
C stream and ignores that the stream could not write it: on a full disk up to
some thousand bytes are missing and nobody is told.
"""

from collections.abc import Iterator
import contextlib
import pathlib
from typing import BinaryIO
import uuid

import numpy as np

from synth import errors


class _Stream:
  """All of a file that numpy may know of: no descriptor for a C stream."""

  def __init__(self, file: BinaryIO):
    self.write = file.write


@contextlib.contextmanager
def opened(path: pathlib.Path, mode: str) -> Iterator[BinaryIO]:
  """An open file whose errors, those of closing it as well, have its name."""
  try:
    with path.open(mode) as file:
      yield file  # type: ignore[misc]
  except OSError as error:
    error.filename = error.filename or str(path)
    raise


@contextlib.contextmanager
def whole(path: pathlib.Path) -> Iterator[BinaryIO]:
  """A new file, which appears under its name whole or not at all.

  Two workers may write one, if a cluster gives the task of a worker that it has
  lost sight of to another: each writes a file of its own, the same.
  """
  scratch = path.with_suffix(f'.{uuid.uuid4().hex}.tmp')
  try:
    with opened(scratch, 'wb') as file:
      yield file
    scratch.replace(path)
  finally:
    scratch.unlink(missing_ok=True)


def damaged(path: pathlib.Path) -> errors.InputError:
  """What is said of a file that is not what was written, but can be again."""
  return errors.InputError(f'{path} is damaged: remove it and build again')


def append(file: BinaryIO, array: np.ndarray) -> None:
  """Writes the entries of an array in C order, like `tofile`.

  Raises:
    OSError: if not all of them could be written, now or when `file` closes.
  """
  file.write(np.ascontiguousarray(array).data)


def checksum(array: np.ndarray) -> int:
  """The sum of an array's entries as whole numbers, modulo 2**64.

  Any change of one entry changes it, and so do pages that a crash of the
  machine left empty; it takes as long as reading the memory. That of several
  arrays is the sum of theirs.

  Args:
    array: Of numbers of at most 8 bytes.
  """
  return int(_words(array).sum(dtype=np.uint64))


def checksums(array: np.ndarray, start: np.ndarray) -> np.ndarray:
  """`checksum` of each stretch [start[i], start[i + 1]) of an array, uint64."""
  found = np.zeros(len(start) - 1, np.uint64)
  filled = start[:-1] < start[1:]
  # A stretch ends where the next one that is not empty starts.
  found[filled] = np.add.reduceat(
    _words(array), start[:-1][filled], dtype=np.uint64
  )
  return found


def _words(array: np.ndarray) -> np.ndarray:
  return np.ascontiguousarray(array).reshape(-1).view(f'u{array.itemsize}')


def save(file: BinaryIO | pathlib.Path, array: np.ndarray) -> None:
  """Writes a `.npy` file, with the bytes of `numpy.save`.

  Args:
    file: An open file, or where to write one.
    array: Of numbers.

  Raises:
    OSError: as for `append`.
  """
  if isinstance(file, pathlib.Path):
    with opened(file, 'wb') as stream:
      save(stream, array)
  else:
    np.lib.format.write_array(_Stream(file), array, allow_pickle=False)
