"""The specification: what a model sees of a program's outputs.

A fixed map of the outputs on the specification grid. Of each value v: arcsinh
of v and of 1 / v, v / (1 + |v|), v / (1 + v^2), and whether it is defined;
standardized over the universe, then whitened on the principal axes. Whitening
enlarges the directions in which classes hardly differ, which is where close
functions are told apart: on dev classes it was worth 6 points of pass@1 over
plain z-scores, the bounded features about 1, within noise (docs/log.md).
Whitened features mix all points; a model that reads one token a grid point gets
the standardized ones.
"""

import numpy as np

from synth import cli
from synth.spaces import pca

_FLOOR = 1e-5  # of the largest variance: smaller ones are noise, not enlarged
_CLIP = 6.0  # standard deviations
PER_POINT = 5  # features of each point

WHITENED, POINTS = 'whitened', 'points'


def features(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """Whitened features of every class: spec_CxF, float32, F = 5 E."""
  z_CxF = _standardized(value_CxE, ok_CxE)
  covariance_FxF = z_CxF.T @ z_CxF / len(z_CxF)
  axis_CxF, explained_F = pca.project(
    covariance_FxF,
    np.zeros(z_CxF.shape[1]),
    lambda axis_FxF: z_CxF @ axis_FxF,
    z_CxF.shape[1],
  )
  variance_F = explained_F * np.trace(covariance_FxF)
  scale_F = np.sqrt(variance_F + _FLOOR * variance_F[0])
  return np.clip(axis_CxF / scale_F, -_CLIP, _CLIP).astype(np.float32)


def tokens_of(kind: str, points: int) -> int:
  """Tokens that a model reads of a specification: one, or one a grid point.

  Raises:
    InputError: if there is no such kind.
  """
  return cli.choose(kind, {WHITENED: 1, POINTS: points}, 'data.specification')


def by_point(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """Standardized features, those of one point together: spec_CxF, float32."""
  z_CxF = _standardized(value_CxE, ok_CxE)
  z_CxExI = z_CxF.reshape(len(z_CxF), PER_POINT, -1).swapaxes(1, 2)
  return np.clip(z_CxExI, -_CLIP, _CLIP).reshape(z_CxF.shape).astype(np.float32)


def _standardized(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """The five features of each point over the universe, feature by feature."""
  value_CxE = np.where(ok_CxE, value_CxE, 0.0)
  nonzero = value_CxE != 0
  reciprocal_CxE = np.where(nonzero, 1 / np.where(nonzero, value_CxE, 1.0), 0.0)
  raw_CxF = np.concatenate(
    [
      np.arcsinh(value_CxE),
      np.arcsinh(reciprocal_CxE),
      value_CxE / (1 + np.abs(value_CxE)),
      value_CxE / (1 + value_CxE**2),
      ok_CxE,
    ],
    axis=1,
  )
  mean_F, std_F = raw_CxF.mean(axis=0), raw_CxF.std(axis=0)
  return (raw_CxF - mean_F) / np.where(std_F > 0, std_F, 1.0)
