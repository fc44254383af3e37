"""The study: what its tiers run, in which order, and what is left behind."""

import itertools
import json
import math
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from analysis.study import novelty
from analysis.study import study as study_cells
from configs import run as run_lib
from configs import study as study_config
from configs import tiers
from launch import local
from launch import study
from synth import errors
from synth import evaluate
from synth import packing
from synth import records
from synth import runs
from synth import train
from synth.evaluation.sample_records import Best
from synth.evaluation.verify import Outcome
from synth.splits import density
from synth.splits import distances

_ROOT = pathlib.Path(__file__).parents[1]
_TIERS = list(tiers.TIERS)
_SLICE_S = 600  # of the gpu tier, at most


def _study(tmp_path, tier='toy'):
  config = study_config.get_config(tier)
  return study.Study(config, tmp_path / 'out', tmp_path / 'results')


@pytest.mark.parametrize('tier', _TIERS)
def test_whole_contrasts_stand_together_the_first_ones_first(tmp_path, tier):
  found = _study(tmp_path, tier)
  names = [k for k, _ in itertools.groupby(r.contrast for r in found.runs)]
  assert len(set(names)) == len(names)
  assert names[0] == 'support'
  # Coverage is of models that contrasts before it trained.
  trained = {r.training for r in found.runs if r.contrast != 'coverage'}
  assert {r.training for r in found.runs} == trained


def test_runs_share_training_if_evaluation_can_be_told_by_flags():
  def trained_in(**settings):
    given = {key.replace('__', '.'): value for key, value in settings.items()}
    return run_lib.Run('c', 'n', 'configs/support.py:tiny', given).training

  alone = trained_in()
  assert trained_in(eval__num_samples=7, eval__temperature=1.0) == alone
  for other in ({'eval__top_k': 4}, {'eval__seed': 1}, {'opt__lr': 1e-3}):
    assert trained_in(**other) != alone


def test_both_arms_have_the_same_seeds_and_steps(tmp_path):
  found = {(r.contrast, r.name): r.plain for r in _study(tmp_path, 'cpu').runs}
  alone = ('scaling', 'search_hot')  # have one arm
  for (contrast, name), plain in found.items():
    if plain['data'].get('arm') == 'train_s' and contrast not in alone:
      twin = found[contrast, name.replace('train_s', 'train_c')]
      assert twin['data'].pop('arm') == 'train_c'
      del plain['data']['arm']
      assert twin == plain


def test_the_toy_tier_has_every_contrast_of_the_others(tmp_path):
  contrasts = {
    tier: {run.contrast for run in _study(tmp_path, tier).runs}
    for tier in _TIERS
  }
  assert contrasts['toy'] == set.union(*contrasts.values())


def test_every_density_arm_is_trained(tmp_path):
  for tier in ('cpu', 'paper'):
    arms = [
      run.config.data.arm
      for run in _study(tmp_path, tier).runs
      if run.contrast.startswith('density') and run.config.split.seed == 0
    ]
    assert sorted(arms) == sorted(density.ARMS)


def test_a_slice_keeps_to_its_budget_unless_it_is_one_run(tmp_path):
  found = _study(tmp_path, 'gpu')
  parts = study.slices(found, found.left(), 4, 900)
  assert [run for part in parts for run in part] == list(found.runs)
  took = found.estimates()
  for part in parts:
    assert len(part) == 1 or sum(sum(took[r]) for r in part) / 4 <= 900
  # Only training can be stopped and resumed.
  assert max(work.evaluate for work in took.values()) < _SLICE_S


def test_operations_are_those_that_training_counts(toy_run):
  run, workdir, _ = toy_run
  counted = runs.read_record(workdir)['flops'] * run.config.train.num_seeds
  assert study.operations(run).train == counted


