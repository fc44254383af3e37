"""How far from training what is held out lies, beside its controls.

A region is held out in one space, but most are farther than their controls in
both: this says what a loss is of, before two of them are compared.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from analysis import webpage
from analysis.study import contrasts
from analysis.study import extent
from analysis.study import study as study_lib
from analysis.study import tables
from synth import records
from synth.splits import distances
from synth.splits import support as support_split

_TESTS = (support_split.NOVEL, support_split.CONTROL)
_NEAR, _FAR = (distances.STRATA.index(name) for name in ('near', 'far'))


class HowFar(NamedTuple):
  """The tasks of one test set, in one space.

  Attributes:
    median: Of the distances to training.
    near: Share near to it.
    far: Share far from it.
  """

  median: float
  near: float
  far: float


def measure(record: records.Record, test: str, space: str) -> HowFar:
  """How far the tasks of a test set are from the arm of a record."""
  tasks = record.tests[test]
  place = distances.ROWS.index(space)
  distance_I = tasks.distance_2xI[place]
  if tasks.stratum_2xI is not None:
    stratum_I = tasks.stratum_2xI[place]
  else:
    # Many distances equal a bound, which older records have with five digits:
    # in the precision of the distances both are the same number again.
    half = distance_I.dtype.type
    bounds = {
      name: half(value)
      for name, value in record.facts['split']['bounds'][space].items()
    }
    stratum_2xI = distances.strata(
      np.stack([distance_I] * 2), dict.fromkeys(distances.ROWS, bounds)
    )
    stratum_I = stratum_2xI[space]
  return HowFar(
    float(np.median(distance_I.astype(float))),
    float((stratum_I == _NEAR).mean()),
    float((stratum_I == _FAR).mean()),
  )


def table(study: study_lib.Study) -> str:
  """Every support contrast: distances of novel and control, in both spaces."""
  rows = []
  for contrast, what in contrasts.HELD_OUT.items():
    found = [
      record
      for record in study.contrasts.get(contrast, ())
      if record.facts['arm'] == support_split.WITHOUT
      and all(test in record.tests for test in _TESTS)
    ]
    rows += [
      [what, space, *_cells(found, space)] for space in distances.ROWS if found
    ]
  if not rows:
    return tables.lack('no support contrast')
  head = ['held out', 'space',
          *(f'median distance, {test}' for test in _TESTS),
          'times as far',
          *(f'{test}: near / far' for test in _TESTS)]  # fmt: skip
  return webpage.table(head, rows, numeric=2) + (
    '<p class="note">Distance of the tasks to the nearest function of train_s, '
    'the arm that never saw what is held out; least and most over splits. '
    'Near: no farther than 95 % of train_s are from their nearest others; far: '
    'farther than 99.9 % of them. A function that is held out by its place in '
    'one space is nearly always farther than its control in the other, too, '
    'and not by the same factor in all contrasts: what two of them lose is not '
    'to be compared as if equally much had been held out.</p>'
  )


def _cells(found: Sequence[records.Record], space: str) -> list[str]:
  told = {
    test: [measure(record, test, space) for record in found] for test in _TESTS
  }
  novel, control = (told[test] for test in _TESTS)
  times = [
    a.median / b.median for a, b in zip(novel, control, strict=True) if b.median
  ]
  return [
    *(extent.extent((one.median for one in told[t]), '.2f') for t in _TESTS),
    extent.extent(times, '.1f') or '&ndash;',
    *(
      f'{extent.extent((one.near for one in told[test]), ".1%")} / '
      f'{extent.extent((one.far for one in told[test]), ".1%")}'
      for test in _TESTS
    ),
  ]
