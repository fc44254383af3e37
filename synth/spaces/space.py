"""The two spaces of a universe, computed once and stored.

Arrays (C classes, E points of the specification grid):
  value_CxE, ok_CxE    outputs on the specification grid, float64
  spec_CxF             what a model sees of them (`specification`)
  semantic_CxD         PCA of the standardized outputs, 95 % of the variance
  syntactic_CxD        PCA of the pq-gram profiles of the representatives
The manifest holds the share of variance of each axis and the rank correlation
of distances in the syntactic projection with the true pq-gram distance: the
projection is for pictures and sampling, guarantees use the true distance.
"""

from collections.abc import Sequence
import dataclasses
import pathlib
from typing import Any

import numpy as np
import scipy.stats

from synth import seeding
from synth import store
from synth.spaces import semantic
from synth.spaces import specification
from synth.spaces import syntactic
from synth.universe import universe as universe_lib

KIND = 'spaces'
_PAIRS = 20_000  # on which the projection is compared with the distance


@dataclasses.dataclass(frozen=True)
class Spaces:
  """Opened spaces; see the module's docstring."""

  value_CxE: np.ndarray
  ok_CxE: np.ndarray
  spec_CxF: np.ndarray
  semantic_CxD: np.ndarray
  syntactic_CxD: np.ndarray
  manifest: dict[str, Any]


def load(directory: pathlib.Path) -> Spaces:
  """Opens stored spaces.

  Raises:
    StoreError: if the directory is missing, truncated, edited or foreign.
  """
  manifest, arrays = store.read(directory, KIND)
  return Spaces(**arrays, manifest=manifest)


def load_or_build(
  directory: pathlib.Path,
  universe: universe_lib.Universe,
  *,
  grid: Sequence[int],
  p: int,
  q: int,
  syntactic_dimensions: int,
) -> Spaces:
  """Opens the spaces in `directory`, building them first if need be.

  Args:
    directory: Where they are stored.
    universe: The universe they belong to.
    grid: Numerators k of the specification grid's points k/97.
    p: Length of the pq-grams' stem.
    q: Length of the pq-grams' base.
    syntactic_dimensions: Axes kept of the syntactic projection.

  Raises:
    InputError: for a bad grid or spaces of other settings.
  """
  wanted = {
    'universe_sha256': store.content_hash(universe.manifest),
    'grid': list(grid),
    'p': p,
    'q': q,
    'syntactic_dimensions': syntactic_dimensions,
  }
  if not store.exists(directory):
    arrays, facts = _build(universe, grid, p, q, syntactic_dimensions)
    store.write(directory, KIND, arrays, {**wanted, **facts})
  spaces = load(directory)
  store.check_facts(directory, spaces.manifest, wanted)
  return spaces


def _build(
  universe: universe_lib.Universe,
  grid: Sequence[int],
  p: int,
  q: int,
  syntactic_dimensions: int,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  seed = universe.manifest['seed']
  points = semantic.grid(grid, universe.grammar.variables, seed)
  value_CxE, ok_CxE = semantic.values(universe, points)
  semantic_CxD, semantic_explained = semantic.embed(
    semantic.standardize(value_CxE, ok_CxE)
  )
  profiles = syntactic.profile(
    universe.representative_CxL, universe.vocabulary, p, q
  )
  syntactic_CxD, syntactic_explained = syntactic.embed(
    profiles, syntactic_dimensions
  )
  rng = seeding.generator(seed, 'projection')
  a, b = rng.integers(0, len(value_CxE), (2, _PAIRS))
  true_P = syntactic.distance(profiles.take(a), profiles.take(b))
  projected_P = np.linalg.norm(syntactic_CxD[a] - syntactic_CxD[b], axis=1)
  rank_correlation = scipy.stats.spearmanr(true_P, projected_P).statistic
  arrays = {
    'value_CxE': value_CxE,
    'ok_CxE': ok_CxE,
    'spec_CxF': specification.features(value_CxE, ok_CxE),
    'semantic_CxD': semantic_CxD.astype(np.float32),
    'syntactic_CxD': syntactic_CxD.astype(np.float32),
  }
  facts = {
    'semantic_explained': semantic_explained.round(6).tolist(),
    'syntactic_explained': syntactic_explained.round(6).tolist(),
    'syntactic_rank_correlation': round(float(rank_correlation), 4),
    'num_grams': len(profiles.gram_G),
  }
  return arrays, facts
