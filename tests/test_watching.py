"""What is written while a run goes on."""

import importlib
import json
import struct
import sys
import threading
import time

import jax
import pytest

from synth import errors
from synth import flops
from synth import progress
from synth import runs
from synth.training import watching
from tests import mounts


def _watch(workdir, start=0, **options):
  return watching.Watch(
    workdir, start, 20, 100, 4000, watching.Options(**options)
  )


def _log(workdir, start=0, **options):
  return watching.Log(workdir, start, watching.Options(**options))


def test_metrics_are_json_even_when_a_loss_is_not_a_number(tmp_path):
  with _log(tmp_path) as log:
    log.write(3, {'loss': [1.5, float('nan')], 'diverged': {'7': 3}})
  line = (tmp_path / runs.METRICS).read_text()
  assert json.loads(line, parse_constant=pytest.fail) == {
    'step': 3, 'loss': [1.5, None], 'diverged': {'7': 3},
  }  # fmt: skip


def test_progress_says_tokens_a_second(tmp_path, capsys):
  with _watch(tmp_path) as watch:
    watch.show(20, 1.25)
  said = capsys.readouterr().err
  assert 'loss 1.250' in said and 'tokens/s' in said and 'FLOP/s' in said


def test_speed_is_that_since_it_was_last_told(tmp_path, monkeypatch, capsys):
  clock = [100.0]
  monkeypatch.setattr(watching.time, 'monotonic', lambda: clock[0])
  monkeypatch.setattr(progress.time, 'monotonic', lambda: clock[0])
  with _watch(tmp_path) as watch:
    clock[0] += 60  # compiles
    watch.show(10, 1.5)
    clock[0] += 2
    watch.show(20, 1.25)
  said = capsys.readouterr().err
  assert ' 500 tokens/s' in said.splitlines()[-1]  # 10 steps of 100 in 2 s


def test_a_missing_tensorboard_package_gets_one_sentence(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'tensorboardX', None)
  with pytest.raises(errors.InputError, match='needs the package tensorboardX'):
    _log(tmp_path, tensorboard=True)


def _events(workdir):
  """Scalars of the event files: (tag, step) -> value, in order of writing.

  A file is records: length (8 bytes, little-endian), its checksum (4), the
  Event message, its checksum (4).
  """
  event_pb2 = importlib.import_module('tensorboardX.proto.event_pb2')
  found = []
  for path in sorted(workdir.glob('events.out.*')):
    content, place = path.read_bytes(), 0
    while place < len(content):
      (length,) = struct.unpack_from('<Q', content, place)
      event = event_pb2.Event.FromString(
        content[place + 12 : place + 12 + length]
      )
      place += 16 + length
      found += [(v.tag, event.step, v.simple_value)
                for v in event.summary.value]  # fmt: skip
      if event.HasField('session_log'):
        found.append(('purged', event.step, None))
  return found


def test_event_files_hold_what_metrics_do(tmp_path):
  pytest.importorskip('tensorboardX')  # of `.[dev]` and `.[tensorboard]`
  with _log(tmp_path, tensorboard=True) as log:
    log.write(3, {'loss': [1.5, float('nan')]})
    log.write(4, {'loss': [1.25, 2.0], 'diverged': {'7': 3}})
  values = [event for event in _events(tmp_path) if event[0] != 'purged']
  assert values == [
    ('loss/model0', 3, 1.5),
    ('loss/model0', 4, 1.25),
    ('loss/model1', 4, 2.0),
  ]


def test_events_of_steps_that_are_repeated_are_purged(tmp_path):
  pytest.importorskip('tensorboardX')
  with _log(tmp_path, tensorboard=True) as log:
    log.write(4, {'loss': [1.5]})
  with _log(tmp_path, start=3, tensorboard=True) as log:
    log.write(4, {'loss': [1.5]})
  assert ('purged', 4, None) in _events(tmp_path)


def test_files_are_closed_at_the_end(tmp_path):
  with _log(tmp_path) as log:
    log.write(3, {'loss': [1.5]})
  with pytest.raises(ValueError, match='closed file'):
    log.write(4, {'loss': [1.5]})


