"""Evaluations that no memory could hold are refused, others are not."""

import types

import jax
import jax.numpy as jnp
import ml_collections
import pytest

from synth import errors
from synth import model as model_lib
from synth.evaluation import memory

_SHAPE = model_lib.Config(
  **{'D': 16, 'H': 2, 'N': 3, 'F': 32, 'W': 16, 'M': 1},
  **{'features': 8, 'vocabulary': 11, 'length': 9, 'prefix': 2},
)
# Keys and values of 3 layers at 2 + 9 positions of 16 float32, of one program.
_CACHE = 2 * 3 * 11 * 16 * 4
_ROW = 9 + 4 + 1  # bytes of tokens, log-probability and outcome


def _trainer():
  params = jax.eval_shape(
    lambda seeds: jax.vmap(
      lambda seed: model_lib.init(_SHAPE, jax.random.key(seed))
    )(seeds),
    jax.ShapeDtypeStruct((2,), jnp.uint32),
  )
  return types.SimpleNamespace(
    seeds=(0, 1),
    shape=_SHAPE,
    graph=model_lib.split(_SHAPE),
    abstract_state={'params': params},
  )


def _config(samples, batch):
  return ml_collections.ConfigDict(
    {'eval': {'num_samples': samples, 'batch_size': batch}}
  )


def test_what_just_fits_is_let_through(monkeypatch):
  monkeypatch.setattr(memory, '_host_bytes', lambda: 2 * 5 * 7 * _CACHE)
  memory.check(_config(5, 7), _trainer(), 100)
  monkeypatch.setattr(memory, '_host_bytes', lambda: 2 * 5 * 7 * _CACHE - 1)
  with pytest.raises(errors.InputError, match=r'num_samples=5 .* --batch_size'):
    memory.check(_config(5, 7), _trainer(), 100)


def test_a_device_has_its_own_memory(monkeypatch):
  monkeypatch.setattr(memory, '_device_bytes', lambda: 10**15)
  monkeypatch.setattr(memory, '_host_bytes', lambda: 2 * 1000 * 50 * _ROW)
  memory.check(_config(50, 7), _trainer(), 1000)
  with pytest.raises(errors.InputError, match='of 1001 tasks need'):
    memory.check(_config(50, 7), _trainer(), 1001)
