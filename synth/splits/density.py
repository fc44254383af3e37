"""Density arms: training laws over the same support.

`uniform`: classes uniformly at random within each minimal size, a share of
each size, so that the size law of the universe is kept (methods: A3).
"""

import numpy as np

from synth import seeding
from synth.splits import split as split_lib
from synth.universe import universe as universe_lib

UNIFORM = 'uniform'


def make(
  universe: universe_lib.Universe,
  usable_C: np.ndarray,
  *,
  num_test: int,
  num_dev: int,
  seed: int,
) -> split_lib.Split:
  """The uniform arm and its test set.

  Args:
    universe: The universe.
    usable_C: Classes that may be used (their specification is unambiguous).
    num_test: Test classes.
    num_dev: Dev classes.
    seed: Of the random choice.
  """
  rng = seeding.generator(seed, 'density')
  classes = rng.permutation(np.flatnonzero(usable_C))
  test, dev, train = np.split(classes, [num_test, num_test + num_dev])
  return split_lib.Split(
    arms={UNIFORM: np.sort(train)},
    tests={UNIFORM: np.sort(test)},
    dev=np.sort(dev),
    facts={},
  )
