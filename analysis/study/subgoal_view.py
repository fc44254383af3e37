"""The figure and the table of subgoals: is what is left of a task in reach?"""

from typing import Any

from matplotlib import axes as axes_lib
import numpy as np

from analysis import picture
from analysis import webpage
from analysis.study import cells as cells_lib
from analysis.study import drawn
from analysis.study import effects
from analysis.study import search
from analysis.study import search_panels
from analysis.study import study as study_lib
from synth import seeding
from synth.splits import split as split_lib
from synth.splits import support as support_split
from synth.statistics import design
from synth.statistics.design import Interval

_NAMES = {
  search.SAMPLES: 'one of the samples itself',
  search.ASKED: 'the model, asked for each subgoal once',
  search.KNOWN: 'each subgoal looked up in training',
}
_COLOURS = {
  search.SAMPLES: picture.BLACK,
  search.ASKED: picture.VERMILION,
  search.KNOWN: picture.BLUE,
}
_STYLES = {'1x1': ':', '3x1': '-', '1x2': '--'}


def draw(study: study_lib.Study) -> drawn.Drawn:
  """F23: tasks solved by so many programs written, or looked up.

  Raises:
    NotMeasured: if records lack.
  """
  fig, numbers = search_panels.draw(
    'Is it better to try a task again, or to divide it?',
    'programs written, or looked up, a task',
    lambda axis, arm, test: _panel(study, axis, arm, test),
  )
  grid = study.grid(search.CONTRAST)
  caption = (
    'Black: coverage of the task by samples of the model. Red: the outermost '
    'operators are given with known arguments (dotted: one with an argument of '
    'one node; full: of at most three; dashed: two of one node each), and the '
    'model writes one program for what is left, the smallest context first. '
    'Blue: the same subgoals, looked up among the functions of training. The '
    f'dot: with all subgoals. {drawn.design(grid)}; bands: 95 % intervals for '
    'these splits, over new seeds and tasks.'
  )
  return drawn.Drawn(fig, caption, numbers)


def _panel(
  study: study_lib.Study, axis: axes_lib.Axes, arm: str, test: str
) -> dict[str, Any]:
  """Draws a panel; what it shows as numbers."""
  told: dict[str, Any] = {search.SAMPLES: _samples(study, axis, arm, test)}
  for division, most in search.subgoals(study, test).items():
    style = _STYLES.get(division, '-')
    for source in (search.ASKED, search.KNOWN):

      def share(
        limit: float, source: str = source, division: str = division
      ) -> Interval:
        grid = search.grid(study, arm, lookups=limit, division=division)
        return search.share(grid, source, test)

      limit_K, solved = search_panels.line(
        axis,
        most,
        share,
        _COLOURS[source],
        _NAMES[source] if style == '-' else None,
        style,
        band=style == '-',
      )
      told[f'{source}, {division}'] = {'subgoals': limit_K, 'solved': solved}
  return told


def _samples(
  study: study_lib.Study, axis: axes_lib.Axes, arm: str, test: str
) -> dict[str, Any]:
  """Draws pass@k."""
  grid = study.grid(search.CONTRAST)
  cells = [grid.get(split, arm, test) for split in grid.splits]
  samples = min(cell.samples for cell in cells)
  at_K = [2**i for i in range(int(np.log2(samples)) + 1)]
  found = [
    effects.share(
      [[design.Term(c.value(k), cluster_I=c.cluster_I)] for c in cells],
      seeding.generator(0, 'search'),
    )
    for k in at_K
  ]
  solved = search_panels.curve(
    axis, at_K, found, _COLOURS[search.SAMPLES], _NAMES[search.SAMPLES]
  )
  return {'k': at_K, 'solved': solved}


def table(study: study_lib.Study) -> str:
  """Shares of tasks solved by way of subgoals, by who is asked for them.

  Says so if there is no such search on record.
  """
  rows = []
  sources = (search.SAMPLES, search.ASKED, search.KNOWN)
  try:
    for arm in (support_split.WITHOUT, support_split.WITH):
      for test in (
        support_split.NOVEL, study_lib.FORCED, support_split.CONTROL,
        split_lib.DEV,
      ):  # fmt: skip
        number = search.subgoals(study, test.partition(',')[0])
        for division in number:
          grid = search.grid(study, arm, division=division)
          if test not in grid.tests:
            continue
          shares = [search.share(grid, who, test) for who in sources]
          size, depth = division.split('x')
          rows.append(
            [
              arm,
              test,
              f'{depth} of at most {size} node{"s" if size > "1" else ""}',
              f'{number[division]:,.0f}',
              *(
                f'{v.estimate:.1%} [{v.low:.1%}, {v.high:.1%}]'.replace('%', '')
                for v in shares
              ),
            ]
          )
  except cells_lib.NotMeasured as lack:
    return f'<p class="note">Not measured: {lack}.</p>'
  head = ['arm', 'tests', 'known arguments', 'subgoals a task',
          *(f'{_NAMES[who]}, %' for who in sources)]  # fmt: skip
  return webpage.table(head, rows, numeric=3) + (
    '<p class="note">The outermost operators of a task are given with known '
    'arguments, so many one in another; what is left follows and is a subgoal. '
    'Each model writes one program for each, the most probable token by token; '
    'beside it each is looked up among the functions of training. Share of '
    'tasks solved, in %, with 95 % intervals for these splits over new seeds '
    'and tasks.</p>'
  )
