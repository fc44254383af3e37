"""Scaling laws: planted forms are recovered and told apart."""

import math

import numpy as np
import pytest

from synth.statistics import loss_law
from synth.statistics import scaling

_FORM = {form.name: form for form in scaling.FORMS}
# Parameters for z = log(compute / 1e14).
_PLANTED = {
  'log-linear': (0.4, 0.04),
  'logit-linear': (0.2, 0.4),
  'logistic with ceiling': (0.7, 0.8, 0.3),
  'saturating power': (0.75, 0.25, 0.25),
  'power of the logarithm': (0.7, 0.3),
  'broken power': (0.05, -0.7, 0.03, 0.5, 1.0, -0.7),
}
_ERROR = 0.005


def _compute(levels=12):
  return np.geomspace(1e12, 1e16, levels)


def _rate(name, compute):
  z = np.log(compute / 1e14)
  return _FORM[name].predict(np.array(_PLANTED[name]), z)


def _points(name, rng, levels=12, seeds=1, error=_ERROR):
  compute = np.repeat(_compute(levels), seeds)
  rate = _rate(name, compute) + error * rng.standard_normal(len(compute))
  return scaling.Points(compute, rate, np.full(len(compute), error))


@pytest.mark.parametrize('name', _PLANTED)
def test_a_form_without_noise_is_recovered(name):
  compute = _compute()
  rate = _rate(name, compute)
  points = scaling.Points(compute, rate, np.full(12, _ERROR))
  found = scaling.fit(_FORM[name], points)
  assert found.chi_square < 1e-3
  # The reference is the geometric mean of the compute, 1e14.
  assert found.reference == pytest.approx(1e14)
  np.testing.assert_allclose(
    found.value_P, _PLANTED[name], rtol=0.02, atol=0.01
  )
  np.testing.assert_allclose(found.predict(compute), rate, atol=1e-3)


@pytest.mark.parametrize('name', list(_PLANTED)[:5])
def test_the_planted_form_wins_with_noise(name):
  rng = np.random.default_rng(2)
  rivals = list(scaling.FORMS[:5])
  wins = 0
  for _ in range(3):
    points = _points(name, rng, seeds=2)
    fits = [scaling.fit(form, points) for form in rivals]
    wins += min(fits, key=lambda found: found.aicc).form.name == name
  assert wins >= 2


def test_all_forms_compared_on_one_table():
  rng = np.random.default_rng(1)
  scores = scaling.compare(_points('logistic with ceiling', rng))
  assert [score.fit.form.name for score in scores] == list(_PLANTED)
  best = min(scores, key=lambda score: score.fit.aicc)
  assert best.fit.form.name == 'logistic with ceiling'
  straight = scores[0]
  # The true form foretells to about the noise, the straight line does not.
  assert best.left_out < 2 * _ERROR < straight.left_out
  assert best.forward < 4 * _ERROR < straight.forward


def test_errors_of_prediction_come_from_levels_that_were_not_fitted():
  points = _points('logit-linear', np.random.default_rng(7), 10, 2, 0.02)
  level = np.repeat(np.arange(10), 2)

  def miss(kept):
    line = np.polyfit(np.log(points.compute_N[kept]), points.rate_N[kept], 1)
    error = np.polyval(line, np.log(points.compute_N)) - points.rate_N
    return np.mean(error[~kept] ** 2)

  (score,) = scaling.compare(points, [scaling.LOG_LINEAR])
  assert score.forward == pytest.approx(np.sqrt(miss(level < 7)))
  wanted = np.sqrt(np.mean([miss(level != one) for one in range(10)]))
  assert score.left_out == pytest.approx(wanted)


def test_standard_errors_cover_the_planted_parameters():
  rng = np.random.default_rng(3)
  form = _FORM['logit-linear']
  hits = []
  for _ in range(100):
    found = scaling.fit(form, _points(form.name, rng))
    error = np.sqrt(np.diag(found.covariance_PxP))
    hits.append(np.abs(found.value_P - _PLANTED[form.name]) < 1.96 * error)
  # Nominal 0.95; three standard errors are 0.065.
  np.testing.assert_allclose(np.mean(hits, axis=0), 0.95, atol=0.065)


