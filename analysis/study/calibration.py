"""F22 and its table: do models know when they are right, out of support too?

What is measured is `synth.evaluation.confidence`: the answer of a model to a
task is the most probable of its distinct samples, its confidence the
probability of that one program. A function has many programs, so being right
more often than confident is no fault; being right less often is.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
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
from analysis.study import contrasts
from analysis.study import drawn
from analysis.study import hover
from analysis.study import study as study_lib
from analysis.study import tables
from synth import records as records_lib
from synth.splits import support as support_split

_FIELD = 'calibration'  # of a record
_ARMS = {
  support_split.WITHOUT: picture.VERMILION,
  support_split.WITH: picture.BLUE,
}
_TESTS = (support_split.NOVEL, support_split.CONTROL)
_POOLED = 10  # bins of all models together
_MEASURES = {
  'excess': 'confidence less share right, points',
  'error': 'calibration error, points',
  'auroc': 'AUROC, %',
}


class Answers(NamedTuple):
  """The answers of one model to a test set.

  Attributes:
    number: Of answers.
    confidence: Their mean.
    right: Share of them.
    error: Debiased calibration error.
    auroc: Chance that a right one has more confidence than a wrong one; NaN
      if all are right or none is.
    bin_Bx3: Confidence, share right and number of each bin.
  """

  number: int
  confidence: float
  right: float
  error: float
  auroc: float
  bin_Bx3: np.ndarray

  @property
  def excess(self) -> float:
    """Confidence less share right: overconfident if positive."""
    return self.confidence - self.right


_Found = dict[tuple[str, str], list[Answers]]


def measure(found: Sequence[records_lib.Record]) -> _Found:
  """(arm, test) -> the answers of every model of some records.

  Seeds that diverged in an arm are left out of all; a model with fewer than two
  answers has none.

  Raises:
    NotMeasured: if a record tells none; by name.
  """
  lacking = [
    f'{record.facts["contrast"]}/{record.facts["run"]} holds no {_FIELD}'
    for record in found
    if _FIELD not in record.facts
  ]
  if lacking or not found:
    raise cells_lib.NotMeasured('; '.join(lacking) or 'no records')
  lost = study_lib.lost_seeds(found)
  models: _Found = {}
  for record in found:
    out = lost[study_lib.split_seed(record)]
    for test in record.tests:
      models.setdefault((record.facts['arm'], test), []).extend(
        _answers(told)
        for seed, told in zip(
          record.facts['seeds'], record.facts[_FIELD][test], strict=True
        )
        if told is not None and seed not in out
      )
  return models


def _answers(told: Mapping[str, Any]) -> Answers:
  bin_Bx3 = np.column_stack(
    [told[key] for key in ('confidence_B', 'success_B', 'count_B')]
  )
  confidence, right = bin_Bx3[:, 2] @ bin_Bx3[:, :2] / bin_Bx3[:, 2].sum()
  auroc = told['auroc']
  return Answers(
    int(bin_Bx3[:, 2].sum()),
    float(confidence),
    float(right),
    told['ece'],
    math.nan if auroc is None else auroc,
    bin_Bx3,
  )


def _all(
  study: study_lib.Study, names: Sequence[str]
) -> tuple[dict[str, _Found], list[str]]:
  """Contrast -> its answers; and what is lacking of those that there are."""
  found, lacking = {}, []
  for name in names:
    if name in study.contrasts:
      try:
        found[name] = measure(study.of(name))
      except cells_lib.NotMeasured as lack:
        lacking.append(str(lack))
  return found, lacking


def draw(study: study_lib.Study) -> drawn.Drawn:
  """F22: confidence against success, by arm and test, of every hold-out.

  Raises:
    NotMeasured: if no hold-out has records that tell it.
  """
  found, lacking = _all(study, list(contrasts.HELD_OUT))
  if not found:
    raise cells_lib.NotMeasured('; '.join(lacking) or 'no support contrast')
  first = next(iter(found))
  fig, axes = picture.mosaic(
    'Do models know when they are right, out of support too?',
    [
      [test for test in reversed(_TESTS) for _ in range(3)],
      [measure for measure in _MEASURES for _ in range(2)],
    ],
    (12, 6.3 + 0.45 * len(found)),
    height_ratios=[4.2, 0.8 + 0.45 * len(found)],
  )
  most = max(
    one.bin_Bx3[:, :2].max()
    for _, _, models in _marks(found[first])
    for one in models
  )
  for test in _TESTS:
    _reliability(axes[test], test, found[first])
    axes[test].set_title(f'{test}: {contrasts.HELD_OUT[first]}')
    axes[test].set_xlim(0, 1.05 * most)
    axes[test].set_ylim(-0.02 * most, 1.05 * most)
  for name, label in _MEASURES.items():
    _rows(axes[name], name, found)
    axes[name].set_xlabel(label)
  handles, labels = axes['excess'].get_legend_handles_labels()
  fig.legend(handles, labels, loc='outside right upper', frameon=False)
  numbers = {
    f'{name}, {arm} on {test}': {
      'confidence': [one.confidence for one in models],
      'right': [one.right for one in models],
      'calibration error': [one.error for one in models],
      'AUROC': [None if math.isnan(v.auroc) else v.auroc for v in models],
    }
    for name, by_arm in found.items()
    for (arm, test), models in by_arm.items()
  }
  return drawn.Drawn(fig, _caption(study, found, lacking), numbers)


def _marks(found: _Found) -> Iterator[tuple[str, str, list[Answers]]]:
  for arm in _ARMS:
    for test in _TESTS:
      if found.get((arm, test)):
        yield arm, test, found[arm, test]


def _reliability(axis: axes_lib.Axes, test: str, found: _Found) -> None:
  """Share right against confidence: dots are bins of a model, lines of all."""
  axis.axline((0, 0), slope=1, color=picture.GREY, lw=0.8)
  for arm, of, models in _marks(found):
    if of != test:
      continue
    bin_Bx3 = np.concatenate([one.bin_Bx3 for one in models])
    bin_Bx3 = bin_Bx3[np.argsort(bin_Bx3[:, 0], kind='stable')]
    pooled_Bx2 = np.array(
      [
        np.average(part_Bx3[:, :2], axis=0, weights=part_Bx3[:, 2])
        for part_Bx3 in np.array_split(bin_Bx3, min(_POOLED, len(bin_Bx3)))
      ]
    )
    axis.plot(
      bin_Bx3[:, 0], bin_Bx3[:, 1], '.', color=_ARMS[arm], ms=3, alpha=0.35,
      gid=hover.UNSAID,
    )  # fmt: skip
    axis.plot(*pooled_Bx2.T, 'o-', color=_ARMS[arm], ms=5, label=arm,
              mfc=_face(arm, test))  # fmt: skip
  axis.set_xlabel('confidence: probability of the answer')
  axis.set_ylabel('answers that are right')
  for one in (axis.xaxis, axis.yaxis):
    one.set_major_formatter(ticker.PercentFormatter(1))


def _face(arm: str, test: str) -> str:
  """Filled is novel, hollow control, wherever they are drawn."""
  return _ARMS[arm] if test == support_split.NOVEL else 'white'


def _rows(
  axis: axes_lib.Axes, measure: str, found: Mapping[str, _Found]
) -> None:
  """One measure of every hold-out: dots are models, large marks their means."""
  shift = dict.fromkeys((arm, test) for arm in _ARMS for test in _TESTS)
  place = dict(zip(shift, np.linspace(-0.27, 0.27, len(shift)), strict=True))
  labelled: set[tuple[str, str]] = set()
  for row, by_arm in enumerate(found.values()):
    for arm, test, models in _marks(by_arm):
      value_M = np.array([100 * getattr(one, measure) for one in models])
      value_M = value_M[np.isfinite(value_M)]
      if not len(value_M):
        continue
      y, colour = row + place[arm, test], _ARMS[arm]
      axis.plot(value_M, np.full(len(value_M), y), '.', color=colour, ms=3.5,
                alpha=0.4, gid=hover.UNSAID)  # fmt: skip
      label = f'{arm}, {test}' if (arm, test) not in labelled else None
      labelled.add((arm, test))
      axis.plot(
        value_M.mean(), y, 'o', color=colour, ms=6, label=label,
        mfc=_face(arm, test),
      )  # fmt: skip
  if measure == 'auroc':
    axis.axvline(50, color=picture.BLACK, lw=0.8)
  else:
    axis.axvline(0, color=picture.BLACK, lw=0.8)
  shown = measure == next(iter(_MEASURES))
  names = [contrasts.HELD_OUT[name].replace(' (', '\n(') for name in found]
  axis.set_yticks(range(len(found)), names if shown else [''] * len(found))
  axis.set_ylim(len(found) - 0.5, -0.5)


def _caption(
  study: study_lib.Study, found: Mapping[str, _Found], lacking: Sequence[str]
) -> str:
  sizes = []
  for name, by_arm in found.items():
    of = study.of(name)
    splits = len({study_lib.split_seed(record) for record in of})
    items = {
      len(r.tests[t].class_I) for r in of for t in _TESTS if t in r.tests
    }
    models = {len(models) for _, _, models in _marks(by_arm)}
    sizes.append(f'{name} {splits}, {_range(models)}, {_range(items)}')
  text = (
    'The answer of a model to a task is the most probable of its distinct '
    'samples; confidence is the probability of that one program at temperature '
    '1. A function has many programs, so to be right more often than confident '
    '(above the line, excess below 0) is no fault. Above: dots, bins of a '
    f'model; lines, {_POOLED} bins of all. Below: dots, models; large, their '
    'means; filled, novel, hollow, control. Calibration error: root of the '
    'mean square, over 15 bins of equally many answers, of share right less '
    'confidence, less what noise adds to it. AUROC: chance that a right answer '
    'has more confidence than a wrong one, 50 is chance; only of models that '
    'have both. No intervals: dots show the spread over splits and seeds, not '
    'over tasks. Near to and far from training: a table below. Splits, '
    'models (seeds of all splits) of each arm, tasks of a test: '
    f'{"; ".join(sizes)}.'
  )
  if lacking:
    text += f' Not measured: {"; ".join(lacking)}.'
  return text


def _range(numbers: set[int]) -> str:
  ends = f'{min(numbers, default=0):,}', f'{max(numbers, default=0):,}'
  return ' to '.join(dict.fromkeys(ends))


def table(study: study_lib.Study) -> str:
  """Every arm on every test: hold-outs, density, the ladder."""
  names = [*contrasts.HELD_OUT, contrasts.DENSITY, contrasts.LADDER]
  found, lacking = _all(study, names)
  rows = [
    [
      contrasts.HELD_OUT.get(name, name),
      html.escape(arm),
      html.escape(test),
      f'{len(models)}',
      f'{np.mean([one.confidence for one in models]):.1%}',
      f'{np.mean([one.right for one in models]):.1%}',
      *(_spread([getattr(v, key) for v in models]) for key in _MEASURES),
    ]
    for name, by_arm in found.items()
    for (arm, test), models in by_arm.items()
    if models
  ]
  missing = ''.join(tables.lack(lack) for lack in lacking)
  if not rows:
    return missing or tables.lack('no record tells confidence')
  head = ['held out', 'arm', 'tests', 'models', 'confidence', 'right',
          *_MEASURES.values()]  # fmt: skip
  return webpage.table(head, rows, numeric=3) + (
    f'{missing}<p class="note">Means over models (seeds of all splits), in '
    'brackets the least and the greatest; AUROC of those models that have '
    'right and wrong answers. More confidence than right answers is '
    'overconfidence. What is what: formal definitions.</p>'
  )


def _spread(values: Sequence[float]) -> str:
  """Mean and range of those that are numbers, as hundredths."""
  known = [100 * value for value in values if not math.isnan(value)]
  if not known:
    return 'not measured'
  text = f'{np.mean(known):.1f} [{min(known):.1f}, {max(known):.1f}]'
  return text if len(known) == len(values) else f'{text} (of {len(known)})'
