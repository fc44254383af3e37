"""Figures of runs draw every run, however many there are."""

import types

from matplotlib import pyplot as plt
import pytest

from analysis.runs import calibration
from analysis.runs import figures

_RUNS = 12  # more than matplotlib has colours


@pytest.fixture
def found():
  """As many runs of one seed."""
  yield [
    types.SimpleNamespace(
      label=f'run {number}',
      metrics=[{'step': 1, 'loss': [1.0], 'dev_loss': [0.9]}],
      result={
        'reliability': {
          'novel': [
            {'confidence': 0.2, 'success': [0.3, 0.2, 0.4], 'answers': 10}
          ]
        }
      },
    )
    for number in range(_RUNS)
  ]
  plt.close('all')


def test_every_run_has_its_curves_in_a_way_of_its_own(found):
  (axis,) = figures.curves(found).axes
  drawn = [line for line in axis.get_lines() if 'dev' in line.get_label()]
  assert len(drawn) == _RUNS
  ways = {(line.get_color(), line.get_marker()) for line in drawn}
  assert len(ways) == _RUNS


def test_every_run_has_its_calibration_in_a_way_of_its_own(found):
  (axis,) = calibration.reliability(found).axes
  ways = {
    (bar.lines[0].get_color(), bar.lines[0].get_marker())
    for bar in axis.containers
  }
  assert len(axis.containers) == len(ways) == _RUNS
