"""Figures of effects: density, dose, support, novelty, the ladder."""

from collections.abc import Sequence
import math
from typing import Any
from typing import NamedTuple

from matplotlib import axes as axes_lib
from matplotlib import figure as figure_lib
from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import density
from analysis.study import effects
from analysis.study import novelty
from analysis.study import study as study_lib
from analysis.study import support
from analysis.study import verdicts
from synth.evaluation.sample_records import Best
from synth.splits import density as density_split
from synth.splits import ladder as ladder_split
from synth.splits import support as support_split
from synth.statistics.design import Interval

_SPACE_COLOURS = {
  'semantic': picture.PURPLE,
  'syntactic': picture.ORANGE,
  'joint': picture.SKY,
}
# Contrast -> what is held out, in the words of a row.
HELD_OUT = {
  'support': 'a structure (S3)',
  'region_semantic': 'a half-space, semantic (S2)',
  'region_syntactic': 'a half-space, syntactic (S2)',
  'length': 'the largest size (S5)',
  'order': 'an order of operators (S6)',
  'avoidable': 'a structure that need not be written (negative control)',
  'cluster_semantic': 'a cluster, semantic (S1)',
  'cluster_syntactic': 'a cluster, syntactic (S1)',
}
# Contrasts that hold out edges of programs -> what.
EDGES = {'support': 'S3', 'order': 'S6'}
_BEST = {
  Best.WITH_STRUCTURE: ('with the structure', picture.GREEN),
  Best.WITHOUT_STRUCTURE: ('without it only', picture.SKY),
  Best.FITS_ONLY: ('specification only', '#f0e442'),
  Best.UNSOLVED: ('unsolved', '#cccccc'),
}


class Drawn(NamedTuple):
  """A figure, ready to be written.

  Attributes:
    figure: The picture; its title is the question.
    caption: What is drawn: n, seeds, splits, intervals.
    numbers: The same as numbers.
  """

  figure: figure_lib.Figure
  caption: str
  numbers: dict[str, Any]


def matrix(study: study_lib.Study) -> Drawn:
  """F5: every density arm on every test law.

  Raises:
    NotMeasured: if records lack.
  """
  grid = study.grid(contrasts.DENSITY)
  rate = density.rates(grid)
  marks = density.against_uniform(grid)
  arms = [arm for arm in grid.arms if any(key[0] == arm for key in rate)]
  arms.sort(key=lambda arm: arm != density_split.UNIFORM)
  if not arms:
    raise cells_lib.NotMeasured('no density arm has two runs')
  table = np.array(
    [
      [rate[arm, test].estimate if (arm, test) in rate else np.nan
       for test in grid.tests]
      for arm in arms
    ]
  )  # fmt: skip
  fig, axes = picture.mosaic(
    'Which training law generalizes to which test law?',
    [['matrix']],
    (2.2 + 1.5 * len(grid.tests), 1.8 + 0.34 * len(arms)),
  )
  axis = axes['matrix']
  brightest = 1.3 * float(np.nanmax(table))
  axis.imshow(table, cmap='Blues', aspect='auto', vmin=0, vmax=brightest)
  for row, arm in enumerate(arms):
    for column, test in enumerate(grid.tests):
      if (arm, test) not in rate:
        text = 'lacks'
      else:
        mean, low, high = rate[arm, test]
        low, high = 100 * max(low, 0), 100 * min(high, 1)
        text = f'{100 * mean:.1f} [{low:.1f}, {high:.1f}]'
        mark = marks.get((arm, test))
        if mark and mark.adjusted <= verdicts.ALPHA:
          text += ' **'
        elif mark and mark.effect.interval.low * mark.effect.interval.high > 0:
          text += ' *'
      dark = np.nan_to_num(table[row, column]) > 0.55 * brightest
      axis.text(
        column, row, text, ha='center', va='center', fontsize=8,
        color='white' if dark else picture.BLACK,
      )  # fmt: skip
  axis.set_xticks(range(len(grid.tests)), grid.tests)
  axis.xaxis.tick_top()
  axis.set_yticks(range(len(arms)), arms)
  axis.tick_params(length=0)
  axis.spines[:].set_visible(False)
  axis.set_xlabel('test set: pass@1, %')
  axis.set_ylabel('training arm')
  tasks = {cell.test: f'{cell.test} {len(cell.item_I):,}' for cell in grid}
  caption = (
    f'pass@1 of every training arm (rows) on every test set (columns), mean '
    f'and 95 % interval over {_design(grid)}. Tasks: '
    f'{", ".join(tasks.values())}. *: the 95 % interval of its paired '
    'difference from uniform training leaves out 0, this cell alone; **: p of '
    f'the sign-flip test is at most 0.05 by Holm over all {len(marks)} cells, '
    f'which takes at least {_pairs(len(marks))} pairs of models.'
  )
  numbers = {f'{arm} on {test}': list(v) for (arm, test), v in rate.items()}
  return Drawn(fig, caption, numbers)


