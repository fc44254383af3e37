"""What all kinds of splits of a large universe take, and what they are.

  python -m benchmarks.splits --workdir=DIR --out=FILE.json
  python -m benchmarks.splits --workdir=DIR --out=EDGES.json --every_edge

Builds the universe `arithmetic` to size 13, both spaces, and one split of every
kind (`--seeds` of each) in one data directory, each with its distances and its
certificate. What is there already is opened, not built, so an interrupted run
can be started again; its seconds are those of this run.

`--every_edge`: instead, S3 with each edge of two operators, however near its
tests are to training, with as many tests as it has room for: which edge is the
strongest.
"""

import gc
import itertools
import pathlib
import platform
import resource
import time
from typing import Any

from absl import flags
import ml_collections

from configs import base
from configs import density
from configs import ladder
from configs import region
from configs import support
from synth import cli
from synth import errors
from synth import host_memory
from synth import inputs as inputs_lib
from synth import runs
from synth import store
from synth.spaces import space as space_lib
from synth.splits import holdout as holdout_lib
from synth.splits import split as split_lib
from synth.universe import executors
from synth.universe import universe as universe_lib

# Name -> edges that are held out, and in what the tests are matched.
_EDGES = {
  'S3 sub > div': ('sub > div', 'symbols'),
  'S3 div > add': ('div > add', 'symbols'),
  'S3 div > mul, the negative control': ('div > mul', 'symbols'),
  'S6 other order': ('mul|div > add|sub', 'symbols'),
  'S6 other concepts': ('add|sub > mul|div, mul|div > add|sub', 'arities'),
  'S6 new operator': ('any > div, div > any', 'arities'),
  'S6 new argument': ('any:1 > 3', 'symbols'),
}
_CERTIFIED = 'S3 sub > div'  # the one whose forced share is asked for
_AVOIDABLE = 'S3 div > mul, the negative control'
_RARE, _FEW = 'S6 other concepts', 100  # a test and dev, for want of classes
_OPERATORS = ('add', 'sub', 'mul', 'div')
_TESTS = (2000, 1000, 300, 50)  # the first that there is room for
_ANY = 1e-9  # least distance from training that none fails
_REGIONS = [
  (space, shape)
  for space in ('semantic', 'syntactic')
  for shape in ('cluster', 'shell', 'core', 'halfspace')
] + [('size', 'longest'), ('size', 'between')]


def configs(max_size: int, size: str) -> dict[str, ml_collections.ConfigDict]:
  """Every kind of split, by name."""
  found = {}
  found['S4 ladder'] = ladder.get_config(size)
  for space, shape in _REGIONS:
    number = {'cluster': 'S1', 'longest': 'S5', 'between': 'S5'}.get(
      shape, 'S2'
    )
    found[f'{number} {space} {shape}'] = region.get_config(size)
    found[f'{number} {space} {shape}'].split.update(space=space, shape=shape)
  for name, (edges, match) in _EDGES.items():
    found[name] = support.get_config(size)
    found[name].split.update(edges=edges, match=match)
    if name != _CERTIFIED:
      found[name].split.extra_size = 0
  found[_AVOIDABLE].split.kind = holdout_lib.AVOIDABLE
  found[_RARE].split.update(num_test=_FEW, num_dev=_FEW)
  found['density'] = density.get_config(size)
  for config in found.values():
    config.universe.max_size = max_size
  return found


def edges(
  max_size: int, size: str
) -> dict[str, list[ml_collections.ConfigDict]]:
  """S3 with every edge of two operators: with many tests, with fewer."""
  found: dict[str, list[ml_collections.ConfigDict]] = {}
  for pair in itertools.product(_OPERATORS, repeat=2):
    edge = ' > '.join(pair)
    found[f'S3 {edge}'] = []
    for number in _TESTS:
      config = support.get_config(size)
      config.universe.max_size = max_size
      config.split.update(edges=edge, min_distance=_ANY, num_test=number)
      found[f'S3 {edge}'].append(config)
  return found


def _timed(
  config: ml_collections.ConfigDict,
  data: pathlib.Path,
  universe: universe_lib.Universe,
  spaces: space_lib.Spaces,
) -> dict[str, Any]:
  """Opens or builds a split; what it took and what it is."""
  start = time.perf_counter()
  try:
    split = inputs_lib.with_split(config, data, universe, spaces).split
  except errors.InputError as error:
    return {'refused': str(error)}
  facts = split.facts
  return {
    'seconds': round(time.perf_counter() - start, 1),
    'peak_bytes': 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    'settings': facts['settings'],
    'sha256': store.content_hash(facts),
    'classes': {name: len(c) for name, c in split.all_sets().items()},
    'measurements': {
      name: value
      for name, value in facts['measurements'].items()
      if facts['settings']['kind'] != 'density' or name != 'distances'
    },
    **{
      name: facts[name]
      for name in ('minimal_distance', 'held_out')
      if name in facts
    },
  }


def define_flags() -> None:
  """The command line."""
  cli.define_workdir('Data directory to build in; needs 15 GB.')
  flags.DEFINE_string('out', None, 'JSON record to write.', required=True)
  flags.DEFINE_integer('max_size', 13, 'Largest program size.')
  flags.DEFINE_string('size', 'base', 'Of configs/base.py.')
  flags.DEFINE_integer('seeds', 1, 'Splits of each kind.')
  flags.DEFINE_string('only', '', 'Kinds whose names start so, as in S4.')
  flags.DEFINE_bool('every_edge', False, 'S3 with each edge instead.')


def main() -> dict[str, Any]:
  """Builds everything."""
  args = flags.FLAGS
  host_memory.keep_freed()
  data = cli.workdir()
  config = base.get_config(args.size)
  config.universe.max_size = args.max_size
  start = time.perf_counter()
  opened = inputs_lib.spaces_of(config, data)
  record: dict[str, Any] = {
    'machine': f'{platform.machine()}, {executors.cores()} cores',
    'versions': runs.versions(),
    'max_size': args.max_size,
    'universe_and_spaces_seconds': round(time.perf_counter() - start, 1),
    'splits': {},
  }
  if args.every_edge:
    kinds = edges(args.max_size, args.size)
  else:
    once = configs(args.max_size, args.size)
    kinds = {name: [config] for name, config in once.items()}
  for name, tries in kinds.items():
    if not name.startswith(args.only):
      continue
    for seed in range(args.seeds):
      for config in tries:
        config.split.seed = seed
        found = _timed(config, data, *opened)
        if 'refused' not in found:
          break
      record['splits'][f'{name}, seed {seed}'] = found
      gc.collect()
      record['seconds'] = round(time.perf_counter() - start, 1)
      runs.write_json(pathlib.Path(args.out), record)
  record['stored'] = len(split_lib.stored(data))
  runs.write_json(pathlib.Path(args.out), record)
  return {
    'out': args.out,
    'seconds': round(time.perf_counter() - start, 1),
    'refused': {
      name: found['refused']
      for name, found in record['splits'].items()
      if 'refused' in found
    },
  }


if __name__ == '__main__':
  define_flags()
  cli.run(main)
