"""The interval of a contrast that its design allows."""

import numpy as np

from synth.statistics import bootstrap
from synth.statistics import design as design_lib
from synth.statistics import small_sample
from synth.statistics.design import Contrast
from synth.statistics.design import Interval


def crossed(contrast: Contrast, rng: np.random.Generator) -> Interval:
  """95 % interval over splits, seeds and items.

  That of `small_sample`, which keeps its level with few seeds. It needs two
  splits or two seeds; with one seed of one split the bootstrap gives the
  interval for this seed, over items.

  Args:
    contrast: Splits, seeds and items.
    rng: Of the bootstrap.
  """
  if len(design_lib.by_unit(contrast)) < 2:
    return bootstrap.crossed(contrast, rng)
  return small_sample.crossed(contrast)


def share(contrast: Contrast, rng: np.random.Generator) -> Interval:
  """`crossed` of a share of tasks, cut to [0, 1]."""
  mean, low, high = crossed(contrast, rng)
  return Interval(mean, max(low, 0.0), min(high, 1.0))