@pytest.fixture
def pretended(tmp_path, monkeypatch):
  """A toy study whose runs only write a record; fails those asked to."""
  failing = []

  def job(self, run):
    path = self.record(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
      {'config': run.plain, 'seconds': {'train': 200.0, 'evaluate': 10.0}}
    )
    write = f'import pathlib; pathlib.Path({str(path)!r}).write_text({text!r})'
    code = 'raise SystemExit(3)' if run in failing else write
    return local.Job(run.name, [[sys.executable, '-c', code]])

  def baselines_job(self, run):
    code = (
      f'import json, pathlib; path = pathlib.Path({str(self.record(run))!r}); '
      'facts = json.loads(path.read_text()); facts["without_model"] = {}; '
      'path.write_text(json.dumps(facts))'
    )
    return local.Job(run.name, [[sys.executable, '-c', code]])

  monkeypatch.setattr(study.Study, 'job', job)
  monkeypatch.setattr(study.Study, 'baselines_job', baselines_job)
  monkeypatch.setattr(study.Study, 'data_jobs', lambda *_: [])
  config = study_config.get_config('toy')
  config.runs = (*config.runs[:3], *config.runs[-3:])
  return lambda: study.Study(config, tmp_path / 'o', tmp_path / 'r'), failing


def test_a_stopped_study_goes_on_where_it_was(pretended):
  found = pretended[0]()
  total = len(found.runs)
  result = found.sweep(2, lambda: len(found.left()) < total - 2)
  assert 0 < result['finished'] < total
  assert not result['done']
  left = found.left()
  assert left == list(found.runs[-len(left) :])  # in order
  paths = [found.record(run) for run in found.runs if run not in left]
  before = [runs.read_json(path) for path in paths]
  assert not any('without_model' in facts for facts in before)
  assert pretended[0]().sweep(2, lambda: False) == {
    'runs': total, 'finished': total, 'left': 0, 'without_baselines': 0,
    'done': True,
  }  # fmt: skip
  for path, facts in zip(paths, before, strict=True):
    assert runs.read_json(path) == {**facts, 'without_model': {}}


def test_what_is_left_is_estimated_from_what_was_done(pretended):
  found = pretended[0]()
  before = found.estimates()
  first, *rest = found.runs
  local.run_all([found.job(first)], 1, lambda: False, lambda _: None)
  after = found.estimates()
  assert after[first] == (200.0, 10.0)
  ratio = 200.0 / before[first].train
  for run in rest:
    assert after[run].train == pytest.approx(ratio * before[run].train)


def test_a_failed_run_does_not_stop_the_others(pretended):
  found, failing = pretended[0](), pretended[1]
  failing.append(found.runs[1])
  with pytest.raises(errors.InputError, match='1 failed, first'):
    found.sweep(2, lambda: False)
  assert found.left() == failing


def test_a_record_of_other_settings_is_refused(tmp_path):
  found = _study(tmp_path)
  run = found.runs[0]
  other = {**run.plain, 'opt': {**run.plain['opt'], 'lr': 0.5}}
  runs.write_json(found.record(run), {'config': other})
  with pytest.raises(errors.InputError, match=r'opt\.lr=0\.5, not 0\.003'):
    _study(tmp_path)


def test_what_is_no_record_is_named(tmp_path):
  found = _study(tmp_path)
  for content in ({}, [], {'config': 3}):
    runs.write_json(found.record(found.runs[0]), content)
    with pytest.raises(errors.InputError, match=r'\.json is not the record'):
      _study(tmp_path)


def test_a_record_may_be_older_than_a_key_and_of_another_mesh(tmp_path):
  found = _study(tmp_path)
  run = found.runs[0]
  older = json.loads(json.dumps(run.plain))
  del older['data']['programs'], older['eval']['top_k']
  older['mesh']['data'] = 4
  runs.write_json(found.record(run), {'config': older, 'seconds': {}})
  assert len(_study(tmp_path).left()) == len(found.runs) - 1
  del older['opt']['num_steps']  # which the study sets
  run_steps, default = run.plain['opt']['num_steps'], run.defaults['opt']
  assert run_steps != default['num_steps']
  runs.write_json(found.record(run), {'config': older, 'seconds': {}})
  with pytest.raises(errors.InputError, match=r'opt\.num_steps='):
    _study(tmp_path)


@pytest.fixture(scope='module')
def toy_run(tmp_path_factory):
  """The first run of the toy tier: itself, its directory and its record."""
  place = tmp_path_factory.mktemp('toy')
  run = study_config.get_config('toy').runs[0]
  train.train_and_evaluate(run.config, place / 'run', place / 'data')
  evaluate.evaluate(place / 'run')
  records.times(place / 'run', 'support', 'r').write_text(
    '{"command": "synth.train", "seconds": 2.0}\n'
    '{"command": "synth.train", "seconds": 3.0}\n'
  )
  path = place / 'results' / 'r.json'
  runs.write_json(path, records.make(place / 'run', 'toy', 'support', 'r'))
  return run, place / 'run', records.read(path)


