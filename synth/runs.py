"""A run's directory: its record, its metrics, its result.

run.json        config, hashes of the inputs, versions, parameter counts
metrics.jsonl   one JSON object a line: step and what was measured at it
checkpoints/    see `synth.training.checkpoint`
train.json      what training came to; there once it has reached its end
result.json     written by `synth.evaluate`
samples.npz     what the models wrote, written by `synth.evaluate`
records.npz     what became of each distinct sample
                (`synth.evaluation.sample_records`)
evaluation/     what is done of an evaluation that is not finished
baselines.json  what needs no model, written by `synth.baselines`
search.json     what search has found, written by `synth.search`
"""

from collections.abc import Mapping
import contextlib
import functools
import importlib.metadata
import json
import os
import pathlib
import platform
import struct
import subprocess
from typing import Any
import zipfile
import zlib

import numpy as np

from synth import errors
from synth import settings
from synth import store

RECORD, METRICS, TRAINED, RESULT, SAMPLES, RECORDS, PARTS = (
  'run.json',
  'metrics.jsonl',
  'train.json',
  'result.json',
  'samples.npz',
  'records.npz',
  'evaluation',
)
BASELINES, SEARCH = 'baselines.json', 'search.json'
_SEAL = 'contents_sha256'  # of everything else in the file
_PACKAGES = (
  'synth',
  'jax',
  'jaxlib',
  'flax',
  'optax',
  'orbax-checkpoint',
  'grain',
  'numpy',
)


class RunError(errors.InputError):
  """A directory that is no run, or a run of something else."""


def versions() -> dict[str, str]:
  """Versions of Python and of the packages that shape a result.

  Of synth the commit, too, if it runs from a clone: `commit`, which ends in `+`
  if files that git knows differ from it. What is run from where it lies, as
  from a directory in PYTHONPATH, is 'not installed'.
  """
  return {
    'python': platform.python_version(),
    **{name: _version(name) for name in _PACKAGES},
    **_commit(),
  }


def _version(package: str) -> str:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return 'not installed'


@functools.cache
def _commit() -> dict[str, str]:
  root = pathlib.Path(__file__).parents[1]
  if not (root / '.git').exists():
    return {}
  try:
    head, changes = (
      subprocess.run(
        ['git', '--no-optional-locks', '-C', str(root), *arguments],
        capture_output=True,
        check=True,
        text=True,
      ).stdout.strip()
      for arguments in (
        ('rev-parse', '--short=12', 'HEAD'),
        ('status', '--porcelain', '--untracked-files=no'),
      )
    )
  except (OSError, subprocess.CalledProcessError):  # no git, or it refuses
    return {}
  return {'commit': f'{head}+' if changes else head}


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a text file whole or not at all.

  Raises:
    RunError: names the path and the reason.
  """
  if not path.name:
    raise RunError(f'{path} is a directory, no file to write')
  scratch = path.with_name(f'.{path.name}.{os.getpid()}')
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch.write_text(text, encoding='utf-8')
    os.replace(scratch, path)
  except OSError as error:
    with contextlib.suppress(OSError):
      scratch.unlink()
    raise RunError(f'cannot write {path}: {error.strerror}') from None


def write_json(path: pathlib.Path, value: Any) -> None:
  """Writes a JSON file whole or not at all.

  Raises:
    RunError: names the path and the reason.
  """
  write_text(path, json.dumps(value, indent=1) + '\n')


def write_sealed(path: pathlib.Path, facts: Mapping[str, Any]) -> None:
  """`write_json` with a hash of the facts, which `read_json` compares.

  Raises:
    RunError: names the path and the reason.
  """
  read = json.loads(json.dumps(facts))  # as they will be: keys are strings
  write_json(path, {**facts, _SEAL: store.content_hash(read)})


def write_arrays(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
  """Writes an .npz file whole or not at all.

  Raises:
    RunError: names the path and the reason.
  """
  scratch = path.with_name(f'.{path.stem}.{os.getpid()}.npz')
  try:
    np.savez_compressed(scratch, allow_pickle=False, **arrays)
    scratch.replace(path)
  except OSError as error:
    with contextlib.suppress(OSError):
      scratch.unlink()
    raise RunError(f'cannot write {path}: {error.strerror}') from None


# What reading an .npz file raises that is cut, overwritten or something else.
_NOT_WHOLE = (
  OSError,
  ValueError,
  EOFError,
  KeyError,
  RuntimeError,
  SyntaxError,
  struct.error,
  zipfile.BadZipFile,
  zlib.error,
)


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Reads an .npz file whole.

  Raises:
    RunError: names the path and the reason.
  """
  try:
    with np.load(path, allow_pickle=False) as archive:
      return dict(archive)
  except _NOT_WHOLE as error:
    raise RunError(f'{path} cannot be read: {error}') from None


