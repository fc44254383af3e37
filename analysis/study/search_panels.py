"""What the figures of search share: tasks solved by effort, in three panels."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as axes_lib
from matplotlib import figure as figure_lib
from matplotlib import ticker
import numpy as np

from analysis import picture
from synth.splits import support as support_split
from synth.statistics.design import Interval

_PANELS = (
  (support_split.WITHOUT, support_split.NOVEL,
   'out of support: structure never seen'),
  (support_split.WITHOUT, support_split.CONTROL, 'the same models, in support'),
  (support_split.WITH, support_split.NOVEL, 'the structure seen'),
)  # fmt: skip

# Draws what an arm does on a test; what it shows as numbers.
_Panel = Callable[[axes_lib.Axes, str, str], dict[str, Any]]


def draw(
  title: str, effort: str, panel: _Panel
) -> tuple[figure_lib.Figure, dict[str, Any]]:
  """The figure, and 'ARM on TEST' -> the numbers that its panel shows.

  Args:
    title: Of the figure.
    effort: What is counted on the horizontal axis.
    panel: Draws one.
  """
  fig, axes = picture.mosaic(
    title,
    [[f'{arm} {test}' for arm, test, _ in _PANELS]],
    (13, 4.6),
    sharey=True,
  )
  numbers = {}
  for arm, test, name in _PANELS:
    axis = axes[f'{arm} {test}']
    numbers[f'{arm} on {test}'] = panel(axis, arm, test)
    axis.set_title(f'{name}\n({arm} on {test})', fontsize=10)
    axis.set_xscale('log', base=2)
    axis.xaxis.set_major_formatter(ticker.StrMethodFormatter('{x:,.0f}'))
    axis.set_xlabel(effort)
  left = axes[' '.join(_PANELS[0][:2])]
  left.set_ylabel('tasks solved')
  left.set_ylim(0, 1)
  left.yaxis.set_major_formatter(ticker.PercentFormatter(1))
  left.legend(frameon=False, fontsize=8, loc='upper left')
  return fig, numbers


def line(
  axis: axes_lib.Axes,
  most: float,
  share: Callable[[float], Interval],
  colour: str,
  label: str | None,
  style: str = '-',
  band: bool = True,
) -> tuple[list[float], list[list[float]]]:
  """Draws shares by effort, doubled until a dot marks all of it.

  Args:
    axis: Where.
    most: All effort, at its mean.
    share: Most effort a task -> tasks solved; infinite: all effort.
    colour, label, style: Of the line.
    band: Whether intervals are drawn.

  Returns:
    The efforts and the shares with their intervals.
  """
  limit_K = [2.0**i for i in range(int(np.log2(most)) + 1)] + [most]
  found = [share(limit) for limit in [*limit_K[:-1], np.inf]]
  return limit_K, curve(axis, limit_K, found, colour, label, style, band)


def curve(
  axis: axes_lib.Axes,
  at_K: Sequence[float],
  found: Sequence[Interval],
  colour: str,
  label: str | None,
  style: str = '-',
  band: bool = True,
) -> list[list[float]]:
  """Draws shares with their intervals, and a dot at the last; as lists."""
  mean_K, low_K, high_K = np.array(found).T
  axis.plot(at_K, mean_K, color=colour, lw=2, ls=style, label=label)
  axis.plot(at_K[-1], mean_K[-1], 'o', color=colour, ms=5)
  if band:
    axis.fill_between(at_K, low_K, high_K, color=colour, alpha=0.15, lw=0)
  return [list(interval) for interval in found]
