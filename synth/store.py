"""Directories of memory-mapped `.npy` arrays with a manifest of their hashes.

A stored directory holds `manifest.json` and one `<name>.npy` an array. It is
written beside its final place and moved there whole, so a reader sees all of
it or nothing. Opening checks every file against the manifest.
"""

from collections.abc import Mapping
from concurrent import futures
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from typing import Any

import numpy as np

from synth import array_files
from synth import errors

FORMAT = 2
MANIFEST = 'manifest.json'
_SELF = 'manifest_sha256'  # of everything else in the manifest, but notes
_NOTES = 'notes'


class StoreError(errors.InputError):
  """A directory that is missing, truncated, edited or of another kind."""


def sha256_of_file(path: pathlib.Path) -> str:
  """The hash of a file's bytes."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def write(
  directory: pathlib.Path,
  kind: str,
  arrays: Mapping[str, np.ndarray],
  facts: Mapping[str, Any],
) -> None:
  """Writes arrays and facts; `directory` appears only when complete.

  Args:
    directory: Must not exist yet.
    kind: What the directory is, checked by `read`.
    arrays: Name -> array.
    facts: JSON-serializable facts for the manifest.
  """
  try:
    directory.parent.mkdir(parents=True, exist_ok=True)
    scratch = pathlib.Path(
      tempfile.mkdtemp(prefix=f'.{directory.name}-', dir=directory.parent)
    )
  except OSError as error:
    reason = error.strerror or str(error)
    raise StoreError(f'cannot write {directory}: {reason}') from None
  try:
    for name, array in arrays.items():
      array_files.save(scratch / f'{name}.npy', np.asanyarray(array))
    seal(scratch, directory, kind, facts)
  except OSError as error:
    reason = error.strerror or str(error)
    raise StoreError(f'cannot write {directory}: {reason}') from None
  finally:
    shutil.rmtree(scratch, ignore_errors=True)


def seal(
  scratch: pathlib.Path,
  directory: pathlib.Path,
  kind: str,
  facts: Mapping[str, Any],
) -> None:
  """Makes a directory of `.npy` files a stored one and moves it into place.

  Args:
    scratch: The files, on the same file system as `directory`.
    directory: Must not exist yet.
    kind: What the directory is, checked by `read`.
    facts: JSON-serializable facts for the manifest.
  """
  paths = sorted(scratch.glob('*.npy'))
  with futures.ThreadPoolExecutor() as threads:
    hashes = list(threads.map(sha256_of_file, paths))
  described = {}
  for path, sha256 in zip(paths, hashes, strict=True):
    array = _open(path)
    described[path.stem] = {
      'dtype': str(array.dtype),
      'shape': list(array.shape),
      'bytes': path.stat().st_size,
      'sha256': sha256,
    }
  manifest = {'format': FORMAT, 'kind': kind, **facts, 'arrays': described}
  manifest[_SELF] = content_hash(manifest)
  text = json.dumps(manifest, indent=1) + '\n'
  (scratch / MANIFEST).write_text(text, encoding='utf-8')
  scratch.chmod(0o755)  # a temporary directory is private to its owner
  os.replace(scratch, directory)


def annotate(
  directory: pathlib.Path, kind: str, name: str, note: Mapping[str, Any]
) -> None:
  """Adds what was found out about a stored directory to its manifest.

  Notes are no part of what is stored: its hash does not change.

  Args:
    directory: A stored directory.
    kind: What it is.
    name: Of the note; replaces an older one of that name.
    note: JSON-serializable facts.
  """
  manifest = read_manifest(directory, kind)
  manifest[_NOTES] = {**manifest.get(_NOTES, {}), name: note}
  path = directory / MANIFEST
  scratch = path.with_suffix(f'.{os.getpid()}')
  try:
    text = json.dumps(manifest, indent=1) + '\n'
    scratch.write_text(text, encoding='utf-8')
    scratch.replace(path)
  except OSError as error:
    reason = error.strerror or str(error)
    raise StoreError(f'cannot write {path}: {reason}') from None


def _open(path: pathlib.Path) -> np.ndarray:
  """Maps an array; an empty one cannot be mapped."""
  try:
    array: np.ndarray = np.load(path, mmap_mode='r', allow_pickle=False)
  except ValueError:
    array = np.load(path, allow_pickle=False)
  return array


def exists(directory: pathlib.Path) -> bool:
  """Whether something was stored there (complete, by construction).

  Raises:
    StoreError: if there is a directory, but without a manifest, or a file.
  """
  if os.path.lexists(directory) and not directory.is_dir():
    raise StoreError(f'{directory} is in the way: it is no directory')
  if (directory / MANIFEST).exists():
    return True
  if directory.is_dir() and any(directory.iterdir()):
    raise StoreError(
      f'{directory} is incomplete: {MANIFEST} is missing; remove the directory'
    )
  return False


def read_manifest(directory: pathlib.Path, kind: str) -> dict[str, Any]:
  """The manifest alone, its kind and format checked."""
  path = directory / MANIFEST
  try:
    manifest = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError:
    raise StoreError(f'{directory} is no {kind}: no {MANIFEST} in it') from None
  except (OSError, ValueError, RecursionError) as error:
    raise StoreError(f'{path} cannot be read: {error}') from None
  if not isinstance(manifest, dict) or manifest.get('kind') != kind:
    found = manifest.get('kind') if isinstance(manifest, dict) else manifest
    raise StoreError(f'{directory} is no {kind}: its kind is {found!r}')
  if manifest.get('format') != FORMAT:
    raise StoreError(
      f'{directory} has format {manifest.get("format")!r}; this version reads '
      f'{FORMAT}: build it again'
    )
  if manifest.get(_SELF) != content_hash(manifest):
    raise StoreError(f"{path} was changed: its sha256 is not its content's")
  return manifest


def read(
  directory: pathlib.Path, kind: str, sealed: bool = False
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
  """Opens a stored directory: its manifest and its memory-mapped arrays.

  Args:
    directory: The directory.
    kind: What it should be.
    sealed: Whether the caller has just sealed it: what was hashed then is not
      hashed again.

  Raises:
    StoreError: names the file that is missing, truncated or edited.
  """
  manifest = read_manifest(directory, kind)
  listed = manifest.get('arrays')
  if not isinstance(listed, dict) or not all(
    isinstance(described, dict)
    and {'bytes', 'sha256', 'shape'} <= set(described)
    for described in listed.values()
  ):
    raise StoreError(f'{directory / MANIFEST} does not describe its arrays')
  for name, described in listed.items():
    path = directory / f'{name}.npy'
    if not path.exists():
      raise StoreError(f'{directory} is incomplete: {path.name} is missing')
    size = path.stat().st_size
    if size != described['bytes']:
      raise StoreError(
        f'{path} has {size} bytes where its manifest says {described["bytes"]}'
      )
  paths = {name: directory / f'{name}.npy' for name in listed}
  if not sealed:
    with futures.ThreadPoolExecutor() as threads:
      hashes = list(threads.map(sha256_of_file, paths.values()))
    for sha256, (name, path) in zip(hashes, paths.items(), strict=True):
      if sha256 != listed[name]['sha256']:
        raise StoreError(
          f"{path} was changed: its sha256 is not the manifest's"
        )
  return manifest, {name: _open(path) for name, path in paths.items()}


def content_hash(manifest: Mapping[str, Any]) -> str:
  """sha256 of a manifest without its notes, hence of all it describes."""
  rest = {
    name: value
    for name, value in manifest.items()
    if name not in (_SELF, _NOTES)
  }
  text = json.dumps(rest, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def first_difference(
  old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[str, Any, Any] | None:
  """The first key (dotted, sorted) whose values differ, with both values."""
  before, after = flat(old), flat(new)
  for key in sorted(before.keys() | after.keys()):
    if before.get(key) != after.get(key):
      return key, before.get(key), after.get(key)
  return None


def flat(tree: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
  """KEY.KEY -> value of nested mappings."""
  found: dict[str, Any] = {}
  for key, value in tree.items():
    if isinstance(value, Mapping):
      found |= flat(value, f'{prefix}{key}.')
    else:
      found[prefix + key] = value
  return found


def check_facts(
  directory: pathlib.Path,
  manifest: Mapping[str, Any],
  wanted: Mapping[str, Any],
) -> None:
  """Refuses a directory that was built with other settings.

  Args:
    directory: For the message.
    manifest: What was stored with it.
    wanted: Name -> the value that the manifest should have; others may differ.

  Raises:
    StoreError: names the first setting that differs and both values.
  """
  stored = {name: manifest.get(name) for name in wanted}
  difference = first_difference(stored, wanted)
  if difference is not None:
    key, before, after = difference
    raise StoreError(
      f'{directory} was built with {key}={before!r}, not {after!r}: choose '
      'another directory or remove this one'
    )
