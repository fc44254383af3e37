"""Training: it learns, resumes bit for bit, and reads its whole config."""

import asyncio
import contextlib
import gc
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from configs import support as support_config
from synth import data
from synth import errors
from synth import evaluate
from synth import inputs as inputs_lib
from synth import locks
from synth import model as model_lib
from synth import runs
from synth import settings
from synth import store
from synth import train
from synth.language import tokens
from synth.training import checkpoint
from synth.training import trainer as trainer_lib
from tests import mounts
from tests import test_sharding

_ROOT = pathlib.Path(__file__).parents[1]
_STEPS = 120
_SAVED = 20  # every so many steps; each time takes 0.2 s of CPU
# Every test has these, so that all share the same compiled steps.
_OVERRIDES = {
  'universe.max_size': 5,
  'split.num_test': 4,
  'split.num_dev': 6,
  'data.batch_size': 32,
  'opt.num_steps': _STEPS,
  'train.log_every_steps': 10,
  'train.dev_every_steps': 40,
  'train.checkpoint_every_steps': _SAVED,
  'eval.num_samples': 4,
  'eval.batch_size': 6,
}


def _config(**overrides):
  config = support_config.get_config('tiny')
  with config.ignore_type():
    config.update_from_flattened_dict({**_OVERRIDES, **overrides})
  return config


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  return tmp_path_factory.mktemp('inputs')


@pytest.fixture(scope='module')
def inputs(data_dir):
  return inputs_lib.load_or_build(_config(), data_dir)


@pytest.fixture(scope='module')
def finished(tmp_path_factory, inputs, data_dir):
  """An uninterrupted run: its directory and what training returned."""
  workdir = tmp_path_factory.mktemp('run') / 'finished'
  return workdir, train.train_and_evaluate(_config(), workdir, data_dir)


def _restore(workdir, inputs):
  trainer = trainer_lib.Trainer(_config(), inputs)
  with checkpoint.Checkpoints(workdir) as checkpoints:
    return checkpoints.restore(checkpoints.latest(), trainer.abstract_state)


def _assert_same_bits(a, b):
  differ = jax.tree.map(lambda x, y: bool(np.any(x != y)), a, b)
  paths = jax.tree_util.tree_leaves_with_path(differ)
  assert not [jax.tree_util.keystr(path) for path, bad in paths if bad]
  assert jax.tree.structure(a) == jax.tree.structure(b)


def _losses(workdir):
  return {
    row['step']: row['loss']
    for row in runs.read_metrics(workdir)
    if 'loss' in row
  }


def test_the_loss_goes_down(finished):
  workdir, result = finished
  loss = _losses(workdir)
  assert list(loss) == list(range(10, _STEPS + 1, 10))
  assert np.all(np.array(loss[_STEPS]) < np.array(loss[10]) - 0.3)
  dev = {r['step']: r['dev_loss'] for r in runs.read_metrics(workdir)
         if 'dev_loss' in r}  # fmt: skip
  assert list(dev) == [40, 80, 120]
  assert np.mean(dev[120]) < np.mean(dev[40])
  assert result['steps'] == _STEPS
  assert result['loss'] == pytest.approx(np.mean(loss[_STEPS]))
  assert result['dev_loss'] == pytest.approx(np.mean(dev[_STEPS]))


def test_the_record_says_what_made_the_run(finished, inputs, data_dir):
  workdir, result = finished
  record = runs.read_json(workdir / runs.RECORD)
  assert record['config'] == _config().to_dict()
  assert record['inputs_sha256'] == inputs.sha256
  assert (workdir / record['data_dir']).resolve() == data_dir.resolve()
  groups = {k: v for k, v in record['params'].items() if k != 'total'}
  assert record['params']['total'] == sum(groups.values()) == result['params']
  state, meta = _restore(workdir, inputs)
  total = sum(leaf.size for leaf in jax.tree.leaves(state['params']))
  assert total == 2 * result['params']  # of both seeds
  assert int(state['step']) == meta['next_index'] == _STEPS


def test_a_run_behind_a_link_finds_its_data(
  inputs, data_dir, tmp_path, monkeypatch
):
  class Recorded(Exception):
    pass

  def stop(*_):
    raise Recorded

  (tmp_path / 'disk' / 'deep').mkdir(parents=True)
  (tmp_path / 'link').symlink_to(tmp_path / 'disk' / 'deep')
  workdir = tmp_path / 'link' / 'run'
  monkeypatch.setattr(train, '_loop', stop)
  with pytest.raises(Recorded):
    train.train_and_evaluate(_config(), workdir, data_dir)
  record = runs.read_record(workdir)
  assert (workdir / record['data_dir']).resolve() == data_dir.resolve()


def test_a_finished_run_called_again_changes_nothing(
  finished, inputs, data_dir
):
  workdir, result = finished
  before, _ = _restore(workdir, inputs)
  metrics = runs.read_metrics(workdir)
  names = sorted(p.name for p in (workdir / 'checkpoints').iterdir())
  assert train.train_and_evaluate(_config(), workdir, data_dir) == result
  after, _ = _restore(workdir, inputs)
  _assert_same_bits(before, after)
  assert names == sorted(p.name for p in (workdir / 'checkpoints').iterdir())
  # The dev loss at the end is measured again, and is the same.
  again = runs.read_metrics(workdir)
  assert again[: len(metrics)] == metrics
  assert all(row in metrics for row in again)


