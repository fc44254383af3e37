"""What a held-out structure or region costs: the support contrasts."""

from typing import NamedTuple

import numpy as np

from analysis.study import cells as cells_lib
from analysis.study import effects
from synth.splits import support
from synth.statistics import small_sample
from synth.statistics.design import Interval
from synth.statistics.design import Term


def drop_on(test: str) -> effects.Weights:
  """What having seen it is worth on a test."""
  return {(support.WITH, test): 1.0, (support.WITHOUT, test): -1.0}


# On novel tasks.
DROP = drop_on(support.NOVEL)
# On matched tasks that do not need it: the price of seeing it.
PRICE = drop_on(support.CONTROL)
# Difference in differences: any difference of overall quality is gone.
GAP: effects.Weights = {**DROP, **{key: -w for key, w in PRICE.items()}}
_ARMS = (support.WITHOUT, support.WITH)
_SEEN: effects.Weights = {(support.WITH, support.NOVEL): 1.0}


class Support(NamedTuple):
  """The cost of never having seen what is held out, as a gain of seeing it.

  Attributes:
    drop: On novel tasks, in shares of tasks (Delta_S).
    price: The same on control tasks.
    gap: `drop` less `price` (difference in differences).
    relative: `drop` as a share of the success of the arm that saw it.
    log_odds: `drop` in the logit.
    seen: Success of that arm on novel: the largest drop that there can be.
  """

  drop: effects.Effect
  price: effects.Effect
  gap: effects.Effect
  relative: Interval
  log_odds: Interval
  seen: float


def measure(grid: cells_lib.Grid) -> Support:
  """The contrasts of one hold-out, of pass@1.

  Raises:
    NotMeasured: if the records are not whole.
  """
  relative = effects.ratio(grid, DROP, _SEEN, 1)
  seen = [grid.get(r, support.WITH, support.NOVEL) for r in grid.splits]
  return Support(
    effects.effect(grid, DROP, 1),
    effects.effect(grid, PRICE, 1),
    effects.effect(grid, GAP, 1),
    # No more can be lost than there is.
    relative._replace(high=min(relative.high, 1.0)),
    _log_odds(grid),
    float(np.mean([cell.value(1).mean() for cell in seen])),
  )


def _log_odds(grid: cells_lib.Grid) -> Interval:
  """Difference of the logits of both arms' means on novel, delta method.

  NaN if an arm solved nothing or everything: its odds are infinite.
  """
  pairs = [
    [
      grid.get(split, arm, support.NOVEL)
      for arm in (support.WITHOUT, support.WITH)
    ]
    for split in grid.splits
  ]
  mean_A = np.array([[cell.value(1).mean() for cell in row] for row in pairs])
  mean_A = mean_A.mean(axis=0)
  if (mean_A <= 0).any() or (mean_A >= 1).any():
    return Interval(np.nan, np.nan, np.nan)
  slope_A = 1 / (mean_A * (1 - mean_A))
  contrast = [
    [
      Term(
        slope_A[1] * with_.value(1) - slope_A[0] * without.value(1),
        cluster_I=without.cluster_I,
      )
    ]
    for without, with_ in pairs
  ]
  found = small_sample.crossed(contrast)
  logit_A = np.log(mean_A / (1 - mean_A))
  shift = float(logit_A[1] - logit_A[0]) - found.estimate
  return Interval(*(value + shift for value in found))
