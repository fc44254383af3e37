"""README's table of the demonstration: what its records say."""

import pathlib
import re

import numpy as np
import pytest

from synth import records
from synth.splits import support
from synth.statistics import design
from synth.statistics import interval

_ROOT = pathlib.Path(__file__).parents[1]
_ARMS = {
  'never saw the structure': support.WITHOUT,
  'saw it': support.WITH,
}
_NUMBER = r'(-?[\d.]+)'


@pytest.fixture(scope='module')
def tests():
  """(arm, test set) -> its tasks, and samples of each."""
  return {
    (record.facts['arm'], name): (tasks, record.samples)
    for record in records.load(_ROOT / 'results' / 'demo')
    for name, tasks in record.tests.items()
  }


def test_the_table_in_the_readme_is_that_of_the_records(tests):
  text = (_ROOT / 'README.md').read_text().replace('*', '')
  for label, arm in _ARMS.items():
    for name in (support.CONTROL, support.NOVEL):
      (row,) = re.findall(rf'^\| {label} \| {name} \|(.*)\|$', text, re.M)
      tasks, samples = tests[arm, name]
      for cell, k in zip(row.split('|'), (1, 16), strict=True):
        told = re.search(rf'{_NUMBER} % \[{_NUMBER}, {_NUMBER}\]', cell)
        term = design.Term(tasks.pass_at_k(samples, k), cluster_I=tasks.cell_I)
        found = interval.share([[term]], np.random.default_rng(0))
        assert [float(n) for n in told.groups()] == [
          round(100 * value, 1) for value in found
        ]


def test_the_gap_in_the_readme_is_that_of_the_records(tests):
  terms = []
  for name, weight in ((support.NOVEL, 1.0), (support.CONTROL, -1.0)):
    (one, samples), (other, _) = (tests[arm, name] for arm in _ARMS.values())
    cost_SxI = other.pass_at_k(samples, 1) - one.pass_at_k(samples, 1)
    terms.append(design.Term(cost_SxI, weight, one.cell_I))
  found = interval.crossed([terms], np.random.default_rng(0))
  mean, low, high = (f'{100 * value:.1f}' for value in found)
  text = ' '.join((_ROOT / 'README.md').read_text().split())
  assert f'{mean} points [{low}, {high}], counts both' in text
