"""What baselines solved, from the files that `synth.baselines` wrote."""

from collections.abc import Iterator
from collections.abc import Sequence
import html
from typing import Any

from analysis import results
from synth import runs

_LEARNERS = ('nearest_neighbour', 'pcfg')  # what differs from arm to arm


def _all(
  found: Sequence[results.Run],
) -> Iterator[tuple[str, dict[str, Any]]]:
  """Each baseline of the runs under its label, those without an arm once."""
  seen = set()
  for run in found:
    path = run.path / runs.BASELINES
    if not path.exists():
      continue
    for name, baseline in runs.read_json(path)['baselines'].items():
      label = name.replace('_', ' ')
      if name in _LEARNERS:
        label += f' ({run.arm})'
      if 'tests' in baseline and label not in seen:
        seen.add(label)
        yield label, baseline


def scores(found: Sequence[results.Run], ks: Sequence[int]) -> list[list[str]]:
  """Rows beside those of models: label, tests, solved by k candidates."""
  return [
    [
      html.escape(label),
      html.escape(tests),
      *(
        f'{told["solved"][str(k)]:.1%}'
        if str(k) in told['solved']
        else '&ndash;'
        for k in ks
      ),
    ]
    for label, baseline in _all(found)
    for tests, told in baseline['tests'].items()
  ]


def charges(
  found: Sequence[results.Run],
) -> tuple[list[str], list[list[str]]]:
  """Head and rows of what each baseline solves by budget and what it takes."""
  everything = list(_all(found))
  budgets = sorted(
    {
      int(k)
      for _, baseline in everything
      for told in baseline['tests'].values()
      for k in told['solved']
    }
  )
  rows = []
  for label, baseline in everything:
    before = baseline['preparation']
    for tests, told in baseline['tests'].items():
      solved = (told['solved'].get(str(k)) for k in budgets)
      rows.append(
        [
          html.escape(label),
          html.escape(tests),
          *('&ndash;' if s is None else f'{s:.1%}' for s in solved),
          f'{told["candidates"]:,.0f}',
          f'{told["operations"]:.2g}',
          '&ndash;' if told['seconds'] is None else f'{told["seconds"]:.2g}',
          f'{before["operations"]:.2g}; {before["seconds"]:.2g} s',
        ]
      )
  head = ['baseline', 'tests', *(f'by {k:,}' for k in budgets), 'candidates',
          'operations', 'seconds', 'once: operations; time']  # fmt: skip
  return head, rows
