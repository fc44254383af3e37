"""Loss by size of model and of data: rival laws of N and D."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize

_GRID = np.geomspace(0.03, 2.0, 25)
_COARSE = np.geomspace(0.05, 2.0, 6)
_BOUND = (0.005, 5.0)  # of exponents
_TIGHT = {'ftol': 1e-15, 'xtol': 1e-12, 'gtol': 1e-15}

# Name -> its formula.
SUM = 'sum of powers'
BOTTLENECK = 'bottleneck'
DATA_ALONE = 'data alone'
FORMULA = {
  SUM: 'E + A / N^a + B / D^b',
  BOTTLENECK: '((A / N)^(a/b) + B / D)^b',
  DATA_ALONE: 'E + B / D^b',
}
PARAMETERS = {
  SUM: ('E', 'A', 'a', 'B', 'b'),
  BOTTLENECK: ('A', 'a', 'B', 'b'),
  DATA_ALONE: ('E', 'B', 'b'),
}


class Points(NamedTuple):
  """Observations.

  Attributes:
    model_N: Sizes of models, positive, any unit.
    data_N: Sizes of data, positive, any unit.
    loss_N: Losses, positive.
  """

  model_N: np.ndarray
  data_N: np.ndarray
  loss_N: np.ndarray

  def where(self, chosen_N: np.ndarray) -> 'Points':
    """Some of the observations."""
    return Points(*(array[chosen_N] for array in self))


class LossLaw(NamedTuple):
  """A fitted law.

  `sum of powers` is that of Hoffmann et al. (2022, arXiv 2203.15556, approach
  3), `bottleneck` that of Kaplan et al. (2020, arXiv 2001.08361, equation 1.5),
  in which what is short of what it needs decides; `data alone` is the former
  with models that do not matter.

  Attributes:
    form: Its name.
    values: Parameters of `PARAMETERS`.
    residual_N: Relative: what the law says over what was observed, less 1.
  """

  form: str
  values: Mapping[str, float]
  residual_N: np.ndarray

  @property
  def rms(self) -> float:
    """Root mean square of the relative residuals."""
    return float(np.sqrt(np.mean(self.residual_N**2)))

  def predict(self, model_N: np.ndarray, data_N: np.ndarray) -> np.ndarray:
    """Loss of models of size N that were shown data of size D: loss_N."""
    v, n_N, d_N = self.values, np.asarray(model_N, float), np.asarray(data_N)
    if self.form == BOTTLENECK:
      short_N = (v['A'] / n_N) ** (v['a'] / v['b']) + v['B'] / d_N
      return np.asarray(short_N ** v['b'])
    of_model = v['A'] * n_N ** -v['a'] if self.form == SUM else 0.0
    return np.asarray(v['E'] + of_model + v['B'] * d_N ** -v['b'])


def fit(form: str, points: Points, near: LossLaw | None = None) -> LossLaw:
  """Least squares of relative residuals.

  For given exponents E, A and B >= 0 of a sum solve a linear problem, so only
  its exponents are searched: a grid, then Gauss-Newton (variable projection;
  Golub and Pereyra 1973; arXiv 2603.22339). Neither starts nor scales of five
  parameters matter, which is what went wrong in the original (arXiv
  2404.10102). The bottleneck is searched from a grid of its exponents.

  Args:
    form: One of `FORMULA`.
    points: What to fit.
    near: A fit of this form to similar observations, from which alone to
      search.

  Raises:
    ValueError: if there are fewer observations than parameters, or too few
      sizes to tell a power from the floor.
  """
  sizes = points.model_N, points.data_N
  varying = sizes[1:] if form == DATA_ALONE else sizes
  need, differ = len(PARAMETERS[form]), 2 + ('E' in PARAMETERS[form])
  if len(points.loss_N) < need or any(
    len(np.unique(size)) < differ for size in varying
  ):
    raise ValueError(
      f'{FORMULA[form]} needs {need} observations, {differ} of each size that '
      'differ'
    )
  # Of sizes over their geometric means, so that no exponent makes them huge.
  centre_2 = np.exp([np.log(size).mean() for size in sizes])
  z_2xN = np.log(np.stack(sizes) / centre_2[:, None])
  if form == BOTTLENECK:
    values = _bottleneck(z_2xN, points.loss_N, centre_2, near)
  else:
    values = _sum(form, z_2xN, points.loss_N, centre_2, near)
  law = LossLaw(form, values, np.empty(0))
  told_N = law.predict(points.model_N, points.data_N)
  return law._replace(residual_N=told_N / points.loss_N - 1)


def _sum(
  form: str,
  z_2xN: np.ndarray,
  loss_N: np.ndarray,
  centre_2: np.ndarray,
  near: LossLaw | None,
) -> dict[str, float]:
  """E and the scale and exponent of each power."""
  names = (('A', 'a'), ('B', 'b'))[form == DATA_ALONE :]
  z_PxN, centre_P = z_2xN[-len(names) :], centre_2[-len(names) :]

  def project(exponent_P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E and the scales for given exponents, and what they leave."""
    power_PxN = np.exp(-np.asarray(exponent_P)[:, None] * z_PxN)
    design = np.stack([np.ones(len(loss_N)), *power_PxN], axis=1)
    design /= loss_N[:, None]
    linear, _ = scipy.optimize.nnls(design, np.ones(len(loss_N)))
    return linear, design @ linear - 1

  starts: Sequence[Sequence[float]]
  if near is None:
    grids = np.meshgrid(*[_GRID] * len(names))
    starts = np.stack([grid.ravel() for grid in grids], axis=1).tolist()
  else:
    starts = [[near.values[exponent] for _, exponent in names]]
  start = min(starts, key=lambda e: float(np.sum(project(np.array(e))[1] ** 2)))
  found = scipy.optimize.least_squares(
    lambda log_P: project(np.exp(log_P))[1],
    np.log(start),
    bounds=np.log(_BOUND),
    **_TIGHT,
  )
  exponent_P = np.exp(found.x)
  linear, _ = project(exponent_P)
  values = {'E': float(linear[0])}
  for place, (scale, exponent) in enumerate(names):
    power = exponent_P[place]
    values[scale] = float(linear[1 + place] * centre_P[place] ** power)
    values[exponent] = float(power)
  return values


