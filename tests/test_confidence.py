"""Confidence against success, on records with known truth."""

import numpy as np
import pytest
import scipy.stats

from synth.evaluation import confidence


def _records(logprob_SxIxn, exact_SxIxn):
  seed, item, first = (axis.ravel() for axis in np.indices(logprob_SxIxn.shape))
  return {
    'seed': seed,
    'item': item,
    'first': first,
    'logprob': logprob_SxIxn.ravel(),
    'exact': exact_SxIxn.ravel(),
  }


def test_the_answer_is_the_most_probable_sample():
  logprob = np.array([[[-3.0, -1, -2], [-1, -1, -5]]])
  records = _records(logprob, np.zeros(logprob.shape, bool))
  shuffled = np.array([3, 0, 5, 4, 1, 2])
  records = {key: array[shuffled] for key, array in records.items()}
  found = confidence.answers(records)
  pairs = zip(records['item'][found], records['first'][found], strict=True)
  assert list(pairs) == [(0, 1), (1, 0)]  # of equals the first


def test_calibrated_and_overconfident_models_are_told_apart():
  rng = np.random.default_rng(0)
  logprob = np.log(rng.uniform(0.2, 1, (2, 3000, 1)))
  right = rng.random(logprob.shape) < np.exp(logprob)
  right[1] = rng.random(logprob[1].shape) < 0.05  # sure, and wrong
  calibrated, sure = confidence.summary({'novel': _records(logprob, right)}, 2)[
    'novel'
  ]
  assert len(calibrated['confidence_B']) == 15
  assert calibrated['ece'] < 0.02 < 0.4 < sure['ece']
  # For uniform p in [0.2, 1]: pairs of a success and a failure, integrated.
  p = np.linspace(0.2, 1, 1001)
  below = np.cumsum(1 - p) / np.sum(1 - p)
  wanted = np.sum(p * below) / p.sum()
  assert calibrated['auroc'] == pytest.approx(wanted, abs=0.03)
  assert calibrated['auroc_samples'] == calibrated['auroc']
  assert sure['auroc'] == pytest.approx(0.5, abs=0.06)
  assert sure['aurc'] == pytest.approx(0.95, abs=0.03)


def test_overconfidence_far_away_is_told_apart_from_calibration_near():
  rng = np.random.default_rng(1)
  stratum_I = np.arange(3000) % 3  # near, between, far
  logprob = np.log(rng.uniform(0.2, 1, (2, 3000, 1)))
  right = rng.random(logprob.shape) < np.exp(logprob)
  right[0, stratum_I == 2] = False  # of the first model, far away
  records = _records(logprob, right)
  spaces = {'syntactic': stratum_I, 'semantic': np.zeros(3000, int)}
  found = confidence.strata({'novel': records}, {'novel': spaces}, 2)['novel']
  assert list(found['syntactic']) == ['near', 'between', 'far']
  for stratum, (first, second) in found['syntactic'].items():
    assert sum(first['count_B']) == 1000
    assert second['ece'] < 0.06
    if stratum == 'far':
      # The root mean square of what is uniform in [0.2, 1].
      assert first['ece'] == pytest.approx(np.sqrt(0.992 / 2.4), abs=0.02)
      assert first['auroc'] is None
    else:
      assert first['ece'] < 0.06
  assert found['semantic'] == {
    'near': confidence.summary({'novel': records}, 2)['novel']
  }


def test_answers_of_tasks_are_the_most_probable_samples():
  rng = np.random.default_rng(2)
  logprob_SxIxn = np.log(rng.uniform(0.2, 1, (2, 30, 4)))
  right_SxIxn = rng.random(logprob_SxIxn.shape) < 0.5
  records = _records(logprob_SxIxn, right_SxIxn)
  kept = (records['seed'] == 0) | (records['item'] != 7)
  records = {key: array[kept] for key, array in records.items()}
  logprob_SxI, right_SxI = confidence.of_tasks(records, 2, 30)
  assert np.isnan(logprob_SxI[1, 7]) and not right_SxI[1, 7]
  wrote = np.full((2, 30), True)
  wrote[1, 7] = False
  best_SxIx1 = logprob_SxIxn.argmax(axis=2)[..., None]
  for found, wanted in (
    (logprob_SxI, logprob_SxIxn), (right_SxI, right_SxIxn),
  ):  # fmt: skip
    wanted = np.take_along_axis(wanted, best_SxIx1, axis=2)[..., 0]
    np.testing.assert_array_equal(found[wrote], wanted[wrote])


def test_what_cannot_be_said_is_none():
  logprob = np.log(np.full((3, 4, 1), 0.5))
  records = _records(logprob, np.zeros(logprob.shape, bool))
  kept = records['seed'] != 2  # the third wrote nothing
  records = {key: array[kept] for key, array in records.items()}
  first, _, third = confidence.summary({'dev': records}, 3)['dev']
  assert third is None
  assert first['auroc'] is None and first['auroc_samples'] is None
  assert first['count_B'] == [4]
  assert first['brier'] == pytest.approx(0.25)
  assert first['aurc'] == 1


def test_reliability_is_told_with_answers_and_an_interval():
  rng = np.random.default_rng(0)
  # Half of the tasks at 0.3, half at 0.8; right as often as they say.
  level = np.where(np.arange(400) < 200, 0.3, 0.8)
  logprob = np.tile(np.log(level), (6, 1))[..., None]
  right = rng.random(logprob.shape) < np.exp(logprob)
  records = _records(logprob, right)
  # One model has no answer to the first tasks.
  kept = (records['seed'] > 0) | (records['item'] >= 10)
  records = {key: array[kept] for key, array in records.items()}
  bins = confidence.reliability({'dev': records})['dev']
  assert sum(found['answers'] for found in bins) == 6 * 400 - 10
  order = np.argsort(records['logprob'], kind='stable')
  for found, part in zip(bins, np.array_split(order, 10), strict=True):
    assert found['confidence'] == pytest.approx(
      np.exp(records['logprob'][part]).mean()
    )
    assert found['success'][0] == pytest.approx(records['exact'][part].mean())
    assert found['tasks'] == len(np.unique(records['item'][part]))
  # Against scipy, one answer a task.
  first = records['seed'] == 1
  records = {key: array[first] for key, array in records.items()}
  for found in confidence.reliability({'dev': records})['dev']:
    share, low, high = found['success']
    test = scipy.stats.binomtest(round(share * found['tasks']), found['tasks'])
    wanted = test.proportion_ci(method='wilson')
    assert (low, high) == pytest.approx(tuple(wanted), abs=1e-6)


def test_the_tail_is_what_samples_could_find():
  logprob = np.log([[[0.5], [0.01], [0.3]]])
  records = _records(logprob, np.array([[[True], [True], [False]]]))
  minimal = {'novel': np.log([[0.1, 0.2, 0.24]]).astype(np.float32)}
  found = confidence.tail({'novel': records}, minimal, 4)
  assert found == {'novel': {'minimal': [0], 'any': [pytest.approx(1 / 3)]}}
  found = confidence.tail({'novel': records}, minimal, 6)
  assert found['novel']['minimal'] == [pytest.approx(2 / 3)]
  assert found['novel']['any'] == [1]
