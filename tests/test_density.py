"""Density arms are samples of the laws they are named after."""

import dataclasses

import numpy as np
import pytest
import scipy.cluster
import scipy.spatial

from configs import density as density_config
from synth import errors
from synth import inputs as inputs_lib
from synth.language import pcfg
from synth.spaces import syntactic
from synth.splits import density
from synth.splits import laws
from synth.splits import sampling
from tests import programs as programs_lib


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
  config = density_config.get_config('tiny')
  return inputs_lib.load_or_build(config, tmp_path_factory.mktemp('density'))


def test_inclusion_probabilities_by_hand():
  # Weights 6, 1, 1, 1, 1: the first is certain, the others share what is left.
  weight = np.log([6, 1, 1, 1, 1])
  assert sampling.inclusion(weight, 2) == pytest.approx(
    [1, 0.25, 0.25, 0.25, 0.25]
  )
  assert sampling.inclusion(weight, 5) == pytest.approx([1] * 5)
  assert sampling.inclusion(weight, 1) == pytest.approx(
    [0.6, 0.1, 0.1, 0.1, 0.1]
  )


def test_draws_have_their_inclusion_probabilities():
  rng = np.random.default_rng(0)
  probability = sampling.inclusion(rng.normal(0, 2, 60), 20)
  count = np.zeros(60)
  for _ in range(4000):
    drawn = sampling.draw(probability, 20, rng.random(60))
    assert len(set(drawn.tolist())) == 20
    count[drawn] += 1
  # Pareto sampling is near, not exact; the noise is 0.008.
  assert np.abs(count / 4000 - probability).max() < 0.03


def test_laws_that_are_alike_draw_alike():
  rng = np.random.default_rng(0)
  weight, uniform = rng.normal(0, 2, 1000), rng.random(1000)

  def drawn(share):
    probability = sampling.inclusion(share * weight, 300)
    return set(sampling.draw(probability, 300, uniform).tolist())

  assert len(drawn(0) & drawn(0.5)) > len(drawn(0) & drawn(1))
  assert drawn(1) == drawn(1)


def test_raking_makes_the_margins_those_of_equal_shares():
  rng = np.random.default_rng(0)
  margins = [rng.integers(0, 4, 3000), rng.integers(0, 3, 3000)]
  # A law that likes the last cell of both.
  weight = 2.0 * (margins[0] == 3) + (margins[1] == 2) + rng.normal(0, 1, 3000)
  before = sampling.inclusion(weight, 1000)
  after, error = sampling.rake(before, margins)
  assert error < 0.01 and after.sum() == pytest.approx(1000)
  assert np.all((after >= 0) & (after <= 1))
  for cell in margins:
    wanted = np.bincount(cell) / 3
    assert np.abs(np.bincount(cell, before) / wanted - 1).max() > 0.2
    assert np.bincount(cell, after) == pytest.approx(wanted, rel=0.02)
  # Within a cell of both margins the law is what it was.
  inside = (margins[0] == 1) & (margins[1] == 1) & (after < 0.99)
  ratio = after[inside] / before[inside]
  assert ratio == pytest.approx(ratio[0], rel=1e-6)


@pytest.mark.parametrize('number', [1000, 4000])  # all searched; a sample
def test_sparsity_flattens_density(number):
  # On [0, 1] nine times as many points as on [1, 2].
  rng = np.random.default_rng(0)
  point = np.concatenate([rng.random(9 * number), 1 + rng.random(number)])
  point = point[:, None]
  weight, dimension = laws.sparsity(point, rng)
  assert dimension == pytest.approx(1, abs=0.1)
  shares = []
  for gamma in (0, 0.5, 1):
    probability = sampling.inclusion(gamma * weight, 500)
    drawn = sampling.draw(probability, 500, rng.random(len(point)))
    shares.append(np.mean(point[drawn] > 1))
  assert shares == pytest.approx([0.1, 0.25, 0.5], abs=0.06)


