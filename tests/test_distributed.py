"""Two processes on this machine train what one process trains."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import types

from absl import flags
from absl.testing import flagsaver
import numpy as np
import pytest

from launch import local
from synth import errors
from synth import runs
from synth.training import distributed

_ROOT = pathlib.Path(__file__).parents[1]
_TINY = [
  '--config=configs/support.py:tiny',
  '--config.universe.max_size=5',
  '--config.split.num_test=4',
  '--config.split.num_dev=6',
  '--config.data.batch_size=32',
  '--config.opt.num_steps=40',
  '--config.train.log_every_steps=1',
  '--config.train.dev_every_steps=20',
]


def _start(workdir, count, *more, program=('-m', 'synth.train')):
  """Starts the processes of one run; their output goes to workdir.INDEX."""
  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    address = f'localhost:{probe.getsockname()[1]}'
  found = []
  for index in range(count):
    place = [f'--coordinator={address}', f'--num_processes={count}',
             f'--process_id={index}']  # fmt: skip
    with workdir.with_name(f'{workdir.name}.{index}').open('w') as output:
      found.append(
        subprocess.Popen(
          [sys.executable, *program, *_TINY, *more,
           f'--config.mesh.data={count}', f'--workdir={workdir}',
           f'--data={workdir.parent}', *(place if count > 1 else [])],
          cwd=_ROOT, stdout=output, stderr=output,
          env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
        )
      )  # fmt: skip
  return found


def _wait(workdir, processes):
  """What each printed as its result."""
  try:
    codes = [process.wait(timeout=180) for process in processes]
  finally:  # those that hang would hang for ever
    for process in processes:
      process.kill()
  texts = [workdir.with_name(f'{workdir.name}.{i}').read_text()
           for i in range(len(processes))]  # fmt: skip
  assert codes == [0] * len(processes), texts
  return [json.loads(text.splitlines()[-1]) for text in texts]


def _wait_for_step(workdir, step):
  """Until a step is in the metrics."""
  deadline = time.monotonic() + 120
  while not (workdir / runs.METRICS).exists() or (
    len(runs.read_metrics(workdir)) < step
  ):
    assert time.monotonic() < deadline
    time.sleep(0.01)


def _series(workdir, key):
  return {
    row['step']: row[key] for row in runs.read_metrics(workdir) if key in row
  }


@pytest.mark.slow
def test_two_processes_train_what_one_does_and_stop_together(tmp_path):
  alone, two, cut = (tmp_path / name for name in ('alone', 'two', 'cut'))
  _wait(alone, _start(alone, 1))
  first, second = _wait(two, _start(two, 2))
  assert first == second
  for key in ('loss', 'dev_loss'):
    ours, theirs = _series(two, key), _series(alone, key)
    assert list(ours) == list(theirs)
    np.testing.assert_allclose(
      list(ours.values()), list(theirs.values()), rtol=0, atol=2e-6
    )
  steps = [row['step'] for row in runs.read_metrics(two) if 'loss' in row]
  assert steps == list(range(1, 41))  # each was written once
  # SIGTERM to one of the two, or to both, stops both at one step; both go on
  # from there.
  never = '--config.train.checkpoint_every_steps=40'
  stopped_at = 0
  for signalled in ([0, 1], [1]):
    processes = _start(cut, 2, never)
    _wait_for_step(cut, stopped_at + 1)
    began = time.monotonic()
    for index in signalled:
      processes[index].send_signal(signal.SIGTERM)
    first, second = _wait(cut, processes)
    assert time.monotonic() - began < 25
    assert first == second and stopped_at < first['stopped_at'] < 40
    stopped_at = first['stopped_at']
  _wait(cut, _start(cut, 2, never))
  assert (cut / runs.METRICS).read_bytes() == (two / runs.METRICS).read_bytes()


# One of the processes does not come to an end of its 15th step in time.
_SLOW = """
import sys, time
import jax
from synth import cli, train
from synth.training import trainer
put, calls = trainer.Trainer.put, []
def slow(self, batch):
  calls.append(0)
  if len(calls) == 15 and jax.process_index() == 1:
    print('waits', flush=True)
    time.sleep(120)
  return put(self, batch)
