"""synth: does a program-synthesis transformer generalize, or retrieve?"""

import os

# Sums come out with other bits when BLAS shares them out to another number of
# threads. Blocks of programs are what runs in parallel (`synth.spaces.blocks`),
# so BLAS gets one thread, if it has not been loaded yet or told otherwise.
for _name in ('OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
  os.environ.setdefault(_name, '1')

__version__ = '0.1.0'
