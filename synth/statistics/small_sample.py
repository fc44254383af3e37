"""Intervals that keep their level with few splits and seeds."""

from collections.abc import Sequence
import math

import numpy as np
import scipy.special

from synth.statistics import design as design_lib
from synth.statistics.design import Contrast
from synth.statistics.design import Interval


def crossed(contrast: Contrast, level: float = 0.95) -> Interval:
  """Student interval of a contrast over new units and new items.

  The variance of the estimate is A + C: A is the variance of the units'
  contrasts over their number (units: splits, or seeds where there is one split;
  U - 1 degrees of freedom), C the mean covariance of two units through the
  items that both have (G - 1 degrees, zero where no two splits share an item).
  Balanced, these are the mean squares of the crossed two-way analysis of
  variance.

  Its quantile is that of `_quantile` for the part that needs the larger.

  Simulated with 95 % and normal effects: 95 % exactly for splits with items of
  their own, whatever U (a t interval); for the seeds of one split 93.5 to
  96.5 % with U = 2 and 94.5 to 96 % from 3 on, by what the variance is made of.
  Success of 8 seeds, effects normal in the logit: 94 to 96 %
  (`tests/test_intervals.py`, quadrature and simulations).

  Raises:
    ValueError: if there is one split with one seed.
  """
  return _around(contrast, half_width(_parts(contrast), level))


def these_splits(contrast: Contrast, level: float = 0.95) -> Interval:
  """Student interval over new seeds and items of the splits there are.

  As `crossed`, but A and C are computed in each split, over its seeds, and
  added up; items that two splits share are taken to be different ones.

  Raises:
    ValueError: if a split has one seed.
  """
  return _around(contrast, half_width(_within(contrast), level))


def careful(contrast: Contrast, level: float = 0.95) -> Interval:
  """`crossed`, but never shorter than for the splits there are.

  No more can be known of new splits than of these, but with few of them the
  variance between splits may come out too small by chance. Where a split has
  one seed it is `crossed`.

  Raises:
    ValueError: if there is one split with one seed.
  """
  used = _parts(contrast)
  half = half_width(used, level)
  if min(design_lib.of(contrast).seeds_R) > 1:
    half = max(half, half_width(_within(contrast), level))
  return _around(contrast, half)


def these_splits_error(contrast: Contrast) -> float:
  """Standard error over new seeds and items of the splits there are.

  Raises:
    ValueError: if a split has one seed.
  """
  return math.sqrt(sum(variance for variance, _ in _within(contrast)))


def _around(contrast: Contrast, half: float) -> Interval:
  """The estimate and the ends of an interval of half this width."""
  mean = float(design_lib.by_unit(contrast).mean())
  return Interval(mean, mean - half, mean + half)


def half_width(used: Sequence[tuple[float, float]], level: float) -> float:
  """Half the width of an interval.

  Args:
    used: Parts of the estimate's variance and the degrees of freedom of each.
    level: That the interval is to hold the truth.
  """
  if not used:
    return 0.0
  tail = (1 + level) / 2
  variance = sum(v for v, _ in used)
  quantile = max(_quantile(v / variance, d, tail) for v, d in used)
  return float(quantile * math.sqrt(variance))


def _quantile(share: float, degrees: float, tail: float) -> float:
  """Half the width of an interval over the root of its estimated variance.

  A share rho of the variance was estimated with d degrees of freedom, the rest
  is known. Student's quantile t with Satterthwaite's degrees, d / rho^2, gives
  an interval that is short where d < 5, and t^2 rho + z^2 (1 - rho) (Cochran
  1964; Banerjee 1960, Sankhya 22) one that is never short but long. This is

    (z^p (1 - rho^s) + t^p rho^s)^(1/p)

  with s / p and p such that the coverage, an integral over the chi-square law
  of the estimate, is nominal for every true share: within 0.005 for d >= 2 and
  levels of 90 to 99 %, 0.009 for 1.5, 0.012 for 1.25 and 0.014 for 1. The
  formulas for both are fits to their best values (docs/log.md).

  Args:
    share: rho, as estimated.
    degrees: d.
    tail: Probability below the upper end.
  """
  z = float(scipy.special.ndtri(tail))
  t = float(scipy.special.stdtrit(degrees, tail))
  # Where p is past all bounds, the sum is its larger part: z, or t rho^(s/p).
  p = 1 / max(0.16 * (1 - (2 / degrees) ** 2), 0.002)
  s = p * (1 / 3 + (2 / degrees) ** 1.22 / 6)
  if share == 1:
    return t
  # In logarithms, for (t / z)^p is large.
  of_t = p * math.log(t / z) + s * math.log(share)
  of_z = math.log(-math.expm1(s * math.log(share)))
  return z * math.exp(float(np.logaddexp(of_z, of_t)) / p)


