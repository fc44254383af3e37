"""Scaling forms: how success grows with compute, six rival formulas.

Each is fitted as a function of z = log(compute / reference), the reference
being the geometric mean of the compute fitted to, by least squares weighed with
known standard errors. Success is a share, so ceilings are bound to 0..1. Loss
has forms of its own, `LOSS_FORMS`.
"""

from collections.abc import Callable
from collections.abc import Sequence
import itertools
import math
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
import scipy.stats

_LOWER = 0.7  # share of the levels that must foretell the rest
_FEW, _MANY = 15, 300  # steps from every start, and from the two best


class Points(NamedTuple):
  """Observations; equal compute is one level.

  Attributes:
    compute_N: Compute, positive, any unit.
    rate_N: Success, 0..1, or loss.
    error_N: Its standard errors. They are taken as known: with few seeds a
      level, pool their variance over levels.
  """

  compute_N: np.ndarray
  rate_N: np.ndarray
  error_N: np.ndarray

  def where(self, chosen_N: np.ndarray) -> 'Points':
    """Some of the observations."""
    return Points(*(array[chosen_N] for array in self))


class Form(NamedTuple):
  """A formula.

  Attributes:
    name: What it is called.
    parameters: Names of its parameters.
    predict: (parameters, z_N) to rate_N.
    starts: (z_N, rate_N) to parameters from which to search.
    low: Least values of the parameters.
    high: Greatest values.
  """

  name: str
  parameters: tuple[str, ...]
  predict: Callable[[np.ndarray, np.ndarray], np.ndarray]
  starts: Callable[[np.ndarray, np.ndarray], list[tuple[float, ...]]]
  low: tuple[float, ...]
  high: tuple[float, ...]


class Fit(NamedTuple):
  """A fitted form.

  Attributes:
    form: The formula.
    value_P: Parameters, for z = log(compute / reference).
    covariance_PxP: Of the parameters, from the curvature at the optimum.
    reference: The compute where z is 0.
    chi_square: Sum of squared standardized residuals.
    observations: N.
  """

  form: Form
  value_P: np.ndarray
  covariance_PxP: np.ndarray
  reference: float
  chi_square: float
  observations: int

  def predict(self, compute_N: np.ndarray) -> np.ndarray:
    """Success at any compute: rate_N."""
    z_N = np.log(np.asarray(compute_N) / self.reference)
    return self.form.predict(self.value_P, z_N)

  @property
  def aicc(self) -> float:
    """Akaike's criterion, small-sample; infinite with N <= P + 1."""
    return aicc(self.chi_square, len(self.value_P), self.observations)

  @property
  def bic(self) -> float:
    """Schwarz's criterion."""
    return self.chi_square + len(self.value_P) * math.log(self.observations)


class Score(NamedTuple):
  """A form's standing among its rivals.

  Attributes:
    fit: To all observations.
    left_out: Root mean square error of levels, each left out of the fit.
    forward: Root mean square error of the upper levels, foretold by the lower
      70 %.
  """

  fit: Fit
  left_out: float
  forward: float


def aicc(chi_square: float, parameters: int, observations: int) -> float:
  """Akaike's criterion, small-sample, of a fit to known errors.

  Infinite unless there are two observations more than parameters.
  """
  spare = observations - parameters - 1
  if spare <= 0:
    return math.inf
  return chi_square + 2 * parameters * (1 + (parameters + 1) / spare)


def fit(form: Form, points: Points) -> Fit:
  """Weighted least squares from many starts.

  Raises:
    ValueError: if there are fewer levels of compute than parameters.
  """
  levels = len(np.unique(points.compute_N))
  if levels < len(form.parameters):
    raise ValueError(
      f'{form.name} has {len(form.parameters)} parameters, the data {levels} '
      'levels of compute'
    )
  reference = float(np.exp(np.log(points.compute_N).mean()))
  z_N = np.log(points.compute_N / reference)
  starts = form.starts(z_N, points.rate_N)
  first = [_search(form, points, reference, start, _FEW) for start in starts]
  first.sort(key=lambda found: found.chi_square)
  return min(
    (_search(form, points, reference, f.value_P, _MANY) for f in first[:2]),
    key=lambda found: found.chi_square,
  )


def refit(found: Fit, points: Points) -> Fit:
  """A fit's form on similar observations, searched from its optimum only."""
  return _search(found.form, points, found.reference, found.value_P, _MANY)


