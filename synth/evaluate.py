"""Evaluation: every test set and dev, per seed, by executing what was written.

  python -m synth.evaluate --workdir=DIR [--samples=256] [--constrained]
    [--temperatures=0.2,0.4,0.8] [--tests=novel,dev]

reads DIR/run.json and the newest checkpoint, writes DIR/result.json (pass@k
with intervals, outcomes, baselines), DIR/samples.npz (what was written) and
DIR/records.npz (what became of each distinct sample,
`synth.evaluation.sample_records`). The headline is exact success: the same
rational function as the target. For programs that are not independent draws
(`eval.method` beam or unique) it is coverage@k, the share of tasks solved by
the first k candidates.

Of several temperatures the result is that of the one at which most of dev is
solved at once (pass@1; the first of equals); success at each is in it. So no
test set has a say in the choice. `envelope` is the same for every k.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import pathlib
import sys
from typing import Any

from absl import flags
import jax
import ml_collections
import numpy as np

from synth import cli
from synth import errors
from synth import inputs as inputs_lib
from synth import locks
from synth import runs
from synth import seeding
from synth import settings
from synth import store
from synth.evaluation import confidence
from synth.evaluation import decode
from synth.evaluation import memory
from synth.evaluation import parts as parts_lib
from synth.evaluation import retrieval
from synth.evaluation import sample_records
from synth.evaluation import summary
from synth.evaluation import verify
from synth.evaluation import writing
from synth.splits import distances
from synth.splits import kinds
from synth.splits import split as split_lib
from synth.training import restored


def evaluate(
  workdir: pathlib.Path,
  overrides: Mapping[str, Any] | None = None,
  temperatures: Sequence[float] = (),
  tests: Sequence[str] = (),
) -> dict[str, Any]:
  """Evaluates the newest checkpoint of a run.

  An evaluation that was killed goes on after its last whole batch of tasks, to
  the same bits.

  Args:
    workdir: The run.
    overrides: Values for the config's `eval`, in place of the run's.
    temperatures: In place of the config's; dev chooses among several.
    tests: Names of the sets that are evaluated; none: all. Reports and records
      refuse a result of some.

  Returns:
    What is written to result.json.

  Raises:
    InputError: if the directory is no run, its inputs have changed or it has
      no checkpoint, if another process is evaluating it, or if there is no
      such test set or temperature.
  """
  record = runs.read_record(workdir)
  lock = workdir / '.evaluate.lock'
  with locks.exclusive(lock, '', wait=False) as held:
    if not held:
      raise errors.InputError(f'another process is evaluating {workdir}')
    config = ml_collections.ConfigDict(record['config'])
    config.eval.update(overrides or {})
    configs = [config]
    if temperatures and config.eval.get('method') == decode.BEAM:
      raise errors.InputError(
        f'eval.method={decode.BEAM!r} has no temperature: leave out '
        '--temperatures'
      )
    if temperatures:
      configs = [config.copy_and_resolve_references() for _ in temperatures]
      for one, temperature in zip(configs, temperatures, strict=True):
        one.eval.temperature = temperature
    return _evaluate(workdir, record, configs, tests)


def _evaluate(
  workdir: pathlib.Path,
  record: Mapping[str, Any],
  configs: Sequence[ml_collections.ConfigDict],
  tests: Sequence[str],
) -> dict[str, Any]:
  """`evaluate` with configs that differ in their temperature."""
  for config in configs:
    settings.check(config)
    method = writing.method_of(config)
  _check_distinct('--tests', tests)
  _check_distinct('--temperatures', [c.eval.temperature for c in configs])
  inputs = inputs_lib.of_run(workdir, config)
  sets, distance = _tasks(config, inputs, tests)
  if len(configs) > 1 and split_lib.DEV not in sets:
    raise errors.InputError(
      f'--tests={",".join(tests)} lacks {split_lib.DEV}, which chooses among '
      'several temperatures'
    )
  run = restored.load(workdir, config, inputs)
  trainer, state, step = run.trainer, run.state, run.step
  memory.check(config, trainer, sum(len(classes) for classes in sets.values()))
  if step < config.opt.num_steps:
    print(
      f'warning: {workdir} was trained for {step} of {config.opt.num_steps} '
      'steps: the result says so and is replaced by evaluating again',
      file=sys.stderr,
    )
  for seed, when in run.diverged.items():
    print(
      f'warning: the model of seed {seed} diverged at step {when}: the result '
      'counts it as it was then',
      file=sys.stderr,
    )
  verifier = verify.Verifier.of(config, inputs.universe)
  facts = settings.plain(config)
  del facts['eval']['temperature']  # parts are told apart by it
  parts = parts_lib.Parts(
    workdir / runs.PARTS,
    {
      'config': facts,
      'checkpoint_sha256': run.sha256,
      'inputs_sha256': inputs.sha256,
      'versions': runs.versions(),
      'device': jax.devices()[0].device_kind,
      'fields': writing.FIELDS,
    },
  )
  found: list[dict[str, Any]] = []
  success: dict[str, Any] = {}
  for one in configs:
    new = {
      name: writing.write_and_judge(
        one, trainer, state, inputs, verifier, method, parts, name, classes
      )
      for name, classes in sets.items()
    }
    for name, fields in new.items():
      fields['cluster'] = kinds.clusters(inputs.context, sets[name])
    found.append(summary.success(one, new))
    if not success or _of_dev(found[-1]) > _of_dev(success):
      config, written, success = one, new, found[-1]
  for name, fields in written.items():
    fields['distance'] = distance[name]
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
    'config': settings.plain(config),
    'inputs_sha256': inputs.sha256,
    'versions': runs.versions(),
    'params': record['params'],
    'seeds': list(trainer.seeds),
    'diverged': run.diverged,
    'tests': list(sets) if tests else 'all',
    'temperature': None
    if method.name == decode.BEAM
    else config.eval.temperature,
    **success,
    'exact_match': summary.exact_match(written),
    'strata': summary.strata(config, written, inputs.split),
    'task_sizes': summary.task_sizes(config, written, inputs.universe),
    'novelty': summary.novelty(written, inputs),
    **sample_records.summary(records, len(trainer.seeds), items),
    'retrieval': retrieval.summary(
      records, written, training, len(trainer.seeds), config.eval.seed
    ),
    **summary.of_forced(records, sets, inputs, len(trainer.seeds)),
    'calibration': confidence.summary(records, len(trainer.seeds)),
    'calibration_strata': confidence.strata(
      records,
      {
        name: distances.strata(
          distance[name], inputs.split.facts['distance_bounds'][config.data.arm]
        )
        for name in records
      },
      len(trainer.seeds),
    ),
    'reliability': confidence.reliability(records),
    'tail': confidence.tail(
      records,
      {name: fields['minimal_logprob'] for name, fields in written.items()},
      config.eval.num_samples,
    ),
    'baselines': summary.baselines(config.data.arm, sets, inputs, verifier),
  }
  if len(configs) > 1:
    result['temperatures'] = [
      {
        'temperature': one.eval.temperature,
        **{key: value for key, value in rates.items() if '@' in key},
      }
      for one, rates in zip(configs, found, strict=True)
    ]
    result['envelope'] = summary.envelope(
      {
        one.eval.temperature: rates
        for one, rates in zip(configs, found, strict=True)
      }
    )
  # Whoever is killed from here on leaves no result, rather than one that is of
  # other samples.
  (workdir / runs.RESULT).unlink(missing_ok=True)
  runs.write_arrays(workdir / runs.SAMPLES, _flat(written))
  runs.write_arrays(workdir / runs.RECORDS, _flat(records))
  result['files_sha256'] = {
    name: store.sha256_of_file(workdir / name)
    for name in (runs.SAMPLES, runs.RECORDS)
  }
  runs.write_sealed(workdir / runs.RESULT, result)
  parts.remove()
  return result


def _check_distinct(flag: str, values: Sequence[Any]) -> None:
  for value in values:
    if values.count(value) > 1:
      raise errors.InputError(f'{flag} has {value!r} more than once')


def _flat(
  sets: Mapping[str, Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
  """SET_FIELD -> array."""
  return {
    f'{name}_{field}': array
    for name, fields in sets.items()
    for field, array in fields.items()
  }


def _tasks(
  config: ml_collections.ConfigDict,
  inputs: inputs_lib.Inputs,
  tests: Sequence[str],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """Classes of each set that is evaluated, and their distances to training.

  Of `eval.num_tasks` random tasks of a set, the same ones for all runs.
  """
  whole = inputs.split.evaluation_sets()
  for name in tests:
    settings.choose(name, whole, 'test set')
  ends = np.cumsum([len(classes) for classes in whole.values()])
  far_2xI = inputs.split.distances[config.data.arm]
  sets, distance = {}, {}
  for (name, classes), part_2xI in zip(
    whole.items(), np.split(far_2xI, ends[:-1], axis=1), strict=True
  ):
    if tests and name not in tests:
      continue
    most = config.eval.num_tasks or len(classes)
    rng = seeding.generator(config.eval.seed, 'tasks', name)
    chosen = np.sort(rng.permutation(len(classes))[:most])
    sets[name], distance[name] = classes[chosen], part_2xI[:, chosen]
  return sets, distance


def _of_dev(success: Mapping[str, Any]) -> float:
  """The share of dev that is solved at once."""
  return float(
    np.mean(success[f'{success["measure"]}@1_by_seed'][split_lib.DEV])
  )


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
  flags.DEFINE_list(
    'temperatures',
    None,
    'Of sampling, in place of eval.temperature; dev chooses among several.',
  )
  flags.DEFINE_list(
    'tests', ['all'], 'Names of the sets that are evaluated, or all.'
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
    'method': args.method,
    'top_k': args.top_k,
    'top_p': args.top_p,
    'constrained': args.constrained,
  }
  overrides = {key: value for key, value in given.items() if value is not None}
  try:
    temperatures = [float(value) for value in args.temperatures or ()]
  except ValueError as error:
    raise errors.InputError(f'--temperatures: {error}') from None
  if not args.tests:
    raise errors.InputError('--tests= names no set: give names, or all')
  if args.temperatures == []:
    raise errors.InputError('--temperatures= has no temperature')
  tests = [] if args.tests == ['all'] else args.tests
  result = evaluate(pathlib.Path(args.workdir), overrides, temperatures, tests)
  hidden = (
    'config',
    'versions',
    'inputs_sha256',
    'files_sha256',
    'calibration',
    'calibration_strata',
    'reliability',
    'retrieval',
    'best_by_forced',
    f'{result["measure"]}@k_by_seed',
    'temperatures',
    'envelope',
  )
  return {name: value for name, value in result.items() if name not in hidden}


if __name__ == '__main__':
  define_flags()
  cli.run(main)