def dose(study: study_lib.Study) -> Drawn:
  """F6: success against the exponent of the inverse density.

  Raises:
    NotMeasured: if no space has all its doses.
  """
  grid = study.grid(contrasts.DENSITY)
  tests = density.shifted(grid)
  fig, axes = picture.mosaic(
    'Does more diverse training help more?',
    [list(density.SPACES)],
    (10.5, 3.8),
    sharey=True,
  )
  numbers: dict[str, Any] = {}
  for space, axis in axes.items():
    axis.set_title(f'diverse in {space} space' if space != 'joint'
                   else 'diverse in both spaces')  # fmt: skip
    for raked, style in ((False, '-'), (True, '--')):
      arms = {
        arm: gamma
        for arm, gamma in density.dose_arms(space, raked).items()
        if arm in grid.arms
      }
      if len(arms) < 2:
        continue
      try:
        found = [
          effects.effect(grid, {(a, t): 1 / len(tests) for t in tests}).interval
          for a in arms
        ]
        slope = effects.effect(grid, _mean_slope(arms, tests))
      except cells_lib.NotMeasured:
        continue
      x = np.array(list(arms.values())) + (0.03 if raked else 0.0)
      _bars(axis, x, found, _SPACE_COLOURS[space], style)
      name = f'{space}{", raked" if raked else ""}'
      value, low, high = (100 * v for v in slope.interval)
      text = (
        f'{"raked: " if raked else ""}{value:+.1f} [{low:+.1f}, {high:+.1f}]'
      )
      axis.text(
        0.04, 0.13 - 0.08 * raked, text, transform=axis.transAxes, fontsize=9
      )
      numbers[name] = {
        'gamma': list(arms.values()),
        'rate': [list(v) for v in found],
        'slope': list(slope.interval),
        'p': slope.p,
      }
    axis.set_xticks([0, 0.5, 1])
    axis.set_xlabel('exponent gamma (0: uniform)')
  if not numbers:
    raise cells_lib.NotMeasured('no space has two doses')
  axes['semantic'].set_ylabel('pass@1 under shifted test laws')
  _percent(axes['semantic'])
  caption = (
    'Training classes drawn with probability proportional to '
    'density^-gamma; dashed: the same, raked to the sizes, '
    f'operators and constants of uniform. 95 % intervals over {_design(grid)}, '
    f'mean of {len(tests)} test laws. Text: slope in points per unit of gamma '
    'with its 95 % interval.'
  )
  return Drawn(fig, caption, numbers)


def _pairs(tests: int) -> int:
  """The fewest pairs of models whose p can survive Holm over some tests."""
  return 1 + math.ceil(math.log2(max(tests, 1) / verdicts.ALPHA))


def _mean_slope(
  arms: dict[str, float], tests: Sequence[str]
) -> effects.Weights:
  return {
    key: weight / len(tests)
    for test in tests
    for key, weight in effects.slope(arms, test).items()
  }


