"""Natural cubic splines: smooth curves that are straight beyond their ends."""

import numpy as np


def knots(x_N: np.ndarray, columns: int) -> np.ndarray:
  """Knots for a basis of so many columns: the ends and even quantiles.

  Raises:
    ValueError: if x has too few distinct values for them.
  """
  knot_K = np.quantile(x_N, np.linspace(0, 1, columns + 1))
  if len(np.unique(knot_K)) <= columns:
    raise ValueError(f'too few distinct values for {columns} spline columns')
  return knot_K


def natural(x_N: np.ndarray, knot_K: np.ndarray) -> np.ndarray:
  """Basis of the natural cubic splines with K knots, without the constant.

  Truncated powers (Hastie, Tibshirani and Friedman, The Elements of
  Statistical Learning, eq. 5.4 and 5.5) on the scale of the knots.

  Returns:
    basis_Nx(K-1); its first column is linear.
  """
  span = knot_K[-1] - knot_K[0]
  z_N = (np.asarray(x_N, float) - knot_K[0]) / span
  k_K = (knot_K - knot_K[0]) / span
  cube_NxK = np.maximum(z_N[:, None] - k_K, 0) ** 3
  d_NxK = (cube_NxK[:, :-1] - cube_NxK[:, -1:]) / (k_K[-1] - k_K[:-1])
  return np.column_stack([z_N, d_NxK[:, :-1] - d_NxK[:, -1:]])