trainer.Trainer.put = slow
sys.argv[0] = 'synth/train.py'
train.define_flags()
cli.run(train.main)
"""


@pytest.mark.slow
def test_processes_end_in_time_although_one_does_not_answer(tmp_path):
  more = [
    '--config.opt.num_steps=120',
    '--config.train.dev_every_steps=60',
    '--config.train.checkpoint_every_steps=10',
    '--grace_s=6',
  ]
  whole, cut = tmp_path / 'whole', tmp_path / 'cut'
  _wait(whole, _start(whole, 2, *more))
  for stuck, step in ((0, 15), (1, 35)):
    processes = _start(cut, 2, *more)
    _wait_for_step(cut, step)
    processes[stuck].send_signal(signal.SIGSTOP)
    began = time.monotonic()
    processes[1 - stuck].send_signal(signal.SIGTERM)
    try:
      assert processes[1 - stuck].wait(timeout=60) == 0
      assert 3 < time.monotonic() - began < 9
    finally:
      for process in processes:
        process.kill()
        process.wait()
    said = cut.with_name(f'cut.{1 - stuck}').read_text().splitlines()[-1]
    assert 'terminated: not done 6 s after SIGTERM' in said
    assert f'no answer from process {stuck}' in said
  # It answers, but is not done with its step.
  processes = _start(cut, 2, *more, program=('-c', _SLOW))
  deadline = time.monotonic() + 120
  while 'waits' not in cut.with_name('cut.1').read_text():
    assert time.monotonic() < deadline
    time.sleep(0.01)
  began = time.monotonic()
  processes[0].send_signal(signal.SIGTERM)
  try:
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert 3 < time.monotonic() - began < 9
  finally:
    for process in processes:
      process.kill()
  for index in range(2):
    said = cut.with_name(f'cut.{index}').read_text().splitlines()[-1]
    assert said.startswith('terminated: ')
  _wait(cut, _start(cut, 2, *more))
  for index in range(2):  # no checkpoint was half-written
    assert 'warning' not in cut.with_name(f'cut.{index}').read_text()
  assert (cut / runs.METRICS).read_bytes() == (
    whole / runs.METRICS
  ).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize('signalled', [0, 1])
def test_processes_end_at_once_if_there_is_nothing_to_save(tmp_path, signalled):
  workdir = tmp_path / 'run'
  processes = _start(workdir, 2, '--grace_s=60')
  deadline = time.monotonic() + 120
  while not (workdir / runs.RECORD).exists():
    assert time.monotonic() < deadline
    time.sleep(0.01)
  began = time.monotonic()
  processes[signalled].send_signal(signal.SIGTERM)
  try:
    assert [process.wait(timeout=50) for process in processes] == [0, 0]
  finally:
    for process in processes:
      process.kill()
  assert time.monotonic() - began < 20


@pytest.mark.slow
def test_two_processes_train_two_arms_and_go_on_where_they_were_stopped(
  tmp_path,
):
  arms = 'train_s', 'train_c'
  more = ['--arms=train_s,train_c', '--config.train.checkpoint_every_steps=4']
  whole, cut = tmp_path / 'whole', tmp_path / 'cut'
  _wait(whole, _start(whole, 2, *more))
  processes = _start(cut, 2, *more)
  _wait_for_step(cut / arms[0], 6)
  processes[1].send_signal(signal.SIGTERM)
  first, second = _wait(cut, processes)
  assert first == second and 0 < first['stopped_at'] < 40
  _wait(cut, _start(cut, 2, *more))
  for arm in arms:
    ours, theirs = (d / arm / runs.METRICS for d in (cut, whole))
    assert ours.read_bytes() == theirs.read_bytes()


_FAILING = """
import sys
from synth import cli, runs, train
def write(self, step, **values):  # by the first process alone
  raise {error}
