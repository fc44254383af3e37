"""The two spaces of a universe, computed once and stored.

Arrays (C classes, E points of the specification grid):
  value_CxE, ok_CxE    outputs on the specification grid, float64, and mask
  spec_CxF             what a model sees of them (`specification`)
  semantic_CxD         PCA of the standardized outputs, 95 % of the variance
  syntactic_CxD        PCA of the pq-gram profiles of the representatives
The manifest holds of each space the share of variance of each axis and the rank
correlation of distances in the projection with the true distance, on all its
axes and on the two that a picture shows: projections are for pictures and
sampling, guarantees use the true distance. Of the semantic space also its
intrinsic dimension and the share of undefined values.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import functools
import json
import pathlib
import shutil
from typing import Any
from typing import TypeAlias

import numpy as np

from synth import __version__
from synth import array_files
from synth import locks
from synth import seeding
from synth import store
from synth.spaces import grids
from synth.spaces import semantic
from synth.spaces import specification
from synth.spaces import syntactic
from synth.universe import universe as universe_lib

KIND = 'spaces'
_PAIRS = 20_000  # on which projections are compared with the distances
_POINTS = 2_000  # around which the intrinsic dimension is measured
_SETTINGS = 'build.json'

# Arrays to store and facts for the manifest.
_Found: TypeAlias = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Spaces:
  """Opened spaces; see the module's docstring."""

  value_CxE: np.ndarray
  ok_CxE: np.ndarray
  spec_CxF: np.ndarray
  semantic_CxD: np.ndarray
  syntactic_CxD: np.ndarray
  manifest: dict[str, Any]

  @functools.cached_property
  def usable_C(self) -> np.ndarray:
    """Classes that a split may use (`specification.usable`)."""
    return specification.usable(self.value_CxE, self.ok_CxE)


def load(directory: pathlib.Path) -> Spaces:
  """Opens stored spaces.

  Raises:
    StoreError: if the directory is missing, truncated, edited or foreign.
  """
  manifest, arrays = store.read(directory, KIND)
  wanted = {field.name for field in dataclasses.fields(Spaces)} - {'manifest'}
  if arrays.keys() != wanted:
    differing = ', '.join(sorted(arrays.keys() ^ wanted))
    raise store.StoreError(
      f'{directory} lacks arrays or has others: {differing}; remove it'
    )
  return Spaces(**arrays, manifest=manifest)


def made_from(universe: universe_lib.Universe) -> dict[str, str]:
  """What manifests of spaces and splits say of their universe and points."""
  return {
    'universe_sha256': store.content_hash(universe.manifest),
    **grids.layout(universe.grammar.variables),
  }


def load_or_build(
  directory: pathlib.Path,
  universe: universe_lib.Universe,
  *,
  grid: Sequence[int],
  p: int,
  q: int,
  trees: str,
  syntactic_dimensions: int,
) -> Spaces:
  """Opens the spaces in `directory`, building them first if need be.

  They are built beside it (`.NAME-build`), one part after the other; an
  interrupted build goes on after the last part that was finished.

  Args:
    directory: Where they are stored.
    universe: The universe they belong to.
    grid: Numerators k of the specification grid's points k/97.
    p: Length of the pq-grams' stem.
    q: Length of the pq-grams' base.
    trees: `ordered` or `sorted` (`syntactic`).
    syntactic_dimensions: Axes kept of the syntactic projection.

  Raises:
    InputError: for bad settings or spaces of other settings.
  """
  wanted = {
    **made_from(universe),
    'grid': list(grid),
    'p': p,
    'q': q,
    'trees': trees,
    'syntactic_dimensions': syntactic_dimensions,
  }
  if not store.exists(directory):
    points = grids.specification(
      grid, universe.grammar.variables, universe.manifest['seed']
    )
    syntactic.check(universe.vocabulary, p, q, trees)
    with locks.building(directory):
      if not store.exists(directory):  # another process was building them
        _build(directory, universe, points, wanted)
  spaces = load(directory)
  store.check_facts(directory, spaces.manifest, wanted)
  return spaces


