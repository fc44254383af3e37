"""How success grows with training compute: six forms, and whether they differ.

Every seed of a level of compute is an observation. Its variance is that of a
share, p (1 - p), times one factor of over-dispersion: the spread of seeds,
pooled over the levels (quasi-binomial; methods: 5.1).
"""

from collections.abc import Mapping
import math
from typing import NamedTuple

import numpy as np

from analysis.study import cells as cells_lib
from synth.statistics import scaling

# Fewer cannot tell the forms apart (methods: 5.1, its table of powers).
LEVELS, DECADES = 10, 3.0
LINE = scaling.LOG_LINEAR.name
_EDGE = 0.01  # no level is taken to vary less than one of 1 % success
_LEAST_ERROR = 1e-3  # of a share, where seeds agree by chance


class Standing(NamedTuple):
  """A form among its rivals.

  Attributes:
    form: Its name.
    parameters: How many.
    delta_aicc: AICc above the best form's.
    delta_bic: The same of BIC.
    left_out: Root mean square error of levels left out, in shares.
    forward: Of the upper levels, foretold by the lower 70 %.
    fit: The fit.
  """

  form: str
  parameters: int
  delta_aicc: float
  delta_bic: float
  left_out: float
  forward: float
  fit: scaling.Fit


class Scaling(NamedTuple):
  """The comparison of the forms on one test set.

  Attributes:
    points: What was fitted.
    standings: One of each form that has fewer parameters than levels.
    levels: Levels of compute.
    decades: Between least and most compute.
    seeds: The fewest of a level.
    slope: Points per decade of compute: estimate and 95 % interval, of the
      log-linear form.
    lack_p: Whether the log-linear form misses the levels' means: p.
  """

  points: scaling.Points
  standings: list[Standing]
  levels: int
  decades: float
  seeds: int
  slope: tuple[float, float, float]
  lack_p: float

  @property
  def enough(self) -> bool:
    """Whether the points can tell the forms apart."""
    return self.levels >= LEVELS and self.decades >= DECADES - 1e-9

  @property
  def best(self) -> str:
    """The form of least AICc."""
    return min(self.standings, key=lambda s: s.delta_aicc).form

  def standing(self, form: str) -> Standing:
    """Of one form."""
    return next(s for s in self.standings if s.form == form)


def measure(rate_by_compute: Mapping[float, np.ndarray]) -> Scaling:
  """Compares the forms.

  Args:
    rate_by_compute: Training FLOPs -> success of each seed.

  Raises:
    NotMeasured: if there are fewer than 4 levels, or one seed in all of them.
  """
  levels = {c: np.asarray(r_S, float) for c, r_S in rate_by_compute.items()}
  if len(levels) < 4:
    raise cells_lib.NotMeasured(
      f'{len(levels)} levels of compute have this test: a law needs 4'
    )
  spare = sum(len(rate_S) - 1 for rate_S in levels.values())
  if not spare:
    raise cells_lib.NotMeasured('one seed a level has no error bar')
  mean_L = np.array([rate_S.mean() for rate_S in levels.values()])
  binomial_L = np.clip(mean_L, _EDGE, 1 - _EDGE)
  binomial_L *= 1 - binomial_L
  squares_L = [np.sum((r_S - r_S.mean()) ** 2) for r_S in levels.values()]
  dispersion = float(np.sum(squares_L / binomial_L)) / spare
  error_L = np.maximum(np.sqrt(dispersion * binomial_L), _LEAST_ERROR)
  count_L = [len(rate_S) for rate_S in levels.values()]
  points = scaling.Points(
    np.repeat(list(levels), count_L),
    np.concatenate(list(levels.values())),
    np.repeat(error_L, count_L),
  )
  forms = [f for f in scaling.FORMS if len(f.parameters) < len(levels)]
  scores = scaling.compare(points, forms)
  aicc = min(score.fit.aicc for score in scores)
  bic = min(score.fit.bic for score in scores)
  line = next(s.fit for s in scores if s.fit.form is scaling.LOG_LINEAR)
  per_decade = math.log(10)
  half = 1.96 * math.sqrt(line.covariance_PxP[1, 1]) * per_decade
  slope = float(line.value_P[1]) * per_decade
  _, _, lack_p = scaling.lack_of_fit(line, points)
  return Scaling(
    points,
    [
      Standing(
        score.fit.form.name,
        len(score.fit.value_P),
        score.fit.aicc - aicc,
        score.fit.bic - bic,
        score.left_out,
        score.forward,
        score.fit,
      )
      for score in scores
    ],
    len(levels),
    math.log10(max(levels) / min(levels)),
    min(map(len, levels.values())),
    (slope, slope - half, slope + half),
    lack_p,
  )
