"""Evaluation: every test set and dev, per seed, by executing what was written.

  python -m synth.evaluate --workdir=DIR [--samples=256] [--constrained]

reads DIR/run.json and the newest checkpoint, writes DIR/result.json (pass@k
with intervals, outcomes, baselines), DIR/samples.npz (what was written) and
DIR/records.npz (what became of each distinct sample, `synth.sample_records`).
The headline is exact success: the same rational function as the target. For
programs that are not independent draws (`eval.method` beam or unique) it is
coverage@k, the share of tasks solved by the first k candidates.
"""

from collections.abc import Mapping
import pathlib
import sys
from typing import Any

from absl import flags
import jax
import ml_collections
import numpy as np

from synth import cli
from synth import confidence
from synth import data
from synth import decode
from synth import errors
from synth import inputs as inputs_lib
from synth import locks
from synth import parts as parts_lib
from synth import progress
from synth import retrieval
from synth import runs
from synth import sample_records
from synth import scoring
from synth import seeding
from synth import train
from synth import verify
from synth.baselines import best_constant
from synth.baselines import nearest_neighbour
from synth.language import prefixes
from synth.language import serialization
from synth.language import tokens
from synth.splits import distances
from synth.splits import split as split_lib
from synth.statistics import design
from synth.statistics import interval
from synth.statistics import passk
from synth.training import checkpoint
from synth.training import freezing

HEADLINE = (1, 16)
_MINIMAL = 2  # minimal programs of each task whose probability is asked
_WRITTEN = ('tok', 'logprob', 'outcome', 'minimal_logprob')


