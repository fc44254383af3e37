"""pass@k against brute force."""

import itertools
import math

import numpy as np
import pytest

from synth.statistics import passk


def _brute(correct, samples, k):
  """The share of all k-subsets that hold a correct sample."""
  flags = [True] * correct + [False] * (samples - correct)
  hits = [any(subset) for subset in itertools.combinations(flags, k)]
  return sum(hits) / len(hits)


def test_pass_at_k_equals_brute_force():
  for samples in range(1, 9):
    for k in range(1, samples + 1):
      found = passk.pass_at_k(np.arange(samples + 1), samples, k)
      wanted = [_brute(c, samples, k) for c in range(samples + 1)]
      np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_pass_at_k_has_the_published_value_and_is_not_the_plug_in():
  found = passk.pass_at_k(np.array([3]), 8, 3)[0]
  assert found == pytest.approx(0.8214, abs=5e-5)
  assert found != pytest.approx(1 - (5 / 8) ** 3, abs=0.05)


def test_pass_at_k_is_unbiased():
  # Weighed by the binomial law of c, it is 1 - (1 - p)^k.
  samples, p, k = 12, 0.2, 4
  weight = [
    math.comb(samples, c) * p**c * (1 - p) ** (samples - c)
    for c in range(samples + 1)
  ]
  mean = weight @ passk.pass_at_k(np.arange(samples + 1), samples, k)
  assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-12)


def test_pass_at_k_keeps_the_shape_and_stays_exact_for_many_samples():
  correct = np.array([[0, 1, 500], [999, 1000, 2]])
  found = passk.pass_at_k(correct, 1000, 100)
  assert found.shape == correct.shape
  assert found[0, 0] == 0 and found[1, 1] == 1
  assert found[0, 1] == pytest.approx(0.1)
  one = passk.pass_at_k(correct, 1000, 1)
  np.testing.assert_allclose(one, correct / 1000, atol=1e-12)


@pytest.mark.parametrize('k', [0, -1, 9])
def test_impossible_k_is_refused(k):
  with pytest.raises(ValueError, match=f'pass@{k} needs 1..n samples, n = 8'):
    passk.pass_at_k(np.array([1]), 8, k)
  with pytest.raises(ValueError, match=f'coverage@{k} needs 1..n'):
    passk.coverage_at_k(np.zeros((1, 8), bool), k)


def test_coverage_asks_for_the_first_candidates_only():
  correct = np.array([[False, True, False], [False, False, False]])
  for k, wanted in ((1, [0, 0]), (2, [1, 0]), (3, [1, 0])):
    assert passk.coverage_at_k(correct, k).tolist() == wanted


def test_coverage_is_the_mean_pass_at_k_for_every_k():
  correct = np.random.default_rng(0).integers(0, 13, 50)
  found = passk.coverage(correct, 12)
  wanted = [passk.pass_at_k(correct, 12, k).mean() for k in range(1, 13)]
  np.testing.assert_allclose(found, wanted, atol=1e-12)
