"""Files of a run: what is damaged is refused, what made them is told."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from synth import runs
from synth import store


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


def test_a_result_that_was_changed_anywhere_is_refused(tmp_path):
  path = tmp_path / runs.RESULT
  facts = {'pass@1': {'dev': (0.25, 0.1)}, 'by_k': {1: [0.5, None]}, 'n': 3}
  runs.write_sealed(path, facts)
  assert runs.read_json(path) == json.loads(json.dumps(facts))
  whole = path.read_text()
  for before, after in (('0.25', '0.35'), ('0.5', 'null'), ('"n"', '"m"')):
    path.write_text(whole.replace(before, after))
    with pytest.raises(runs.RunError, match=r'result\.json was changed'):
      runs.read_json(path)
  path.write_text(json.dumps(facts))  # as older versions wrote it
  assert runs.read_json(path)['n'] == 3


def test_samples_of_another_evaluation_are_refused(tmp_path):
  arrays = {'dev_outcome': np.zeros(3, np.int8)}
  runs.write_arrays(tmp_path / runs.SAMPLES, arrays)
  of = {runs.SAMPLES: store.sha256_of_file(tmp_path / runs.SAMPLES)}
  assert 'dev_outcome' in runs.read_written(
    tmp_path, runs.SAMPLES, {'files_sha256': of}
  )
  runs.write_arrays(tmp_path / runs.SAMPLES, {'dev_outcome': np.ones(3)})
  runs.read_written(tmp_path, runs.SAMPLES, {})  # older results do not tell
  with pytest.raises(runs.RunError, match=r'samples\.npz is not what .*result'):
    runs.read_written(tmp_path, runs.SAMPLES, {'files_sha256': of})


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


def test_what_runs_from_where_it_lies_has_no_version(monkeypatch):
  monkeypatch.setattr(runs, '_PACKAGES', ('numpy', 'no-such-package'))
  versions = runs.versions()
  assert versions['no-such-package'] == 'not installed'
  assert versions['numpy'] == np.__version__