def evaluate(
  workdir: pathlib.Path, overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
  """Evaluates the newest checkpoint of a run.

  An evaluation that was killed goes on after its last whole batch of tasks, to
  the same bits.

  Args:
    workdir: The run.
    overrides: Values for the config's `eval`, in place of the run's.

  Returns:
    What is written to result.json.

  Raises:
    InputError: if the directory is no run, its inputs have changed or it has
      no checkpoint, or if another process is evaluating it.
  """
  record = runs.read_record(workdir)
  lock = workdir / '.evaluate.lock'
  with locks.exclusive(lock, '', wait=False) as held:
    if not held:
      raise errors.InputError(f'another process is evaluating {workdir}')
    return _evaluate(workdir, record, overrides or {})


def _evaluate(
  workdir: pathlib.Path,
  record: Mapping[str, Any],
  overrides: Mapping[str, Any],
) -> dict[str, Any]:
  config = ml_collections.ConfigDict(record['config'])
  config.eval.update(overrides)
  cli.check_numbers(config)
  method = _method(config)
  inputs = inputs_lib.of_run(workdir, config)
  trainer = train.Trainer(config, inputs)
  with checkpoint.Checkpoints(workdir) as checkpoints:
    restored = checkpoints.restore_newest(trainer.abstract_state)
  if restored is None:
    raise errors.InputError(f'{workdir} holds no checkpoint: train it first')
  step, state, _ = restored
  if step < config.opt.num_steps:
    print(
      f'warning: {workdir} was trained for {step} of {config.opt.num_steps} '
      'steps: the result says so and is replaced by evaluating again',
      file=sys.stderr,
    )
  diverged = freezing.Divergences(trainer.seeds, checkpoints.latest).report(
    state['diverged']
  )
  for seed, when in diverged.items():
    print(
      f'warning: the model of seed {seed} diverged at step {when}: the result '
      'counts it as it was then',
      file=sys.stderr,
    )
  verifier = verify.Verifier(
    inputs.universe.vocabulary,
    inputs.universe.grammar.variables,
    list(config.spaces.grid),
    config.universe.seed,
    config.eval.seed,
  )
  parts = parts_lib.Parts(
    workdir / runs.PARTS,
    {
      'config': cli.plain(config),
      'checkpoint_sha256': checkpoints.sha256(step),
      'inputs_sha256': inputs.sha256,
      'versions': runs.versions(),
      'device': jax.devices()[0].device_kind,
      'fields': _WRITTEN,
    },
  )
  whole = inputs.split.evaluation_sets()
  chosen = {name: _chosen(config, name, len(c)) for name, c in whole.items()}
  sets = {name: classes[chosen[name]] for name, classes in whole.items()}
  written = {
    name: _write_and_judge(
      config, trainer, state, inputs, verifier, method, parts, name, classes
    )
    for name, classes in sets.items()
  }
  far_2xI = inputs.split.distances[config.data.arm]
  ends = np.cumsum([len(classes) for classes in whole.values()])
  for (name, fields), part_2xI in zip(
    written.items(), np.split(far_2xI, ends[:-1], axis=1), strict=True
  ):
    fields['distance'] = part_2xI[:, chosen[name]]
  records = {
    name: sample_records.of(
      fields['tok'],
      fields['logprob'],
      fields['outcome'],
      inputs,
      config.data.arm,
    )
    for name, fields in written.items()
  }
  training = retrieval.Training(inputs, config.data.arm)
  for name, fields in records.items():
    rng = seeding.generator(config.eval.seed, 'nearest', name)
    fields |= retrieval.of(fields, written[name]['tok'], training, rng)
  items = {name: len(classes) for name, classes in sets.items()}
  result = {
    'step': step,
    'arm': config.data.arm,
    'config': cli.plain(config),
    'inputs_sha256': inputs.sha256,
    'versions': runs.versions(),
    'params': record['params'],
    'seeds': list(trainer.seeds),
    'diverged': diverged,
    **_summarize(config, written),
    'strata': _strata(config, written, inputs.split),
    'novelty': _novelty(written, inputs),
    **sample_records.summary(records, len(trainer.seeds), items),
    'retrieval': retrieval.summary(
      records, written, training, len(trainer.seeds), config.eval.seed
    ),
    **_of_forced(records, sets, inputs, len(trainer.seeds)),
    'calibration': confidence.summary(records, len(trainer.seeds)),
    'reliability': confidence.reliability(records),
    'tail': confidence.tail(
      records,
      {name: fields['minimal_logprob'] for name, fields in written.items()},
      config.eval.num_samples,
    ),
    'baselines': _baselines(config.data.arm, sets, inputs, verifier),
  }
  runs.write_arrays(workdir / runs.SAMPLES, _flat(written))
  runs.write_arrays(workdir / runs.RECORDS, _flat(records))
  runs.write_json(workdir / runs.RESULT, result)
  parts.remove()
  return result


def _flat(
  sets: Mapping[str, Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
  """SET_FIELD -> array."""
  return {
    f'{name}_{field}': array
    for name, fields in sets.items()
    for field, array in fields.items()
  }


def _method(config: ml_collections.ConfigDict) -> decode.Method:
  """How the config wants programs to be chosen.

  Raises:
    InputError: if there is no such way, or a setting would have no effect.
  """
  for key in ('method', 'top_k', 'top_p', 'num_tasks'):
    if key not in config.eval:
      raise errors.InputError(
        f'the run was made before there was an eval.{key}: give --{key}'
      )
  cli.choose(config.eval.method, decode.METHODS, 'eval.method')
  if config.eval.method == decode.UNIQUE and not config.eval.temperature:
    raise errors.InputError(
      'eval.temperature=0 leaves eval.method=unique one program to draw: raise '
      'it or take eval.method=beam'
    )
  return decode.Method(config.eval.method, config.eval.top_k, config.eval.top_p)


def _chosen(
  config: ml_collections.ConfigDict, name: str, number: int
) -> np.ndarray:
  """Places of the tasks of a set that are evaluated: the same for all runs."""
  most = config.eval.num_tasks or number
  rng = seeding.generator(config.eval.seed, 'tasks', name)
  return np.sort(rng.permutation(number)[:most])


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


def _write_and_judge(
  config: ml_collections.ConfigDict,
  trainer: train.Trainer,
  state: train.State,
  inputs: inputs_lib.Inputs,
  verifier: verify.Verifier,
  method: decode.Method,
  parts: parts_lib.Parts,
  name: str,
  classes: np.ndarray,
) -> dict[str, np.ndarray]:
  """Programs of every model for one set of tasks, by batches kept in `parts`.

  Returns:
    class_I, target_IxL (a program of each), tok_SxIxnxT (in prefix order),
    logprob_SxIxn (-inf: there is no such program), outcome_SxIxn
    (`verify.Outcome`) and minimal_logprob_SxI (the log-probability of the most
    probable of two random minimal programs, each as training would show it),
    under the names before the last underscore.
  """
  batch = config.eval.batch_size
  tables = None
  if config.eval.constrained:
    order = inputs.serialization.order
    if order != serialization.PREFIX:
      raise errors.InputError(
        'programs can be constrained in prefix order only, but '
        f'data.order={order!r}'
      )
    tables = prefixes.tables(
      inputs.universe.grammar,
      inputs.universe.vocabulary,
      inputs.universe.max_size,
    )
  starts = range(0, len(classes), batch)
  # One program of each target, as training would show it.
  rng = seeding.generator(config.eval.seed, 'target', name)
  target_IxL = inputs.programs_at(
    classes, rng.random((len(classes), inputs.universe.max_size))
  )
  key = jax.random.fold_in(jax.random.key(config.eval.seed), trainer.seeds[0])

  def write(start: int) -> dict[str, np.ndarray]:
    # One shape for all batches: the last one is filled up, then cut.
    filled = (start + np.arange(batch)) % len(classes)
    tok_SxBxnxT, logprob_SxBxn = decode.decode(
      state['params'],
      inputs.spec_CxF[classes[filled]],
      jax.random.fold_in(key, start),
      config.eval.temperature,
      tables,
      graph=trainer.graph,
      method=method,
      num_programs=config.eval.num_samples,
      length=trainer.shape.length,
    )
    tok_SxBxnxT = _in_prefix_order(tok_SxBxnxT, inputs)
    outcome_SxBxn = np.stack(
      [verifier.outcomes(tok, target_IxL[filled]) for tok in tok_SxBxnxT]
    )
    number_of_tasks = len(classes) - start
    return {
      'tok': np.asarray(tok_SxBxnxT, tokens.DTYPE)[:, :number_of_tasks],
      'logprob': np.asarray(logprob_SxBxn, np.float32)[:, :number_of_tasks],
      'outcome': outcome_SxBxn[:, :number_of_tasks],
      'minimal_logprob': _score(
        trainer, state, inputs, name, classes, filled, config.eval.seed
      )[:, :number_of_tasks],
    }

  kept = {start: parts.get(f'{name}-{start}') for start in starts}
  done = {start: part for start, part in kept.items() if part is not None}
  bar = progress.Progress(f'evaluate {name}', len(starts), 'batches')
  bar.update(len(done))
  for start in starts:
    if start not in done:
      done[start] = write(start)
      parts.put(f'{name}-{start}', done[start])
      bar.update(len(done))
  return {
    'class': classes,
    'target': target_IxL,
    **{
      field: np.concatenate([done[start][field] for start in starts], axis=1)
      for field in _WRITTEN
    },
  }


def _score(
  trainer: train.Trainer,
  state: train.State,
  inputs: inputs_lib.Inputs,
  name: str,
  classes: np.ndarray,
  row_B: np.ndarray,
  seed: int,
) -> np.ndarray:
  """minimal_logprob_SxB of some rows of a test set's classes."""
  shape = (len(row_B), _MINIMAL, inputs.universe.max_size)
  rng = seeding.generator(seed, 'minimal', name, int(row_B[0]))
  batch = data.make_batch(
    inputs,
    np.repeat(classes[row_B], _MINIMAL),
    rng.random(shape).reshape(-1, shape[2]),
  )
  logprob_SxR = scoring.log_probability(
    state['params'],
    batch['spec'],
    batch['input'],
    batch['target'],
    graph=trainer.graph,
  )
  logprob_SxBxM = np.asarray(logprob_SxR, np.float32).reshape(-1, *shape[:2])
  return logprob_SxBxM.max(axis=2)


def _in_prefix_order(
  tok_SxBxnxT: jax.Array, inputs: inputs_lib.Inputs
) -> np.ndarray:
  tok_RxT = np.asarray(tok_SxBxnxT).reshape(-1, tok_SxBxnxT.shape[-1])
  tok_RxT = inputs.serialization.read(tok_RxT)
  return tok_RxT.reshape(*tok_SxBxnxT.shape[:3], -1)


def _summarize(
  config: ml_collections.ConfigDict, written: Mapping[str, Any]
) -> dict[str, Any]:
  """Success with intervals, per seed, and shares of outcomes."""
  measured = measure(config)
  summary: dict[str, Any] = {'measure': measured}
  for k in (k for k in HEADLINE if k <= config.eval.num_samples):
    means, per_seed = {}, {}
    for name, fields in written.items():
      value_SxI = solved_at_k(fields['outcome'], k, measured)
      rng = seeding.generator(config.eval.seed, 'bootstrap', name)
      means[name] = interval.share([[design.Term(value_SxI)]], rng)
      per_seed[name] = value_SxI.mean(axis=1).tolist()
    summary[f'{measured}@{k}'] = means
    summary[f'{measured}@{k}_by_seed'] = per_seed
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


def _strata(
  config: ml_collections.ConfigDict,
  written: Mapping[str, Any],
  split: split_lib.Split,
) -> dict[str, Any]:
  """Success at 1 by distance to training: test set -> space -> stratum.

  What is near and far to the arm is its split's (`synth.splits.distances`);
  between the two is the buffer.
  """
  bounds = split.facts['distance_bounds'][config.data.arm]
  found: dict[str, Any] = {}
  for name, fields in written.items():
    solved_I = solved_at_k(fields['outcome'], 1, measure(config)).mean(axis=0)
    found[name] = {}
    for space, distance_I in zip(
      distances.SPACES, fields['distance'], strict=True
    ):
      near_I = distance_I <= bounds[space]['near']
      far_I = ~near_I & (distance_I >= bounds[space]['far'])
      found[name][space] = {
        stratum: {
          'items': int(member_I.sum()),
          'solved@1': float(solved_I[member_I].mean()),
        }
        for stratum, member_I in (
          ('near', near_I),
          ('between', ~near_I & ~far_I),
          ('far', far_I),
        )
        if member_I.any()
      }
  return found


def _novelty(
  written: Mapping[str, Any], inputs: inputs_lib.Inputs
) -> dict[str, Any]:
  """How correct samples were written: with the held-out edge or without."""
  holdout = inputs.holdout
  if holdout is None:
    return {}
  shares = {}
  for name, fields in written.items():
    correct = fields['outcome'] == verify.Outcome.CORRECT
    tok_PxT = fields['tok'][correct]
    tok_PxT = np.where(tok_PxT == tokens.EOS, tokens.PAD, tok_PxT)
    with_edge = holdout.has(tok_PxT)
    total = np.isfinite(fields['logprob']).sum()
    shares[name] = {
      'solved_with_held_out_edge': float(with_edge.sum() / total),
      'solved_without_it': float((~with_edge).sum() / total),
      'unsolved': float(1 - correct.sum() / total),
    }
  return shares


def _of_forced(
  records: Mapping[str, sample_records.Records],
  sets: Mapping[str, np.ndarray],
  inputs: inputs_lib.Inputs,
  seeds: int,
) -> dict[str, Any]:
  """The best of each task, by whether the held-out edge can be avoided."""
  if inputs.holdout is None:
    return {}
  size_C = inputs.holdout.free_size_C
  forced_C = (size_C == 0) | (size_C > inputs.universe.max_size)
  forced = {name: forced_C[classes] for name, classes in sets.items()}
  return {
    'best_by_forced': sample_records.best_by_forced(records, seeds, forced)
  }


def _baselines(
  arm: str,
  sets: Mapping[str, np.ndarray],
  inputs: inputs_lib.Inputs,
  verifier: verify.Verifier,
) -> dict[str, Any]:
  """What needs neither a model nor search, on the same tasks.

  The others have a command of their own (`synth.baselines`).
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


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string(
    'workdir', None, 'Directory of a trained run.', required=True
  )
  flags.DEFINE_integer(
    'samples', None, 'Programs for each task, in place of eval.num_samples.'
  )
  flags.DEFINE_integer(
    'tasks', None, 'Random tasks of each set, in place of eval.num_tasks.'
  )
  flags.DEFINE_integer(
    'batch_size', None, 'Tasks decoded at once, in place of eval.batch_size.'
  )
  flags.DEFINE_float(
    'temperature', None, 'Of sampling, in place of eval.temperature.'
  )
  flags.DEFINE_string(
    'method', None, 'sample, beam or unique, in place of eval.method.'
  )
  flags.DEFINE_integer('top_k', None, 'In place of eval.top_k.')
  flags.DEFINE_float('top_p', None, 'In place of eval.top_p.')
  flags.DEFINE_bool(
    'constrained',
    None,
    'Whether only programs of the grammar can be written, in place of '
    'eval.constrained.',
  )


def main() -> dict[str, Any]:
  """Evaluates; the last line is the result without its longest parts."""
  args = flags.FLAGS
  given = {
    'num_samples': args.samples,
    'num_tasks': args.tasks,
    'batch_size': args.batch_size,
    'temperature': args.temperature,
    'method': args.method,
    'top_k': args.top_k,
    'top_p': args.top_p,
    'constrained': args.constrained,
  }
  overrides = {key: value for key, value in given.items() if value is not None}
  result = evaluate(pathlib.Path(args.workdir), overrides)
  hidden = (
    'config',
    'versions',
    'inputs_sha256',
    'calibration',
    'reliability',
    'retrieval',
    'best_by_forced',
  )
  return {name: value for name, value in result.items() if name not in hidden}


if __name__ == '__main__':
  define_flags()
  cli.run(main)