def test_a_record_holds_what_the_run_left(toy_run):
  _, workdir, record = toy_run
  result = runs.read_json(workdir / runs.RESULT)
  with np.load(workdir / runs.SAMPLES) as archive:
    arrays = dict(archive)
  for name, tasks in record.tests.items():
    outcome = arrays[f'{name}_outcome']
    np.testing.assert_array_equal(
      tasks.correct_SxI, (outcome == Outcome.CORRECT).sum(axis=2)
    )
    np.testing.assert_array_equal(tasks.class_I, arrays[f'{name}_class'])
    np.testing.assert_allclose(
      record.pass_at_k(name, 1).mean(axis=1),
      result['pass@1_by_seed'][name],
    )
    np.testing.assert_allclose(
      record.facts['pass'][name]['1'], result['pass@1_by_seed'][name], atol=1e-6
    )
    assert (tasks.with_edge_SxI <= tasks.correct_SxI).all()
    np.testing.assert_allclose(
      tasks.copied_SxI.mean(axis=1) / record.samples, result['copies'][name]
    )
    # A copy is minimal, and wrong: no task is in training.
    wrong_SxI = record.samples - tasks.correct_SxI
    assert (tasks.copied_SxI <= tasks.wrong_minimal_SxI).all()
    assert (tasks.wrong_minimal_SxI <= wrong_SxI).all()
    # The answers that calibration is of, and the strata that success is of.
    for seed, told in enumerate(result['calibration'][name]):
      for found, key, digits in (
        (np.exp(tasks.answer_SxI[seed].astype(float)), 'confidence_B', 2e-3),
        (tasks.answer_right_SxI[seed], 'success_B', 1e-7),
      ):
        mean = np.average(told[key], weights=told['count_B'])
        np.testing.assert_allclose(found.mean(), mean, rtol=digits)
    for space, stratum_I in zip(distances.ROWS, tasks.stratum_2xI, strict=True):
      assert {
        distances.STRATA[place]: (stratum_I == place).sum()
        for place in np.unique(stratum_I)
      } == {
        stratum: told['items']
        for stratum, told in result['strata'][name][space].items()
      }
    (cell,) = (c for c in study_cells.cells(record) if c.test == name)
    best_SxI = novelty.best_of_tasks(cell)
    for best in Best:
      share_S = (best_SxI == best).mean(axis=1)
      told = result['best_of_task'][name][best.name.lower()]
      np.testing.assert_allclose(share_S, told)
    assert (tasks.minimal_I <= tasks.programs_I + 1e-2).all()
  novel, control = record.tests['novel'], record.tests['control']
  assert (novel.free_size_I > novel.size_I).all()
  assert (control.free_size_I == control.size_I).all()
  np.testing.assert_array_equal(np.sort(novel.cell_I), np.sort(control.cell_I))
  assert record.facts['seconds'] == {'train': 5.0}
  assert record.facts['split']['measurements']['atom_divergence'].keys() == {
    'train_s -> control', 'train_s -> novel',
  }  # fmt: skip
  assert all(record.facts['split']['checks'].values())
  assert records.load(record.path.parent)[0].facts == record.facts


def test_an_older_evaluation_or_one_of_the_middle_leaves_no_record(
  toy_run, tmp_path
):
  workdir = tmp_path / 'run'
  shutil.copytree(toy_run[1], workdir)
  record = runs.read_record(workdir)
  record['data_dir'] = str((toy_run[1] / record['data_dir']).resolve())
  runs.write_json(workdir / runs.RECORD, record)
  records.make(workdir, 'toy', 'support', 'r')
  result = runs.read_result(workdir)
  runs.write_json(workdir / runs.RESULT, {**result, 'step': 7})
  with pytest.raises(runs.RunError, match=r'result\.json is of step 7 of 120'):
    records.make(workdir, 'toy', 'support', 'r')
  runs.write_json(workdir / runs.RESULT, {'items': {}})
  with pytest.raises(runs.RunError, match=r'result\.json is not a result'):
    runs.is_evaluated(workdir)
  runs.write_json(workdir / runs.RESULT, result)
  arrays = runs.read_arrays(workdir / runs.RECORDS)
  del arrays['novel_minimal']
  runs.write_arrays(workdir / runs.RECORDS, arrays)
  with pytest.raises(runs.RunError, match=r'records\.npz is not what'):
    records.make(workdir, 'toy', 'support', 'r')
  del result['files_sha256']  # as of an older evaluation
  runs.write_json(workdir / runs.RESULT, result)
  with pytest.raises(runs.RunError, match=r'records\.npz is of an older'):
    records.make(workdir, 'toy', 'support', 'r')


