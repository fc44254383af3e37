"""What lacks of the declared runs is named; nothing is judged without it."""

import json

import numpy as np
import pytest

from analysis.study import claims
from analysis.study import contrasts
from analysis.study import plan
from analysis.study import study as study_lib
from analysis.study.verdicts import Verdict
from configs import study as study_config
from synth import errors
from tests import simulated


@pytest.fixture
def cpu(tmp_path):
  """Records of S3, three splits of four seeds, and the plan they fulfil."""
  root = tmp_path / 'cpu'
  rng = np.random.default_rng(0)
  simulated.support(root, 'support', drop=0.4, seeds=4, items=20, rng=rng)
  return root, simulated.declared(root)


def _study(root, declared):
  return study_lib.load(root, lambda tier: declared)


def _change(path, **facts):
  path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def _first(study):
  """The row of C1, of S3."""
  return claims.table(study)[2]


def test_a_whole_study_lacks_nothing(cpu):
  study = _study(*cpu)
  state = study.states['support']
  assert (state.declared, state.finished, state.models) == (6, 6, 24)
  assert not (state.lacking or state.left_out or state.diverged)
  assert _first(study).measured is not None


def test_a_missing_run_is_named_and_its_contrast_not_judged(cpu):
  root, declared = cpu
  (root / 'support/train_c-split1.json').unlink()
  study = _study(root, declared)
  state = study.states['support']
  assert str(state) == '5 of 6 runs; lacking: train_c-split1'
  assert state.left_out == ('train_s-split1 (its split is not whole)',)
  row = _first(study)
  assert row.verdict == Verdict.NOT_MEASURED and row.measured is None
  assert '5 of 6 runs' in row.reason and 'train_c-split1' in row.reason
  # What is drawn, as incomplete, are the whole splits.
  assert contrasts.held_out(study, 'support').gap.splits == 2


def test_a_missing_arm_of_the_only_split_is_named(tmp_path):
  root = tmp_path / 'cpu'
  for arm in ('uniform', 'joint', 'semantic'):
    simulated.write(
      root, 'density', arm, {'uniform': 0.5, 'joint_cells': 0.4},
      np.random.default_rng(0), kind='density', seeds=2, items=10,
    )  # fmt: skip
  declared = simulated.declared(root)
  (root / 'density/semantic-split0.json').unlink()
  study = _study(root, declared)
  assert study.states['density'].lacking == ('semantic-split0',)
  assert not study.states['density'].left_out  # no split is whole: all stay
  row = claims.table(study)[0]  # needs but the two arms that are there
  assert row.verdict == Verdict.NOT_MEASURED and 'incomplete' in row.reason


def test_fewer_seeds_a_missing_test_and_other_steps_are_named(cpu):
  root, declared = cpu
  wanted = declared[0]._replace(
    facts={**declared[0].facts, 'seeds': [0, 1, 2, 3, 4], 'step': 2000},
    tests=(*declared[0].tests, 'another'),
  )
  state = _study(root, [wanted, *declared[1:]]).states['support']
  assert state.finished == 5
  assert state.lacking == (
    f'{wanted.name} (4 of 5 seeds; step 1000, not 2000; no test another)',
  )


def test_another_setting_is_named_and_its_contrast_not_judged(cpu):
  root, declared = cpu
  path = root / 'support/train_s-split1.json'
  config = json.loads(path.read_text())['config']
  # How many devices there were is no other setting, nor is a newer key.
  config['mesh']['data'] += 1
  del config['opt']['b2']
  _change(path, config=config)
  assert not _study(root, declared).states['support'].lacking
  config['opt']['lr'] = 0.5
  _change(path, config=config)
  study = _study(root, declared)
  wanted = declared[0].config['opt']['lr']
  assert study.states['support'].lacking == (
    f'train_s-split1 (opt.lr 0.5, not {wanted})',
  )
  assert _first(study).verdict == Verdict.NOT_MEASURED


def test_two_records_of_one_run_are_refused(cpu):
  root, declared = cpu
  path = root / 'support/train_s-split1.json'
  path.with_name('old.json').write_text(path.read_text())
  with pytest.raises(errors.InputError, match='both of the run train_s-split1'):
    _study(root, declared)


def test_runs_that_nobody_declared_are_left_out(cpu):
  root, declared = cpu
  rng = np.random.default_rng(9)
  simulated.write(root, 'support', 'train_s', {'novel': 0.9}, rng, run='more')
  study = _study(root, declared)
  assert study.states['support'].left_out == ('more (not declared)',)
  assert _first(study).measured is not None
  assert len(study.of('support')) == 6


def test_diverged_models_are_listed_and_left_out_with_their_partner(cpu):
  root, declared = cpu
  _change(root / 'support/train_c-split1.json', diverged={'102': 500})
  study = _study(root, declared)
  assert study.states['support'].diverged == (('train_c-split1', 102, 500),)
  grid = study.grid('support')
  for arm in ('train_s', 'train_c'):
    assert grid.get(1, arm, 'novel').seeds == (100, 101, 103)
  assert _first(study).measured.seeds == 3
  # More than a quarter of an arm.
  _change(root / 'support/train_c-split1.json', diverged={'102': 5, '100': 5})
  row = _first(_study(root, declared))
  assert row.verdict == Verdict.UNDECIDED and row.measured is None
  assert '2 of 4 models' in row.reason


def test_a_diverged_model_has_no_part_in_scaling(tmp_path):
  root = tmp_path / 'cpu'
  path = simulated.write(
    root, 'scaling', 'train_s', {'novel': 0.4}, np.random.default_rng(0),
    run='point0-lr0.001', seeds=5, items=10,
  )  # fmt: skip
  _change(path, diverged={'1': 7})
  found = simulated.load(root).of('scaling')
  ((cell,),) = study_lib.cells_by_compute(found, 'novel').values()
  assert len(cell.seeds) == 4
  _change(path, diverged={'1': 7, '4': 7})
  with pytest.raises(study_lib.cells_lib.TooManyDiverged, match='2 of 5'):
    study_lib.cells_by_compute(simulated.load(root).of('scaling'), 'novel')


def test_the_plan_is_that_of_the_configs(tmp_path):
  found = {(run.contrast, run.name): run for run in plan.of('cpu')}
  assert len(found) == len(study_config.get_config('cpu').runs)
  run = found['support', 'train_c-split2']
  assert run.split == 2 and set(run.tests) == {'control', 'novel', 'dev'}
  assert run.facts == {
    'arm': 'train_c', 'seeds': list(range(200, 208)), 'step': 12_000,
    'samples': 32,
  }  # fmt: skip
  uniform = found['density', 'uniform-split0']
  assert {'uniform', 'joint_cells', 'dev'} < set(uniform.tests)
  simulated.write(
    tmp_path / 'huge', 'support', 'train_s', {'novel': 0.4},
    np.random.default_rng(0), items=4,
  )  # fmt: skip
  with pytest.raises(errors.InputError, match="unknown tier 'huge'"):
    study_lib.load(tmp_path / 'huge')
