"""Launchers: which commands, in which order, and what another call does."""

import json
import pathlib
import re
import shlex
import signal
import sys
import time
import types

from absl import flags
from absl.testing import flagsaver
import pytest
import yaml

from launch import local
from launch import sweep
from launch import tpu
from synth import cli
from synth import errors
from synth import runs

# Stands for training: fails if told to, else leaves its record.
_TRAIN = """
import json, pathlib, sys
given = dict(a.lstrip('-').split('=', 1) for a in sys.argv[1:])
if given.get('config.fail') == 'yes':
  sys.exit(2)
workdir = pathlib.Path(given['workdir'])
workdir.mkdir()
(workdir / 'train.json').write_text(json.dumps(given))
"""


@pytest.fixture
def pretended(monkeypatch):
  """Configs, data and training are pretended; the directories trained in."""
  started = []

  def training(arguments):
    started.append(
      next(a for a in arguments if a.startswith('--workdir=')).split('/')[-1]
    )
    return [sys.executable, '-c', _TRAIN, *arguments]

  monkeypatch.setattr(local, 'training', training)
  monkeypatch.setattr(sweep, 'data_jobs', lambda *_: [])
  monkeypatch.setattr(sweep, 'check', lambda *_: None)
  return started


def _sweep(out, points, stop=lambda: False):
  return sweep.sweep(out, sweep.plan(out, points), ['--a=1'], False, 2, stop)


def test_a_grid_is_every_combination_once():
  points = sweep.grid(['opt.lr=1e-3,3e-3', 'config.train.seed=0,2,4'])
  assert len(points) == len({tuple(p.items()) for p in points}) == 6
  assert points[1] == {'opt.lr': '1e-3', 'train.seed': '2'}


def test_a_list_is_its_points():
  assert sweep.listed(["opt.lr=1 grid='[1, 2]'", 'model.D=64']) == [
    {'opt.lr': '1', 'grid': '[1, 2]'},
    {'model.D': '64'},
  ]


@pytest.mark.parametrize('text', ['opt.lr', '=3', 'opt.lr='])
def test_what_is_no_setting_is_named(text):
  for parse in (sweep.grid, sweep.listed):
    with pytest.raises(errors.InputError, match=f'{text!r} is not KEY=VALUE'):
      parse([text])


def test_points_that_cannot_be_are_named():
  with pytest.raises(errors.InputError, match=r"^--point=a='1: no closing quo"):
    sweep.listed(["a='1"])
  with pytest.raises(errors.InputError, match='--point has a key twice'):
    sweep.listed(['a.b=1 config.a.b=2'])


def test_overrides_in_two_words_are_those_in_one(monkeypatch):
  words = ['sweep', '--out', 'x', '--', '--config', 'c.py:x', '--profile',
           '-config.opt.lr', '1', '--config.a=b=c', '--config.flag', '--data',
           'config', '--config.points', '-1', '--config.last']  # fmt: skip
  monkeypatch.setattr(sys, 'argv', words)
  assert cli.forwarded() == [
    '--config=c.py:x', '--profile', '--config.opt.lr=1', '--config.a=b=c',
    '--config.flag', '--data', 'config', '--config.points=-1',
    '--config.last',
  ]  # fmt: skip
  assert cli.overrides() == [
    '--config.opt.lr=1', '--config.a=b=c', '--config.flag',
    '--config.points=-1', '--config.last',
  ]  # fmt: skip


def test_points_that_share_their_data_share_a_directory(tmp_path):
  points = sweep.grid(['split.seed=0,1', 'opt.lr=1,2'])
  found = sweep.plan(tmp_path, points)
  assert len({run.data_dir for run in found}) == 2
  assert len({run.workdir for run in found}) == 4
  jobs = sweep.data_jobs(found, ['--config=c', '--config.a=1', '--profile'])
  assert [job.commands[0][3:] for job in jobs] == [
    ['--config=c', '--config.a=1', f'--config.split.seed={seed}',
     f'--workdir={tmp_path}/data-split.seed={seed}']
    for seed in (0, 1)
  ]  # fmt: skip
  with pytest.raises(errors.InputError, match='given twice'):
    sweep.plan(tmp_path, [points[0], points[0]])


