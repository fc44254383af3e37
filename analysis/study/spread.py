"""F25: did arms that were drawn for diversity become diverse, and did it help?

An arm is drawn under a law, for instance against density in a space. How far
apart its functions then lie is another question, and the first to ask of an arm
that gains nothing. The certificate of a density split tells it of every arm, in
the projected space (`synth.splits.density.describe`).
"""

from collections.abc import Mapping
from collections.abc import Sequence
import html
from typing import Any
from typing import NamedTuple

from scipy import stats

from analysis import picture
from analysis import webpage
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import density
from analysis.study import drawn
from analysis.study import effects
from analysis.study import study as study_lib
from analysis.study import tables
from synth import records
from synth.splits import density as density_split
from synth.splits import split as split_lib
from synth.statistics.design import Interval

QUESTION = 'Do training sets gain by the spread that they have?'
_NEIGHBOUR, _COVER, _GRAMS = 'neighbour', 'cover', 'grams_seen'
_FEWEST = 3  # arms that a rank correlation is of
# What an arm's name begins with -> its colour and its name in the legend.
_DRAWN_FOR = {
  'semantic': (picture.PURPLE, 'drawn for spread in the semantic space'),
  'syntactic': (picture.ORANGE, 'in the syntactic space'),
  'joint': (picture.SKY, 'in both'),
  '': (picture.GREY, 'by the number of programs'),
}


class Arm(NamedTuple):
  """How far apart the functions of an arm lie.

  Attributes:
    neighbour: Space -> mean distance from its functions to its nearest others.
    cover: Space -> mean distance from all functions to its nearest.
    grams: Different pq-grams of its programs.
  """

  neighbour: Mapping[str, float]
  cover: Mapping[str, float]
  grams: int


class Gain(NamedTuple):
  """An arm against `uniform`.

  Attributes:
    arm: Its name.
    seeds: Models of each of the two.
    by_test: Test law -> pass@1 less that of `uniform`.
  """

  arm: str
  seeds: int
  by_test: Mapping[str, Interval]


def arms(found: Sequence[records.Record]) -> dict[str, Arm]:
  """The spread of all arms of some records, as their certificate has it.

  Raises:
    NotMeasured: if a record tells none.
  """
  result = {}
  for record in found:
    name = record.facts['arm']
    told = record.facts['split']['facts'].get('arms', {}).get(name)
    if told is None:
      raise cells_lib.NotMeasured(f'{record.path.name} tells no spread')
    neighbour, cover = (
      {
        space: float(told[f'{space}_{kind}']['mean'])
        for space in density_split.SPACES
      }
      for kind in (_NEIGHBOUR, _COVER)
    )
    result[name] = Arm(neighbour, cover, int(told[_GRAMS]))
  return result


def gains(study: study_lib.Study) -> list[Gain]:
  """Every arm but `uniform`, on every test law, paired by task and seed.

  Raises:
    NotMeasured: if records lack.
  """
  result = []
  for grid in contrasts.density_grids(study):
    for arm in grid.arms:
      if arm == density_split.UNIFORM:
        continue
      found = {
        test: effects.effect(
          grid, density.gain((arm, density_split.UNIFORM), [test])
        ).interval
        for test in grid.tests
        if test != split_lib.DEV
      }
      seeds = min(len(cell.seeds) for cell in grid if cell.arm == arm)
      result.append(Gain(arm, seeds, found))
  return result


def excess(there: Mapping[str, Arm], arm: str, space: str) -> float:
  """How much farther apart an arm's neighbours are than those of `uniform`."""
  uniform = there[density_split.UNIFORM].neighbour[space]
  return there[arm].neighbour[space] / uniform - 1


def table(study: study_lib.Study) -> str:
  """How diverse every arm is in each space, against `uniform`."""
  try:
    there = arms(_records(study))
    uniform = there[density_split.UNIFORM]
  except cells_lib.NotMeasured as error:
    return tables.lack(str(error))
  except KeyError:
    return tables.lack(f'no record of {density_split.UNIFORM}')
  rows = []
  for name in filter(there.__contains__, density_split.ARMS):
    arm, cells = there[name], []
    for kind in (_NEIGHBOUR, _COVER):
      for space in density_split.SPACES:
        value, other = (getattr(one, kind)[space] for one in (arm, uniform))
        cells.append(_against(f'{value:.3f}', value / other - 1))
    grams = _against(f'{arm.grams:,}', arm.grams / uniform.grams - 1)
    rows.append([html.escape(name), *cells, grams])
  head = ['arm',
          *(f'to its nearest other, {s}' for s in density_split.SPACES),
          *(f'from all functions, {s}' for s in density_split.SPACES),
          'different pq-grams']  # fmt: skip
  return webpage.table(head, rows, numeric=1) + (
    '<p class="note">Mean distances in the projected spaces, of all arms on '
    'equally many functions; in brackets the difference from uniform. <i>To '
    "its nearest other</i>: from an arm's functions to the nearest of the "
    'same arm, more if it is more diverse; <i>from all functions</i>: from '
    'every function there is to the nearest of the arm, less if the arm '
    'reaches more of the space.</p>'
  )


