"""Logistic regression of successes among trials."""

from typing import NamedTuple

import numpy as np
import scipy.special

_STEPS = 100
_TOLERANCE = 1e-10
_SEPARATED = 30.0  # a logit beyond this is 0 or 1 in all but name


class Logistic(NamedTuple):
  """A fitted model.

  Attributes:
    coefficient_P: One of each column of the design.
    covariance_PxP: Sandwich estimate, robust to dependence within clusters.
    deviance: Twice the log-likelihood short of a perfect fit.
  """

  coefficient_P: np.ndarray
  covariance_PxP: np.ndarray
  deviance: float


def fit(
  design_NxP: np.ndarray,
  success_N: np.ndarray,
  trials_N: np.ndarray,
  ridge: float = 0.0,
  cluster_N: np.ndarray | None = None,
) -> Logistic:
  """Maximum likelihood by Newton's method with halved steps.

  Args:
    design_NxP: Predictors, the constant among them.
    success_N: Successes.
    trials_N: Of so many trials.
    ridge: Penalty ridge / 2 |coefficient|^2, the constant included.
    cluster_N: Rows that are not independent, for instance those of one item
      under several seeds. Without, every row is on its own.

  Raises:
    ValueError: if there is no maximum: a combination of the columns separates
      successes from failures (not with a ridge), or columns repeat each other.
  """
  coefficient_P = np.zeros(design_NxP.shape[1])
  rate_N = scipy.special.expit(design_NxP @ coefficient_P)
  value = _objective(success_N, trials_N, rate_N, coefficient_P, ridge)
  for _ in range(_STEPS):
    hessian_PxP = _hessian(design_NxP, trials_N, rate_N, ridge)
    gradient_P = design_NxP.T @ (success_N - trials_N * rate_N)
    gradient_P -= ridge * coefficient_P
    try:
      step_P = np.linalg.solve(hessian_PxP, gradient_P)
    except np.linalg.LinAlgError:
      raise ValueError('logistic fit: columns repeat each other') from None
    before, size = value, 1.0
    while size > 1e-6:
      moved_P = coefficient_P + size * step_P
      rate_N = scipy.special.expit(design_NxP @ moved_P)
      value = _objective(success_N, trials_N, rate_N, moved_P, ridge)
      if value <= before + _TOLERANCE * (1 + abs(before)):
        break
      size /= 2
    coefficient_P = moved_P
    logit_N = design_NxP @ coefficient_P
    if not ridge and np.abs(logit_N).max() > _SEPARATED:
      raise ValueError('logistic fit: successes are separated: add a ridge')
    if abs(before - value) <= _TOLERANCE * (1 + abs(before)):
      break
  else:
    raise ValueError(f'logistic fit: no convergence in {_STEPS} steps')
  inverse_PxP = np.linalg.inv(_hessian(design_NxP, trials_N, rate_N, ridge))
  score_NxP = design_NxP * (success_N - trials_N * rate_N)[:, None]
  if cluster_N is not None:
    _, place_N = np.unique(cluster_N, return_inverse=True)
    score_GxP = np.zeros((place_N.max() + 1, score_NxP.shape[1]))
    np.add.at(score_GxP, place_N, score_NxP)
    score_NxP = score_GxP
  groups = len(score_NxP)
  meat_PxP = score_NxP.T @ score_NxP * groups / max(groups - 1, 1)
  return Logistic(
    coefficient_P,
    inverse_PxP @ meat_PxP @ inverse_PxP,
    float(deviance(success_N, trials_N, rate_N).sum()),
  )


def predict(design_NxP: np.ndarray, model: Logistic) -> np.ndarray:
  """Rates of a design: rate_N."""
  rate_N: np.ndarray = scipy.special.expit(design_NxP @ model.coefficient_P)
  return rate_N


def deviance(
  success_N: np.ndarray, trials_N: np.ndarray, rate_N: np.ndarray
) -> np.ndarray:
  """Binomial deviance of each row: deviance_N.

  Args:
    success_N: Successes.
    trials_N: Of so many trials.
    rate_N: The rates that are judged.
  """
  failure_N = trials_N - success_N
  rate_N = np.clip(rate_N, 1e-15, 1 - 1e-15)
  best_N = scipy.special.xlogy(success_N, success_N / trials_N)
  best_N = best_N + scipy.special.xlogy(failure_N, failure_N / trials_N)
  found_N = scipy.special.xlogy(success_N, rate_N)
  found_N = found_N + scipy.special.xlogy(failure_N, 1 - rate_N)
  result_N: np.ndarray = 2 * (best_N - found_N)
  return result_N


def _hessian(
  design_NxP: np.ndarray,
  trials_N: np.ndarray,
  rate_N: np.ndarray,
  ridge: float,
) -> np.ndarray:
  weight_N = trials_N * rate_N * (1 - rate_N)
  hessian_PxP: np.ndarray = (design_NxP.T * weight_N) @ design_NxP
  return hessian_PxP + ridge * np.eye(design_NxP.shape[1])


def _objective(
  success_N: np.ndarray,
  trials_N: np.ndarray,
  rate_N: np.ndarray,
  coefficient_P: np.ndarray,
  ridge: float,
) -> float:
  penalty = ridge * coefficient_P @ coefficient_P
  return float(deviance(success_N, trials_N, rate_N).sum() + penalty)
