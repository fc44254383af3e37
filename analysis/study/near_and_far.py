"""Is confidence worse calibrated far from training than near to it?

Near and far are those of the split (`synth.splits.distances`), told within each
test set: held-out tasks are farther than others by their choice. What is
compared is confidence less share right, which needs no bins and so is fair to
strata of few tasks; calibration errors of few answers in few bins are not.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import html
from typing import NamedTuple

import numpy as np

from analysis import webpage
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import study as study_lib
from analysis.study import tables
from synth import seeding
from synth.splits import distances
from synth.splits import support as support_split
from synth.statistics import auroc
from synth.statistics import design
from synth.statistics import interval
from synth.statistics.design import Interval

_ARMS = (support_split.WITHOUT, support_split.WITH)
_TESTS = (support_split.NOVEL, support_split.CONTROL)
_NEAR = distances.STRATA.index('near')
_LEAST = 20  # tasks of a split on either side


class Stratum(NamedTuple):
  """The answers to the tasks of a stratum.

  Attributes:
    tasks: Of all splits.
    confidence: Mean over splits, models and tasks.
    right: Share of answers.
  """

  tasks: int
  confidence: float
  right: float


class Calibration(NamedTuple):
  """Confidence near to and far from training, of one arm on one test set.

  Attributes:
    strata: `distances.STRATA` that have tasks.
    farther: Confidence less share right of all tasks that are not near, less
      that of those that are; with its interval over splits, seeds and tasks.
      None: no split has enough tasks of both.
    auroc: Of the near and of all others; mean over models, NaN if none has
      right and wrong answers.
    splits: That `farther` is of.
  """

  strata: Mapping[str, Stratum]
  farther: Interval | None
  auroc: tuple[float, float]
  splits: int


def measure(cells: Sequence[cells_lib.Cell], space: str) -> Calibration:
  """Calibration by distance in a space, over the cells of an arm.

  Args:
    cells: One test set of each split.
    space: Of `distances.ROWS`.

  Raises:
    NotMeasured: if records do not hold the answers to single tasks.
  """
  name = study_lib.stratum(space)
  if not cells:
    raise cells_lib.NotMeasured('no test set')
  if any(
    key not in cell.facts
    for cell in cells
    for key in (name, cells_lib.ANSWER, cells_lib.ANSWER_RIGHT)
  ):
    raise cells_lib.NotMeasured(
      'records of an older version hold no answers to single tasks'
    )
  # A task that some model has no answer to is left out.
  cells = [
    cell.where(np.isfinite(cell.facts[cells_lib.ANSWER]).all(axis=1))
    for cell in cells
  ]
  found = {}
  for place, label in enumerate(distances.STRATA):
    parts = [cell.where(cell.facts[name] == place) for cell in cells]
    parts = [part for part in parts if len(part.item_I)]
    if parts:
      confidence, right = np.mean([_means(part) for part in parts], axis=0)
      tasks = sum(len(part.item_I) for part in parts)
      found[label] = Stratum(tasks, float(confidence), float(right))
  contrast = []
  scores: dict[bool, list[float]] = {True: [], False: []}
  for cell in cells:
    near_I = cell.facts[name] == _NEAR
    sides = {near: cell.where(near_I == near) for near in scores}
    if min(len(side.item_I) for side in sides.values()) < _LEAST:
      continue
    contrast.append(
      [
        design.Term(_excess(side), -1.0 if near else 1.0, side.cluster_I)
        for near, side in sides.items()
      ]
    )
    for near, side in sides.items():
      scores[near] += _auroc(side)
  rng = seeding.generator(0, 'near and far')
  return Calibration(
    found,
    interval.crossed(contrast, rng) if contrast else None,
    (_mean(scores[True]), _mean(scores[False])),
    len(contrast),
  )


def _of(cell: cells_lib.Cell) -> tuple[np.ndarray, np.ndarray]:
  """Confidence and success of the answers: confidence_IxS, right_IxS."""
  logprob_IxS = cell.facts[cells_lib.ANSWER].astype(float)
  return np.exp(logprob_IxS), cell.facts[cells_lib.ANSWER_RIGHT].astype(float)


def _means(cell: cells_lib.Cell) -> tuple[float, float]:
  confidence_IxS, right_IxS = _of(cell)
  return float(confidence_IxS.mean()), float(right_IxS.mean())


def _excess(cell: cells_lib.Cell) -> np.ndarray:
  confidence_IxS, right_IxS = _of(cell)
  excess_IxS: np.ndarray = confidence_IxS - right_IxS
  return excess_IxS.T


def _auroc(cell: cells_lib.Cell) -> list[float]:
  """Of every model that has right and wrong answers."""
  confidence_IxS, right_IxS = _of(cell)
  found = [
    auroc.auroc(confidence_I, right_I)
    for confidence_I, right_I in zip(confidence_IxS.T, right_IxS.T, strict=True)
  ]
  return [value for value in found if not np.isnan(value)]


def _mean(values: Sequence[float]) -> float:
  return float(np.mean(values)) if values else float('nan')


def table(study: study_lib.Study) -> str:
  """Every hold-out: confidence and right answers by distance to training."""
  rows: list[list[str]] = []
  lacking: dict[str, list[str]] = {}  # why -> contrasts
  for contrast, what in contrasts.HELD_OUT.items():
    if contrast not in study.contrasts:
      continue
    try:
      rows += [[what, *row] for row in _rows(study.grid(contrast))]
    except cells_lib.NotMeasured as lack:
      lacking.setdefault(str(lack), []).append(contrast)
  missing = ''.join(
    tables.lack(f'{why} ({", ".join(names)})') for why, names in lacking.items()
  )
  if not rows:
    return missing or tables.lack('no support contrast')
  head = ['held out', 'arm', 'tests', 'space',
          *(f'{label}: confidence / right (tasks)'
            for label in distances.STRATA),
          'not near less near: confidence less right, points',
          'splits', 'AUROC near / not near, %']  # fmt: skip
  return webpage.table(head, rows, numeric=4) + (
    f'{missing}<p class="note">Near: no farther from the nearest training '
    'program than 95 % of training programs are from each other; far: farther '
    'than 99.9 % of them. Confidence, answers and AUROC as above; means over '
    'splits, seeds and tasks. The difference, over the splits that have at '
    f'least {_LEAST} tasks of both, is more than 0 where models are more '
    'overconfident away from training; in brackets its 95 % interval over '
    'splits, seeds and tasks, each row alone, not adjusted. It was not '
    'declared: exploratory.</p>'
  )


def _rows(grid: cells_lib.Grid) -> list[list[str]]:
  rows = []
  for arm in _ARMS:
    for test in _TESTS:
      cells = [c for c in grid if c.arm == arm and c.test == test]
      for space in distances.ROWS if cells else ():
        found = measure(cells, space)
        rows.append(
          [
            html.escape(arm),
            test,
            space,
            *(_cell(found.strata.get(label)) for label in distances.STRATA),
            _difference(found.farther),
            f'{found.splits}',
            ' / '.join(
              '&ndash;' if np.isnan(value) else f'{100 * value:.0f}'
              for value in found.auroc
            ),
          ]
        )
  return rows


def _cell(found: Stratum | None) -> str:
  if found is None:
    return '&ndash;'
  return f'{found.confidence:.1%} / {found.right:.1%} ({found.tasks:,})'


def _difference(found: Interval | None) -> str:
  if found is None:
    return 'too few tasks'
  mean, low, high = (100 * value for value in found)
  return f'{mean:+.1f} [{low:+.1f}, {high:+.1f}]'