def draw(study: study_lib.Study) -> drawn.Drawn:
  """F25: gain over `uniform` by achieved spread, each test law and space.

  Raises:
    NotMeasured: if records lack or tell no spread.
  """
  found = gains(study)
  there = arms(_records(study))
  if len(found) < _FEWEST:
    raise cells_lib.NotMeasured(f'fewer than {_FEWEST} arms beside uniform')
  tests = list(found[0].by_test)
  spaces = density_split.SPACES
  fig, axes = picture.mosaic(
    QUESTION,
    [[f'{space} {test}' for test in tests] for space in spaces],
    (1.5 + 2.9 * len(tests), 6.6),
    sharey=True,
  )
  most = max(gain.seeds for gain in found)
  ranks: dict[str, dict[str, float]] = {space: {} for space in spaces}
  for space in spaces:
    x_A = [100 * excess(there, gain.arm, space) for gain in found]
    for test in tests:
      axis = axes[f'{space} {test}']
      axis.axhline(0, color=picture.GREY, lw=0.8)
      axis.axvline(0, color=picture.GREY, lw=0.8)
      for x, gain in zip(x_A, found, strict=True):
        colour, _ = _drawn_for(gain.arm)
        _mark(axis, x, gain, test, colour, gain.seeds == most)
      gain_A = [gain.by_test[test].estimate for gain in found]
      rank = float(stats.spearmanr(x_A, gain_A).statistic)
      ranks[space][test] = rank
      axis.set_title(
        f'test law: {test}\nrank correlation {rank:.2f}', fontsize=9.5
      )
      axis.set_xlabel(f'{space} spread above uniform, %')
    axes[f'{space} {tests[0]}'].set_ylabel('gain over uniform, points')
  _legend(axes[f'{spaces[0]} {tests[-1]}'])
  caption = (
    'pass@1 less that of uniform training, in points, of every other arm '
    f'({len(found)}), by how much farther from its nearest other a function of '
    'the arm lies on average than in uniform (upper row: semantic space, lower '
    f'row: syntactic). Full: {most} models, with 95 % intervals for this '
    'split; hollow: arms of fewer models '
    f'({min(gain.seeds for gain in found)}), whose intervals (table of density '
    "arms) are several times as long. Above the panels Spearman's rank "
    'correlation over all arms, which share functions and are few: it '
    'describes them, and was told after the records.'
  )
  numbers: dict[str, Any] = {'rank correlation': ranks}
  for gain in found:
    numbers[gain.arm] = {
      'models': gain.seeds,
      'spread': {space: excess(there, gain.arm, space) for space in spaces},
      'gain': {test: list(value) for test, value in gain.by_test.items()},
    }
  return drawn.Drawn(fig, caption, numbers)


def _records(study: study_lib.Study) -> list[records.Record]:
  """Those of all density arms.

  Raises:
    NotMeasured: if there is none of `density`.
  """
  more = study.contrasts.get(contrasts.MORE, ())
  return [*study.of(contrasts.DENSITY), *more]


def _drawn_for(arm: str) -> tuple[str, str]:
  return next(v for start, v in _DRAWN_FOR.items() if arm.startswith(start))


def _mark(
  axis: Any, x: float, gain: Gain, test: str, colour: str, full: bool
) -> None:
  """An arm in a panel; the mouse tells its name."""
  mean, low, high = (100 * value for value in gain.by_test[test])
  if full:
    axis.errorbar(
      [x], [mean], [[mean - low], [high - mean]], color=colour, marker='o',
      ms=6, capsize=2, lw=1, label=gain.arm, zorder=3,
    )  # fmt: skip
  else:
    axis.plot(
      [x], [mean], 'o', color=colour, mfc='none', ms=4.5, label=gain.arm
    )


def _legend(axis: Any) -> None:
  handles = [
    axis.plot([], [], 'o', color=colour, label=label)[0]
    for colour, label in _DRAWN_FOR.values()
  ]
  axis.legend(
    handles=handles, loc='upper left', frameon=False, fontsize=8.5,
    handletextpad=0.2, bbox_to_anchor=(0.02, 1.02),
  )  # fmt: skip


def _against(value: str, share: float) -> str:
  return f'{value} ({100 * share:+.0f} %)'