def test_a_sweep_does_each_run_once(tmp_path, pretended):
  points = sweep.grid(['x=1,2,3'])
  assert _sweep(tmp_path, points, stop=lambda: True)['left'] == 3
  pretended.clear()
  assert _sweep(tmp_path, points[:1]) == {'runs': 1, 'finished': 1, 'left': 0}
  record = json.loads((tmp_path / 'x=1' / runs.TRAINED).read_text())
  assert (record['a'], record['config.x']) == ('1', '1')
  assert _sweep(tmp_path, points) == {'runs': 3, 'finished': 3, 'left': 0}
  assert pretended == ['x=1', 'x=2', 'x=3']
  with pytest.raises(errors.InputError, match=r"arguments=\['--a=1'\]"):
    sweep.sweep(tmp_path, [], ['--a=2'], False, 1, lambda: False)


def test_a_run_that_fails_does_not_stop_the_others(tmp_path, pretended):
  points = sweep.listed(['fail=yes', 'fail=no'])
  with pytest.raises(errors.InputError, match=r'1 of 2 .*fail=yes\.log'):
    _sweep(tmp_path, points)
  assert (tmp_path / 'fail=no' / runs.TRAINED).exists()


def test_so_many_jobs_at_a_time_as_asked_and_none_after_stop(tmp_path):
  wait = f'import time, pathlib; pathlib.Path({str(tmp_path)!r}, %r).touch()'
  wait += '; time.sleep(60)'
  jobs = [
    local.Job(str(i), [[sys.executable, '-c', wait % str(i)]]) for i in range(3)
  ]
  ended, most = [], 2
  began = time.monotonic()
  local.run_all(
    jobs,
    most,
    lambda: len(list(tmp_path.iterdir())) == most,
    lambda job: ended.append(job.name),
  )
  assert time.monotonic() - began < 30
  assert sorted(ended) == ['0', '1']  # both were told to end, the third waits
  assert [job.code for job in jobs] == [None] * 3


def test_jobs_end_with_the_launcher_if_it_alone_hears_of_ctrl_c(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(local, '_HEARD_S', 0.1)
  write = "pathlib.Path('%s').touch()" % (tmp_path / '%s')
  code = (
    'import pathlib, signal, sys, time\n'
    f'signal.signal(signal.SIGTERM, lambda *_: ({write % "ended"}, sys.exit()))'
    f'\n{write % "began"}\ntime.sleep(60)'
  )
  job = local.Job('', [[sys.executable, '-c', code]])

  def stop():
    if (tmp_path / 'began').exists():
      raise KeyboardInterrupt
    return False

  with pytest.raises(KeyboardInterrupt):
    local.run_all([job], 1, stop, lambda job: None)
  assert (tmp_path / 'ended').exists()


def test_processes_of_a_run_one_of_which_has_failed_are_ended(monkeypatch):
  monkeypatch.setattr(local, '_PATIENCE_S', 0.2)
  # As training does while it waits for the others.
  deaf = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)'
  deaf += '; print("deaf", flush=True); time.sleep(60)'
  jobs = [
    local.Job('waits', [[sys.executable, '-c', deaf]]),
    local.Job('fails', [[sys.executable, '-c', 'import time; time.sleep(1); '
                         'raise SystemExit(2)']]),
  ]  # fmt: skip
  ended, began = [], time.monotonic()
  local.run_all(jobs, 2, lambda: False, ended.append, joint=True)
  assert time.monotonic() - began < 30
  assert [(job.name, job.code) for job in ended] == [
    ('fails', 2), ('waits', -signal.SIGKILL),
  ]  # fmt: skip


def test_what_follows_a_failed_command_is_not_run(tmp_path):
  def touch(name):
    return ['touch', str(tmp_path / name)]

  jobs = [
    local.Job('bad', [['false'], touch('a')]),
    local.Job('good', [['true'], touch('b')]),
  ]
  local.run_all(jobs, 1, lambda: False, lambda _: None)
  assert [job.code for job in jobs] == [1, 0]
  assert [path.name for path in tmp_path.iterdir()] == ['b']


@pytest.mark.parametrize(
  'at_once, wanted',
  [
    (1, ['2,3,5']),
    (2, ['2,5', '3']),
    (3, ['2', '3', '5']),
    (4, ['2', '3', '5', '2']),
  ],
)
def test_jobs_divide_the_gpus_that_are_ours(
  tmp_path, monkeypatch, at_once, wanted
):
  monkeypatch.delenv('JAX_PLATFORMS')
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '2,3,5')
  script = 'import os, time; print(os.environ["CUDA_VISIBLE_DEVICES"])'
  jobs = [
    local.Job(str(i), [[sys.executable, '-c', script]], tmp_path / str(i))
    for i in range(at_once)
  ]
  local.run_all(jobs, at_once, lambda: False, lambda _: None)
  found = [(tmp_path / str(i)).read_text().strip() for i in range(at_once)]
  assert found == wanted


