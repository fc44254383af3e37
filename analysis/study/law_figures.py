"""Figures of laws: distance, coverage."""

import math
from typing import Any

from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis.study import cells as cells_lib
from analysis.study import claims
from analysis.study import coverage
from analysis.study import distance
from analysis.study import study as study_lib
from analysis.study.effect_figures import Drawn
from synth.splits import density as density_split
from synth.splits import split as split_lib
from synth.splits import support as support_split

_LINES = (picture.BLUE, picture.VERMILION, picture.GREEN, picture.PURPLE,
          picture.ORANGE, picture.SKY, picture.BLACK)  # fmt: skip
COVERAGE = 'coverage'  # the contrast with many samples a task
_CURVES = (
  (support_split.WITHOUT, support_split.NOVEL, 'out of support',
   picture.VERMILION),
  (support_split.WITH, support_split.NOVEL, 'the same, seen in training',
   picture.ORANGE),
  (support_split.WITHOUT, support_split.CONTROL, 'in support', picture.BLUE),
  (density_split.UNIFORM, 'joint_cells', 'under a shifted law', picture.PURPLE),
  (density_split.UNIFORM, density_split.UNIFORM, 'under the same law',
   picture.SKY),
)  # fmt: skip


def law_of_distance(study: study_lib.Study) -> distance.Law:
  """The law for models that never saw the structure.

  Raises:
    NotMeasured: if records lack.
  """
  names = (support_split.NOVEL, support_split.CONTROL, split_lib.DEV)
  return distance.measure(
    [
      cell
      for cell in study.grid(claims.SYNTACTIC)
      if cell.arm == support_split.WITHOUT and cell.test in names
    ]
  )


def distances(study: study_lib.Study) -> Drawn:
  """F9: the distance law.

  Raises:
    NotMeasured: if records lack.
  """
  law = law_of_distance(study)
  fig, axes = picture.mosaic(
    'Does distance to training explain success?',
    [[study_lib.SYNTACTIC, study_lib.SEMANTIC, 'rivals']],
    (13, 4.2),
  )
  numbers: dict[str, Any] = {}
  for space, curves in law.curves.items():
    axis = axes[space]
    axis.set_title(space)
    for (size, curve), colour in zip(curves.items(), _LINES, strict=False):
      axis.plot(curve.distance_D, curve.rate_D, color=colour, drawstyle='steps',
                label=f'size {size}')  # fmt: skip
      axis.fill_between(curve.distance_D, curve.low_D, curve.high_D,
                        color=colour, alpha=0.15, lw=0, step='pre')  # fmt: skip
      numbers[f'{space}, size {size}: D50'] = [
        v if math.isfinite(v) else None for v in curve.d50
      ]
    axis.set_xlabel('distance to the nearest training program')
    axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    axis.set_ylim(bottom=0)
  axes[study_lib.SYNTACTIC].set_ylabel('pass@1')
  axes[study_lib.SYNTACTIC].legend(frameon=False, fontsize=8)
  axis = axes['rivals']
  axis.set_title('deviance explained in tasks not fitted to')
  shares = {
    **{name: rival.explained for name, rival in law.rivals.items()},
    **{f'all but {s}': share for s, share in law.all_but.items()},
    'all together': law.everything,
  }
  names = list(shares)
  spaces = (study_lib.SYNTACTIC, study_lib.SEMANTIC)
  axis.barh(
    range(len(names)),
    [shares[name] for name in names],
    color=[picture.VERMILION if n in spaces else picture.GREY for n in names],
  )
  axis.set_yticks(range(len(names)), names)
  axis.invert_yaxis()
  axis.axvline(0, color=picture.BLACK, lw=0.8)
  axis.xaxis.set_major_locator(ticker.MaxNLocator(4))
  axis.xaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=1))
  numbers['explained'] = shares
  slopes = '; '.join(
    f'{space} {value.estimate:+.2f} [{value.low:+.2f}, {value.high:+.2f}]'
    for space, value in law.slope.items()
  )
  caption = (
    f'{law.items:,} tasks (novel, control and dev of all splits), {law.seeds} '
    'seeds each, models that never saw the structure. Curves: decreasing '
    'isotonic regression by program size, pointwise 95 % bootstrap intervals '
    'over seeds and tasks. Right: 5-fold cross-validated logistic regressions. '
    'Change of the logit by one standard deviation of distance, all else '
    f'equal: {slopes} (95 %, robust).'
  )
  return Drawn(fig, caption, numbers)


