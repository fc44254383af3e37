"""A batch in parts gives the gradients of the whole batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synth.training import accumulation

_ROWS = 12


def _loss(params, batch):
  error_B = (batch['x'] @ params['w'] - batch['y']) ** 2
  return jnp.sum(error_B * batch['count']) / jnp.sum(batch['count'])


@pytest.mark.parametrize('parts', [1, 2, 3, 12])
def test_parts_of_unequal_weight_sum_to_the_whole(parts):
  rng = np.random.default_rng(0)
  batch = {
    'x': rng.standard_normal((_ROWS, 3)).astype(np.float32),
    'y': rng.standard_normal(_ROWS).astype(np.float32),
    'count': rng.integers(1, 20, _ROWS).astype(np.float32),
  }
  params = {'w': jnp.array([0.5, -1.0, 2.0])}
  loss, grads = jax.value_and_grad(_loss)(params, batch)
  found, found_grads = accumulation.value_and_grad(
    _loss, lambda b: jnp.sum(b['count']), params, batch, parts
  )
  np.testing.assert_allclose(found, loss, rtol=1e-5)
  np.testing.assert_allclose(found_grads['w'], grads['w'], rtol=1e-4)


def test_only_a_part_is_computed_at_a_time():
  shapes = []

  def loss(params, batch):
    shapes.append(batch['x'].shape)
    return _loss(params, batch)

  batch = {'x': jnp.ones((_ROWS, 3)), 'y': jnp.ones(_ROWS)}
  batch['count'] = jnp.ones(_ROWS)
  accumulation.value_and_grad(
    loss, lambda b: jnp.sum(b['count']), {'w': jnp.ones(3)}, batch, 4
  )
  assert set(shapes) == {(3, 3)}