def _bottleneck(
  z_2xN: np.ndarray,
  loss_N: np.ndarray,
  centre_2: np.ndarray,
  near: LossLaw | None,
) -> dict[str, float]:
  """A and B, logarithms of which are searched, and the exponents."""
  (n_N, d_N), (log_n, log_d) = z_2xN, np.log(centre_2)

  def residual(v_4: np.ndarray) -> np.ndarray:
    a, b = np.exp(v_4[2:])
    short_N = np.logaddexp((a / b) * (v_4[0] - n_N), v_4[1] - d_N)
    return np.asarray(np.exp(b * short_N) / loss_N - 1)

  starts = []
  if near is None:
    middle = np.log(loss_N).mean()
    for a in _COARSE:
      for b in _COARSE:
        half = middle / b - np.log(2)  # each term has half of it
        starts.append((half * b / a, half, np.log(a), np.log(b)))
  else:
    v = near.values
    starts.append(
      (np.log(v['A']) - log_n, np.log(v['B']) - log_d,
       np.log(v['a']), np.log(v['b']))
    )  # fmt: skip
  low, high = np.log(_BOUND)
  bounds = (-np.inf, -np.inf, low, low), (np.inf, np.inf, high, high)
  found = [
    scipy.optimize.least_squares(
      residual, start, bounds=bounds, x_scale='jac', **_TIGHT
    )
    for start in starts
  ]
  log_a, log_b, a, b = min(found, key=lambda one: one.cost).x
  return {
    'A': float(np.exp(log_a + log_n)),
    'a': float(np.exp(a)),
    'B': float(np.exp(log_b + log_d)),
    'b': float(np.exp(b)),
  }
