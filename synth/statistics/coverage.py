"""Coverage beyond the samples taken: the law of the tasks' success rates."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
import scipy.stats

_LOG_BOUND = math.log(1e4)
_MOST = 1 - 1e-6  # mass at zero
# log a, log b, logit of the mass at zero.
_STARTS = ((-1.6, 0.7), (0.0, 2.3), (-2.2, 0.0))


class Law(NamedTuple):
  """Success rates: 0 with some probability, else from a beta distribution.

  Attributes:
    zero: Mass at zero: tasks that no number of samples solves.
    a: The rates' density goes as p^(a - 1) near 0, so a is the tail exponent:
      the failures that are left fall as k^-a (Schaeffer et al., ICML 2025).
    b: The other exponent of the beta distribution.
    log_likelihood: Of the observed numbers of successes.
  """

  zero: float
  a: float
  b: float
  log_likelihood: float

  def pass_at_k(self, k_K: np.ndarray) -> np.ndarray:
    """Coverage for any k, beyond the samples taken too: value_K."""
    fail_K = scipy.special.betaln(self.a, self.b + np.asarray(k_K))
    fail_K = np.exp(fail_K - scipy.special.betaln(self.a, self.b))
    value_K: np.ndarray = (1 - self.zero) * (1 - fail_K)
    return value_K


def fit(correct_I: np.ndarray, samples: int, zero: float | None = None) -> Law:
  """Maximum likelihood of a zero-inflated beta-binomial.

  Kazdan et al. 2025 (arXiv 2510.05197). The mass at zero is told from rates
  below 1 / n only by the beta's shape: state `zero_interval` beside it.

  Args:
    correct_I: Correct samples of each task.
    samples: Independent samples of each task, n.
    zero: The mass at zero, if given: 0 for a plain beta-binomial.

  Raises:
    ValueError: if no task was solved: then every beta fits.
  """
  count_c, number_c = np.unique(correct_I, return_counts=True)
  if count_c[-1] == 0:
    raise ValueError('no task was ever solved: its law cannot be fitted')
  choose_c = _log_choose(samples, count_c)

  def loss(free: np.ndarray) -> tuple[float, np.ndarray]:
    """Negative log-likelihood and its gradient in log a, log b, logit zero."""
    mass = scipy.special.expit(free[2]) if zero is None else zero
    a, b = np.exp(free[:2])
    chance_c = scipy.special.betaln(a + count_c, b + samples - count_c)
    chance_c += choose_c - scipy.special.betaln(a, b)
    with np.errstate(divide='ignore'):
      from_beta_c = np.log1p(-mass) + chance_c
      log_c = np.where(
        count_c == 0, np.logaddexp(from_beta_c, np.log(mass)), from_beta_c
      )
    beta_c = number_c * np.exp(from_beta_c - log_c)  # tasks that are not zeros
    common = scipy.special.psi(a + b) - scipy.special.psi(a + b + samples)
    by_a_c = scipy.special.psi(a + count_c) - scipy.special.psi(a) + common
    by_b_c = scipy.special.psi(b + samples - count_c) - scipy.special.psi(b)
    slope = [a * beta_c @ by_a_c, b * beta_c @ (by_b_c + common)]
    if zero is None:
      slope.append(number_c.sum() * (1 - mass) - beta_c.sum())
    return -float(number_c @ log_c), -np.array(slope)

  bounds = [(-_LOG_BOUND, _LOG_BOUND)] * 2
  bounds += [(-30.0, 30.0)] if zero is None else []
  best = min(
    (
      scipy.optimize.minimize(
        loss,
        start,
        method='L-BFGS-B',
        jac=True,
        bounds=bounds,
        options={'ftol': 1e-13, 'gtol': 1e-6},
      )
      for start in itertools.product(*_STARTS[: len(bounds)])
    ),
    key=lambda found: found.fun,
  )
  a, b = np.exp(best.x[:2])
  mass = float(scipy.special.expit(best.x[2])) if zero is None else zero
  return Law(mass, float(a), float(b), -float(best.fun))


def zero_interval(
  correct_I: np.ndarray, samples: int, law: Law, level: float = 0.95
) -> tuple[float, float]:
  """Profile-likelihood interval of the mass at zero.

  Args:
    correct_I: Correct samples of each task.
    samples: n.
    law: `fit` of the same data.
    level: Of the interval.
  """
  drop = scipy.stats.chi2.ppf(level, 1) / 2

  def above(zero: float) -> float:
    profile = fit(correct_I, samples, zero).log_likelihood
    return profile - law.log_likelihood + drop

  low, high = (
    end if above(end) >= 0 else scipy.optimize.brentq(above, end, law.zero)
    for end in (0.0, _MOST)
  )
  return low, high


def _log_choose(samples: int, count_c: np.ndarray) -> np.ndarray:
  log_c: np.ndarray = -math.log(samples + 1) - scipy.special.betaln(
    samples - count_c + 1, count_c + 1
  )
  return log_c
