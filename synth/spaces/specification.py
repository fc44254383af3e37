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

from collections.abc import Callable

import numpy as np

from synth import cli
from synth import seeding
from synth.spaces import blocks
from synth.spaces import pca

_FLOOR = 1e-5  # of the largest variance: smaller ones are noise, not enlarged
_CLIP = 6.0  # standard deviations
PER_POINT = 5  # features of each point

WHITENED, POINTS = 'whitened', 'points'


def features(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """Whitened features of every class: spec_CxF, float32, F = 5 E."""
  number = len(value_CxE)

  def raw(rows: slice) -> np.ndarray:
    return _raw(value_CxE[rows], ok_CxE[rows])

  mean_F, scale_F, covariance_FxF = _moments(number, raw)
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


def tokens_of(kind: str, points: int) -> int:
  """Tokens that a model reads of a specification: one, or one a grid point.

  Raises:
    InputError: if there is no such kind.
  """
  return cli.choose(kind, {WHITENED: 1, POINTS: points}, 'data.specification')


def by_point(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """Standardized features, those of one point together: spec_CxF, float32."""
  number = len(value_CxE)

  def raw(rows: slice) -> np.ndarray:
    return _raw(value_CxE[rows], ok_CxE[rows])

  mean_F, scale_F, _ = _moments(number, raw)
  spec_CxF = np.empty((number, len(mean_F)), np.float32)

  def regroup(rows: slice) -> None:
    z_CxF = np.clip((raw(rows) - mean_F) / scale_F, -_CLIP, _CLIP)
    z_CxExI = z_CxF.reshape(len(z_CxF), PER_POINT, -1).swapaxes(1, 2)
    spec_CxF[rows] = z_CxExI.reshape(z_CxF.shape)

  for _ in blocks.over(number, regroup, 'specification: by point'):
    pass
  return spec_CxF


def _moments(
  number: int, raw: Callable[[slice], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Mean, standard deviation (1 where there is none) and covariance."""
  mean_F, covariance_FxF = pca.moments(number, raw, 'specification: moments')
  variance_F = np.diag(covariance_FxF)
  scale_F = np.sqrt(np.where(variance_F > 0, variance_F, 1.0))
  return mean_F, scale_F, covariance_FxF


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


def usable(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """Classes whose specification is theirs alone and fully defined: bool_C.

  Two classes with equal float32 outputs on the grid would be one ambiguous
  task (L2).
  """
  visible_CxE = np.where(ok_CxE, value_CxE, 0.0).astype(np.float32)
  visible_CxE += np.float32(0)  # -0 equals 0
  word_CxE = visible_CxE.view(np.uint32)
  # Rows of unequal sums are unequal: few are left to be compared as they are.
  factor_E = seeding.generator(0, 'rows').integers(
    2**64, size=word_CxE.shape[1], dtype=np.uint64
  )
  _, index_C, count = np.unique(
    word_CxE @ factor_E, return_inverse=True, return_counts=True
  )
  (alike,) = np.nonzero(count[index_C] > 1)
  _, index_A, count = np.unique(
    word_CxE[alike], axis=0, return_inverse=True, return_counts=True
  )
  distinct_C = np.ones(len(word_CxE), bool)
  distinct_C[alike] = count[index_A] == 1
  return distinct_C & ok_CxE.all(axis=1)