def test_the_intrinsic_dimension_is_found():
  rng = np.random.default_rng(0)
  plane = rng.random((5000, 2)) @ rng.normal(size=(2, 7))
  assert laws.sparsity(plane, rng)[1] == pytest.approx(2, abs=0.25)


def test_equal_points_have_finite_weights():
  point = np.repeat(np.arange(30.0), 40)[:, None]
  assert np.isfinite(laws.sparsity(point, np.random.default_rng(0))[0]).all()


def test_the_law_of_derivations_is_that_of_the_critical_grammar(
  arithmetic, inputs
):
  # The chances of all derivations of a class up to size 5, added up by hand.
  universe = inputs.universe
  chance = np.zeros(len(universe.node_C))
  critical = pcfg.Pcfg.critical(arithmetic)
  for program in programs_lib.all_programs(arithmetic, 5):
    number = universe.class_of(program)
    if number is not None:
      chance[number] += np.exp(programs_lib.log_prob(critical, program))
  size_S = np.arange(1, 6)
  count_SxC = np.stack([universe.multiplicity(size) for size in size_S])
  weight = pcfg.critical_weight(arithmetic)
  small = universe.size_C <= 5
  found = np.exp(laws.derivations(count_SxC[:, small], size_S, weight))
  assert found / found.sum() == pytest.approx(
    chance[small] / chance.sum(), rel=1e-6
  )


def test_a_joint_law_takes_both_by_rank():
  rng = np.random.default_rng(0)
  first, second = rng.normal(0, 1, 500), rng.normal(0, 100, 500)
  both = laws.joint(first, second)
  # Neither scale wins: the correlation with both is that of 1/sqrt(2).
  for one in (first, second):
    assert np.corrcoef(both, one)[0, 1] == pytest.approx(0.71, abs=0.05)
  assert np.sort(laws.joint(first, first)) == pytest.approx(np.sort(first))


def test_cells_of_bins_are_of_equal_shares():
  rng = np.random.default_rng(0)
  point = np.exp(rng.normal(size=(8000, 5)))  # skewed: ranks do not mind
  cell = laws.bins(point, 64)
  count = np.bincount(cell)
  assert len(count) == 64 and count.min() > 80
  weight = np.exp(laws.even(cell))
  assert np.bincount(cell, weight) == pytest.approx([1] * 64)


def test_a_net_is_spread_out_and_covers():
  rng = np.random.default_rng(0)
  point = rng.normal(size=(3000, 2))
  chosen = laws.net(point, 200, rng)
  assert len(set(chosen.tolist())) == 200
  random = rng.choice(3000, 200, replace=False)

  def nearest(places):
    return scipy.spatial.cKDTree(point[places]).query(point[places], 2)[0][:, 1]

  def cover(places):
    return scipy.spatial.cKDTree(point[places]).query(point)[0].max()

  assert np.quantile(nearest(chosen), 0.05) > 5 * np.quantile(
    nearest(random), 0.05
  )
  assert cover(chosen) < 0.6 * cover(random)


@pytest.mark.parametrize('kind', ['cloud', 'line'])
def test_a_net_is_what_one_scan_after_the_other_finds(kind):
  rng = np.random.default_rng(0)
  point = np.concatenate(
    [rng.normal(size=(1500, 5)), 0.1 * rng.normal(size=(500, 5))]
  )
  if kind == 'line':  # steps of eps are distances, but for what float32 drops
    point = rng.integers(0, 4096, 2000) + 1e-7 * rng.normal(size=2000)
    point = np.sort(point)[:, None]
  order = np.random.default_rng(1).permutation(2000)
  low, high = 0.0, float(np.linalg.norm(np.ptp(point, axis=0)))

  def scan(eps):
    taken = []
    for place in order:
      gap = np.linalg.norm(point[taken] - point[place], axis=1)
      if not (gap <= eps).any():
        taken.append(place)
    return taken

  for _ in range(12):
    eps = (low + high) / 2
    low, high = (eps, high) if len(scan(eps)) > 700 else (low, eps)
  taken = scan(high)
  others = [place for place in order if place not in set(taken)]
  wanted = sorted(taken + others[: 700 - len(taken)])
  chosen = laws.net(point, 700, np.random.default_rng(1))
  assert len(taken) > 600
  assert chosen.tolist() == wanted


