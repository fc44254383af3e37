"""What needs no model, on the tests of the models: cells beside theirs."""

from collections.abc import Iterable
from collections.abc import Sequence
import math

import numpy as np

from analysis.study import cells as cells_lib
from analysis.study import study as study_lib
from synth import records as records_lib
from synth.evaluation import summary

KEY = 'without_model'  # of a record: by any number of candidates
LEARNERS = ('nearest_neighbour', 'pcfg')  # what differs from arm to arm
SHOWN = (*LEARNERS, 'enumeration', 'meet_in_the_middle')
KS = summary.HEADLINE  # candidates, as many as models write samples
NAMES = ('nearest neighbour', 'PCFG', 'enumeration', 'meet in the middle')
NOT_MEASURED = 'not measured'
_CHEAP = 'baselines'  # of a record: by one candidate


def solved(record: records_lib.Record, name: str, test: str, k: int) -> float:
  """Share of a test set that a baseline solves by k candidates; NaN: unknown.

  Not known either if the models were tested on a part of the set only.
  """
  tasks = record.tests.get(test)
  if tasks is None or len(tasks.class_I) != whole(record, test):
    return math.nan
  told = record.facts.get(KEY, {}).get(name, {})
  share = told.get('tests', {}).get(test, {}).get('solved', {}).get(str(k))
  if share is None and k == 1:
    share = record.facts.get(_CHEAP, {}).get(test, {}).get(name)
  return math.nan if share is None else float(share)


def whole(record: records_lib.Record, test: str) -> int:
  """How many tasks a test set has, tested or not."""
  classes = record.facts['classes']
  tested = len(record.tests[test].class_I)
  return int(classes.get(f'test_{test}', tested))


def mean(
  found: Iterable[records_lib.Record], name: str, test: str, k: int
) -> float:
  """Mean over the splits of some records; NaN if it is not known of one.

  Several records of a split have the same tests: whichever tells it.
  """
  by_split: dict[int, float] = {}
  for record in found:
    split = study_lib.split_seed(record)
    if math.isnan(by_split.get(split, math.nan)):
      by_split[split] = solved(record, name, test, k)
  return float(np.mean(list(by_split.values()))) if by_split else math.nan


def cells(found: Sequence[records_lib.Record], test: str) -> list[str]:
  """A cell for each of `SHOWN`: solved by 1 / by 16 candidates.

  What learns from training has a line an arm, where arms differ.

  Args:
    found: Records of some arms and splits.
    test: A test set.
  """
  by_arm: dict[str, list[records_lib.Record]] = {}
  for record in found:
    by_arm.setdefault(record.facts['arm'], []).append(record)
  result = []
  for name in SHOWN:
    groups = by_arm if name in LEARNERS else {'': found}
    texts = {
      arm: listed([mean(of_arm, name, test, k) for k in KS])
      for arm, of_arm in groups.items()
    }
    lines = dict.fromkeys(texts.values())
    if len(lines) > 1:
      lines = dict.fromkeys(f'{arm}: {text}' for arm, text in texts.items())
    result.append('<br>'.join(lines))
  return result


def models(grid: cells_lib.Grid, arms: Sequence[str], test: str) -> str:
  """The same of models, a line an arm: pass@k, means over splits."""
  lines = []
  for arm in arms:
    found = [cell for cell in grid if (cell.arm, cell.test) == (arm, test)]
    most = min((cell.samples for cell in found), default=0)
    shares = [
      float(np.mean([cell.value(k).mean() for cell in found]))
      if k <= most
      else math.nan
      for k in KS
    ]
    lines.append(f'{arm}: {listed(shares)}')
  return '<br>'.join(lines)


def listed(shares: Sequence[float]) -> str:
  """Shares, one after the other; if none is known it is said once."""
  if all(map(math.isnan, shares)):
    return NOT_MEASURED
  return ' / '.join(map(percent, shares))


def percent(share: float) -> str:
  """In percent; what is not 0 does not look so."""
  if math.isnan(share):
    return NOT_MEASURED
  return '&lt;0.1%' if 0 < share < 0.0005 else f'{share:.1%}'