def _search(
  form: Form,
  points: Points,
  reference: float,
  start: Sequence[float] | np.ndarray,
  steps: int,
) -> Fit:
  """The optimum near a start, after so many steps at most."""
  z_N = np.log(points.compute_N / reference)
  found = scipy.optimize.least_squares(
    lambda v_P: (form.predict(v_P, z_N) - points.rate_N) / points.error_N,
    np.clip(start, form.low, form.high),
    bounds=(form.low, form.high),
    x_scale='jac',
    max_nfev=steps,
  )
  return Fit(
    form,
    found.x,
    np.linalg.pinv(found.jac.T @ found.jac),
    reference,
    2 * float(found.cost),
    len(z_N),
  )


def compare(points: Points, forms: Sequence[Form] | None = None) -> list[Score]:
  """Every form's criteria and errors of prediction, in the order given.

  Forms with more parameters than the levels they are refitted to have NaN for
  that error.
  """
  level_L, place_N = np.unique(points.compute_N, return_inverse=True)
  held_N = place_N >= math.floor(_LOWER * len(level_L))
  scores = []
  for form in FORMS if forms is None else forms:
    enough = len(level_L) > len(form.parameters)
    whole = fit(form, points)
    left_out = [
      _miss(
        # Without one level the optimum is near that of all.
        refit(whole, points.where(place_N != level)),
        points.where(place_N == level),
      )
      for level in range(len(level_L) if enough else 0)
    ]
    forward = math.nan
    if len(np.unique(place_N[~held_N])) >= len(form.parameters):
      forward = _miss(fit(form, points.where(~held_N)), points.where(held_N))
    scores.append(
      Score(
        whole,
        math.sqrt(np.mean(np.square(left_out))) if enough else math.nan,
        forward,
      )
    )
  return scores


def lack_of_fit(found: Fit, points: Points) -> tuple[float, int, float]:
  """Whether a form misses the level means by more than their errors allow.

  Args:
    found: Fit to the points.
    points: The observations.

  Returns:
    Chi-square of the level means, its degrees of freedom, p.
  """
  _, place_N = np.unique(points.compute_N, return_inverse=True)
  weight_N = points.error_N**-2.0
  residual_N = points.rate_N - found.predict(points.compute_N)
  weight_L = np.bincount(place_N, weight_N)
  mean_L = np.bincount(place_N, weight_N * residual_N) / weight_L
  chi_square = float(weight_L @ mean_L**2)
  degrees = len(weight_L) - len(found.value_P)
  p = scipy.stats.chi2.sf(chi_square, degrees) if degrees > 0 else math.nan
  return chi_square, degrees, float(p)


def averaged(fits: Sequence[Fit], compute_N: np.ndarray) -> np.ndarray:
  """Prediction of all fits, weighed by Akaike weights: rate_N."""
  aicc_F = np.array([found.aicc for found in fits])
  weight_F = np.exp(-(aicc_F - aicc_F.min()) / 2)
  rate_FxN = np.stack([found.predict(compute_N) for found in fits])
  rate_N: np.ndarray = weight_F @ rate_FxN / weight_F.sum()
  return rate_N


def _miss(found: Fit, held: Points) -> float:
  """Root mean square error on what was held out."""
  error_N = found.predict(held.compute_N) - held.rate_N
  return math.sqrt(np.mean(error_N**2))


def _line(z_N: np.ndarray, y_N: np.ndarray) -> tuple[float, float]:
  slope, constant = np.polyfit(z_N, y_N, 1)
  return float(constant), float(slope)


def _inner(rate_N: np.ndarray) -> np.ndarray:
  return np.clip(rate_N, 1e-3, 1 - 1e-3)


def _logistic(value_P: np.ndarray, z_N: np.ndarray) -> np.ndarray:
  ceiling, slope, middle = value_P
  rate_N: np.ndarray = ceiling * scipy.special.expit(slope * (z_N - middle))
  return rate_N


def _logistic_starts(
  z_N: np.ndarray, rate_N: np.ndarray
) -> list[tuple[float, ...]]:
  starts: list[tuple[float, ...]] = []
  for ceiling in (1.0, 1.02 * rate_N.max(), 1.3 * rate_N.max()):
    constant, slope = _line(z_N, scipy.special.logit(_inner(rate_N / ceiling)))
    slope = max(slope, 0.01)
    starts += [
      (ceiling, factor * slope, -constant / slope) for factor in (1.0, 3.0)
    ]
  return starts


def _power_starts(
  z_N: np.ndarray, rate_N: np.ndarray
) -> list[tuple[float, ...]]:
  starts: list[tuple[float, ...]] = []
  for exponent in (0.03, 0.1, 0.3, 1.0, 3.0):
    ceiling, minus = _line(np.exp(-exponent * z_N), rate_N)
    starts.append((ceiling, -minus, exponent))
  return starts