@pytest.mark.slow
@pytest.mark.parametrize('contrast', ['region_semantic', 'density', 'ladder',
                                      'avoidable'])  # fmt: skip
def test_runs_of_every_kind_of_split_leave_a_record(contrast, tmp_path):
  """The first contrast of each kind that is not that of `toy_run`."""
  runs_of = study_config.get_config('toy').runs
  run = next(run for run in runs_of if run.contrast == contrast)
  config = run.config.copy_and_resolve_references()
  config.opt.num_steps = 2
  train.train_and_evaluate(config, tmp_path / 'run', tmp_path / 'data')
  evaluate.evaluate(tmp_path / 'run')
  records.times(tmp_path / 'run', contrast, run.name).write_text('')
  path = tmp_path / 'r.json'
  runs.write_json(path, records.make(tmp_path / 'run', 'toy', contrast, 'r'))
  found = records.read(path)
  assert found.facts['arm'] == run.config.data.arm
  assert all(found.facts['split']['checks'].values())
  cells = {cell.test: cell for cell in study_cells.cells(found)}
  assert set(found.tests) <= set(cells)
  for name, tasks in found.tests.items():
    assert cells[name].correct_SxI.shape == (1, len(tasks.class_I))


def test_baselines_are_added_to_a_record_of_the_same_data(toy_run, tmp_path):
  facts = runs.read_json(toy_run[2].path)
  path, baselines = tmp_path / 'r.json', tmp_path / 'baselines.json'
  runs.write_json(path, facts)
  told = {'solved': {'1': 0.5}, 'candidates': 3.0, 'operations': 4.0}
  told |= {'seconds': 5.0}
  stored = {
    'arm': facts['arm'],
    'inputs_sha256': facts['inputs_sha256'],
    'baselines': {
      'enumeration': {
        'preparation': {},
        'tests': {'novel': {**told, 'solved_by_task': 'much'}},
      },
      'pcfg': {'inapplicable': 'no reason'},
    },
  }
  baselines.write_text(json.dumps(stored))
  records.add_baselines(path, baselines)
  assert runs.read_json(path) == {
    **facts,
    'without_model': {
      'enumeration': {'preparation': {}, 'tests': {'novel': told}}
    },
  }
  before = path.read_bytes()
  for wrong in (
    {**stored, 'inputs_sha256': {'split': 'b'}},
    {**stored, 'arm': 'another'},
    {key: value for key, value in stored.items() if key != 'arm'},
    {**stored, 'baselines': {'enumeration': {'tests': {'novel': {}}}}},
  ):
    baselines.write_text(json.dumps(wrong))
    with pytest.raises(runs.RunError, match=r'baselines\.json'):
      records.add_baselines(path, baselines)
    assert path.read_bytes() == before


def test_every_arm_of_every_split_has_its_baselines_once(tmp_path):
  found = _study(tmp_path, 'cpu')

  def data(run):
    return run.plain['universe'], run.plain['split'], run.config.data.arm

  having = [data(run) for run in found.runs if run.baselines]
  assert all(data(run) in having for run in found.runs)
  for run in having:
    assert having.count(run) == 1
  run = next(run for run in found.runs if run.baselines)
  assert found.without_baselines() == []  # none is finished
  record = found.record(run)
  record.parent.mkdir(parents=True)
  runs.write_json(record, {'format': 1})
  assert found.without_baselines() == [run]
  (command,) = found.baselines_job(run).commands
  assert command[2] == 'synth.baselines' and f'--record={record}' in command
  runs.write_json(record, {'format': 1, 'without_model': {}})
  assert found.without_baselines() == []


