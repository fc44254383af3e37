"""The interval of a contrast that its design allows."""

import numpy as np
import scipy.special

from synth.statistics import bootstrap
from synth.statistics import design as design_lib
from synth.statistics import small_sample
from synth.statistics.design import Contrast
from synth.statistics.design import Interval

NORMAL = 1.96  # quantile of the normal law
_TAIL = 0.025


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
  """`crossed` of a share of tasks, as `of_share` has it."""
  found = crossed(contrast, rng)
  if len(design_lib.by_unit(contrast)) < 2:
    error = (found.high - found.low) / 2 / NORMAL
  else:
    error = small_sample.standard_error(contrast)
  return of_share(found, error, sum(design_lib.of(contrast).strata))


def of_share(found: Interval, error: float, items: int) -> Interval:
  """The 95 % interval of a share from that of a mean.

  Where few tasks are solved, their number is skewed: an interval symmetric
  about the share ends below 0 and too early above. So it reaches as far, too,
  as the interval of the logit (normal, by the delta method), and not beyond 0
  and 1. A share that is 0 or 1 in all samples has no variance; its interval is
  that of as many tasks of one outcome each (Clopper and Pearson 1934).

  Simulated with 95 % for success of 0.4 % of 1,000 tasks (2.3 % can be solved),
  2 to 8 seeds: 92 to 96 % of cases, of the symmetric one 90 to 93; of 0.1 %
  (1 %), 92 to 93, of the symmetric one 84 to 89. Where most of a share is in so
  few tasks that a test set may hold none of them (0.1 % of 1,000 tasks solved
  every second time, the others a thousandth as often), what was seen does not
  tell of them: 86 % with 2 seeds, 62 % with 8.

  Args:
    found: Of the mean, symmetric or not.
    error: Its standard error.
    items: Tasks, or clusters of them.
  """
  mean, low, high = found
  if error <= 0 or not 0 < mean < 1:
    reach = 1 - _TAIL ** (1 / items)
    return Interval(mean, max(mean - reach, 0.0), min(mean + reach, 1.0))
  half = NORMAL * error / (mean * (1 - mean))
  logit = scipy.special.logit(mean)
  least, most = scipy.special.expit([logit - half, logit + half])
  low, high = max(min(low, least), 0.0), min(max(high, most), 1.0)
  return Interval(mean, float(low), float(high))
