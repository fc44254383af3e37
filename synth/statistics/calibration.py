"""Does the model know when it is right? Log-probability against success."""

from typing import NamedTuple

import numpy as np

from synth.statistics import auroc


class Calibration(NamedTuple):
  """Confidence, the probability of the sample, against success.

  Attributes:
    confidence_B: Mean confidence of each of B bins of equal mass.
    success_B: Share of successes in it.
    count_B: Samples in it.
    squared_error: Mean squared difference of success and confidence over bins,
      less its expectation from noise (Kumar, Liang and Ma 2019, arXiv
      1909.10155): unbiased for these bins, so about 0, possibly negative, for a
      calibrated model.
    ece: Root of it, 0 where it is negative: debiased calibration error.
    plug_in_ece: Mean absolute difference over bins, as mostly published; biased
      upwards.
    brier: Mean squared difference of each success and its confidence.
    auroc: Chance that a success has more confidence than a failure.
  """

  confidence_B: np.ndarray
  success_B: np.ndarray
  count_B: np.ndarray
  squared_error: float
  ece: float
  plug_in_ece: float
  brier: float
  auroc: float


def calibration(
  log_prob_N: np.ndarray, success_N: np.ndarray, bins: int = 15
) -> Calibration:
  """Calibration of samples.

  Args:
    log_prob_N: Log-probability of each sample, at most 0.
    success_N: Whether it is right.
    bins: Bins of equal mass, each with at least 2 samples.

  Raises:
    ValueError: if there are fewer than 2 samples a bin.
  """
  number = len(log_prob_N)
  if number < 2 * bins:
    raise ValueError(f'{number} samples are too few for {bins} bins')
  confidence_N = np.exp(log_prob_N)
  success_N = np.asarray(success_N, float)
  order_N = np.argsort(log_prob_N, kind='stable')
  parts = np.array_split(order_N, bins)
  count_B = np.array([len(part) for part in parts])
  confidence_B = np.array([confidence_N[part].mean() for part in parts])
  success_B = np.array([success_N[part].mean() for part in parts])
  # Of success less confidence, sample by sample: right within a bin too.
  noise_B = np.array(
    [(success_N - confidence_N)[part].var(ddof=1) for part in parts]
  )
  gap_B = success_B - confidence_B
  squared = float(count_B @ (gap_B**2 - noise_B / count_B) / number)
  return Calibration(
    confidence_B,
    success_B,
    count_B,
    squared,
    max(squared, 0.0) ** 0.5,
    float(count_B @ np.abs(gap_B) / number),
    float(np.mean((success_N - confidence_N) ** 2)),
    auroc.auroc(log_prob_N, success_N),
  )


def risk_coverage(
  log_prob_N: np.ndarray, success_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Risk when only the most confident samples are answered.

  Samples of equal confidence come in random order; this is the mean over it.
  The mean of the risk is the area under the curve (Geifman and El-Yaniv 2017).

  Returns:
    Share answered and share of errors among them: coverage_N, risk_N.
  """
  value_U, place_N = np.unique(-np.asarray(log_prob_N), return_inverse=True)
  wrong_N = 1 - np.asarray(success_N, float)
  count_U = np.bincount(place_N, minlength=len(value_U))
  mean_U = np.bincount(place_N, wrong_N) / count_U
  answered_N = np.arange(1, len(wrong_N) + 1)
  risk_N = np.cumsum(np.repeat(mean_U, count_U)) / answered_N
  return answered_N / len(wrong_N), risk_N
