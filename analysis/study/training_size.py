"""F13: success against the number of functions that training shows.

Models of two sizes are trained as long on fewer and on more functions, drawn
uniformly, the fewer among the more; tests are the same for all.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from analysis import picture
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import drawn
from analysis.study import effects
from analysis.study import study as study_lib
from synth import records as records_lib
from synth.splits import density as density_split

_COLOURS = (picture.BLUE, picture.VERMILION, picture.GREEN, picture.PURPLE,
            picture.ORANGE, picture.SKY, picture.BLACK)  # fmt: skip


def draw(study: study_lib.Study) -> drawn.Drawn:
  """F13.

  Raises:
    NotMeasured: if records lack.
  """
  models = _models(study.of(contrasts.DATA))
  most = min(record.samples for record in study.of(contrasts.DATA))
  fig, axes = picture.mosaic(
    'How does success grow with the functions shown?',
    [['1', 'most', 'loss']],
    (13, 4.2),
  )
  numbers: dict[str, Any] = {}
  for (parameters, found), colour in zip(
    models.items(), itertools.cycle(_COLOURS), strict=False
  ):
    grid = _grid(study, found)
    arm_of = {_functions(record): _name(record) for record in found}
    x = np.array(list(arm_of), float)
    told: dict[str, Any] = {'functions': list(arm_of)}
    for axis, k in ((axes['1'], 1), (axes['most'], most)):
      value = [
        effects.effect(grid, {(arm, density_split.UNIFORM): 1.0}, k).interval
        for arm in arm_of.values()
      ]
      drawn.bars(axis, x, value, colour, '-')
      gain = effects.effect(grid, _doubling(arm_of), k).interval
      steps = np.diff([one.estimate for one in value]) / np.diff(np.log2(x))
      mean, low, high = (100 * v for v in gain)
      axis.text(
        0.03, 0.97 - 0.17 * len(numbers), f'{parameters:,} parameters\n'
        f'{mean:+.1f} [{low:+.1f}, {high:+.1f}] points a doubling,\n'
        f'one by one {", ".join(f"{100 * step:+.1f}" for step in steps)}',
        color=colour, fontsize=8.5, va='top', transform=axis.transAxes,
      )  # fmt: skip
      told[f'pass@{k}'] = [list(v) for v in value]
      told[f'pass@{k}, a doubling'] = list(gain)
      told[f'pass@{k}, doublings one by one'] = steps.tolist()
    for functions, record in zip(arm_of, found, strict=True):
      last, end = record.facts['loss'], record.facts['dev_loss'][-1][1]
      axes['loss'].plot([functions] * len(end), end, 'o', color=colour, ms=5)
      axes['loss'].plot(functions, last, 's', mfc='white', color=colour, ms=6)
    told['loss on dev'] = [r.facts['dev_loss'][-1][1] for r in found]
    told['loss in training'] = [r.facts['loss'] for r in found]
    numbers[f'{parameters:,} parameters'] = told
  for axis in axes.values():
    axis.set_xscale('log', base=2)
    ticks = sorted({n for one in numbers.values() for n in one['functions']})
    axis.set_xticks(ticks, [f'{n:,}' for n in ticks], fontsize=8)
    axis.set_xlabel('functions in training')
    axis.margins(y=0.2)
  for name, k in (('1', 1), ('most', most)):
    axes[name].set_ylabel(f'pass@{k} on uniform')
    drawn.percent(axes[name])
  axes['loss'].set_ylabel('nats a token at the end')
  axes['loss'].set_title('circles: dev, squares: training', fontsize=9)
  one = study.of(contrasts.DATA)[0]
  caption = (
    f'Every model was trained {one.facts["step"]:,} steps of '
    f'{one.facts["config"]["data"]["batch_size"]} programs, so that fewer '
    'functions were each seen more often. 95 % intervals over '
    f'{drawn.design(_grid(study, study.of(contrasts.DATA)))}. A doubling: the '
    'least-squares slope over the logarithm of the number; below it the gain '
    'from each number to the next, for a doubling.'
  )
  return drawn.Drawn(fig, caption, numbers)


def _models(
  found: Sequence[records_lib.Record],
) -> Mapping[int, list[records_lib.Record]]:
  """Parameters of a model -> its records, fewest functions first."""
  models: dict[int, list[records_lib.Record]] = {}
  for record in sorted(found, key=_functions):
    models.setdefault(record.facts['params']['total'], []).append(record)
  return dict(sorted(models.items()))


def _functions(record: records_lib.Record) -> int:
  number: int = record.facts['config']['split']['num_arm']
  return number


def _name(record: records_lib.Record) -> str:
  name: str = record.facts['run']
  return name


def _grid(
  study: study_lib.Study, found: Sequence[records_lib.Record]
) -> cells_lib.Grid:
  """The cells of runs that are of one arm: told apart by their names."""
  return cells_lib.Grid(
    dataclasses.replace(cell, arm=_name(record))
    for record in found
    for cell in _of(study, record)
  )


def _of(study: study_lib.Study, record: records_lib.Record) -> cells_lib.Grid:
  return study.grid(contrasts.DATA, lambda other: other is record)


def _doubling(arm_of: Mapping[int, str]) -> effects.Weights:
  dose = {arm: math.log2(functions) for functions, arm in arm_of.items()}
  return effects.slope(dose, density_split.UNIFORM)