def test_nets_in_cells_have_the_shares_of_the_cells():
  rng = np.random.default_rng(0)
  point = rng.normal(size=(3000, 2))
  cell = rng.permutation(np.repeat([0, 1, 2, 3, 4], [1990, 1000, 4, 3, 3]))
  for seed in range(5):
    chosen = laws.nets(point, cell, 300, np.random.default_rng(seed))
    assert len(set(chosen.tolist())) == 300
    count = np.bincount(cell[chosen], minlength=5)
    assert count[0] == 199 and count[1] == 100  # whole shares, not near ones
    assert count[2:].sum() == 1  # 0.4, 0.3 and 0.3
    for one in (0, 1):
      places = chosen[cell[chosen] == one]
      random = rng.choice(np.flatnonzero(cell == one), len(places), False)
      gaps = [
        scipy.spatial.cKDTree(point[p]).query(point[p], 2)[0][:, 1]
        for p in (places, random)
      ]
      assert np.quantile(gaps[0], 0.05) > 5 * np.quantile(gaps[1], 0.05)


def test_of_many_classes_a_sample_finds_the_clusters(monkeypatch):
  monkeypatch.setattr(laws, '_FITTED', 2000)
  rng = np.random.default_rng(0)
  planted = rng.integers(0, 4, 40_000)
  point = 10.0 * np.eye(4)[planted] + rng.normal(size=(40_000, 4))
  cell = laws.clusters(point, 4, np.random.default_rng(1))
  pairs = np.unique(np.stack([planted, cell]), axis=1)
  assert pairs.shape[1] == 4  # one cluster each


def test_clusters_are_those_of_scipy():
  point = np.random.default_rng(0).normal(size=(3000, 6))
  _, wanted = scipy.cluster.vq.kmeans2(
    point, 30, iter=20, minit='++', rng=np.random.default_rng(1)
  )
  found = laws.clusters(point, 30, np.random.default_rng(1))
  assert np.array_equal(found, np.unique(wanted, return_inverse=True)[1])


def test_the_effective_size_of_a_law_for_itself_is_its_number():
  probability = np.array([0.5, 0.25, 0.25, 1.0])
  own = probability / 2
  assert density.effective_size(probability, own) == pytest.approx(2)
  # By hand: 2 / sum((1/4)^2 / (.25, .125, .125, .5)) = 2 / 1.375.
  assert density.effective_size(probability, np.full(4, 0.25)) == (
    pytest.approx(2 / 1.375)
  )


def test_all_arms_are_of_one_size_and_share_their_tests(inputs):
  split = inputs.split
  assert {len(arm) for arm in split.arms.values()} == {800}
  assert {len(test) for test in split.tests.values()} == {100}
  assert set(split.tests) == {
    'uniform', 'semantic_cells', 'syntactic_cells', 'joint_cells',
  }  # fmt: skip
  tested = np.concatenate([*split.tests.values(), split.dev])
  assert len(set(tested.tolist())) == len(tested)
  for arm in split.arms.values():
    assert not np.isin(arm, tested).any()
  # What is told before anything is built (`kinds.check_arm`) is what is made.
  assert set(split.arms) == set(density.ARMS)
  kinds = {name.removesuffix('_raked') for name in split.arms}
  assert kinds >= {
    'uniform', 'programs', 'derivations', 'semantic', 'semantic_half',
    'syntactic', 'syntactic_half', 'joint', 'joint_half', 'semantic_binned',
    'syntactic_kmeans', 'semantic_net', 'syntactic_net',
  }  # fmt: skip
  assert set(split.arms) == {
    name + raked for name in kinds for raked in ('', '_raked')
  } - {'uniform_raked'}


