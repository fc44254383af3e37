"""Pictures of a data directory: its spaces, its redundancy, its split.

  python -m analysis.atlas --data=DIR --out=DIR2 [--split=NAME]
      [--arms=ARM,ARM] [--seed=0]

Made only from the stored universe, spaces and split below DIR:

    DIR2/spaces       F1: what do the two spaces look like?
    DIR2/redundancy   F2: how redundant are programs?
    DIR2/leakage      F3: does a naive split leak?
    DIR2/matching     F4: are training and test matched?
    DIR2/atlas.html   both spaces to explore; one file, works offline

each of the first four as .png, .svg and the numbers drawn as .json.

  python -m analysis.atlas --data=DIR --records=results/cpu

writes what they are drawn from to results/cpu/atlas.json instead, for the page
of the study (`analysis.data.atlas_record`).
"""

from collections.abc import Callable
import pathlib
import shlex
import sys
from typing import Any

from absl import flags
from matplotlib import figure as figure_lib
from matplotlib import pyplot as plt

from analysis import picture
from analysis.data import atlas_record
from analysis.data import explorer
from analysis.data import leakage
from analysis.data import maps
from analysis.data import matching
from analysis.data import redundancy
from analysis.data import stored as stored_lib
from synth import cli
from synth import progress
from synth import store

PAGE = 'atlas.html'
_Drawn = tuple[figure_lib.Figure, dict[str, Any]]


def write(
  data: pathlib.Path,
  out: pathlib.Path,
  arms: list[str],
  seed: int,
  command: str,
  split: str = '',
) -> dict[str, Any]:
  """Draws everything.

  Args:
    data: Directory of the stored universe, spaces and split.
    out: Where the pictures go.
    arms: One or two arms to show; the usual ones if empty.
    seed: Of all samples.
    command: What made them, for the captions.
    split: Name of the split; needed if there are several.

  Returns:
    Where, and the names of what was written: without redundancy and leakage if
    the universe did not count its programs.

  Raises:
    InputError: if what is stored is missing or damaged.
  """
  stored = stored_lib.load(data, arms, split)
  names = ['spaces', 'matching', 'page']
  if stored.universe.manifest['multiplicities']:
    names += ['redundancy', 'leakage']
  bar = progress.Progress('atlas', len(names), 'pictures')
  made = {
    'grammar': stored.universe.grammar.name,
    'functions': f'{len(stored.universe.node_C):,}',
    'seed': seed,
    'command': command,
    'split_sha256': store.content_hash(stored.split.facts),
  }
  for done, name in enumerate(names):
    if name == 'page':
      explorer.write(stored, out / PAGE, made)
    else:
      with plt.rc_context(picture.STYLE):
        figure, numbers = _FIGURES[name](stored, seed)
        picture.write(out, name, figure, numbers, made)
    bar.update(done + 1)
  return {'out': str(out), 'written': names}


def _spaces(stored: stored_lib.Stored, seed: int) -> _Drawn:
  found = maps.measure(stored, seed)
  return maps.draw(found), dict(found.numbers)


def _redundancy(stored: stored_lib.Stored, seed: int) -> _Drawn:
  del seed  # nothing is drawn at random
  numbers = redundancy.measure(stored.universe)
  return redundancy.draw(numbers), numbers


def _leakage(stored: stored_lib.Stored, seed: int) -> _Drawn:
  numbers = leakage.measure(stored.universe, seed)
  return leakage.draw(numbers), numbers


def _matching(stored: stored_lib.Stored, seed: int) -> _Drawn:
  numbers = matching.measure(stored, seed)
  return matching.draw(numbers), numbers


_FIGURES: dict[str, Callable[[stored_lib.Stored, int], _Drawn]] = {
  'spaces': _spaces,
  'redundancy': _redundancy,
  'leakage': _leakage,
  'matching': _matching,
}


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string(
    'data', None, 'Directory with universe/, spaces/, splits/.', required=True
  )
  flags.DEFINE_string('out', None, 'Where the pictures go.')
  flags.DEFINE_string(
    'records', None, 'Directory of records whose data it is; gets atlas.json.'
  )
  flags.mark_flags_as_mutual_exclusive(['out', 'records'], required=True)
  flags.DEFINE_list(
    'arms', [], 'One or two training arms to show, A or A,B; by default '
    'train_s,train_c or uniform,joint.',
  )  # fmt: skip
  flags.DEFINE_string('split', '', 'Which of several splits in DIR/splits.')
  flags.DEFINE_integer('seed', 0, 'Of the samples that are drawn.')


def main() -> dict[str, Any]:
  """Draws everything, or records what would be drawn."""
  args = flags.FLAGS
  command = shlex.join(['python', '-m', 'analysis.atlas', *sys.argv[1:]])
  if args.records:
    directory = pathlib.Path(args.records)
    return atlas_record.write(
      pathlib.Path(args.data), directory, args.seed, command
    )
  return write(
    pathlib.Path(args.data), pathlib.Path(args.out), args.arms, args.seed,
    command, args.split,
  )  # fmt: skip


if __name__ == '__main__':
  define_flags()
  cli.run(main)
