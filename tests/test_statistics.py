"""Estimators against brute force, intervals against their coverage."""

import itertools
import math

import numpy as np
import pytest

from synth import statistics


def _brute(correct, samples, k):
  """The share of all k-subsets that hold a correct sample."""
  flags = [True] * correct + [False] * (samples - correct)
  hits = [any(subset) for subset in itertools.combinations(flags, k)]
  return sum(hits) / len(hits)


def test_pass_at_k_equals_brute_force():
  for samples in range(1, 9):
    for k in range(1, samples + 1):
      found = statistics.pass_at_k(np.arange(samples + 1), samples, k)
      wanted = [_brute(c, samples, k) for c in range(samples + 1)]
      np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_pass_at_k_has_the_published_value_and_is_not_the_plug_in():
  found = statistics.pass_at_k(np.array([3]), 8, 3)[0]
  assert found == pytest.approx(0.8214, abs=5e-5)
  assert found != pytest.approx(1 - (5 / 8) ** 3, abs=0.05)


def test_pass_at_k_is_unbiased():
  # Weighed by the binomial law of c, it is 1 - (1 - p)^k.
  samples, p, k = 12, 0.2, 4
  weight = [
    math.comb(samples, c) * p**c * (1 - p) ** (samples - c)
    for c in range(samples + 1)
  ]
  mean = weight @ statistics.pass_at_k(np.arange(samples + 1), samples, k)
  assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-12)


def test_pass_at_k_keeps_the_shape_and_stays_exact_for_many_samples():
  correct = np.array([[0, 1, 500], [999, 1000, 2]])
  found = statistics.pass_at_k(correct, 1000, 100)
  assert found.shape == correct.shape
  assert found[0, 0] == 0 and found[1, 1] == 1
  assert found[0, 1] == pytest.approx(0.1)
  one = statistics.pass_at_k(correct, 1000, 1)
  np.testing.assert_allclose(one, correct / 1000, atol=1e-12)


@pytest.mark.parametrize('k', [0, -1, 9])
def test_impossible_k_is_refused(k):
  with pytest.raises(ValueError, match=f'pass@{k} needs 1..n samples, n = 8'):
    statistics.pass_at_k(np.array([1]), 8, k)
  with pytest.raises(ValueError, match=f'coverage@{k} needs 1..n'):
    statistics.coverage_at_k(np.zeros((1, 8), bool), k)


def test_coverage_asks_for_the_first_candidates_only():
  correct = np.array([[False, True, False], [False, False, False]])
  for k, wanted in ((1, [0, 0]), (2, [1, 0]), (3, [1, 0])):
    assert statistics.coverage_at_k(correct, k).tolist() == wanted


@pytest.fixture
def few_resamples(monkeypatch):
  monkeypatch.setattr(statistics, '_RESAMPLES', 300)


def _experiment(rng, seeds=8, items=60):
  """Crossed effects of seeds and items, plus noise; the mean is 0.5."""
  return (
    0.5
    + 0.1 * rng.standard_normal((seeds, 1))
    + 0.2 * rng.standard_normal((1, items))
    + 0.1 * rng.standard_normal((seeds, items))
  )


def test_intervals_cover_the_truth_about_as_often_as_they_say(few_resamples):
  rng = np.random.default_rng(0)
  covered, misses_items, misses_seeds = 0, 0, 0
  for _ in range(150):
    value = _experiment(rng)
    _, low, high = statistics.crossed_bootstrap([(1, value)], rng)
    covered += low <= 0.5 <= high
    # What resampling in one direction alone would say.
    items = value.mean(axis=0)
    half = 1.96 * items.std(ddof=1) / math.sqrt(60)
    misses_seeds += abs(value.mean() - 0.5) > half
    seeds = value.mean(axis=1)
    half = 1.96 * seeds.std(ddof=1) / math.sqrt(8)
    misses_items += abs(value.mean() - 0.5) > half
  # Nominal 0.95; percentiles with 8 seeds are a little short of it.
  assert 0.87 <= covered / 150 <= 0.995
  assert covered > 150 - misses_seeds
  assert covered > 150 - misses_items


def test_the_estimate_is_the_mean_and_the_interval_holds_it():
  value = _experiment(np.random.default_rng(1))
  rng = np.random.default_rng(2)
  mean, low, high = statistics.crossed_bootstrap([(1, value)], rng)
  assert mean == pytest.approx(value.mean())
  assert low < mean < high
  assert high - low < 0.4


def test_the_same_randomness_gives_the_same_interval(few_resamples):
  value = _experiment(np.random.default_rng(1))
  found = [
    statistics.crossed_bootstrap([(1, value)], np.random.default_rng(seed))
    for seed in (0, 0, 1)
  ]
  assert found[0] == found[1] != found[2]


def test_paired_differences_are_tighter_than_unpaired(few_resamples):
  rng = np.random.default_rng(3)
  base = _experiment(rng)
  better = base + 0.05 + 0.01 * rng.standard_normal(base.shape)
  mean, low, high = statistics.crossed_bootstrap([(1, better - base)], rng)
  assert mean == pytest.approx(0.05, abs=0.01)
  assert 0 < low < high < 0.06
  _, loose_low, loose_high = statistics.crossed_bootstrap(
    [(1, better), (-1, rng.permuted(base, axis=1))], rng
  )
  assert loose_high - loose_low > 5 * (high - low)


def test_a_difference_in_differences_has_the_right_sign(few_resamples):
  rng = np.random.default_rng(4)
  # Arm C beats arm S by 0.3 on the novel test, by 0.1 on the control.
  novel_s, control_s, noise = _experiment(rng), _experiment(rng, items=40), 0.02
  novel_c = novel_s + 0.3 + noise * rng.standard_normal(novel_s.shape)
  control_c = control_s + 0.1 + noise * rng.standard_normal(control_s.shape)
  terms = [(1, novel_c - novel_s), (-1, control_c - control_s)]
  mean, low, high = statistics.crossed_bootstrap(terms, rng)
  assert mean == pytest.approx(0.2, abs=0.02)
  assert 0 < low < mean < high
  flipped = [(-weight, value) for weight, value in terms]
  mean, low, high = statistics.crossed_bootstrap(flipped, rng)
  assert low < mean < high < 0


def test_seeds_are_resampled_jointly_for_all_terms(few_resamples):
  # A seed effect that both terms share cancels in their difference.
  rng = np.random.default_rng(5)
  effect = rng.standard_normal((8, 1))
  one = effect + np.zeros((8, 30))
  two = effect + np.zeros((8, 20))
  mean, low, high = statistics.crossed_bootstrap([(1, one), (-1, two)], rng)
  assert mean == pytest.approx(0, abs=1e-12)
  assert (low, high) == pytest.approx((0, 0), abs=1e-12)


def test_constant_values_have_an_interval_of_no_width(few_resamples):
  found = statistics.crossed_bootstrap(
    [(1, np.ones((3, 7)))], np.random.default_rng(0)
  )
  assert found == pytest.approx((1, 1, 1))