def _coverage_starts(
  z_N: np.ndarray, rate_N: np.ndarray
) -> list[tuple[float, ...]]:
  constant, slope = _line(z_N, np.log(-np.log(_inner(rate_N))))
  return [(math.exp(constant), -slope), (1.0, 0.1)]


def _broken(value_P: np.ndarray, z_N: np.ndarray) -> np.ndarray:
  floor, log_b, first, change, place, log_width = value_P
  width = np.exp(log_width)
  bend_N = width * np.logaddexp(0, (z_N - place) / width)
  log_N = log_b - first * z_N - change * bend_N
  rate_N: np.ndarray = 1 - floor - np.exp(np.minimum(log_N, 50.0))
  return rate_N


def _broken_starts(
  z_N: np.ndarray, rate_N: np.ndarray
) -> list[tuple[float, ...]]:
  starts: list[tuple[float, ...]] = []
  miss_N = 1 - _inner(rate_N)
  for share, quantile, change in itertools.product(
    (0.0, 0.7), (0.25, 0.5, 0.75), (-0.3, 0.3)
  ):
    floor = share * miss_N.min()
    constant, slope = _line(z_N, np.log(miss_N - floor))
    place = float(np.quantile(z_N, quantile))
    starts.append((floor, constant, -slope, change, place, math.log(0.5)))
  return starts


def _floor_starts(
  z_N: np.ndarray, loss_N: np.ndarray
) -> list[tuple[float, ...]]:
  starts: list[tuple[float, ...]] = []
  for exponent in (0.03, 0.1, 0.3, 1.0):
    floor, scale = _line(np.exp(-exponent * z_N), loss_N)
    starts.append((floor, scale, exponent))
  return starts


_INF = math.inf
LOG_LINEAR = Form(
  'log-linear',
  ('a', 'b'),
  lambda value_P, z_N: value_P[0] + value_P[1] * z_N,
  lambda z_N, rate_N: [_line(z_N, rate_N)],
  (-_INF, -_INF),
  (_INF, _INF),
)
FORMS = (
  LOG_LINEAR,
  Form(
    'logit-linear',
    ('a', 'b'),
    lambda value_P, z_N: scipy.special.expit(value_P[0] + value_P[1] * z_N),
    lambda z_N, rate_N: [_line(z_N, scipy.special.logit(_inner(rate_N)))],
    (-_INF, -_INF),
    (_INF, _INF),
  ),
  Form(
    'logistic with ceiling',
    ('ceiling', 'slope', 'middle'),
    _logistic,
    _logistic_starts,
    (1e-6, 0.0, -100.0),
    (1.0, 50.0, 100.0),
  ),
  # E - A C^-b.
  Form(
    'saturating power',
    ('ceiling', 'scale', 'exponent'),
    lambda v_P, z_N: v_P[0] - v_P[1] * np.exp(-v_P[2] * z_N),
    _power_starts,
    (0.0, 0.0, 1e-3),
    (1.0, _INF, 10.0),
  ),
  # -log success = A C^-b: the coverage form of Brown et al. 2024.
  Form(
    'power of the logarithm',
    ('scale', 'exponent'),
    lambda v_P, z_N: np.exp(-v_P[0] * np.exp(-v_P[1] * z_N)),
    _coverage_starts,
    (0.0, -10.0),
    (_INF, 10.0),
  ),
  # One break (Caballero et al. 2023, arXiv 2210.14891), of the failures:
  # floor + b C^-first (1 + (C / place)^(1 / width))^(-change width).
  Form(
    'broken power',
    ('floor', 'log b', 'first', 'change', 'place', 'log width'),
    _broken,
    _broken_starts,
    (0.0, -20.0, -5.0, -10.0, -30.0, -4.0),
    (1.0, 20.0, 10.0, 10.0, 30.0, 3.0),
  ),
)
# Of loss, which falls: a straight line, a power law, one above a floor (the
# irreducible loss).
LOSS_FORMS = (
  LOG_LINEAR,
  Form(
    'power',
    ('log scale', 'exponent'),
    lambda v_P, z_N: np.exp(v_P[0] - v_P[1] * z_N),
    lambda z_N, loss_N: [
      (constant, -slope) for constant, slope in [_line(z_N, np.log(loss_N))]
    ],
    (-_INF, -10.0),
    (_INF, 10.0),
  ),
  Form(
    'power above a floor',
    ('floor', 'scale', 'exponent'),
    lambda v_P, z_N: v_P[0] + v_P[1] * np.exp(-v_P[2] * z_N),
    _floor_starts,
    (0.0, 0.0, 1e-3),
    (_INF, _INF, 10.0),
  ),
)