def forest(study: study_lib.Study) -> Drawn:
  """F7: what each hold-out costs.

  Raises:
    NotMeasured: if no hold-out has whole records.
  """
  found: dict[str, support.Support] = {}
  lacking = []
  for name in HELD_OUT:
    if name not in study.contrasts:
      continue
    try:
      found[name] = contrasts.held_out(study, name)
    except cells_lib.NotMeasured as lack:
      lacking.append(f'{name}: {lack}')
  if not found:
    raise cells_lib.NotMeasured('; '.join(lacking) or 'no support contrast')
  fig, axes = picture.mosaic(
    'What does never having seen it cost?',
    [['forest']],
    (10.5, 1.7 + 0.95 * len(found)),
  )
  axis = axes['forest']
  margin = 100 * effects.MARGIN
  axis.axvspan(-margin, margin, color='#eeeeee', lw=0)
  axis.axvline(0, color=picture.BLACK, lw=0.8)
  axis.axvline(30, color=picture.GREY, lw=0.8, ls=':')
  parts = (
    ('drop', 'novel', picture.VERMILION, -0.24),
    ('price', 'control', picture.BLUE, 0.0),
    ('gap', 'difference', picture.BLACK, 0.24),
  )
  for row, one in enumerate(found.values()):
    for attribute, label, colour, shift in parts:
      effect: effects.Effect = getattr(one, attribute)
      mean, low, high = (100 * v for v in effect.interval)
      _, inner_low, inner_high = (100 * v for v in effect.these_splits)
      y = row + shift
      axis.plot([low, high], [y, y], color=colour, lw=1)
      axis.plot([inner_low, inner_high], [y, y], color=colour, lw=3.5)
      axis.plot(
        mean, y, 'o', color=colour, ms=6, label=label if row == 0 else None
      )
      axis.plot(
        [100 * part.interval.estimate for part in effect.parts],
        [y] * len(effect.parts),
        '|', color=colour, ms=9, alpha=0.7,
      )  # fmt: skip
      same = effect.equivalence.equivalent
      note = f' p = {effect.p:.2g}{", within 3 points" if same else ""}'
      end = float(np.nanmax([high, inner_high]))
      axis.annotate(
        note, (min(end, 70), y), xytext=(6, -7 if end > 70 else 0),
        textcoords='offset points', va='center', fontsize=7.5, color=colour,
      )  # fmt: skip
  axis.set_yticks(
    range(len(found)),
    [
      f'{HELD_OUT[name]}\n{one.gap.splits} splits x {one.gap.seeds} seeds\n'
      f'novel, seen: {one.seen:.1%}'
      for name, one in found.items()
    ],
  )
  least = min(
    100 * getattr(o, a).interval.low
    for o in found.values()
    for a, _, _, _ in parts
  )
  most = max(
    100 * getattr(o, a).interval.high
    for o in found.values()
    for a, _, _, _ in parts
  )
  # With room for the notes behind the lines.
  axis.set_xlim(max(-100, least - 5), min(100, max(most, 30) * 1.35))
  axis.set_ylim(len(found) - 0.5, -0.6)
  axis.set_xlabel(
    'pass@1 of models that saw it less of those that did not, points'
  )
  fig.legend(loc='outside right upper', frameon=False)
  caption = (
    'Held out: rows. Points: mean; thick lines: 95 % intervals for these '
    'splits, over new seeds and tasks; thin lines: for new splits too; ticks: '
    'each split. Grey: within 3 points of 0; dotted: 30 points. p: exact '
    'sign-flip over pairs of models, not adjusted (the claim table does). '
    'Beside the rows: pass@1 on novel of models that saw it; no more can be '
    'lost. '
    'Tasks: '
    + ', '.join(f'{name} {one.gap.items:,}' for name, one in found.items())
    + '.'
  )
  if lacking:
    caption += f' Not whole, so not drawn: {"; ".join(lacking)}.'
  numbers = {
    name: {a: list(getattr(one, a).interval) for a, _, _, _ in parts}
    for name, one in found.items()
  }
  return Drawn(fig, caption, numbers)


def solved(study: study_lib.Study) -> Drawn:
  """F8: whether novel tasks are solved with the structure or around it.

  Raises:
    NotMeasured: if records lack.
  """
  rows: dict[str, novelty.Novelty] = {}
  lacking = []
  for contrast, held_out in EDGES.items():
    try:
      grid = study.grid(contrast)
    except cells_lib.NotMeasured as lack:
      lacking.append(str(lack))
      continue
    for test in (study_lib.FORCED, study_lib.AVOIDABLE, support_split.CONTROL):
      for arm in (support_split.WITHOUT, support_split.WITH):
        try:
          found = novelty.measure(grid, arm, test)
        except cells_lib.NotMeasured as lack:
          lacking.append(f'{contrast}: {lack}')
          continue
        rows[f'{held_out}, {test}: {arm} ({found.items:,})'] = found
  if not rows:
    raise cells_lib.NotMeasured('; '.join(lacking))
  fig, axes = picture.mosaic(
    'Is the new structure written, or avoided?',
    [['bars', *(best.name for best in Best)]],
    (14, 1.9 + 0.42 * len(rows)),
    width_ratios=(2.6, 1, 1, 1, 1),
    sharey=True,
  )
  for row, one in enumerate(rows.values()):
    left = 0.0
    for best, (mean, low, high) in one.shares.items():
      _, colour = _BEST[best]
      axes['bars'].barh(row, mean, left=left, color=colour)
      if mean > 0.05:
        axes['bars'].text(left + mean / 2, row, _rounded(mean), ha='center',
                          va='center', fontsize=8)  # fmt: skip
      left += mean
      axes[best.name].plot([low, high], [row, row], color=colour, lw=2.5)
      axes[best.name].plot(mean, row, 'o', color=colour, ms=5,
                           mec=picture.BLACK, mew=0.5)  # fmt: skip
  for best, (label, _) in _BEST.items():
    axes[best.name].set_title(label, fontsize=9)
    axes[best.name].grid(axis='x', color='#dddddd', lw=0.6)
    axes[best.name].tick_params(axis='y', length=0)
  for axis in axes.values():
    axis.set_xlim(-0.02, 1.02)
    axis.set_xticks([0, 0.5, 1])
    axis.xaxis.set_major_formatter(ticker.PercentFormatter(1))
  axes['bars'].set_title('tasks, by the best of their samples', fontsize=9)
  axes['bars'].set_yticks(range(len(rows)), list(rows))
  axes['bars'].set_ylim(len(rows) - 0.5, -0.5)
  samples = sorted({one.samples for one in rows.values()})
  number = ' or '.join(map(str, samples))
  caption = (
    f'Shares of tasks, each by the best of its {number} samples. Forced: no '
    'program that a model may write computes the function without the '
    'structure; avoidable: some longer one does, and a task so solved shows no '
    'new structure. Specification only: equal at the points shown, another '
    'function. In brackets tasks, all splits together; '
    f'{_design(study.grid(next(iter(_made(study)))))}. Lines: 95 % intervals '
    'for these splits, over new seeds and tasks. The negative control, div > '
    'mul, which no function needs, is the contrast avoidable.'
  )
  if lacking:
    caption += f' Not measured: {"; ".join(dict.fromkeys(lacking))}.'
  numbers = {
    row: {best.name.lower(): list(v) for best, v in one.shares.items()}
    for row, one in rows.items()
  }
  return Drawn(fig, caption, numbers)


