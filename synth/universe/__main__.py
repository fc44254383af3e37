"""Enumerates a universe.

  python -m synth.universe --config=configs/universe.py:arithmetic --workdir=DIR

writes DIR/universe and prints classes and programs by size.
"""

import pathlib
import resource
import time
from typing import Any

from absl import flags

from synth import cli
from synth.language import grammar as grammar_lib
from synth.universe import universe as universe_lib


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/universe.py:arithmetic')
  flags.DEFINE_string(
    'workdir', None, 'Where to write; gets universe/.', required=True
  )
  flags.DEFINE_string(
    'grammar', None, 'Grammar file, in place of config.universe.grammar.'
  )
  flags.DEFINE_integer(
    'max_size',
    None,
    'Largest program size in nodes, in place of config.universe.max_size.',
    lower_bound=1,
  )


def main() -> dict[str, Any]:
  """Builds (or finds) the universe and summarizes it."""
  args = flags.FLAGS
  settings = args.config.universe
  start = time.monotonic()
  universe = universe_lib.load_or_build(
    pathlib.Path(args.workdir) / universe_lib.KIND,
    grammar_lib.load(grammar_lib.find(args.grammar or settings.grammar)),
    args.max_size or settings.max_size,
    settings.seed,
  )
  return {
    'new_classes_by_size': universe.classes_by_size(),
    'programs_by_size': universe.manifest['programs_by_size'],
    'seconds': round(time.monotonic() - start, 3),
    'peak_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
  }


if __name__ == '__main__':
  define_flags()
  cli.run(main)
