"""What the tests of a contrast take without a model, beside the models."""

import numpy as np

from analysis import webpage
from analysis.study import baselines
from analysis.study import contrasts
from analysis.study import law_figures as law
from analysis.study import study as study_lib
from analysis.study import tables
from synth.splits import split as split_lib


def table(study: study_lib.Study) -> str:
  """Share of tasks solved by so many candidates: means over splits and seeds.

  Models are there up to as many candidates as they wrote samples (pass@k).
  """
  rows: list[list[str]] = []
  there = {
    contrast: [
      r for r in study.contrasts.get(contrast, ()) if baselines.KEY in r.facts
    ]
    for contrast in (*contrasts.HELD_OUT, contrasts.DENSITY, law.COVERAGE)
  }
  budgets = sorted(
    {
      int(k)
      for told in there.values()
      for record in told
      for baseline in record.facts[baselines.KEY].values()
      for one in baseline['tests'].values()
      for k in one['solved']
    }
  )
  for contrast, told in there.items():
    if not told:
      continue
    solved: dict[tuple[str, str], list[dict[int, float]]] = {}
    for record in told:
      arm = record.facts['arm']
      for name, baseline in record.facts[baselines.KEY].items():
        who = name.replace('_', ' ')
        if name in baselines.LEARNERS:
          who += f', of {arm}'
        for test, one in baseline['tests'].items():
          shares = {int(k): share for k, share in one['solved'].items()}
          solved.setdefault((test, who), []).append(shares)
      for test in record.tests:
        value_k = {
          k: float(record.pass_at_k(test, k).mean())
          for k in budgets
          if k <= record.samples
        }
        who = f'models, {arm}'
        tested = len(record.tests[test].class_I)
        if tested != baselines.whole(record, test):
          who += f' ({tested:,} of {baselines.whole(record, test):,} tasks)'
        solved.setdefault((test, who), []).append(value_k)
    title = contrasts.HELD_OUT.get(contrast, contrast)
    for test in dict.fromkeys(test for record in told for test in record.tests):
      if test == split_lib.DEV:
        continue
      rows += [
        [title, test, who, *(_share(shares, k) for k in budgets)]
        for (tests, who), shares in sorted(solved.items())
        if tests == test
      ]
  if not rows:
    return tables.lack('no record holds baselines')
  counts = [f'{k:,} candidate{"s" * (k > 1)}' for k in budgets]
  head = ['held out', 'tests', 'who', *counts]
  return webpage.table(head, rows, numeric=3) + (
    '<p class="note">Share of tasks solved by so many candidates, means over '
    'splits and seeds: how hard the tasks are, not a comparison at equal '
    'compute (a candidate of a model costs many more operations than one of '
    'enumeration; the charges are in the records). The nearest neighbour '
    'solves none by construction: no task is in training. The best constant '
    'answers are chosen with knowledge of the tests: a bound from above. '
    'Enumeration ends at the largest size of a task; meet in the middle joins '
    'two small programs and ends where no two give the task.</p>'
  )


def _share(shares: list[dict[int, float]], k: int) -> str:
  there = [one[k] for one in shares if k in one]
  return f'{np.mean(there):.1%}' if there else '&ndash;'
