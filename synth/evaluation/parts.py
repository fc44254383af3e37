"""The parts of a long computation, kept until all of it is done.

One file a part and, written before any of them, facts.json: what determines
them. Parts of other facts are thrown away. Whoever is killed loses the part at
work; going on gives the same bits because parts do not depend on each other.
"""

from collections.abc import Mapping
import json
import pathlib
import shutil
from typing import Any

import numpy as np

from synth import runs

_FACTS = 'facts.json'


class Parts:
  """Parts stored in a directory of their own.

  Args:
    directory: Is emptied unless it holds parts of the same facts.
    facts: JSON-serializable; everything that determines the parts.

  Raises:
    RunError: if the directory cannot be written.
  """

  def __init__(self, directory: pathlib.Path, facts: Mapping[str, Any]):
    self._directory = directory
    path = directory / _FACTS
    text = json.dumps(facts, sort_keys=True)
    try:
      same = path.read_text(encoding='utf-8') == text
    except (OSError, ValueError):
      same = False
    if not same:
      self.remove()
      runs.write_text(path, text)

  def get(self, name: str) -> dict[str, np.ndarray] | None:
    """The arrays of a part; None if it is not there, or not whole."""
    try:
      return runs.read_arrays(self._path(name))
    except runs.RunError:
      return None

  def put(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Keeps a part.

    Raises:
      RunError: if it cannot be written.
    """
    runs.write_arrays(self._path(name), arrays)

  def remove(self) -> None:
    """Removes all parts."""
    shutil.rmtree(self._directory, ignore_errors=True)

  def _path(self, name: str) -> pathlib.Path:
    return self._directory / f'{name}.npz'
