"""Support splits by a region of a space: no training class is in or near it.

  python -m synth.train --config=configs/region.py:tiny --workdir=/tmp/region
  python -m synth.evaluate --workdir=/tmp/region

`--config.split.space=syntactic` for the other space, and
`--config.split.shape=shell`, `core` or `halfspace` for another region
(`synth.splits.regions`); `--config.split.seed` says which cluster or axis. Arms
as in `configs/support.py`.
"""

import ml_collections

from configs import base

# Classes in each test: a region is small, and training needs as many pairs.
_TESTS = {'tiny': 20, 'small': 250}
_TESTS_OF_OTHERS = 2000


def get_config(size: str = 'tiny') -> ml_collections.ConfigDict:
  """A cluster of the semantic space, at a size of `base.SIZES`."""
  config = base.get_config(size)
  config.split.kind = 'region'
  config.split.num_test = _TESTS.get(size, _TESTS_OF_OTHERS)
  config.split.space = 'semantic'
  config.split.shape = 'cluster'
  config.data.arm = 'train_s'
  return config
