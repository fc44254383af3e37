"""F19: does a model copy what training shows, the more the farther it is?

No test function is in training, so a sample that is a training program is
wrong: a copy is retrieval where generalization was asked for. Wrong programs
hit training by chance, too: dotted is the share of all functions that training
has.
"""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis import webpage
from analysis.study import atlas_view
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import effects
from analysis.study import study as study_lib
from analysis.study import tables
from analysis.study.effect_figures import HELD_OUT
from analysis.study.effect_figures import Drawn
from synth import seeding
from synth.splits import split as split_lib
from synth.splits import support as support_split
from synth.statistics.design import Interval
from synth.statistics.design import Term

_BINS = 8  # of equally many tasks
_TESTS = (support_split.NOVEL, support_split.CONTROL, split_lib.DEV)
_ARMS = {
  support_split.WITHOUT: picture.VERMILION,
  support_split.WITH: picture.BLUE,
}


class Copies(NamedTuple):
  """Share of samples that are programs of the training set, by distance.

  Attributes:
    distance_B: Mean distance to training of the tasks of each bin.
    share: Of all samples: mean and 95 % interval of each bin.
    of_wrong_B: Of the samples that are wrong; NaN where none is.
    items: Tasks in all.
  """

  distance_B: np.ndarray
  share: list[Interval]
  of_wrong_B: np.ndarray
  items: int


def measure(cells: Sequence[cells_lib.Cell], space: str) -> Copies:
  """Copies by distance in a space, over the cells of one arm.

  Args:
    cells: Test sets of the splits; tasks of one split may be in several cells.
    space: Name of the distance among the facts.

  Raises:
    NotMeasured: if there are no cells, or a record does not count copies.
  """
  if not cells:
    raise cells_lib.NotMeasured('no test set')
  if any(cells_lib.COPIED not in cell.facts for cell in cells):
    raise cells_lib.NotMeasured('records do not count copies')
  distance_I = np.concatenate([cell.facts[space] for cell in cells])
  edge_E = np.quantile(distance_I, np.linspace(0, 1, _BINS + 1)[1:-1])
  bins = [np.searchsorted(edge_E, c.facts[space], 'right') for c in cells]
  rng = seeding.generator(0, 'copies', space)
  middle, share, of_wrong = [], [], []
  for number in np.unique(np.concatenate(bins)):
    by_split: dict[int, list[np.ndarray]] = {}
    distances, copied, wrong = [], 0, 0
    for cell, bin_I in zip(cells, bins, strict=True):
      inside_I = bin_I == number
      if not inside_I.any():
        continue
      copied_SxI = cell.facts[cells_lib.COPIED][inside_I].T
      by_split.setdefault(cell.split, []).append(copied_SxI / cell.samples)
      distances.append(cell.facts[space][inside_I])
      copied += int(copied_SxI.sum())
      wrong += int((cell.samples - cell.correct_SxI[:, inside_I]).sum())
    contrast = [
      [Term(np.concatenate(parts, axis=1))] for parts in by_split.values()
    ]
    middle.append(float(np.concatenate(distances).mean()))
    share.append(effects.share(contrast, rng))
    of_wrong.append(copied / wrong if wrong else np.nan)
  return Copies(np.array(middle), share, np.array(of_wrong), len(distance_I))


def subtrees(study: study_lib.Study) -> str:
  """Subtrees of wrong outputs that training shows, against the tasks' own.

  Means over splits and seeds; the range is that of the splits' means.
  """
  rows = []
  for name in (contrasts.SYNTACTIC, contrasts.REGION, contrasts.SEMANTIC):
    told: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for record in study.contrasts.get(name, ()):
      for test in record.tests:
        found = record.facts['retrieval'][test]['subtrees']
        told.setdefault((record.facts['arm'], test), []).append(
          (float(np.mean(found['outputs'])), found['tasks'])
        )
    for (arm, test), pairs in sorted(told.items()):
      output_R, task_R = np.array(pairs).T
      excess_R = 100 * (output_R - task_R)
      rows.append(
        [
          HELD_OUT[name],
          arm,
          test,
          f'{len(pairs)}',
          f'{output_R.mean():.1%}',
          f'{task_R.mean():.1%}',
          f'{excess_R.mean():+.1f} [{excess_R.min():+.1f}, '
          f'{excess_R.max():+.1f}]',
        ]
      )
  if not rows:
    return tables.lack('no records of these contrasts')
  head = ['held out', 'arm', 'tasks', 'splits', "outputs' subtrees",
          "tasks' own", 'difference, points']  # fmt: skip
  return webpage.table(head, rows, numeric=3) + (
    '<p class="note">Share of subtrees of at least three nodes that are '
    'subtrees of programs that training shows: of what the models write, and '
    'of one minimal program a task. The difference is reproduction beyond '
    'what is common to all programs; in brackets the least and largest of the '
    'splits.</p>'
  )


