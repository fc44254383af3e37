"""Builds both spaces of a universe.

  python -m synth.spaces --config=configs/support.py:tiny --workdir=DIR

builds what is missing of DIR/universe and DIR/spaces and prints what the
manifest says of the spaces: variance of the axes, rank correlations with the
true distances, the intrinsic dimension. With --audit=N the pq-gram distance is
compared with the tree edit distance on N random pairs of programs; the result
is noted in the manifest. That needs apted or zss: pip install 'synth[trees]'.
"""

import time
from typing import Any

from absl import flags

from synth import cli
from synth import inputs as inputs_lib
from synth import seeding
from synth import store
from synth.spaces import edit_distance
from synth.spaces import space as space_lib


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/support.py:tiny')
  cli.define_workdir('Where to build; gets universe/ and spaces/.')
  cli.define_audit('Pairs of programs for the tree edit distance.')


def main() -> dict[str, Any]:
  """Builds (or finds) the spaces and summarizes them."""
  args = flags.FLAGS
  workdir = cli.workdir()
  start = time.monotonic()
  universe, spaces = inputs_lib.spaces_of(args.config, workdir)
  result = {
    'manifest': str(workdir / space_lib.KIND / store.MANIFEST),
    'classes': len(spaces.value_CxE),
    **{
      name: value
      for name, value in spaces.manifest.items()
      if name.startswith(('semantic', 'syntactic', 'undefined', 'num_grams'))
    },
    'seconds': round(time.monotonic() - start, 3),
  }
  if args.audit:
    settings = args.config.spaces
    found = edit_distance.compare(
      universe.representative_CxL,
      universe.vocabulary,
      settings.p,
      settings.q,
      settings.trees,
      args.audit,
      seeding.generator(args.config.universe.seed, 'edit distance'),
    )
    store.annotate(
      workdir / space_lib.KIND, space_lib.KIND, 'edit_distance', found
    )
    result['edit_distance'] = found
  return result


if __name__ == '__main__':
  define_flags()
  cli.run(main)
