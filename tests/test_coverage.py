"""The law of success rates: planted ones are recovered and extrapolated."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from synth.statistics import coverage


def _tasks(rng, zero, a, b, tasks=3000, samples=64):
  rate = rng.beta(a, b, tasks) * (rng.random(tasks) >= zero)
  return rng.binomial(samples, rate), rate


@pytest.mark.parametrize('zero, a, b', [(0.3, 0.5, 3), (0.0, 0.4, 2)])
def test_planted_law_is_recovered_and_foretells_more_samples(zero, a, b):
  rng = np.random.default_rng(0)
  correct, rate = _tasks(rng, zero, a, b)
  law = coverage.fit(correct, 64)
  assert law.zero == pytest.approx(zero, abs=0.06)
  assert law.a == pytest.approx(a, rel=0.2)
  assert law.b == pytest.approx(b, rel=0.2)
  for k in (1, 64, 4096):
    true = np.mean(1 - (1 - rate) ** k)
    assert law.pass_at_k(k) == pytest.approx(true, abs=0.04)


def test_the_likelihood_is_that_of_scipy():
  correct = np.array([0, 0, 0, 1, 3, 8, 2, 0])
  law = coverage.fit(correct, 8)
  chance = scipy.stats.betabinom.pmf(correct, 8, law.a, law.b)
  wanted = np.log((1 - law.zero) * chance + law.zero * (correct == 0)).sum()
  assert law.log_likelihood == pytest.approx(wanted)
  assert coverage.fit(correct, 8, 0.0).log_likelihood <= wanted + 1e-9


def test_coverage_of_a_law_by_integration():
  law = coverage.Law(0.2, 0.5, 3.0, 0.0)
  for k in (1, 7, 100):
    wanted, _ = scipy.integrate.quad(
      lambda p, k=k: scipy.stats.beta.pdf(p, 0.5, 3) * (1 - (1 - p) ** k), 0, 1
    )
    assert law.pass_at_k(np.array([k]))[0] == pytest.approx(0.8 * wanted, 1e-5)


def test_failures_left_fall_with_the_tail_exponent():
  law = coverage.Law(0.1, 0.35, 2.0, 0.0)
  left = 0.9 - law.pass_at_k(np.array([1e4, 1e6]))
  assert np.log(left[0] / left[1]) / np.log(100) == pytest.approx(
    0.35, abs=1e-3
  )


def test_coverage_is_log_linear_if_the_density_falls_like_1_over_p():
  # p log-uniform on [e, 1]: E[1 - (1 - p)^k] ~ (ln k + 0.577) / ln(1 / e).
  small, k = 1e-8, np.array([10, 100, 1000, 10_000])
  p = np.exp(np.linspace(np.log(small), 0, 200_001))
  mean = np.array([np.mean(1 - (1 - p) ** j) for j in k])
  wanted = (np.log(k) + 0.577) / np.log(1 / small)
  np.testing.assert_allclose(mean, wanted, atol=4e-3)


def test_interval_of_the_mass_at_zero():
  rng = np.random.default_rng(1)
  correct, _ = _tasks(rng, 0.3, 1.0, 3.0, 500)
  law = coverage.fit(correct, 64)
  low, high = coverage.zero_interval(correct, 64, law)
  assert low < 0.3 < high
  assert low < law.zero < high
  # At its ends the likelihood is less by half the chi-square's quantile.
  for end in (low, high):
    less = law.log_likelihood - coverage.fit(correct, 64, end).log_likelihood
    assert less == pytest.approx(3.8415 / 2, abs=1e-3)
  # No mass there: 0 is in it.
  correct, _ = _tasks(rng, 0.0, 0.5, 3.0, 500)
  law = coverage.fit(correct, 64)
  assert coverage.zero_interval(correct, 64, law)[0] == 0


@pytest.mark.simulation
def test_interval_of_the_mass_at_zero_covers_it():
  rng = np.random.default_rng(2)
  hits = 0
  for _ in range(400):
    correct, _ = _tasks(rng, 0.3, 1.0, 3.0, 300)
    law = coverage.fit(correct, 64)
    low, high = coverage.zero_interval(correct, 64, law)
    hits += low <= 0.3 <= high
  # Nominal 0.95; three standard errors are 0.033.
  assert abs(hits / 400 - 0.95) < 0.035


def test_no_success_at_all_is_refused():
  with pytest.raises(ValueError, match='no task was ever solved'):
    coverage.fit(np.zeros(5, int), 8)
