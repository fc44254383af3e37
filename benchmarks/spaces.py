"""How fast the spaces are, beside tree edit distances and scipy's tree.

  pip install 'synth[trees]'
  python -m benchmarks.spaces --out=benchmarks/results/spaces.json

On the universe `arithmetic` to size 13, all in one run:

spaces      seconds and peak memory of both spaces, by the library
profiles    pq-gram profiles of all classes, programs a second
distance    pairs a second of the pq-gram distance, and of apted and zss on the
            first of the same pairs; their rank correlations
neighbours  exact nearest of 200,000 programs in the pq-gram distance, against
            scipy's exact cKDTree in the projected space, whose neighbours are
            others: how often they are as near is measured too
"""

from collections.abc import Callable
import functools
import pathlib
import platform
import resource
import tempfile
import time
from typing import Any

from absl import flags
import numpy as np
import scipy.spatial
import scipy.stats

from configs import base
from synth import cli
from synth import runs
from synth.language import grammar as grammar_lib
from synth.spaces import edit_distance
from synth.spaces import neighbours
from synth.spaces import space as space_lib
from synth.spaces import syntactic
from synth.universe import build as build_lib
from synth.universe import executors
from synth.universe import universe as universe_lib

_PAIRS = 1_000_000
_EDIT_PAIRS = 1_000
_QUERIES, _AMONG = 1_000, 200_000


def _timed(function: Callable[[], Any], rounds: int) -> tuple[float, Any]:
  """The least seconds of some rounds, and the result."""
  seconds = float('inf')
  for _ in range(rounds):
    start = time.perf_counter()
    result = function()
    seconds = min(seconds, time.perf_counter() - start)
  return seconds, result


def _peak_bytes() -> int:
  return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_distance(
  universe: universe_lib.Universe,
  profiles: syntactic.Profiles,
  rng: np.random.Generator,
  rounds: int,
) -> dict[str, Any]:
  """Pairs a second, beside tree edit distances."""
  a_P, b_P = rng.integers(0, len(universe.node_C), (2, _PAIRS))
  seconds, distance_P = _timed(
    lambda: syntactic.distance(profiles.take(a_P), profiles.take(b_P)), rounds
  )
  found: dict[str, Any] = {'pq_gram': {'pairs_per_s': _PAIRS / seconds}}
  tok_CxL = universe.representative_CxL
  first, second = (
    [universe.vocabulary.decode(tok_CxL[i]) for i in some[:_EDIT_PAIRS]]
    for some in (a_P, b_P)
  )
  for library in edit_distance.installed():
    seconds, edit_P = _timed(
      functools.partial(edit_distance.distances, first, second, library), rounds
    )
    found[library] = {
      'pairs_per_s': _EDIT_PAIRS / seconds,
      'rank_correlation': scipy.stats.spearmanr(
        edit_P, distance_P[:_EDIT_PAIRS]
      ).statistic,
      'times_as_fast': found['pq_gram']['pairs_per_s'] * seconds / _EDIT_PAIRS,
    }
  return found


def measure_neighbours(
  spaces: space_lib.Spaces,
  profiles: syntactic.Profiles,
  rng: np.random.Generator,
  rounds: int,
) -> dict[str, Any]:
  """Exact neighbours in the distance and in the projection."""
  rows = rng.permutation(len(spaces.value_CxE))[: _QUERIES + _AMONG]
  asked, others = rows[:_QUERIES], rows[_QUERIES:]
  query, among = profiles.take(asked), profiles.take(others)
  seconds, distance_P = _timed(lambda: neighbours.nearest(query, among), rounds)
  point_CxD = np.asarray(spaces.syntactic_CxD)

  def search() -> np.ndarray:
    tree = scipy.spatial.cKDTree(point_CxD[others])
    return np.asarray(tree.query(point_CxD[asked], workers=-1)[1])

  tree_seconds, index_P = _timed(search, rounds)
  projected_P = syntactic.distance(query, among.take(index_P))
  return {
    'queries': _QUERIES,
    'among': _AMONG,
    'sparse_products': {
      'seconds': seconds,
      'pairs_per_s': _QUERIES * _AMONG / seconds,
      'median_distance': float(np.median(distance_P)),
    },
    'ckdtree_projected': {
      'seconds': tree_seconds,
      'axes': point_CxD.shape[1],
      'median_distance': float(np.median(projected_P)),
      'share_as_near': float((projected_P <= distance_P + 1e-9).mean()),
    },
  }


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('out', None, 'Where to write the record.', required=True)
  flags.DEFINE_integer('rounds', 2, 'Measurements of each.', lower_bound=1)
  flags.DEFINE_integer('max_size', 13, 'Largest program size.', lower_bound=7)


def main() -> dict[str, Any]:
  """Measures and writes the record."""
  args = flags.FLAGS
  config = base.get_config('tiny')
  rng = np.random.default_rng(0)
  with tempfile.TemporaryDirectory(prefix='spaces-') as scratch:
    directory = pathlib.Path(scratch)
    universe = build_lib.build(
      directory / 'universe',
      grammar_lib.load(grammar_lib.find(config.universe.grammar)),
      args.max_size,
      config.universe.seed,
    )
    seconds, spaces = _timed(
      lambda: space_lib.load_or_build(
        directory / 'spaces', universe, **config.spaces
      ),
      1,
    )
    record: dict[str, Any] = {
      'classes': len(universe.node_C),
      'spaces': {
        'seconds': seconds,
        'peak_bytes': _peak_bytes(),
        'bytes': sum(
          array['bytes'] for array in spaces.manifest['arrays'].values()
        ),
      },
    }
    seconds, profiles = _timed(
      lambda: syntactic.profile(
        universe.representative_CxL, universe.vocabulary
      ),
      args.rounds,
    )
    record['profiles'] = {
      'seconds': seconds,
      'programs_per_s': len(universe.node_C) / seconds,
      'grams': len(profiles.gram_G),
      'nonzeros': profiles.count_PxG.nnz,
    }
    record['distance'] = measure_distance(universe, profiles, rng, args.rounds)
    record['neighbours'] = measure_neighbours(
      spaces, profiles, rng, args.rounds
    )
  record |= {
    'peak_bytes': _peak_bytes(),
    'rounds': args.rounds,
    'cores': executors.cores(),
    'machine': platform.processor() or platform.machine(),
    'versions': runs.versions(),
  }
  runs.write_json(pathlib.Path(args.out), record)
  return record


if __name__ == '__main__':
  define_flags()
  cli.run(main)
