"""Figures of what is held out: cost (F7), novelty (F8), the ladder (F10)."""

from collections.abc import Sequence
from typing import Any

from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import drawn
from analysis.study import effects
from analysis.study import extent
from analysis.study import novelty
from analysis.study import study as study_lib
from analysis.study import support
from analysis.study import verdicts
from synth import records
from synth.evaluation.sample_records import Best
from synth.splits import support as support_split

_BEST = {
  Best.WITH_STRUCTURE: ('with the structure', picture.GREEN),
  Best.WITHOUT_STRUCTURE: ('without it only', picture.SKY),
  Best.FITS_ONLY: ('specification only', picture.YELLOW),
  Best.UNSOLVED: ('unsolved', picture.PALE),
}


def forest(study: study_lib.Study) -> drawn.Drawn:
  """F7: what each hold-out costs.

  Raises:
    NotMeasured: if no hold-out has whole records.
  """
  found: dict[str, support.Support] = {}
  lacking = []
  for name in contrasts.HELD_OUT:
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
    (10.5, 1.7 + 1.1 * len(found)),
  )
  axis = axes['forest']
  margin = 100 * effects.MARGIN
  axis.axvspan(-margin, margin, color=picture.FAINTEST, lw=0)
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
      same = effect.equivalence.equivalent and one.seen > effects.MARGIN
      note = ''  # of too few pairs
      if effect.least <= verdicts.ALPHA:
        note = f' p = {effect.p:.2g}{", within 3 points" if same else ""}'
      end = float(np.nanmax([high, inner_high]))
      axis.annotate(
        note, (min(end, 70), y), xytext=(6, -7 if end > 70 else 0),
        textcoords='offset points', va='center', fontsize=7.5, color=colour,
      )  # fmt: skip
  axis.set_yticks(
    range(len(found)),
    [
      f'{contrasts.HELD_OUT[name]}\n'
      f'{one.gap.splits} split{"s" * (one.gap.splits > 1)} x '
      f'{one.gap.seeds} seeds\n'
      f'{_training(study.of(name))}\n'
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
    'each split. Grey: within 3 points of 0 (said only where more than that '
    'could be lost); dotted: 30 points. p: exact sign-flip over pairs of '
    'models, not adjusted (the claim table does); with n pairs at least '
    '2^(1 - n), so none is said of fewer than six. '
    'Beside the rows: pass@1 on novel of models that saw it; no more can be '
    'lost. Dose: the share that what is held out has of the functions that '
    'models which saw it were trained on; where doses or steps differ, so may '
    'losses for that reason. '
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
  return drawn.Drawn(fig, caption, numbers)


def _training(found: Sequence[records.Record]) -> str:
  """Steps of some models, and how much of it those that saw it were shown."""
  text = f'{extent.extent(record.facts["step"] for record in found)} steps'
  if shares := study_lib.doses(found):
    text += f', dose {extent.extent((100 * d for d in shares), ".1f")} %'
  return text


def solved(study: study_lib.Study) -> drawn.Drawn:
  """F8: whether novel tasks are solved with the structure or around it.

  Raises:
    NotMeasured: if records lack.
  """
  rows: dict[str, novelty.Novelty] = {}
  designs, lacking = [], []
  for contrast, held_out in contrasts.EDGES.items():
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
          if test in grid.tests:  # else there are no such tasks
            lacking.append(f'{contrast}: {lack}')
          continue
        rows[f'{held_out}, {test}: {arm} ({found.items:,})'] = found
    designs.append(f'{held_out} {drawn.design(grid)}')
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
    axes[best.name].grid(axis='x', color=picture.FAINT, lw=0.6)
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
    'function. In brackets tasks, all splits together, each counted as often '
    f'as it is tested; {"; ".join(designs)}. Lines: 95 % intervals for these '
    'splits, over new seeds and tasks. In the negative control, div > mul, no '
    'function needs the structure.'
  )
  if lacking:
    caption += f' Not measured: {"; ".join(dict.fromkeys(lacking))}.'
  numbers = {
    row: {best.name.lower(): list(v) for best, v in one.shares.items()}
    for row, one in rows.items()
  }
  return drawn.Drawn(fig, caption, numbers)


def _rounded(share: float) -> str:
  """In percent; near all of them to the digits that are not."""
  return f'{share:.0%}' if share < 0.99 or share == 1 else f'{share:.2%}'


def rungs(study: study_lib.Study) -> drawn.Drawn:
  """F10: success against compound divergence.

  Raises:
    NotMeasured: if records lack.
  """
  grid = study.grid(contrasts.LADDER)
  slope = contrasts.rungs(study)
  tests = {support_split.NOVEL: picture.VERMILION,
           support_split.CONTROL: picture.BLUE}  # fmt: skip
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
    drawn.bars(axis, np.array(x), found, colour, '-')
    picture.label(axis, test, (float(x[-1]), found[-1].estimate), colour,
                  offset=(8, 0), va='center')  # fmt: skip
    numbers[test] = [list(v) for v in found]
  axis.margins(x=0.15)
  axis.set_xlabel('compound divergence of training from the novel test')
  axis.set_ylabel('pass@1')
  drawn.percent(axis)
  value, low, high = (100 * v for v in slope.interval)
  caption = (
    f'Arms hold out more and more edges; equal tests and atoms. 95 % intervals '
    f'over {drawn.design(grid)}. Loss on novel from the lowest to the highest '
    f'rung, by the slope over all: {value:.1f} points [{low:.1f}, {high:.1f}], '
    f'p = {slope.p:.2g}.'
  )
  return drawn.Drawn(fig, caption, numbers)
