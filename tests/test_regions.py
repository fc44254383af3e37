"""Region splits isolate one space: far in it, near in the other."""

import collections

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
def universe_and_spaces(data):
  inputs = inputs_lib.load_or_build(_config('semantic', 'core'), data)
  return inputs.universe, inputs.spaces


@pytest.mark.parametrize('shape', _SHAPES)
@pytest.mark.parametrize('space', ['semantic', 'syntactic'])
def test_regions_are_what_their_shape_says(universe_and_spaces, space, shape):
  universe, spaces = universe_and_spaces
  region = regions.make(universe, spaces, space, shape, seed=1)
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


def test_the_seed_says_which_region(universe_and_spaces):
  universe, spaces = universe_and_spaces
  found = [
    regions.make(universe, spaces, 'semantic', 'cluster', seed).novel_C
    for seed in (0, 0, 1)
  ]
  assert np.array_equal(found[0], found[1])
  assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize('shape', ['shell', 'halfspace'])
def test_a_semantic_region_is_matched_in_symbols(data, tmp_path, shape):
  inputs = inputs_lib.load_or_build(_config('semantic', shape), tmp_path)
  tok_CxL = inputs.universe.representative_CxL

  def histograms(classes):
    return collections.Counter(
      tuple(np.bincount(tok_L, minlength=20)) for tok_L in tok_CxL[classes]
    )

  arms, tests = inputs.split.arms, inputs.split.tests
  assert histograms(tests['novel']) == histograms(tests['control'])
  assert histograms(arms['train_s']) == histograms(arms['train_c'])
  told = inputs.split.facts['measurements']
  # Far in the space that is held out, and not much in the other.
  semantic = told['semantic_distance_to_train_s']
  assert semantic['novel']['0.05'] > semantic['control']['0.5']
  syntactic = told['distance_to_train_s']
  assert syntactic['novel']['0.05'] < 1.5 * syntactic['control']['0.5']
  assert all(inputs.split.facts['checks'].values())


def test_a_syntactic_region_is_matched_in_outputs(tmp_path):
  inputs = inputs_lib.load_or_build(_config('syntactic', 'core'), tmp_path)
  told = inputs.split.facts['measurements']
  syntactic = told['distance_to_train_s']
  assert syntactic['novel']['0.5'] > syntactic['control']['0.5']
  sizes = inputs.universe.size_C
  tests = inputs.split.tests
  assert sorted(sizes[tests['novel']]) == sorted(sizes[tests['control']])
  manifest = tmp_path / 'split' / 'manifest.json'
  assert splits_main.verify(manifest)['checks']


def test_arms_keep_away_from_the_region(data):
  inputs = inputs_lib.load_or_build(_config('semantic', 'core'), data)
  region = regions.make(
    inputs.universe, inputs.spaces, 'semantic', 'core', seed=0
  )
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
