"""Density: training classes drawn from one support under different laws.

  python -m synth.train --config=configs/density.py:tiny --workdir=/tmp/density
  python -m synth.evaluate --workdir=/tmp/density

Arms (`--config.data.arm=...`) are named in `synth.splits.density`: uniform,
programs, semantic, syntactic, joint, ...; all have `split.num_arm` classes and
share their tests, so train others on the same `--data`.
"""

import ml_collections

from configs import base

# Classes of each arm: about half of those that are not tests.
_ARM = {'tiny': 800, 'small': 8000}
_ARM_OF_OTHERS = 80_000


def get_config(size: str = 'tiny') -> ml_collections.ConfigDict:
  """The uniform density arm at a size of `base.SIZES`."""
  config = base.get_config(size)
  config.split.kind = 'density'
  config.split.num_arm = _ARM.get(size, _ARM_OF_OTHERS)
  config.data.arm = 'uniform'
  return config
