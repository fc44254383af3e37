"""Calibration near to and far from training, with planted overconfidence."""

import dataclasses
import json

import numpy as np
import pytest

from analysis.study import calibration
from analysis.study import cells as cells_lib
from analysis.study import near_and_far
from analysis.study import page
from analysis.study import study as study_lib
from synth.splits import distances
from tests import simulated


def _cell(rng, *, split, right, shares=(0.5, 0.3, 0.2), items=600, seeds=4):
  """Confident 0.1 to 0.7; right by stratum so much less often."""
  stratum_I = rng.choice(3, items, p=shares)
  confidence_IxS = rng.uniform(0.1, 0.7, (items, seeds))
  less_I = np.array(right)[stratum_I]
  right_IxS = rng.random((items, seeds)) < confidence_IxS - less_I[:, None]
  facts = {
    cells_lib.ANSWER: np.log(confidence_IxS),
    cells_lib.ANSWER_RIGHT: right_IxS,
    study_lib.stratum('syntactic'): stratum_I,
    study_lib.stratum('semantic'): np.zeros(items, int),
  }
  item_I = np.arange(items) + 10_000 * split
  return cells_lib.Cell(
    split, 'train_s', 'novel', tuple(range(seeds)),
    np.zeros((seeds, items), int), 16, item_I, item_I, facts,
  )  # fmt: skip


def test_planted_overconfidence_far_from_training_is_recovered():
  rng = np.random.default_rng(0)
  less = (0.0, 0.1, 0.1)
  found = near_and_far.measure(
    [_cell(rng, split=r, right=less) for r in range(3)], 'syntactic'
  )
  for label, gap in zip(distances.STRATA, less, strict=True):
    one = found.strata[label]
    assert one.confidence == pytest.approx(0.4, abs=0.01)
    assert one.confidence - one.right == pytest.approx(gap, abs=0.03)
  assert found.splits == 3
  assert 0 < found.farther.low < 0.1 < found.farther.high < 0.2
  assert sum(one.tasks for one in found.strata.values()) == 1800


def test_intervals_of_no_difference_hold_it_as_often_as_they_say():
  rng = np.random.default_rng(1)
  found = [
    near_and_far.measure(
      [_cell(rng, split=r, right=(0.1, 0.1, 0.1), items=200) for r in range(2)],
      'syntactic',
    ).farther
    for _ in range(200)
  ]
  covered = np.mean([one.low <= 0 <= one.high for one in found])
  assert covered >= 0.91  # of 95 %, less three standard errors


def test_strata_of_few_tasks_have_no_difference():
  rng = np.random.default_rng(2)
  few = _cell(rng, split=0, right=(0, 0, 0), shares=(0.97, 0.03, 0), items=300)
  found = near_and_far.measure([few], 'syntactic')
  assert found.farther is None and found.splits == 0
  assert set(found.strata) == {'near', 'between'}
  # In the other space all are near.
  found = near_and_far.measure([few], 'semantic')
  assert set(found.strata) == {'near'} and found.farther is None
  # A split that has enough of both is used alone.
  more = _cell(rng, split=1, right=(0, 0, 0))
  assert near_and_far.measure([few, more], 'syntactic').splits == 1


def test_ranking_is_told_near_and_far():
  rng = np.random.default_rng(3)
  cell = _cell(rng, split=0, right=(0, 0, 0))
  near_I = cell.facts[study_lib.stratum('syntactic')] == 0
  confidence_IxS = np.exp(cell.facts[cells_lib.ANSWER])
  # Near training confidence ranks all answers, elsewhere none.
  right_IxS = rng.random(confidence_IxS.shape) < 0.5
  right_IxS[near_I] = confidence_IxS[near_I] > 0.4
  facts = {**cell.facts, cells_lib.ANSWER_RIGHT: right_IxS}
  cell = dataclasses.replace(cell, facts=facts)
  near, other = near_and_far.measure([cell], 'syntactic').auroc
  assert near == 1
  assert other == pytest.approx(0.5, abs=0.06)


@pytest.mark.slow
def test_older_records_are_told_and_not_shown(tmp_path):
  root, rng = tmp_path / 'cpu', np.random.default_rng(4)
  for name in ('support', 'role'):
    simulated.support(root, name, drop=0.4, items=150, splits=2, rng=rng)
  for path in (root / 'role').glob('*.json'):
    facts = json.loads(path.read_text())
    for tasks in facts['tests'].values():
      for key in ('answer_SxI', 'answer_right_SxI', 'stratum_2xI'):
        del tasks[key]
    path.write_text(json.dumps(facts))
  study = simulated.load(root)
  text = near_and_far.table(study)
  assert text.count('<tr>') == 1 + 2 * 2 * 2  # arms, tests, spaces
  assert (
    'Not measured: records of an older version hold no answers to single tasks '
    '(role).' in text
  )
  for path in (root / 'support').glob('*.json'):
    path.unlink()
  text = near_and_far.table(simulated.load(root))
  assert '<table' not in text and '(role)' in text
  # The rest of the page is there.
  page.write(root, tmp_path / 'page.html', lambda tier: [])
  assert text in (tmp_path / 'page.html').read_text()
  assert calibration.table(simulated.load(root)).count('<table') == 1


def test_what_is_at_a_bound_is_near_or_far():
  bounds = {
    'syntactic': {'near': 0.6, 'far': 0.8},
    'semantic': {'near': 0.1, 'far': 0.1},
  }
  distance_2xI = np.array([[0.6, 0.601, 0.799, 0.8], [0.1, 0.09, 0.11, 1]])
  found = distances.strata(distance_2xI.astype(np.float32), bounds)
  assert found['syntactic'].tolist() == [0, 1, 1, 2]
  assert found['semantic'].tolist() == [0, 0, 2, 2]
