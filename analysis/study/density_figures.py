"""Figures of density: arms on test laws (F5), dose and response (F6)."""

from collections.abc import Sequence
import math
from typing import Any

import numpy as np

from analysis import picture
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import density
from analysis.study import drawn
from analysis.study import effects
from analysis.study import study as study_lib
from analysis.study import verdicts
from synth.splits import density as density_split

_SPACE_COLOURS = {
  'semantic': picture.PURPLE,
  'syntactic': picture.ORANGE,
  'joint': picture.SKY,
}


def matrix(study: study_lib.Study) -> drawn.Drawn:
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
    f'and 95 % interval over {drawn.design(grid)}. Tasks: '
    f'{", ".join(tasks.values())}. *: the 95 % interval of its paired '
    'difference from uniform training leaves out 0, this cell alone; **: p of '
    f'the sign-flip test is at most 0.05 by Holm over all {len(marks)} cells, '
    f'which takes at least {_pairs(len(marks))} pairs of models.'
  )
  numbers = {f'{arm} on {test}': list(v) for (arm, test), v in rate.items()}
  return drawn.Drawn(fig, caption, numbers)


def dose(study: study_lib.Study) -> drawn.Drawn:
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
      drawn.bars(axis, x, found, _SPACE_COLOURS[space], style)
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
  drawn.percent(axes['semantic'])
  caption = (
    'Training classes drawn with probability proportional to '
    'density^-gamma; dashed: the same, raked to the sizes, '
    'operators and constants of uniform. 95 % intervals over '
    f'{drawn.design(grid)}, mean of {len(tests)} test laws. Text: slope in '
    'points per unit of gamma with its 95 % interval.'
  )
  return drawn.Drawn(fig, caption, numbers)


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
