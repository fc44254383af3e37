"""Exact principal component analysis from a covariance matrix."""

from collections.abc import Callable

import numpy as np


def project(
  covariance_GxG: np.ndarray,
  mean_G: np.ndarray,
  times: Callable[[np.ndarray], np.ndarray],
  dimensions: int,
) -> tuple[np.ndarray, np.ndarray]:
  """Coordinates on the leading principal axes.

  Args:
    covariance_GxG: Covariance of the data.
    mean_G: Mean of the data.
    times: Multiplies the uncentred data P x G with a matrix G x D.
    dimensions: Number of axes wanted; fewer if G is smaller.

  Returns:
    coordinate_PxD and explained_D, each axis's share of the variance. The
    largest loading of each axis is positive, so that signs are reproducible.
  """
  variance_G, axis_GxG = np.linalg.eigh(covariance_GxG)
  order = np.argsort(variance_G)[::-1][:dimensions]
  axis_GxD = axis_GxG[:, order]
  largest = np.abs(axis_GxD).argmax(axis=0)
  axis_GxD = axis_GxD * np.sign(axis_GxD[largest, np.arange(len(order))])
  total = max(float(np.trace(covariance_GxG)), np.finfo(float).tiny)
  explained_D = np.maximum(variance_G[order], 0) / total
  return times(axis_GxD) - mean_G @ axis_GxD, explained_D
