"""What completing programs solves, by whose programs they are.

Sources of sketches stand as the arms of a grid, so that differences of them are
contrasts like any other: paired by task and by model, clustered in cells.
"""

from collections.abc import Sequence
import dataclasses
import functools

import numpy as np

from analysis.study import cells as cells_lib
from analysis.study import effects
from analysis.study import study as study_lib
from synth import packing
from synth import records as records_lib
from synth import seeding
from synth.search import results
from synth.splits import support as support_split
from synth.statistics import design
from synth.statistics.design import Interval

CONTRAST = 'search'
HOT = 'search_hot'  # the same models, more diverse samples
SHOWN = 'search_data'  # models that were shown fewer functions and more
KEY = 'search'  # of a record
SAMPLES = 'samples'  # no search: any of the samples themselves
BANK = 5  # nodes of the bank that claims are judged with
SOURCES = (SAMPLES, *results.SOURCES)
# By subgoals, where the models are asked and where training is looked up.
ASKED, KNOWN = 'asked', 'known'
_ANSWERED = {ASKED: results.MODEL, KNOWN: results.TRAINING}
DIVISION = '3x1'  # the subgoals that claims are judged with


def grid(
  study: study_lib.Study,
  arm: str,
  bank: int = BANK,
  lookups: float = np.inf,
  contrast: str = CONTRAST,
  division: str = DIVISION,
) -> cells_lib.Grid:
  """Tasks solved by each source (in the place of an arm), once each.

  Sources of subgoals are there where the record has the division.

  Args:
    study: The records.
    arm: The models' training arm.
    bank: Nodes of the largest programs of the bank.
    lookups: That a task may take, at most, or subgoals; samples take none.
    contrast: `CONTRAST` or `HOT`.
    division: Which subgoals.

  Raises:
    NotMeasured: if a record lacks the search or the bank.
  """
  found = [r for r in study.of(contrast) if r.facts['arm'] == arm]
  if not found:
    raise cells_lib.NotMeasured(f'no record of {contrast} is of {arm}')
  return _grid(found, bank, lookups, division)


def _grid(
  found: Sequence[records_lib.Record],
  bank: int = BANK,
  lookups: float = np.inf,
  division: str = DIVISION,
) -> cells_lib.Grid:
  """`grid` of some records, without models that diverged."""
  lost = study_lib.lost_seeds(found)
  return cells_lib.Grid(
    cell.without(lost[cell.split])
    for record in found
    for cell in _cells(record, bank, lookups, division)
  )


def _cells(
  record: records_lib.Record, bank: int, lookups: float, division: str
) -> list[cells_lib.Cell]:
  told = record.facts.get(KEY)
  if told is None:
    raise cells_lib.NotMeasured(f'{record.path} holds no search')
  if str(bank) not in told['bank_functions']:
    raise cells_lib.NotMeasured(f'{record.path} has no bank of {bank} nodes')
  found = []
  for cell in study_lib.cells(record):
    whole = cell.test.partition(',')[0]  # 'novel, forced' is a part of novel
    (at_I,) = np.nonzero(np.isin(record.tests[whole].class_I, cell.item_I))
    solved = {SAMPLES: cell.correct_SxI > 0}
    for source, one in told['tests'][whole][str(bank)].items():
      lookup_SxI = packing.unpack(one['lookup_SxI'])[:, at_I]
      solved[source] = (lookup_SxI > 0) & (lookup_SxI <= lookups)
    answered = told.get('subgoals', {}).get(whole, {}).get(division)
    for source, who in _ANSWERED.items() if answered else ():
      number_SxI = packing.unpack(answered[who]['number_SxI'])[:, at_I]
      solved[source] = (number_SxI > 0) & (number_SxI <= lookups)
    found += [
      dataclasses.replace(
        cell,
        arm=source,
        correct_SxI=np.broadcast_to(solved_SxI, cell.correct_SxI.shape).astype(
          np.int64
        ),
        samples=1,
        facts={},
      )
      for source, solved_SxI in solved.items()
    ]
  return found


def by_functions(study: study_lib.Study) -> dict[int, cells_lib.Grid]:
  """Functions shown -> tasks solved by each source, fewest first.

  Raises:
    NotMeasured: if records lack.
  """
  found = {
    record.facts['config']['split']['num_arm']: _grid([record])
    for record in study.of(SHOWN)
  }
  return dict(sorted(found.items()))


@functools.cache
def gain(
  study: study_lib.Study,
  over: str,
  source: str = results.OWN,
) -> effects.Effect:
  """Novel tasks that one search solves, less those that another does.

  With models that never saw what is held out (`train_s`).

  Args:
    study: The records.
    over: What it is compared with: another source, or `SAMPLES` of the model,
      which is no search.
    source: The search; by default it completes the model's own samples.

  Raises:
    NotMeasured: if records lack.
  """
  novel = support_split.NOVEL
  weights = {(source, novel): 1.0, (over, novel): -1.0}
  return effects.effect(grid(study, support_split.WITHOUT), weights)


def share(found: cells_lib.Grid, source: str, test: str) -> Interval:
  """Share of tasks solved, 95 % for these splits over new seeds and tasks.

  Raises:
    NotMeasured: if a split lacks the source or the test.
  """
  terms = [
    [design.Term(cell.value(1), cluster_I=cell.cluster_I)]
    for cell in (found.get(split, source, test) for split in found.splits)
  ]
  return effects.share(terms, seeding.generator(0, 'search'))


def lookups(
  study: study_lib.Study,
  arm: str,
  source: str,
  test: str,
  contrast: str = CONTRAST,
) -> float:
  """All look-ups for a task, mean over tasks and splits.

  Those of meet in the middle with the bank `BANK`; the others need no bank.

  Raises:
    NotMeasured: if records lack.
  """
  found = [
    record.facts[KEY]['tests'][test][str(BANK)][source]['lookups']
    for record in study.of(contrast)
    if record.facts['arm'] == arm and KEY in record.facts
  ]
  if not found:
    raise cells_lib.NotMeasured(f'no search of {arm}')
  return float(np.mean(found))


def subgoals(study: study_lib.Study, test: str) -> dict[str, float]:
  """Division -> subgoals of a task, mean over tasks and splits.

  Of the divisions that all records have.

  Raises:
    NotMeasured: if records lack.
  """
  found = [
    record.facts[KEY]['subgoals'][test]
    for record in study.of(CONTRAST)
    if test in record.facts.get(KEY, {}).get('subgoals', {})
  ]
  if not found:
    raise cells_lib.NotMeasured('no record holds a search by subgoals')
  return {
    division: float(np.mean([told[division]['subgoals'] for told in found]))
    for division in found[0]
    if all(division in told for told in found)
  }


def temperature(study: study_lib.Study, contrast: str) -> float:
  """Of the samples that are completed.

  Raises:
    NotMeasured: if records lack.
  """
  (found, *_) = study.of(contrast)
  value: float = found.facts['config']['eval']['temperature']
  return value


def banks(study: study_lib.Study) -> dict[int, int]:
  """Nodes of each bank -> its functions.

  Raises:
    NotMeasured: if records lack.
  """
  for record in study.of(CONTRAST):
    if KEY in record.facts:
      told = record.facts[KEY]['bank_functions']
      return {int(size): number for size, number in told.items()}
  raise cells_lib.NotMeasured('no record holds a search')