def _no_fresh_start(self):
  raise AssertionError('the run was resumed, but not from its checkpoint')


@pytest.mark.slow
def test_a_run_killed_in_the_middle_ends_with_the_same_bits(
  finished, inputs, data_dir, tmp_path, monkeypatch
):
  workdir = tmp_path / 'killed'
  flags = [f'--config.{name}={value}' for name, value in _OVERRIDES.items()]
  with (tmp_path / 'output').open('w') as output:
    process = subprocess.Popen(
      [
        sys.executable, '-m', 'synth.train',
        '--config=configs/support.py:tiny', f'--workdir={workdir}',
        f'--data={data_dir}', *flags,
      ],
      cwd=_ROOT, stdout=output, stderr=output, start_new_session=True,
    )  # fmt: skip
    try:
      deadline = time.monotonic() + 60
      while not list(workdir.glob('checkpoints/[1-9]*0')):
        assert process.poll() is None, (tmp_path / 'output').read_text()
        assert time.monotonic() < deadline
        time.sleep(0.002)
      assert process.poll() is None
    finally:
      os.killpg(process.pid, signal.SIGKILL)
      process.wait()
  with checkpoint.Checkpoints(workdir) as checkpoints:
    assert 0 < checkpoints.latest() < _STEPS
  monkeypatch.setattr(trainer_lib.Trainer, 'init', _no_fresh_start)
  result = train.train_and_evaluate(_config(), workdir, data_dir)
  uninterrupted, wanted = finished
  assert result == wanted
  ours, theirs = _restore(workdir, inputs), _restore(uninterrupted, inputs)
  _assert_same_bits(ours[0], theirs[0])
  assert ours[1] == theirs[1]
  assert _losses(workdir) == _losses(uninterrupted)


def _train(inputs, steps, **overrides):
  """Losses of each step and the final state, without files."""
  config = _config(**overrides)
  trainer = trainer_lib.Trainer(config, inputs)
  source = data.BatchSource(
    inputs, ('train_s',), trainer.seeds, config.data.batch_size, _STEPS
  )
  state, losses = trainer.init(), []
  for batch in itertools.islice(data.iterate(source, 0), steps):
    state, values = trainer.step(state, trainer.put(batch))
    losses.append(np.asarray(values['loss']))
  return np.array(losses), state


def _truncate(content):
  return content[: len(content) // 2]


def _flip_a_bit(content):
  return bytes([content[0] ^ 4]) + content[1:]


def _damage(workdir, step, how, name='largest'):
  """Changes a file of a checkpoint."""
  directory = workdir / 'checkpoints' / str(step)
  path = directory / name
  if name == 'largest':
    files = (p for p in directory.rglob('*') if p.is_file())
    path = max(files, key=lambda f: f.stat().st_size)
  path.write_bytes(how(path.read_bytes()))


@pytest.mark.parametrize('how', [_truncate, _flip_a_bit])
def test_a_damaged_checkpoint_is_passed_over(
  finished, inputs, data_dir, tmp_path, capfd, how
):
  workdir = tmp_path / 'run'
  shutil.copytree(finished[0], workdir)
  _damage(workdir, _STEPS, how)
  again = train.train_and_evaluate(_config(), workdir, data_dir)
  # Only ours: a device may have warnings of its own.
  err = capfd.readouterr().err
  said = [line for line in err.splitlines() if 'cannot be read' in line]
  assert len(said) == 1, err
  assert f'checkpoints/{_STEPS} cannot be read' in said[0]
  assert f'using that of step {_STEPS - _SAVED}' in said[0]
  assert again == finished[1]
  _assert_same_bits(_restore(workdir, inputs), _restore(finished[0], inputs))


def test_a_run_that_is_set_back_is_not_at_its_end(
  finished, data_dir, tmp_path, monkeypatch
):
  workdir = tmp_path / 'run'
  shutil.copytree(finished[0], workdir)
  _damage(workdir, _STEPS, _truncate)

  def stop(self, batch):
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(trainer_lib.Trainer, 'put', stop)
    with pytest.raises(KeyboardInterrupt):
      train.train_and_evaluate(_config(), workdir, data_dir)
  assert not (workdir / runs.TRAINED).exists()
  train.train_and_evaluate(_config(), workdir, data_dir)
  assert runs.read_json(workdir / runs.TRAINED) == finished[1]


def test_damage_to_any_file_of_a_checkpoint_is_found(finished, tmp_path):
  directory = tmp_path / 'checkpoints' / '7'
  shutil.copytree(finished[0] / 'checkpoints' / str(_STEPS), directory)
  assert checkpoint.damage(directory) is None
  names = [
    str(path.relative_to(directory))
    for path in directory.rglob('*')
    # Orbax's notes on the saving itself, which nothing is restored from.
    if path.is_file()
    and path.name not in ('_CHECKPOINT_METADATA', 'commit_success.txt')
  ]
  assert len(names) > 8
  for name in names:
    whole = (directory / name).read_bytes()
    for how in (_truncate, _flip_a_bit):
      _damage(tmp_path, 7, how, name)
      assert 'cannot be read' in checkpoint.damage(directory), name
    (directory / name).unlink()
    assert f'{name} is missing' in checkpoint.damage(directory)
    (directory / name).write_bytes(whole)
  assert checkpoint.damage(directory) is None


def test_nothing_but_damaged_checkpoints_is_refused(
  finished, data_dir, tmp_path
):
  workdir = tmp_path / 'run'
  shutil.copytree(finished[0], workdir)
  for path in (workdir / 'checkpoints').iterdir():
    _damage(workdir, path.name, _flip_a_bit)
  with pytest.raises(errors.InputError, match='there is no earlier one'):
    train.train_and_evaluate(_config(), workdir, data_dir)


def test_arrays_of_another_meaning_are_refused(finished, data_dir, monkeypatch):
  monkeypatch.setattr(checkpoint, 'FORMAT', checkpoint.FORMAT + 1)
  with pytest.raises(errors.InputError, match=r'checkpoints/.* of format 2'):
    train.train_and_evaluate(_config(), finished[0], data_dir)


def _at_batch(monkeypatch, number, change):
  """Has `change` applied to the batch after step `number`, once."""
  put, calls = trainer_lib.Trainer.put, itertools.count()

  def changed(self, batch):
    return put(self, change(batch) if next(calls) == number else batch)

  monkeypatch.setattr(trainer_lib.Trainer, 'put', changed)


def test_sigterm_saves_and_training_goes_on_with_the_same_bits(
  finished, inputs, data_dir, tmp_path, monkeypatch
):
  workdir = tmp_path / 'run'

  def preempt(batch):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)  # until the listening thread has heard
    return batch

  with monkeypatch.context() as patch:
    _at_batch(patch, 33, preempt)
    stopped = train.train_and_evaluate(_config(), workdir, data_dir)
  assert stopped == {'stopped_at': 34}
  with checkpoint.Checkpoints(workdir) as checkpoints:
    assert checkpoints.latest() == 34
  monkeypatch.setattr(trainer_lib.Trainer, 'init', _no_fresh_start)
  assert train.train_and_evaluate(_config(), workdir, data_dir) == finished[1]
  _assert_same_bits(_restore(workdir, inputs), _restore(finished[0], inputs))
  # Byte for byte: no line is lost or written twice.
  ours, theirs = (d / runs.METRICS for d in (workdir, finished[0]))
  assert ours.read_bytes() == theirs.read_bytes()


