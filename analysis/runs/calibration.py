"""Do models know when they are right: reliability and tail shares."""

from collections.abc import Mapping
from collections.abc import Sequence
import html
from typing import Any

from matplotlib import figure as figure_lib
from matplotlib import pyplot as plt
from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis.runs import figures
from analysis.runs import results
from synth.splits import distances


def told(found: Sequence[results.Run]) -> list[results.Run]:
  """The runs whose evaluation measured it."""
  return [run for run in found if 'reliability' in run.result]


def reliability(found: Sequence[results.Run]) -> figure_lib.Figure:
  """Success against confidence, one panel a test set, one line a run."""
  runs = told(found)
  names = list(runs[0].result['reliability'])
  fig, axes = plt.subplots(
    1, len(names), figsize=(4.2 * len(names), 4.6), layout='constrained',
    squeeze=False, sharey=True,
  )  # fmt: skip
  for axis, name in zip(axes[0], names, strict=True):
    axis.plot([0, 1], [0, 1], color=picture.GREY, lw=1)
    for run, (marker, colour) in zip(runs, figures.ways(), strict=False):
      bins = run.result['reliability'][name]
      if not bins:
        continue
      x = [found['confidence'] for found in bins]
      mean, low, high = np.array([found['success'] for found in bins]).T
      answers = [found['answers'] for found in bins]
      axis.errorbar(
        x,
        mean,
        [mean - low, high - mean],
        fmt='-',
        marker=marker or 'o',
        color=colour,
        capsize=3,
        label=f'{run.label}: {len(bins)} bins of {min(answers):,} to '
        f'{max(answers):,} answers',
      )
    axis.set_title(name)
    axis.set_xlabel('probability of the answer')
    axis.xaxis.set_major_formatter(ticker.PercentFormatter(1))
    axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    if axis.containers:
      axis.legend(frameon=False, fontsize=8)
  axes[0, 0].set_ylabel('answers that are right')
  return fig


def table(
  found: Sequence[results.Run],
) -> tuple[list[str], list[list[str]]]:
  """Head and rows: calibration and tail shares, means over seeds."""
  rows = []
  for run in told(found):
    for name, by_seed in run.result['calibration'].items():
      known = [fields for fields in by_seed if fields is not None]
      tail = run.result['tail'][name]
      answers = sum(b['answers'] for b in run.result['reliability'][name])
      rows.append(
        [
          html.escape(run.label),
          html.escape(name),
          f'{answers:,}',
          *(
            _mean([fields[key] for fields in known])
            for key in ('ece', 'brier', 'auroc', 'aurc')
          ),
          *(f'{np.mean(tail[key]):.1%}' for key in ('minimal', 'any')),
        ]
      )
  head = ['arm', 'tests', 'answers', 'calibration error', 'Brier', 'AUROC',
          'AURC', 'in reach: minimal', 'any known']  # fmt: skip
  return head, rows


def by_distance(
  found: Sequence[results.Run],
) -> tuple[list[str], list[list[str]]]:
  """Head and rows: confidence and right answers near to and far from training.

  Of the runs whose evaluation measured it; means over seeds.
  """
  rows = [
    [
      html.escape(run.label),
      html.escape(name),
      space,
      *(_answers(strata.get(stratum, [])) for stratum in distances.STRATA),
    ]
    for run in told_by_distance(found)
    for name, spaces in run.result['calibration_strata'].items()
    for space, strata in spaces.items()
  ]
  head = ['arm', 'tests', 'space',
          *(f'{stratum}: confidence / right (answers)'
            for stratum in distances.STRATA)]  # fmt: skip
  return head, rows


def told_by_distance(found: Sequence[results.Run]) -> list[results.Run]:
  """The runs whose evaluation measured it by distance to training."""
  return [run for run in found if 'calibration_strata' in run.result]


def _answers(by_seed: Sequence[Mapping[str, Any] | None]) -> str:
  known = [fields for fields in by_seed if fields is not None]
  if not known:
    return '&ndash;'
  confidence, right = np.mean(
    [
      np.average([f['confidence_B'], f['success_B']], 1, f['count_B'])
      for f in known
    ],
    axis=0,
  )
  answers = sum(sum(fields['count_B']) for fields in known)
  return f'{confidence:.1%} / {right:.1%} ({answers:,})'


def _mean(values: Sequence[float | None]) -> str:
  known = [value for value in values if value is not None]
  return f'{np.mean(known):.3f}' if known else '&ndash;'
