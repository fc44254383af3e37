"""Training through `launch.slurm`: submitit's executors, and a real SLURM."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import types

import pytest

from launch import slurm
from synth import errors
from synth import runs
from tests import slurm_cluster

_ROOT = pathlib.Path(__file__).parents[1]
_TINY = [
  '--config=configs/support.py:tiny',
  '--config.universe.max_size=5',
  '--config.split.num_test=4',
  '--config.split.num_dev=6',
  '--config.data.batch_size=32',
  '--config.train.log_every_steps=1',
]
# What other tests train: compiled once for all.
_AS_ELSEWHERE = ['--config.opt.num_steps=120']
_STEPS = 400
_TWO = [
  *_TINY,
  f'--config.opt.num_steps={_STEPS}',
  f'--config.train.dev_every_steps={_STEPS}',
  f'--config.train.checkpoint_every_steps={_STEPS}',
  '--config.mesh.data=2',
]
_SWEEP = {'out': 'x', 'over': ['a=1']}
_TIMEOUT_S = 600.0


def _launch(env, folder, options, arguments):
  """Calls the launcher; returns what it printed before, and its result."""
  done = subprocess.run(
    [sys.executable, '-m', 'launch.slurm', f'--folder={folder}', *options,
     '--', *arguments],
    cwd=_ROOT, env=env, capture_output=True, text=True, timeout=_TIMEOUT_S,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  *lines, last = done.stdout.splitlines()
  return lines, json.loads(last)


@pytest.mark.parametrize(
  'given, wanted',
  [
    ({'nodes': 2, 'gpus_per_node': 4}, 'needs as many --tasks_per_node'),
    ({'nodes': 2, 'evaluate': True, **_SWEEP}, '--evaluate needs --nodes=1'),
    ({'evaluate': True}, 'a sweep has --out'),
    ({'over': ['a=1']}, 'a sweep has --out'),
    ({'point': ['a=1'], **_SWEEP}, 'either --over or --point'),
    ({'hours': float('nan')}, '--hours=nan is no time limit'),
    ({'hours': -3.0}, '--hours=-3.0 is no time limit'),
    ({'sbatch': ['exclusive']}, '--sbatch=exclusive is not KEY=VALUE'),
    ({'cluster': 'local', 'nodes': 2}, 'runs one task'),
    ({'cluster': 'local', **_SWEEP}, 'runs one task'),
  ],
)
def test_what_does_not_fit_together_is_refused(given, wanted, monkeypatch):
  # Not absl's own flags: other launchers have some of the same names.
  usual = {'cluster': 'slurm', 'nodes': 1, 'tasks_per_node': 1,
           'gpus_per_node': 0, 'hours': 24.0, 'sbatch': [], 'folder': 'logs',
           'out': None, 'over': [], 'point': [], 'evaluate': False}  # fmt: skip
  args = types.SimpleNamespace(**usual | given)
  monkeypatch.setattr(slurm.flags, 'FLAGS', args)
  with pytest.raises(errors.InputError, match=wanted):
    slurm.settings()


def test_submitit_runs_a_training_on_this_host(tmp_path):
  for package in ('submitit', 'tensorboardX'):  # of `.[dev]`
    pytest.importorskip(package)
  workdir = tmp_path / 'run'
  rare = [f'--config.train.{what}_every_steps=120'
          for what in ('dev', 'checkpoint')]  # fmt: skip
  lines, result = _launch(
    dict(os.environ), tmp_path / 'logs', ['--cluster=local', '--wait'],
    [*_TINY, *_AS_ELSEWHERE, *rare, '--tensorboard', f'--workdir={workdir}'],
  )  # fmt: skip
  assert json.loads(lines[-1].splitlines()[-1])['steps'] == 120
  assert runs.read_json(workdir / runs.TRAINED)['steps'] == 120
  assert 'train run: 120/120' in pathlib.Path(result['logs'][0]).read_text()
  assert list(workdir.glob('events.out.*'))


def test_a_job_that_was_told_to_stop_starts_no_other_command(
  tmp_path,
):
  # Training that is preempted ends with exit code 0; it is not to be evaluated.
  old = signal.getsignal(signal.SIGTERM)
  try:
    slurm.in_order(
      [
        ['touch', 'first'],
        ['sh', '-c', f'kill -TERM {os.getpid()}'],
        ['touch', 'evaluated'],
      ],
      str(tmp_path),
    )
  finally:
    signal.signal(signal.SIGTERM, old)
  assert [path.name for path in tmp_path.iterdir()] == ['first']


@pytest.fixture(scope='module')
def cluster(tmp_path_factory):
  """The environment of a SLURM that runs on this machine."""
  packages = _ROOT / '.pytest_cache' / 'slurm'
  work = tmp_path_factory.mktemp('slurm') / 'work'
  try:
    slurm_cluster.fetch(packages)
    with slurm_cluster.running(packages, work) as env:
      yield env
  except slurm_cluster.Unavailable as error:
    pytest.skip(f'no SLURM: {error}')


def _until(condition):
  deadline = time.monotonic() + _TIMEOUT_S
  while not condition():
    assert time.monotonic() < deadline
    time.sleep(0.1)


def _steps(workdir):
  if not (workdir / runs.METRICS).exists():
    return 0
  return (workdir / runs.METRICS).read_bytes().count(b'"loss"')


def _state(env, job):
  """State and exit code of a job, as SLURM tells them."""
  said = slurm_cluster.call(env, 'scontrol', 'show', 'job', job)
  found = dict(word.partition('=')[::2] for word in said.split())
  return found.get('JobState'), found.get('ExitCode')


@pytest.mark.cluster
def test_two_tasks_train_one_run_and_survive_preemption(cluster, tmp_path):
  whole, cut = tmp_path / 'whole', tmp_path / 'cut'
  tasks = ['--tasks_per_node=2', '--sbatch=cpus-per-task=2']
  place = [f'--workdir={cut}', f'--data={whole}']
  lines, _ = _launch(
    cluster, tmp_path / 'logs', [*tasks, '--wait'],
    [*_TWO, f'--workdir={whole}'],
  )  # fmt: skip
  assert json.loads(lines[-1])['steps'] == _steps(whole) == _STEPS
  (script,) = (tmp_path / 'logs').glob('*_submission.sh')
  # submitit's own SIGUSR2 would end training before it has saved.
  assert script.read_text().count('--signal=TERM@') == 1
  assert 'USR2' not in script.read_text()

  # Preempted: SIGTERM. It saves and ends, as a job that has done its work.
  _, result = _launch(cluster, tmp_path / 'logs', tasks, [*_TWO, *place])
  (job,) = result['jobs']
  _until(lambda: _steps(cut) > 0)
  slurm_cluster.call(cluster, 'scancel', '--signal=TERM', job)
  _until(lambda: _state(cluster, job)[0] not in ('RUNNING', 'COMPLETING'))
  assert _state(cluster, job) == ('COMPLETED', '0:0')
  first = _steps(cut)
  assert 0 < first < _STEPS and not (cut / runs.TRAINED).exists()

  # Submitted again it goes on; requeued by SLURM it does so by itself.
  _, result = _launch(cluster, tmp_path / 'logs', tasks, [*_TWO, *place])
  (job,) = result['jobs']
  _until(lambda: _steps(cut) > first)
  slurm_cluster.call(cluster, 'scontrol', 'requeue', job)
  _until(lambda: _state(cluster, job)[0] == 'PENDING')
  assert first < _steps(cut) < _STEPS
  _until(lambda: _state(cluster, job)[0] == 'COMPLETED')
  assert (cut / runs.METRICS).read_bytes() == (
    whole / runs.METRICS
  ).read_bytes()
  assert runs.read_json(cut / runs.TRAINED) == runs.read_json(
    whole / runs.TRAINED
  )


@pytest.mark.cluster
def test_a_sweep_is_an_array_of_what_is_not_finished(cluster, tmp_path):
  out = tmp_path / 'sweep'
  arguments = [*_TINY, *_AS_ELSEWHERE]
  one = [f'--out={out}', '--wait', '--over=opt.lr=1e-3']
  _launch(cluster, tmp_path / 'logs', one, arguments)
  all_three = [*one[:2], '--over=opt.lr=1e-3,3e-3,1e-2']
  _, result = _launch(cluster, tmp_path / 'logs', all_three, arguments)
  assert len({job.partition('_')[0] for job in result['jobs']}) == 1
  assert [job.partition('_')[2] for job in result['jobs']] == ['0', '1']
  for rate in ('1e-3', '3e-3', '1e-2'):
    workdir = out / f'opt.lr={rate}'
    assert (workdir / runs.TRAINED).exists()
    config = runs.read_json(workdir / runs.RECORD)['config']
    assert config['opt']['lr'] == float(rate)
  _, result = _launch(cluster, tmp_path / 'logs', all_three, arguments)
  assert result['jobs'] == []


@pytest.mark.cluster
def test_a_job_that_fails_is_told_with_its_log(cluster, tmp_path):
  done = subprocess.run(
    [sys.executable, '-m', 'launch.slurm', f'--folder={tmp_path}', '--wait',
     '--', '--config=nowhere.py'],
    cwd=_ROOT, env=cluster, capture_output=True, text=True, timeout=_TIMEOUT_S,
  )  # fmt: skip
  assert done.returncode == 2
  message = done.stderr.splitlines()[-1]
  assert message.startswith('error: 1 of 1 jobs failed: see ')
  log = pathlib.Path(message.rpartition(' ')[2])
  assert "no config file 'nowhere.py'" in log.read_text()