def _children(pid):
  """The processes it has started -> their command lines."""
  found = {}
  for path in pathlib.Path(f'/proc/{pid}/task').glob('*/children'):
    for child in path.read_text().split():
      with contextlib.suppress(OSError):
        found[int(child)] = pathlib.Path(f'/proc/{child}/cmdline').read_text()
  return found


def _alive(pid):
  try:
    state = pathlib.Path(f'/proc/{pid}/stat').read_text()
  except FileNotFoundError:
    return False
  return state.rpartition(') ')[2][0] != 'Z'  # ended, but not waited for


def _ended(pids, seconds):
  """Waits until none of these processes lives."""
  deadline = time.monotonic() + seconds
  while any(map(_alive, pids)):
    assert time.monotonic() < deadline
    time.sleep(0.1)


@pytest.mark.slow
def test_processes_that_make_batches_end_with_training(data_dir, tmp_path):
  workdir, output = tmp_path / 'run', tmp_path / 'output'
  overrides = {**_OVERRIDES, 'opt.num_steps': 10**6}
  flags = [f'--config.{name}={value}' for name, value in overrides.items()]

  @contextlib.contextmanager
  def training():
    """Goes on for some steps; yields the process and its worker."""
    with output.open('w') as file:
      process = subprocess.Popen(
        [sys.executable, '-m', 'synth.train',
         '--config=configs/support.py:tiny', f'--workdir={workdir}',
         f'--data={data_dir}', '--grain_workers=1', *flags],
        cwd=_ROOT, stdout=file, stderr=file, start_new_session=True,
      )  # fmt: skip
    before, deadline = runs.read_metrics(workdir), time.monotonic() + 90
    try:
      while len(runs.read_metrics(workdir)) < len(before) + 3:
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)
      children = _children(process.pid)
      (worker,) = (pid for pid, line in children.items() if 'fork' in line)
      yield process, worker
      _ended(children, 30)
    finally:
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

  with training() as (process, worker):
    os.kill(worker, signal.SIGTERM)
    time.sleep(1)
    assert _alive(worker)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(60) == 0, output.read_text()
  # Python warns after it of shared memory, which it then frees.
  (line,) = (s for s in output.read_text().splitlines() if s[:2] == '{"')
  step = json.loads(line)['stopped_at']
  with checkpoint.Checkpoints(workdir) as checkpoints:
    assert checkpoints.latest() == step
  with training() as (process, worker):
    os.kill(worker, signal.SIGKILL)
    assert process.wait(60) == 2
  assert 'a process that makes batches was killed' in output.read_text()
  assert 'Traceback' not in output.read_text()
  with training() as (process, _):
    process.kill()
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize('whole_group', [False, True])
@pytest.mark.parametrize(
  'number, code', [(signal.SIGTERM, 0), (signal.SIGINT, 130)]
)
def test_a_signal_while_these_processes_start_ends_all(
  data_dir, tmp_path, number, code, whole_group
):
  output = tmp_path / 'output'
  flags = [f'--config.{name}={value}' for name, value in _OVERRIDES.items()]
  # Started in the background, it would ignore Ctrl-C, as we do then.
  old = signal.signal(signal.SIGINT, signal.default_int_handler)
  with output.open('w') as file:
    process = subprocess.Popen(
      [sys.executable, '-m', 'synth.train',
       '--config=configs/support.py:tiny', f'--workdir={tmp_path / "run"}',
       f'--data={data_dir}', '--grain_workers=2', '--grace_s=90', *flags],
      cwd=_ROOT, stdout=file, stderr=file, start_new_session=True,
    )  # fmt: skip
  signal.signal(signal.SIGINT, old)
  try:
    deadline = time.monotonic() + 90
    while not any('spawn_main' in c for c in _children(process.pid).values()):
      assert process.poll() is None, output.read_text()
      assert time.monotonic() < deadline
      time.sleep(0.01)
    time.sleep(0.5)
    children = _children(process.pid)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    assert process.wait(30) == code, output.read_text()
    _ended(children, 3)  # one that starts takes longer
  finally:
    with contextlib.suppress(ProcessLookupError):
      os.killpg(process.pid, signal.SIGKILL)
  assert 'Traceback' not in output.read_text()


