"""pass@k and coverage: the chance that one of k samples is right."""

import numpy as np


def pass_at_k(correct_xI: np.ndarray, samples: int, k: int) -> np.ndarray:
  """Unbiased pass@k of each item (Chen et al. 2021, arXiv 2107.03374).

  1 - C(n - c, k) / C(n, k), computed as 1 - prod_{j = n - c + 1}^{n} (1 - k/j).

  Args:
    correct_xI: Numbers of correct samples, any shape, each 0..n.
    samples: Independent samples of each item, n.
    k: 1..n.

  Raises:
    ValueError: if k is not in 1..n.
  """
  if not 1 <= k <= samples:
    raise ValueError(f'pass@{k} needs 1..n samples, n = {samples}')
  j_n = np.arange(1, samples + 1)
  # fail[c]: probability that k samples without replacement are all wrong.
  factor_n = np.maximum(1 - k / j_n, 0)[::-1]
  fail = np.concatenate([[1.0], np.cumprod(factor_n)])
  return 1 - fail[np.asarray(correct_xI)]


def coverage_at_k(correct_xIxn: np.ndarray, k: int) -> np.ndarray:
  """Whether one of the first k candidates of each item is right: 0 or 1.

  For candidates that are not independent draws (a beam, draws without
  replacement), where pass@k would be biased.

  Args:
    correct_xIxn: Whether candidates are right, in the order they are verified.
    k: 1..n.

  Raises:
    ValueError: if k is not in 1..n.
  """
  samples = correct_xIxn.shape[-1]
  if not 1 <= k <= samples:
    raise ValueError(f'coverage@{k} needs 1..n candidates, n = {samples}')
  return correct_xIxn[..., :k].any(axis=-1).astype(float)


def coverage(correct_I: np.ndarray, samples: int) -> np.ndarray:
  """Mean pass@k of all items for every k = 1..n: coverage_n.

  Brown et al. 2024 (arXiv 2407.21787) call this coverage. The samples must be
  independent: it says nothing of a beam or of sampling without replacement.

  Args:
    correct_I: Numbers of correct samples, each 0..n.
    samples: Independent samples of each item, n.
  """
  count_c, number_c = np.unique(correct_I, return_counts=True)
  j_n = np.arange(samples)
  # One more wrong sample, given that all j before it were wrong.
  wrong_cxn = np.maximum(samples - count_c[:, None] - j_n, 0) / (samples - j_n)
  fail_cxn = np.cumprod(wrong_cxn, axis=1)
  mean_n: np.ndarray = 1 - number_c @ fail_cxn / number_c.sum()
  return mean_n
