"""A drawn figure of the study, and what figures of effects share."""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from matplotlib import axes as axes_lib
from matplotlib import figure as figure_lib
from matplotlib import ticker
import numpy as np

from analysis.study import cells as cells_lib
from synth.statistics.design import Interval


class Drawn(NamedTuple):
  """A figure, ready to be written.

  Attributes:
    figure: The picture; its title is the question.
    caption: What is drawn: n, seeds, splits, intervals.
    numbers: The same as numbers.
  """

  figure: figure_lib.Figure
  caption: str
  numbers: dict[str, Any]


def design(grid: cells_lib.Grid) -> str:
  seeds = sorted({len(cell.seeds) for cell in grid})
  number = str(seeds[0]) if len(seeds) == 1 else f'{seeds[0]} to {seeds[-1]}'
  plural = 's' if len(grid.splits) != 1 else ''
  return f'{len(grid.splits)} split{plural} with {number} seeds each'


def bars(
  axis: axes_lib.Axes,
  x: np.ndarray,
  found: Sequence[Interval],
  colour: str,
  style: str,
) -> None:
  mean, low, high = (np.array(v) for v in zip(*found, strict=True))
  axis.errorbar(
    x, mean, [mean - low, high - mean], color=colour, ls=style, marker='o',
    capsize=3, ms=5,
  )  # fmt: skip


def percent(axis: axes_lib.Axes) -> None:
  axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
  axis.set_ylim(bottom=0)