def read_written(
  workdir: pathlib.Path, name: str, result: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  """Reads `SAMPLES` or `RECORDS` of the evaluation that a result is of.

  Raises:
    RunError: if it cannot be read, or is of another one (older results do not
      tell).
  """
  path = workdir / name
  arrays = read_arrays(path)
  told = result.get('files_sha256', {}).get(name)
  if told is not None and told != store.sha256_of_file(path):
    raise RunError(
      f'{path} is not what {workdir / RESULT} is of: evaluate again'
    )
  return arrays


def read_json(path: pathlib.Path) -> Any:
  """Reads a JSON file of a run, without its seal.

  Raises:
    RunError: names the path and the reason: missing, damaged, or not what its
      seal is of (files without one, as older ones are, are taken as they are).
  """
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError:
    hint = ': train it first' if path.name == RECORD else ''
    raise RunError(f'no {path.name} in {path.parent}{hint}') from None
  except (OSError, ValueError, RecursionError) as error:
    raise RunError(f'{path} cannot be read: {error}') from None
  seal = found.pop(_SEAL, None) if isinstance(found, dict) else None
  if seal is not None and seal != store.content_hash(found):
    raise RunError(f'{path} was changed: its {_SEAL} is of other contents')
  return found


def read_format(path: pathlib.Path, number: int, what: str) -> dict[str, Any]:
  """Reads a JSON file of one format.

  Args:
    path: The file.
    number: What its `format` must be.
    what: What it is, for messages.

  Raises:
    RunError: if it is missing, damaged or of another format.
  """
  found = read_json(path)
  if not isinstance(found, dict) or found.get('format') != number:
    raise RunError(f'{path} is no {what} of format {number}')
  return found


def read_record(workdir: pathlib.Path) -> dict[str, Any]:
  """Reads run.json.

  Raises:
    RunError: if it is missing, damaged or not the record of a run.
  """
  path = workdir / RECORD
  record = read_json(path)
  kinds = {
    'config': dict,
    'inputs_sha256': dict,
    'params': dict,
    'data_dir': str,
  }
  if not isinstance(record, dict) or not all(
    isinstance(record.get(key), kind) for key, kind in kinds.items()
  ):
    raise RunError(f'{path} is not the record of a run')
  try:
    settings.check(record['config'], *settings.PARTS)
  except errors.InputError as error:
    raise RunError(f'{path}: {error}') from None
  return record


def read_result(workdir: pathlib.Path) -> dict[str, Any]:
  """What an evaluation of all test sets of a run came to.

  Raises:
    RunError: if it cannot be read, or is of some test sets.
  """
  path = workdir / RESULT
  result = read_json(path)
  if not (isinstance(result, dict) and isinstance(result.get('items'), dict)):
    raise RunError(f'{path} is not a result')
  tests = result.get('tests', 'all')
  if tests != 'all':
    raise RunError(
      f'{path} is of {", ".join(tests)} alone: evaluate without --tests'
    )
  return result


def is_evaluated(workdir: pathlib.Path) -> bool:
  """Whether there is a result, and of the end of training."""
  path = workdir / RESULT
  return path.exists() and _is_final(workdir, read_json(path))


def check_final(workdir: pathlib.Path, result: Mapping[str, Any]) -> None:
  """Refuses a result from before the end of training.

  Raises:
    RunError: tells of which step it is.
  """
  if not _is_final(workdir, result):
    raise RunError(
      f'{workdir / RESULT} is of step {result["step"]} of '
      f'{result["config"]["opt"]["num_steps"]}: evaluate again'
    )


def _is_final(workdir: pathlib.Path, result: Mapping[str, Any]) -> bool:
  try:
    return bool(result['step'] >= result['config']['opt']['num_steps'])
  except (KeyError, TypeError):
    raise RunError(f'{workdir / RESULT} is not a result') from None


def check_resumable(
  path: pathlib.Path, old: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
  """Refuses to go on with a run of another config or other inputs.

  The mesh may be another: it decides how fast a run is, and how sums are
  rounded.

  Args:
    path: Where `old` is from.
    old, new: With `config` and other facts, those of `new` alone.

  Raises:
    RunError: names the first key that differs and both values.
  """
  shown, asked = (
    {**{key: record.get(key) for key in new}, 'config': _without_mesh(record)}
    for record in (old, new)
  )
  check_same(path, shown, asked)


def _without_mesh(record: Mapping[str, Any]) -> dict[str, Any]:
  return {k: v for k, v in record['config'].items() if k != 'mesh'}


def check_same(
  path: pathlib.Path, old: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
  """Refuses a run whose facts are not those that are wanted.

  Args:
    path: Where the old facts are from, for the message.
    old: The run's.
    new: Those wanted; every key is compared.

  Raises:
    RunError: names the first key that differs and both values.
  """
  difference = store.first_difference(old, new)
  if difference is not None:
    key, before, after = difference
    raise RunError(
      f'{path} is a run with {key}={before!r}, not {after!r}: choose another '
      'workdir or remove this one'
    )


class Metrics:
  """Appends JSON lines; a resumed run drops lines after its checkpoint."""

  def __init__(self, workdir: pathlib.Path, start: int):
    self._path = workdir / METRICS
    kept = [row for row in read_metrics(workdir) if row['step'] <= start]
    write_text(self._path, ''.join(json.dumps(row) + '\n' for row in kept))
    self._file = self._path.open('a', encoding='utf-8')

  def close(self) -> None:
    """Lets the file go; nothing is written after.

    Raises:
      RunError: if a line is left that cannot be written.
    """
    try:
      self._file.close()
    except OSError as error:
      raise self._cannot_write(error) from None

  def write(self, step: int, **values: Any) -> None:
    """Adds one line.

    Raises:
      RunError: if it cannot be written.
    """
    try:
      print(json.dumps({'step': step, **values}), file=self._file, flush=True)
    except OSError as error:
      raise self._cannot_write(error) from None

  def _cannot_write(self, error: OSError) -> RunError:
    return RunError(f'cannot write {self._path}: {error.strerror}')


def read_metrics(workdir: pathlib.Path) -> list[dict[str, Any]]:
  """All lines of metrics.jsonl.

  Raises:
    RunError: names a line that is not of a step.
  """
  path = workdir / METRICS
  rows = read_lines(path)
  for number, row in enumerate(rows, start=1):
    if not isinstance(row.get('step'), int):
      raise RunError(f'{path} is damaged: line {number} has no step')
  return rows


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
  """Objects, one a line; a last line cut short by a kill is left out.

  Raises:
    RunError: names another line that is no object.
  """
  rows: list[dict[str, Any]] = []
  lines = path.read_bytes().splitlines() if path.exists() else []
  for number, line in enumerate(lines, start=1):
    try:
      row = json.loads(line)
    except (ValueError, RecursionError):
      row = None
    if isinstance(row, dict):
      rows.append(row)
    elif number < len(lines):
      raise RunError(f'{path} is damaged: line {number} is no JSON object')
  return rows
