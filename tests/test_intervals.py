"""Intervals against their coverage, tests against hand-worked values."""

import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats

from synth.statistics import bootstrap
from synth.statistics import design
from synth.statistics import hypotheses
from synth.statistics import interval
from synth.statistics import small_sample
from synth.statistics.design import Term


def _experiment(rng, seeds=8, items=60, seed=0.1, item=0.2, rest=0.1):
  """Crossed effects of seeds and items, plus noise; the mean is 0.5."""
  return (
    0.5
    + seed * rng.standard_normal((seeds, 1))
    + item * rng.standard_normal((1, items))
    + rest * rng.standard_normal((seeds, items))
  )


def _shares(rng, seeds, items, shares):
  """As above with a mean of variance 1 from seeds, items and noise."""
  scale = np.sqrt(np.array(shares) * [seeds, items, seeds * items])
  return _experiment(rng, seeds, items, *scale)


def _rate(simulate, method, repetitions, truth=0.5):
  """How often the interval of a simulated contrast holds the truth."""
  hits = 0
  for _ in range(repetitions):
    found = method(simulate())
    hits += found.low <= truth <= found.high
  return hits / repetitions


# What the variance of the mean is made of: seeds, items, noise.
_MIXES = [(1, 0, 0), (0.7, 0.2, 0.1), (0.3, 0.6, 0.1), (0.1, 0.2, 0.7)]


def test_small_sample_intervals_cover_as_often_as_they_say():
  rng = np.random.default_rng(0)
  found = _rate(
    lambda: [[Term(_shares(rng, 5, 40, (0.5, 0.3, 0.2)))]],
    small_sample.crossed,
    1000,
  )
  # Nominal 0.95, at most 0.01 off; three standard errors are 0.02.
  assert abs(found - 0.95) < 0.03


def test_a_table_has_the_interval_that_its_seeds_allow():
  rng = np.random.default_rng(0)
  several = [[Term(_experiment(rng, seeds=3))]]
  assert interval.crossed(several, rng) == small_sample.crossed(several)
  one = [[Term(several[0][0].value_SxI[:1])]]
  found = interval.crossed(one, np.random.default_rng(1))
  assert found == bootstrap.crossed(one, np.random.default_rng(1))
  # Two seeds far apart: Student's interval would leave what shares can be.
  apart = [[Term(np.repeat([[0.2], [0.8]], 30, axis=1))]]
  assert small_sample.crossed(apart).low < 0
  assert interval.share(apart, rng) == pytest.approx((0.5, 0, 1))


def test_a_share_that_is_never_seen_may_be_there_all_the_same():
  never = [[Term(np.zeros((3, 200)))]]
  found = interval.share(never, np.random.default_rng(0))
  # The upper end of none of 200 (Clopper and Pearson): about 3.7 of them.
  wanted = scipy.stats.binomtest(0, 200).proportion_ci().high
  assert found == pytest.approx((0, 0, wanted))
  always = interval.share([[Term(np.ones((3, 200)))]], np.random.default_rng(0))
  assert always == pytest.approx((1, 1 - wanted, 1))


def test_a_share_is_skewed_as_a_count_is():
  """One seed's worth of yes and no: near the exact interval of a binomial."""
  for solved in (3, 30, 500, 970):
    value = np.zeros((2, 1000))
    value[:, :solved] = 1
    found = interval.share([[Term(value)]], np.random.default_rng(0))
    exact = scipy.stats.binomtest(solved, 1000).proportion_ci()
    assert found.low == pytest.approx(exact.low, rel=0.1, abs=1e-3)
    assert found.high == pytest.approx(exact.high, rel=0.15)
    assert 0 <= found.low < found.estimate < found.high < 1


def test_a_share_is_the_mirror_of_its_failures():
  rng = np.random.default_rng(0)
  rate_I = np.where(rng.random(200) < 0.1, rng.random(200), 0)
  value = rng.binomial(16, rate_I, (3, 200)) / 16
  solved = interval.share([[Term(value)]], rng)
  failed = interval.share([[Term(1 - value)]], rng)
  assert 0 < solved.estimate < 0.5
  mirrored = failed.estimate, failed.high, failed.low
  assert solved == pytest.approx([1 - end for end in mirrored])


