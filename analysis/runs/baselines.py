"""What baselines solved, from the files that `synth.baselines` wrote."""

from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import html
from typing import Any

import numpy as np

from analysis.runs import results
from synth import packing
from synth import runs
from synth import seeding
from synth.baselines import results as baseline_results
from synth.statistics import design
from synth.statistics import interval

COMMAND = 'python -m synth.baselines --workdir=RUN'
_LEARNERS = ('nearest_neighbour', 'pcfg')  # what differs from arm to arm


@dataclasses.dataclass(frozen=True)
class Baseline:
  """One baseline of one run.

  Attributes:
    label: Its name, and the arm it has learned from.
    told: Its part of baselines.json.
    classes: Test set -> the classes of all its tasks.
    run: Whose tests they are, all tasks of each or some.
  """

  label: str
  told: dict[str, Any]
  classes: dict[str, np.ndarray]
  run: results.Run

  def solved(self, tests: str, k: int) -> np.ndarray | None:
    """solved_I of the run's tasks by k candidates.

    None if it is not told task by task.
    """
    told = self.told['tests'].get(tests, {})
    if 'solved_by_task' not in told or str(k) not in told['solved']:
      return None
    number = list(told['solved']).index(str(k))
    solved_J = packing.unpack(told['solved_by_task'])[number]
    class_I, class_J = self.run.samples[f'{tests}_class'], self.classes[tests]
    order_J = np.argsort(class_J)
    place_I = order_J[np.searchsorted(class_J, class_I, sorter=order_J)]
    solved_I: np.ndarray = solved_J[place_I].astype(np.float64)
    return solved_I


def _of(run: results.Run) -> Iterator[Baseline]:
  """The baselines that were made for a run."""
  path = run.path / runs.BASELINES
  if not path.exists():
    return
  stored = baseline_results.read(path)
  classes = {
    name: packing.unpack(packed)
    for name, packed in stored.get('classes', {}).items()
  }
  for name, baseline in stored['baselines'].items():
    label = name.replace('_', ' ')
    if name in _LEARNERS:
      label += f' ({run.arm})'
    if 'tests' in baseline:
      for tests in baseline['tests']:
        if f'{tests}_class' not in run.samples:
          raise runs.RunError(f'{path} is damaged: {run.path} has no {tests!r}')
      yield Baseline(label, baseline, classes, run)


def _all(found: Sequence[results.Run]) -> list[Baseline]:
  """Each baseline of the runs under its label, those without an arm once."""
  by_label: dict[str, Baseline] = {}
  for run in found:
    for baseline in _of(run):
      by_label.setdefault(baseline.label, baseline)
  return list(by_label.values())


def scores(found: Sequence[results.Run], ks: Sequence[int]) -> list[list[str]]:
  """Rows beside those of models: label, tests, solved by k candidates."""
  return [
    [
      html.escape(baseline.label),
      html.escape(tests),
      *(_share(baseline, tests, k) for k in ks),
    ]
    for baseline in _all(found)
    for tests in baseline.told['tests']
  ]


def _share(baseline: Baseline, tests: str, k: int) -> str:
  """The share solved, with its interval over tasks if they are told apart."""
  share = baseline.told['tests'][tests]['solved'].get(str(k))
  solved_I = baseline.solved(tests, k)
  if share is None:
    return '&ndash;'
  if solved_I is None:
    every = len(baseline.classes.get(tests, ()))
    if every not in (0, len(baseline.run.samples[f'{tests}_class'])):
      return '&ndash;'  # it is of all tasks, the run of some
    return f'{share:.1%}'
  rng = seeding.generator(0, 'baseline', baseline.label, tests, k)
  term = design.Term(solved_I[None], cluster_I=baseline.run.cluster(tests))
  mean, low, high = interval.share([[term]], rng)
  return f'{mean:.1%} [{low:.1%}, {high:.1%}]'


def beaten(found: Sequence[results.Run], ks: Sequence[int]) -> list[list[str]]:
  """Rows of models less baselines on the same tasks: what, tests, points."""
  rows = []
  for run in found:
    for baseline in _of(run):
      for tests in baseline.told['tests']:
        cells = [_paired(baseline, tests, k) for k in ks]
        if any(cells):
          what = f'{run.label} less {baseline.label}'
          shown = (cell or '&ndash;' for cell in cells)
          rows.append([html.escape(what), html.escape(tests), *shown])
  return rows


def parts(
  run: results.Run, tests: str, part_I: np.ndarray
) -> list[tuple[str, dict[Any, tuple[float, int]]]]:
  """What baselines solve of parts of a test set, by as many candidates as one.

  Args:
    run: Whose tests; the baselines are those that were made for it.
    tests: A test set.
    part_I: The part that each of its tasks is in.

  Returns:
    Label -> part -> share solved, and number of tasks. None of a baseline that
    is not told task by task.
  """
  result = []
  for baseline in _of(run):
    solved_I = baseline.solved(tests, 1)
    if solved_I is None:
      continue
    of_part = {
      part: (float(solved_I[part_I == part].mean()), int(sum(part_I == part)))
      for part in np.unique(part_I).tolist()
    }
    result.append((baseline.label, of_part))
  return result


def _paired(baseline: Baseline, tests: str, k: int) -> str | None:
  """Success of the models less that of a baseline, task by task."""
  run = baseline.run
  solved_I = baseline.solved(tests, k)
  if solved_I is None:
    return None
  value_SxI = run.solved_at_k(tests, k) - solved_I
  rng = seeding.generator(0, 'beaten', run.label, baseline.label, tests, k)
  term = design.Term(value_SxI, cluster_I=run.cluster(tests))
  mean, low, high = interval.crossed([[term]], rng)
  return f'{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]'


def charges(
  found: Sequence[results.Run],
) -> tuple[list[str], list[list[str]]]:
  """Head and rows of what each baseline solves by budget and what it takes."""
  everything = _all(found)
  budgets = sorted(
    {
      int(k)
      for baseline in everything
      for told in baseline.told['tests'].values()
      for k in told['solved']
    }
  )
  rows = []
  for baseline in everything:
    before = baseline.told['preparation']
    for tests, told in baseline.told['tests'].items():
      solved = (told['solved'].get(str(k)) for k in budgets)
      rows.append(
        [
          html.escape(baseline.label),
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
