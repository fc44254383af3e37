"""Enumerates a universe.

  python -m synth.universe --config=configs/universe.py:arithmetic --workdir=DIR

writes DIR/universe and prints classes and programs by size. With --audit=N it
also checks the universe by other means (`synth.universe.audit`), N pairs of
programs with sympy, writes DIR/audit.json and exits with code 2 on any
disagreement.
"""

import resource
import time
from typing import Any

from absl import flags

from synth import cli
from synth import errors
from synth import runs
from synth import store
from synth.language import grammar as grammar_lib
from synth.universe import audit
from synth.universe import build as build_lib
from synth.universe import universe as universe_lib


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/universe.py:arithmetic')
  cli.define_workdir('Where to write; gets universe/.')
  flags.DEFINE_string(
    'grammar', None, 'Grammar file, in place of config.universe.grammar.'
  )
  flags.DEFINE_integer(
    'max_size',
    None,
    'Largest program size in nodes, in place of config.universe.max_size.',
    lower_bound=1,
  )
  flags.DEFINE_integer(
    'audit', 0, 'Pairs of programs to compare with sympy.', lower_bound=0
  )


def main() -> dict[str, Any]:
  """Builds (or finds) the universe and summarizes it."""
  args = flags.FLAGS
  settings = args.config.universe
  workdir = cli.workdir()
  start = time.monotonic()
  universe = build_lib.load_or_build(
    workdir / universe_lib.KIND,
    grammar_lib.load(grammar_lib.find(args.grammar or settings.grammar)),
    args.max_size or settings.max_size,
    settings.seed,
  )
  result = {
    'new_classes_by_size': universe.classes_by_size(),
    'programs_by_size': universe.manifest['programs_by_size'],
    'seconds': round(time.monotonic() - start, 3),
    'peak_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
  }
  if args.audit:
    found = audit.audit(universe, args.audit, settings.seed)
    result['audit'] = found.to_json()
    facts = {'universe_sha256': store.content_hash(universe.manifest)}
    path = workdir / 'audit.json'
    runs.write_json(path, {**facts, **found.to_json()})
    if not found.passed:
      raise errors.InputError(f'the universe fails its audit: see {path}')
  return result


if __name__ == '__main__':
  define_flags()
  cli.run(main)
