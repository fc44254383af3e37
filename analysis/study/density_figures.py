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
from synth.statistics.design import Interval

_ALPHA = verdicts.ALPHA
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
  rate: dict[tuple[str, str], Interval] = {}
  marks: dict[tuple[str, str], density.Against] = {}
  tasks: dict[str, str] = {}
  stars: set[tuple[str, str]] = set()
  families = []
  for grid in contrasts.density_grids(study):
    for one in (grid, density.by_size(grid)):
      # What `uniform` does is told once, of all its models.
      rate = {**density.rates(one), **rate}
      tasks |= {cell.test: f'{cell.test} {len(cell.item_I):,}' for cell in one}
    found = density.against_uniform(grid)
    # Of sizes, which are parts of one law, intervals alone are told.
    marks |= density.against_uniform(density.by_size(grid)) | found
    stars |= {key for key, one in found.items() if one.adjusted <= _ALPHA}
    families.append(
      f'{len(found)} cells of {len(grid.arms) - 1} arms ({drawn.design(grid)}; '
      f'p at most {_ALPHA:g} takes {_pairs(len(found))} pairs of models)'
    )
  arms = [arm for arm in density_split.ARMS if any(k[0] == arm for k in rate)]
  if not arms:
    raise cells_lib.NotMeasured('no density arm has two runs')
  table = np.array(
    [[rate[arm, test].estimate if (arm, test) in rate else np.nan
      for test in tasks] for arm in arms]
  )  # fmt: skip
  fig, axes = picture.mosaic(
    'Which training law generalizes to which test law?',
    [['matrix']],
    (2.4 + 1.5 * len(tasks), 1.8 + 0.34 * len(arms)),
  )
  axis = axes['matrix']
  brightest = 1.3 * float(np.nanmax(table))
  axis.imshow(table, cmap='Blues', aspect='auto', vmin=0, vmax=brightest)
  for row, arm in enumerate(arms):
    for column, test in enumerate(tasks):
      if (arm, test) not in rate:
        text = 'lacks'
      else:
        mean, low, high = rate[arm, test]
        low, high = 100 * max(low, 0), 100 * min(high, 1)
        text = f'{100 * mean:.1f} [{low:.1f}, {high:.1f}]'
        mark = marks.get((arm, test))
        if (arm, test) in stars:
          text += ' **'
        elif mark and mark.effect.interval.low * mark.effect.interval.high > 0:
          text += ' *'
      dark = np.nan_to_num(table[row, column]) > 0.55 * brightest
      axis.text(
        column, row, text, ha='center', va='center', fontsize=8,
        color='white' if dark else picture.BLACK,
      )  # fmt: skip
  axis.set_xticks(range(len(tasks)), [t.replace(', ', ',\n') for t in tasks])
  axis.xaxis.tick_top()
  axis.set_yticks(range(len(arms)), arms)
  axis.tick_params(length=0)
  axis.spines[:].set_visible(False)
  axis.set_xlabel('test set: pass@1, %')
  axis.set_ylabel('training arm')
  caption = (
    'pass@1 of every training arm (rows) on every test set (columns), mean '
    f'and 95 % interval. Tasks: {", ".join(tasks.values())}; those of one size '
    'are a part of uniform. *: the 95 % interval of its paired difference from '
    'uniform training, of the same seeds, leaves out 0, this cell alone, sizes '
    f'as well. By Holm over all {"; over all ".join(families)} '
    f'{"those of **" if stars else "no cell"} can be told from uniform '
    'training.'
  )
  numbers = {f'{arm} on {test}': list(v) for (arm, test), v in rate.items()}
  return drawn.Drawn(fig, caption, numbers)


def dose(study: study_lib.Study) -> drawn.Drawn:
  """F6: success against the exponent of the inverse density.

  Raises:
    NotMeasured: if no space has all its doses.
  """
  grid = study.grid(contrasts.DENSITY)
  grids = {raked: grid for raked in (False, True)}
  if study.contrasts.get(contrasts.MORE):
    grids[True] = study.together(contrasts.DENSITY, contrasts.MORE)
  tests = density.shifted(grid)
  fig, axes = picture.mosaic(
    'Does more diverse training help more?',
    [list(density.SPACES)],
    (10.5, 3.8),
    sharey=True,
  )
  numbers: dict[str, Any] = {}
  lacking = []
  for space, axis in axes.items():
    axis.set_title(f'diverse in {space} space' if space != 'joint'
                   else 'diverse in both spaces')  # fmt: skip
    for raked, style in ((False, '-'), (True, '--')):
      name = f'{space}{", raked" if raked else ""}'
      arms = density.dose_arms(space, raked)
      try:
        found = [
          effects.effect(
            grids[raked], {(a, t): 1 / len(tests) for t in tests}
          ).interval
          for a in arms
        ]
        slope = effects.effect(grids[raked], _mean_slope(arms, tests))
      except cells_lib.NotMeasured as lack:
        lacking.append(f'{name}: {lack}')
        continue
      x = np.array(list(arms.values())) + (0.03 if raked else 0.0)
      drawn.bars(axis, x, found, _SPACE_COLOURS[space], style)
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
    raise cells_lib.NotMeasured('; '.join(lacking))
  axes['semantic'].set_ylabel('pass@1 under shifted test laws')
  drawn.percent(axes['semantic'])
  caption = (
    'Training classes drawn with probability proportional to '
    'density^-gamma; dashed: the same, raked to the sizes, '
    'operators and constants of uniform. 95 % intervals over '
    f'{drawn.design(grid)} (raked: {drawn.design(grids[True])}), mean of '
    f'{len(tests)} test laws. Text: slope in '
    'points per unit of gamma with its 95 % interval.'
  )
  if lacking:
    caption += f' Not measured: {"; ".join(lacking)}.'
  return drawn.Drawn(fig, caption, numbers)


def _pairs(tests: int) -> int:
  """The fewest pairs of models whose p can survive Holm over some tests."""
  return 1 + math.ceil(math.log2(max(tests, 1) / _ALPHA))


def _mean_slope(
  arms: dict[str, float], tests: Sequence[str]
) -> effects.Weights:
  return {
    key: weight / len(tests)
    for test in tests
    for key, weight in effects.slope(arms, test).items()
  }
