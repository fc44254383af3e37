"""The record of a finished run of a study: one small JSON file.

  python -m synth.records --workdir=DIR --tier=cpu --contrast=support \\
    --run=train_s-split0 --out=results/cpu/support/train_s-split0.json

takes what is worth keeping from a run's directory and its inputs, so that
records alone suffice for every table and figure: results, per-task successes
for the crossed bootstrap, and what predicts them. `read` opens one, `load` all
below a directory. A record holds:

    format                 of this file
    tier, contrast, run    its place: results/TIER/CONTRAST/RUN.json
    arm, seeds, step, config, versions, device, diverged
    inputs_sha256          of the manifests of universe, spaces and split
    class_sha256           of the arm's classes and of each evaluated set's
    classes                how many there are in each of these
    params                 of one model, by group, and their total
    flops                  of training one model (`synth.flops`)
    seconds                command -> its seconds: `train` and `evaluate`, of
                           others (`records`) what went before the writing of
                           this file; compiling and what was lost by
                           interruptions included; what another run trained or
                           a hand started is missing
    loss                   of training at the end, mean over models
    dev_loss               [[step, [loss of each model]], ...]
    samples                programs that each model wrote for each task
    pass                   test set -> k -> [pass@k of each model]
    outcomes               test set -> outcome -> share of the programs
    novelty, baselines, strata, best_of_task, best_by_forced, errors, copies,
    with_structure, retrieval, tail, calibration   as in result.json
    without_model          what `synth.baselines --record` has added, if it was
                           called: baseline -> its preparation and, of each test
                           set, the shares solved and what it was charged
    search                 what `synth.search` has found, if it was called:
                           `bank_functions`, and test set -> nodes of the bank
                           -> source of sketches -> what they solve; with
                           subgoals, the same by division and by who was asked
    split                  {'checks', 'measurements', 'bounds', 'facts'}: of the
                           certificate, what concerns this arm
    tests                  test set -> array -> packed; see `record_tasks.Tasks`

Arrays are packed (`synth.packing`).
"""

from collections.abc import Mapping
import dataclasses
import json
import pathlib
from typing import Any
import zlib

from absl import flags
import ml_collections
import numpy as np

from synth import cli
from synth import errors
from synth import inputs as inputs_lib
from synth import packing
from synth import record_tasks
from synth import runs
from synth.search import results as search_results
from synth.splits import split as split_lib

FORMAT = 1
_AS_THEY_ARE = (  # of result.json
  'outcomes',
  'novelty',
  'baselines',
  'strata',
  'best_of_task',
  'errors',
  'copies',
  'with_structure',
  'retrieval',
  'tail',
  'calibration',
)
_OF_EDGES = ('best_by_forced',)  # there if edges of programs are held out
ATLAS = 'atlas.json'  # beside the records of a tier: of `analysis.atlas`


@dataclasses.dataclass(frozen=True)
class Record:
  """A record: its JSON (see above) and its tasks, unpacked.

  Attributes:
    path: Its file.
    facts: All but `tests`.
    tests: Test set -> tasks.
  """

  path: pathlib.Path
  facts: Mapping[str, Any]
  tests: Mapping[str, record_tasks.Tasks]

  @property
  def samples(self) -> int:
    """Programs that each model wrote for each task."""
    number: int = self.facts['samples']
    return number

  @property
  def parameters(self) -> int:
    """Parameters of one model."""
    number: int = self.facts['params']['total']
    return number

  def pass_at_k(self, name: str, k: int) -> np.ndarray:
    """Unbiased pass@k of a test set: value_SxI."""
    return self.tests[name].pass_at_k(self.samples, k)


