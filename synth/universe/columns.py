"""Growing `.npy` files: arrays larger than memory, appended to and mapped.

A column is one `.npy` file whose header is rewritten when it grows, so that it
is a valid array file at any time. Readers map it; what was appended never
changes. After a crash, `truncate` goes back to lengths known to be good, and
says the checksums of what is left.
"""

from collections.abc import Mapping
import dataclasses
import math
import os
import pathlib
from typing import BinaryIO

import numpy as np

from synth import array_files

_CHUNK = 1 << 20  # entries read at once
_HEADER = 128  # bytes: magic, version, length and a padded description


@dataclasses.dataclass(frozen=True)
class Column:
  """What a column holds: entries of one type and shape."""

  dtype: str
  shape: tuple[int, ...] = ()

  @property
  def nbytes(self) -> int:
    """Bytes of one entry."""
    return np.dtype(self.dtype).itemsize * math.prod(self.shape)

  def header(self, length: int) -> bytes:
    """The head of a version 1.0 `.npy` file, `_HEADER` bytes long."""
    text = repr(
      {
        'descr': np.lib.format.dtype_to_descr(np.dtype(self.dtype)),
        'fortran_order': False,
        'shape': (length, *self.shape),
      }
    )
    magic = np.lib.format.magic(1, 0)
    room = _HEADER - len(magic) - 2
    body = text.ljust(room - 1).encode('latin1') + b'\n'
    return magic + room.to_bytes(2, 'little') + body


class Columns:
  """The columns of one directory.

  Args:
    directory: Where `<name>.npy` are; made if missing.
    columns: Name -> what it holds.
  """

  def __init__(self, directory: pathlib.Path, columns: Mapping[str, Column]):
    self.directory = directory
    self.columns = dict(columns)
    self._mapped: dict[str, np.ndarray] = {}
    self._checksums = dict.fromkeys(self.columns, 0)

  def create(self) -> None:
    """Makes every column that is not there, with its header at least."""
    self.directory.mkdir(parents=True, exist_ok=True)
    for name, column in self.columns.items():
      path = self._path(name)
      if not path.exists() or path.stat().st_size < _HEADER:
        with array_files.opened(path, 'wb') as file:
          file.write(column.header(0))

  def _path(self, name: str) -> pathlib.Path:
    return self.directory / f'{name}.npy'

  def length(self, name: str) -> int:
    """Entries of a column."""
    size = self._path(name).stat().st_size - _HEADER
    return size // self.columns[name].nbytes

  def lengths(self) -> dict[str, int]:
    """Entries of every column."""
    return {name: self.length(name) for name in self.columns}

  def checksums(self) -> dict[str, int]:
    """Of each column, of what was appended or left (`array_files`)."""
    return dict(self._checksums)

  def append(self, name: str, *parts: np.ndarray) -> None:
    """Adds entries at the end, one part after the other."""
    column = self.columns[name]
    parts = tuple(np.ascontiguousarray(part, column.dtype) for part in parts)
    for part in parts:
      if part.shape[1:] != column.shape:
        raise ValueError(f'{name} holds {column.shape}, not {part.shape[1:]}')
    with array_files.opened(self._path(name), 'r+b') as file:
      file.seek(0, os.SEEK_END)
      for part in parts:
        array_files.append(file, part)
        self._add(name, part)
      self._finish(file, name)

  def truncate(self, lengths: Mapping[str, int]) -> None:
    """Goes back to the given lengths."""
    self._mapped.clear()
    for name, length in lengths.items():
      with array_files.opened(self._path(name), 'r+b') as file:
        file.truncate(_HEADER + length * self.columns[name].nbytes)
        self._finish(file, name)
      self._checksums[name] = 0
      for start in range(0, length, _CHUNK):
        self._add(name, self.read(name, start, min(start + _CHUNK, length)))

  def _add(self, name: str, part: np.ndarray) -> None:
    added = array_files.checksum(part)
    self._checksums[name] = (self._checksums[name] + added) % 2**64

  def _finish(self, file: BinaryIO, name: str) -> None:
    column = self.columns[name]
    length = (file.seek(0, os.SEEK_END) - _HEADER) // column.nbytes
    file.seek(0)
    file.write(column.header(length))

  def read(self, name: str, low: int, high: int) -> np.ndarray:
    """Entries [low, high), mapped; a reader pays for what it touches."""
    column = self.columns[name]
    mapped = self._mapped.get(name)
    if mapped is None or len(mapped) < high:
      length = self.length(name)
      if not length:  # nothing to map
        return np.zeros((0, *column.shape), column.dtype)
      mapped = np.memmap(
        self._path(name), column.dtype, 'r', _HEADER, (length, *column.shape)
      ).view(np.ndarray)
      self._mapped[name] = mapped
    return mapped[low:high]
