"""The specification: what a model sees of a program's outputs.

A fixed map of the outputs on the specification grid. Of each value v: arcsinh
of v and of 1 / v, v / (1 + |v|), v / (1 + v^2), and whether it is defined;
standardized over the universe, then whitened on the principal axes. Whitening
enlarges the directions in which classes hardly differ, which is where close
functions are told apart: on dev classes it was worth 6 points of pass@1 over
plain z-scores, the bounded features about 1, within noise (docs/log.md).
"""

import numpy as np

from synth.spaces import blocks
from synth.spaces import pca

_FLOOR = 1e-5  # of the largest variance: smaller ones are noise, not enlarged
_CLIP = 6.0  # standard deviations


def features(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """Whitened features of every class: spec_CxF, float32, F = 5 E."""
  number = len(value_CxE)

  def raw(rows: slice) -> np.ndarray:
    return _raw(value_CxE[rows], ok_CxE[rows])

  mean_F, covariance_FxF = pca.moments(number, raw, 'specification: moments')
  variance_F = np.diag(covariance_FxF)
  scale_F = np.sqrt(np.where(variance_F > 0, variance_F, 1.0))
  covariance_FxF = covariance_FxF / np.outer(scale_F, scale_F)
  axis_FxF, explained_F = pca.axes(covariance_FxF, len(mean_F))
  variance_F = explained_F * np.trace(covariance_FxF)
  axis_FxF /= np.sqrt(variance_F + _FLOOR * variance_F[0])
  spec_CxF = np.empty((number, len(mean_F)), np.float32)

  def whiten(rows: slice) -> None:
    z_CxF = (raw(rows) - mean_F) / scale_F
    spec_CxF[rows] = np.clip(z_CxF @ axis_FxF, -_CLIP, _CLIP)

  for _ in blocks.over(number, whiten, 'specification: whitening'):
    pass
  return spec_CxF


def _raw(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """The features before standardization: CxF."""
  value_CxE = np.where(ok_CxE, value_CxE, 0.0)
  nonzero = value_CxE != 0
  reciprocal_CxE = np.where(nonzero, 1 / np.where(nonzero, value_CxE, 1.0), 0.0)
  return np.concatenate(
    [
      np.arcsinh(value_CxE),
      np.arcsinh(reciprocal_CxE),
      value_CxE / (1 + np.abs(value_CxE)),
      value_CxE / (1 + value_CxE**2),
      ok_CxE,
    ],
    axis=1,
  )
