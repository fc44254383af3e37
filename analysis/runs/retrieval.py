"""Copies of training: a table, and a figure against distance to training."""

from collections.abc import Sequence
import html
import itertools

from matplotlib import figure as figure_lib
from matplotlib import pyplot as plt
from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis.runs import results


def told(found: Sequence[results.Run]) -> list[results.Run]:
  """The runs whose evaluation measured it."""
  return [run for run in found if 'retrieval' in run.result]


def table(
  found: Sequence[results.Run],
) -> tuple[list[str], list[list[str]]]:
  """Head and rows: subtrees and distances of outputs and of their tasks."""
  rows = []
  for run in told(found):
    for name, fields in run.result['retrieval'].items():
      subtrees, nearest = fields['subtrees'], fields['nearest']
      rows.append(
        [
          html.escape(run.label),
          html.escape(name),
          *(_share(subtrees[key]) for key in ('outputs', 'wrong', 'tasks')),
          _points(fields['bias']['subtrees']),
          *(_number(nearest[key]) for key in ('outputs', 'tasks')),
          _distance(fields['bias']['nearest']),
        ]
      )
  head = ['arm', 'tests', 'subtrees of outputs', 'of wrong ones', 'of tasks',
          'outputs less tasks, points', 'nearest to outputs', 'to tasks',
          'outputs less tasks']  # fmt: skip
  return head, rows


def _mean(value: Sequence[float | None] | float | None) -> float | None:
  """Over the models that have one."""
  known = [v for v in np.atleast_1d(np.array(value, float)) if np.isfinite(v)]
  return float(np.mean(known)) if known else None


def _share(value: Sequence[float | None] | float | None) -> str:
  mean = _mean(value)
  return '&ndash;' if mean is None else f'{mean:.1%}'


def _number(value: Sequence[float | None] | float | None) -> str:
  mean = _mean(value)
  return '&ndash;' if mean is None else f'{mean:.2f}'


def _points(interval: Sequence[float] | None) -> str:
  if interval is None:
    return '&ndash;'
  mean, low, high = (100 * value for value in interval)
  return f'{mean:+.1f} [{low:+.1f}, {high:+.1f}]'


def _distance(interval: Sequence[float] | None) -> str:
  if interval is None:
    return '&ndash;'
  mean, low, high = interval
  return f'{mean:+.2f} [{low:+.2f}, {high:+.2f}]'


def by_distance(found: Sequence[results.Run]) -> figure_lib.Figure:
  """Copied subtrees and nearest training programs, by the tasks' distance.

  One column a run. Lines through bins of tasks of all test sets but dev.
  """
  runs = told(found)
  fig, axes = plt.subplots(
    2, len(runs), figsize=(5 * len(runs), 7), layout='constrained',
    squeeze=False, sharex=True, sharey='row',
  )  # fmt: skip
  for (above, below), run in zip(axes.T, runs, strict=True):
    names = [name for name in run.result['retrieval'] if name != 'dev']
    colours = itertools.cycle(plt.rcParams['axes.prop_cycle'].by_key()['color'])
    for name, colour in zip(names, colours, strict=False):
      bins = run.result['retrieval'][name]['by_distance']
      middle = [(b['from'] + b['to']) / 2 for b in bins]
      for key, style, what in (
        ('subtrees', 'o-', 'outputs'),
        ('own_subtrees', 's--', 'their tasks'),
      ):
        share = np.array([b[key] for b in bins], float)
        above.plot(middle, share, style, color=colour, label=f'{name}: {what}')
      low, median, high = np.array(
        [b['nearest'] or [np.nan] * 3 for b in bins], float
      ).T
      below.errorbar(
        middle,
        median,
        [median - low, high - median],
        fmt='o-',
        color=colour,
        capsize=3,
        label=name,
      )
    below.plot(
      [0, 1], [0, 1], color=picture.GREY, lw=1, label='as far as the task'
    )
    above.set_title(run.label)
    above.set_ylabel('subtrees that training shows')
    above.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    below.set_ylabel('distance of outputs: median, 10 to 90 %')
    below.set_xlabel('pq-gram distance of the task to training')
    for axis in (above, below):
      axis.legend(frameon=False, fontsize=8)
  return fig