_STUBBORN = """
import os, signal, threading, time
from synth.training import preemption
with preemption.Preemption(grace_s=0.3) as stop:
  assert not stop.requested(0) and not stop.requested(1)
  os.kill(os.getpid(), signal.SIGTERM)
  time.sleep(0.1)
  assert stop.requested(2)
  time.sleep(60)  # a step that does not end
"""


def test_a_stuck_process_ends_within_the_grace_period():
  process = subprocess.run(
    [sys.executable, '-c', _STUBBORN], cwd=_ROOT, capture_output=True,
    text=True, timeout=30, check=False,
  )  # fmt: skip
  assert process.returncode == 0, process.stderr
  assert 'the same command goes on' in process.stderr


_EARLY = """
import os, signal, time
from synth.training import preemption
with preemption.Preemption(grace_s=60) as stop:
  assert not stop.requested(7)  # where training goes on from
  os.kill(os.getpid(), signal.SIGTERM)
  time.sleep(50)
"""


def test_a_process_ends_at_once_if_it_has_not_taken_a_step():
  began = time.monotonic()
  process = subprocess.run(
    [sys.executable, '-c', _EARLY], cwd=_ROOT, capture_output=True,
    text=True, timeout=60, check=False,
  )  # fmt: skip
  assert process.returncode == 0, process.stderr
  assert time.monotonic() - began < 40
  assert 'there was nothing new to save' in process.stderr


def test_a_full_disk_gets_one_sentence(data_dir, inputs, tmp_path):
  with mounts.small(tmp_path / 'small', 'size=300k') as small:
    with pytest.raises(errors.InputError) as caught:
      train.train_and_evaluate(_config(), small / 'run', data_dir)
    wanted = f'{small}/run/checkpoints/{_SAVED}: No space left on device'
    assert str(caught.value) == f'cannot write checkpoint {wanted}'


def test_a_full_disk_told_at_the_end_gets_the_same_sentence(tmp_path):
  def close():
    raise OSError(28, 'No space left on device')

  with (
    pytest.raises(errors.InputError) as caught,
    checkpoint.Checkpoints(tmp_path) as checkpoints,
  ):
    checkpoints.save(7, {'x': np.zeros(3)}, {})
    really_close = checkpoints._manager.close
    checkpoints._manager.close = close
  really_close()
  wanted = f'{tmp_path}/checkpoints/7: No space left on device'
  assert str(caught.value) == f'cannot write checkpoint {wanted}'


@pytest.mark.parametrize('file, told', [('orbax/x.py', ''), ('x.py', 'left')])
def test_writes_that_fail_after_the_first_one_are_not_told(
  tmp_path, caplog, file, told
):
  async def save():
    code = compile('def write(): raise ValueError("left")', file, 'exec')
    exec(code, module := {})

    async def write():
      module['write']()

    future = asyncio.gather(write())
    await asyncio.sleep(0.01)
    del future  # nobody asks for it

  with checkpoint.Checkpoints(tmp_path):
    asyncio.run(save())
    gc.collect()
  assert told in caplog.text and bool(caplog.text) == bool(told)


def test_a_read_only_directory_gets_one_sentence(data_dir, inputs, tmp_path):
  with (
    mounts.small(tmp_path / 'fixed', 'ro') as fixed,
    pytest.raises(errors.InputError, match=r'\.train\.lock: Read-only'),
  ):
    train.train_and_evaluate(_config(), fixed / 'run', data_dir)