def read(path: pathlib.Path) -> Record:
  """Opens a record.

  Raises:
    RunError: if it is missing, damaged or of another format.
  """
  found = runs.read_format(path, FORMAT, 'record')
  try:
    # What has no value is null: nothing that is written is NaN or infinite.
    json.dumps(found, allow_nan=False)
    tests = {
      name: record_tasks.Tasks(
        **{key: _unpack(key, packed) for key, packed in arrays.items()}
      )
      for name, arrays in found.pop('tests').items()
    }
  except (KeyError, TypeError, ValueError, zlib.error) as error:
    raise runs.RunError(f'{path} is damaged: {error}') from None
  return Record(path, found, tests)


def _unpack(key: str, packed: Mapping[str, Any]) -> np.ndarray:
  """An array of `Tasks`.

  Raises:
    ValueError: if it holds NaN where every task has a value.
  """
  array = packing.unpack(packed)
  if key != 'answer_SxI' and np.isnan(array).any():
    raise ValueError(f'{key} holds NaN')
  return array


def load(directory: pathlib.Path) -> list[Record]:
  """All records below a directory, sorted by path.

  `ATLAS`, which is none, is passed over.

  Raises:
    InputError: if there is none, or one is damaged.
  """
  found = directory.rglob('*.json')
  paths = sorted(path for path in found if path.name != ATLAS)
  if not paths:
    raise errors.InputError(f'no records below {directory}')
  return [read(path) for path in paths]


def make(
  workdir: pathlib.Path, tier: str, contrast: str, run: str
) -> dict[str, Any]:
  """The record of an evaluated run, as JSON holds it.

  Args:
    workdir: The run.
    tier, contrast, run: Its place in the study.

  Raises:
    InputError: if the run is not trained to its end and evaluated, or is not
      evaluated by independent samples.
  """
  record = runs.read_record(workdir)
  trained = runs.read_json(workdir / runs.TRAINED)
  result = runs.read_result(workdir)
  config = ml_collections.ConfigDict(result['config'])
  if result['measure'] != 'pass':
    raise errors.InputError(
      f'{workdir} is evaluated by eval.method={config.eval.method!r}: records '
      'hold independent samples'
    )
  inputs = inputs_lib.load_or_build(config, workdir / record['data_dir'])
  runs.check_same(workdir / runs.RESULT, result['inputs_sha256'], inputs.sha256)
  runs.check_final(workdir, result)
  arrays = runs.read_written(workdir, runs.SAMPLES, result)
  programs = runs.read_written(workdir, runs.RECORDS, result)
  wanted = {
    f'{n}_{field}'
    for n in result['items']
    for field in record_tasks.OF_PROGRAMS
  }
  if not wanted <= programs.keys():
    raise runs.RunError(
      f'{workdir / runs.RECORDS} is of an older version: evaluate again'
    )
  arm, samples = result['arm'], config.eval.num_samples
  tests = record_tasks.of_tests(
    inputs, arm, arrays, programs, list(result['items'])
  )
  searched = search_results.read(workdir, result)
  metrics = runs.read_metrics(workdir)
  hashes, sets = inputs.split.facts['class_sha256'], inputs.split.all_sets()
  evaluated = [n for n in hashes if not n.startswith('arm_')]
  return {
    'format': FORMAT,
    'tier': tier,
    'contrast': contrast,
    'run': run,
    'arm': arm,
    **{key: result[key] for key in ('seeds', 'step', 'config', 'versions')},
    'device': record['device'],
    'diverged': result['diverged'],
    'inputs_sha256': result['inputs_sha256'],
    'class_sha256': {n: hashes[n] for n in (f'arm_{arm}', *evaluated)},
    'classes': {n: len(sets[n]) for n in (f'arm_{arm}', *evaluated)},
    'params': result['params'],
    'flops': record['flops'],
    'seconds': _seconds(times(workdir, contrast, run)),
    'loss': trained['loss'],
    'dev_loss': [
      [r['step'], r['dev_loss']] for r in metrics if 'dev_loss' in r
    ],
    'samples': samples,
    'pass': {
      name: {
        str(k): tasks.pass_at_k(samples, k).mean(axis=1).round(6).tolist()
        for k in _powers(samples)
      }
      for name, tasks in tests.items()
    },
    **{key: result[key] for key in _AS_THEY_ARE},
    **{key: result[key] for key in _OF_EDGES if key in result},
    **({'search': searched} if searched else {}),
    'split': _certificate(inputs.split, arm),
    'tests': {
      name: {
        key: packing.pack(getattr(tasks, key), dtype)
        for key, dtype in record_tasks.DTYPES.items()
        if getattr(tasks, key) is not None
      }
      for name, tasks in tests.items()
    },
  }


