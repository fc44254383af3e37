"""What an evaluation came to: success, outcomes, strata, ways of solving."""

from collections.abc import Mapping
from typing import Any

import ml_collections
import numpy as np

from synth import inputs as inputs_lib
from synth import seeding
from synth.baselines import best_constant
from synth.baselines import nearest_neighbour
from synth.evaluation import decode
from synth.evaluation import sample_records
from synth.evaluation import verify
from synth.language import tokens
from synth.splits import distances
from synth.splits import holdout as holdout_lib
from synth.splits import split as split_lib
from synth.statistics import design
from synth.statistics import interval
from synth.statistics import passk
from synth.universe import universe as universe_lib

HEADLINE = (1, 16)


def measure(config: Mapping[str, Any]) -> str:
  """What success at k is: `pass`, or `coverage` if draws are dependent."""
  return 'pass' if decode.METHODS[config['eval']['method']] else 'coverage'


def solved_at_k(outcome_SxIxn: np.ndarray, k: int, measured: str) -> np.ndarray:
  """pass@k or coverage@k of every seed and item: value_SxI."""
  correct_SxIxn = outcome_SxIxn == verify.Outcome.CORRECT
  if measured == 'coverage':
    return passk.coverage_at_k(correct_SxIxn, k)
  samples = correct_SxIxn.shape[-1]
  return passk.pass_at_k(correct_SxIxn.sum(axis=-1), samples, k)


def curves(outcome_SxIxn: np.ndarray, measured: str) -> np.ndarray:
  """Mean pass@k or coverage@k of all items for k = 1..n: curve_Sxn."""
  correct_SxIxn = outcome_SxIxn == verify.Outcome.CORRECT
  if measured == 'coverage':
    first_Sxn: np.ndarray = np.maximum.accumulate(correct_SxIxn, axis=-1).mean(
      axis=1
    )
    return first_Sxn
  samples = correct_SxIxn.shape[-1]
  return np.stack(
    [passk.coverage(n_I, samples) for n_I in correct_SxIxn.sum(axis=-1)]
  )


def success(
  config: ml_collections.ConfigDict, written: Mapping[str, Any]
) -> dict[str, Any]:
  """Success with intervals, per seed and at every k, and shares of outcomes.

  Args:
    config: Of the run, with the settings of this evaluation.
    written: Test set -> arrays by name (`writing.write_and_judge`), with
      cluster_I.

  Returns:
    For result.json: `measure`; `MEASURE@k` for k of `HEADLINE`, test set ->
    mean and its 95 % interval; `MEASURE@k_by_seed`; `candidates` a task that
    were judged; shares of `outcomes` among them; and `items`, the tasks.
  """
  measured = measure(config)
  summary: dict[str, Any] = {'measure': measured}
  for k in (k for k in HEADLINE if k <= config.eval.num_samples):
    means, per_seed = {}, {}
    for name, fields in written.items():
      value_SxI = solved_at_k(fields['outcome'], k, measured)
      rng = seeding.generator(config.eval.seed, 'bootstrap', name)
      term = design.Term(value_SxI, cluster_I=fields['cluster'])
      means[name] = interval.share([[term]], rng)
      per_seed[name] = value_SxI.mean(axis=1).tolist()
    summary[f'{measured}@{k}'] = means
    summary[f'{measured}@{k}_by_seed'] = per_seed
  summary[f'{measured}@k_by_seed'] = {
    name: curves(fields['outcome'], measured).round(6).tolist()
    for name, fields in written.items()
  }
  there = {name: np.isfinite(f['logprob']) for name, f in written.items()}
  summary['candidates'] = {  # that were verified, a task
    name: float(there_SxIxn.sum(axis=2).mean())
    for name, there_SxIxn in there.items()
  }
  summary['outcomes'] = {
    name: {
      outcome.name.lower(): float(
        (fields['outcome'][there[name]] == outcome).mean()
      )
      for outcome in verify.Outcome
    }
    for name, fields in written.items()
  }
  summary['items'] = {
    name: len(fields['class']) for name, fields in written.items()
  }
  return summary


def exact_match(
  written: Mapping[str, Any],
) -> dict[str, list[float]]:
  """Share of programs that are, token for token, one given one of the task.

  A footnote: that program is one minimal program of the function, drawn as for
  training, and most functions have several.

  Returns:
    Test set -> share of each seed.
  """
  found = {}
  for name, fields in written.items():
    tok_SxIxnxT, target_IxL = fields['tok'], fields['target']
    tok_SxIxnxT = tokens.without_eos(tok_SxIxnxT)
    length = target_IxL.shape[1]
    same_SxIxn = (tok_SxIxnxT[..., :length] == target_IxL[:, None]).all(axis=-1)
    same_SxIxn &= (tok_SxIxnxT[..., length:] == tokens.PAD).all(axis=-1)
    # Of those that there are: `beam` and `unique` may not find so many, and a
    # model that diverged may give none a probability.
    there_SxIxn = np.isfinite(fields['logprob'])
    there_S = np.maximum(there_SxIxn.sum(axis=(1, 2)), 1)
    same_S = (same_SxIxn & there_SxIxn).sum(axis=(1, 2))
    found[name] = (same_S / there_S).tolist()
  return found


