"""A ladder of compound divergence: arms that hold out more and more edges.

  python -m synth.train --config=configs/ladder.py:tiny --workdir=/tmp/ladder
  python -m synth.evaluate --workdir=/tmp/ladder

Arms `rung_0` (nothing held out) to `rung_4` (no operator edge of the novel test
is in training), `--config.data.arm=...`; equally many programs of every kind of
symbols in all, and the same tests, so train others on the same `--data`. The
universe is larger than in other recipes of a size, for a ladder needs many
programs of equal symbols.
"""

import ml_collections

from configs import base

# Largest program size, classes in each test, in each arm.
_SIZES = {
  'tiny': (9, 50, 400),
  'small': (11, 250, 4000),
}
_OTHERS = (13, 1500, 30_000)


def get_config(size: str = 'tiny') -> ml_collections.ConfigDict:
  """The ladder at a size of `base.SIZES`."""
  config = base.get_config(size)
  max_size, num_test, num_arm = _SIZES.get(size, _OTHERS)
  config.universe.max_size = max_size
  config.split.kind = 'ladder'
  config.split.num_test = num_test
  config.split.num_arm = num_arm
  config.data.arm = 'rung_4'
  return config
