"""What settings are worth on dev, beside the run that all others vary.

  python -m analysis.options --runs=DIR --base=DIR/train.seed=0 --out=FILE.json

reads the runs below DIR, which differ in some settings (`launch.sweep`) and are
evaluated on dev at least (`synth.evaluate --tests=dev`); prints a table and
writes what it says with config, seeds, versions and hashes of the data. Tests
are not looked at: settings are chosen on dev.
"""

from collections.abc import Mapping
import pathlib
from typing import Any

from absl import flags
import numpy as np

from synth import cli
from synth import errors
from synth import runs
from synth import seeding
from synth import store
from synth.evaluation import summary
from synth.splits import split as split_lib
from synth.statistics import design
from synth.statistics import interval

_ROW = '{:<44} {:>8} {:>24} {:>24} {:>10} {:>11}'


class _Run:
  """A run that is evaluated on dev.

  Attributes:
    path: Its directory.
    result: What its evaluation came to.
    trained: What its training came to.
    solved_SxI: Success with one program, of every seed and task of dev.
    class_I, cluster_I: Classes of these tasks, and which belong together.
  """

  def __init__(self, path: pathlib.Path):
    self.path = path
    self.result = runs.read_json(path / runs.RESULT)
    if not isinstance(
      self.result, dict
    ) or split_lib.DEV not in self.result.get('items', {}):
      raise runs.RunError(f'{path / runs.RESULT} has no {split_lib.DEV}')
    self.trained = runs.read_json(path / runs.TRAINED)
    self.record = runs.read_record(path)
    arrays = runs.read_written(path, runs.SAMPLES, self.result)
    dev = {
      name: arrays[f'{split_lib.DEV}_{name}']
      for name in ('outcome', 'class', 'cluster')
    }
    self.class_I, self.cluster_I = dev['class'], dev['cluster']
    self.solved_SxI = summary.solved_at_k(
      dev['outcome'], 1, self.result['measure']
    )

  @property
  def settings(self) -> dict[str, Any]:
    """KEY.KEY -> value of the config."""
    return store.flat(self.result['config'])

  def told(self) -> dict[str, Any]:
    """What it is and how well it does, alone."""
    term = design.Term(self.solved_SxI, cluster_I=self.cluster_I)
    return {
      'success': list(interval.share([[term]], _stream(self.settings))),
      'by_seed': self.solved_SxI.mean(axis=1).tolist(),
      'dev_loss': self.trained['dev_loss'],
      'parameters': self.record['params']['total'],
      'training_flops': self.record['flops'],
    }


def _stream(settings: Mapping[str, Any]) -> np.random.Generator:
  """Of the bootstrap, which one seed alone needs."""
  return seeding.generator(0, 'option', str(sorted(settings.items())))


def compare(directory: pathlib.Path, base_dir: pathlib.Path) -> dict[str, Any]:
  """Success of all runs on dev and their differences to one of them.

  Args:
    directory: Runs below it are read.
    base_dir: The run that the others are compared with, one of them or not.

  Returns:
    base: config, seeds, versions and hashes, and how well it does.
    options: One for each other run, by falling success: the settings that
      differ (`changed`), how well it does and `difference`, that of the success
      with one program, paired by seed and task, with its 95 % interval.

  Raises:
    InputError: if a run has other seeds, data or tasks than the base, or what
      its evaluation wrote is missing.
  """
  base = _Run(base_dir)
  found = []
  for path in sorted(path.parent for path in directory.rglob(runs.RECORD)):
    if path.resolve() == base_dir.resolve():
      continue
    run = _Run(path)
    for what, here, there in (
      ('seeds', run.result['seeds'], base.result['seeds']),
      ('data', run.result['inputs_sha256'], base.result['inputs_sha256']),
      ('tasks', run.class_I.tolist(), base.class_I.tolist()),
      ('measure', run.result['measure'], base.result['measure']),
    ):
      if here != there:
        raise errors.InputError(f'{path} has other {what} than {base_dir}')
    changed = {
      key: value
      for key, value in run.settings.items()
      if base.settings.get(key) != value
    }
    term = design.Term(
      run.solved_SxI - base.solved_SxI, cluster_I=base.cluster_I
    )
    found.append(
      {
        'changed': changed,
        **run.told(),
        'difference': list(interval.crossed([[term]], _stream(changed))),
      }
    )
  if not found:
    raise errors.InputError(f'no other run below {directory}')
  same = ('config', 'seeds', 'step', 'inputs_sha256', 'versions', 'device')
  facts = {**base.record, **base.result}
  return {
    'base': {**{key: facts[key] for key in same}, **base.told()},
    'tasks': len(base.class_I),
    'measure': f'{base.result["measure"]}@1',
    'options': sorted(found, key=lambda one: -np.mean(one['by_seed'])),
  }


def table(compared: Mapping[str, Any]) -> str:
  """Rows for the terminal: each option beside the base."""
  lines = [
    _ROW.format(
      'changed', 'dev loss', compared['measure'], 'less base, points',
      'parameters', 'TFLOP'
    )
  ]  # fmt: skip
  for one in (compared['base'], *compared['options']):
    changed = one.get('changed', {})
    text = ' '.join(f'{key}={value}' for key, value in changed.items())
    lines.append(
      _ROW.format(
        text or 'nothing',
        f'{one["dev_loss"]:.3f}',
        _points(one['success'], ' %'),
        _points(one['difference']) if changed else '',
        f'{one["parameters"]:,}',
        f'{one["training_flops"] / 1e12:,.1f}',
      )
    )
  return '\n'.join(lines)


def _points(found: list[float], unit: str = '') -> str:
  mean, low, high = (100 * value for value in found)
  return f'{mean:.1f}{unit} [{low:.1f}, {high:.1f}]'


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('runs', None, 'Directory of the runs.', required=True)
  flags.DEFINE_string('base', None, 'The run that others vary.', required=True)
  flags.DEFINE_string('out', None, 'The JSON file to write.', required=True)


def main() -> dict[str, Any]:
  """Compares; the last line is the file and how many runs it tells of."""
  args = flags.FLAGS
  compared = compare(pathlib.Path(args.runs), pathlib.Path(args.base))
  runs.write_json(pathlib.Path(args.out), compared)
  print(table(compared))
  return {'out': args.out, 'options': len(compared['options'])}


if __name__ == '__main__':
  define_flags()
  cli.run(main)
