"""Random generators by seed and name: one seed, independent streams."""

import zlib

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
  """The generator of the stream `names` under `seed`.

  Equal arguments give equal streams in every process and version of Python
  (`hash(str)` would not). Different names give independent streams, but for
  zeros at the end: up to the third name they say nothing, as `SeedSequence`
  fills up four words with zeros, so ('x',), ('x', 0) and ('x', 0, 0) are one
  stream. No two uses may differ in these alone.
  """
  words = [n if isinstance(n, int) else zlib.crc32(n.encode()) for n in names]
  return np.random.Generator(
    np.random.PCG64(np.random.SeedSequence([seed, *words]))
  )
