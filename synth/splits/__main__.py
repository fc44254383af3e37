"""Makes a split with its certificate, or verifies one.

  python -m synth.splits --config=configs/support.py:tiny --workdir=DIR
  python -m synth.splits --verify=DIR/split/manifest.json

The first builds what is missing in DIR (universe, spaces, restricted universe)
and writes DIR/split. The second trusts nothing but the universe beside the
split: it enumerates the restricted universe anew, recomputes every check and
exits with code 2 if one does not hold or differs from what was stored.
"""

import pathlib
import tempfile
from typing import Any

from absl import flags
import numpy as np

from synth import cli
from synth import errors
from synth import inputs as inputs_lib
from synth import store
from synth.spaces import grids
from synth.spaces import semantic
from synth.spaces import space as space_lib
from synth.splits import certificate
from synth.splits import holdout as holdout_lib
from synth.splits import split as split_lib
from synth.universe import universe as universe_lib


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/support.py:tiny', required=False)
  cli.define_workdir('Where to build; gets universe/, spaces/, split/.')
  flags.DEFINE_string(
    'verify', None, 'Manifest of a stored split to re-check instead.'
  )


def main() -> dict[str, Any]:
  """Builds or verifies."""
  args = flags.FLAGS
  if args.verify:
    return verify(pathlib.Path(args.verify))
  if not args.config:
    raise errors.InputError('give --config, or --verify')
  workdir = cli.workdir()
  inputs = inputs_lib.load_or_build(args.config, workdir)
  return _summary(workdir / split_lib.KIND, inputs.split)


def verify(manifest: pathlib.Path) -> dict[str, Any]:
  """Re-checks a stored split from its universe.

  Raises:
    InputError: says which file or claim does not hold.
  """
  directory = manifest.parent
  if manifest.name != store.MANIFEST:
    raise errors.InputError(f'{manifest} is not a {store.MANIFEST}')
  split = split_lib.load(directory)
  universe = universe_lib.load(directory.parent / universe_lib.KIND)
  store.check_facts(
    directory,
    split.facts,
    {'universe_sha256': store.content_hash(universe.manifest)},
  )
  settings = split.facts['settings']
  points = grids.specification(
    split.facts['grid'],
    universe.grammar.variables,
    universe.manifest['seed'],
  )
  usable_C = certificate.usable(*semantic.values(universe, points))
  spaces = None
  if settings['kind'] != 'support':
    spaces = space_lib.load(directory.parent / space_lib.KIND)
    store.check_facts(
      directory.parent / space_lib.KIND,
      spaces.manifest,
      {'universe_sha256': store.content_hash(universe.manifest)},
    )
  with tempfile.TemporaryDirectory() as scratch:
    holdout = None
    if settings['kind'] == 'support':
      holdout = holdout_lib.load_or_build(
        pathlib.Path(scratch) / inputs_lib.RESTRICTED,
        universe,
        settings['parent'],
        settings['child'],
        settings['extra_size'],
      )
    found = certificate.certify(
      universe, usable_C, split, holdout, spaces, settings['seed']
    )
  certificate.require(manifest, found['checks'])
  if spaces is not None:
    _check_made(directory, universe, spaces, usable_C, split)
  claimed = {name: split.facts.get(name) for name in found}
  difference = store.first_difference(claimed, found)
  if difference is not None:
    key, before, after = difference
    raise certificate.CertificateError(
      f'{manifest}: the split claims {key}={before!r} where its universe gives '
      f'{after!r}'
    )
  return _summary(directory, split)


def _check_made(
  directory: pathlib.Path,
  universe: universe_lib.Universe,
  spaces: space_lib.Spaces,
  usable_C: np.ndarray,
  split: split_lib.Split,
) -> None:
  """Makes a split of spaces again: its sets and what it says of its arms.

  Raises:
    InputError: if something is not as stored.
  """
  made = inputs_lib.make_split(
    split.facts['settings'], universe, spaces, usable_C, None
  )
  sets = made.all_sets()
  for name, classes in split.all_sets().items():
    if name not in sets or not np.array_equal(classes, sets[name]):
      raise certificate.CertificateError(
        f'{directory}: {name} is not what its settings make'
      )
  told = {'arms': split.facts.get('arms', {})}
  found = {'arms': made.facts.get('arms', {})}
  difference = store.first_difference(told, found)
  if difference is not None:
    key, before, after = difference
    raise certificate.CertificateError(
      f'{directory}: the split claims {key}={before!r}, its arms give {after!r}'
    )


def _summary(directory: pathlib.Path, split: split_lib.Split) -> dict[str, Any]:
  manifest = directory / store.MANIFEST
  return {
    'manifest': str(manifest),
    'sha256': store.content_hash(split.facts),
    'classes': {
      name: len(classes) for name, classes in split.all_sets().items()
    },
    'checks': split.facts['checks'],
    'measurements': split.facts['measurements'],
  }


if __name__ == '__main__':
  define_flags()
  cli.run(main)
