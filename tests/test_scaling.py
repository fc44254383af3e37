"""Scaling laws: planted forms are recovered and told apart."""

import math

import numpy as np
import pytest

from analysis.study import cells
from analysis.study import scaling as study_scaling
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


_TRUE = {
  loss_law.SUM: {'E': 1.69, 'A': 406.4, 'a': 0.34, 'B': 410.7, 'b': 0.28},
  # Kaplan et al. 2020, table 2, parameters and tokens.
  loss_law.BOTTLENECK: {'A': 8.8e13, 'a': 0.076, 'B': 5.4e13, 'b': 0.095},
  loss_law.DATA_ALONE: {'E': 1.69, 'B': 410.7, 'b': 0.28},
}


def _grid_points(form, noise=0.0, rng=None):
  model, data = (
    size.ravel()
    for size in np.meshgrid(
      np.geomspace(1e5, 1e8, 6), np.geomspace(1e7, 1e10, 6)
    )
  )
  law = loss_law.LossLaw(form, _TRUE[form], np.empty(0))
  loss = law.predict(model, data)
  if noise:
    loss = loss * np.exp(noise * rng.standard_normal(len(loss)))
  return loss_law.Points(model, data, loss)


@pytest.mark.parametrize('form', _TRUE)
def test_a_loss_law_is_recovered_exactly_without_noise(form):
  points = _grid_points(form)
  law = loss_law.fit(form, points)
  assert law.values == pytest.approx(_TRUE[form], rel=1e-5)
  assert law.rms < 1e-9
  # From a law of other observations, too.
  shifted = points._replace(loss_N=1.05 * points.loss_N)
  again = loss_law.fit(form, points, near=loss_law.fit(form, shifted))
  assert again.values == pytest.approx(_TRUE[form], rel=1e-4)


def test_loss_laws_by_hand():
  def of(form, **values):
    return loss_law.LossLaw(form, values, np.empty(0)).predict(
      np.array([4.0]), np.array([100.0])
    )

  wanted = 1 + 6 / 2 + 50 / 10
  assert of(loss_law.SUM, E=1, A=6, a=0.5, B=50, b=0.5) == [wanted]
  assert of(loss_law.DATA_ALONE, E=1, B=50, b=0.5) == [6]
  # ((36 / 4)^(1 / 0.5) + 1900 / 100)^0.5 = 100^0.5
  assert of(loss_law.BOTTLENECK, A=36, a=1, B=1900, b=0.5) == [10]


def test_the_law_of_a_sum_with_noise():
  rng = np.random.default_rng(0)
  laws = [
    loss_law.fit(loss_law.SUM, _grid_points(loss_law.SUM, 0.003, rng))
    for _ in range(20)
  ]
  found = np.array([[law.values[name] for name in 'Eab'] for law in laws])
  error, middle = found.std(axis=0), found.mean(axis=0)
  wanted = np.array([1.69, 0.34, 0.28])
  assert (np.abs(middle - wanted) < 4 * error / np.sqrt(20)).all()
  assert (error < [0.1, 0.02, 0.02]).all()
  rms = np.mean([law.rms for law in laws])
  assert rms == pytest.approx(0.003, rel=0.15)


def test_the_law_that_made_the_losses_fits_best():
  rng = np.random.default_rng(1)
  for truth in (loss_law.SUM, loss_law.BOTTLENECK):
    points = _grid_points(truth, 0.003, rng)
    left = {form: loss_law.fit(form, points).rms for form in _TRUE}
    assert min(left, key=left.get) == truth


def test_a_floor_takes_three_sizes_to_tell():
  points = _grid_points(loss_law.SUM)
  two = points.where(np.isin(points.model_N, np.unique(points.model_N)[:2]))
  with pytest.raises(ValueError, match='3 of each size'):
    loss_law.fit(loss_law.SUM, two)
  assert loss_law.fit(loss_law.DATA_ALONE, two).rms > 0.1
  one = points.where(points.data_N == points.data_N[0])
  with pytest.raises(ValueError, match='2 of each size'):
    loss_law.fit(loss_law.BOTTLENECK, one)


def _tested(rng, slopes, levels=6, seeds=3, seed_sd=0.005):
  """Levels over two decades: tasks of a cluster share a slope a decade."""
  cluster_I = np.arange(200) % len(slopes)
  hard_I = 0.15 * rng.standard_normal(len(slopes))[cluster_I]
  result = {}
  for decades in np.linspace(-1, 1, levels):
    rate_I = 0.5 + hard_I + slopes[cluster_I] * decades
    rate_SxI = rate_I + seed_sd * rng.standard_normal((seeds, 1))
    correct_SxI = rng.binomial(32, np.clip(rate_SxI, 0, 1))
    result[1e12 * 10**decades] = [
      cells.Cell(
        0, 'a', 't', tuple(range(seeds)), correct_SxI, 32, np.arange(200),
        cluster_I,
      )
    ]  # fmt: skip
  return result


def test_slopes_hold_what_other_tasks_would_have_had(monkeypatch):
  monkeypatch.setattr(scaling, 'FORMS', (scaling.LOG_LINEAR,))
  monkeypatch.setattr(study_scaling, '_OF_LINE', 300)
  rng = np.random.default_rng(0)
  both, seeds = 0, 0
  for _ in range(80):
    slopes = 0.1 + 0.12 * rng.standard_normal(60)
    found = study_scaling.measure_tests(_tested(rng, slopes), 1)
    _, low, high = study_scaling.slope(found)
    both += low < 0.1 < high
    _, low, high = study_scaling.slope(found._replace(tasks=None))
    seeds += low < 0.1 < high
  # 95 %, of which 80 trials hold 70 or more; over seeds alone 27 %.
  assert both >= 70
  assert seeds < 40


def test_tasks_are_drawn_for_all_levels_together(monkeypatch):
  monkeypatch.setattr(scaling, 'FORMS', (scaling.LOG_LINEAR,))
  rng = np.random.default_rng(1)
  # Tasks differ much in success and not at all in slope.
  found = study_scaling.measure_tests(_tested(rng, np.full(60, 0.1)), 1)
  _, low, high = study_scaling.slope(found)
  assert high - low < 0.02
  # Drawn for each level on their own it would be 2 * 1.96 * 0.15 / sqrt(60)
  # times sqrt(1 / sum of squared decades): 0.045.
  found = study_scaling.halves(found)
  assert found.lower.low < 0.1 < found.lower.high
  assert found.difference.low < 0 < found.difference.high


def test_a_bend_is_told_by_halves(monkeypatch):
  monkeypatch.setattr(scaling, 'FORMS', (scaling.LOG_LINEAR,))
  rng = np.random.default_rng(2)
  levels = _tested(rng, np.full(60, 0.05))
  more = _tested(rng, np.full(60, 0.25))
  bent = {
    compute: (more if compute > 1e12 else levels)[compute] for compute in levels
  }
  found = study_scaling.measure_tests(bent, 1)
  halves = study_scaling.halves(found)
  assert halves.lower.estimate == pytest.approx(0.05, abs=0.02)
  assert halves.upper.estimate == pytest.approx(0.25, abs=0.02)
  assert halves.difference.low > 0
  assert 'a straight line is rejected' in study_scaling.bend(found)
