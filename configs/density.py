"""Density: training and test classes drawn uniformly from the same support.

python -m synth.train --config=configs/density.py:tiny --workdir=/tmp/density
python -m synth.evaluate --workdir=/tmp/density
"""

import ml_collections

from configs import base


def get_config(size: str = 'tiny') -> ml_collections.ConfigDict:
  """The uniform density arm at a size of `base.SIZES`."""
  config = base.get_config(size)
  config.split.kind = 'density'
  config.data.arm = 'uniform'
  return config
