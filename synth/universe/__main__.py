"""Enumerates a universe.

  python -m synth.universe --config=configs/universe.py:arithmetic --workdir=DIR

writes DIR/universe and prints classes and programs by size. With --audit=N it
also checks the universe by other means (`synth.universe.audit`), among them N
pairs of programs by an exact reference, notes it in the manifest and exits with
code 2 on any disagreement that the identity policy promises not to have. With
--describe=PROGRAM it tells what is known about the function of a program.
"""

import resource
import time
from typing import Any

from absl import flags

from synth import cli
from synth import errors
from synth import settings as settings_lib
from synth import store
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.universe import audit
from synth.universe import build as build_lib
from synth.universe import describe
from synth.universe import executors
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
  cli.define_audit('Pairs of programs to compare exactly.')
  flags.DEFINE_string('describe', None, 'An infix program to tell about.')
  flags.DEFINE_string(
    'executor',
    executors.PROCESSES,
    'Who does the work: serial, processes (one a core), processes:N, dask (a '
    'local cluster) or dask:ADDRESS of a scheduler.',
  )


def main() -> dict[str, Any]:
  """Builds (or finds) the universe and summarizes it."""
  args = flags.FLAGS
  settings_lib.check(args.config, 'universe')
  executors.check(args.executor)
  settings = args.config.universe
  path = settings.grammar if args.grammar is None else args.grammar
  program = None if args.describe is None else program_lib.parse(args.describe)
  workdir = cli.workdir()
  start = time.monotonic()
  universe = build_lib.load_or_build(
    workdir / universe_lib.KIND,
    grammar_lib.load(grammar_lib.find(path)),
    args.max_size or settings.max_size,
    settings.seed,
    args.executor,
  )
  result: dict[str, Any] = {
    'new_classes_by_size': universe.classes_by_size(),
    'programs_by_size': universe.manifest['programs_by_size'],
    'seconds': round(time.monotonic() - start, 3),
    'peak_bytes': _peak_bytes(),
  }
  if program is not None:
    result['described'] = describe.describe(universe, program)
  if args.audit:
    found = audit.audit(universe, args.audit, settings.seed)
    result['audit'] = found.to_json()
    directory = workdir / universe_lib.KIND
    store.annotate(directory, universe_lib.KIND, 'audit', found.to_json())
    if not found.passed:
      raise errors.InputError(
        f'the universe fails its audit: see notes in {directory}/manifest.json'
      )
  return result


def _peak_bytes() -> int:
  """The most memory that this process or one of its workers had."""
  return 1024 * max(
    resource.getrusage(who).ru_maxrss
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
  )


if __name__ == '__main__':
  define_flags()
  cli.run(main)
