"""Finding identities among known ones."""

import numpy as np


class Lookup:
  """P identities (`identity.Policy.pack`), sorted.

  The key alone tells almost all apart, so it alone is searched for.

  Args:
    key_P, rest_P: The identities, all different.
  """

  def __init__(self, key_P: np.ndarray, rest_P: np.ndarray):
    self._order = np.lexsort((rest_P, key_P))
    self._key = np.asarray(key_P)[self._order]
    self._rest = np.asarray(rest_P)[self._order]

  def find(self, key: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """The place of each identity among the P, or -1."""
    if not len(self._key):
      return np.full(key.shape, -1)
    last = len(self._key) - 1
    place = np.minimum(np.searchsorted(self._key, key), last)
    while True:
      same_key = self._key[place] == key
      found = same_key & (self._rest[place] == rest)
      later = same_key & ~found & (place < last)
      if not later.any():
        return np.where(found, self._order[place], -1)
      place = place + later
