"""Success by distance: the curve, the regression, the rivals."""

import numpy as np
import pytest
import scipy.interpolate
import scipy.optimize

from synth.statistics import auroc
from synth.statistics import isotonic
from synth.statistics import logistic
from synth.statistics import rivals
from synth.statistics import splines


def _law(distance):
  return 0.8 / (1 + np.exp(8 * (distance - 0.5)))


def test_the_curve_recovers_a_planted_law_in_each_stratum():
  rng = np.random.default_rng(0)
  distance = rng.random(800)
  stratum = rng.integers(3, 5, 800)
  rate = _law(distance) * np.where(stratum == 3, 1, 0.5)
  value = rng.binomial(16, np.tile(rate, (4, 1))) / 16
  found = isotonic.curves(value, distance, stratum, rng, resamples=100)
  assert list(found) == [3, 4]
  for label, scale in ((3, 1), (4, 0.5)):
    curve = found[label]
    assert (np.diff(curve.rate_D) <= 1e-12).all()
    assert (curve.low_D <= curve.high_D).all()
    error = curve.rate_D - scale * _law(curve.distance_D)
    assert np.sqrt(np.mean(error**2)) < 0.03
    # The scale cancels: half of the rate at distances up to a tenth.
    assert curve.d50.estimate == pytest.approx(0.5, abs=0.04)
    assert curve.d50.low <= curve.d50.estimate <= curve.d50.high


def test_the_curve_is_the_best_decreasing_function():
  # Hand-worked: 0.6 and 0.8 are pooled, 0.2 and 0.3 too.
  distance = np.array([4.0, 1.0, 2.0, 3.0, 5.0])
  value = np.array([[0.2, 0.9, 0.6, 0.8, 0.3]])
  curve = isotonic.curves(
    value, distance, np.zeros(5, int), np.random.default_rng(0), resamples=5
  )[0]
  np.testing.assert_allclose(curve.rate_D, [0.9, 0.7, 0.7, 0.25, 0.25])
  assert curve.d50.estimate == 4.0


def test_items_at_one_distance_are_one_place():
  distance = np.array([1.0, 1.0, 2.0])
  value = np.array([[0.0, 1.0, 0.4]])
  curve = isotonic.curves(
    value, distance, np.zeros(3, int), np.random.default_rng(0), resamples=5
  )[0]
  np.testing.assert_allclose(curve.rate_D, [0.5, 0.4])


def test_a_rate_that_never_halves_has_an_infinite_d50():
  rng = np.random.default_rng(1)
  value = rng.binomial(16, 0.5, (4, 200)) / 16
  curve = isotonic.curves(
    value, rng.random(200), np.zeros(200, int), rng, resamples=50
  )[0]
  assert curve.d50.estimate == np.inf
  assert curve.d50.high == np.inf


def test_places_count_by_their_items():
  # Two items at distance 1 and one at 2, in the wrong order: pooled, 2 to 1.
  distance = np.array([1.0, 1.0, 2.0])
  value = np.array([[0.0, 0.6, 0.9]])
  curve = isotonic.curves(
    value, distance, np.zeros(3, int), np.random.default_rng(0), resamples=5
  )[0]
  np.testing.assert_allclose(curve.rate_D, [0.5, 0.5])


def test_d50_is_half_of_the_nearest_tenth():
  # Of 40 items the nearest 4 have rate (1 + 0.6 + 0.6 + 0.6) / 4 = 0.7.
  distance = np.array([1.0, 2.0, 3.0, 4.0])
  rate = np.array([1.0, 0.6, 0.4, 0.35])
  assert isotonic.d50(distance, rate, np.array([1, 9, 20, 10])) == 4.0
  assert isotonic.d50(distance, rate, np.array([20, 10, 5, 5])) == 3.0


def test_spline_basis_spans_the_natural_interpolants():
  rng = np.random.default_rng(2)
  knot = np.array([0.0, 1.0, 2.5, 4.0])
  x = np.linspace(0, 4, 101)
  basis = np.column_stack([np.ones(101), splines.natural(x, knot)])
  wanted = scipy.interpolate.CubicSpline(
    knot, rng.standard_normal(4), bc_type='natural'
  )(x)
  solution, *_ = np.linalg.lstsq(basis, wanted, rcond=None)
  np.testing.assert_allclose(basis @ solution, wanted, atol=1e-9)
  # Straight beyond the ends.
  for ends in (np.array([-3.0, -2.0, -1.0]), np.array([5.0, 6.0, 7.0])):
    bend = np.diff(splines.natural(ends, knot), 2, axis=0)
    np.testing.assert_allclose(bend, 0, atol=1e-9)


