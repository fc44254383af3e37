"""What F1 to F4 and the audits say of a study's data, as one small file.

  python -m analysis.atlas --data=DIR --records=results/cpu

writes results/cpu/atlas.json from the universe, the spaces and the splits below
DIR: of each contrast with records there, the split of least seed. The page of
the study draws from it alone. It holds:

    format, made           of this file; command, seed, grammar, functions
    sha256                 universe, spaces, splits: contrast -> hash
    spaces                 F1: numbers, packed coordinates, texts of programs
    redundancy, leakage    F2, F3; null if the universe counts no programs
    matching               contrast -> F4
    identity               the universe's policy and its audit, null if none
                           (`synth.universe --audit`)
    metric                 of the spaces' manifest, with the comparison to tree
                           edit distance, null if none (`synth.spaces --audit`)
"""

import base64
from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Any
import zlib

import numpy as np

from analysis.data import leakage
from analysis.data import maps
from analysis.data import matching
from analysis.data import redundancy
from analysis.data import stored as stored_lib
from synth import errors
from synth import packing
from synth import progress
from synth import records
from synth import runs
from synth import store
from synth.splits import split as split_lib

FORMAT = 1
_POINTS = 2000  # drawn, of which programs are shown
_DIGITS = 5  # significant
_METRIC = ('p', 'q', 'trees', 'num_grams')


@dataclasses.dataclass(frozen=True)
class Atlas:
  """An opened record.

  Attributes:
    facts: Its JSON, but for `spaces`.
    maps: What F1 draws.
    text_P: A minimal program of each of its points, infix.
  """

  facts: Mapping[str, Any]
  maps: maps.Maps
  text_P: list[str]


def write(
  data: pathlib.Path, directory: pathlib.Path, seed: int, command: str
) -> dict[str, Any]:
  """Measures and writes it.

  Args:
    data: Holds universe/, spaces/ and splits/.
    directory: Of the tier's records; gets `records.ATLAS`.
    seed: Of all samples.
    command: What is run, for the captions.

  Raises:
    InputError: if there are no records, or none of a split below `data`.
  """
  names = _splits(data, directory)
  bar = progress.Progress('atlas', len(names) + 2, 'measurements')
  first, found, hashes = None, {}, {}
  for done, (contrast, name) in enumerate(names.items()):
    stored = stored_lib.load(data, (), name)
    first = first or stored
    found[contrast] = matching.measure(stored, seed)
    hashes[contrast] = store.content_hash(stored.split.facts)
    bar.update(done + 1)
  assert first is not None
  universe, spaces = first.universe, first.spaces
  counted = universe.manifest['multiplicities']
  drawn = maps.measure(first, seed, _POINTS)
  bar.update(len(names) + 1)
  facts = {
    'format': FORMAT,
    'made': {
      'command': command,
      'seed': seed,
      'grammar': universe.grammar.name,
      'functions': len(universe.node_C),
    },
    'sha256': {
      'universe': store.content_hash(universe.manifest),
      'spaces': store.content_hash(spaces.manifest),
      'splits': hashes,
    },
    'spaces': {
      'numbers': _rounded(drawn.numbers),
      'split': next(iter(names)),
      'arrays': _pack(drawn),
      'text': _squeeze([first.text(c) for c in drawn.class_P.tolist()]),
    },
    'redundancy': _rounded(redundancy.measure(universe)) if counted else None,
    'leakage': _rounded(leakage.measure(universe, seed)) if counted else None,
    'matching': _rounded(found),
    'identity': {
      'policy': universe.policy.name,
      'audit': universe.manifest.get('notes', {}).get('audit'),
    },
    'metric': {
      **{key: spaces.manifest.get(key) for key in _METRIC},
      **{
        key: _rounded(value)
        for key, value in spaces.manifest.items()
        if 'explained' in key or 'rank_correlation' in key
      },
      'edit_distance': spaces.manifest.get('notes', {}).get('edit_distance'),
    },
  }
  path = directory / records.ATLAS
  runs.write_json(path, facts)
  bar.update(len(names) + 2)
  return {
    'atlas': str(path),
    'bytes': path.stat().st_size,
    'contrasts': list(names),
  }


