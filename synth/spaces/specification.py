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

import dataclasses

import numpy as np

from synth import seeding
from synth import settings
from synth.spaces import blocks
from synth.spaces import pca

_FLOOR = 1e-5  # of the largest variance: smaller ones are noise, not enlarged
_CLIP = 6.0  # standard deviations
PER_POINT = 5  # features of each point

WHITENED, POINTS = 'whitened', 'points'


@dataclasses.dataclass(frozen=True)
class Map:
  """The map from outputs to features, fitted to the classes of a universe.

  Attributes:
    mean_F, scale_F: Of the features before standardization.
    axis_FxF: What whitens them; None where those of a point stay together.
  """

  mean_F: np.ndarray
  scale_F: np.ndarray
  axis_FxF: np.ndarray | None

  def __call__(self, value_PxE: np.ndarray, ok_PxE: np.ndarray) -> np.ndarray:
    """spec_PxF, float32, of outputs and the mask of those that are defined."""
    z_PxF = (_raw(value_PxE, ok_PxE) - self.mean_F) / self.scale_F
    if self.axis_FxF is not None:
      z_PxF = z_PxF @ self.axis_FxF
    spec_PxF = np.clip(z_PxF, -_CLIP, _CLIP).astype(np.float32)
    if self.axis_FxF is None:
      spec_PxExI = spec_PxF.reshape(len(spec_PxF), PER_POINT, -1).swapaxes(1, 2)
      spec_PxF = spec_PxExI.reshape(spec_PxF.shape)
    return spec_PxF


def fit(kind: str, value_CxE: np.ndarray, ok_CxE: np.ndarray) -> Map:
  """The map of a kind of features to the outputs of all classes.

  Args:
    kind: `WHITENED` or `POINTS` (`data.specification`).
    value_CxE: Outputs of the classes.
    ok_CxE: Which of them are defined.
  """

  def raw(rows: slice) -> np.ndarray:
    return _raw(value_CxE[rows], ok_CxE[rows])

  mean_F, covariance_FxF = pca.moments(
    len(value_CxE), raw, 'specification: moments'
  )
  variance_F = np.diag(covariance_FxF)
  scale_F = np.sqrt(np.where(variance_F > 0, variance_F, 1.0))
  if kind == POINTS:
    return Map(mean_F, scale_F, None)
  covariance_FxF = covariance_FxF / np.outer(scale_F, scale_F)
  axis_FxF, explained_F = pca.axes(covariance_FxF, len(mean_F))
  variance_F = explained_F * np.trace(covariance_FxF)
  axis_FxF /= np.sqrt(variance_F + _FLOOR * variance_F[0])
  return Map(mean_F, scale_F, axis_FxF)


def features(
  kind: str, value_CxE: np.ndarray, ok_CxE: np.ndarray
) -> np.ndarray:
  """Features of every class, by the map that is fitted to all of them.

  Args:
    kind: `WHITENED` or `POINTS` (`data.specification`).
    value_CxE: Outputs of the classes.
    ok_CxE: Which of them are defined.

  Returns:
    spec_CxF, float32, F = 5 E.
  """
  of = fit(kind, value_CxE, ok_CxE)
  spec_CxF = np.empty((len(value_CxE), len(of.mean_F)), np.float32)

  def write(rows: slice) -> None:
    spec_CxF[rows] = of(value_CxE[rows], ok_CxE[rows])

  for _ in blocks.over(len(value_CxE), write, f'specification: {kind}'):
    pass
  return spec_CxF


def tokens_of(kind: str, points: int) -> int:
  """Tokens that a model reads of a specification: one, or one a grid point.

  Raises:
    InputError: if there is no such kind.
  """
  table = {WHITENED: 1, POINTS: points}
  number: int = settings.choose(kind, table, 'data.specification')
  return number


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