def add_baselines(path: pathlib.Path, baselines: pathlib.Path) -> None:
  """Adds to a record what needs no model, on the tests of its run.

  Args:
    path: The record, written anew.
    baselines: baselines.json of the same arm and data.

  Raises:
    InputError: if they are of other data, or one of the files is damaged.
  """
  facts = runs.read_format(path, FORMAT, 'record')
  stored = runs.read_json(baselines)
  kept = ('solved', 'candidates', 'operations', 'seconds')
  try:
    for key in ('arm', 'inputs_sha256'):
      runs.check_same(baselines, {key: stored[key]}, {key: facts[key]})
    facts['without_model'] = {
      name: {
        'preparation': found['preparation'],
        'tests': {
          test: {key: told[key] for key in kept}
          for test, told in found['tests'].items()
        },
      }
      for name, found in stored['baselines'].items()
      if 'tests' in found
    }
  except (KeyError, TypeError, AttributeError) as error:
    raise runs.RunError(f'{baselines} is damaged: {error!r}') from None
  runs.write_sealed(path, facts)


def _powers(samples: int) -> list[int]:
  """1, 2, 4, ... to the number of samples."""
  return [1 << i for i in range(samples.bit_length())]


def _certificate(split: split_lib.Split, arm: str) -> dict[str, Any]:
  """What the manifest says of this arm and of the tests."""

  def of_arm(key: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
      return value
    if key.endswith('_divergence'):  # keys are 'ARM -> TEST'
      return {k: v for k, v in value.items() if k.startswith(f'{arm} -> ')}
    return {arm: value[arm]} if arm in value else value

  facts = split.facts
  told = ('arms', 'held_out', 'minimal_distance')
  return {
    'checks': facts['checks'],
    'measurements': {k: of_arm(k, v) for k, v in facts['measurements'].items()},
    'bounds': facts['distance_bounds'][arm],
    'facts': {key: of_arm(key, facts[key]) for key in told if key in facts},
  }


def times(workdir: pathlib.Path, contrast: str, run: str) -> pathlib.Path:
  """The file in which a sweep notes the seconds of a run's commands.

  Each line is {'command', 'seconds'}. Runs that share a training have a file
  each; the training is noted in that of the first.
  """
  return workdir / f'seconds-{contrast}-{run}.jsonl'


def _seconds(path: pathlib.Path) -> dict[str, float]:
  """Command -> its seconds, as the sweep has noted them."""
  found: dict[str, float] = {}
  for row in runs.read_lines(path):
    name = row['command'].rpartition('.')[2]
    found[name] = round(found.get(name, 0.0) + row['seconds'], 1)
  return found


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('workdir', None, 'Of an evaluated run.', required=True)
  flags.DEFINE_string('tier', None, 'Of the study.', required=True)
  flags.DEFINE_string('contrast', None, 'What the run is for.', required=True)
  flags.DEFINE_string('run', None, 'Its name in the study.', required=True)
  flags.DEFINE_string('out', None, 'The file to write.', required=True)


def main() -> dict[str, Any]:
  """Writes a record."""
  args = flags.FLAGS
  record = make(pathlib.Path(args.workdir), args.tier, args.contrast, args.run)
  out = pathlib.Path(args.out)
  runs.write_sealed(out, record)
  return {'record': str(out), 'bytes': out.stat().st_size}


if __name__ == '__main__':
  define_flags()
  cli.run(main)