def _splits(data: pathlib.Path, directory: pathlib.Path) -> dict[str, str]:
  """Contrast -> the name of its split of least seed, `support` first."""
  there = {
    store.content_hash(store.read_manifest(path, split_lib.KIND)): path.name
    for path in split_lib.stored(data)
  }
  least: dict[str, tuple[int, str]] = {}
  for record in records.load(directory):
    facts = record.facts
    name = there.get(facts['inputs_sha256']['split'])
    if name is not None:
      of_record = int(facts['config']['split']['seed']), name
      contrast = facts['contrast']
      least[contrast] = min(least.get(contrast, of_record), of_record)
  if not least:
    raise errors.InputError(
      f'no record below {directory} is of a split in {data}'
    )
  # The main one first; coverage last, which is of splits that others made.
  names = sorted(least, key=lambda c: (c != 'support', c == 'coverage', c))
  found: dict[str, str] = {}
  for contrast in names:  # of two contrasts with one split, the first
    if least[contrast][1] not in found.values():
      found[contrast] = least[contrast][1]
  return found


def read(path: pathlib.Path) -> Atlas:
  """Opens a record.

  Raises:
    RunError: if it is missing, damaged or of another format.
  """
  facts = runs.read_format(path, FORMAT, 'atlas')
  try:
    spaces = facts.pop('spaces')
    for space, one in spaces['numbers']['spaces'].items():
      # Older records have a number of their own, of other pairs.
      known = facts['metric'][f'{space}_rank_correlation_2d']
      one['rank_correlation_of_drawn'] = known
    found = _unpack(spaces['arrays'], spaces['numbers'])
    facts['split_of_spaces'] = spaces['split']
    text_P = zlib.decompress(base64.b64decode(spaces['text'])).decode()
  except (KeyError, TypeError, ValueError, zlib.error) as error:
    raise runs.RunError(f'{path} is damaged: {error}') from None
  return Atlas(facts, found, text_P.split('\n'))


def _squeeze(text_P: list[str]) -> str:
  return base64.b64encode(zlib.compress('\n'.join(text_P).encode(), 9)).decode()


def _pack(drawn: maps.Maps) -> dict[str, Any]:
  """The arrays of F1, for JSON; coordinates to three digits."""
  return {
    'class_P': packing.pack(drawn.class_P, '<i4'),
    'place_U': packing.pack(drawn.place_U, '<i2'),
    'size_U': packing.pack(drawn.size_U, '<u1'),
    'point': {s: packing.pack(p, '<f2') for s, p in drawn.point.items()},
    'sparsity': {s: packing.pack(v, '<f2') for s, v in drawn.sparsity.items()},
    'sets': {n: packing.pack(p, '<i2') for n, p in drawn.sets.items()},
  }


def _unpack(arrays: Mapping[str, Any], numbers: dict[str, Any]) -> maps.Maps:
  def each(name: str) -> dict[str, np.ndarray]:
    return {key: packing.unpack(a) for key, a in arrays[name].items()}

  return maps.Maps(
    packing.unpack(arrays['class_P']),
    {space: point.astype(float) for space, point in each('point').items()},
    packing.unpack(arrays['place_U']),
    packing.unpack(arrays['size_U']),
    {space: value.astype(float) for space, value in each('sparsity').items()},
    each('sets'),
    numbers,
  )


def _rounded(value: Any) -> Any:
  """Numbers to five significant digits: what a picture can show."""
  if isinstance(value, Mapping):
    return {key: _rounded(inner) for key, inner in value.items()}
  if isinstance(value, list | tuple):
    return [_rounded(inner) for inner in value]
  if isinstance(value, float):
    return float(f'{value:.{_DIGITS}g}')
  return value
