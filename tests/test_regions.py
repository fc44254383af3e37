"""Region splits isolate one space: far in it, near in the other."""

import collections
import dataclasses

import numpy as np
import pytest

from configs import region as region_config
from synth import errors
from synth import inputs as inputs_lib
from synth.splits import __main__ as splits_main
from synth.splits import regions

_SHAPES = ('cluster', 'shell', 'core', 'halfspace')


def _config(space, shape, **overrides):
  config = region_config.get_config('tiny')
  config.split.update(space=space, shape=shape, **overrides)
  return config


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  return tmp_path_factory.mktemp('region')


@pytest.fixture(scope='module')
def context(data):
  return inputs_lib.load_or_build(_config('semantic', 'core'), data).context


def _region(context, space, shape, seed):
  settings = {**context.settings, 'space': space, 'shape': shape, 'seed': seed}
  return regions.make(dataclasses.replace(context, settings=settings))


@pytest.mark.parametrize('shape', _SHAPES)
@pytest.mark.parametrize('space', ['semantic', 'syntactic'])
def test_regions_are_what_their_shape_says(context, space, shape):
  spaces = context.spaces
  region = _region(context, space, shape, 1)
  inside_C, buffer_C = region.novel_C, region.buffer_C
  assert not np.any(inside_C & buffer_C)
  assert 20 < inside_C.sum() < 0.2 * len(inside_C)
  fewest = 0 if shape == 'cluster' else 20
  assert fewest < buffer_C.sum() < 0.2 * len(inside_C)
  point_CxD = getattr(spaces, f'{space}_CxD').astype(float)
  outside_C = ~inside_C & ~buffer_C
  centred = point_CxD - point_CxD.mean(axis=0)
  whitened = centred / centred.std(axis=0)
  radius_C = np.linalg.norm(whitened, axis=1)  # axes are uncorrelated
  if shape == 'shell':
    assert radius_C[inside_C].min() > radius_C[outside_C].max()
  elif shape == 'core':
    assert radius_C[inside_C].max() < radius_C[outside_C].min()
  elif shape == 'halfspace':
    assert any(
      sign * point_CxD[inside_C, axis].min()
      > sign * point_CxD[outside_C, axis].max()
      or sign * point_CxD[inside_C, axis].max()
      < sign * point_CxD[outside_C, axis].min()
      for axis in range(3)
      for sign in (1, -1)
    )
  else:  # a cluster: its own centre is nearer than that of all classes
    centre = point_CxD[inside_C].mean(axis=0)
    own = np.linalg.norm(point_CxD - centre, axis=1)
    assert own[inside_C].mean() < 0.7 * own[outside_C].mean()


def test_what_is_near_a_cluster_of_many_classes_is_known_from_a_sample():
  # On a line, so that all neighbours are at hand.
  point = np.sort(np.random.default_rng(0).random(40_000))
  inside, buffer = regions._cluster(point[:, None], np.random.default_rng, 0)
  gap = np.diff(point, prepend=-np.inf, append=np.inf)
  near = np.quantile(np.minimum(gap[:-1], gap[1:]), 0.95)
  distance = np.abs(point[:, None] - point[inside][[0, -1]]).min(axis=1)
  outside = ~inside & ~buffer
  assert buffer.any() and distance[buffer].max() < 1.05 * near
  assert distance[outside].min() > 0.95 * near


def test_the_seed_says_which_region(context):
  found = [
    _region(context, 'semantic', 'cluster', seed).novel_C for seed in (0, 0, 1)
  ]
  assert np.array_equal(found[0], found[1])
  assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize('shape', ['shell', 'halfspace'])
def test_a_semantic_region_is_matched_in_symbols(data, tmp_path, shape):
  inputs = inputs_lib.load_or_build(_config('semantic', shape), tmp_path)
  tok_CxL = inputs.context.tok_CxL

  def histograms(classes):
    return collections.Counter(
      tuple(np.bincount(tok_L, minlength=20)) for tok_L in tok_CxL[classes]
    )

  arms, tests = inputs.split.arms, inputs.split.tests
  assert histograms(tests['novel']) == histograms(tests['control'])
  assert histograms(arms['train_s']) == histograms(arms['train_c'])
  told = inputs.split.facts['measurements']['distances']['train_s']
  # Far in the space that is held out, and not much in the other.
  novel, control = told['novel'], told['control']
  assert novel['semantic']['0.05'] > control['semantic']['0.5']
  assert novel['syntactic']['0.05'] < 1.5 * control['syntactic']['0.5']
  assert novel['semantic']['near'] < 0.5 < novel['syntactic']['near']
  assert all(inputs.split.facts['checks'].values())


