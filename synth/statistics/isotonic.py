"""Success as a decreasing function of distance, without a formula."""

from typing import NamedTuple

import numpy as np
import scipy.optimize

from synth.statistics import bootstrap
from synth.statistics.design import Interval

_RESAMPLES = 1000
_NEAR = 0.1  # share of the items that says what success is without distance


class Curve(NamedTuple):
  """Success by distance, never rising, with pointwise intervals.

  Attributes:
    distance_D: Distinct distances, ascending.
    rate_D: Fitted success.
    low_D: Lower ends.
    high_D: Upper ends.
    d50: Distance at which success has halved, infinite where it never has.
  """

  distance_D: np.ndarray
  rate_D: np.ndarray
  low_D: np.ndarray
  high_D: np.ndarray
  d50: Interval


def curves(
  value_SxI: np.ndarray,
  distance_I: np.ndarray,
  stratum_I: np.ndarray,
  rng: np.random.Generator,
  level: float = 0.95,
  resamples: int = _RESAMPLES,
) -> dict[int, Curve]:
  """The curve of each stratum, so that its label cannot explain the slope.

  Seeds and items are resampled as in `bootstrap.crossed`, percentiles.

  Simulated with 95 % (a logistic law, 300 and 1,000 items, 4 and 8 seeds) they
  hold the true rate in 94 to 100 %, D50 in 99 to 100 % of cases: rather long,
  since noise counts more than once.

  Args:
    value_SxI: Success of every training seed and item, 0..1.
    distance_I: Distance of each item from training.
    stratum_I: Labels, for instance sizes; integers.
    rng: Source of randomness.
    level: Of the intervals.
    resamples: How many.
  """
  return {
    label.item(): _curve(
      value_SxI[:, stratum_I == label],
      distance_I[stratum_I == label],
      rng,
      (1 - level) / 2,
      resamples,
    )
    for label in np.unique(stratum_I)
  }


def _curve(
  value_SxI: np.ndarray,
  distance_I: np.ndarray,
  rng: np.random.Generator,
  tail: float,
  resamples: int,
) -> Curve:
  seeds, items = value_SxI.shape
  distance_D, place_I, size_D = np.unique(
    distance_I, return_inverse=True, return_counts=True
  )
  rate_D = _fit(place_I, value_SxI.mean(axis=0), np.ones(items))
  seed_BxS = bootstrap.weight_table(rng, resamples, seeds) / seeds
  rate_BxD = np.empty((resamples, len(distance_D)))
  half_B = np.empty(resamples)
  for b, seed_S in enumerate(seed_BxS):
    weight_I = bootstrap.weight_table(rng, 1, items)[0]
    rate_BxD[b] = _fit(place_I, seed_S @ value_SxI, weight_I)
    drawn_D = np.bincount(place_I, weight_I)
    half_B[b] = d50(distance_D, rate_BxD[b], drawn_D)
  low_D, high_D = np.quantile(rate_BxD, [tail, 1 - tail], axis=0)
  # Order statistics: one cannot interpolate between a number and infinity.
  low, high = np.quantile(half_B, [tail, 1 - tail], method='inverted_cdf')
  half = Interval(d50(distance_D, rate_D, size_D), float(low), float(high))
  return Curve(distance_D, rate_D, low_D, high_D, half)


def _fit(
  place_I: np.ndarray, value_I: np.ndarray, weight_I: np.ndarray
) -> np.ndarray:
  """Weighted least squares among the functions that never rise: rate_D.

  Args:
    place_I: Which of the distinct distances each item has.
    value_I: Success.
    weight_I: Weights, possibly 0: a distance without weight takes the rate of
      the next nearer one that has some (the first, of the next farther).
  """
  weight_D = np.bincount(place_I, weight_I)
  total_D = np.bincount(place_I, weight_I * value_I)
  (used,) = np.nonzero(weight_D)
  fitted = scipy.optimize.isotonic_regression(
    total_D[used] / weight_D[used], weights=weight_D[used], increasing=False
  ).x
  nearest_D = np.searchsorted(used, np.arange(len(weight_D)), 'right') - 1
  rate_D: np.ndarray = fitted[np.maximum(nearest_D, 0)]
  return rate_D


def d50(
  distance_D: np.ndarray, rate_D: np.ndarray, size_D: np.ndarray
) -> float:
  """The first distance at which the rate is half of what it is near training.

  Near training is the mean rate of the nearest tenth of the items: a monotone
  fit is biased upwards at its very end. Infinite if the rate never halves.

  Args:
    distance_D: Distances, ascending.
    rate_D: A decreasing function of them.
    size_D: Items at each distance.
  """
  before_D = np.cumsum(size_D) - size_D
  near_D = np.clip(_NEAR * size_D.sum() - before_D, 0, size_D)
  reference = near_D @ rate_D / near_D.sum()
  (halved,) = np.nonzero(rate_D <= reference / 2)
  return float(distance_D[halved[0]]) if len(halved) else float('inf')
