"""Do models know when they are right? By test set, in and out of support.

The answer of a model to a task is the most probable of its distinct samples,
its confidence the probability of that program at temperature 1 (methods 4.6).
One answer a task, so that they are independent. A function has many programs
and confidence is that of one, so being right more often than confident is no
fault; being less often right is.
"""

from collections.abc import Mapping
import math
from typing import Any

import numpy as np

from synth import sample_records
from synth.statistics import auroc
from synth.statistics import calibration

_BINS = 15
_LEAST = 10  # answers in a bin


def answers(records: sample_records.Records) -> np.ndarray:
  """Places of the most probable record of each task and model, the first."""
  order_R = np.lexsort(
    (records['first'], -records['logprob'], records['item'], records['seed'])
  )
  task_R = np.stack([records['seed'], records['item']])[:, order_R]
  new_R = np.ones(len(order_R), bool)
  new_R[1:] = (task_R[:, 1:] != task_R[:, :-1]).any(axis=0)
  return order_R[new_R]


def summary(
  records: Mapping[str, sample_records.Records], seeds: int
) -> dict[str, list[dict[str, Any] | None]]:
  """Test set -> for each seed its calibration, for JSON.

  Everything of `calibration.Calibration` by its name, over answers; `aurc`, the
  area under the risk-coverage curve; and `auroc_samples`, the AUROC of all
  distinct samples, several a task. None where a seed has fewer than two
  answers, or where a number needs successes and failures and has one kind.
  """
  return {
    name: [_of_seed(fields, seed) for seed in range(seeds)]
    for name, fields in records.items()
  }


def _of_seed(
  records: sample_records.Records, seed: int
) -> dict[str, Any] | None:
  mine_R = records['seed'] == seed
  fields = {key: array[mine_R] for key, array in records.items()}
  answer_N = answers(fields)
  if len(answer_N) < 2:
    return None
  log_prob_N = fields['logprob'][answer_N].astype(np.float64)
  exact_N = fields['exact'][answer_N]
  bins = max(1, min(_BINS, len(answer_N) // _LEAST))
  found = calibration.calibration(log_prob_N, exact_N, bins)
  _, risk_N = calibration.risk_coverage(log_prob_N, exact_N)
  every = auroc.auroc(fields['logprob'], fields['exact'])
  return {
    **{
      key: value.tolist() if isinstance(value, np.ndarray) else _known(value)
      for key, value in found._asdict().items()
    },
    'aurc': float(risk_N.mean()),
    'auroc_samples': _known(every),
  }


def _known(value: float) -> float | None:
  """JSON has no NaN."""
  return None if math.isnan(value) else value
