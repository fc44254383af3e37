"""What completing the samples of runs solves, where `synth.search` was run."""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import html
from typing import Any

from analysis import webpage
from analysis.runs import results
from synth import packing
from synth import seeding
from synth.search import results as search_results
from synth.statistics import design
from synth.statistics import interval

_COMMAND = 'python -m synth.search --workdir=RUN'
_NAMES = {
  search_results.OWN: "the model's samples for the task",
  search_results.OTHERS: 'its samples for other tasks',
  search_results.GRAMMAR: 'draws of a grammar fitted to training',
  search_results.TRAINING: 'training programs, nearest in outputs',
  search_results.MEET_IN_THE_MIDDLE: 'none: meet in the middle',
}
_ASKED = {
  search_results.MODEL: 'none: the model writes for each subgoal',
  search_results.TRAINING: 'none: each subgoal is looked up in training',
}


def section(found: Sequence[results.Run]) -> list[str]:
  """Tasks solved by completing programs, by whose programs they are.

  Raises:
    InputError: if a search is of other samples than its run.
  """
  rows = []
  for run in found:
    told = search_results.read(run.path, run.result)
    if told is None:
      continue
    rows += [
      [
        html.escape(run.label),
        html.escape(name),
        given,
        who,
        f'{count:,.0f}',
        _share(run, name, source, packed),
      ]
      for name, given, who, count, source, packed in _searches(told)
    ]
  if not rows:
    return []
  head = ['arm', 'tests', 'bank', 'what is completed', 'look-ups', 'solved']
  return [
    '<h2>What does search make of the samples?</h2>',
    webpage.table(head, rows, numeric=2),
    '<p class="note">Each node of a program is left open in turn, and what '
    'must stand there is looked up in a bank of small functions. Look-ups: all '
    'for a task, whether it is solved sooner or not, on average. Subgoals are '
    'what is left of a task when its outermost operators are given with known '
    'arguments; for each the model writes one program. Brackets: '
    f'95 % intervals. Made by <code>{_COMMAND}</code>.</p>',
  ]


def _searches(
  told: Mapping[str, Any],
) -> Iterator[tuple[str, str, str, float, str, dict[str, object]]]:
  """Test set, what is given, who is asked, how often, source, who solved it."""
  for name, banks in told['tests'].items():
    for size, sources in banks.items():
      given = f'{size} nodes ({told["bank_functions"][size]:,} functions)'
      for source, one in sources.items():
        who = _NAMES[source]
        yield name, given, who, one['lookups'], source, one['lookup_SxI']
  for name, divisions in told.get('subgoals', {}).items():
    for division, answered in divisions.items():
      size, depth = division.split('x')
      given = f'known arguments to {size} nodes, depth {depth}'
      for source in search_results.BY_SUBGOALS:
        number_SxI = answered[source]['number_SxI']
        who = _ASKED[source]
        yield name, given, who, answered['subgoals'], source, number_SxI


def _share(
  run: results.Run, name: str, source: str, packed: dict[str, object]
) -> str:
  solved_SxI = (packing.unpack(packed) > 0).astype(float)
  rng = seeding.generator(0, 'search', run.label, name, source)
  term = design.Term(solved_SxI, cluster_I=run.cluster(name))
  mean, low, high = interval.share([[term]], rng)
  return f'{mean:.1%} [{low:.1%}, {high:.1%}]'
