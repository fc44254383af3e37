"""An interactive page: both spaces, and where each program lies in them.

One file that loads nothing: `explorer.html` with the data of a sample put in.
"""

import base64
from collections.abc import Mapping
import html
import json
import pathlib
from typing import Any

import numpy as np

from analysis.data import maps
from analysis.data import stored as stored_lib
from synth import runs
from synth import seeding
from synth.spaces import grids

_TEMPLATE = pathlib.Path(__file__).with_suffix('.html')
_SHOWN = 5000  # classes
_SMALL = 5  # size up to which all classes are shown
_CURVE_SCALE = 1000  # arcsinh of outputs is stored in thousandths


def sample(stored: stored_lib.Stored, seed: int) -> np.ndarray:
  """All classes up to size 5, some of each test, a sample of the rest."""
  number = len(stored.universe.node_C)
  order = seeding.generator(seed, 'explorer').permutation(number)
  wanted = [np.flatnonzero(np.asarray(stored.universe.size_C) <= _SMALL)]
  for name, member_C in stored.sets().items():
    if name.startswith(stored_lib.TEST):
      wanted.append(order[member_C[order]][: maps.TESTS])
  first = np.unique(np.concatenate(wanted))[:_SHOWN]
  rest = order[~np.isin(order, first)][: _SHOWN - len(first)]
  return np.sort(np.concatenate([first, rest]))


def contents(stored: stored_lib.Stored, classes: np.ndarray) -> dict[str, Any]:
  """What the page knows of some classes, for JSON.

  Numbers that are many are base64 of little-endian arrays: coordinates
  float32, curves int16 (thousandths of arcsinh; -32768 where undefined).
  """
  facts = stored.spaces.manifest
  sets = stored.sets()
  set_C = np.argmax(list(sets.values()), axis=0)
  value = stored.spaces.value_CxE[classes]
  ok = stored.spaces.ok_CxE[classes]
  curve = np.round(_CURVE_SCALE * np.arcsinh(np.where(ok, value, 0)))
  curve = np.where(ok, np.clip(curve, -32767, 32767), -32768)
  colours = maps.set_colours(list(sets))
  spaces = {}
  for space, point_CxD in maps.points(stored).items():
    explained = facts[f'{space}_explained']
    spaces[space] = {
      'title': maps.SPACES[space],
      'point': _base64(point_CxD[classes, :2], '<f4'),
      'explained': explained[:2],
      'sparsity': _base64(maps.sparsity(point_CxD, classes), '<f4'),
    }
  variables = stored.universe.grammar.variables
  grid = grids.specification(
    facts['grid'], variables, stored.universe.manifest['seed']
  )
  return {
    'text': [stored.text(number) for number in classes.tolist()],
    'size': stored.universe.size_C[classes].tolist(),
    'set': set_C[classes].tolist(),
    'sets': [{'name': n, 'colour': colours[n]} for n in sets],
    'curve': _base64(curve, '<i2'),
    'curveScale': _CURVE_SCALE,
    'grid': {n: [float(x) for x in column] for n, column in grid.items()},
    'spaces': spaces,
  }


def write(
  stored: stored_lib.Stored,
  path: pathlib.Path,
  made: Mapping[str, Any],
) -> None:
  """Writes the page.

  Args:
    stored: What it shows.
    path: The file.
    made: Seed, command and the like; shown at its foot.

  Raises:
    InputError: if it cannot be written.
  """
  classes = sample(stored, made['seed'])
  data = json.dumps(contents(stored, classes), separators=(',', ':'))
  total = len(stored.universe.node_C)
  note = (
    f'{len(classes):,} of {total:,} functions: all up to size {_SMALL}, '
    f'{maps.TESTS} of each test and a random sample of the rest. '
    + ' · '.join(f'{key}: {value}' for key, value in made.items())
  )
  page = _TEMPLATE.read_text(encoding='utf-8')
  # '</' could end the script element.
  page = page.replace('{{data}}', data.replace('</', '<\\/'))
  runs.write_text(path, page.replace('{{note}}', html.escape(note)))


def _base64(values: np.ndarray, dtype: str) -> str:
  return base64.b64encode(values.astype(dtype).tobytes()).decode()
