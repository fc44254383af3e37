"""Schedules, what decays, and muP."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import support as support_config
from synth import errors
from synth import model as model_lib
from synth.training import optimizer
from synth.training import trainer as trainer_lib

_SHAPE = model_lib.Config(
  D=16, H=2, N=1, F=32, W=32, M=1, features=10, vocabulary=11, length=6,
  mlp='swiglu',
)  # fmt: skip
_ROWS, _STEPS = 64, 4


def _opt(**overrides):
  opt = support_config.get_config('tiny').opt
  opt.update({'num_steps': 100, **overrides})
  return opt


def _rates(**overrides):
  schedule = optimizer.make_schedule(_opt(**overrides))
  return np.array([schedule(step) for step in range(101)])


def test_cosine_rises_then_falls_to_zero():
  rate = _rates(lr=2.0, warmup_share=0.1)
  np.testing.assert_allclose(rate[:11], np.arange(11) * 0.2, atol=1e-6)
  angle = np.pi * np.arange(91) / 90
  np.testing.assert_allclose(rate[10:], 1 + np.cos(angle), atol=1e-6)


def test_wsd_rises_stays_and_falls_to_zero():
  rate = _rates(schedule='wsd', lr=2.0, warmup_share=0.1, decay_share=0.4)
  np.testing.assert_allclose(rate[:11], np.arange(11) * 0.2, atol=1e-6)
  np.testing.assert_allclose(rate[10:61], 2.0)
  np.testing.assert_allclose(rate[60:], np.arange(40, -1, -1) / 20, atol=1e-6)


@pytest.mark.parametrize('schedule', ['cosine', 'wsd'])
@pytest.mark.parametrize('steps', [1, 2, 3])
def test_schedules_of_a_few_steps_are_finite(schedule, steps):
  rate = _rates(schedule=schedule, num_steps=steps)
  assert np.isfinite(rate).all() and rate.min() >= 0


@pytest.mark.parametrize(
  'overrides, named',
  [
    ({'schedule': 'cosin'}, "opt.schedule 'cosin': did you mean 'cosine'"),
    (
      {'schedule': 'wsd', 'warmup_share': 0.7, 'decay_share': 0.5},
      'warmup_share=0.7 and opt.decay_share=0.5 are together more than 1',
    ),
  ],
)
def test_impossible_schedules_are_refused(overrides, named):
  with pytest.raises(errors.InputError, match=named):
    optimizer.make(_opt(**overrides))


def _updates(opt, width_ratio, grads, params):
  """The second step's updates: the first has a learning rate of zero."""
  tx = optimizer.make(opt, width_ratio)

  @jax.jit
  def two_steps(grads, params):
    state = tx.init(params)
    _, state = tx.update(grads, state, params)
    return tx.update(grads, state, params)[0]

  updates = two_steps(grads, params)
  return {
    jax.tree_util.keystr(path, simple=True, separator='/'): np.asarray(leaf)
    for path, leaf in jax.tree_util.tree_leaves_with_path(updates)
  }


@pytest.fixture(scope='module')
def ones():
  """Parameters of a model, all one."""
  like = jax.eval_shape(lambda: model_lib.init(_SHAPE, jax.random.key(0)))
  return jax.tree.map(lambda leaf: jnp.ones(leaf.shape), like)


def test_only_matrices_decay(ones):
  zero = jax.tree.map(jnp.zeros_like, ones)
  updates = _updates(_opt(), 1.0, zero, ones)
  shrinking = {name for name, leaf in updates.items() if (leaf < 0).all()}
  assert all((updates[name] == 0).all() for name in set(updates) - shrinking)
  assert shrinking == {name for name in updates if name.endswith('/kernel')}
  assert {'embed', 'position', 'norm/scale', 'head/bias'} <= updates.keys()


def test_the_norm_of_the_gradient_is_clipped():
  grads = {'kernel': jnp.array([3.0, 4.0])}
  tx = optimizer.make(_opt(clip_norm=0.5))
  _, state = tx.update(grads, tx.init(grads), grads)
  first_moment = optax.tree.get(state, 'mu')['kernel']
  np.testing.assert_allclose(first_moment, [0.03, 0.04], rtol=1e-5)  # 1 - b1


def test_mup_slows_hidden_matrices_by_the_width_and_decay_by_none(ones):
  zero = jax.tree.map(jnp.zeros_like, ones)
  for grads, slower in ((ones, 8), (zero, 1)):
    opt = _opt(weight_decay=0.0 if grads is ones else 0.1)
    plain = _updates(opt, 1.0, grads, ones)
    found = _updates(opt, 8.0, grads, ones)
    for name, leaf in plain.items():
      hidden = name.endswith('/kernel') and name != 'encoder/embed/kernel'
      wanted = leaf / slower if hidden else leaf
      np.testing.assert_allclose(found[name], wanted, rtol=1e-5, err_msg=name)


def _growth(width, mup):
  """Root mean square of activations after a few steps at one learning rate.

  Of the prefix, of the residual stream after the last layer, and of logits.
  """
  config = model_lib.Config(
    D=width, H=2, N=1, F=2 * width, W=2 * width, M=1, features=10,
    vocabulary=11, length=6, mup=model_lib.Mup(32, 16) if mup else None,
  )  # fmt: skip
  graph = model_lib.split(config)
  opt = _opt(
    schedule='wsd', lr=1e-2, warmup_share=0.0, weight_decay=0.0, clip_norm=1e9
  )
  tx = optimizer.make(opt, config.width_ratio)
  rng = np.random.default_rng(0)
  batch = {
    'spec': rng.standard_normal((_ROWS, 10)).astype(np.float32),
    'input': rng.integers(3, 11, (_ROWS, 6)).astype(np.int32),
    'target': rng.integers(2, 11, (_ROWS, 6)).astype(np.int32),
  }

  def step(carry, _):
    params, state = carry
    grads = jax.grad(trainer_lib.loss_fn)(params, batch, graph)
    updates, state = tx.update(grads, state, params)
    return (optax.apply_updates(params, updates), state), None

  def run(key):
    params = model_lib.init(config, key)
    (params, _), _ = jax.lax.scan(
      step, (params, tx.init(params)), length=_STEPS
    )
    model = model_lib.merge(graph, params)
    prefix = model._prefix(batch['spec'])
    x = jnp.concatenate([prefix, model._embed(batch['input'], 1)], axis=1)
    x, _ = model._layers(x)
    seen = prefix, x, model(batch['spec'], batch['input'])
    return jnp.array([jnp.sqrt(jnp.mean(a * a)) for a in seen])

  key = jax.random.key(0)
  options = {'xla_backend_optimization_level': 0}  # compiles sooner
  return np.asarray(jax.jit(run).lower(key).compile(options)(key))


@pytest.mark.slow
def test_activations_grow_with_the_width_but_not_with_mup():
  """The coordinate check of Yang et al. 2022, figure 5 and appendix D."""
  narrow = _growth(32, mup=True)
  standard = _growth(256, mup=False) / narrow
  mup = _growth(256, mup=True) / narrow
  assert (standard > 2.0).all(), standard
  assert ((mup > 0.6) & (mup < 1.5)).all(), mup


def test_at_its_base_width_mup_is_the_standard_parametrization():
  config = model_lib.Config(
    D=32, H=2, N=1, F=64, W=64, M=1, features=10, vocabulary=11, length=6
  )
  base = model_lib.Config(**{**config.__dict__, 'mup': model_lib.Mup(32, 16)})
  assert base.width_ratio == 1
  assert base.attention_scale == config.attention_scale
