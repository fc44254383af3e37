"""The memory of the host: kept by the process instead of given back each step.

By default glibc returns large blocks to the system as soon as they are free, so
that the next ones touch fresh pages: of XLA's CPU back end those of every step
(eight small models faulted on 100 MB a step, a sixth of their time), of a split
of millions of classes every array (a quarter of its time; docs/log.md), of an
enumeration every block of a worker (a fifth of its time).
"""

import ctypes
import sys

# Parameters of mallopt(3).
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_freed() -> bool:
  """Makes malloc keep what is freed, for this process from now on.

  Returns:
    Whether this host's C library has the parameters; nothing is done else.
  """
  mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
  if mallopt is None or not sys.platform.startswith('linux'):
    return False
  mallopt(_ARENA_MAX, 1)  # others give back whatever their parameters
  mallopt(_MMAP_MAX, 0)
  return bool(mallopt(_TRIM_THRESHOLD, -1))
