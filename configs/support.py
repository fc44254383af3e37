"""Support split S3: no training program has an edge that half the tests need.

  python -m synth.train --config=configs/support.py:tiny --workdir=/tmp/tiny
  python -m synth.evaluate --workdir=/tmp/tiny

The held-out edge is `sub > div` (a quotient directly under a difference). Arm
`train_s` never saw it, arm `train_c` (`--config.data.arm=train_c`) saw it in a
part of its programs; everything else is matched.
"""

import ml_collections

from configs import base


def get_config(size: str = 'tiny') -> ml_collections.ConfigDict:
  """The support split at a size of `base.SIZES`."""
  config = base.get_config(size)
  config.split.kind = 'support'
  config.split.edges = 'sub > div'
  config.split.match = 'symbols'
  config.split.min_distance = 0.4  # of novel tests to training, pq-grams
  config.split.extra_size = 2  # nodes beyond minimal for the certificate
  config.data.arm = 'train_s'
  return config
