"""The model: causality, the cache against the full forward pass, shapes."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synth import errors
from synth import model as model_lib
from synth.language import tokens

_SHAPE = model_lib.Config(
  D=16, H=4, N=2, F=32, W=24, M=2, features=10, vocabulary=11, length=6
)
_ROWS = 3


_GRAPH = model_lib.split(_SHAPE)
# Compiled whole: operation by operation, JAX compiles hundreds of them.
_init = jax.jit(lambda seed: model_lib.init(_SHAPE, jax.random.key(seed)))
_forward = jax.jit(
  lambda params, *batch: model_lib.merge(_GRAPH, params)(*batch)
)


@pytest.fixture(scope='module')
def params():
  return _init(0)


@pytest.fixture(scope='module')
def model(params):
  return functools.partial(_forward, params)


@pytest.fixture(scope='module')
def batch():
  rng = np.random.default_rng(0)
  spec_BxF = rng.standard_normal((_ROWS, 10)).astype(np.float32)
  tok_BxT = rng.integers(3, 11, (_ROWS, 6)).astype(np.int32)
  tok_BxT[:, 0] = tokens.BOS
  return spec_BxF, tok_BxT


@pytest.fixture(scope='module')
def logits(model, batch):
  return np.asarray(model(*batch))


def test_logits_are_finite_float32_of_every_token_at_every_position(logits):
  assert logits.shape == (_ROWS, 6, 11)
  assert logits.dtype == np.float32
  assert np.isfinite(logits).all()


@pytest.mark.parametrize('position', range(6))
def test_a_token_changes_no_logits_before_it_and_all_from_it_on(
  model, batch, logits, position
):
  spec_BxF, tok_BxT = batch
  other = tok_BxT.copy()
  other[:, position] = np.where(other[:, position] == 5, 6, 5)
  change_BxT = np.abs(np.asarray(model(spec_BxF, other)) - logits).max(axis=2)
  assert change_BxT[:, :position].max(initial=0) < 1e-6
  assert change_BxT[:, position:].min() > 1e-4


def test_the_specification_changes_all_logits(model, batch, logits):
  spec_BxF, tok_BxT = batch
  changed = np.abs(np.asarray(model(spec_BxF + 1, tok_BxT)) - logits)
  assert changed.max(axis=2).min() > 1e-4


def test_rows_of_a_batch_do_not_touch_each_other(model, batch, logits):
  spec_BxF, tok_BxT = (array.copy() for array in batch)
  spec_BxF[[0, 2]] += 1
  tok_BxT[[0, 2]] = 7
  changed = np.asarray(model(spec_BxF, tok_BxT))
  np.testing.assert_allclose(changed[1], logits[1], atol=1e-6)


def test_positions_are_told_apart(model, batch):
  spec_BxF, _ = batch
  same = np.full((_ROWS, 6), 5, np.int32)
  logits = np.asarray(model(spec_BxF, same))
  assert np.abs(np.diff(logits, axis=1)).max(axis=2).min() > 1e-4


def test_the_cache_gives_what_the_full_forward_pass_gives(
  params, batch, logits
):
  spec_BxF, tok_BxT = batch
  prefill = jax.jit(lambda p, spec: model_lib.merge(_GRAPH, p).prefill(spec))
  step = jax.jit(lambda p, *args: model_lib.merge(_GRAPH, p).step(*args))
  cache = prefill(params, spec_BxF)
  for position in range(6):
    found, cache = step(params, cache, tok_BxT[:, position], position)
    np.testing.assert_allclose(found, logits[:, position], atol=1e-5)


def test_jit_changes_nothing(params, batch, logits):
  with jax.disable_jit():
    plain = model_lib.merge(_GRAPH, params)(*map(jnp.asarray, batch))
  np.testing.assert_allclose(plain, logits, atol=1e-5)


def test_groups_of_parameters_sum_to_the_total(params):
  groups = model_lib.count_by_group(params)
  total = sum(leaf.size for leaf in jax.tree.leaves(params))
  assert sum(groups.values()) == total
  c = _SHAPE
  assert groups == {
    'blocks': c.N * (2 * c.D + 4 * c.D**2 + 2 * c.D * c.F + c.F + c.D),
    'embed': c.vocabulary * c.D,
    'position': (c.length + 1) * c.D,
    'norm': c.D,
    'head': c.D * c.vocabulary + c.vocabulary,
    'encoder': (
      (c.features * c.W + c.W)
      + c.M * (c.W**2 + 2 * c.W)
      + c.W
      + (c.W * c.D + c.D)
    ),
  }


def test_the_key_decides_the_parameters():
  one, again, other = (_init(seed) for seed in (0, 0, 1))
  same = jax.tree.map(lambda a, b: np.array_equal(a, b), one, again)
  assert all(jax.tree.leaves(same))
  assert not np.array_equal(one['embed'], other['embed'])
  assert not np.array_equal(
    one['blocks'][0]['qkv']['kernel'], one['blocks'][1]['qkv']['kernel']
  )


def test_a_width_that_the_heads_do_not_divide_is_refused():
  with pytest.raises(errors.InputError, match=r'model\.D=16 .*model\.H=3'):
    dataclasses.replace(_SHAPE, H=3)