def test_two_trainings_in_one_directory_are_refused(tmp_path, data_dir):
  workdir = tmp_path / 'run'
  with (
    locks.exclusive(workdir / '.train.lock', '', wait=False) as held,
    pytest.raises(errors.InputError, match='another process is training'),
  ):
    assert held
    train.train_and_evaluate(_config(), workdir, data_dir)
  assert not list(workdir.iterdir())


def test_models_trained_together_are_those_trained_alone(inputs):
  together, state = _train(inputs, 8)
  assert np.abs(together[:, 0] - together[:, 1]).max() > 0.01
  for seed in (0, 1):
    alone, own = _train(inputs, 8, **{'train.num_seeds': 1, 'train.seed': seed})
    np.testing.assert_allclose(alone[:, 0], together[:, seed], atol=2e-5)
    jax.tree.map(
      lambda a, b, s=seed: np.testing.assert_allclose(a[0], b[s], atol=2e-4),
      own['params'],
      state['params'],
    )


_ARMS = ('train_s', 'train_c')


@pytest.fixture(scope='module')
def together(tmp_path_factory, inputs, data_dir):
  """Both arms trained in one program: the directory and what came of them."""
  workdir = tmp_path_factory.mktemp('both')
  return workdir, train.train_and_evaluate(
    _config(), workdir, data_dir, arms=_ARMS
  )


def test_arms_trained_together_are_runs_as_if_trained_alone(
  finished, together, inputs
):
  workdir, results = together
  assert list(results) == list(_ARMS)
  alone, wanted = finished  # of train_s
  assert results['train_s'].keys() == wanted.keys()
  assert _losses(workdir / 'train_s').keys() == _losses(alone).keys()
  early = {step: loss for step, loss in _losses(alone).items() if step <= 20}
  for step, loss_S in early.items():
    ours_S = _losses(workdir / 'train_s')[step]
    np.testing.assert_allclose(ours_S, loss_S, atol=1e-4)
  other_S = _losses(workdir / 'train_c')[10]
  assert np.abs(np.subtract(other_S, early[10])).min() > 1e-3
  for arm in _ARMS:
    record = runs.read_record(workdir / arm)
    assert record['config'] == _config(**{'data.arm': arm}).to_dict()
    assert record['together'] == list(_ARMS)
    assert runs.read_json(workdir / arm / runs.TRAINED) == results[arm]
    state, _ = _restore(workdir / arm, inputs)
    assert jax.tree.leaves(state['params'])[0].shape[0] == 2  # its own seeds


@pytest.mark.parametrize(
  'behind', [_ARMS[0], pytest.param(_ARMS[1], marks=pytest.mark.slow)]
)
def test_arms_go_on_from_a_step_that_all_have(
  together, inputs, data_dir, tmp_path, capfd, behind
):
  workdir = tmp_path / 'both'
  shutil.copytree(together[0], workdir)
  for path in workdir.glob('*/' + runs.TRAINED):
    path.unlink()
  _damage(workdir / behind, _STEPS, _flip_a_bit)
  again = train.train_and_evaluate(_config(), workdir, data_dir, arms=_ARMS)
  said = capfd.readouterr().err
  assert f'{behind}/checkpoints/{_STEPS} cannot be read' in said
  assert f'using that of step {_STEPS - _SAVED}' in said
  assert again == together[1]
  for arm in _ARMS:
    _assert_same_bits(
      _restore(workdir / arm, inputs)[0], _restore(together[0] / arm, inputs)[0]
    )
    assert _losses(workdir / arm) == _losses(together[0] / arm)


def test_arms_whose_checkpoints_are_not_of_one_training_are_refused(
  together, data_dir, tmp_path
):
  workdir = tmp_path / 'both'
  shutil.copytree(together[0], workdir)
  shutil.rmtree(workdir / 'train_c' / 'checkpoints')
  with pytest.raises(errors.InputError, match='no step in common'):
    train.train_and_evaluate(_config(), workdir, data_dir, arms=_ARMS)
  assert (workdir / 'train_s' / 'checkpoints' / str(_STEPS)).is_dir()
  with pytest.raises(errors.InputError, match='together'):
    train.train_and_evaluate(_config(), workdir / 'train_s', data_dir)


def test_a_start_that_is_refused_leaves_no_record(
  inputs, data_dir, finished, tmp_path
):
  large = _config(**{'data.batch_size': 10**5})
  with pytest.raises(errors.InputError, match='batch_size'):
    train.train_and_evaluate(large, tmp_path / 'one', data_dir)
  assert not (tmp_path / 'one').exists()
  # Nor that of the first arm, if the second is refused.
  behind = tmp_path / 'both' / 'train_c'
  behind.mkdir(parents=True)
  shutil.copy(finished[0] / runs.RECORD, behind)
  with pytest.raises(errors.InputError, match=r'train_c/run\.json'):
    train.train_and_evaluate(_config(), tmp_path / 'both', data_dir, arms=_ARMS)
  assert not (tmp_path / 'both' / 'train_s' / runs.RECORD).exists()