def envelope(
  success_by_temperature: Mapping[float, Mapping[str, Any]],
) -> dict[str, Any]:
  """For each k the temperature at which dev is solved best, and success at it.

  The headline has one temperature for all k, that of k = 1; more samples want a
  higher one.

  Returns:
    k -> temperature and success at k by test set and seed, for k = 1, 2, 4, ...
  """
  curves = {
    temperature: {
      name: np.array(curve_Sxn)
      for name, curve_Sxn in one[f'{one["measure"]}@k_by_seed'].items()
    }
    for temperature, one in success_by_temperature.items()
  }
  samples = min(curve[split_lib.DEV].shape[1] for curve in curves.values())
  found = {}
  for k in (1 << i for i in range(samples.bit_length())):
    at_k = {
      temperature: {name: c_Sxn[:, k - 1] for name, c_Sxn in one.items()}
      for temperature, one in curves.items()
    }
    dev = {
      temperature: one[split_lib.DEV].mean()
      for temperature, one in at_k.items()
    }
    best = max(dev, key=dev.__getitem__)
    found[str(k)] = {
      'temperature': best,
      'by_seed': {name: c_S.tolist() for name, c_S in at_k[best].items()},
    }
  return found


def strata(
  config: ml_collections.ConfigDict,
  written: Mapping[str, Any],
  split: split_lib.Split,
) -> dict[str, Any]:
  """Success at 1 by distance to training: test set -> space -> stratum.

  A stratum has its items, their success and that of each seed.
  What is near and far to the arm is its split's (`synth.splits.distances`);
  between the two is the buffer.
  """
  bounds = split.facts['distance_bounds'][config.data.arm]
  found: dict[str, Any] = {}
  for name, fields in written.items():
    solved_SxI = solved_at_k(fields['outcome'], 1, measure(config))
    found[name] = {
      space: {
        distances.STRATA[place]: _of_members(solved_SxI, stratum_I == place)
        for place in np.unique(stratum_I).tolist()
      }
      for space, stratum_I in distances.strata(
        fields['distance'], bounds
      ).items()
    }
  return found


def task_sizes(
  config: ml_collections.ConfigDict,
  written: Mapping[str, Any],
  universe: universe_lib.Universe,
) -> dict[str, Any]:
  """Success at 1 by the task's size: test set -> nodes -> as in `strata`.

  Every test set is drawn by a law over classes of all sizes, and most classes
  have the largest; this is the law of each size alone.
  """
  found: dict[str, Any] = {}
  for name, fields in written.items():
    solved_SxI = solved_at_k(fields['outcome'], 1, measure(config))
    size_I = universe.size_C[fields['class']]
    found[name] = {
      str(size): _of_members(solved_SxI, size_I == size)
      for size in np.unique(size_I).tolist()
    }
  return found


def _of_members(solved_SxI: np.ndarray, member_I: np.ndarray) -> dict[str, Any]:
  """How many tasks are members, and their success."""
  solved_S = solved_SxI[:, member_I].mean(axis=1)
  return {
    'items': int(member_I.sum()),
    'solved@1': float(solved_S.mean()),
    'solved@1_by_seed': solved_S.tolist(),
  }


def novelty(
  written: Mapping[str, Any], inputs: inputs_lib.Inputs
) -> dict[str, Any]:
  """How correct samples were written: with a held-out edge or without.

  Returns:
    Test set -> shares of all samples, which sum to 1; nothing if the split
    holds out no edges.
  """
  holdout = inputs.holdout
  if holdout is None:
    return {}
  shares = {}
  for name, fields in written.items():
    correct = fields['outcome'] == verify.Outcome.CORRECT
    tok_PxT = fields['tok'][correct]
    tok_PxT = tokens.without_eos(tok_PxT)
    with_edge = holdout.has(tok_PxT)
    total = np.isfinite(fields['logprob']).sum()
    shares[name] = {
      'solved_with_held_out_edge': float(with_edge.sum() / total),
      'solved_without_it': float((~with_edge).sum() / total),
      'unsolved': float(1 - correct.sum() / total),
    }
  return shares


def of_forced(
  records: Mapping[str, sample_records.Records],
  sets: Mapping[str, np.ndarray],
  inputs: inputs_lib.Inputs,
  seeds: int,
) -> dict[str, Any]:
  """The best of each task, by whether the held-out edge can be avoided.

  That is by a program that a model may write: no larger than the universe's.

  Args:
    records: Test set -> its records.
    sets: Test set -> classes of its tasks.
    inputs: Of the run.
    seeds: Number of models.

  Returns:
    `best_by_forced` (`sample_records.best_by_forced`); nothing if no edges are
    held out.
  """
  if inputs.holdout is None:
    return {}
  size_C, most = inputs.holdout.free_size_C, inputs.universe.max_size
  forced = {
    name: holdout_lib.forced(size_C[classes], most)
    for name, classes in sets.items()
  }
  return {
    'best_by_forced': sample_records.best_by_forced(records, seeds, forced)
  }


def baselines(
  arm: str,
  sets: Mapping[str, np.ndarray],
  inputs: inputs_lib.Inputs,
  verifier: verify.Verifier,
) -> dict[str, Any]:
  """What needs neither a model nor search, on the same tasks.

  Other baselines have a command of their own (`synth.baselines`).

  Args:
    arm: The training arm that retrieval may use.
    sets: Test set -> classes of its tasks.
    inputs: Of the run.
    verifier: Judges answers.

  Returns:
    Test set -> baseline -> share of tasks solved; `..._on_grid`: share whose
    answers fit the specification at least.
  """
  retriever = nearest_neighbour.Retriever(inputs, arm)
  result: dict[str, Any] = {}
  for name, classes in sets.items():
    target_IxL = inputs.universe.representative_CxL[classes]
    answer_IxL = retriever.answers(classes)
    outcome_I = verifier.outcomes(answer_IxL[:, None], target_IxL)[:, 0]
    result[name] = {
      'nearest_neighbour': float((outcome_I == verify.Outcome.CORRECT).mean()),
      'nearest_neighbour_on_grid': float(
        (outcome_I <= verify.Outcome.GRID_ONLY).mean()
      ),
      'best_constant': best_constant.share(classes),
    }
  return result
