"""One self-contained page about the runs below a directory.

  python -m analysis.report --runs=DIR [--runs=DIR2 ...] --out=FILE.html

Of runs, `analysis.runs.page`; of a directory of records (`synth.records`) the
page of the study, `analysis.study.page`.
"""

import pathlib
from typing import Any

from absl import flags

from analysis.runs import page as runs_page
from analysis.study import page as study_page
from analysis.study import study
from synth import cli


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_multi_string(
    'runs', None, 'Directory of runs; may be given several times.'
  )
  flags.mark_flag_as_required('runs')
  flags.DEFINE_string('out', None, 'The page to write.', required=True)


def main() -> dict[str, Any]:
  """Writes the page."""
  directories = [pathlib.Path(directory) for directory in flags.FLAGS.runs]
  out = pathlib.Path(flags.FLAGS.out)
  if len(directories) == 1 and study.is_study(directories[0]):
    return study_page.write(directories[0], out)
  return runs_page.write(directories, out)


if __name__ == '__main__':
  define_flags()
  cli.run(main)
