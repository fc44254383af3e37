"""Every recipe at every size loads, builds its model and takes a step."""

import jax
import numpy as np
import pytest

from configs import base
from configs import density as density_config
from configs import ladder as ladder_config
from configs import region as region_config
from configs import support as support_config
from configs import universe as universe_config
from synth import data
from synth import errors
from synth import inputs as inputs_lib
from synth.language import counting
from synth.language import grammar as grammar_lib
from synth.spaces import grids
from synth.training import trainer as trainer_lib

_RECIPES = {
  'support': support_config,
  'region': region_config,
  'density': density_config,
  'ladder': ladder_config,
}
# What a universe of 281 classes allows, of 2,516 for the ladder.
_SPLITS = {
  'support': {},
  'region': {'split.shape': 'core'},
  'density': {'split.num_arm': 100},
  'ladder': {
    'universe.max_size': 7,
    'split.num_arm': 40,
    'data.batch_size': 32,
  },
}
_ALL = [(recipe, size) for recipe in _RECIPES for size in base.SIZES]


def _small(recipe, size, **overrides):
  """A recipe at a size, on the smallest data; the model is as it is."""
  config = _RECIPES[recipe].get_config(size)
  config.update_from_flattened_dict(
    {
      'universe.max_size': 5,
      'split.num_test': 4,
      'split.num_dev': 6,
      **_SPLITS[recipe],
      **overrides,
    }
  )
  return config


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
  """Recipe -> small inputs, the same for all sizes."""
  return {
    recipe: inputs_lib.load_or_build(
      _small(recipe, 'tiny'), tmp_path_factory.mktemp(recipe)
    )
    for recipe in _RECIPES
  }


def test_sizes_and_scales_name_the_same_variants():
  assert base.SIZES.keys() == base.SCALES.keys()


@pytest.mark.parametrize('recipe, size', _ALL)
def test_a_recipe_is_complete(recipe, size):
  config = _RECIPES[recipe].get_config(size)
  keys = {'universe', 'spaces', 'split', 'data', 'model', 'opt', 'train',
          'mesh', 'eval'}  # fmt: skip
  assert set(config) == keys
  assert config.split.kind == recipe
  assert config.data.arm
  max_size, steps, num_test, num_dev = base.SCALES[size]
  assert config.universe.max_size >= max_size
  assert config.opt.num_steps == steps
  # A region has fewer classes than all tests of a split could take.
  assert config.split.num_test <= num_test and config.split.num_dev == num_dev
  assert base.SIZES[size].items() <= config.model.to_dict().items()
  assert config.train.checkpoint_every_steps <= steps
  assert config.train.dev_every_steps <= steps
  # Loading it twice gives two configs.
  other = _RECIPES[recipe].get_config(size)
  other.model.D = 1
  assert config.model.D != 1


# Recipes differ in their data, sizes in their models.
@pytest.mark.parametrize(
  'size',
  [
    size
    if size in ('tiny', 'xl')
    else pytest.param(size, marks=pytest.mark.slow)
    for size in base.SIZES
  ],
)
def test_a_trainer_of_any_size_has_a_sharding_for_every_parameter(size, inputs):
  trainer = trainer_lib.Trainer(_small('support', size), inputs['support'])
  leaves = jax.tree.leaves(trainer.abstract_state)
  assert leaves and all(leaf.sharding is not None for leaf in leaves)


def _take_a_step(config, inputs):
  trainer = trainer_lib.Trainer(config, inputs)
  batch_size = config.data.batch_size
  source = data.BatchSource(
    inputs, (config.data.arm,), trainer.seeds, batch_size, 1
  )
  state, values = trainer.step(trainer.init(), trainer.put(source[0]))
  assert int(state['step']) == 1
  loss_S = np.asarray(values['loss'])
  assert loss_S.shape == (config.train.num_seeds,)
  # No better than chance and not absurd: log 11 = 2.4.
  assert np.all((loss_S > 1.5) & (loss_S < 6))
  assert np.all(np.asarray(values['grad_norm']) > 0)


@pytest.mark.parametrize(
  'recipe',
  ['density', 'region', pytest.param('ladder', marks=pytest.mark.slow)],
)
def test_a_tiny_recipe_takes_a_step(recipe, inputs):
  # That of the support recipe is trained in `test_train`.
  _take_a_step(_small(recipe, 'tiny'), inputs[recipe])


# The largest wants 16 GB for its parameters and optimizer alone.
@pytest.mark.slow
@pytest.mark.parametrize('size', [size for size in base.SIZES if size != 'xl'])
def test_every_size_takes_a_step(size, inputs):
  overrides = {}
  if size in ('medium', 'base', 'large'):
    overrides = {'data.batch_size': 2, 'train.num_seeds': 1}
  _take_a_step(_small('support', size, **overrides), inputs['support'])


@pytest.mark.parametrize('variant', universe_config.VARIANTS)
def test_every_universe_loads_and_has_programs(variant):
  config = universe_config.get_config(variant)
  assert set(config) == {'universe'}
  settings = config.universe
  grammar = grammar_lib.load(grammar_lib.find(settings.grammar))
  counts = counting.Counts(grammar)
  assert counts.count(grammar.start, settings.max_size) > 0
  assert settings.seed == 0
  assert universe_config.get_config(variant) == config


def test_unknown_variants_name_the_nearest():
  for get, name, nearest in (
    (support_config.get_config, 'samll', 'small'),
    (density_config.get_config, 'bse', 'base'),
    (universe_config.get_config, 'arithmetic_3', 'arithmetic'),
  ):
    with pytest.raises(errors.InputError, match=f"did you mean '{nearest}"):
      get(name)


def test_the_default_variants_are_the_smallest():
  assert support_config.get_config() == support_config.get_config('tiny')
  assert density_config.get_config() == density_config.get_config('tiny')
  assert region_config.get_config() == region_config.get_config('tiny')
  default = universe_config.get_config()
  assert default == universe_config.get_config('arithmetic')


def test_the_specification_grid_is_what_it_says():
  grid = base.specification_grid()
  assert len(grid) == len(set(grid)) == 32
  assert grid == sorted(grid)
  assert [-k for k in reversed(grid)] == grid
  assert min(k for k in grid if k > 0) == 2
  assert max(grid) / grids.DENOMINATOR == pytest.approx(300, abs=0.1)
  grids.specification(grid, ('x',), 0)  # no poles, no repeats