@pytest.mark.parametrize('tensorboard', [False, True])
def test_a_full_disk_gets_one_sentence_and_no_thread_waits(
  tmp_path, tensorboard
):
  pytest.importorskip('tensorboardX')
  threads = threading.active_count()
  with (
    mounts.small(tmp_path / 'small', 'size=16k') as small,
    pytest.raises(runs.RunError) as caught,
    _log(small, tensorboard=tensorboard) as log,
  ):
    for step in range(1000):
      log.write(step, {f'loss{i}': [1.5] for i in range(20)})
  wanted = f'cannot write {"events in " if tensorboard else ""}{small}'
  assert str(caught.value).startswith(wanted)
  assert str(caught.value).endswith(': No space left on device')
  assert threading.active_count() <= threads


@pytest.mark.parametrize('ended', [False, True])
def test_a_trace_that_cannot_be_written_gets_one_sentence(
  tmp_path, monkeypatch, ended
):
  def stop():
    raise jax.errors.JaxRuntimeError(
      'RESOURCE_EXHAUSTED: /run/vm.xplane.pb; No space left on device'
    )

  monkeypatch.setattr(jax.profiler, 'start_trace', lambda path: None)
  monkeypatch.setattr(jax.profiler, 'stop_trace', stop)
  wanted = f'cannot write {tmp_path / watching.PROFILE}: No space left on devi'
  with (
    pytest.raises(errors.InputError, match='diverged' if ended else wanted),
    _watch(tmp_path, profile=True) as watch,
  ):
    for step in range(8):
      watch.before(step)
    if ended:  # this is told, not what comes of it
      raise errors.InputError('diverged')


def test_processes_of_one_host_do_not_write_one_trace(tmp_path, monkeypatch):
  places = []
  monkeypatch.setattr(jax.profiler, 'start_trace', places.append)
  monkeypatch.setattr(jax.profiler, 'stop_trace', lambda: None)
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  for number in range(2):
    monkeypatch.setattr(jax, 'process_index', lambda n=number: n)
    with _watch(tmp_path, profile=True) as watch:
      for step in range(8):
        watch.before(step)
  one, other = places
  assert one != other and one.startswith(str(tmp_path / watching.PROFILE))


@pytest.mark.parametrize('start, steps', [(0, 20), (7, 20), (12, 20), (18, 20)])
def test_a_profile_is_of_steps_after_the_first(
  tmp_path, monkeypatch, capsys, start, steps
):
  seen, now = [], []
  for name in ('start_trace', 'stop_trace'):
    monkeypatch.setattr(
      jax.profiler, name, lambda *a, n=name: seen.append((n, *now))
    )
  with _watch(tmp_path, start, profile=True) as watch:
    for step in range(start, steps):
      now[:] = [step]
      watch.before(step)
  wanted = [('start_trace', start + 5), ('stop_trace', min(start + 10, 19))]
  assert seen == (wanted if start + 5 < steps else [])
  warning = '--profile writes nothing: it begins after 5 steps (left: 2)'
  said = capsys.readouterr().err
  assert (warning in said and said.count('\n') == 1) == (not seen)


def test_utilization_is_of_the_peak_of_the_device(
  tmp_path, monkeypatch, capsys
):
  monkeypatch.setattr(flops, 'peak', lambda: 4e9)
  with _watch(tmp_path) as watch:
    monkeypatch.setattr(watch, '_shown', (0, time.monotonic() - 10))
    watch.show(20, 1.0)  # 20 steps of 4,000 operations in 10 s, of 4e9 a second
  assert 'MFU 0.0%' in capsys.readouterr().err
  monkeypatch.setattr(flops, 'peak', lambda: 16_000.0)
  with _watch(tmp_path) as watch:
    monkeypatch.setattr(watch, '_shown', (0, time.monotonic() - 10))
    watch.show(20, 1.0)
  assert 'MFU 50.0%' in capsys.readouterr().err
