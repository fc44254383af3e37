"""Exact principal component analysis by a streamed Gram matrix.

The data are read block by block, once for their second moments and once for
their coordinates. They have few columns, so the eigenvectors of the covariance
are exact, where the defaults of randomized methods miss a flat spectrum.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import scipy.linalg
import scipy.sparse

from synth.spaces import blocks

Block: TypeAlias = np.ndarray | scipy.sparse.csr_matrix


def moments(
  number: int, block: Callable[[slice], Block], name: str
) -> tuple[np.ndarray, np.ndarray]:
  """Mean and covariance (divided by P) of P rows of data.

  Args:
    number: P, at least 1.
    block: Some rows of the data, P x G, dense or CSR, float64.
    name: What the progress bar calls it.

  Returns:
    mean_G and covariance_GxG.
  """

  def sums(rows: slice) -> tuple[np.ndarray, np.ndarray]:
    data_PxG = block(rows)
    gram_GxG = data_PxG.T @ data_PxG
    if not isinstance(gram_GxG, np.ndarray):
      gram_GxG = gram_GxG.toarray()
    return np.asarray(data_PxG.sum(axis=0)).ravel(), gram_GxG

  parts = (part for _, part in blocks.over(number, sums, name))
  total_G, total_GxG = next(parts)
  for sum_G, gram_GxG in parts:
    total_G += sum_G
    total_GxG += gram_GxG
  mean_G = total_G / number
  return mean_G, total_GxG / number - np.outer(mean_G, mean_G)


def axes(
  covariance_GxG: np.ndarray, dimensions: int
) -> tuple[np.ndarray, np.ndarray]:
  """The leading principal axes.

  Args:
    covariance_GxG: Covariance of the data.
    dimensions: Number of axes wanted; fewer if G is smaller.

  Returns:
    axis_GxD and explained_D, each axis's share of the variance. The largest
    loading of each axis is positive, so that signs are reproducible.
  """
  number = len(covariance_GxG)
  variance_D, axis_GxD = scipy.linalg.eigh(
    covariance_GxG, subset_by_index=(max(number - dimensions, 0), number - 1)
  )
  variance_D, axis_GxD = variance_D[::-1], axis_GxD[:, ::-1]
  largest = np.abs(axis_GxD).argmax(axis=0)
  axis_GxD = axis_GxD * np.sign(axis_GxD[largest, np.arange(len(largest))])
  total = max(float(np.trace(covariance_GxG)), np.finfo(float).tiny)
  return axis_GxD, np.maximum(variance_D, 0) / total


def coordinates(
  number: int,
  block: Callable[[slice], Block],
  mean_G: np.ndarray,
  axis_GxD: np.ndarray,
  name: str,
) -> np.ndarray:
  """Centred data on some axes.

  Args:
    number: P, rows of data.
    block: Some rows of the data, as for `moments`.
    mean_G: Their mean.
    axis_GxD: The axes.
    name: What the progress bar calls it.

  Returns:
    coordinate_PxD, float32.
  """
  shift_D = mean_G @ axis_GxD
  coordinate_PxD = np.empty((number, axis_GxD.shape[1]), np.float32)

  def project(rows: slice) -> None:
    coordinate_PxD[rows] = block(rows) @ axis_GxD - shift_D

  for _ in blocks.over(number, project, name):
    pass
  return coordinate_PxD