def test_some_tasks_are_the_same_ones_at_each_evaluation(toy_run):
  _, workdir, record = toy_run
  result = evaluate.evaluate(workdir, {'num_tasks': 4})
  assert set(result['items'].values()) == {4}
  fewer = records.make(workdir, 'toy', 'coverage', 'r')
  path = record.path.with_name('fewer.json')
  runs.write_json(path, fewer)
  found = records.read(path)
  path.unlink()
  for name, tasks in found.tests.items():
    at = np.searchsorted(record.tests[name].class_I, tasks.class_I)
    for key in ('class_I', 'size_I', 'cell_I'):
      whole = getattr(record.tests[name], key)
      np.testing.assert_array_equal(whole[at], getattr(tasks, key))
    far = record.tests[name].distance_2xI
    np.testing.assert_array_equal(far[:, at], tasks.distance_2xI)
  evaluate.evaluate(workdir, {'num_tasks': 0})


@pytest.mark.parametrize(
  'spoil',
  [
    lambda facts: facts.update(format=0),
    lambda facts: facts['tests']['dev']['class_I'].update(data='AAAA'),
    lambda facts: facts['tests']['dev'].pop('class_I'),
    lambda facts: facts['dev_loss'][-1][1].append(math.nan),
    lambda facts: facts['tests']['dev'].update(
      distance_2xI=packing.pack(np.full((2, 4), math.nan), '<f2')
    ),
  ],
)
def test_a_damaged_record_is_named(toy_run, tmp_path, spoil):
  facts = runs.read_json(toy_run[2].path)
  spoil(facts)
  runs.write_json(tmp_path / 'r.json', facts)
  with pytest.raises(runs.RunError, match=r'r\.json is'):
    records.load(tmp_path)


@pytest.mark.parametrize('dtype', ['<u1', '<u2', '<i4', '<f2'])
def test_packed_arrays_come_back(dtype):
  rng = np.random.default_rng(0)
  array = rng.integers(0, 200, (3, 5)).astype(dtype)
  np.testing.assert_array_equal(
    packing.unpack(packing.pack(array, dtype)), array
  )
  if dtype == '<u1':
    with pytest.raises(ValueError, match='do not fit'):
      packing.pack(array.astype(int) + 200, dtype)


@pytest.mark.simulation
def test_the_toy_tier_runs_to_its_end_though_it_is_stopped(tmp_path):
  def sweep(*arguments):
    process = subprocess.run(
      [sys.executable, '-m', 'launch.sweep', '--config=configs/study.py:toy',
       f'--out={tmp_path}/out', f'--results={tmp_path}/results', *arguments],
      cwd=_ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])

  planned = sweep('--dry_run')
  assert planned['left'] == planned['runs']
  stopped = sweep('--time_budget=25')
  assert not stopped['done']
  assert sweep()['done']
  found = records.load(tmp_path / 'results' / 'toy')
  assert len(found) == planned['runs']
  assert max(r.path.stat().st_size for r in found) < 100_000
  runs = study_config.get_config('toy').runs
  having = {(run.contrast, run.name) for run in runs if run.baselines}
  searched = {(run.contrast, run.name) for run in runs if run.search}
  assert having and searched
  trains: dict[str, tuple[str, str]] = {}
  for run in runs:
    trains.setdefault(run.training, (run.contrast, run.name))
  for record in found:
    assert record.facts['step'] == record.facts['config']['opt']['num_steps']
    expected = {'evaluate'}
    name = record.facts['contrast'], record.facts['run']
    # Some are of models that other runs trained.
    if name in trains.values():
      expected.add('train')
    if name in searched:
      expected.add('search')
    # And the writing of a record that was stopped, of the run at that moment.
    assert record.facts['seconds'].keys() - {'records'} == expected
    assert ('search' in record.facts) == (name in searched)
    assert ('without_model' in record.facts) == (name in having)
  assert sweep('--dry_run')['left'] == 0
  # So few tasks measure next to nothing, and the page says so.
  page = tmp_path / 'page.html'
  report = [sys.executable, '-m', 'analysis.report', f'--out={page}']
  report.append(f'--runs={tmp_path}/results/toy')
  process = subprocess.run(report, cwd=_ROOT, capture_output=True, text=True)
  assert process.returncode == 0, process.stderr
  told = json.loads(process.stdout.splitlines()[-1])
  assert told['records'] == planned['runs'] and not told['lacking']
  assert 'not measured' in page.read_text()
