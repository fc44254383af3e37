"""Random generators by seed and name: one seed, independent streams."""

import zlib

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
  """The generator of the stream `names` under `seed`.

  Equal arguments give equal streams in every process and version of Python
  (`hash(str)` would not); different names give independent streams.
  """
  words = [n if isinstance(n, int) else zlib.crc32(n.encode()) for n in names]
  return np.random.Generator(
    np.random.PCG64(np.random.SeedSequence([seed, *words]))
  )
