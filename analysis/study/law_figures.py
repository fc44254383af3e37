"""Figures of laws: distance, coverage."""

import itertools
import math
from typing import Any

from matplotlib import axes as axes_lib
from matplotlib import ticker

from analysis import picture
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import coverage
from analysis.study import distance
from analysis.study import extent
from analysis.study import hover
from analysis.study import study as study_lib
from analysis.study.drawn import Drawn
from synth.splits import density as density_split
from synth.splits import split as split_lib
from synth.splits import support as support_split

_LINES = (picture.BLUE, picture.VERMILION, picture.GREEN, picture.PURPLE,
          picture.ORANGE, picture.SKY, picture.BLACK)  # fmt: skip
COVERAGE = 'coverage'  # the contrast with many samples a task
_CURVES = (
  (support_split.WITHOUT, support_split.NOVEL, 'out of support',
   picture.VERMILION),
  (support_split.WITH, support_split.NOVEL, 'the same, structure seen',
   picture.ORANGE),
  (support_split.WITHOUT, support_split.CONTROL, 'in support', picture.BLUE),
  (density_split.UNIFORM, 'joint_cells', 'under a shifted law', picture.PURPLE),
  (density_split.UNIFORM, density_split.UNIFORM, 'under the same law',
   picture.SKY),
)  # fmt: skip


# Held out -> how a row is called: each with distances in both spaces.
DISTANCES = {
  contrasts.SYNTACTIC: 'S3: a structure held out',
  contrasts.REGION: 'S2: one end of the syntactic space held out',
  contrasts.SEMANTIC: 'S2: one end of the semantic space held out',
}
_SPACES = (study_lib.SYNTACTIC, study_lib.SEMANTIC)
_PARTS = {True: 'held out', False: 'others'}
_FEWEST = 20  # tasks that a curve is made of


def law_of_distance(
  study: study_lib.Study, contrast: str = contrasts.SYNTACTIC
) -> distance.Law:
  """The law for models that never saw what a contrast holds out.

  Raises:
    NotMeasured: if records lack.
  """
  names = (support_split.NOVEL, support_split.CONTROL, split_lib.DEV)
  return distance.measure(
    [
      cell
      for cell in study.grid(contrast)
      if cell.arm == support_split.WITHOUT and cell.test in names
    ]
  )


def distances(study: study_lib.Study) -> Drawn:
  """F9: the distance law, of every region that is held out.

  Raises:
    NotMeasured: if records lack.
  """
  laws: dict[str, distance.Law] = {}
  lacking = []
  for name in DISTANCES:
    try:
      law = law_of_distance(study, name)
      if max(n for part in law.sizes.values() for n in part.values()) < _FEWEST:
        raise cells_lib.NotMeasured(f'fewer than {_FEWEST} tasks of any size')
      laws[name] = law
    except cells_lib.NotMeasured as lack:
      lacking.append(f'{name}: {lack}')
  if not laws:
    raise cells_lib.NotMeasured('; '.join(lacking))
  fig, axes = picture.mosaic(
    'Does distance to training explain success?',
    [[f'{name} {part}' for part in (*_SPACES, 'rivals')] for name in laws],
    (15, 0.8 + 4.7 * len(laws)),
  )
  numbers: dict[str, Any] = {}
  for name, law in laws.items():
    for space in _SPACES:
      _curves(axes[f'{name} {space}'], law, space)
    first = axes[f'{name} {_SPACES[0]}']
    first.set_ylabel(f'{DISTANCES[name]}\npass@1')
    _rivals(axes[f'{name} rivals'], law)
    numbers[name] = _numbers(law)
  axes[f'{next(iter(laws))} rivals'].set_title(
    'deviance explained in tasks not fitted to', fontsize=9.5
  )
  counts = '; '.join(
    f'{name} {law.items:,} tasks, {law.seeds} seeds each'
    for name, law in laws.items()
  )
  caption = (
    f'{counts} (novel, control and dev of all splits), models that never saw '
    'what is held out. Curves: decreasing isotonic regression by program size, '
    'pointwise 95 % bootstrap intervals over seeds and tasks; dashed: tasks of '
    f'what is held out, which were chosen far; at least {_FEWEST} tasks a '
    'curve. A curve cannot rise: where success does, it is flat; the slope, '
    'which can, says which way success goes. Diamonds: '
    'D50 of the others, the distance at which success is half of that of the '
    'nearest tenth, with its 95 % interval; an arrow: farther than '
    'drawn, or never. Axes end where all but one task in a hundred are. '
    'Slope: change of the logit of success by one '
    'standard deviation (SD) of distance, all else equal, held out or not '
    'among it; below it the slopes within the tasks of what is held out and '
    'within the others alone, by the SD of each, which may differ in sign '
    '(95 %, robust, a function that several splits test being one task). '
    'Right: 5-fold cross-validated logistic regressions. Model '
    'and learning rate were chosen on dev of split 0.'
  )
  if lacking:
    caption += f' Not measured: {"; ".join(lacking)}.'
  return Drawn(fig, caption, numbers)