@pytest.mark.parametrize(
  'given, wanted',
  [
    ({}, ['0.400', None]),
    ({'XLA_CLIENT_MEM_FRACTION': '.2'}, ['.2', None]),
    # JAX takes one of the two names, not both.
    ({'XLA_PYTHON_CLIENT_MEM_FRACTION': '.2'}, [None, '.2']),
  ],
)
def test_jobs_share_a_gpu_as_told_or_equally(
  tmp_path, monkeypatch, given, wanted
):
  monkeypatch.delenv('JAX_PLATFORMS')
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')
  names = ['XLA_CLIENT_MEM_FRACTION', 'XLA_PYTHON_CLIENT_MEM_FRACTION']
  for name in names:
    monkeypatch.delenv(name, raising=False)
    if name in given:
      monkeypatch.setenv(name, given[name])
  script = f'import json, os; print(json.dumps([*map(os.getenv, {names})]))'
  job = local.Job('one', [[sys.executable, '-c', script]], tmp_path / 'log')
  local.run_all([job], 2, lambda: False, lambda _: None)
  assert json.loads((tmp_path / 'log').read_text()) == wanted


@pytest.mark.parametrize(
  'platforms, visible, wanted',
  [
    ('', '2,3', ['2', '3']),
    ('cuda,cpu', '2,3', ['2', '3']),
    ('cpu', '2,3', []),
    ('', '-1', []),
    ('', '2,-1,3', ['2']),
    ('', '', []),
  ],
)
def test_gpus_are_ours_as_cuda_and_jax_see_them(
  monkeypatch, platforms, visible, wanted
):
  monkeypatch.setenv('JAX_PLATFORMS', platforms)
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)
  assert local.accelerators() == wanted


def test_more_processes_than_gpus_are_refused(monkeypatch):
  monkeypatch.setattr(local, 'accelerators', lambda: ['0', '1'])
  monkeypatch.setattr(local, 'run_all', lambda *_, **__: pytest.fail('ran'))
  monkeypatch.setattr(sys, 'argv', ['launch.local', '--', '--config=c.py:x'])
  args = types.SimpleNamespace(num_processes=3, dry_run=False)
  monkeypatch.setattr(local.flags, 'FLAGS', args)
  with pytest.raises(errors.InputError, match=r'--num_processes=3: .* has 2'):
    local.main()


def test_data_that_are_there_are_not_made_again(tmp_path):
  todo = sweep.plan(tmp_path, sweep.grid(['opt.lr=1,2', 'split.seed=0,1']))
  jobs = sweep.data_jobs(todo, ['--config=c.py:x'])
  assert len(jobs) == 2  # one for each seed of the split
  made = todo[0].data_dir / 'splits' / 'support-12345678'
  made.mkdir(parents=True)
  (made / 'manifest.json').write_text('{}')
  (left,) = sweep.data_jobs(todo, ['--config=c.py:x'])
  assert '--config.split.seed=1' in left.commands[0]


def test_processes_of_one_run_differ_in_their_number_only():
  commands = local.together(['--a=b c'], 3)
  assert {tuple(c[:-1]) for c in commands} == {tuple(commands[0][:-1])}
  assert [c[-1] for c in commands] == [f'--process_id={i}' for i in range(3)]
  assert '--a=b c' in commands[0] and '--num_processes=3' in commands[0]
  assert local.together(['--a'], 1) == [local.training(['--a'])]


@pytest.mark.filterwarnings('ignore:the load_module')  # of ml_collections
@pytest.mark.parametrize(
  'over, told',
  [
    ('opt.lrr=1', 'Did you mean "lr"'),
    ('opt.lr=1e-3,-1', 'opt.lr=-1: opt.lr=-1.0 must be positive'),
    ('train.seed=0,1.5', 'train.seed=1.5'),
    ('model.mlp=gelu,relux', "unknown model.mlp 'relux'"),
    ('data.arm=train_s,nope', "unknown data.arm 'nope'"),
    ('opt.schedule=wds', "unknown opt.schedule 'wds'"),
    ('universe.grammar=no.bnf', 'no.bnf'),
  ],
)
def test_a_sweep_refuses_settings_before_it_makes_anything(
  tmp_path, over, told
):
  out = tmp_path / 'sweep'
  points = sweep.plan(out, sweep.grid([over]))
  common = ['--config=configs/support.py:tiny']
  with pytest.raises(errors.InputError, match=re.escape(told)):
    sweep.sweep(out, points, common, False, 1, lambda: False)
  assert not out.exists()
  with pytest.raises(errors.InputError, match='give --config'):
    sweep.sweep(out, points, [], False, 1, lambda: False)


