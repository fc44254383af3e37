"""All benchmarks of an accelerator in one call."""

import sys
import time

import pytest

from benchmarks import accelerator
from benchmarks import interpreter
from synth import runs

_LIMITS = {'bytes_per_second': 1e9, 'operations_per_second': 1e9}


def test_one_that_fails_stops_no_other_and_is_tried_again(
  tmp_path, monkeypatch
):
  names = list(accelerator.BENCHMARKS)
  commands = {
    tuple(accelerator.command(b, tmp_path, _LIMITS)): name
    for name, b in accelerator.BENCHMARKS.items()
  }
  assert len(commands) == len(names)
  tried, fails = [], {names[1]}

  def attempt(words, seconds):
    tried.append(commands[tuple(words)])
    return {'exit': '1' if tried[-1] in fails else '0'}

  monkeypatch.setattr(accelerator, 'attempt', attempt)
  assert accelerator.run_all(tmp_path, _LIMITS) == [f'{names[1]} (1)']
  assert tried == names
  fails.clear()
  assert accelerator.run_all(tmp_path, _LIMITS) == []
  assert tried == [*names, names[1]]
  ended = runs.read_json(tmp_path / 'accelerator.json')
  assert {how['exit'] for how in ended.values()} == {'0'}


def test_nothing_is_begun_without_time(tmp_path, monkeypatch):
  monkeypatch.setattr(accelerator, 'attempt', lambda *_: pytest.fail())
  lacking = accelerator.run_all(tmp_path, _LIMITS, time_budget=10.0)
  assert len(lacking) == len(accelerator.BENCHMARKS)
  assert all(name.endswith('(not begun)') for name in lacking)


def test_a_failure_keeps_its_last_words_and_a_long_one_is_stopped():
  failed = accelerator.attempt(
    [sys.executable, '-c', 'raise SystemExit("no such card")'], 60
  )
  assert failed['exit'] == '1' and 'no such card' in failed['stderr']
  late = accelerator.attempt(
    [sys.executable, '-c', 'import time; time.sleep(60)'], 0.5
  )
  assert late['exit'] == 'out of time' and late['seconds'] < 30


def test_what_is_stopped_leaves_no_workers(tmp_path):
  worker = f'import time; time.sleep(3); open({str(tmp_path / "left")!r}, "w")'
  code = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, '-c', {worker!r}])
time.sleep(60)
"""
  late = accelerator.attempt([sys.executable, '-c', code], 1.0)
  assert late['exit'] == 'out of time'
  time.sleep(3.5)
  assert not (tmp_path / 'left').exists()


def test_bytes_and_operations_of_programs():
  seconds = {'batch': {'wall': 1.0}}
  # (x + 1) * x: two numbers written, one read by the node above, the other
  # read and written as the value.
  row = {'nodes': 5, 'programs': 1, 'points': 10, 'seconds': seconds}
  found = interpreter.bound(row, 400.0, 1000.0)
  assert found == {'binding': 'memory bandwidth', 'share': 200 / 400}
  found = interpreter.bound(row, 1e9, 40.0)
  assert found == {'binding': 'arithmetic', 'share': 20 / 40}
