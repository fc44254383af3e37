"""Files of a run: what is damaged is refused, what made them is told."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from synth import runs


def test_arrays_that_are_not_whole_are_refused_wherever_they_are_damaged(
  tmp_path,
):
  path = tmp_path / 'a.npz'
  rng = np.random.default_rng(0)
  arrays = {'one': rng.integers(0, 9, 200), 'two': rng.random((3, 4))}
  runs.write_arrays(path, arrays)
  whole = path.read_bytes()
  refused = 0
  for number in range(400):
    data = bytearray(whole)
    start = int(rng.integers(len(data)))
    if number % 3 == 0:
      data = data[:start]
    else:
      data[start : start + int(rng.integers(1, 60))] = rng.bytes(8)
    path.write_bytes(data)
    try:
      runs.read_arrays(path)  # not all bytes matter
    except runs.RunError as error:
      refused += 1
      assert str(path) in str(error) and '\n' not in str(error)
  assert refused > 300


def test_what_is_nested_too_deep_is_refused_like_other_damage(tmp_path):
  deep = '[' * 100_000
  (tmp_path / runs.METRICS).write_text(f'{{"step": 1}}\n{deep}\n{{"step": 2}}')
  (tmp_path / runs.RECORD).write_text(deep)
  with pytest.raises(runs.RunError, match='line 2 is no JSON object'):
    runs.read_metrics(tmp_path)
  with pytest.raises(runs.RunError, match=r'run\.json cannot be read'):
    runs.read_record(tmp_path)


def test_versions_tell_the_commit_and_whether_files_differ_from_it(tmp_path):
  source = pathlib.Path(runs.__file__).parent
  package = tmp_path / 'synth'
  package.mkdir()
  for name in ('__init__', 'errors', 'runs', 'settings', 'store'):
    shutil.copy(source / f'{name}.py', package)

  def git(*arguments):
    who = ('-c', 'user.name=a', '-c', 'user.email=a@b')
    return subprocess.run(
      ['git', *who, *arguments],
      cwd=tmp_path,
      check=True,
      capture_output=True,
      text=True,
    ).stdout.strip()

  def told():
    return subprocess.run(
      [
        *(sys.executable, '-c'),
        'from synth import runs; print(runs.versions().get("commit"))',
      ],
      cwd=tmp_path,
      env={**os.environ, 'PYTHONPATH': str(tmp_path)},
      check=True,
      capture_output=True,
      text=True,
    ).stdout.strip()

  assert told() == 'None'
  git('init', '-q')
  git('add', 'synth')
  git('commit', '-qm', 'first')
  head = git('rev-parse', '--short=12', 'HEAD')
  (tmp_path / 'notes').write_text('not of the code')
  assert told() == head
  with (package / 'errors.py').open('a') as file:
    file.write('# changed')
  assert told() == f'{head}+'