def test_raked_arms_have_the_sizes_of_uniform(inputs):
  sizes = {
    name: np.bincount(inputs.universe.size_C[arm], minlength=8)
    for name, arm in inputs.split.arms.items()
  }
  usable = np.concatenate(list(inputs.split.arms.values()))
  wanted = np.bincount(inputs.universe.size_C[np.unique(usable)], minlength=8)
  wanted = 800 * wanted / wanted.sum()
  for name in ('programs', 'semantic', 'syntactic', 'joint'):
    raked = np.abs(sizes[f'{name}_raked'] - wanted).sum()
    assert raked < 60 or raked < 0.5 * np.abs(sizes[name] - wanted).sum()


def test_raked_nets_have_all_margins_of_the_pool(inputs):
  split, universe = inputs.split, inputs.universe
  taken = np.concatenate([*split.tests.values(), split.dev])
  usable = np.flatnonzero(inputs.context.usable_C)
  pool = np.setdiff1d(usable, taken)
  for space in density.SPACES:
    arm = split.arms[f'{space}_net_raked']
    everywhere = density.margins_of(universe, pool)
    chosen = density.margins_of(universe, arm)
    for all_N, own_N in zip(everywhere, chosen, strict=True):
      number = np.bincount(all_N)
      wanted = number * len(arm) / len(pool)
      got = np.bincount(own_N, minlength=len(number))
      # Shares are whole to one class in a cell: a margin has few more.
      assert np.abs(got - wanted).max() < 6
    told = split.facts['arms']
    spread = [
      told[name][f'{space}_neighbour']['mean']
      for name in ('uniform', f'{space}_net_raked')
    ]
    assert spread[1] > 1.1 * spread[0]


def test_arms_are_what_they_are_named_after(inputs):
  told = inputs.split.facts['arms']
  uniform = told['uniform']
  for space in density.SPACES:
    spread = [
      told[name][f'{space}_neighbour']['mean']
      for name in ('uniform', f'{space}_half', f'{space}')
    ]
    assert spread[0] < spread[1] and spread[0] < spread[2]
    assert told[f'{space}_net'][f'{space}_neighbour']['mean'] > spread[0]
  assert (
    told['programs']['minimal_programs_log10']
    > (uniform['minimal_programs_log10'])
  )
  assert uniform['effective_size']['uniform'] == pytest.approx(800)
  for name, arm in inputs.split.arms.items():
    assert sum(told[name]['sizes'].values()) == len(arm)


def test_arms_are_described_in_the_trees_and_grams_of_their_space(inputs):
  context, classes = inputs.context, inputs.split.arms['uniform']
  settings = {'p': 3, 'q': 2, 'trees': syntactic.SORTED}
  spaces = dataclasses.replace(
    context.spaces, manifest={**context.spaces.manifest, **settings}
  )
  seen = []
  for one in (context, dataclasses.replace(context, spaces=spaces)):
    rng = np.random.default_rng(0)
    found = density.describe(one, context.points, classes, rng)
    seen.append(found['grams_seen'])
  # By hand, of the trees as they are and as the space has them.
  tok_NxL = inputs.universe.representative_CxL[classes]
  assert seen == [
    len(syntactic.profile(tok_NxL, inputs.universe.vocabulary, *of).gram_G)
    for of in ((2, 3, syntactic.ORDERED), (3, 2, syntactic.SORTED))
  ]


def _context(inputs, seed, num_arm):
  settings = {'num_test': 40, 'num_dev': 30, 'num_arm': num_arm, 'seed': seed}
  return dataclasses.replace(inputs.context, settings=settings)


@pytest.mark.slow
def test_the_same_seed_makes_the_same_arms(inputs):
  first, again, other = (
    density.make(_context(inputs, seed, 300)) for seed in (0, 0, 1)
  )
  for name, arm in first.arms.items():
    assert np.array_equal(arm, again.arms[name])
  assert first.facts == again.facts
  assert not np.array_equal(first.arms['uniform'], other.arms['uniform'])


def test_too_few_classes_are_refused(inputs):
  with pytest.raises(errors.InputError, match='num_arm=2400 need'):
    density.make(_context(inputs, 0, 2400))
