"""Loss by parameters and functions shown: rival laws of both together.

A run's loss is the least on dev during training: with few functions models
learn them by heart, after which the loss on dev grows again. Every seed is an
observation; its error is a ratio, the spread of seeds pooled over runs.
"""

from collections.abc import Sequence
import math
from typing import NamedTuple

import numpy as np

from analysis.study import cells as cells_lib
from synth import records as records_lib
from synth import seeding
from synth.statistics import bootstrap
from synth.statistics import loss_law
from synth.statistics import scaling
from synth.statistics.design import Interval

_RESAMPLES = 200
_ENDS = (0.025, 0.975)
_LEAST_ERROR = 1e-3  # of a ratio, where seeds agree by chance


class Standing(NamedTuple):
  """A law among its rivals.

  Attributes:
    law: Fitted to all.
    delta_aicc: AICc above the best law's.
    left_out: Root mean square relative error of runs, each left out.
    exponents: Name -> value and 95 % interval, over seeds.
  """

  law: loss_law.LossLaw
  delta_aicc: float
  left_out: float
  exponents: dict[str, Interval]


class Surface(NamedTuple):
  """Loss by both sizes.

  Attributes:
    points: Parameters, functions shown and least loss on dev of every model.
    error: Relative standard error of one.
    standings: Of each law.
  """

  points: loss_law.Points
  error: float
  standings: list[Standing]

  @property
  def best(self) -> Standing:
    """The law of least AICc."""
    return min(self.standings, key=lambda one: one.delta_aicc)


def least_losses(record: records_lib.Record) -> np.ndarray:
  """The least loss on dev during training of every seed: loss_S.

  NaN of one that diverged.
  """
  loss_ExS = np.array([row[1] for row in record.facts['dev_loss']], float)
  least_S: np.ndarray = loss_ExS.min(axis=0)
  return least_S


def measure(found: Sequence[records_lib.Record]) -> Surface:
  """Compares the laws on runs that differ in model and functions shown.

  Raises:
    NotMeasured: if sizes or seeds are too few, or a model diverged.
  """
  loss_by_run = [least_losses(record) for record in found]
  if not all(np.isfinite(loss_S).all() for loss_S in loss_by_run):
    raise cells_lib.NotMeasured('a model without a loss: it diverged')
  count_R = [len(loss_S) for loss_S in loss_by_run]
  spare = sum(count_R) - len(count_R)
  if not spare:
    raise cells_lib.NotMeasured('one seed a run has no error bar')
  runs = loss_law.Points(
    np.array([r.parameters for r in found], float),
    np.array([r.facts['config']['split']['num_arm'] for r in found], float),
    np.array([loss_S.mean() for loss_S in loss_by_run]),
  )
  squares = sum(
    float(np.sum((loss_S / loss_S.mean() - 1) ** 2)) for loss_S in loss_by_run
  )
  error = max(math.sqrt(squares / spare), _LEAST_ERROR)
  points = loss_law.Points(
    np.repeat(runs.model_N, count_R),
    np.repeat(runs.data_N, count_R),
    np.concatenate(loss_by_run),
  )
  run_N = np.repeat(np.arange(len(count_R)), count_R)
  mean_BxR = bootstrap.few_seeds(
    loss_by_run, seeding.generator(0, 'loss laws'), _RESAMPLES
  )
  try:
    laws = [loss_law.fit(form, points) for form in loss_law.FORMULA]
    standings = [
      Standing(
        law, _aicc(law, error), _left_out(law, points, run_N),
        _exponents(law, runs, mean_BxR),
      )
      for law in laws
    ]  # fmt: skip
  except ValueError as few:
    raise cells_lib.NotMeasured(str(few)) from None
  least = min(one.delta_aicc for one in standings)
  return Surface(
    points,
    error,
    [one._replace(delta_aicc=one.delta_aicc - least) for one in standings],
  )


def _aicc(law: loss_law.LossLaw, error: float) -> float:
  chi_square = float(np.sum((law.residual_N / error) ** 2))
  return scaling.aicc(chi_square, len(law.values), len(law.residual_N))


def _left_out(
  law: loss_law.LossLaw, points: loss_law.Points, run_N: np.ndarray
) -> float:
  """What each run is missed by, by the law of the others."""
  errors = []
  for run in range(run_N[-1] + 1):
    other = loss_law.fit(law.form, points.where(run_N != run), near=law)
    held = points.where(run_N == run)
    told_N = other.predict(held.model_N, held.data_N)
    errors.append(np.mean((told_N / held.loss_N - 1) ** 2))
  return math.sqrt(np.mean(errors))


def _exponents(
  law: loss_law.LossLaw, runs: loss_law.Points, mean_BxR: np.ndarray
) -> dict[str, Interval]:
  """Percentiles of the law's exponents over other seeds."""
  again = [
    loss_law.fit(law.form, runs._replace(loss_N=mean_R), near=law).values
    for mean_R in mean_BxR
  ]
  return {
    name: Interval(
      law.values[name],
      *map(float, np.quantile([values[name] for values in again], _ENDS)),
    )
    for name in ('a', 'b')
    if name in law.values
  }
