"""The figures: each function takes stored results and returns a figure."""

from collections.abc import Iterator
from collections.abc import Sequence
import itertools

import matplotlib

matplotlib.use('Agg')

from matplotlib import axes as axes_lib
from matplotlib import figure as figure_lib
from matplotlib import pyplot as plt
from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis.runs import results
from synth.evaluation import verify
from synth.spaces import space as space_lib
from synth.splits import holdout
from synth.splits import split as split_lib

_COLOURS = {
  'train': '#bbbbbb',
  'control': picture.BLUE,
  'novel': picture.VERMILION,
  'dev': picture.GREEN,
  'uniform': picture.BLUE,
  'semantic_cells': picture.PURPLE,
  'syntactic_cells': picture.ORANGE,
  'joint_cells': picture.SKY,
}
_MARKERS = ('', 's', '^', 'D', 'v', 'x')
_OUTCOMES = {
  'correct': picture.GREEN,
  'grid_only': picture.YELLOW,
  'wrong': picture.SKY,
  'undefined': picture.ORANGE,
  'unparsed': picture.GREY,
}

_BEST = {
  'with_structure': ('solved with the held-out structure', picture.GREEN),
  'without_structure': ('solved without it only', picture.SKY),
  'fits_only': ('fits the specification only', picture.YELLOW),
  'unsolved': ('unsolved', picture.PALE),
}


def ways() -> Iterator[tuple[str, str]]:
  """Marker and colour of lines, without end: none is left out for want of one.

  All colours with the first marker, none, then all with the next.
  """
  colours = plt.rcParams['axes.prop_cycle'].by_key()['color']
  return itertools.cycle(itertools.product(_MARKERS, colours))


def spaces(
  spaces: space_lib.Spaces, split: split_lib.Split, arm: str
) -> figure_lib.Figure:
  """Where training and test classes lie in both spaces."""
  fig, axes = plt.subplots(1, 2, figsize=(11, 5), layout='constrained')
  facts = spaces.manifest
  panels = (
    ('Syntactic space (pq-grams)', spaces.syntactic_CxD,
     facts['syntactic_explained'],
     f'rank correlation with the pq-gram distance '
     f'{facts["syntactic_rank_correlation"]:.2f} '
     f'({spaces.syntactic_CxD.shape[1]} axes)'),
    ('Semantic space (outputs)', spaces.semantic_CxD,
     facts['semantic_explained'], ''),
  )  # fmt: skip
  for axis, (title, coordinate, explained, note) in zip(
    axes, panels, strict=True
  ):
    sets = [('train', split.arms[arm]), *split.tests.items()]
    for name, classes in sets:
      shown = np.asarray(coordinate[classes])
      training = name == 'train'
      axis.scatter(
        shown[:, 0],
        shown[:, 1],
        s=3 if training else 7,
        color=_COLOURS[name],
        alpha=0.35 if training else 0.7,
        linewidths=0,
        label=f'{arm if training else name} ({len(classes):,})',
      )
    axis.set_title(title)
    axis.set_xlabel(f'axis 1 ({explained[0]:.0%} of variance)\n{note}')
    axis.set_ylabel(f'axis 2 ({explained[1]:.0%})')
    axis.legend(markerscale=3, frameon=False, loc='best')
  return fig


def accuracy(
  found: list[results.Run], ks: tuple[int, ...]
) -> figure_lib.Figure:
  """Success at k of every arm on every test set, all seeds as points."""
  measure = found[0].measure
  fig, axes = plt.subplots(
    1, len(ks), figsize=(5.5 * len(ks), 4.2), layout='constrained',
    squeeze=False,
  )  # fmt: skip
  for axis, k in zip(axes[0], ks, strict=True):
    names = list(found[0].result['items'])
    width = 0.8 / len(names)
    for i, name in enumerate(names):
      for j, run in enumerate(found):
        mean, low, high = run.result[f'{measure}@{k}'][name]
        x = j + (i - (len(names) - 1) / 2) * width
        axis.bar(
          x,
          mean,
          width * 0.9,
          color=_COLOURS[name],
          alpha=0.75,
          label=name if j == 0 else None,
        )
        axis.errorbar(
          x, mean, [[mean - low], [high - mean]], color='black', capsize=3
        )
        by_seed = run.result[f'{measure}@{k}_by_seed'][name]
        spread = np.linspace(-0.2, 0.2, len(by_seed)) * width
        axis.plot(x + spread, by_seed, 'o', color='white', mec='black', ms=5)
    axis.set_xticks(range(len(found)), [run.label for run in found])
    axis.set_title(f'{measure}@{k}')
    axis.set_ylabel('tasks solved exactly')
    axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    axis.set_ylim(bottom=0)
  handles, labels = axes[0, 0].get_legend_handles_labels()
  fig.legend(
    handles, labels, loc='outside upper center', ncols=4, frameon=False
  )
  return fig