def test_two_seeds_far_apart_leave_what_the_mean_leaves():
  # One solves 2 %, the other none: Student's quantile is 12.7.
  value = np.zeros((2, 1000))
  value[0, :20] = 1
  found = interval.share([[Term(value)]], np.random.default_rng(0))
  symmetric = small_sample.crossed([[Term(value)]])
  assert symmetric.low < 0 < found.low < 0.01
  assert found.high >= symmetric.high > 0.1


# Share of tasks that can be solved, the beta law of their rates, and the
# standard deviation of what a seed adds to their logits.
_RARE = {
  '13 %': (0.15, (20, 2), 0.5),
  '2 %': (0.1, (0.5, 2), 0.5),
  '2 %, calm': (0.1, (0.5, 2), 0.1),
  '0.9 %, nearly sure': (0.01, (20, 2), 0.3),
  '0.4 %': (0.023, (0.8, 4), 0.5),
  '0.4 %, calm': (0.023, (0.8, 4), 0.1),
  '0.1 %': (0.01, (0.5, 5), 0.5),
  '0.1 %, calm': (0.01, (0.5, 5), 0.1),
}


@pytest.mark.simulation
@pytest.mark.parametrize('seeds', [2, 3, 8])
@pytest.mark.parametrize('case', list(_RARE))
def test_coverage_of_rare_success(case, seeds):
  """Few of 1,000 tasks can be solved, at rates that seeds shift."""
  solvable, beta, spread = _RARE[case]
  rng = np.random.default_rng(seeds)

  def shifted(rate_I, seeds):
    shift_Sx1 = spread * rng.standard_normal((seeds, 1))
    return scipy.special.expit(scipy.special.logit(rate_I) + shift_Sx1)

  truth = solvable * shifted(rng.beta(*beta, 10_000), 1000).mean()

  def simulate():
    rate_SxI = shifted(rng.beta(*beta, 1000), seeds)
    rate_SxI[:, rng.random(1000) >= solvable] = 0
    return [[Term(rng.binomial(32, rate_SxI) / 32)]]

  found = _rate(simulate, lambda c: interval.share(c, rng), 4000, truth)
  # Two standard errors are 0.007.
  assert 0.92 < found < 0.97 + 0.007
  if case.startswith('0.1 %'):
    symmetric = _rate(simulate, small_sample.crossed, 4000, truth)
    assert 0.83 < symmetric < 0.91 < found


def test_units_that_agree_by_chance_do_not_make_a_mean_certain():
  # Two seeds, each of which solves one task of 100 and not the same one.
  value_SxI = np.zeros((2, 100))
  value_SxI[0, 18] = value_SxI[1, 64] = 1.0
  found = small_sample.crossed([[design.Term(value_SxI)]])
  # As of 200 tasks of their own: 2 solved, of variance p (1 - p) / 199.
  assert found.estimate == 0.01
  error = np.sqrt(0.01 * 0.99 * 100 / 99 / 200)
  student = scipy.special.stdtrit(99, 0.975)
  assert found.high - 0.01 == pytest.approx(student * error)
  # What does not vary at all is certain still.
  constant = small_sample.crossed([[design.Term(np.ones((2, 100)))]])
  assert constant == (1.0, 1.0, 1.0)


@pytest.mark.simulation
@pytest.mark.parametrize('shares', _MIXES)
@pytest.mark.parametrize(
  'seeds, low, high',
  [(2, 0.935, 0.97), (3, 0.94, 0.96), (5, 0.94, 0.96), (8, 0.94, 0.96)],
)
def test_small_sample_coverage_of_one_split(seeds, low, high, shares):
  rng = np.random.default_rng(seeds)
  found = _rate(
    lambda: [[Term(_shares(rng, seeds, 40, shares))]],
    small_sample.crossed,
    10_000,
  )
  # Nominal within 0.01, but for two seeds; two standard errors are 0.004.
  assert low - 0.004 < found < high + 0.004


