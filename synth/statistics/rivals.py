"""Which predictor explains success: distances against nuisances."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from synth.statistics import auroc as auroc_lib
from synth.statistics import logistic


class Rival(NamedTuple):
  """How well a predictor foretells items it was not fitted to.

  Attributes:
    deviance_N: Binomial deviance of each row, held out; the difference of two
      rivals is paired by row.
    explained: Share of the constant's held-out deviance that it removes;
      negative if it is worse than nothing.
    auroc: Of the held-out rates, all folds together.
  """

  deviance_N: np.ndarray
  explained: float
  auroc: float


def compare(
  design_by_name: Mapping[str, np.ndarray],
  success_N: np.ndarray,
  trials_N: np.ndarray,
  rng: np.random.Generator,
  folds: int = 5,
  cluster_N: np.ndarray | None = None,
  ridge: float = 1e-6,
) -> dict[str, Rival]:
  """K-fold cross-validated logistic fits of rival predictors.

  Args:
    design_by_name: design_NxP of each rival, without the constant.
    success_N: Successes of each row.
    trials_N: Of so many.
    rng: Draws the folds, the same for all rivals.
    folds: How many.
    cluster_N: Rows with one label share a fold (an item under several seeds).
    ridge: As in `logistic.fit`.
  """
  labels_N = np.arange(len(success_N)) if cluster_N is None else cluster_N
  _, place_N = np.unique(labels_N, return_inverse=True)
  groups = place_N.max() + 1
  fold_N = rng.permutation(np.arange(groups) % folds)[place_N]

  def held_out(design_NxP: np.ndarray) -> np.ndarray:
    design_NxP = np.column_stack([np.ones(len(success_N)), design_NxP])
    rate_N = np.empty(len(success_N))
    for fold in range(folds):
      inside = fold_N != fold
      model = logistic.fit(
        design_NxP[inside], success_N[inside], trials_N[inside], ridge
      )
      rate_N[~inside] = logistic.predict(design_NxP[~inside], model)
    return rate_N

  def deviance(rate_N: np.ndarray) -> np.ndarray:
    return logistic.deviance(success_N, trials_N, rate_N)

  constant = deviance(held_out(np.empty((len(success_N), 0)))).sum()
  found = {}
  for name, design_NxP in design_by_name.items():
    rate_N = held_out(design_NxP)
    deviance_N = deviance(rate_N)
    found[name] = Rival(
      deviance_N,
      float(1 - deviance_N.sum() / constant),
      auroc_lib.auroc(rate_N, success_N, trials_N),
    )
  return found