def test_knots_need_distinct_values():
  np.testing.assert_allclose(splines.knots(np.arange(7.0), 3), [0, 2, 4, 6])
  with pytest.raises(ValueError, match='too few distinct values for 3'):
    splines.knots(np.array([1.0, 1, 1, 2, 2, 2]), 3)


def _regression(rng, rows=4000, trials=5):
  design = np.column_stack([np.ones(rows), rng.standard_normal((rows, 2))])
  rate = 1 / (1 + np.exp(-design @ [-0.5, 1.0, -0.7]))
  return design, rng.binomial(trials, rate), np.full(rows, trials)


def test_logistic_regression_recovers_planted_coefficients():
  rng = np.random.default_rng(3)
  design, success, trials = _regression(rng)
  model = logistic.fit(design, success, trials)
  error = np.sqrt(np.diag(model.covariance_PxP))
  assert (np.abs(model.coefficient_P - [-0.5, 1.0, -0.7]) < 3.5 * error).all()
  assert (error < 0.03).all()
  # At the maximum the score is 0: another optimizer's word for it.
  best = scipy.optimize.minimize(
    lambda c: logistic.deviance(
      success, trials, 1 / (1 + np.exp(-design @ c))
    ).sum(),
    np.zeros(3),
    method='BFGS',
  )
  np.testing.assert_allclose(model.coefficient_P, best.x, atol=1e-4)
  assert model.deviance == pytest.approx(best.fun)


def test_repeated_rows_do_not_shorten_clustered_errors():
  rng = np.random.default_rng(4)
  design, success, trials = _regression(rng, 500)
  once = logistic.fit(design, success, trials).covariance_PxP
  label = np.tile(np.arange(500), 4)
  many = [np.concatenate([a] * 4) for a in (design, success, trials)]
  found = logistic.fit(*many, cluster_N=label).covariance_PxP
  np.testing.assert_allclose(found, once, rtol=1e-4, atol=1e-8)
  naive = logistic.fit(*many).covariance_PxP
  np.testing.assert_allclose(naive, once / 4, rtol=0.01, atol=1e-5)


def test_separated_successes_need_a_ridge():
  design = np.column_stack([np.ones(6), [-3, -2, -1, 1, 2, 3]])
  success, trials = np.array([0, 0, 0, 1, 1, 1]), np.ones(6)
  with pytest.raises(ValueError, match='separated'):
    logistic.fit(design, success, trials)
  assert logistic.fit(design, success, trials, 0.1).coefficient_P[1] > 0
  # However far an item lies out: with a ridge there is a maximum.
  design[0, 1], weak = -3000, 1e-3
  assert logistic.fit(design, success, trials, weak).coefficient_P[1] > 0.1
  with pytest.raises(ValueError, match='repeat each other'):
    logistic.fit(np.ones((4, 2)), np.array([0, 1, 0, 1]), np.ones(4))


def test_auroc_by_all_pairs():
  rng = np.random.default_rng(5)
  score, success = rng.integers(0, 6, 40), rng.integers(0, 4, 40)
  pairs = [
    (score[i], score[j], success[i] * (3 - success[j]))
    for i in range(40)
    for j in range(40)
  ]
  wins = sum(w * ((a > b) + (a == b) / 2) for a, b, w in pairs)
  wanted = wins / sum(w for *_, w in pairs)
  assert auroc.auroc(score, success, 3) == pytest.approx(wanted)
  assert np.isnan(auroc.auroc(score, np.zeros(40)))


def test_the_true_predictor_beats_its_rivals():
  rng = np.random.default_rng(6)
  true = rng.random(1500)
  size = true + 0.3 * rng.standard_normal(1500)
  trials = np.full(1500, 8)
  success = rng.binomial(trials, _law(true))
  found = rivals.compare(
    {
      'true': splines.natural(true, splines.knots(true, 3)),
      'size': size[:, None],
      'noise': rng.standard_normal((1500, 3)),
    },
    success,
    trials,
    rng,
  )
  assert found['true'].explained > found['size'].explained + 0.1
  assert found['true'].auroc > found['size'].auroc > 0.6
  # Held out, what is only noise explains nothing.
  assert -0.02 < found['noise'].explained < 0.005
  assert found['noise'].auroc == pytest.approx(0.5, abs=0.04)


def test_rows_of_one_item_share_a_fold():
  # A predictor that only names the item explains nothing of other items.
  rng = np.random.default_rng(7)
  rate = np.repeat(rng.random(40), 10)
  item = np.repeat(np.arange(40), 10)
  name = {'name': np.eye(40)[item]}
  trials = np.full(400, 8)
  success = rng.binomial(trials, rate)
  leaked = rivals.compare(name, success, trials, rng, ridge=0.1)['name']
  fair = rivals.compare(name, success, trials, rng, 5, item, 0.1)['name']
  assert leaked.explained > 0.5
  assert fair.explained < 0.01