def test_lack_of_fit_rejects_curves_and_keeps_lines():
  rng = np.random.default_rng(4)
  rejected = {}
  for name in ('log-linear', 'logit-linear'):
    p = []
    for _ in range(100):
      points = _points(name, rng, seeds=3, error=0.02)
      line = scaling.fit(scaling.LOG_LINEAR, points)
      chi_square, degrees, value = scaling.lack_of_fit(line, points)
      assert chi_square <= line.chi_square and degrees == 10
      p.append(value)
    rejected[name] = np.mean(np.array(p) < 0.05)
  # Nominal 0.05; three standard errors are 0.065.
  assert rejected['log-linear'] < 0.115
  assert rejected['logit-linear'] > 0.9


def test_criteria_by_hand():
  found = scaling.Fit(
    scaling.LOG_LINEAR,
    np.zeros(2),
    np.eye(2),
    1.0,
    chi_square=3.0,
    observations=8,
  )
  # 3 + 2 * 2 + 2 * 2 * 3 / (8 - 2 - 1), and 3 + 2 ln 8.
  assert found.aicc == pytest.approx(3 + 4 + 12 / 5)
  assert found.bic == pytest.approx(3 + 2 * math.log(8))
  assert found._replace(observations=3).aicc == math.inf


def test_averaging_weighs_by_akaike():
  points = _points('logistic with ceiling', np.random.default_rng(5))
  fits = [scaling.fit(form, points) for form in scaling.FORMS[:3]]
  beyond = np.array([1e17])
  # The wrong forms are hopeless, so the average is the right one.
  found = scaling.averaged(fits, beyond)
  np.testing.assert_allclose(found, fits[2].predict(beyond), atol=1e-6)
  twice = scaling.averaged([fits[2], fits[2]], beyond)
  np.testing.assert_allclose(twice, fits[2].predict(beyond))


def test_too_few_levels_are_refused_or_nan():
  points = _points('log-linear', np.random.default_rng(6), levels=3, seeds=4)
  with pytest.raises(ValueError, match='broken power has 6 parameters'):
    scaling.fit(_FORM['broken power'], points)
  (score,) = scaling.compare(points, [_FORM['saturating power']])
  assert math.isnan(score.left_out) and math.isnan(score.forward)


def _loss(model, data):
  return 1.69 + 406.4 / model**0.34 + 410.7 / data**0.28


def _runs():
  model, data = np.meshgrid(
    np.geomspace(1e5, 1e8, 6), np.geomspace(1e7, 1e10, 6)
  )
  return model.ravel(), data.ravel()


def test_the_loss_law_is_recovered_exactly_without_noise():
  model, data = _runs()
  law = loss_law.fit(model, data, _loss(model, data))
  wanted = (1.69, 406.4, 410.7, 0.34, 0.28)
  np.testing.assert_allclose(law[:5], wanted, rtol=1e-6)
  assert law.rms < 1e-9
  np.testing.assert_allclose(law.predict(model, data), _loss(model, data))


def test_the_loss_law_with_noise():
  rng = np.random.default_rng(0)
  model, data = _runs()
  laws = np.array(
    [
      loss_law.fit(
        model,
        data,
        _loss(model, data) * np.exp(0.003 * rng.standard_normal(36)),
      )
      for _ in range(20)
    ]
  )
  wanted = np.array([1.69, 0.34, 0.28])
  error = laws[:, [0, 3, 4]].std(axis=0)
  middle = laws[:, [0, 3, 4]].mean(axis=0)
  assert (np.abs(middle - wanted) < 4 * error / np.sqrt(20)).all()
  assert (error < [0.1, 0.02, 0.02]).all()
  assert laws[:, 5].mean() == pytest.approx(0.003, rel=0.15)


def test_the_optimum_is_the_least_loss_on_the_frontier():
  law = loss_law.LossLaw(1.69, 406.4, 410.7, 0.34, 0.28, 0.0)
  size, tokens = law.optimal(1e16)
  assert size * tokens == pytest.approx(1e16)
  around = size * np.linspace(0.5, 2, 1501)
  best = around[np.argmin(law.predict(around, 1e16 / around))]
  assert best == pytest.approx(size, rel=2e-3)


def test_a_law_of_two_sizes_needs_both_to_vary():
  with pytest.raises(ValueError, match='5 observations'):
    loss_law.fit(np.full(6, 1e6), np.geomspace(1e7, 1e9, 6), np.ones(6))
