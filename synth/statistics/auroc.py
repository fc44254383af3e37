"""Area under the ROC curve."""

import numpy as np


def auroc(
  score_N: np.ndarray,
  success_N: np.ndarray,
  trials_N: np.ndarray | int = 1,
) -> float:
  """The chance that a success has a higher score than a failure, ties half.

  Args:
    score_N: Scores, one a row.
    success_N: Successes of the row.
    trials_N: Among so many.

  Returns:
    0..1; NaN if there are no successes or no failures.
  """
  good_N = np.asarray(success_N, float)
  bad_N = trials_N - good_N
  # Failures at each distinct score, and all below it.
  _, place_N = np.unique(score_N, return_inverse=True)
  bad_U = np.bincount(place_N, bad_N)
  below_U = np.cumsum(bad_U) - bad_U / 2
  pairs = good_N.sum() * bad_N.sum()
  return float(good_N @ below_U[place_N] / pairs) if pairs else float('nan')
