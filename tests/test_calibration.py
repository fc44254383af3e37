"""Calibration: nothing where there is nothing, planted errors elsewhere."""

import numpy as np
import pytest

from synth.statistics import calibration


def _samples(rng, number, error=0.0):
  """Confidence, and success that is more or less likely by `error`."""
  confidence = rng.uniform(0.2, 0.8, number)
  success = rng.random(number) < confidence + error
  return np.log(confidence), success


def test_a_calibrated_model_has_no_debiased_error():
  rng = np.random.default_rng(0)
  found = [calibration.calibration(*_samples(rng, 300)) for _ in range(400)]
  squared = np.array([f.squared_error for f in found])
  # 0 within three standard errors; the plug-in says 0.08 all the same.
  assert abs(squared.mean()) < 3 * squared.std() / 20
  assert np.mean([f.plug_in_ece for f in found]) > 0.06
  assert all(f.ece >= 0 for f in found)


@pytest.mark.parametrize('error', [0.15, -0.1])
def test_a_planted_error_is_found(error):
  rng = np.random.default_rng(1)
  log_prob, success = _samples(rng, 20_000, error)
  found = calibration.calibration(log_prob, success)
  assert found.ece == pytest.approx(abs(error), abs=0.01)
  np.testing.assert_allclose(
    found.success_B - found.confidence_B, error, atol=0.05
  )
  assert found.count_B.sum() == 20_000
  assert np.ptp(found.count_B) <= 1
  # Brier: the noise and the squared error.
  confidence = np.exp(log_prob)
  rate = confidence + error
  wanted = np.mean(rate * (1 - rate)) + error**2
  assert found.brier == pytest.approx(wanted, abs=0.006)


def test_auroc_is_of_the_confidence():
  log_prob = np.log(np.array([0.1, 0.2, 0.3, 0.4]))
  found = calibration.calibration(log_prob, np.array([0, 1, 0, 1]), bins=2)
  assert found.auroc == pytest.approx(3 / 4)
  np.testing.assert_allclose(found.confidence_B, [0.15, 0.35])
  assert found.brier == pytest.approx((0.01 + 0.64 + 0.09 + 0.36) / 4)


def test_too_few_samples_are_refused():
  with pytest.raises(ValueError, match='29 samples are too few for 15 bins'):
    calibration.calibration(np.zeros(29), np.ones(29))


def test_risk_coverage_by_hand_with_a_tie():
  # Surest first: right; then a tie of one right, one wrong; then wrong.
  log_prob = np.array([-1.0, -3.0, -2.0, -2.0])
  share, risk = calibration.risk_coverage(log_prob, np.array([1, 0, 0, 1]))
  np.testing.assert_allclose(share, [0.25, 0.5, 0.75, 1])
  np.testing.assert_allclose(risk, [0, 0.25, 1 / 3, 0.5])
