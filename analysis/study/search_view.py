"""The figure and the table of search: whose programs are worth completing."""

from typing import Any

from matplotlib import axes as axes_lib

from analysis import picture
from analysis import webpage
from analysis.study import cells as cells_lib
from analysis.study import drawn
from analysis.study import search
from analysis.study import search_panels
from analysis.study import study as study_lib
from synth.search import results
from synth.splits import split as split_lib
from synth.splits import support as support_split
from synth.statistics.design import Interval

_NAMES = {
  search.SAMPLES: 'one of the samples itself',
  results.OWN: "the model's samples for the task",
  results.OTHERS: 'its samples for other tasks',
  results.GRAMMAR: 'draws of a grammar',
  results.TRAINING: 'training programs, nearest in outputs',
  results.MEET_IN_THE_MIDDLE: 'meet in the middle',
}
_COLOURS = {
  search.SAMPLES: picture.BLACK,
  results.OWN: picture.VERMILION,
  results.OTHERS: picture.ORANGE,
  results.GRAMMAR: picture.GREEN,
  results.TRAINING: picture.BLUE,
  results.MEET_IN_THE_MIDDLE: picture.PURPLE,
}


def draw(study: study_lib.Study) -> drawn.Drawn:
  """F16: tasks solved by so many look-ups, by whose programs are completed.

  Raises:
    NotMeasured: if records lack.
  """
  fig, numbers = search_panels.draw(
    'Does search reach what sampling does not, and does it need the model?',
    'look-ups a task',
    lambda axis, arm, test: _panel(study, axis, arm, test),
  )
  grid = study.grid(search.CONTRAST)
  samples = {cell.samples for cell in grid}
  size = search.banks(study)[search.BANK]
  caption = (
    'Each node of each of '
    f'{" or ".join(map(str, sorted(samples)))} programs a task is left open '
    'in turn; what must stand there is looked up in a bank of '
    f'{size:,} functions of at most {search.BANK} nodes. The dot at the end of '
    'a line: with all look-ups, at their mean. Dashed: the share that one '
    'of the samples solves without any search. Answers have at most as many '
    f'nodes as a model may write. {drawn.design(grid)}; bands: 95 % intervals '
    'for these splits, over new seeds and tasks. Dotted: more diverse samples '
    'of the same models, told after the others.'
  )
  return drawn.Drawn(fig, caption, {'bank_functions': size, **numbers})


def _panel(
  study: study_lib.Study, axis: axes_lib.Axes, arm: str, test: str
) -> dict[str, Any]:
  """Draws a panel; what it shows as numbers."""
  whole = search.grid(study, arm)
  told: dict[str, dict[str, Any]] = {}
  flat = search.share(whole, search.SAMPLES, test)
  told[search.SAMPLES] = {'solved': list(flat)}
  axis.axhline(flat.estimate, color=_COLOURS[search.SAMPLES], ls='--', lw=1.5,
               label=_NAMES[search.SAMPLES])  # fmt: skip
  lines = [(source, search.CONTRAST) for source in search.SOURCES[1:]]
  if _has_hot(study, arm):
    lines.insert(1, (results.OWN, search.HOT))
  for source, contrast in lines:
    name, label = source, _NAMES[source]
    if contrast == search.HOT:
      name, label = _hot(study), f'... {_hot(study).partition(", ")[2]}'

    def share(
      limit: float, source: str = source, which: str = contrast
    ) -> Interval:
      grid = search.grid(study, arm, lookups=limit, contrast=which)
      return search.share(grid, source, test)

    limit_K, solved = search_panels.line(
      axis,
      search.lookups(study, arm, source, test, contrast),
      share,
      _COLOURS[source],
      label,
      ':' if contrast == search.HOT else '-',
    )
    told[name] = {'lookups': limit_K, 'solved': solved}
  return told


def _has_hot(study: study_lib.Study, arm: str) -> bool:
  found = study.contrasts.get(search.HOT, ())
  return any(r.facts['arm'] == arm and search.KEY in r.facts for r in found)


def _hot(study: study_lib.Study) -> str:
  return (
    f'{results.OWN}, at temperature {search.temperature(study, search.HOT):g}'
  )


def table(study: study_lib.Study) -> str:
  """Shares of tasks solved with every bank, by source.

  Says so if there is no search on record.
  """
  rows = []
  try:
    sizes = search.banks(study)
    kinds = [
      (search.CONTRAST, support_split.WITHOUT),
      (search.CONTRAST, support_split.WITH),
    ]
    if _has_hot(study, support_split.WITHOUT):
      kinds.append((search.HOT, support_split.WITHOUT))
    for contrast, arm in kinds:
      warmth = f'temperature {search.temperature(study, contrast):g}'
      for test in (
        support_split.NOVEL, study_lib.FORCED, support_split.CONTROL,
        split_lib.DEV,
      ):  # fmt: skip
        for bank, functions in sizes.items():
          grid = search.grid(study, arm, bank, contrast=contrast)
          if test not in grid.tests:
            continue
          shares = [search.share(grid, who, test) for who in search.SOURCES]
          rows.append(
            [
              f'{arm}, {warmth}',
              test,
              f'{bank} ({functions:,} functions)',
              *(
                f'{v.estimate:.1%} [{v.low:.1%}, {v.high:.1%}]'.replace('%', '')
                for v in shares
              ),
            ]
          )
  except cells_lib.NotMeasured as lack:
    return f'<p class="note">Not measured: {lack}.</p>'
  head = ['arm', 'tests', 'bank', *(f'{_NAMES[w]}, %' for w in search.SOURCES)]
  return webpage.table(head, rows, numeric=3) + (
    '<p class="note">Share of tasks solved with all look-ups of each source, '
    'in %, with 95 % intervals for these splits over new seeds and tasks. Look-'
    'ups differ (figure F16); those of the first column are none. At equal '
    'arithmetic nothing is left to compare: a look-up is an operation or two '
    'at four points, a sample millions.</p>'
  )
