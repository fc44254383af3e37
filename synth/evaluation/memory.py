"""Refuses evaluations that no memory could hold, before anything is written."""

import math
import os

import jax
import jax.numpy as jnp
import ml_collections

from synth import errors
from synth import model as model_lib
from synth.language import tokens
from synth.training import trainer as trainer_lib

_GIB = 1 << 30
# Kept of each program beside its tokens: log-probability and outcome.
_BESIDE = 4 + 1


def check(
  config: ml_collections.ConfigDict, trainer: trainer_lib.Trainer, tasks: int
) -> None:
  """Compares what is needed at the least with all the memory there is.

  More is needed than is counted: it refuses what is hopeless.

  Args:
    config: Of the run.
    trainer: Of that config.
    tasks: Evaluated, of all sets.

  Raises:
    InputError: if the key-value caches of the programs that are written at once
      exceed the device's memory, or all programs the host's.
  """
  samples, batch = config.eval.num_samples, config.eval.batch_size
  models = len(trainer.seeds)
  need = models * batch * samples * _cache_bytes(trainer)
  have = _device_bytes()
  if need > have:
    raise errors.InputError(
      f'eval.num_samples={samples} programs for each of eval.batch_size='
      f'{batch} tasks at once need {_gib(need)} for the caches of {models} '
      f'models, and a device has {_gib(have)}: lower --samples or --batch_size'
    )
  row = trainer.shape.length * tokens.DTYPE().itemsize + _BESIDE
  need, have = models * tasks * samples * row, _host_bytes()
  if need > have:
    raise errors.InputError(
      f'eval.num_samples={samples} programs for each of {tasks} tasks need '
      f'{_gib(need)}, and the host has {_gib(have)}: lower --samples or --tasks'
    )


def _cache_bytes(trainer: trainer_lib.Trainer) -> int:
  """Of the key-value cache of one program by one model."""
  cache = jax.eval_shape(
    lambda params, spec: model_lib.merge(trainer.graph, params).prefill(spec),
    jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype),
      trainer.abstract_state['params'],
    ),
    jax.ShapeDtypeStruct((1, trainer.shape.features), jnp.float32),
  )
  return sum(
    math.prod(leaf.shape) * leaf.dtype.itemsize
    for leaf in jax.tree.leaves(cache)
  )


def _device_bytes() -> int:
  """The memory of a device; on a CPU, that of the host."""
  facts = jax.local_devices()[0].memory_stats() or {}
  return facts.get('bytes_limit') or _host_bytes()


def _host_bytes() -> int:
  return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


def _gib(number: int) -> str:
  return f'{number / _GIB:,.1f} GiB'