@pytest.fixture(scope='module')
def _tpu_flags():
  if 'zone' not in flags.FLAGS:
    for name in ('name', 'cluster', 'zone', 'image'):
      flags.DEFINE_string(name, name.upper(), '')


@flagsaver.flagsaver
@pytest.mark.parametrize('make', [tpu.gcloud, tpu.xpk])
def test_commands_for_tpus_hold_the_training_command_whole(_tpu_flags, make):
  arguments = ['--config=configs/support.py:x', "--config.name=it's"]
  lines = [shlex.split(line) for line in make(arguments, 'v5litepod-8')]
  inner = [w for line in lines for w in line if w.startswith('--command=')]
  assert len(inner) == 1
  steps = ' '.join(shlex.split(inner[0].partition('=')[2])).split(' && ')
  assert 'uv pip install' in steps[-2] and '.[tpu]' in steps[-2]
  assert steps[-1].split()[:3] == ['.venv/bin/python', '-m', 'synth.train']
  assert steps[-1].endswith(' '.join(arguments))


@pytest.mark.parametrize('make', [tpu.gcloud, tpu.xpk])
@pytest.mark.parametrize(
  'argument', ['--config=runs/my.py:a', '--config.universe.grammar=/x/my.bnf']
)
def test_files_that_would_not_be_sent_are_refused(_tpu_flags, make, argument):
  path = argument.partition('=')[2].removesuffix(':a')
  with pytest.raises(errors.InputError, match=f'has no {path}'):
    make([argument], 'v5litepod-8')


# What the tools' documentation lists (gcloud reference; xpk's own parser).
_DOCUMENTED = {
  'create': {'zone', 'accelerator-type', 'version'},
  'scp': {'recurse', 'zone', 'worker'},
  'ssh': {'zone', 'worker', 'command'},
  'delete': {'zone', 'quiet'},
  'workload': {
    'cluster', 'workload', 'tpu-type', 'num-slices', 'zone',
    'base-docker-image', 'script-dir', 'command',
  },
  'clone': {'depth'},
}  # fmt: skip


@pytest.mark.parametrize('make', [tpu.gcloud, tpu.xpk])
def test_commands_for_tpus_have_documented_flags_only(_tpu_flags, make):
  for line in make(['--a=1'], 'v5litepod-8'):
    words = shlex.split(line)
    verb = next(word for word in words if word in _DOCUMENTED)
    given = {w[2:].partition('=')[0] for w in words if w.startswith('--')}
    assert given <= _DOCUMENTED[verb]


def test_a_sky_task_is_yaml_of_documented_keys(_tpu_flags):
  task = yaml.safe_load('\n'.join(tpu.skypilot(['--a=1'], 'v5litepod-8')))
  assert set(task) <= {'name', 'workdir', 'resources', 'setup', 'run'}
  resources = task['resources']
  assert set(resources) <= {
    'infra', 'accelerators', 'accelerator_args', 'use_spot',
  }  # fmt: skip
  assert set(resources['accelerator_args']) == {'runtime_version'}
  assert resources['infra'].count('/') == 2  # cloud/region/zone
  assert shlex.split(task['run'])[-1] == '--a=1'
  assert pathlib.Path(task['workdir']) == pathlib.Path('.')


@pytest.mark.parametrize(
  'slice_type, accelerators',
  [
    ('v5litepod-4', 'tpu-v5-lite-podslice:4'),
    ('v6e-8', 'tpu-v6e-slice:8'),
    ('v5p-8', 'tpu-v5p-slice:4'),  # cores
  ],
)
def test_a_sky_task_for_gke_asks_for_chips(
  _tpu_flags, slice_type, accelerators
):
  task = yaml.safe_load('\n'.join(tpu.skypilot_gke(['--a=1'], slice_type)))
  assert task['resources'] == {'accelerators': accelerators, 'infra': 'k8s'}
  assert shlex.split(task['run'])[1:] == ['-m', 'synth.train', '--a=1']


@pytest.mark.parametrize(
  'slice_type', ['v5litepod-16', 'v5p-16', 'v2-8', 'v4-x']
)
def test_a_slice_that_sky_cannot_have_in_gke_is_refused(_tpu_flags, slice_type):
  with pytest.raises(errors.InputError, match=f'--type={slice_type}: '):
    tpu.skypilot_gke([], slice_type)
