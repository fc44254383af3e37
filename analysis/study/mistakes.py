"""F21: what the samples are that are not right, as models grow.

Every sample is of exactly one kind, so the shares of a model add up to one.
Wrong programs are told apart by whether training shows them: no test function
is in training, so a training program is always wrong.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from matplotlib import axes as axes_lib
from matplotlib import lines as lines_lib
from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import drawn
from analysis.study import study as study_lib
from synth import records as records_lib
from synth.splits import density as density_split
from synth.splits import support as support_split

RIGHT = 'right'
SHOWN, OTHER = 'wrong: a program of training', 'wrong: another program'
FITS, UNDEFINED = 'fits the specification only', 'undefined'
UNPARSED = 'no program'
# Beside the kinds: of all samples, right and wrong.
STRUCTURE = 'any kind, with the structure'

# The rows of panels: often, seldom.
_ROWS: tuple[dict[str, str], ...] = (
  {RIGHT: picture.GREEN, SHOWN: picture.VERMILION, OTHER: picture.ORANGE},
  {
    FITS: picture.PURPLE,
    UNDEFINED: picture.BLUE,
    UNPARSED: picture.BLACK,
    STRUCTURE: picture.GREY,
  },
)
_NEEDED = ('errors', 'copies', 'with_structure')  # of a record


class _Point(NamedTuple):
  """A record in a panel: where it stands, and whether lines go through it."""

  x: int
  first: bool
  record: records_lib.Record


class _Panel(NamedTuple):
  """A test set of one contrast."""

  title: str
  what: str  # stands on the horizontal axis
  contrast: str
  test: str
  points: list[_Point]


def shares(record: records_lib.Record, test: str) -> dict[str, np.ndarray]:
  """Share of the samples that are of each kind, and have the structure.

  Returns:
    Kind -> share_S of the seeds that did not diverge; those of all but
    `STRUCTURE`, which is there if one is held out, add up to 1.

  Raises:
    NotMeasured: if the record holds no kinds of errors, or not this test.
    TooManyDiverged: if more than a quarter of its models diverged.
  """
  facts = record.facts
  name = f'{facts["contrast"]}/{facts["run"]}'
  for field in _NEEDED:
    if field not in facts:
      raise cells_lib.NotMeasured(f'{name} holds no {field}')
  if test not in record.tests:
    raise cells_lib.NotMeasured(f'{name} has no test {test}')
  lost = study_lib.lost_seeds([record])[study_lib.split_seed(record)]
  kept_S = np.array([seed not in lost for seed in facts['seeds']])

  def known(value_S: Sequence[float | None]) -> np.ndarray:
    # None: nothing to share, as the errors of a model that makes none.
    return np.array([value or 0.0 for value in value_S])[kept_S]

  right_S = record.tests[test].correct_SxI.mean(axis=1) / record.samples
  right_S = right_S[kept_S]
  of_wrong = {
    kind: known(value_S) * (1 - right_S)
    for kind, value_S in facts['errors'][test].items()
  }
  shown_S = known(facts['copies'][test])
  found = {
    RIGHT: right_S,
    SHOWN: shown_S,
    OTHER: of_wrong['wrong_function'] - shown_S,
    FITS: of_wrong['fits_only'],
    UNDEFINED: of_wrong['undefined'],
    UNPARSED: of_wrong['unparsed'],
  }
  if record.tests[test].with_edge_SxI is not None:
    found[STRUCTURE] = known(facts['with_structure'][test])
  return found


def _panels(study: study_lib.Study) -> Iterator[_Panel]:
  """What is drawn, left to right."""
  levels: dict[int, list[list[records_lib.Record]]] = {}
  for level in study_lib.frontier(
    study.contrasts.get(contrasts.SCALING, ())
  ).values():
    levels.setdefault(level[0].parameters, []).append(level)
  points = [
    _Point(parameters, level is of_model[-1], record)
    for parameters, of_model in sorted(levels.items())
    for level in of_model  # by compute
    for record in level
  ]
  for test, where in (
    (support_split.CONTROL, 'control, in support'),
    (support_split.NOVEL, 'novel, out of support'),
  ):
    yield _Panel(
      f'{where} ({support_split.WITHOUT})', 'parameters', contrasts.SCALING,
      test, points,
    )  # fmt: skip
  found = study.contrasts.get(contrasts.DATA, ())
  sizes = sorted({record.parameters for record in found})
  points = [
    _Point(
      record.facts['config']['split']['num_arm'],
      record.parameters == sizes[-1],
      record,
    )
    for record in found
    if record.parameters in (sizes[0], sizes[-1])
  ]
  yield _Panel(
    'uniform, in support', 'functions in training', contrasts.DATA,
    density_split.UNIFORM, sorted(points, key=lambda point: point.x),
  )  # fmt: skip


def draw(study: study_lib.Study) -> drawn.Drawn:
  """F21.

  Raises:
    NotMeasured: if no record of these contrasts tells the kinds of errors.
  """
  found: list[tuple[_Panel, list[dict[str, np.ndarray]]]] = []
  lacking: list[str] = []
  for panel in _panels(study):
    kept, told = [], []
    for point in panel.points:
      try:
        told.append(shares(point.record, panel.test))
      except cells_lib.NotMeasured as lack:
        lacking.append(str(lack))
      else:
        kept.append(point)
    if kept:
      found.append((panel._replace(points=kept), told))
    elif not panel.points:
      lacking.append(f'no records of {panel.contrast}')
  lacking = list(dict.fromkeys(lacking))
  if not found:
    raise cells_lib.NotMeasured('; '.join(lacking))
  names = [
    [f'{panel.contrast} {panel.test} {row}' for panel, _ in found]
    for row in range(len(_ROWS))
  ]
  fig, axes = picture.mosaic(
    'What are the samples that are not right?', names,
    (2.6 + 3.6 * len(found), 7),
  )  # fmt: skip
  numbers: dict[str, Any] = {}
  for row, colours in enumerate(_ROWS):
    of_row = [axes[name] for name in names[row]]
    for axis, (panel, told) in zip(of_row, found, strict=True):
      _draw(axis, panel, told, colours)
    top = 1.0 if row == 0 else 1.05 * max(a.get_ylim()[1] for a in of_row)
    for axis in of_row:
      axis.set_ylim(0, top)
      axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    of_row[0].set_ylabel('of all samples')
  for axis, (panel, _) in zip(axes.values(), found, strict=False):
    axis.set_title(panel.title)
  for panel, told in found:
    for point, one in zip(panel.points, told, strict=True):
      key = (
        f'{panel.contrast}, {panel.test}, {point.record.facts["run"]}, '
        f'{point.record.parameters:,} parameters'
      )
      numbers[key] = {kind: share_S.tolist() for kind, share_S in one.items()}
  most = max(float(one[FITS].max()) for _, told in found for one in told)
  never = {FITS: ' (never)'} if not most else {}
  handles = [
    lines_lib.Line2D([], [], color=colour, marker='o', ms=4, label=label)
    for colours in _ROWS
    for kind, colour in colours.items()
    for label in [f'{kind}{never.get(kind, "")}']
  ]
  handles += [
    lines_lib.Line2D(
      *([], []), color='black', ls=line, marker='o', ms=4, mfc=fill, label=label
    )
    for line, fill, label in (
      ('-', 'black', 'trained longest; the largest model'),
      (':', 'white', 'trained less; the smallest model'),
    )
  ]
  fig.legend(handles=handles, loc='outside right upper', frameon=False)
  return drawn.Drawn(fig, _caption(found, lacking), numbers)


def _draw(
  axis: axes_lib.Axes,
  panel: _Panel,
  told: Sequence[dict[str, np.ndarray]],
  colours: dict[str, str],
) -> None:
  """Dots of all models, lines through their means."""
  for kind, colour in colours.items():
    for first in (True, False):
      at = [
        (point.x, one[kind])
        for point, one in zip(panel.points, told, strict=True)
        if point.first == first and kind in one
      ]
      if not at:
        continue
      mean = {
        x: np.mean([v for z, s in at if z == x for v in s]) for x, _ in at
      }
      axis.plot(list(mean), list(mean.values()), color=colour, lw=1.3,
                ls='-' if first else ':')  # fmt: skip
      axis.plot(
        [x for x, share_S in at for _ in share_S],
        [float(v) for _, share_S in at for v in share_S],
        'o', color=colour, mfc=colour if first else 'white', ms=4,
        label=f'{kind}{"" if first else _second(panel)}',
      )  # fmt: skip
  ticks = sorted({point.x for point in panel.points})
  axis.set_xscale('log')
  axis.set_xticks(ticks, [f'{x:,}' for x in ticks], fontsize=8)
  axis.xaxis.set_minor_locator(ticker.NullLocator())
  axis.margins(x=0.1)
  axis.set_xlabel(panel.what)


def _second(panel: _Panel) -> str:
  """What the hollow dots are."""
  if panel.contrast == contrasts.DATA:
    return ', smallest model'
  return ', shorter training'


def _caption(
  found: Sequence[tuple[_Panel, list[dict[str, np.ndarray]]]],
  lacking: Sequence[str],
) -> str:
  sizes = []
  for panel, told in found:
    models = sorted({len(one[RIGHT]) for one in told})
    records = [point.record for point in panel.points]
    splits = len({study_lib.split_seed(record) for record in records})
    items = sorted({len(r.tests[panel.test].class_I) for r in records})
    samples = sorted({record.samples for record in records})
    sizes.append(
      f'{panel.contrast}, {panel.test}: {len(records)} runs, {splits} split'
      f'{"s" * (splits > 1)}, {_or(models)} seeds, {_or(items)} tasks of '
      f'{_or(samples)} samples'
    )
  text = (
    'Every sample is of one kind; kinds add up to 100 %. Dots: each model; '
    'lines: means. By parameters: solid, of the runs of a model the longest, '
    'dotted and hollow, the shorter, at the learning rate of least loss on '
    'dev. By functions: solid, the largest model, dotted and hollow, the '
    'smallest; those between are left out. A program of training is wrong, for '
    'no test function is in training. Grey is no kind of its own: all samples '
    f'that have the held-out structure. {"; ".join(sizes)}.'
  )
  if lacking:
    text += f' Not measured: {"; ".join(lacking)}.'
  return text


def _or(numbers: Sequence[int]) -> str:
  return ' or '.join(f'{number:,}' for number in numbers)
