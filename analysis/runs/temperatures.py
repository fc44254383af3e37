"""Success by sampling temperature, of runs that were evaluated at several."""

from collections.abc import Sequence
import html

import numpy as np

from analysis import webpage
from analysis.runs import results


def section(found: Sequence[results.Run]) -> list[str]:
  """Success at each temperature and k, and at the best one for each k."""
  several = [run for run in found if 'envelope' in run.result]
  if not several:
    return []
  ks = sorted({int(k) for run in several for k in run.result['envelope']})
  rows = []
  for run in several:
    curves = f'{run.measure}@k_by_seed'
    for name in run.result['items']:
      what = [html.escape(run.label), name]
      for one in run.result['temperatures']:
        share_n = np.mean(one[curves][name], axis=0)
        cells = [_share(share_n[k - 1 : k]) for k in ks]
        rows.append([*what, f'{one["temperature"]:g}', *cells])
      best = run.result['envelope']
      cells = [
        f'{_share(best[str(k)]["by_seed"][name])} '
        f'({best[str(k)]["temperature"]:g})'
        if str(k) in best
        else _share([])
        for k in ks
      ]
      rows.append([*what, 'best on dev', *cells])
  measures = [f'{several[0].measure}@{k}' for k in ks]
  head = ['arm', 'tests', 'temperature', *measures]
  return [
    '<h2>Which temperature?</h2>',
    webpage.table(head, rows, numeric=3),
    '<p class="note">Means over seeds. The last row of each test set has, for '
    'each k, the temperature at which most of dev is solved (in brackets): '
    'what these models can do with k samples. On dev itself it is chosen by '
    'what it tells, and flatters. All else on this page is at one temperature, '
    'the best for one sample.</p>',
  ]


def _share(shares: Sequence[float]) -> str:
  return f'{np.mean(shares):.1%}' if len(shares) else '&ndash;'
