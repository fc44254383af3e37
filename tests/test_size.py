"""The size table: from 50 thousand to a billion parameters."""

import dataclasses
import pathlib

import jax
import pytest

from configs import base
from configs import support as support_config
from synth import errors
from synth import model as model_lib
from synth import model_config
from synth import size

_DOCS = pathlib.Path(__file__).parents[1] / 'docs' / 'models.md'
_TOTALS = {
  'tiny': 5e4,
  'small': 5e5,
  'medium': 3.5e6,
  'base': 1.4e7,
  'large': 1.1e8,
  'xl': 1e9,
}


@pytest.fixture(scope='module')
def sizes():
  return {
    name: size.describe(support_config.get_config(name)) for name in base.SIZES
  }


def test_sizes_reach_from_fifty_thousand_to_a_billion(sizes):
  totals = {name: found['params']['total'] for name, found in sizes.items()}
  assert totals == pytest.approx(_TOTALS, rel=0.05)
  assert list(totals.values()) == sorted(totals.values())


@pytest.mark.parametrize('name', base.SIZES)
def test_groups_follow_the_formula_and_sum_to_the_total(sizes, name):
  params = dict(sizes[name]['params'])
  total = params.pop('total')
  assert sum(params.values()) == total
  s = base.SIZES[name]
  config = support_config.get_config(name)
  length, features, vocabulary = config.universe.max_size + 1, 5 * 32, 11
  assert params == {
    'encoder': (features + 1) * s['W']
    + s['M'] * s['W'] * (s['W'] + 2)
    + s['W']
    + (s['W'] + 1) * s['D'],
    'embedding': (vocabulary + 1 + length) * s['D'],
    'attention': s['N'] * 4 * s['D'] ** 2,
    'mlp': s['N'] * (2 * s['D'] * s['F'] + s['F'] + s['D']),
    'norms': (2 * s['N'] + 1) * s['D'],
    'head': (s['D'] + 1) * vocabulary,
  }


def test_operations_sum_to_the_total(sizes):
  for found in sizes.values():
    forward = dict(found['forward_flops'])
    total = forward.pop('total')
    assert sum(forward.values()) == total
    assert 2.7 * total < found['training_flops_per_sequence'] < 3 * total
    assert found['training_flops_per_token'] * found['positions'] == (
      pytest.approx(found['training_flops_per_sequence'])
    )


def test_counting_makes_no_array():
  config = support_config.get_config('xl')
  before = len(jax.live_arrays())
  assert size.describe(config)['params']['total'] > 9e8
  assert len(jax.live_arrays()) == before


def test_the_documented_table_is_the_computed_one(sizes):
  text = _DOCS.read_text()
  for name, found in sizes.items():
    s, params = base.SIZES[name], found['params']
    cells = [
      f'`{name}`',
      *(s[letter] for letter in 'DHNFWM'),
      *(f'{params[group]:,}' for group in
        ('encoder', 'embedding', 'attention', 'mlp', 'norms', 'head', 'total')),
      f'{found["training_flops_per_sequence"] / 1e6:,.1f}',
    ]  # fmt: skip
    assert '| ' + ' | '.join(map(str, cells)) + ' |' in text


def test_the_defaults_of_recipes_are_those_of_the_model(arithmetic):
  config = support_config.get_config('base')
  shape = model_config.of(config, arithmetic)
  for field in dataclasses.fields(model_lib.Config):
    if field.default is not dataclasses.MISSING:
      assert getattr(shape, field.name) == field.default, field.name


def test_a_config_without_a_model_is_refused():
  config = support_config.get_config('tiny')
  del config.model
  with pytest.raises(errors.InputError, match="has no 'model'"):
    size.describe(config)
