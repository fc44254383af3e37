"""Makes a split with its certificate, or verifies one.

  python -m synth.splits --config=configs/support.py:tiny --workdir=DIR
  python -m synth.splits --verify=DIR/splits/support-1a2b3c4d/manifest.json

The first builds what is missing in DIR (universe, spaces, restricted universe)
and writes DIR/splits/... The second trusts nothing but the universe in the same
DIR: it makes the spaces, the restricted universe and the split anew, recomputes
every check and exits with code 2 if one does not hold or differs from what was
stored. Given DIR it verifies all splits in it.
"""

import pathlib
import sys
import tempfile
from typing import Any

from absl import flags
import numpy as np

from synth import cli
from synth import errors
from synth import host_memory
from synth import inputs as inputs_lib
from synth import store
from synth.spaces import space as space_lib
from synth.splits import certificate
from synth.splits import context as context_lib
from synth.splits import holdout as holdout_lib
from synth.splits import kinds
from synth.splits import split as split_lib
from synth.universe import universe as universe_lib


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/support.py:tiny', required=False)
  cli.define_workdir('Where to build; gets universe/, spaces/, splits/.')
  flags.DEFINE_string(
    'verify',
    None,
    'Manifest of a stored split to re-check instead, or DIR for all in it.',
  )


def main() -> dict[str, Any]:
  """Builds or verifies."""
  args = flags.FLAGS
  host_memory.keep_freed()
  if args.verify is not None:
    if args.config:
      raise errors.InputError(
        '--verify checks what is stored by its own settings: leave out --config'
      )
    return verify_all(pathlib.Path(args.verify))
  if not args.config:
    raise errors.InputError('give --config, or --verify')
  workdir = cli.workdir()
  inputs = inputs_lib.load_or_build(args.config, workdir)
  settings = inputs.split.facts['settings']
  return _summary(split_lib.place(workdir, settings), inputs.split)


def verify_all(path: pathlib.Path) -> dict[str, Any]:
  """Verifies the split of a manifest, or all splits of a data directory.

  Raises:
    InputError: says which file or claim does not hold.
  """
  if not path.is_dir():
    return verify(path)
  manifests = [split / store.MANIFEST for split in split_lib.stored(path)]
  if not manifests:
    raise errors.InputError(f'no split in {path}')
  return {'splits': [verify(manifest) for manifest in manifests]}


def verify(manifest: pathlib.Path) -> dict[str, Any]:
  """Re-checks a stored split from its universe.

  Raises:
    InputError: says which file or claim does not hold.
  """
  directory = manifest.parent
  data = split_lib.data_of(directory)
  if manifest.name != store.MANIFEST:
    raise errors.InputError(f'{manifest} is not a {store.MANIFEST}')
  split = split_lib.load(directory)
  universe = universe_lib.load(data / universe_lib.KIND)
  store.check_facts(directory, split.facts, space_lib.made_from(universe))
  settings = split.facts['settings']
  with tempfile.TemporaryDirectory() as name:
    scratch = pathlib.Path(name)
    spaces = space_lib.load_or_build(
      scratch / space_lib.KIND, universe, **split.facts['spaces']
    )
    holdout = None
    if settings['kind'] in holdout_lib.KINDS:
      holdout = inputs_lib.load_holdout(scratch, universe, settings)
      inputs_lib.check_restricted(data, holdout, settings)
    context = context_lib.make(universe, spaces, settings, holdout)
    found = certificate.certify(context, split)
    certificate.require(manifest, found['checks'])
    certificate.require(manifest, certificate.certify_programs(context, split))
    _check_made(directory, context, split)
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
  context: context_lib.Context,
  split: split_lib.Split,
) -> None:
  """Makes a split again: its sets, distances and what it says of them.

  Raises:
    InputError: if something is not as stored.
  """
  made = kinds.make(context)
  for arrays, others in (
    (split.all_sets(), made.all_sets()),
    (split.distances, made.distances),
  ):
    for name, array in arrays.items():
      if name not in others or not np.array_equal(array, others[name]):
        raise certificate.CertificateError(
          f'{directory}: {name} is not what its settings make'
        )
  told = {key: split.facts.get(key) for key in made.facts}
  difference = store.first_difference(told, made.facts)
  if difference is not None:
    key, before, after = difference
    raise certificate.CertificateError(
      f'{directory}: the split claims {key}={before!r}, its settings make '
      f'{after!r}'
    )


def _summary(directory: pathlib.Path, split: split_lib.Split) -> dict[str, Any]:
  manifest, checks = directory / store.MANIFEST, split.facts['checks']
  print(f'{manifest}: all {len(checks)} checks hold', file=sys.stderr)
  return {
    'manifest': str(manifest),
    'sha256': store.content_hash(split.facts),
    'classes': {
      name: len(classes) for name, classes in split.all_sets().items()
    },
    'checks': checks,
  }


if __name__ == '__main__':
  define_flags()
  cli.run(main)
