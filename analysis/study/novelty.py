"""What became of the tasks of a test set: solved how, or not."""

from typing import NamedTuple

import numpy as np

from analysis.study import cells as cells_lib
from analysis.study import effects
from synth import seeding
from synth.evaluation.sample_records import Best
from synth.statistics.design import Interval
from synth.statistics.design import Term


class Novelty(NamedTuple):
  """Tasks by the best of their samples.

  Attributes:
    shares: Share of tasks: mean over splits and seeds, 95 % interval.
    items: Tasks, all splits together.
    samples: A task.
  """

  shares: dict[Best, Interval]
  items: int
  samples: int


def best_of_tasks(cell: cells_lib.Cell) -> np.ndarray:
  """The `Best` of every task and model, as evaluation had it: int8_SxI.

  Raises:
    NotMeasured: if its record does not say how tasks were solved.
  """
  for name in (cells_lib.WITH_EDGE, cells_lib.FITS_ONLY):
    if name not in cell.facts:
      raise cells_lib.NotMeasured(f'records do not count programs {name}')
  with_SxI = cell.facts[cells_lib.WITH_EDGE].T > 0
  fits_SxI = cell.facts[cells_lib.FITS_ONLY].T > 0
  return np.select(
    [with_SxI, cell.correct_SxI > 0, fits_SxI],
    [Best.WITH_STRUCTURE, Best.WITHOUT_STRUCTURE, Best.FITS_ONLY],
    Best.UNSOLVED,
  ).astype(np.int8)


def measure(grid: cells_lib.Grid, arm: str, test: str) -> Novelty:
  """How the tasks of a test set were solved by an arm.

  Intervals are for these splits (`effects.share`): a class that several splits
  test is one task, and where no run has a task, or none another, that is no
  proof of 0 or 1.

  Raises:
    NotMeasured: if a split lacks the record, or what it must say.
  """
  cells = [grid.get(split, arm, test) for split in grid.splits]
  best = [best_of_tasks(cell) for cell in cells]
  shares = {}
  for one in Best:
    contrast = [
      [Term((best_SxI == one).astype(float), cluster_I=cell.cluster_I)]
      for best_SxI, cell in zip(best, cells, strict=True)
    ]
    rng = seeding.generator(0, 'novelty', arm, test)
    shares[one] = effects.share(contrast, rng)
  items = sum(len(cell.item_I) for cell in cells)
  return Novelty(shares, items, cells[0].samples)
