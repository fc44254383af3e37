"""Loss by model and data size: L(N, D) = E + A / N^a + B / D^b."""

from typing import NamedTuple

import numpy as np
import scipy.optimize

_GRID = np.geomspace(0.03, 2.0, 25)
_BOUND = (0.005, 5.0)


class LossLaw(NamedTuple):
  """The fitted law (Hoffmann et al. 2022, arXiv 2203.15556, approach 3).

  Attributes:
    irreducible: E.
    model_scale: A.
    data_scale: B.
    model_exponent: a.
    data_exponent: b.
    rms: Root mean square of the relative residuals.
  """

  irreducible: float
  model_scale: float
  data_scale: float
  model_exponent: float
  data_exponent: float
  rms: float

  def predict(self, model_N: np.ndarray, data_N: np.ndarray) -> np.ndarray:
    """Loss of models of N parameters after D tokens: loss_N."""
    of_model = self.model_scale * np.asarray(model_N) ** -self.model_exponent
    of_data = self.data_scale * np.asarray(data_N) ** -self.data_exponent
    return self.irreducible + of_model + of_data

  def optimal(self, product: float) -> tuple[float, float]:
    """N and D of least loss under N D = product (compute / 6)."""
    a, b = self.model_exponent, self.data_exponent
    ratio = a * self.model_scale / (b * self.data_scale)
    size = (ratio * product**b) ** (1 / (a + b))
    return size, product / size


def fit(model_N: np.ndarray, data_N: np.ndarray, loss_N: np.ndarray) -> LossLaw:
  """Least squares of relative residuals by variable projection.

  For given exponents E, A and B >= 0 solve a linear problem, so only the two
  exponents are searched: a grid, then Gauss-Newton (Golub and Pereyra 1973;
  arXiv 2603.22339). Neither starts nor scales of five parameters matter, which
  is what went wrong in the original (arXiv 2404.10102).

  Raises:
    ValueError: if there are fewer than 5 observations, or N or D does not vary.
  """
  sizes = np.asarray(model_N, float), np.asarray(data_N, float)
  loss_N = np.asarray(loss_N, float)
  if len(loss_N) < 5 or any(len(np.unique(size)) < 2 for size in sizes):
    raise ValueError('L(N, D) needs 5 observations with differing N and D')
  centre = [np.exp(np.log(size).mean()) for size in sizes]
  z_2xN = np.log(np.stack(sizes) / np.array(centre)[:, None])

  def project(exponent_2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E, A and B for two exponents, and what they leave."""
    power_2xN = np.exp(-np.asarray(exponent_2)[:, None] * z_2xN)
    design_Nx3 = np.stack([np.ones(len(loss_N)), *power_2xN], axis=1)
    design_Nx3 /= loss_N[:, None]
    linear_3, _ = scipy.optimize.nnls(design_Nx3, np.ones(len(loss_N)))
    return linear_3, design_Nx3 @ linear_3 - 1

  start = min(
    ((a, b) for a in _GRID for b in _GRID),
    key=lambda exponent_2: np.sum(project(np.array(exponent_2))[1] ** 2),
  )
  found = scipy.optimize.least_squares(
    lambda log_2: project(np.exp(log_2))[1],
    np.log(start),
    bounds=np.log(_BOUND),
    ftol=1e-15,
    xtol=1e-12,
    gtol=1e-15,
  )
  a, b = np.exp(found.x)
  linear_3, residual_N = project(np.array([a, b]))
  return LossLaw(
    float(linear_3[0]),
    float(linear_3[1] * centre[0] ** a),
    float(linear_3[2] * centre[1] ** b),
    float(a),
    float(b),
    float(np.sqrt(np.mean(residual_N**2))),
  )