def _rounded(share: float) -> str:
  """In percent; near all of them to the digits that are not."""
  return f'{share:.0%}' if share < 0.99 or share == 1 else f'{share:.2%}'


def _made(study: study_lib.Study) -> list[str]:
  """The contrasts of held-out edges that have records."""
  return [name for name in EDGES if study.contrasts.get(name)]


def rungs(study: study_lib.Study) -> Drawn:
  """F10: success against compound divergence.

  Raises:
    NotMeasured: if records lack.
  """
  grid = study.grid(contrasts.LADDER)
  slope = contrasts.rungs(study)
  tests = {ladder_split.NOVEL: picture.VERMILION,
           ladder_split.CONTROL: picture.BLUE}  # fmt: skip
  divergence = contrasts.rung_divergence(study)
  arms = sorted(grid.arms)
  x = [np.mean([by_arm[arm] for by_arm in divergence.values()]) for arm in arms]
  fig, axes = picture.mosaic(
    'Does success fall as compounds diverge?', [['ladder']], (6.5, 4)
  )
  axis = axes['ladder']
  numbers: dict[str, Any] = {'cost': list(slope.interval), 'p': slope.p}
  for test, colour in tests.items():
    found = [effects.effect(grid, {(arm, test): 1.0}).interval for arm in arms]
    _bars(axis, np.array(x), found, colour, '-')
    picture.label(axis, test, (float(x[-1]), found[-1].estimate), colour,
                  offset=(8, 0), va='center')  # fmt: skip
    numbers[test] = [list(v) for v in found]
  axis.margins(x=0.15)
  axis.set_xlabel('compound divergence of training from the novel test')
  axis.set_ylabel('pass@1')
  _percent(axis)
  value, low, high = (100 * v for v in slope.interval)
  caption = (
    f'Arms hold out more and more edges; equal tests and atoms. 95 % intervals '
    f'over {_design(grid)}. Loss on novel from the lowest to the highest rung, '
    f'by the slope over all: {value:.1f} points [{low:.1f}, {high:.1f}], p = '
    f'{slope.p:.2g}.'
  )
  return Drawn(fig, caption, numbers)


def _design(grid: cells_lib.Grid) -> str:
  seeds = sorted({len(cell.seeds) for cell in grid})
  number = str(seeds[0]) if len(seeds) == 1 else f'{seeds[0]} to {seeds[-1]}'
  plural = 's' if len(grid.splits) != 1 else ''
  return f'{len(grid.splits)} split{plural} with {number} seeds each'


def _bars(
  axis: axes_lib.Axes,
  x: np.ndarray,
  found: Sequence[Interval],
  colour: str,
  style: str,
) -> None:
  mean, low, high = (np.array(v) for v in zip(*found, strict=True))
  axis.errorbar(
    x, mean, [mean - low, high - mean], color=colour, ls=style, marker='o',
    capsize=3, ms=5,
  )  # fmt: skip


def _percent(axis: axes_lib.Axes) -> None:
  axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
  axis.set_ylim(bottom=0)
