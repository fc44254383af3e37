"""The peer of `benchmarks.universe`: enumeration as one would write it at once.

One process, everything in memory, classes only: no alternatives, no numbers of
programs, no representatives, no store. Four points modulo 2**31 - 1, a 64-bit
hash of the residues. `arithmetic.bnf` alone.
"""

from collections.abc import Iterator

import numpy as np

_P = np.uint64(2**31 - 1)
_POINTS = 4
_BLOCK = 1 << 19


def _hash(value_NxK: np.ndarray) -> np.ndarray:
  """64 bits of the residues."""
  key_N = np.zeros(len(value_NxK), np.uint64)
  for k in range(_POINTS):
    key_N = (key_N ^ value_NxK[:, k]) * np.uint64(0x9E3779B97F4A7C15)
    key_N ^= key_N >> np.uint64(29)
  return key_N


def _inverse(value_NxK: np.ndarray) -> np.ndarray:
  result, exponent = np.ones_like(value_NxK), 2**31 - 3
  while exponent:
    if exponent & 1:
      result = result * value_NxK % _P
    value_NxK = value_NxK * value_NxK % _P
    exponent >>= 1
  return result


def _pairs(
  a_NxK: np.ndarray, b_MxK: np.ndarray, same: bool | None
) -> Iterator[np.ndarray]:
  """Values of all `a op b`; of `a + b` and `a * b` once, or not at all."""
  inverse_MxK = _inverse(b_MxK)
  rows = max(1, _BLOCK // max(len(b_MxK), 1))
  for start in range(0, len(a_NxK), rows):
    left = a_NxK[start : start + rows, None]
    yield ((left + (_P - b_MxK)) % _P).reshape(-1, _POINTS)
    defined_M = (b_MxK != 0).any(axis=1)
    yield (left * inverse_MxK[defined_M] % _P).reshape(-1, _POINTS)
    if same is not None:
      keep = np.ones((len(left), len(b_MxK)), bool)
      if same:
        keep = np.arange(len(b_MxK)) >= start + np.arange(len(left))[:, None]
      yield ((left + b_MxK) % _P)[keep].reshape(-1, _POINTS)
      yield (left * b_MxK % _P)[keep].reshape(-1, _POINTS)


def enumerate_arithmetic(max_size: int, seed: int = 0) -> tuple[list[int], int]:
  """Classes by number of leaves, and candidates formed.

  Args:
    max_size: Largest size in nodes.
    seed: Of the points.
  """
  point_K = np.random.default_rng(seed).integers(1, int(_P), _POINTS)
  constants = np.tile(np.arange(1, 4)[:, None], _POINTS)
  levels = [np.concatenate([point_K[None], constants]).astype(np.uint64)]
  known = np.sort(_hash(levels[0]))
  formed = len(known)
  for leaves in range(2, (max_size + 1) // 2 + 1):
    keys, values = [], []
    for i in range(1, leaves):
      a, b = levels[i - 1], levels[leaves - i - 1]
      same = None if i > leaves - i else 2 * i == leaves
      for value in _pairs(a, b, same):
        formed += len(value)
        key = _hash(value)
        place = np.minimum(np.searchsorted(known, key), len(known) - 1)
        new = known[place] != key
        key, first = np.unique(key[new], return_index=True)
        keys.append(key)
        values.append(value[new][first])
    key, first = np.unique(np.concatenate(keys), return_index=True)
    levels.append(np.concatenate(values)[first])
    known = np.sort(np.concatenate([known, key]))
  return [len(level) for level in levels], formed