def sampling(study: study_lib.Study) -> Drawn:
  """F11: coverage by samples, and what no number of samples solves.

  Raises:
    NotMeasured: if records lack.
  """
  name = COVERAGE if COVERAGE in study.contrasts else claims.SYNTACTIC
  grid = study.grid(name)
  found = {}
  for arm, test, label, colour in _CURVES:
    try:
      found[label] = coverage.measure(grid, arm, test), colour, f'{arm}, {test}'
    except cells_lib.NotMeasured:
      continue
  if not found:
    raise cells_lib.NotMeasured('no arm has two runs with equal samples')
  fig, axes = picture.mosaic(
    'Does sampling more reach what is out of support?',
    [['curves', 'zero']],
    (11.5, 4.4),
    width_ratios=[3, 2],
  )
  axis, numbers = axes['curves'], {}
  for label, (one, colour, what) in found.items():
    mean_K, low_K, high_K = one.band()
    axis.plot(one.k_K, mean_K, color=colour, marker='o', ms=3, label=label)
    axis.fill_between(one.k_K, low_K, high_K, color=colour, alpha=0.15, lw=0)
    numbers[what] = {
      'k': one.k_K.tolist(),
      'pass': mean_K.tolist(),
      'unsolved': list(one.unsolved),
      'zero': list(one.zero) if one.zero else None,
      'tail': list(one.tail) if one.tail else None,
    }
  axis.set_xscale('log', base=2)
  axis.xaxis.set_major_formatter(ticker.FormatStrFormatter('%d'))
  axis.set_xlabel('samples a task, k')
  axis.set_ylabel('pass@k')
  axis.set_ylim(0, 1)
  axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
  axis.legend(frameon=False, fontsize=8)
  axis = axes['zero']
  axis.set_title('tasks out of reach')
  for row, (one, colour, _) in enumerate(found.values()):
    for shift, interval, marker in (
      (-0.13, one.unsolved, 's'), (0.13, one.zero, 'o'),
    ):  # fmt: skip
      if interval is None:
        axis.text(0.02, row + shift, 'mass at zero: not known', va='center',
                  fontsize=8, color=colour)  # fmt: skip
        continue
      mean, low, high = interval
      axis.plot([low, high], [row + shift] * 2, color=colour, lw=2)
      axis.plot(mean, row + shift, marker, color=colour, ms=6)
  marks = [
    axis.plot([], [], marker, color=picture.GREY, label=label)[0]
    for marker, label in (('s', 'never solved'), ('o', 'mass at zero, fitted'))
  ]
  axis.set_yticks(range(len(found)), list(found))
  axis.set_ylim(len(found) - 0.5, -0.5)
  axis.set_xlim(-0.02, 1.02)
  axis.xaxis.set_major_formatter(ticker.PercentFormatter(1))
  axis.legend(handles=marks, frameon=False, fontsize=8, loc='best')
  one = next(iter(found.values()))[0]
  caption = (
    f'{one.items:,} tasks a curve, {one.samples:,} samples each, {one.runs} '
    'runs; bands and lines: 95 % intervals over runs. Mass at zero: share of '
    'tasks whose chance of success is 0, of a zero-inflated beta-binomial '
    'fitted to every run.'
  )
  return Drawn(fig, caption, numbers)