def test_a_syntactic_region_is_matched_in_outputs(tmp_path):
  inputs = inputs_lib.load_or_build(_config('syntactic', 'core'), tmp_path)
  told = inputs.split.facts['measurements']['distances']['train_s']
  assert told['novel']['syntactic']['0.5'] > told['control']['syntactic']['0.5']
  sizes = inputs.universe.size_C
  tests = inputs.split.tests
  assert sorted(sizes[tests['novel']]) == sorted(sizes[tests['control']])
  assert splits_main.verify_all(tmp_path)['splits'][0]['checks']


def test_arms_keep_away_from_the_region(data):
  inputs = inputs_lib.load_or_build(_config('semantic', 'core'), data)
  region = regions.make(inputs.context)
  without, with_ = (inputs.split.arms[a] for a in ('train_s', 'train_c'))
  assert not np.any((region.novel_C | region.buffer_C)[without])
  assert region.novel_C[np.setdiff1d(with_, without)].all()
  assert not region.buffer_C[with_].any()


@pytest.mark.parametrize(
  'overrides, named',
  [
    ({'space': 'semantics'}, "did you mean 'semantic'"),
    ({'shape': 'shel'}, "did you mean 'shell'"),
    ({'num_test': 2000}, 'lie in the core of the semantic space'),
  ],
)
def test_impossible_regions_are_refused(tmp_path, overrides, named):
  config = _config('semantic', 'core')
  config.split.update(overrides)
  with pytest.raises(errors.InputError) as caught:
    inputs_lib.load_or_build(config, tmp_path)
  assert named in str(caught.value)


@pytest.mark.parametrize('shape, size', [('longest', 7), ('between', 5)])
def test_a_size_is_held_out_among_equal_outputs(tmp_path, shape, size):
  config = _config('size', shape, num_test=20 if shape == 'longest' else 5)
  config.split.num_dev = 20
  inputs = inputs_lib.load_or_build(config, tmp_path)
  sizes = inputs.universe.size_C
  split = inputs.split
  assert set(sizes[split.tests['novel']]) == {size}
  assert size not in sizes[split.arms['train_s']]
  assert size not in sizes[split.tests['control']]
  assert size in sizes[split.arms['train_c']]
  if shape == 'between':  # interpolation: smaller and larger ones are known
    trained = sizes[split.arms['train_s']]
    assert trained.min() < size < trained.max()
  told = split.facts['measurements']['distances']['train_s']
  assert told['novel']['semantic']['near'] > 0.5


def test_training_shows_no_program_in_a_syntactic_region(tmp_path):
  config = _config('syntactic', 'halfspace')
  inputs = inputs_lib.load_or_build(config, tmp_path)
  context, universe = inputs.context, inputs.universe
  region = regions.make(context)

  def roots(tok_PxL):
    # Grams in the numbering of the programs that were placed.
    profiles = context.profile(tok_PxL)
    count_PxG = profiles.counts_of(context.profiles).toarray()
    return np.sqrt(count_PxG / profiles.size_P[:, None])

  place_CxD = context.points['syntactic']
  root_CxG = roots(universe.representative_CxL)
  one = np.ones((len(root_CxG), 1))
  map_GxD = np.linalg.lstsq(np.hstack([root_CxG, one]), place_CxD)[0]
  found_CxD = np.hstack([root_CxG, one]) @ map_GxD
  np.testing.assert_allclose(found_CxD, place_CxD, atol=1e-4)

  class_N = inputs.split.arms['train_s']
  rng = np.random.default_rng(0)
  shape = len(class_N), universe.max_size
  away = place_CxD[region.novel_C]
  axis = np.argmax(np.abs(away.mean(0)) / place_CxD.std(axis=0))
  sign = np.sign(away[:, axis].mean())
  for _ in range(4):
    tok_NxL = inputs.programs_at(class_N, rng.random(shape))
    assert (universe.minimal_classes(tok_NxL) == class_N).all()
    shown_NxD = np.hstack([roots(tok_NxL), one[: len(tok_NxL)]]) @ map_GxD
    assert (sign * shown_NxD[:, axis]).max() < (sign * away[:, axis]).min()
  assert inputs.shown('train_s', tok_NxL).all()
  others_NxL = universe.sample_programs(universe.node_C[class_N], rng)
  same_N = (others_NxL == tok_NxL).all(axis=1)
  assert not same_N.all()
  assert (inputs.shown('train_s', others_NxL) == same_N).all()


@pytest.mark.parametrize('space', ['semantic', 'syntactic'])
def test_six_seeds_hold_out_the_six_ends(context, space):
  for first in (0, 6):
    held_out = {
      _region(context, space, 'halfspace', first + seed).novel_C.tobytes()
      for seed in range(6)
    }
    assert len(held_out) == 6


def test_a_size_has_no_cluster(tmp_path):
  with pytest.raises(errors.InputError, match="of the size space 'cluster'"):
    inputs_lib.load_or_build(_config('size', 'cluster'), tmp_path)
