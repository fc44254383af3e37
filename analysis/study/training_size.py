"""F13: success against the number of functions that training shows.

Models of some sizes are trained as long on fewer and on more functions, drawn
uniformly, the fewer among the more; tests are the same for all.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import itertools
import math
from typing import Any

from matplotlib import axes as axes_lib
import numpy as np

from analysis import picture
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import drawn
from analysis.study import effects
from analysis.study import loss_laws
from analysis.study import study as study_lib
from synth import records as records_lib
from synth.splits import density as density_split
from synth.statistics import loss_law

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
    [['1', 'most'], ['loss', 'least']],
    (12, 9),
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
      axes['least'].plot(
        [functions] * len(end), loss_laws.least_losses(record), 'o',
        color=colour, ms=5,
      )  # fmt: skip
    told['loss on dev'] = [r.facts['dev_loss'][-1][1] for r in found]
    told['loss in training'] = [r.facts['loss'] for r in found]
    numbers[f'{parameters:,} parameters'] = told
  laws, lack = _laws(study.of(contrasts.DATA), axes['least'])
  if laws:
    numbers['laws of least loss'] = laws
  ticks = sorted({_functions(record) for record in study.of(contrasts.DATA)})
  for axis in axes.values():
    axis.set_xscale('log', base=2)
    axis.set_xticks(ticks, [f'{n:,}' for n in ticks], fontsize=8)
    axis.set_xlabel('functions in training')
    axis.margins(y=0.2)
  for name, k in (('1', 1), ('most', most)):
    axes[name].set_ylabel(f'pass@{k} on uniform')
    drawn.percent(axes[name])
  axes['loss'].set_ylabel('nats a token at the end')
  axes['loss'].set_title('circles: dev, squares: training', fontsize=9)
  axes['least'].set_ylabel('nats a token, the least during training')
  axes['least'].set_title(
    'on dev; lines: the law of least AICc' if laws else 'on dev', fontsize=9
  )
  one = study.of(contrasts.DATA)[0]
  caption = (
    f'Every model was trained {one.facts["step"]:,} steps of '
    f'{one.facts["config"]["data"]["batch_size"]} programs, so that fewer '
    'functions were each seen more often. 95 % intervals over '
    f'{drawn.design(_grid(study, study.of(contrasts.DATA)))}. A doubling: the '
    'least-squares slope over the logarithm of the number; below it the gain '
    'from each number to the next, for a doubling. '
  )
  caption += (
    'Laws of the least loss on dev: N parameters, D functions shown; relative '
    'errors, of one model the spread of seeds, pooled over runs; intervals of '
    'exponents over seeds alone.'
    if laws
    else f'No law of loss by both sizes: {lack}.'
  )
  return drawn.Drawn(fig, caption, numbers)


def _laws(
  found: Sequence[records_lib.Record], axis: axes_lib.Axes
) -> tuple[dict[str, Any], str]:
  """Draws the best law and names all; empty, and why, if there is none."""
  try:
    surface = loss_laws.measure(found)
  except cells_lib.NotMeasured as lack:
    return {}, str(lack)
  best, points = surface.best.law, surface.points
  dense_N = np.geomspace(points.data_N.min(), points.data_N.max(), 100)
  for model, colour in zip(
    np.unique(points.model_N), itertools.cycle(_COLOURS), strict=False
  ):
    told_N = best.predict(np.full(len(dense_N), model), dense_N)
    axis.plot(dense_N, told_N, color=colour, lw=1.2)
  lines = [
    f'{loss_law.FORMULA[one.law.form]}: '
    + ', '.join(
      f'{name} {v:.2f} [{low:.2f}, {high:.2f}]'
      for name, (v, low, high) in one.exponents.items()
    )
    + f'\n  dAICc {one.delta_aicc:.1f}, a run left out missed by '
    f'{100 * one.left_out:.1f} %'
    for one in surface.standings
  ]
  axis.text(
    0.03, 0.03, '\n'.join(lines), fontsize=8, va='bottom',
    transform=axis.transAxes,
  )  # fmt: skip
  return {
    one.law.form: {
      'law': loss_law.FORMULA[one.law.form],
      'values': dict(one.law.values),
      'exponents': {n: list(v) for n, v in one.exponents.items()},
      'delta AICc': one.delta_aicc,
      'error of a run left out': one.left_out,
      'rms error': one.law.rms,
      'error of one model': surface.error,
    }
    for one in surface.standings
  }, ''


def _models(
  found: Sequence[records_lib.Record],
) -> Mapping[int, list[records_lib.Record]]:
  """Parameters of a model -> its records, fewest functions first."""
  models: dict[int, list[records_lib.Record]] = {}
  for record in sorted(found, key=_functions):
    models.setdefault(record.parameters, []).append(record)
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