def test_the_only_checkpoint_of_a_finished_training_is_kept(
  together, tmp_path, capfd
):
  workdir = tmp_path / 'both'
  shutil.copytree(together[0], workdir)
  shutil.rmtree(workdir / 'train_c' / 'checkpoints')
  shutil.rmtree(workdir / 'train_s' / 'checkpoints' / str(_STEPS - _SAVED))
  (workdir / 'train_c' / runs.TRAINED).unlink()

  def newest_good():
    with (
      checkpoint.Checkpoints(workdir / 'train_s') as some,
      checkpoint.Checkpoints(workdir / 'train_c') as none,
    ):
      return checkpoint.newest_good([some, none])

  with pytest.raises(errors.InputError, match='no step in common') as error:
    newest_good()
  for arm in _ARMS:
    assert str(workdir / arm) in str(error.value)
  # It may be that of a kill during the first save.
  (workdir / 'train_s' / runs.TRAINED).unlink()
  assert newest_good() is None
  said = capfd.readouterr().err
  assert 'train_c/checkpoints has none' in said and 'starts anew' in said


@pytest.mark.slow
def test_an_arm_that_is_lost_does_not_stop_the_other(
  inputs, data_dir, tmp_path, monkeypatch, capfd
):
  _at_batch(monkeypatch, 6, lambda batch: _spoil(batch, [2, 3]))
  with pytest.raises(errors.InputError) as error:
    train.train_and_evaluate(_config(), tmp_path, data_dir, arms=_ARMS)
  assert str(error.value).startswith('arm train_c: the loss of seed 0 is not')
  # Frozen models are saved beside the others, but are no good.
  assert 'at step 7 ' in str(error.value)
  assert 'there is no checkpoint of before' in str(error.value)
  (said,) = (line for line in capfd.readouterr().err.splitlines()
             if 'arm train_c: the loss of seed 1' in line)  # fmt: skip
  assert 'no other seed is left, the other arms go on' in said
  assert not (tmp_path / 'train_c' / runs.TRAINED).exists()
  kept = runs.read_json(tmp_path / 'train_s' / runs.TRAINED)
  assert kept['steps'] == _STEPS
  assert kept['diverged'] == {}
  assert runs.read_metrics(tmp_path / 'train_c')[-1]['diverged'] == {
    '0': 7, '1': 7,
  }  # fmt: skip


@pytest.mark.slow
def test_other_models_train_together_and_in_parts_as_alone_and_whole(data_dir):
  others = test_sharding.OTHERS
  inputs = inputs_lib.load_or_build(_config(**others), data_dir)
  both = trainer_lib.Trainer(
    _config(**others, **{'opt.accumulation': 4}), inputs
  )
  one = trainer_lib.Trainer(
    _config(**others, **{'train.num_seeds': 1, 'train.seed': 1}), inputs
  )
  state = both.init()
  own = {
    **jax.tree.map(lambda leaf: leaf[1:], {**state, 'step': np.zeros(2)}),
    'step': jnp.copy(state['step']),
  }
  sources = [
    data.BatchSource(inputs, ('train_s',), trainer.seeds, 32, _STEPS)
    for trainer in (both, one)
  ]
  for step in range(6):
    state, together = both.step(state, both.put(sources[0][step]))
    own, alone = one.step(own, one.put(sources[1][step]))
    np.testing.assert_allclose(alone['loss'][0], together['loss'][1], atol=2e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a[0], b[1], atol=2e-4),
    own['params'],
    state['params'],
  )
  assert np.abs(together['loss'][0] - together['loss'][1]) > 1e-4


def test_each_model_starts_from_the_weights_of_its_seed(inputs):
  trainer = trainer_lib.Trainer(_config(), inputs)
  params = trainer.init()['params']
  init = jax.jit(lambda s: model_lib.init(trainer.shape, jax.random.key(s)))
  for place, seed in enumerate(trainer.seeds):
    jax.tree.map(
      lambda a, b, i=place: np.testing.assert_allclose(a[i], b, atol=1e-6),
      params,
      init(seed),
    )
  assert np.abs(params['embed'][0] - params['embed'][1]).min() > 0


def test_loss_is_the_mean_over_tokens_that_are_not_padding(inputs):
  trainer = trainer_lib.Trainer(_config(), inputs)
  state = trainer.init()
  params = jax.tree.map(jnp.zeros_like, state['params'])
  bias_SxV = np.random.default_rng(0).standard_normal((2, 11))
  params['head']['bias'] = jnp.asarray(bias_SxV, jnp.float32)
  batch = data.make_batch(inputs, inputs.split.dev, np.zeros((6, 5)))
  logprob_SxV = bias_SxV - np.log(np.exp(bias_SxV).sum(1, keepdims=True))
  target = batch['target'][batch['target'] != tokens.PAD]
  assert tokens.EOS in target
  wanted_S = -logprob_SxV[:, target].mean(axis=1)
  np.testing.assert_allclose(trainer.losses(params, batch), wanted_S, atol=1e-5)


def _spoil(batch, models):
  spec = np.array(batch['spec'])
  spec[models] = np.nan
  return {**batch, 'spec': spec}


