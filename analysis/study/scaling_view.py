"""F12 and its table: success and loss against training compute."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import html
import math
from typing import Any
from typing import NamedTuple

from matplotlib import axes as axes_lib
from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis import webpage
from analysis.study import cells as cells_lib
from analysis.study import claims
from analysis.study import contrasts
from analysis.study import scaling
from analysis.study import study as study_lib
from analysis.study import tables
from analysis.study.drawn import Drawn
from synth import progress
from synth import records as records_lib
from synth.splits import split as split_lib
from synth.splits import support as support_split
from synth.statistics import scaling as forms
from synth.statistics.design import Interval

_TESTS = {split_lib.DEV: 'in support', support_split.NOVEL: 'out of support'}
_LOSS = 'loss on dev'
_COLOURS = {
  'log-linear': picture.BLUE,
  'logit-linear': picture.VERMILION,
  'logistic with ceiling': picture.GREEN,
  'saturating power': picture.PURPLE,
  'power of the logarithm': picture.ORANGE,
  'broken power': picture.SKY,
  'power': picture.VERMILION,
  'power above a floor': picture.GREEN,
}
_BEYOND = 0.35  # of the range of log compute, to the right of it
_DENSE = 120
TOO_FEW = (
  f'Fewer than {scaling.LEVELS} levels or {scaling.DECADES:g} decades of '
  'compute: too few points to tell the forms apart.'
)


class Law(NamedTuple):
  """One quantity against compute.

  Attributes:
    name: Of the quantity.
    k: Samples of pass@k; 0 for loss.
    found: The forms compared.
    dense_N: Compute at which they are drawn, beyond the last level too.
    resampled: What each form might have been with other seeds and tasks.
  """

  name: str
  k: int
  found: scaling.Scaling
  dense_N: np.ndarray
  resampled: Mapping[str, scaling.Resampled]

  @property
  def unit(self) -> float:
    """What shares are shown in: points; loss as it is."""
    return 100.0 if self.k else 1.0


@functools.cache
def laws(study: study_lib.Study) -> dict[str, Law | str]:
  """Every quantity's law, or why there is none.

  Raises:
    NotMeasured: if there is no record at all.
  """
  records = study.of(contrasts.SCALING)
  most = min(record.samples for record in records)
  ways: dict[str, tuple[int, Callable[[], scaling.Scaling]]] = {
    f'pass@{k} {where}': (k, functools.partial(_success, records, test, k))
    for k in dict.fromkeys((1, most))
    for test, where in _TESTS.items()
  }
  ways[_LOSS] = 0, lambda: scaling.measure_loss(_losses(records))
  bar = progress.Progress('scaling', len(ways), 'laws')
  result: dict[str, Law | str] = {}
  for name, (k, measure) in ways.items():
    try:
      result[name] = _law(name, k, measure())
    except cells_lib.NotMeasured as lack:
      result[name] = str(lack)
    bar.update(len(result))
  return result


def _success(
  records: Sequence[records_lib.Record], test: str, k: int
) -> scaling.Scaling:
  return scaling.measure_tests(study_lib.cells_by_compute(records, test), k)


def _law(name: str, k: int, found: scaling.Scaling) -> Law:
  level_L = np.unique(found.points.compute_N)
  end = level_L[-1] * (level_L[-1] / level_L[0]) ** _BEYOND
  dense_N = np.geomspace(level_L[0], end, _DENSE)
  return Law(name, k, found, dense_N, scaling.resample(found, dense_N))


def _losses(
  records: Sequence[records_lib.Record],
) -> dict[float, np.ndarray]:
  """Training FLOPs -> loss on dev at the end, of every run on the frontier."""
  return {
    flops: np.array(
      [loss for r in part for loss in r.facts['dev_loss'][-1][1]], float
    )
    for flops, part in study_lib.frontier(records).items()
  }


def draw(study: study_lib.Study) -> Drawn:
  """F12: success at one and at most samples, and loss, by training compute.

  Raises:
    NotMeasured: if records lack.
  """
  found = {n: law for n, law in laws(study).items() if isinstance(law, Law)}
  lacking = [f'{n}: {w}' for n, w in laws(study).items() if isinstance(w, str)]
  if not found:
    raise cells_lib.NotMeasured('; '.join(lacking))
  names = [*found, 'slopes']
  layout = [names[i : i + 2] for i in range(0, len(names), 2)]
  layout[-1] += ['.'] * (2 - len(layout[-1]))
  fig, axes = picture.mosaic(
    'How does success grow with compute?', layout, (12, 5 * len(layout))
  )
  for name, law in found.items():
    _panel(axes[name], law)
  _slopes(axes['slopes'], list(found.values()))
  one = next(iter(found.values())).found
  caption = (
    f'{one.levels} levels of compute over {one.decades:.1f} decades, '
    f'{one.seeds} seeds each (circles); of the learning rates of a level the '
    'one of least loss on dev. Levels are weighed by 1 / (p (1 - p)), p their '
    'success (of loss by 1 / p^2), weak ones thus most; how much more seeds '
    'differ is pooled over levels. Bands and brackets: 95 %, bootstrap over '
    'the seeds of each level and, but for loss, over tasks (those of a cell '
    'together); they know nothing of other splits. Lack of fit: for these '
    'tasks. Grey: extrapolated. dAICc: above the best form.'
  )
  for name, law in found.items():
    if law.k:
      caption += f' {name}: {scaling.bend(law.found)}.'
  if warning := rates_at_an_end(study.of(contrasts.SCALING)):
    caption += f' {warning}'
  if not one.enough:
    caption += f' {TOO_FEW}'
  fitted = {standing.form for standing in one.standings}
  if left := [f.name for f in forms.FORMS if f.name not in fitted]:
    caption += f' As many parameters as levels, so not fitted: {left[0]}.'
  if lacking:
    caption += f' Not measured: {"; ".join(lacking)}.'
  numbers = {
    **{name: _numbers(law) for name, law in found.items()},
    'halves': {
      name: {
        'lack of fit': law.found.lack_p,
        **{half: list(v) for half, v in _halves(law).items()},
      }
      for name, law in found.items()
      if law.k
    },
    'extrapolated': {name: _extrapolated(law) for name, law in found.items()},
  }
  return Drawn(fig, caption, numbers)


def rates_at_an_end(found: Sequence[records_lib.Record]) -> str:
  """Warns where the learning rate of least loss is the least or most tried.

  Empty where it has others on both sides, or only one was tried.
  """
  chosen = study_lib.learning_rates(found).values()
  at_end = [
    'largest' if rate == tried[-1] else 'smallest'
    for rate, tried in chosen
    if len(tried) > 1 and rate in (tried[0], tried[-1])
  ]
  if not at_end:
    return ''
  told = ' and '.join(
    f'the {end} of those tried at {at_end.count(end)} of {len(chosen)} levels'
    for end in dict.fromkeys(at_end)
  )
  tried = sorted({rate for _, level in chosen for rate in level})
  return (
    f'The learning rate of least loss on dev is {told} '
    f'({", ".join(f"{rate:g}" for rate in tried)}): a better one may lie '
    'beyond, and success and slopes be larger.'
  )


def _panel(axis: axes_lib.Axes, law: Law) -> None:
  found, points = law.found, law.found.points
  axis.set_title(law.name)
  level_L = np.unique(points.compute_N)
  axis.plot(points.compute_N, points.rate_N, 'o', mfc='white',
            mec=picture.BLACK, ms=5, zorder=5)  # fmt: skip
  for one in found.standings:
    colour, again = _COLOURS[one.form], law.resampled[one.form]
    curves = one.fit.predict(law.dense_N), again.low_N, again.high_N
    rate_N, low_N, high_N = (_shown(law, curve_N) for curve_N in curves)
    axis.fill_between(law.dense_N, low_N, high_N, color=colour, alpha=0.12,
                      lw=0)  # fmt: skip
    axis.plot(law.dense_N, rate_N, color=colour, lw=1.4, label=_label(law, one))
  beyond_N = law.dense_N[law.dense_N >= level_L[-1]]
  axis.plot(beyond_N, _averaged(law, beyond_N), color=picture.BLACK, lw=1.6,
            ls='--', label='their average by Akaike weights')  # fmt: skip
  axis.axvspan(
    level_L[-1], law.dense_N[-1], color=picture.FAINTEST, lw=0, zorder=0
  )
  axis.text(level_L[-1], 0.02, ' extrapolated', fontsize=8,
            transform=axis.get_xaxis_transform())  # fmt: skip
  if not found.enough:
    axis.text(
      0.99, 1.01, 'too few points to tell the forms apart', fontsize=8.5,
      transform=axis.transAxes, ha='right', va='bottom',
      color=picture.VERMILION,
    )  # fmt: skip
  axis.set_xscale('log')
  axis.set_xlabel('training compute of a model, FLOPs')
  highest = float(points.rate_N.max())
  if law.k:
    axis.set_ylabel(f'pass@{law.k}')
    axis.set_ylim(0, min(1.5 * highest + 0.002, 1.02))
    axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
  else:
    lowest = float(points.rate_N.min())
    axis.set_ylabel('nats a token')
    axis.set_ylim(bottom=max(0, lowest - (highest - lowest)))
  axis.legend(
    frameon=False, fontsize=8.5, loc='upper left', bbox_to_anchor=(0, -0.14)
  )


def _averaged(law: Law, compute_N: np.ndarray) -> np.ndarray:
  """What the forms say together: value_N."""
  fits = [one.fit for one in law.found.standings]
  return _shown(law, forms.averaged(fits, compute_N))


def _shown(law: Law, value_N: np.ndarray) -> np.ndarray:
  """Shares are never beyond 0 and 1, whatever a form says."""
  return np.clip(value_N, 0, 1) if law.k else value_N


def _label(law: Law, one: scaling.Standing) -> str:
  pace = _pace(law, one.form)
  return f'{one.form}: {pace} (dAICc {one.delta_aicc:.1f})'


def _pace(law: Law, form: str) -> str:
  """How fast a form changes, with interval and unit."""
  _, _, unit = scaling.PACE[form]
  value = law.resampled[form].pace
  if unit == 'a decade':
    shown = 'points a decade' if law.k else 'nats a decade'
    digits = claims.digits(value) if law.k else 3
    return f'{_brackets(value, law.unit, digits)} {shown}'
  shown = _brackets(value, 1.0, 2)
  return f'{unit} {shown}' if unit.startswith('exp') else f'{shown} {unit}'


def _brackets(value: Interval, scale: float, digits: int) -> str:
  mean, low, high = (f'{scale * v:.{digits}f}' for v in value)
  return f'{mean} [{low}, {high}]'


def _slopes(axis: axes_lib.Axes, found: list[Law]) -> None:
  """The slope of the log-linear form of every pass@k."""
  shown = [law for law in found if law.k]
  axis.set_title('slope of the log-linear form')
  for row, law in enumerate(shown):
    mean, low, high = (100 * v for v in law.resampled[scaling.LINE].pace)
    axis.plot([low, high], [row, row], color=_COLOURS[scaling.LINE], lw=2.5)
    axis.plot(mean, row, 'o', color=_COLOURS[scaling.LINE], ms=7)
    pace = law.resampled[scaling.LINE].pace
    axis.annotate(
      _brackets(pace, 100, claims.digits(pace)), (max(high, 0), row),
      xytext=(8, 0), textcoords='offset points', va='center', fontsize=8.5,
    )  # fmt: skip
  axis.axvline(0, color=picture.BLACK, lw=0.8)
  axis.set_yticks(range(len(shown)), [law.name for law in shown])
  axis.set_ylim(len(shown) - 0.5, -0.6)
  # With room for what is said at their right.
  left, right = axis.get_xlim()
  axis.set_xlim(left, right + 0.35 * (right - left))
  axis.set_xlabel('points per tenfold compute')


def _numbers(law: Law) -> dict[str, Any]:
  return {
    one.form: {
      'delta AICc': one.delta_aicc,
      'delta BIC': one.delta_bic,
      'left-out error': _finite(one.left_out),
      'forward error': _finite(one.forward),
      'pace': list(law.resampled[one.form].pace),
      'pace is': scaling.PACE[one.form][2],
    }
    for one in law.found.standings
  }


def _halves(law: Law) -> dict[str, Interval]:
  """Success a decade over the lower and the upper half of the levels."""
  return scaling.halves(law.found)._asdict()


def _extrapolated(law: Law) -> dict[str, float]:
  """What the forms say of the most compute drawn, and their average."""
  end_1 = law.dense_N[-1:]
  return {
    'compute': float(end_1[0]),
    'average': float(_averaged(law, end_1)[0]),
    **{
      one.form: float(_shown(law, one.fit.predict(end_1))[0])
      for one in law.found.standings
    },
  }


def _finite(value: float) -> float | None:
  return value if math.isfinite(value) else None


def table(study: study_lib.Study) -> str:
  """The forms of every quantity by their criteria, with intervals."""
  rows = []
  few = False
  try:
    by_name = laws(study)
  except cells_lib.NotMeasured as lack:
    return tables.lack(str(lack))
  for name, law in by_name.items():
    if isinstance(law, str):
      rows.append([name, f'not measured: {html.escape(law)}'])
      continue
    few |= not law.found.enough
    rows += [
      [name, one.form, str(one.parameters), _pace(law, one.form),
       f'{one.delta_aicc:.1f}', f'{one.delta_bic:.1f}',
       _error(law, one.left_out), _error(law, one.forward)]
      for one in law.found.standings
    ]  # fmt: skip
  head = ['quantity', 'form', 'parameters', 'slope or exponent [95 %]',
          'AICc above best', 'BIC above best', 'error, level left out',
          'error, upper levels foretold']  # fmt: skip
  warnings = [
    rates_at_an_end(study.of(contrasts.SCALING)),
    TOO_FEW if few else '',
  ]
  notes = ''.join(f'<p class="note">{text}</p>' for text in warnings if text)
  return webpage.table(head, rows) + notes


def _error(law: Law, value: float) -> str:
  if math.isnan(value):
    return '&ndash;'
  return f'{100 * value:.1f} points' if law.k else f'{value:.3f} nats'
