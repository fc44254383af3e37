"""Crossed bootstrap: intervals over new splits, new seeds and new items."""

from collections.abc import Sequence
import math

import numpy as np
import scipy.special

from synth.statistics import design as design_lib
from synth.statistics.design import Contrast
from synth.statistics.design import Interval

_RESAMPLES = 10_000
_END = 0.975
_CELLS = 4_000_000  # of a table of weights, resamples x clusters: 32 MB


def crossed(
  contrast: Contrast,
  rng: np.random.Generator,
  level: float = 0.95,
  resamples: int = _RESAMPLES,
) -> Interval:
  """Percentile interval of the pigeonhole bootstrap (Owen 2007, AoAS 1(2)).

  Splits, the training seeds within each drawn split, and clusters of items are
  drawn with replacement and independently; a drawn item keeps its weight for
  every seed, term and split in which it occurs. One split stays as it is, and
  the interval is then for this split. Resamples that leave a term without items
  (possible with few labelled clusters) are left out.

  Its level is not exact. Simulated with 95 % (one split, 100 items, 2 / 3 / 5 /
  8 / 16 seeds): where seeds make 8/10 of the variance of the mean it holds the
  truth in 83 / 87 / 91 / 93 / 95 % of cases, since the spread of S draws of S
  seeds is short by (S - 1) / S and a percentile knows no Student's t; where
  noise of single outcomes does, in 99 to 100 %, since it is counted up to three
  times; with seeds and items 4/10 each, in 93 / 95 / 96 / 97 / 98 %. With 2 to
  8 splits, where what varies within them counts twice, in 93 to 100 %.
  `small_sample.crossed` keeps its level.
  """
  draw_B = draws(design_lib.of(contrast), rng, resamples)
  low, high = np.nanquantile(draw_B, [(1 - level) / 2, (1 + level) / 2])
  return Interval(estimate(contrast), float(low), float(high))


def estimate(contrast: Contrast) -> float:
  """The mean over splits of the mean over their training seeds."""
  return float(design_lib.by_unit(contrast).mean())


def draws(
  design: design_lib.Design, rng: np.random.Generator, resamples: int
) -> np.ndarray:
  """The estimate in each resample: draw_B.

  Args:
    design: Of a contrast (`design.of`).
    rng: Of the draws.
    resamples: B.
  """
  chunk = max(1, _CELLS // sum(design.strata))
  parts = [
    _draws(design, rng, min(chunk, resamples - start))
    for start in range(0, resamples, chunk)
  ]
  return np.concatenate(parts)


def _by_seed(
  design: design_lib.Design, rng: np.random.Generator, resamples: int
) -> np.ndarray:
  """The contrast of each split and seed with items drawn anew: value_BxRxS.

  A split with fewer seeds than others has zeros beyond them.
  """
  splits, most = len(design.seeds_R), int(design.seeds_R.max())
  weights = [weight_table(rng, resamples, size) for size in design.strata]
  value_BxRxS = np.zeros((resamples, splits, most))
  for cell in design.cells:
    weight_BxG = weights[cell.stratum]
    if len(cell.column_G) < weight_BxG.shape[1]:
      weight_BxG = weight_BxG[:, cell.column_G]
    with np.errstate(invalid='ignore'):
      mean_BxS = weight_BxG @ cell.total_SxG.T
      mean_BxS /= (weight_BxG @ cell.size_G)[:, None]
    value_BxRxS[:, cell.split, : mean_BxS.shape[1]] += cell.weight * mean_BxS
  return value_BxRxS


def _draws(
  design: design_lib.Design, rng: np.random.Generator, resamples: int
) -> np.ndarray:
  """`draws`, all at once."""
  value_BxRxS = _by_seed(design, rng, resamples)
  _, splits, most = value_BxRxS.shape
  split_BxR = rng.integers(0, splits, (resamples, splits))
  seeds_BxR = design.seeds_R[split_BxR]
  # Fresh seeds for every copy of a split; splits may have different numbers.
  seed_BxRxS = rng.integers(0, seeds_BxR[..., None], (resamples, splits, most))
  drawn_BxRxS = value_BxRxS[
    np.arange(resamples)[:, None, None], split_BxR[..., None], seed_BxRxS
  ]
  drawn_BxRxS *= np.arange(most) < seeds_BxR[..., None]
  mean_B: np.ndarray = (drawn_BxRxS.sum(axis=2) / seeds_BxR).mean(axis=1)
  return mean_B


def weight_table(
  rng: np.random.Generator, resamples: int, size: int
) -> np.ndarray:
  """How often each of G things is drawn in each resample: weight_BxG, float.

  Args:
    rng: Of the draws: G of G, with replacement.
    resamples: B.
    size: G.
  """
  draw_BxG = rng.integers(0, size, (resamples, size))
  draw_BxG += size * np.arange(resamples)[:, None]
  weight = np.bincount(draw_BxG.ravel(), minlength=resamples * size)
  return weight.reshape(resamples, size).astype(float)


def other_items(
  contrast: Contrast, rng: np.random.Generator, resamples: int
) -> np.ndarray:
  """What each split's mean might have been with other items.

  Clusters are drawn with replacement; what several splits share, they share in
  each draw. Seeds stay, so that noise of single outcomes counts here, too,
  besides in the spread of seeds.

  Args:
    contrast: The splits, or levels of another kind; all have as many seeds.
    rng: Of the draws.
    resamples: B.

  Returns:
    mean_BxR; NaN where a term is left without items.
  """
  design = design_lib.of(contrast)
  chunk = max(1, _CELLS // sum(design.strata))
  parts = [
    _by_seed(design, rng, min(chunk, resamples - start)).mean(axis=2)
    for start in range(0, resamples, chunk)
  ]
  return np.concatenate(parts)


def few_seeds(
  value_by_level: Sequence[np.ndarray],
  rng: np.random.Generator,
  resamples: int,
) -> np.ndarray:
  """What the levels' means might have been with other seeds.

  Seeds are drawn with replacement within each level. Deviations of a level's
  mean are stretched by sqrt(S / (S - 1)), for S draws of S seeds vary by so
  much too little (Rao and Wu 1988, JASA 83), and by Student's quantile over the
  normal one for the seeds of all levels to spare. A level of one seed is taken
  to be exact beside others of several.

  Args:
    value_by_level: For each of L levels, what each seed has: value_S.
    rng: Of the draws.
    resamples: B.

  Returns:
    mean_BxL.

  Raises:
    ValueError: if every level has one seed.
  """
  spare = sum(len(value_S) - 1 for value_S in value_by_level)
  if not spare:
    raise ValueError('one seed a level says nothing of other seeds')
  student = scipy.special.stdtrit(spare, _END) / scipy.special.ndtri(_END)
  mean_BxL = np.empty((resamples, len(value_by_level)))
  for level, value_S in enumerate(value_by_level):
    seeds = len(value_S)
    weight_BxS = weight_table(rng, resamples, seeds) / seeds
    stretch = student * math.sqrt(seeds / max(seeds - 1, 1))
    mean_BxL[:, level] = value_S.mean() + stretch * (
      weight_BxS @ (value_S - value_S.mean())
    )
  return mean_BxL