def test_a_diverged_model_is_frozen_and_the_other_does_not_notice(
  finished, inputs, data_dir, tmp_path, monkeypatch, capsys
):
  workdir = tmp_path / 'run'
  frozen = _train(inputs, 15)[1]
  _at_batch(monkeypatch, 15, lambda batch: _spoil(batch, [1]))
  result = train.train_and_evaluate(_config(), workdir, data_dir)
  assert result['diverged'] == {'1': 16}
  assert capsys.readouterr().err.count('seed 1 is not finite at step 16') == 1
  ours, theirs = _restore(workdir, inputs)[0], _restore(finished[0], inputs)[0]
  for name in ('params', 'opt'):
    healthy = jax.tree.map(lambda x: x[0], ours[name])
    _assert_same_bits(healthy, jax.tree.map(lambda x: x[0], theirs[name]))
    stopped = jax.tree.map(lambda x: x[1], ours[name])
    _assert_same_bits(stopped, jax.tree.map(lambda x: x[1], frozen[name]))
  rows = [json.loads(line, parse_constant=pytest.fail)
          for line in (workdir / runs.METRICS).open()]  # fmt: skip
  logged = [row for row in rows if 'loss' in row]
  assert [row.get('diverged') for row in logged] == [None] + [{'1': 16}] * 11
  assert result['loss'] == pytest.approx(logged[-1]['loss'][0])


def test_a_run_whose_models_have_all_diverged_stops(
  data_dir, inputs, tmp_path, monkeypatch
):
  workdir = tmp_path / 'run'
  _at_batch(monkeypatch, 25, lambda batch: _spoil(batch, [0, 1]))
  with pytest.raises(errors.InputError) as caught:
    train.train_and_evaluate(_config(), workdir, data_dir)
  for part in ('seed 0', 'step 26', 'last good checkpoint is of step 20'):
    assert part in str(caught.value)
  with checkpoint.Checkpoints(workdir) as checkpoints:
    assert checkpoints.latest() == 20
  rows = runs.read_metrics(workdir)
  assert rows[-1]['diverged'] == {'0': 26, '1': 26}


@pytest.mark.slow
def test_all_arms_that_are_lost_are_named(
  inputs, data_dir, tmp_path, monkeypatch
):
  at = {22: [2, 3], 44: [0, 1]}
  put, calls = trainer_lib.Trainer.put, itertools.count()
  monkeypatch.setattr(
    trainer_lib.Trainer,
    'put',
    lambda self, batch: put(self, _spoil(batch, at.get(next(calls), []))),
  )
  with pytest.raises(errors.InputError) as error:
    train.train_and_evaluate(_config(), tmp_path, data_dir, arms=_ARMS)
  said = str(error.value)
  assert 'arm train_s: the loss of seed 0 is not finite at step 45' in said
  assert 'arm train_c: the loss of seed 0 is not finite at step 23' in said
  for step in (20, 40):
    assert f'the last good checkpoint is of step {step}' in said


@pytest.mark.parametrize(
  'key, value',
  [('opt.lr', 0.5), ('train.seed', 7), ('model.N', 2), ('eval.seed', 1)],
)
def test_resuming_with_another_config_names_the_key(
  finished, data_dir, key, value
):
  workdir, _ = finished
  old = support_config.get_config('tiny').to_dict()[key.split('.')[0]]
  old = old[key.split('.')[1]]
  with pytest.raises(errors.InputError) as caught:
    train.train_and_evaluate(_config(**{key: value}), workdir, data_dir)
  message = str(caught.value)
  assert f'config.{key}={old!r}, not {value!r}' in message
  assert '\n' not in message


def test_resuming_with_another_universe_is_refused(finished, tmp_path):
  workdir, _ = finished
  config = _config(**{'universe.seed': 3})
  with pytest.raises(errors.InputError, match=r'universe\.seed=0, not 3'):
    train.train_and_evaluate(config, workdir, tmp_path)


def test_resuming_with_inputs_that_were_made_anew_is_refused(
  finished, data_dir, tmp_path
):
  workdir = tmp_path / 'run'
  shutil.copytree(finished[0], workdir)
  record = runs.read_json(workdir / runs.RECORD)
  split = record['inputs_sha256']['split']
  record['inputs_sha256']['split'] = 'x' + split[1:]
  runs.write_json(workdir / runs.RECORD, record)
  with pytest.raises(errors.InputError, match=r'inputs_sha256\.split='):
    train.train_and_evaluate(_config(), workdir, data_dir)


def test_checkpoints_say_themselves_what_run_they_are_of(
  finished, data_dir, tmp_path
):
  workdir = tmp_path / 'run'
  shutil.copytree(finished[0], workdir)
  (workdir / runs.RECORD).unlink()
  other = _config(**{'opt.lr': 0.5})
  with pytest.raises(errors.InputError) as error:
    train.train_and_evaluate(other, workdir, data_dir)
  assert f'checkpoints/{_STEPS} is a run with config.opt.lr=0.003, not 0.5' in (
    str(error.value)
  )
  assert not (workdir / runs.RECORD).exists()  # it would be in the way
  again = train.train_and_evaluate(_config(), workdir, data_dir)
  assert again == finished[1]
  record, wanted = (d / runs.RECORD for d in (workdir, finished[0]))
  assert runs.read_json(record)['config'] == runs.read_json(wanted)['config']