def _build(
  directory: pathlib.Path,
  universe: universe_lib.Universe,
  points: grids.Grid,
  wanted: Mapping[str, Any],
) -> None:
  """Computes what an interrupted build has not left, and stores it all."""
  scratch = directory.with_name(f'.{directory.name}-build')
  settings = json.dumps(
    {**wanted, 'version': __version__, 'numpy': np.__version__}
  )
  path = scratch / _SETTINGS
  if not path.exists() or path.read_text() != settings:
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    path.write_text(settings)
  (scratch / 'arrays').mkdir(exist_ok=True)

  def stored(name: str) -> np.ndarray:
    return np.load(scratch / 'arrays' / f'{name}.npy', mmap_mode='r')

  facts: dict[str, Any] = {}

  def once(part: str, compute: Callable[[], _Found]) -> None:
    done = scratch / f'{part}.json'
    found = _finished(done, scratch / 'arrays')
    if found is None:
      arrays, found = compute()
      hashes = {}
      for name, array in arrays.items():
        path = scratch / 'arrays' / f'{name}.npy'
        array_files.save(path, array)
        hashes[name] = store.sha256_of_file(path)
      unfinished = done.with_suffix('.tmp')
      unfinished.write_text(json.dumps({'facts': found, 'sha256': hashes}))
      unfinished.replace(done)
    facts.update(found)

  once('outputs', lambda: _outputs(universe, points))
  value_CxE, ok_CxE = stored('value_CxE'), stored('ok_CxE')
  seed = universe.manifest['seed']
  once('semantic', lambda: _semantic(value_CxE, ok_CxE, seed))
  once(
    'specification',
    lambda: (
      {
        'spec_CxF': specification.features(
          specification.WHITENED, value_CxE, ok_CxE
        )
      },
      {},
    ),
  )
  once('syntactic', lambda: _syntactic(universe, wanted))
  store.seal(scratch / 'arrays', directory, KIND, {**wanted, **facts})
  shutil.rmtree(scratch)


def _finished(
  done: pathlib.Path, arrays: pathlib.Path
) -> Mapping[str, Any] | None:
  """What a part found; None if it, or an array of it, is not there whole.

  A host that goes down may leave files that are empty or end early.
  """
  try:
    told = json.loads(done.read_text())
    facts: dict[str, Any] = dict(told['facts'])
    whole = all(
      store.sha256_of_file(arrays / f'{name}.npy') == sha256
      for name, sha256 in told['sha256'].items()
    )
  except (OSError, ValueError, LookupError, TypeError, AttributeError):
    return None
  return facts if whole else None


def _outputs(universe: universe_lib.Universe, points: grids.Grid) -> _Found:
  value_CxE, ok_CxE = semantic.values(universe, points)
  arrays = {'value_CxE': value_CxE, 'ok_CxE': ok_CxE}
  return arrays, {'undefined_share': 1 - float(ok_CxE.mean())}


def _semantic(value_CxE: np.ndarray, ok_CxE: np.ndarray, seed: int) -> _Found:
  z_CxE = semantic.standardize(value_CxE, ok_CxE)
  coordinate_CxD, explained_D = semantic.embed(z_CxE)
  a, b = _pairs(len(z_CxE), seed)
  true_P = np.linalg.norm(z_CxE[a] - z_CxE[b], axis=1)
  some = seeding.generator(seed, 'dimension').permutation(len(z_CxE))[:_POINTS]
  facts = {
    **_of_projection('semantic', coordinate_CxD, explained_D, true_P, a, b),
    'semantic_dimension': round(
      semantic.intrinsic_dimension(coordinate_CxD, some), 3
    ),
  }
  return {'semantic_CxD': coordinate_CxD}, facts


def _syntactic(
  universe: universe_lib.Universe, settings: Mapping[str, Any]
) -> _Found:
  profiles = syntactic.profile(
    universe.representative_CxL,
    universe.vocabulary,
    settings['p'],
    settings['q'],
    settings['trees'],
  )
  coordinate_CxD, explained_D = syntactic.embed(
    profiles, settings['syntactic_dimensions']
  )
  a, b = _pairs(len(coordinate_CxD), universe.manifest['seed'])
  true_P = syntactic.distance(profiles.take(a), profiles.take(b))
  facts = {
    **_of_projection('syntactic', coordinate_CxD, explained_D, true_P, a, b),
    'num_grams': len(profiles.gram_G),
  }
  return {'syntactic_CxD': coordinate_CxD}, facts


def _pairs(number: int, seed: int) -> np.ndarray:
  """Random pairs of classes: int_2xP."""
  rng = seeding.generator(seed, 'projection')
  return rng.integers(0, number, (2, _PAIRS))


def _of_projection(
  space: str,
  coordinate_CxD: np.ndarray,
  explained_D: np.ndarray,
  true_P: np.ndarray,
  a: np.ndarray,
  b: np.ndarray,
) -> dict[str, Any]:
  """How much of a space's distances and variance its projection shows."""
  import scipy.stats  # here: a fifth of the time that a command takes to start

  apart_PxD = coordinate_CxD[a] - coordinate_CxD[b]

  def correlation(axes: int | None) -> float:
    projected_P = np.linalg.norm(apart_PxD[:, :axes], axis=1)
    found = scipy.stats.spearmanr(true_P, projected_P).statistic
    return round(float(found), 4)

  return {
    f'{space}_explained': explained_D.round(6).tolist(),
    f'{space}_rank_correlation': correlation(None),
    f'{space}_rank_correlation_2d': correlation(2),
  }
