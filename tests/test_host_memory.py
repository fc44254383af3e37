"""Training on a CPU does not touch fresh pages at every step."""

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource
import numpy as np
from synth import host_memory

def faults():
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  np.ones(2**23)  # 64 MiB, freed at once
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
returned = faults()
assert host_memory.keep_freed()
faults()
print(returned, faults())
"""


@pytest.mark.skipif(
  platform.libc_ver()[0] != 'glibc', reason='only glibc has these parameters'
)
def test_memory_is_used_again_without_page_faults():
  found = subprocess.run(
    [sys.executable, '-c', _FAULTS], capture_output=True, text=True, check=True
  )
  returned, kept = map(int, found.stdout.split())
  assert kept < 0.01 * returned