def _curves(axis: axes_lib.Axes, law: distance.Law, space: str) -> None:
  """Isotonic curves by size with their D50; the slopes in the title."""
  title = space
  if space in law.slope:
    mean, low, high = law.slope[space]
    title += f': slope {mean:+.2f} [{low:+.2f}, {high:+.2f}] a SD'
  within = [
    f'{_PARTS[part]} {mean:+.2f} [{low:+.2f}, {high:+.2f}]'
    for part, (mean, low, high) in law.within[space].items()
  ]
  axis.set_title(f'{title}\n{", ".join(within)}', fontsize=9)
  parts = {
    part: {
      size: curve
      for size, curve in curves.items()
      if law.sizes[part][size] >= _FEWEST
    }
    for part, curves in law.curves[space].items()
  }
  every = [curve for part in parts.values() for curve in part.values()]
  end = min(
    max(float(curve.distance_D[-1]) for curve in every), law.reach[space]
  )
  start = min(float(curve.distance_D[0]) for curve in every)
  top = max(float(curve.high_D.max()) for curve in every)
  sizes = sorted({size for part in parts.values() for size in part})
  colours = dict(zip(sizes, itertools.cycle(_LINES), strict=False))
  for held_out, part in parts.items():
    for size, curve in part.items():
      axis.plot(curve.distance_D, curve.rate_D, color=colours[size],
                ls='--' if held_out else '-',
                drawstyle='steps-post')  # fmt: skip
      axis.fill_between(curve.distance_D, curve.low_D, curve.high_D, lw=0,
                        color=colours[size], alpha=0.15, step='post',
                        )  # fmt: skip
  curves = parts.get(False, {})
  for row, (size, curve) in enumerate(curves.items()):
    half, low, high = curve.d50
    shown = _number(half)
    if math.isfinite(half):
      shown += f' [{_number(low)}, {_number(high)}]'
    colour = colours[size]
    number = law.sizes[False][size]
    axis.plot([], [], color=colour,
              label=f'size {size} ({number:,}): D50 {shown}')  # fmt: skip
    # Below the curves, one line a size.
    y = -0.05 * top * (row + 1)
    axis.plot([min(low, end), min(high, end)], [y, y], color=colour, lw=1.6)
    axis.plot(min(half, end), y, 'D' if half <= end else '>',
              color=colour, ms=5, gid=hover.UNSAID)  # fmt: skip
  if True in parts:
    number = sum(law.sizes[True].values())
    axis.plot([], [], color=picture.GREY, ls='--',
              label=f'held out ({number:,})')  # fmt: skip
  axis.axhline(0, color=picture.BLACK, lw=0.6)
  axis.set_xlim(start - 0.02 * (end - start), end + 0.03 * (end - start))
  axis.set_ylim(-0.05 * top * (len(curves) + 0.8), 1.02 * top)
  axis.set_yticks(
    [t for t in ticker.MaxNLocator(5).tick_values(0, top) if 0 <= t <= 1]
  )
  axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
  axis.set_xlabel('distance to the nearest training program')
  axis.legend(
    fontsize=8, loc='upper left', frameon=False, bbox_to_anchor=(0, -0.14)
  )  # fmt: skip


def _number(value: float) -> str:
  return f'{value:.2f}' if math.isfinite(value) else 'never'


