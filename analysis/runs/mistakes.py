"""What becomes of wrong samples as models grow."""

from collections.abc import Sequence

from matplotlib import figure as figure_lib
from matplotlib import pyplot as plt
from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis.runs import results
from synth.evaluation import verify

# Unparsed first.
_COLOURS = picture.GREY, picture.ORANGE, picture.SKY, picture.YELLOW


def sizes(found: Sequence[results.Run]) -> list[int]:
  """The numbers of parameters of the runs, each once."""
  return sorted({run.result['params']['total'] for run in found})


def by_size(found: Sequence[results.Run]) -> figure_lib.Figure:
  """Kinds of wrong samples by number of parameters: a row an arm, all seeds.

  Shares of all samples, so that they add up to what is not right: dots are
  models, lines their means at each size.
  """
  arms = list(dict.fromkeys(run.arm for run in found))
  names = list(found[0].result['items'])
  fig, axes = plt.subplots(
    len(arms), len(names), figsize=(4.2 * len(names), 3.4 * len(arms)),
    layout='constrained', squeeze=False, sharex=True, sharey=True,
  )  # fmt: skip
  for row, arm in zip(axes, arms, strict=True):
    runs = [run for run in found if run.arm == arm]
    for axis, name in zip(row, names, strict=True):
      kinds = runs[0].result['errors'][name]
      for kind, colour in zip(kinds, _COLOURS, strict=True):
        size_N, share_N = _shares(runs, name, kind)
        axis.plot(size_N, share_N, 'o', color=colour, alpha=0.5, ms=4)
        at = np.unique(size_N)
        mean = [np.mean(share_N[size_N == size]) for size in at]
        axis.plot(at, mean, color=colour, label=kind.replace('_', ' '))
      axis.set_title(f'{arm}: {name}')
      axis.set_xscale('log')
      axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    row[0].set_ylabel('samples')
  for axis in axes[-1]:
    axis.set_xlabel('parameters')
  handles, labels = axes[0, 0].get_legend_handles_labels()
  fig.legend(
    handles, labels, loc='outside upper center', ncols=4, frameon=False
  )
  return fig


def _shares(
  found: Sequence[results.Run], name: str, kind: str
) -> tuple[np.ndarray, np.ndarray]:
  """Parameters, and the share of samples that fail so, of every model."""
  size, share = [], []
  for run in found:
    right_S = (run.samples[f'{name}_outcome'] == verify.Outcome.CORRECT).mean(
      axis=(1, 2)
    )
    for right, of_wrong in zip(
      right_S, run.result['errors'][name][kind], strict=False
    ):
      size.append(run.result['params']['total'])
      share.append((1 - right) * (of_wrong or 0.0))
  return np.array(size), np.array(share)