def test_checkpoints_of_which_nothing_tells_their_run_are_refused(
  finished, data_dir, tmp_path, monkeypatch
):
  workdir = tmp_path / 'run'
  shutil.copytree(finished[0], workdir)
  restore = checkpoint.Checkpoints.restore

  def silent(self, step, like):  # as those of older versions
    state, meta = restore(self, step, like)
    return state, {key: meta[key] for key in meta if key != 'run'}

  monkeypatch.setattr(checkpoint.Checkpoints, 'restore', silent)
  assert train.train_and_evaluate(_config(), workdir, data_dir) == finished[1]
  (workdir / runs.RECORD).unlink()
  with pytest.raises(errors.InputError, match='may be of another run'):
    train.train_and_evaluate(_config(), workdir, data_dir)
  assert not (workdir / runs.RECORD).exists()


@pytest.mark.parametrize(
  'name, content, error',
  [
    (runs.RECORD, '[]', 'run.json is not the record of a run'),
    (runs.RECORD, '{"config": {}}', 'run.json is not the record of a run'),
    (runs.METRICS, '{"step": 10}\n{"st\n{"step": 20}\n', 'line 2 is no JSON'),
    (runs.METRICS, '{"step": 10}\n{"loss": [1]}\n', 'line 2 has no step'),
    (runs.METRICS, '', 'metrics.jsonl holds no loss'),
  ],
)
def test_damaged_files_of_a_run_get_one_sentence_and_stay(
  finished, data_dir, tmp_path, name, content, error
):
  workdir = tmp_path / 'run'
  shutil.copytree(finished[0], workdir)
  (workdir / name).write_text(content)
  with pytest.raises(errors.InputError, match=error):
    train.train_and_evaluate(_config(), workdir, data_dir)
  assert (workdir / name).read_text() == content


def test_a_run_may_go_on_with_another_mesh(finished, data_dir):
  config = _config(**{'mesh.data': 1})  # what 0 is on one device
  assert train.train_and_evaluate(config, finished[0], data_dir) == finished[1]


@pytest.mark.parametrize(
  'overrides, named',
  [
    ({'data.arm': 'train_x'}, "did you mean 'train_"),
    ({'data.batch_size': 1000}, 'batch_size=1000 exceeds'),
    ({'data.batch_size': 10**12}, 'batch_size=1000000000000 exceeds'),
    ({'model.H': 5}, r'model\.D=32 .*model\.H=5'),
    ({'mesh.data': 3}, 'data=3 .*number of devices, 1'),
    ({'opt.accumulation': 5}, 'batch_size=32 cannot be cut into 5 parts'),
    ({'opt.schedule': 'linear'}, "unknown opt.schedule 'linear'"),
    ({'model.mlp': 'silu'}, "unknown model.mlp 'silu'"),
    ({'data.specification': 'raw'}, "unknown data.specification 'raw'"),
    ({'opt.decay_share': 1.5}, 'decay_share=1.5 must be at most 1'),
    ({'opt.b2': 1.0}, 'opt.b2=1.0 must be below 1'),
    ({'opt.lr': float('nan')}, 'opt.lr=nan must be finite'),
    ({'train.seed': 2**32 - 1}, r'train.seed=4294967295 .* beyond 2\*\*32'),
    ({'data.programs': 'first'}, "unknown data.programs 'first'"),
  ],
)
def test_impossible_settings_are_refused(
  data_dir, inputs, tmp_path, overrides, named
):
  with pytest.raises(errors.InputError, match=named):
    train.train_and_evaluate(_config(**overrides), tmp_path / 'run', data_dir)
  assert not (tmp_path / 'run' / 'metrics.jsonl').exists()


@pytest.mark.slow
def test_every_key_of_the_config_is_read(tmp_path, monkeypatch):
  """Reads of leaves in a run and its evaluation, but for those of every key."""
  read, kept, paths, paused = set(), [], {}, []
  getitem = ml_collections.ConfigDict.__getitem__

  def recording(self, key):
    value = getitem(self, key)
    path = paths.get(id(self), '') + key
    if isinstance(value, ml_collections.ConfigDict):
      kept.append(value)  # so that no other object gets its id
      paths[id(value)] = path + '.'
    elif not paused:
      read.add(path)
    return value

  def silent(function):
    def wrapped(config, *parts):
      paused.append(True)
      try:
        return function(config, *parts)
      finally:
        paused.pop()

    return wrapped

  config = _config()
  flat = set(store.flat(config.to_dict()))
  monkeypatch.setattr(ml_collections.ConfigDict, '__getitem__', recording)
  for name in ('plain', 'check'):
    monkeypatch.setattr(settings, name, silent(getattr(settings, name)))
  # It refuses what evaluation could not read, and does nothing with it.
  monkeypatch.setattr(train, 'check', silent(train.check))
  # The numbers of steps cannot be less without compiling anew.
  train.train_and_evaluate(config, tmp_path)
  in_training = set(read)
  evaluate.evaluate(tmp_path)
  monkeypatch.undo()
  assert flat - read == set()
  assert read - flat == set()
  assert {k for k in flat if k.startswith('eval.')} & in_training == set()