def _rivals(axis: axes_lib.Axes, law: distance.Law) -> None:
  shares = _shares(law)
  names = list(shares)
  axis.barh(
    range(len(names)),
    [shares[name] for name in names],
    color=[picture.VERMILION if n in _SPACES else picture.GREY for n in names],
  )
  axis.set_yticks(range(len(names)), names)
  axis.invert_yaxis()
  axis.axvline(0, color=picture.BLACK, lw=0.8)
  axis.xaxis.set_major_locator(ticker.MaxNLocator(4))
  axis.xaxis.set_major_formatter(ticker.PercentFormatter(1, decimals=1))


def _shares(law: distance.Law) -> dict[str, float]:
  return {
    **{name: rival.explained for name, rival in law.rivals.items()},
    **{f'all but {s}': share for s, share in law.all_but.items()},
    'all together': law.everything,
  }


def _numbers(law: distance.Law) -> dict[str, Any]:
  return {
    'slope': {space: list(value) for space, value in law.slope.items()},
    'slope within': {
      space: {_PARTS[part]: list(value) for part, value in by_part.items()}
      for space, by_part in law.within.items()
    },
    'D50': {
      f'{space}, size {size}': [
        v if math.isfinite(v) else None for v in curve.d50
      ]
      for space, parts in law.curves.items()
      for size, curve in parts.get(False, {}).items()
    },
    'tasks': {
      'held out' if held_out else 'others': {
        str(size): number for size, number in sizes.items()
      }
      for held_out, sizes in law.sizes.items()
    },
    'explained': _shares(law),
  }


def sampling(study: study_lib.Study) -> Drawn:
  """F11: coverage by samples, and what no number of samples solves.

  Raises:
    NotMeasured: if records lack.
  """
  name = COVERAGE if COVERAGE in study.contrasts else contrasts.SYNTACTIC
  grid = study.grid(name)
  found, lacking = {}, []
  for arm, test, label, colour in _CURVES:
    try:
      one = coverage.measure(grid, arm, test)
      found[f'{label}\n{arm} on {test}'] = one, colour, f'{arm}, {test}'
    except cells_lib.NotMeasured as lack:
      lacking.append(f'{label} ({arm}, {test}): {lack}')
  if not found:
    raise cells_lib.NotMeasured('; '.join(lacking))
  fig, axes = picture.mosaic(
    'Does sampling more reach what is out of support?',
    [['curves', 'zero']],
    (11.5, 4.4),
    width_ratios=[3, 2],
  )
  axis, numbers = axes['curves'], {}
  for label, (one, colour, what) in found.items():
    mean_K, low_K, high_K = one.band()
    axis.plot(one.k_K, mean_K, color=colour, marker='o', ms=3,
              label=label.partition('\n')[0])  # fmt: skip
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
  axis.set_yticks(range(len(found)), list(found), fontsize=8)
  axis.set_ylim(len(found) - 0.5, -0.5)
  axis.set_xlim(-0.02, 1.02)
  axis.xaxis.set_major_formatter(ticker.PercentFormatter(1))
  axis.legend(handles=marks, frameon=False, fontsize=8, loc='best')
  items, samples, models = (
    extent.extent(getattr(one, count) for one, _, _ in found.values())
    for count in ('items', 'samples', 'runs')
  )
  caption = (
    f'{items} tasks a curve, {samples} samples each, {models} '
    f'models. {_models(study, name)} Bands and lines: 95 % intervals over new '
    'seeds and tasks. Mass at zero: share '
    'of tasks whose chance of success is 0, of a zero-inflated beta-binomial '
    'fitted to every model; its line is the mean of their profile-likelihood '
    'intervals: few solved tasks leave open whether the others have no chance '
    'or a small one.'
  )
  if lacking:
    caption += f' Not measured: {"; ".join(lacking)}.'
  return Drawn(fig, caption, numbers)


def _models(study: study_lib.Study, contrast: str) -> str:
  """What the models of a contrast were trained for, and sampled at."""
  configs = [record.facts['config'] for record in study.of(contrast)]
  temperatures = {config['eval']['temperature'] for config in configs}
  steps = {c['data']['arm']: c['opt']['num_steps'] for c in configs}
  trained = ', '.join(f'{arm} {number:,}' for arm, number in steps.items())
  return (
    f'Sampled at temperature {" and ".join(map(str, sorted(temperatures)))}; '
    f'steps of training: {trained}.'
  )