def curves(found: list[results.Run]) -> figure_lib.Figure:
  """Training and dev loss of every seed."""
  fig, axis = plt.subplots(figsize=(7, 4.2), layout='constrained')
  for run, (marker, colour) in zip(found, ways(), strict=False):
    for key, style, label in (
      ('loss', '-', 'training batch'),
      ('dev_loss', '--', 'dev classes'),
    ):
      rows = [row for row in run.metrics if key in row]
      step = [row['step'] for row in rows]
      # None, of a model that has diverged, becomes not-a-number: a gap.
      value = np.array([row[key] for row in rows], float)
      for seed in range(value.shape[1] if len(value) else 0):
        axis.plot(
          step,
          value[:, seed],
          style,
          marker=marker,
          markevery=0.1,
          ms=4,
          color=colour,
          lw=0.6 if key == 'loss' else 1.6,
          alpha=0.5 if key == 'loss' else 1,
          label=f'{run.label}, {label}' if seed == 0 else None,
        )
  axis.set_xlabel('step')
  axis.set_ylabel('loss, nats per token')
  axis.set_yscale('log')
  axis.yaxis.set_minor_locator(ticker.NullLocator())
  low, high = axis.get_ylim()
  axis.set_yticks(
    [t for t in (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1, 1.5, 2, 3) if low < t < high]
  )
  axis.yaxis.set_major_formatter(ticker.FormatStrFormatter('%g'))
  axis.legend(frameon=False)
  return fig


def outcomes(found: list[results.Run]) -> figure_lib.Figure:
  """What became of the samples: one bar an arm and test set."""
  bars = [
    (f'{run.label}: {name}', shares)
    for run in found
    for name, shares in run.result['outcomes'].items()
  ]
  height = 0.9 + 0.42 * len(bars)
  fig, axis = plt.subplots(figsize=(9, height), layout='constrained')
  for row, (_, shares) in enumerate(bars):
    left = 0.0
    for outcome in verify.Outcome:
      name = outcome.name.lower()
      axis.barh(
        row,
        shares[name],
        left=left,
        color=_OUTCOMES[name],
        label=name.replace('_', ' ') if row == 0 else None,
      )
      left += shares[name]
  return _of_shares(fig, axis, [label for label, _ in bars], 'samples')


def best_of_task(found: list[results.Run]) -> figure_lib.Figure:
  """What each task was solved by: one bar an arm and test set, seeds as dots.

  Where some tasks are forced to have the held-out structure, bars of these and
  of the others follow.

  Dots are where a seed's last solved task ends: with the structure and at all.
  """
  bars = []
  for run in found:
    for name, shares in run.result['best_of_task'].items():
      bars.append((f'{run.label}: {name}', shares))
      apart = run.result.get('best_by_forced', {}).get(name, {})
      if 'forced' in apart:
        bars += [
          (f'{label} ({told["tasks"]:,})', told)
          for label, told in apart.items()
        ]
  parts = dict(_BEST)
  if found[0].result['config']['split']['kind'] not in holdout.KINDS:
    # Nothing is held out of programs: there is one way to solve a task.
    del parts['with_structure']
    parts['without_structure'] = ('solved', parts['without_structure'][1])
  fig, axis = plt.subplots(
    figsize=(9, 1.2 + 0.42 * len(bars)), layout='constrained'
  )
  for row, (_, shares) in enumerate(bars):
    left_S = np.zeros(len(shares['unsolved']))
    for key, (label, colour) in parts.items():
      start = left_S.mean()
      left_S = left_S + shares[key]
      axis.barh(
        row,
        left_S.mean() - start,
        left=start,
        color=colour,
        label=label if row == 0 else None,
      )
      if key in ('with_structure', 'without_structure'):
        spread = np.linspace(-0.2, 0.2, len(left_S))
        axis.plot(left_S, row + spread, 'o', color='white', mec='black', ms=4)
  return _of_shares(
    fig,
    axis,
    [label for label, _ in bars],
    'tasks, by the best of their samples',
  )


def _of_shares(
  fig: figure_lib.Figure,
  axis: axes_lib.Axes,
  labels: Sequence[str],
  whole: str,
) -> figure_lib.Figure:
  """Labels stacked bars of shares of a whole, the first on top."""
  axis.set_yticks(range(len(labels)), labels)
  axis.invert_yaxis()
  axis.set_xlim(0, 1)
  axis.set_xlabel(whole)
  axis.xaxis.set_major_formatter(ticker.PercentFormatter(1))
  fig.legend(loc='outside upper center', ncols=5, frameon=False)
  return fig
