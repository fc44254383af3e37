"""Settings are compared on dev, with the run that all others vary."""

import json
import pathlib

import numpy as np
import pytest

from analysis import options
from configs import support as recipe
from synth import errors
from synth import runs
from synth import settings
from synth.evaluation import verify

_TASKS, _SAMPLES = 200, 16


def _write(root, name, rate, seeds=tuple(range(6)), classes=None, **changed):
  """A run that solves each task of dev with a probability."""
  path = root / name
  path.mkdir()
  config = recipe.get_config('tiny')
  config.update_from_flattened_dict(changed)
  plain = settings.plain(config)
  record = {
    **{'config': plain, 'inputs_sha256': {'split': 'a'}, 'data_dir': '..'},
    **{'params': {'total': 50_000}, 'flops': 10**12, 'device': 'cpu'},
  }
  result = {
    **{'config': plain, 'inputs_sha256': {'split': 'a'}, 'step': 200},
    **{'seeds': list(seeds), 'measure': 'pass', 'items': {'dev': _TASKS}},
    **{'versions': {'synth': 'x'}, 'tests': ['dev']},
  }
  rng = np.random.default_rng(len(name))
  solved = rng.random((len(seeds), _TASKS, _SAMPLES)) < rate
  arrays = {
    'dev_outcome': np.where(
      solved, verify.Outcome.CORRECT, verify.Outcome.WRONG
    ).astype(np.int8),
    'dev_class': np.arange(_TASKS) if classes is None else classes,
    'dev_cluster': np.arange(_TASKS) // 2,
  }
  for file, value in (
    (runs.RECORD, record),
    (runs.RESULT, result),
    (runs.TRAINED, {'dev_loss': 1.5}),
  ):
    (path / file).write_text(json.dumps(value))
  runs.write_arrays(path / runs.SAMPLES, arrays)
  return path


def test_a_planted_difference_is_found_with_what_was_changed(tmp_path):
  base = _write(tmp_path, 'base', 0.2)
  _write(tmp_path, 'better', 0.3, **{'model.mlp': 'gelu', 'model.F': 32})
  _write(tmp_path, 'as_good', 0.2, **{'opt.lr': 1e-3})
  compared = options.compare(tmp_path, base)
  better, equal = compared['options']
  assert better['changed'] == {'model.mlp': 'gelu', 'model.F': 32}
  assert equal['changed'] == {'opt.lr': 1e-3}
  estimate, low, high = better['difference']
  assert low < 0.1 < high and low > 0.05
  assert estimate == pytest.approx(
    np.mean(better['by_seed']) - np.mean(compared['base']['by_seed'])
  )
  assert equal['difference'][1] < 0 < equal['difference'][2]
  assert compared['base']['config']['model']['mlp'] == 'relu'
  text = options.table(compared).splitlines()
  assert text[2].startswith('model.F=32 model.mlp=gelu')
  assert text[1].startswith('nothing') and len(text) == 4


@pytest.mark.parametrize(
  'changed, error',
  [
    ({'seeds': (0, 2)}, 'other has other seeds than'),
    ({'classes': np.arange(1, _TASKS + 1)}, 'other has other tasks than'),
  ],
)
def test_what_cannot_be_paired_is_refused(tmp_path, changed, error):
  base = _write(tmp_path, 'base', 0.2)
  _write(tmp_path, 'other', 0.2, **changed)
  with pytest.raises(errors.InputError, match=error):
    options.compare(tmp_path, base)


def test_a_run_without_dev_is_refused(tmp_path):
  base = _write(tmp_path, 'base', 0.2)
  with pytest.raises(errors.InputError, match='no other run below'):
    options.compare(tmp_path, base)
  path = _write(tmp_path, 'other', 0.2) / runs.RESULT
  path.write_text('{"items": {"novel": 10}}')
  with pytest.raises(errors.InputError, match=r'other/result\.json has no dev'):
    options.compare(tmp_path, base)


def test_the_table_in_the_docs_is_of_the_record():
  root = pathlib.Path(__file__).parents[1]
  record = json.loads((root / 'results' / 'options.json').read_text())
  text = (root / 'docs' / 'models.md').read_text()

  def points(found):
    mean, low, high = (100 * value for value in found)
    return f'{mean:.1f} [{low:.1f}, {high:.1f}]'

  for one in (record['base'], *record['options']):
    changed = ' '.join(f'`{k}={v}`' for k, v in one.get('changed', {}).items())
    difference = points(one['difference']) if changed else ''
    row = (
      f'| {changed or "nothing"} | {points(one["success"])} | {difference} | '
      f'{one["dev_loss"]:.3f} | {one["training_flops"] / 1e12:.1f} |'
    )
    assert row in text