def _ragged(rng, splits, split, shares):
  """A difference in differences of splits of unequal seeds and items."""
  contrast = []
  for r in range(splits):
    seeds, items = 2 + r % 2, 30 + 5 * r
    novel = _shares(rng, seeds, items, shares) + split * rng.standard_normal()
    control = _shares(rng, seeds, items // 2, shares)
    contrast.append([Term(novel + 0.5), Term(control, -1.0)])
  return contrast


@pytest.mark.simulation
@pytest.mark.parametrize('splits', [2, 3, 5])
@pytest.mark.parametrize('split', [0.0, 2.0])
def test_small_sample_coverage_of_ragged_splits(splits, split):
  rng = np.random.default_rng(splits)
  found = _rate(
    lambda: _ragged(rng, splits, split, (0.3, 0.4, 0.3)),
    small_sample.crossed,
    10_000,
  )
  assert abs(found - 0.95) < 0.01


@pytest.mark.simulation
def test_small_sample_coverage_of_items_that_all_splits_share():
  rng = np.random.default_rng(3)
  label = np.arange(40)

  def simulate():
    item = 2 * rng.standard_normal(40)
    return [
      [
        Term(
          0.5 + rng.standard_normal() / 2 + item + rng.standard_normal((2, 40)),
          cluster_I=label,
        )
      ]
      for _ in range(5)
    ]

  found = _rate(simulate, small_sample.crossed, 10_000)
  assert abs(found - 0.95) < 0.01

  def apart():
    return [[Term(split[0].value_SxI)] for split in simulate()]

  # Taken for different items they are seen as replications that they are not.
  assert _rate(apart, small_sample.crossed, 2000) < 0.9


@pytest.mark.simulation
def test_small_sample_coverage_of_binary_outcomes():
  rng = np.random.default_rng(4)

  def rate(seeds, items):
    effect = 0.5 * rng.standard_normal((seeds, 1))
    effect = effect + 1.5 * rng.standard_normal((1, items))
    return 1 / (1 + np.exp(2 - effect))

  # The logit is normal: its rate by quadrature.
  logit = np.linspace(-12, 12, 10_001)
  weight = scipy.stats.norm.pdf(logit, 0, np.hypot(0.5, 1.5))
  truth = weight @ (1 / (1 + np.exp(2 - logit))) / weight.sum()
  found = _rate(
    lambda: [[Term(rng.binomial(8, rate(8, 200)) / 8)]],
    small_sample.crossed,
    10_000,
    truth,
  )
  assert abs(found - 0.95) < 0.01


@pytest.mark.simulation
@pytest.mark.parametrize(
  'seeds, shares, low, high',
  [
    # Seeds vary most: too short, the more so the fewer they are.
    (2, (0.8, 0.1, 0.1), 0.79, 0.86),
    (5, (0.8, 0.1, 0.1), 0.89, 0.93),
    (16, (0.8, 0.1, 0.1), 0.93, 0.96),
    # Noise counts three times: too long, however many.
    (5, (0.0, 0.2, 0.8), 0.98, 1.0),
    (16, (0.0, 0.2, 0.8), 0.98, 1.0),
  ],
)
def test_bootstrap_coverage_is_as_documented(seeds, shares, low, high):
  rng = np.random.default_rng(seeds)
  found = _rate(
    lambda: [[Term(_shares(rng, seeds, 60, shares))]],
    lambda contrast: bootstrap.crossed(contrast, rng, resamples=500),
    1500,
  )
  assert low < found < high


def test_bootstrap_variance_is_that_of_the_theory():
  # Owen 2007: main effects once, less one of S, and noise about three times.
  rng = np.random.default_rng(1)
  value = _experiment(rng, 6, 30)
  seed, item = value.mean(axis=1), value.mean(axis=0)
  rest = value - seed[:, None] - item + value.mean()
  noise = np.sum(rest**2) / value.size**2
  wanted = seed.var() / 6 + item.var() / 30
  wanted += noise * ((2 - 1 / 6) * (2 - 1 / 30) - 1)
  draw = bootstrap.draws(design.of([[Term(value)]]), rng, 40_000)
  assert draw.mean() == pytest.approx(value.mean(), abs=5e-3)
  assert draw.var() == pytest.approx(wanted, rel=0.04)


def test_bootstrap_of_splits_resamples_splits_and_seeds_in_them():
  # Items alike: what varies are 3 splits, and 2 and 4 seeds in two of them.
  rows = [[0.0, 1.0], [2.0, 2.5, 3.0, 3.5], [5.0]]
  contrast = [[Term(np.array(row)[:, None] + np.zeros(7))] for row in rows]
  draw = bootstrap.draws(design.of(contrast), np.random.default_rng(2), 40_000)
  means = np.array([np.mean(row) for row in rows])
  within = np.mean([np.var(row) / len(row) for row in rows])
  assert draw.mean() == pytest.approx(means.mean(), abs=0.02)
  assert draw.var() == pytest.approx((means.var() + within) / 3, rel=0.04)


@pytest.mark.parametrize(
  'interval',
  [
    small_sample.crossed,
    lambda c: bootstrap.crossed(c, np.random.default_rng(0), resamples=2000),
  ],
)
class TestBothIntervals:
  def test_estimate_is_the_mean_of_splits_whatever_their_sizes(self, interval):
    rng = np.random.default_rng(1)
    values = [
      _experiment(rng, seeds, items) for seeds, items in [(2, 9), (5, 4)]
    ]
    found = interval([[Term(value)] for value in values])
    wanted = (values[0].mean() + values[1].mean()) / 2
    assert found.estimate == pytest.approx(wanted)
    assert found.low < found.estimate < found.high

  def test_paired_differences_are_tighter_than_unpaired(self, interval):
    rng = np.random.default_rng(3)
    base = _experiment(rng)
    better = base + 0.05 + 0.01 * rng.standard_normal(base.shape)
    found = interval([[Term(better - base)]])
    assert found.estimate == pytest.approx(0.05, abs=0.01)
    assert 0 < found.low < found.high < 0.06
    loose = interval([[Term(better), Term(rng.permuted(base, axis=1), -1.0)]])
    assert loose.high - loose.low > 5 * (found.high - found.low)

  def test_a_difference_in_differences_has_the_right_sign(self, interval):
    rng = np.random.default_rng(4)
    # One arm beats the other by 0.3 on the novel test, 0.1 on the control.
    gain = [
      gap + 0.02 * rng.standard_normal((8, items))
      for gap, items in ((0.3, 60), (0.1, 40))
    ]
    found = interval([[Term(gain[0]), Term(gain[1], -1.0)]])
    assert found.estimate == pytest.approx(0.2, abs=0.02)
    assert 0.18 < found.low < found.estimate < found.high < 0.22
    flipped = interval([[Term(gain[0], -1.0), Term(gain[1])]])
    assert flipped.low < flipped.estimate < flipped.high < 0

  def test_seeds_are_common_to_all_terms(self, interval):
    # A seed effect that both terms share cancels in their difference.
    effect = np.random.default_rng(5).standard_normal((8, 1))
    one, two = effect + np.zeros((8, 30)), effect + np.zeros((8, 20))
    found = interval([[Term(one), Term(two, -1.0)]])
    assert found == pytest.approx((0, 0, 0), abs=1e-9)

  def test_matched_items_are_common_to_all_terms(self, interval):
    # So does an item effect that a pair shares, if the pairs are labelled.
    effect = np.random.default_rng(6).standard_normal(30)
    value, label = np.tile(effect, (4, 1)), np.arange(30)
    pairs = [[Term(value, 1.0, label), Term(value[:, ::-1], -1.0, label[::-1])]]
    assert interval(pairs) == pytest.approx((0, 0, 0), abs=1e-9)
    loose = interval([[Term(value), Term(value[:, ::-1], -1.0)]])
    assert loose.high - loose.low > 0.5

  def test_repeated_items_do_not_shorten_the_interval(self, interval):
    value = _experiment(np.random.default_rng(7), seed=0.0)
    label = np.arange(60)
    once = interval([[Term(value)]])
    thrice = np.concatenate([value, value, value], axis=1)
    found = interval([[Term(thrice, 1.0, np.tile(label, 3))]])
    width = once.high - once.low
    assert found.high - found.low == pytest.approx(width, rel=0.1)
    naive = interval([[Term(thrice)]])
    assert naive.high - naive.low < 0.8 * width

  def test_constant_values_have_an_interval_of_no_width(self, interval):
    assert interval([[Term(np.ones((3, 7)))]]) == pytest.approx((1, 1, 1))


def test_the_same_randomness_gives_the_same_interval():
  contrast = [[Term(_experiment(np.random.default_rng(1)))]]
  found = [
    bootstrap.crossed(contrast, np.random.default_rng(seed), resamples=300)
    for seed in (0, 0, 1)
  ]
  assert found[0] == found[1] != found[2]


def test_splits_with_their_own_items_give_the_t_interval_of_their_means():
  rng = np.random.default_rng(8)
  contrast = _ragged(rng, 5, 1.0, (0.3, 0.4, 0.3))
  unit = design.by_unit(contrast)
  wanted = scipy.stats.t.interval(
    0.95, 4, unit.mean(), unit.std(ddof=1) / np.sqrt(5)
  )
  assert small_sample.crossed(contrast)[1:] == pytest.approx(wanted)


def test_one_split_gives_the_mean_squares_of_the_analysis_of_variance():
  value = _experiment(np.random.default_rng(9), 4, 30)
  seed, item = value.mean(axis=1), value.mean(axis=0)
  rest = value - seed[:, None] - item + value.mean()
  noise = np.sum(rest**2) / (3 * 29)
  of_seeds = seed.var(ddof=1) / 4
  of_items = item.var(ddof=1) / 30 - noise / 120
  total = of_seeds + of_items
  contrast = [[Term(value)]]
  assert small_sample.standard_error(contrast) == pytest.approx(np.sqrt(total))
  # Between the normal law's and Student's interval with the fewest degrees.
  found = small_sample.crossed(contrast)
  half = (found.high - found.low) / 2 / np.sqrt(total)
  assert scipy.stats.norm.ppf(0.975) < half < scipy.stats.t.ppf(0.975, 3)


@pytest.mark.parametrize('level', [0.9, 0.95, 0.99])
@pytest.mark.parametrize(
  'degrees, off',
  [(1, 0.0145), (1.25, 0.0115), (1.5, 0.009)]
  + [(degrees, 0.0055) for degrees in (2, 2.5, 3, 4, 7, 15, 100)],
)
def test_a_variance_estimated_in_part_gets_the_level_it_says(
  degrees, off, level
):
  """By quadrature: the mean is normal, the estimate chi-square."""
  chi_N = scipy.stats.chi2.ppf((np.arange(200) + 0.5) / 200, degrees) / degrees
  for share in np.linspace(0.01, 0.99, 20):
    part_N = share * chi_N
    half = [
      small_sample.half_width([(part, degrees), (1 - share, 1e6)], level)
      for part in part_N
    ]
    covered = np.mean(2 * scipy.stats.norm.cdf(half) - 1)
    assert covered == pytest.approx(level, abs=off), share


def test_one_cluster_of_items_has_no_variance_of_its_own():
  """Where rounding leaves it some, too."""
  rng = np.random.default_rng(0)
  for _ in range(300):
    value_SxI = rng.random((3, 7))
    found = small_sample.crossed(
      [[Term(value_SxI, cluster_I=np.zeros(7, int))]]
    )
    seed_S = value_SxI.mean(axis=1)
    half = scipy.stats.t.ppf(0.975, 2) * seed_S.std(ddof=1) / np.sqrt(3)
    assert (found.high - found.low) / 2 == pytest.approx(half)


def test_levels_of_one_seed_each_are_refused():
  rng = np.random.default_rng(0)
  one, two = np.array([0.3]), np.array([0.5, 0.6])
  drawn_BxL = bootstrap.few_seeds([one, two], rng, 50)
  assert (drawn_BxL[:, 0] == 0.3).all() and np.ptp(drawn_BxL[:, 1]) > 0.1
  with pytest.raises(ValueError, match='one seed a level'):
    bootstrap.few_seeds([one, two[:1]], rng, 50)


def test_wrong_designs_are_refused():
  ones = np.ones((2, 3))
  with pytest.raises(ValueError, match='at least one split'):
    design.of([])
  with pytest.raises(ValueError, match='at least one split'):
    design.of([[Term(ones)], []])
  with pytest.raises(ValueError, match=r'split 0: values of shape \(3,\)'):
    design.of([[Term(ones[0])]])
  with pytest.raises(ValueError, match='split 1: terms of 2 and 1 seeds'):
    design.of([[Term(ones)], [Term(ones), Term(ones[:1])]])
  with pytest.raises(ValueError, match='two seeds of one split'):
    small_sample.crossed([[Term(ones[:1])]])


def test_intervals_of_the_splits_there_are_cover_their_mean():
  """Four splits far apart, two seeds each: only seeds and items are new."""
  rng = np.random.default_rng(0)
  middle = np.array([0.0, 10.0, 20.0, 30.0])

  def contrast():
    return [
      [Term(m + 0.5 * rng.standard_normal((2, 1)) + rng.standard_normal(20))]
      for m in middle
    ]

  hits = 0
  for _ in range(1000):
    low, high = small_sample.these_splits(contrast())[1:]
    hits += low < middle.mean() < high
  assert 0.93 <= hits / 1000 <= 0.985  # a standard error is 0.007


def test_new_splits_are_never_surer_than_these():
  rng = np.random.default_rng(1)
  # Equal means of the splits by chance: their variance says nothing.
  value_SxI = rng.standard_normal((2, 50))
  value_SxI[1] += 1.0
  contrast = [[Term(value_SxI)], [Term(value_SxI.copy())]]
  here = small_sample.these_splits(contrast)
  assert small_sample.careful(contrast) == here
  assert small_sample.crossed(contrast).high < here.high
  apart = [[Term(value_SxI)], [Term(value_SxI + 5.0)]]
  assert small_sample.careful(apart) == small_sample.crossed(apart)
  one = [[Term(value_SxI)]]
  assert small_sample.these_splits(one) == pytest.approx(
    small_sample.crossed(one)
  )


def test_sign_flip_has_the_smallest_p_that_its_seeds_allow():
  rng = np.random.default_rng(0)
  for seeds, wanted in ((1, 1.0), (5, 0.0625), (8, 2 / 2**8), (40, 2 / 2**40)):
    assert hypotheses.sign_flip(1 + rng.random(seeds)) == wanted
    assert hypotheses.sign_flip(-1 - rng.random(seeds)) == wanted


def test_sign_flip_equals_brute_force():
  rng = np.random.default_rng(1)
  # Also with ties, which rounding must not break.
  tied = np.array([0.1, 0.1, 0.1, -0.1])
  odd, even = rng.standard_normal(11) + 0.5, rng.standard_normal(12) + 0.3
  for difference in (odd, even, even[:2], tied, np.zeros(3)):
    sums = [
      abs(np.dot(sign, difference))
      for sign in itertools.product((1, -1), repeat=len(difference))
    ]
    wanted = np.mean(np.array(sums) >= abs(difference.sum()) - 1e-9)
    assert hypotheses.sign_flip(difference) == pytest.approx(wanted)


def test_sign_flip_rejects_no_more_often_than_it_says():
  rng = np.random.default_rng(2)
  p = [hypotheses.sign_flip(rng.standard_normal(8)) for _ in range(1000)]
  # Exact: P(p <= 12 / 256) = 12 / 256; three standard errors are 0.02.
  assert np.mean(np.array(p) <= 12 / 256) == pytest.approx(12 / 256, abs=0.02)


@pytest.mark.parametrize('units', [0, 41])
def test_sign_flip_of_no_or_too_many_units_is_refused(units):
  with pytest.raises(ValueError, match=f'{units} differences'):
    hypotheses.sign_flip(np.ones(units))


def test_holm_on_a_textbook_family():
  # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: the last may not fall.
  found = hypotheses.holm(np.array([0.01, 0.04, 0.03, 0.005]))
  np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])
  np.testing.assert_allclose(hypotheses.holm(np.array([0.6, 0.9])), [1, 1])


def test_equivalence_needs_the_90_percent_interval_inside_the_margin():
  rng = np.random.default_rng(3)
  contrast = [[Term(_experiment(rng, rest=0.01, item=0.01, seed=0.01) - 0.5)]]
  low, high = small_sample.crossed(contrast, 0.9)[1:]
  edge = max(-low, high)
  assert hypotheses.equivalence(contrast, 1.01 * edge).equivalent
  assert not hypotheses.equivalence(contrast, 0.99 * edge).equivalent
  with pytest.raises(ValueError, match='margin is positive'):
    hypotheses.equivalence(contrast, 0.0)


def test_a_difference_at_the_margin_is_rarely_called_equivalent():
  rng = np.random.default_rng(4)
  called = [
    hypotheses.equivalence(
      [[Term(_experiment(rng, 5, 30, 0.05, 0.05, 0.1))]], 0.5
    ).equivalent
    for _ in range(500)
  ]
  # At most alpha, 0.05; three standard errors are 0.03.
  assert 0.01 < np.mean(called) < 0.08