def _within(contrast: Contrast) -> list[tuple[float, float]]:
  """The parts of the mean's variance that are within splits.

  Two, of seeds and of items, each the sum of the splits'.
  """
  seeds, items = [], []
  for terms in contrast:
    part, *rest = _components([terms])
    seeds.append(part)
    items += rest
  found = []
  for parts in (seeds, items):
    above = [(v / len(contrast) ** 2, d) for v, d in parts if v > 0]
    if above:
      found.append((sum(v for v, _ in above), _satterthwaite(above)))
  return found


def standard_error(contrast: Contrast) -> float:
  """The square root of A + C (`crossed`).

  Raises:
    ValueError: if there is one split with one seed.
  """
  return math.sqrt(sum(variance for variance, _ in _parts(contrast)))


def degrees(contrast: Contrast) -> float:
  """Satterthwaite's degrees of freedom of A + C; infinite if it is 0.

  Raises:
    ValueError: if there is one split with one seed.
  """
  used = _parts(contrast)
  return _satterthwaite(used) if used else math.inf


def _satterthwaite(used: Sequence[tuple[float, float]]) -> float:
  """Degrees of freedom of a sum of parts (value, degrees)."""
  return sum(v for v, _ in used) ** 2 / sum(v**2 / d for v, d in used)


def _parts(contrast: Contrast) -> list[tuple[float, int]]:
  """The parts of the variance that are above 0, with their degrees.

  Where none is, for units agree by chance (each solves one task, say, and none
  the same), it is what the variance would be of items that no two units share:
  less it cannot be.
  """
  return _above_0(_components(contrast)) or _above_0(_unshared(contrast))


def _above_0(parts: list[tuple[float, int]]) -> list[tuple[float, int]]:
  return [(v, d) for v, d in parts if v > 0]


def _components(contrast: Contrast) -> list[tuple[float, int]]:
  """A, and C of each pool of clusters, with their degrees."""
  design = design_lib.of(contrast)
  unit_U = design_lib.by_unit(contrast)
  units = len(unit_U)
  if units < 2:
    raise ValueError('an interval needs two splits, or two seeds of one split')
  parts = [float(unit_U.var(ddof=1)) / units, *_item_parts(design, units)]
  degrees = [units - 1, *(size - 1 for size in design.strata)]
  return list(zip(parts, degrees, strict=True))


def _unshared(contrast: Contrast) -> list[tuple[float, int]]:
  """The variance of a mean over units that share no items, with its degrees."""
  design = design_lib.of(contrast)
  units = len(design_lib.by_unit(contrast))
  return [
    (float(np.sum(pool**2)) / units**2 * size / (size - 1), size - 1)
    for pool, size in zip(_pools(design, units), design.strata, strict=True)
    if size > 1
  ]


def _item_parts(design: design_lib.Design, units: int) -> list[float]:
  """C of each pool of clusters; the units share nothing else."""
  pairs = units * (units - 1)
  return [
    # The sum over pairs of different units: all pairs less each with itself.
    # One cluster deviates from its own mean by what rounding leaves.
    float(np.sum(pool.sum(axis=0) ** 2) - np.sum(pool**2))
    / pairs
    * size
    / (size - 1)
    if size > 1
    else 0.0
    for pool, size in zip(_pools(design, units), design.strata, strict=True)
  ]


def _pools(design: design_lib.Design, units: int) -> list[np.ndarray]:
  """What each cluster of a pool adds to the estimate of each unit: UxG."""
  one_split = len(design.seeds_R) == 1
  pools = [np.zeros((units, size)) for size in design.strata]
  for cell in design.cells:
    # Deviations from the unit's own mean, so that units differ in A alone.
    mean_S = cell.total_SxG.sum(axis=1) / cell.size_G.sum()
    share_SxG = cell.total_SxG - mean_S[:, None] * cell.size_G
    share_SxG *= cell.weight / cell.size_G.sum()
    if one_split:
      pools[cell.stratum][:, cell.column_G] += share_SxG
    else:
      pools[cell.stratum][cell.split, cell.column_G] += share_SxG.mean(axis=0)
  return pools
