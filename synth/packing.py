"""Arrays in JSON: {dtype, shape, data}.

The data are base64 of zlib of an array's bytes, C order, little endian.
"""

import base64
from collections.abc import Mapping
from typing import Any
import zlib

import numpy as np


def pack(array: np.ndarray, dtype: str) -> dict[str, Any]:
  """An array as JSON can hold it.

  Raises:
    ValueError: if integers do not fit the type.
  """
  small = np.ascontiguousarray(array, dtype)
  if small.dtype.kind in 'iu' and not np.array_equal(small, array):
    raise ValueError(f'values do not fit {dtype}')
  data = base64.b64encode(zlib.compress(small.tobytes(), 9)).decode()
  return {'dtype': dtype, 'shape': list(small.shape), 'data': data}


def unpack(packed: Mapping[str, Any]) -> np.ndarray:
  """The array of `pack`."""
  data = zlib.decompress(base64.b64decode(packed['data']))
  return np.frombuffer(data, packed['dtype']).reshape(packed['shape'])