runs.Metrics.write = write
sys.argv[0] = 'synth/train.py'
train.define_flags()
cli.run(train.main)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
  'error, code, told',
  [
    ("runs.RunError('no space')", 2, 'error: no space'),
    ("RuntimeError('a bug')", 1, 'RuntimeError: a bug'),
  ],
)
def test_all_processes_end_if_one_fails(
  tmp_path, monkeypatch, capfd, error, code, told
):
  script = _FAILING.format(error=error)
  monkeypatch.setattr(
    local, 'training', lambda given: [sys.executable, '-c', script, *given]
  )
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  given = ['launch.local', '--', *_TINY, '--config.mesh.data=2',
           f'--workdir={tmp_path}']  # fmt: skip
  monkeypatch.setattr(sys, 'argv', given)
  args = types.SimpleNamespace(num_processes=2, dry_run=False)
  monkeypatch.setattr(local.flags, 'FLAGS', args)
  old = signal.getsignal(signal.SIGTERM)
  began = time.monotonic()
  try:
    with pytest.raises(errors.InputError, match=f'process 0 .* code {code}$'):
      local.main()
  finally:
    signal.signal(signal.SIGTERM, old)
  assert time.monotonic() - began < 90
  assert told in capfd.readouterr().err


@pytest.fixture(scope='module', autouse=True)
def _flags():
  if 'coordinator' not in flags.FLAGS:
    distributed.define_flags()


@flagsaver.flagsaver
def test_half_of_the_flags_is_refused():
  flags.FLAGS.coordinator = 'localhost:1'
  flags.FLAGS.num_processes = 2
  with pytest.raises(errors.InputError, match='need --process_id as well'):
    distributed.initialize()
  flags.FLAGS.process_id = 2
  with pytest.raises(errors.InputError, match=r'process_id=2 must be below'):
    distributed.initialize()


@pytest.mark.parametrize(
  'environment, several',
  [
    ({}, False),
    # `sbatch` without `srun`: one process, however many tasks were asked for.
    ({'SLURM_JOB_ID': '1', 'SLURM_NTASKS': '2'}, False),
    ({'SLURM_STEP_NUM_TASKS': '1', 'SLURM_NTASKS': '2'}, False),
    ({'SLURM_STEP_NUM_TASKS': '2', 'SLURM_NTASKS': '2'}, True),
    ({'TPU_WORKER_HOSTNAMES': '10.0.0.1'}, False),
    ({'TPU_WORKER_HOSTNAMES': '10.0.0.1,10.0.0.2'}, True),
  ],
)
def test_several_processes_are_found_in_the_environment(
  environment, several, monkeypatch
):
  called = []
  monkeypatch.setattr('jax.distributed.initialize', lambda *a: called.append(a))
  for name in ('SLURM_STEP_NUM_TASKS', 'TPU_WORKER_HOSTNAMES'):
    monkeypatch.delenv(name, raising=False)
  for name, value in environment.items():
    monkeypatch.setenv(name, value)
  distributed.initialize()
  assert called == ([(None, None, None)] if several else [])


def test_what_the_first_process_refuses_is_raised():
  def refuse():
    raise errors.InputError('no')

  with pytest.raises(errors.InputError, match='no'):
    distributed.first(refuse)
  assert distributed.first(lambda: 3) == 3


_LATE = """
import sys, time
from absl import flags
from synth.training import distributed
distributed.define_flags()
flags.FLAGS(sys.argv)
distributed.initialize()
print(distributed.first(lambda: time.sleep(33) or 'built'))
"""


@pytest.mark.slow
def test_processes_wait_for_one_that_builds_for_long():
  """On CPUs, for over the 30 s that a first collective is waited for."""
  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    address = f'localhost:{probe.getsockname()[1]}'
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', _LATE, f'--coordinator={address}',
       '--num_processes=2', f'--process_id={index}'],
      cwd=_ROOT, stdout=subprocess.PIPE, text=True,
      env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
    )
    for index in range(2)
  ]  # fmt: skip
  told = [process.communicate(timeout=120)[0] for process in processes]
  assert [text.splitlines()[-1] for text in told] == ['built', 'None']
