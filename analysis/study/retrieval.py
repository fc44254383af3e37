"""F19: does a model copy what training shows, near and far from it?

No test function is in training, so a sample that is a training program is
wrong: a copy is retrieval where generalization was asked for. Wrong samples are
of all kinds, though, and those that are no program or no smallest one of their
function can be no copy. Where records count the others, copies are told of
these as well.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis import webpage
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import effects
from analysis.study import study as study_lib
from analysis.study import tables
from analysis.study.drawn import Drawn
from synth import seeding
from synth.splits import split as split_lib
from synth.splits import support as support_split
from synth.statistics import design
from synth.statistics.design import Interval

_BINS = 8  # of equally many tasks
_TESTS = (support_split.NOVEL, support_split.CONTROL, split_lib.DEV)
_ARMS = {
  support_split.WITHOUT: picture.VERMILION,
  support_split.WITH: picture.BLUE,
}


class Copies(NamedTuple):
  """Share of wrong samples that are programs of training, by distance.

  Attributes:
    distance_B: Mean distance to training of the tasks of each bin; bins without
      a wrong sample are left out.
    of_wrong: Copies by wrong samples: ratio and 95 % interval of each bin.
    of_minimal: By wrong samples that are minimal programs, of which alone some
      can be copies; empty if records do not count them or a bin has none.
    items: Tasks in all.
  """

  distance_B: np.ndarray
  of_wrong: list[Interval]
  of_minimal: list[Interval]
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
  counted = all(cells_lib.WRONG_MINIMAL in cell.facts for cell in cells)
  middle, of_wrong, of_minimal = [], [], []
  for number in np.unique(np.concatenate(bins)):
    by_split: dict[int, list[np.ndarray]] = {}
    distances = []
    for cell, bin_I in zip(cells, bins, strict=True):
      inside_I = bin_I == number
      if not inside_I.any():
        continue
      copied_SxI = cell.facts[cells_lib.COPIED][inside_I].T
      wrong_SxI = cell.samples - cell.correct_SxI[:, inside_I]
      minimal_SxI = np.zeros_like(wrong_SxI)
      if counted:
        minimal_SxI = cell.facts[cells_lib.WRONG_MINIMAL][inside_I].T
      by_split.setdefault(cell.split, []).append(
        np.stack([copied_SxI, wrong_SxI, minimal_SxI])
      )
      distances.append(cell.facts[space][inside_I])
    counts = [np.concatenate(parts, axis=2) for parts in by_split.values()]
    if not any(wrong_SxI.any() for _, wrong_SxI, _ in counts):
      continue
    middle.append(float(np.concatenate(distances).mean()))
    of_wrong.append(effects.share(_ratio([c[[0, 1]] for c in counts]), rng))
    if counted and any(minimal_SxI.any() for _, _, minimal_SxI in counts):
      of_minimal.append(effects.share(_ratio([c[[0, 2]] for c in counts]), rng))
  if len(of_minimal) < len(of_wrong):
    of_minimal = []
  return Copies(np.array(middle), of_wrong, of_minimal, len(distance_I))


def _ratio(pairs: Sequence[np.ndarray]) -> design.Contrast:
  """A ratio of means as a mean: itself plus its linear part (delta method).

  Args:
    pairs: (numerator_SxI, denominator_SxI) of every split.
  """
  above, below = np.mean([pair.mean(axis=(1, 2)) for pair in pairs], axis=0)
  ratio = above / below
  return [
    [design.Term(ratio + (above_SxI - ratio * below_SxI) / below)]
    for above_SxI, below_SxI in pairs
  ]


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
          contrasts.HELD_OUT[name],
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
      axis.set_title(f'held out: {contrasts.HELD_OUT[name]}')
      mean_B, low_B, high_B = (
        np.array(v) for v in zip(*copies.of_wrong, strict=True)
      )
      axis.fill_between(copies.distance_B, low_B, high_B, color=colour,
                        alpha=0.18, lw=0)  # fmt: skip
      axis.plot(copies.distance_B, mean_B, 'o-', color=colour, ms=4,
                label=arm)  # fmt: skip
      if copies.of_minimal:
        mean_B, low_B, high_B = (
          np.array(v) for v in zip(*copies.of_minimal, strict=True)
        )
        axis.fill_between(copies.distance_B, low_B, high_B, color=colour,
                          alpha=0.12, lw=0)  # fmt: skip
        axis.plot(copies.distance_B, mean_B, 's--', color=colour, ms=3.5,
                  label=f'{arm}, of minimal programs')  # fmt: skip
      axis.set_xlabel(f'{space} to training')
      axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
      numbers[f'{name}, {arm}, {space}'] = {
        'distance': copies.distance_B.tolist(),
        'of wrong': [list(v) for v in copies.of_wrong],
        'of minimal': [list(v) for v in copies.of_minimal],
      }
    left = axes[f'{name} {spaces[0]}']
    left.set_ylabel('of wrong samples,\nprograms of training')
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
    'No test function is in training: every copy is wrong. Wrong samples that '
    'are no program, or no smallest program of their function, can be no copy, '
    'and how many are of these may change with distance, too'
  )
  caption += _of_the_others(found) + ' Settings were chosen on dev of split 0.'
  if lacking:
    caption += f' Not measured: {"; ".join(lacking)}.'
  return Drawn(fig, caption, numbers)


def _of_the_others(found: Mapping[str, Mapping[Any, Copies]]) -> str:
  """Of which contrasts copies are told among what can be one."""
  counted = [
    name
    for name, measured in found.items()
    if all(copies.of_minimal for copies in measured.values())
  ]
  unknown = ', '.join(name for name in found if name not in counted)
  text = ''
  if counted:
    text += '; dashed: copies among all the others'
    text += f' ({", ".join(counted)})' if unknown else ''
  if unknown:
    text += (
      f'; records of {unknown} do not hold it, so neither are copies among '
      'the others measured nor what chance would have of them'
    )
  return text + '.'
