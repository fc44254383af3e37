"""Variance components: planted ones are recovered."""

import numpy as np
import pytest

from synth.statistics import components


def _simulate(rng, splits, seeds, items, samples):
  """Rates that stay in 0..1, so that planted variances are the true ones."""

  def effect(size, *shape):
    return size * rng.integers(0, 2, shape) * 2 - size

  return [
    rng.binomial(
      samples,
      0.5
      + effect(0.1, 1, 1)
      + effect(0.08, s, 1)
      + effect(0.2, 1, i)
      + effect(0.1, s, i),
    )
    for s, i in zip(seeds * splits, items * splits, strict=True)
  ]


def test_planted_components_are_recovered_from_a_ragged_design():
  rng = np.random.default_rng(0)
  correct = _simulate(rng, 150, [3, 5], [20, 50], 4)
  found = components.components(correct, 4)
  wanted = (0.01, 0.0064, 0.04, 0.01, 0.25 - 0.0664)
  np.testing.assert_allclose(found, wanted, rtol=0.15)


def test_they_are_unbiased_in_a_small_design():
  rng = np.random.default_rng(1)
  found = np.mean(
    [
      components.components(_simulate(rng, 1, [2, 2], [5, 8], 2), 2)
      for _ in range(1500)
    ],
    axis=0,
  )
  wanted = (0.01, 0.0064, 0.04, 0.01, 0.25 - 0.0664)
  np.testing.assert_allclose(found, wanted, rtol=0.2)


def test_predicted_variance_is_that_of_simulated_means():
  rng = np.random.default_rng(2)
  planted = components.Components(0.01, 0.0064, 0.04, 0.01, 0.25 - 0.0664)
  means = [
    np.mean([c.mean() / 4 for c in _simulate(rng, 2, [3], [10], 4)])
    for _ in range(1500)
  ]
  wanted = planted.variance(splits=2, seeds=3, items=10, samples=4)
  assert np.var(means) == pytest.approx(wanted, rel=0.1)


def test_what_a_design_cannot_tell_is_nan():
  found = components.components([np.array([[1, 2, 3], [3, 2, 2]])], 4)
  assert np.isnan(found.split) and not np.isnan(found.seed)
