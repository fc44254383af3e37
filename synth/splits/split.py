"""A split: which classes train in which arm, and which test.

Every set is a set of semantic classes, never of programs: a random split of
programs leaks four of five test functions into training.
"""

from collections.abc import Mapping
import dataclasses
import hashlib
import pathlib
from typing import Any

import numpy as np

from synth import errors
from synth import settings as settings_lib
from synth import store
from synth.universe import universe as universe_lib

KIND = 'split'
_FOLDER = 'splits'  # of a data directory
DEV = 'dev'
_ARM, _TEST, _DISTANCE = 'arm_', 'test_', 'distance_'


@dataclasses.dataclass(frozen=True)
class Split:
  """Sets of classes (indices into the universe's C classes), sorted.

  Attributes:
    arms: Training arm -> class_N.
    tests: Test set -> class_N; the same for all arms.
    dev: In-support classes for choosing settings; in no arm and no test.
    distances: Arm -> distance_2xI to it (`synth.splits.distances`).
    facts: How it was made and what its certificate found.
  """

  arms: Mapping[str, np.ndarray]
  tests: Mapping[str, np.ndarray]
  dev: np.ndarray
  distances: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def all_sets(self) -> dict[str, np.ndarray]:
    """Every set under a name of its own: `arm_...`, `test_...` and `dev`."""
    return {
      **{_ARM + name: classes for name, classes in self.arms.items()},
      **{_TEST + name: classes for name, classes in self.tests.items()},
      DEV: self.dev,
    }

  def evaluation_sets(self) -> dict[str, np.ndarray]:
    """All sets that are evaluated: the tests by name, then `dev`."""
    return {**dict(sorted(self.tests.items())), DEV: self.dev}


def class_hash(universe: universe_lib.Universe, classes: np.ndarray) -> str:
  """sha256 of the sorted identities of classes, whatever their numbering."""
  keys = universe.key_C[classes]
  keys = keys[np.lexsort((keys['rest'], keys['key']))]
  return hashlib.sha256(keys.tobytes()).hexdigest()


def place(data: pathlib.Path, settings: Mapping[str, Any]) -> pathlib.Path:
  """Where in a data directory the split of these settings is or belongs."""
  name = f'{settings["kind"]}-{store.content_hash(settings)[:8]}'
  return data / _FOLDER / name


def data_of(directory: pathlib.Path) -> pathlib.Path:
  """The data directory of a split's directory."""
  return directory.parent.parent


def stored(data: pathlib.Path) -> list[pathlib.Path]:
  """The directories of all splits in a data directory."""
  return sorted(path.parent for path in data.glob(f'{_FOLDER}/*/manifest.json'))


def save(directory: pathlib.Path, split: Split) -> None:
  """Stores a split; `directory/manifest.json` says how to verify it."""
  distances = {_DISTANCE + arm: far for arm, far in split.distances.items()}
  arrays = {**split.all_sets(), **distances}
  store.write(directory, KIND, arrays, split.facts)


def load(directory: pathlib.Path) -> Split:
  """Opens a stored split.

  Raises:
    StoreError: if it is missing, truncated, edited or something else.
  """
  manifest, arrays = store.read(directory, KIND)
  _check_complete(directory, manifest, arrays)

  def named(prefix: str) -> dict[str, np.ndarray]:
    return {
      name.removeprefix(prefix): np.asarray(array)
      for name, array in arrays.items()
      if name.startswith(prefix)
    }

  return Split(
    named(_ARM),
    named(_TEST),
    np.asarray(arrays[DEV]),
    named(_DISTANCE),
    manifest,
  )


_TWO_ARMS = {'arm_train_s', 'arm_train_c', 'test_control', 'test_novel', DEV}
_SETS = {
  'support': _TWO_ARMS,
  'avoidable': _TWO_ARMS,
  'region': _TWO_ARMS,
  'ladder': {'arm_rung_0', 'test_control', 'test_novel', DEV},
  'density': {'arm_uniform', 'test_uniform', DEV},
}


def _check_complete(
  directory: pathlib.Path,
  manifest: Mapping[str, Any],
  arrays: Mapping[str, np.ndarray],
) -> None:
  """Refuses a stored split that lacks what its kind needs."""
  settings = manifest.get('settings')
  kind = settings.get('kind') if isinstance(settings, Mapping) else None
  if (
    not isinstance(settings, Mapping)
    or not isinstance(kind, str)
    or kind not in settings_lib.SPLITS
  ):
    raise store.StoreError(f'{directory}: settings.kind={kind!r} is no split')
  missing = settings_lib.SPLITS[kind].keys() - settings.keys()
  missing |= _SETS[kind] - arrays.keys()
  missing |= {
    _DISTANCE + name.removeprefix(_ARM)
    for name in arrays
    if name.startswith(_ARM)
  } - arrays.keys()
  missing |= {'spaces', 'universe_sha256', 'checks'} - manifest.keys()
  if missing:
    raise store.StoreError(f'{directory} lacks {", ".join(sorted(missing))}')
  told = {'split': settings, 'spaces': manifest['spaces']}
  try:
    settings_lib.check(told)
  except errors.InputError as error:
    raise store.StoreError(f'{directory}: {error}') from None
  for name, array in arrays.items():
    if array.ndim != (2 if name.startswith(_DISTANCE) else 1):
      raise store.StoreError(f'{directory}: {name} has the shape {array.shape}')
