"""Do models know when they are right? By test set, near training and far.

The *answer* of a model to a task is the most probable of its distinct samples,
and its *confidence* is the probability of that program at temperature 1. There
is one answer a task, so that answers are independent. A function has many
programs, and confidence is that of one of them: a model that is right more
often than it is confident has no fault, one that is right less often has.

The *tail share* says whether a model can be right at all: of how many tasks
some right program has a probability above 1 / n, n being the samples a task.
About so many tasks can be solved by n samples at temperature 1.

Letters: R records, N answers (at most one a model and task), S models, I tasks.
"""

from collections.abc import Mapping
import math
from typing import Any

import numpy as np

from synth.evaluation import sample_records
from synth.splits import distances
from synth.statistics import auroc
from synth.statistics import calibration

_BINS = 15
_LEAST = 10  # answers in a bin of one model
_POOLED_BINS = 10  # of all models together
_POOLED_LEAST = 20
_Z = 1.959964  # of 95 %


def answers(records: sample_records.Records) -> np.ndarray:
  """Which records are answers: one of each model and task that has any.

  Args:
    records: Of one test set.

  Returns:
    Places of records, sorted by model and task: in each group the most probable
    one, of equally probable ones that drawn first.
  """
  order_R = np.lexsort(
    (records['first'], -records['logprob'], records['item'], records['seed'])
  )
  task_R = np.stack([records['seed'], records['item']])[:, order_R]
  new_R = np.ones(len(order_R), bool)
  new_R[1:] = (task_R[:, 1:] != task_R[:, :-1]).any(axis=0)
  return order_R[new_R]


def of_tasks(
  records: sample_records.Records, seeds: int, items: int
) -> tuple[np.ndarray, np.ndarray]:
  """The answer of every model to every task of a test set.

  Args:
    records: Of the test set.
    seeds: Number of models S.
    items: Number of tasks I.

  Returns:
    logprob_SxI, the log-probability of each answer, NaN where there is none;
    and right_SxI, whether it is the task's function.
  """
  answer_N = answers(records)
  place = records['seed'][answer_N], records['item'][answer_N]
  logprob_SxI = np.full((seeds, items), np.nan)
  logprob_SxI[place] = records['logprob'][answer_N]
  right_SxI = np.zeros((seeds, items), bool)
  right_SxI[place] = records['exact'][answer_N]
  return logprob_SxI, right_SxI


def summary(
  records: Mapping[str, sample_records.Records], seeds: int
) -> dict[str, list[dict[str, Any] | None]]:
  """Calibration of every model, for JSON.

  Args:
    records: Test set -> its records.
    seeds: Number of models S.

  Returns:
    Test set -> for each model, None if it has fewer than two answers, else:
    the fields of `calibration.Calibration`, over answers; `aurc`, the area
    under the risk-coverage curve; and `auroc_samples`, the AUROC of all
    distinct samples, several a task. A number that needs successes and failures
    is None where there is one kind only.
  """
  return {
    name: [_of_seed(fields, seed) for seed in range(seeds)]
    for name, fields in records.items()
  }


def strata(
  records: Mapping[str, sample_records.Records],
  stratum: Mapping[str, Mapping[str, np.ndarray]],
  seeds: int,
) -> dict[str, dict[str, dict[str, list[dict[str, Any] | None]]]]:
  """Calibration near to and far from training, for JSON.

  Args:
    records: Test set -> its records.
    stratum: Test set -> space -> stratum_I (`distances.strata`).
    seeds: Number of models S.

  Returns:
    Test set -> space -> stratum, of those with tasks -> as in `summary`.
  """
  return {
    name: {
      space: {
        distances.STRATA[place]: _of_tasks(
          records[name], stratum_I == place, seeds
        )
        for place in np.unique(stratum_I).tolist()
      }
      for space, stratum_I in spaces.items()
    }
    for name, spaces in stratum.items()
  }


def _of_tasks(
  records: sample_records.Records, chosen_I: np.ndarray, seeds: int
) -> list[dict[str, Any] | None]:
  """The calibration of each seed on some tasks."""
  here_R = chosen_I[records['item']]
  fields = {key: array[here_R] for key, array in records.items()}
  return [_of_seed(fields, seed) for seed in range(seeds)]


def reliability(
  records: Mapping[str, sample_records.Records],
) -> dict[str, list[dict[str, Any]]]:
  """Confidence against success of all models together, for JSON.

  Args:
    records: Test set -> its records.

  Returns:
    Test set -> bins of about equally many answers, by rising confidence. Each
    has `confidence`, its mean; `success`, the share that is right and the ends
    of its 95 % interval; `answers` and `tasks`, their numbers. The interval
    (Wilson 1927) is over new tasks, for these models: answers to one task count
    as one.
  """
  found = {}
  for name, fields in records.items():
    answer_N = answers(fields)
    order_N = answer_N[np.argsort(fields['logprob'][answer_N], kind='stable')]
    bins = max(1, min(_POOLED_BINS, len(order_N) // _POOLED_LEAST))
    found[name] = [
      _bin(fields, part) for part in np.array_split(order_N, bins) if len(part)
    ]
  return found


def _bin(
  records: sample_records.Records, answer_N: np.ndarray
) -> dict[str, Any]:
  """One bin of `reliability`, of the answers at some places."""
  share = float(records['exact'][answer_N].mean())
  tasks = len(np.unique(records['item'][answer_N]))
  shrunk = (share + _Z**2 / tasks / 2) / (1 + _Z**2 / tasks)
  half = _Z * math.sqrt(share * (1 - share) / tasks + (_Z / tasks / 2) ** 2)
  half /= 1 + _Z**2 / tasks
  confidence_N = np.exp(records['logprob'][answer_N].astype(np.float64))
  return {
    'confidence': float(confidence_N.mean()),
    'success': [share, max(shrunk - half, 0.0), min(shrunk + half, 1.0)],
    'answers': len(answer_N),
    'tasks': tasks,
  }


def tail(
  records: Mapping[str, sample_records.Records],
  minimal: Mapping[str, np.ndarray],
  samples: int,
) -> dict[str, dict[str, list[float]]]:
  """Tail shares of every model, for JSON.

  Args:
    records: Test set -> its records.
    minimal: Test set -> log-probability of the most probable of some minimal
      programs of each task: logprob_SxI.
    samples: Programs that a model wrote for each task, n.

  Returns:
    Test set -> tail shares of the models: `minimal`, by the probabilities in
    `minimal` alone, and `any`, by those of right samples, too. Both are lower
    bounds, since most right programs of a task have not been looked at.
  """
  found = {}
  for name, logprob_SxI in minimal.items():
    best_SxI = logprob_SxI.astype(np.float64)
    fields = records[name]
    exact_R = fields['exact']
    any_SxI = best_SxI.copy()
    place = (fields['seed'][exact_R], fields['item'][exact_R])
    np.maximum.at(any_SxI, place, fields['logprob'][exact_R])
    found[name] = {
      key: (value_SxI > -math.log(samples)).mean(axis=1).tolist()
      for key, value_SxI in (('minimal', best_SxI), ('any', any_SxI))
    }
  return found


def _of_seed(
  records: sample_records.Records, seed: int
) -> dict[str, Any] | None:
  """The calibration of one model, as in `summary`."""
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