def _chance(study: study_lib.Study, contrast: str, arm: str) -> float | None:
  """Share of all functions that an arm has; None if not known."""
  try:
    functions = atlas_view.functions(study)
  except cells_lib.NotMeasured:
    return None
  sizes = [
    record.facts['classes'][f'arm_{arm}']
    for record in study.of(contrast)
    if record.facts['arm'] == arm
  ]
  return sum(sizes) / len(sizes) / functions


def draw(study: study_lib.Study) -> Drawn:
  """F19: copies by distance to training, of every support contrast.

  Raises:
    NotMeasured: if no contrast has records that count copies.
  """
  spaces = (study_lib.SYNTACTIC, study_lib.SEMANTIC)
  found: dict[str, dict[tuple[str, str], Copies]] = {}
  lacking = []
  for name in (contrasts.SYNTACTIC, contrasts.REGION, contrasts.SEMANTIC):
    try:
      grid = study.grid(name)
      measured = {
        (space, arm): measure(
          [c for c in grid if c.arm == arm and c.test in _TESTS], space
        )
        for space in spaces
        for arm in _ARMS
        if arm in grid.arms
      }
    except cells_lib.NotMeasured as lack:
      lacking.append(f'{name}: {lack}')
      continue
    found[name] = measured
  if not found:
    raise cells_lib.NotMeasured('; '.join(lacking))
  fig, axes = picture.mosaic(
    'Are wrong answers programs of training, near and far?',
    [[f'{name} {space}' for space in spaces] for name in found],
    (11.5, 1.2 + 3.1 * len(found)),
  )
  numbers: dict[str, Any] = {}
  for name, measured in found.items():
    for (space, arm), copies in measured.items():
      axis, colour = axes[f'{name} {space}'], _ARMS[arm]
      axis.set_title(f'held out: {HELD_OUT[name]}')
      mean_B, low_B, high_B = (
        np.array(v) for v in zip(*copies.share, strict=True)
      )
      axis.fill_between(copies.distance_B, low_B, high_B, color=colour,
                        alpha=0.18, lw=0)  # fmt: skip
      axis.plot(copies.distance_B, mean_B, 'o-', color=colour, ms=4,
                label=f'{arm}: of all samples')  # fmt: skip
      axis.plot(copies.distance_B, copies.of_wrong_B, '--', color=colour,
                lw=1.1, label=f'{arm}: of wrong ones')  # fmt: skip
      chance = _chance(study, name, arm)
      if chance is not None:
        axis.axhline(chance, color=colour, ls=':', lw=1.1)
      axis.set_xlabel(f'{space} to training')
      axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
      numbers[f'{name}, {arm}, {space}'] = {
        'distance': copies.distance_B.tolist(),
        'share': [list(v) for v in copies.share],
        'of wrong': [None if np.isnan(v) else v for v in copies.of_wrong_B],
        'chance': chance,
      }
    left = axes[f'{name} {spaces[0]}']
    left.set_ylabel('samples that are\nprograms of training')
  for axis in axes.values():
    axis.set_ylim(bottom=0)
  left.legend(loc='lower right', ncols=2, frameon=False, fontsize=8)
  items = ', '.join(
    f'{name} {next(iter(measured.values())).items:,} '
    f'({len(next(iter(study.grid(name))).seeds)} seeds each)'
    for name, measured in found.items()
  )
  caption = (
    f'Tasks (novel, control and dev of all splits): {items}. Points: an '
    f'{_BINS}th of the tasks each, fewer points where many tasks are equally '
    'far; bands: 95 % intervals for these splits, over new seeds and tasks. '
    'No test function is in training: every copy is wrong, and where models '
    'err less, fewer of all samples are. Dotted: the share of wrong programs '
    'that would be of training if all functions were written equally often '
    '(one line where both arms have equally many); only above it is more of '
    'training than chance. Settings were chosen on dev of split 0.'
  )
  if lacking:
    caption += f' Not measured: {"; ".join(lacking)}.'
  return Drawn(fig, caption, numbers)
