"""The step on simulated devices: what it sends, what a division costs."""

from collections.abc import Mapping
from concurrent import futures
import contextlib
import functools
import multiprocessing
from typing import Any

from absl import flags
import jax
import ml_collections
import numpy as np

from benchmarks.training import collectives
from benchmarks.training import ours as ours_lib
from benchmarks.training import turns
from synth import host_memory
from synth import progress

_MESHES = tuple(
  {**dict.fromkeys(('data', 'fsdp', 'tensor'), 1), axis: count}
  for axis, counts in (
    ('data', (1, 2, 4, 8)),
    ('fsdp', (2, 4, 8)),
    ('tensor', (2, 4, 8)),
  )
  for count in counts
)


# Of a process that simulates devices: see `_build`.
_built: dict[str, Any] = {}


def measure(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Over simulated devices; `benchmarks.training` says more."""
  args = flags.FLAGS
  config.train.num_seeds = 1
  plain = config.to_dict()
  context = multiprocessing.get_context('spawn')
  entries: dict[str, Any] = {}
  with contextlib.ExitStack() as stack:
    # A process for each mesh: it cannot change its number of devices.
    pools = {
      _mesh_name(mesh): stack.enter_context(
        futures.ProcessPoolExecutor(
          1, context, initializer=_simulate, initargs=(mesh,)
        )
      )
      for mesh in _MESHES
    }
    bar = progress.Progress('compile', len(pools), 'meshes')
    for done, (mesh, (name, pool)) in enumerate(
      zip(_MESHES, pools.items(), strict=True), 1
    ):
      entries[name] = pool.submit(_build, plain, mesh).result()
      bar.update(done)
    seconds = turns.alternate(
      {
        name: functools.partial(_steps_in, pool) for name, pool in pools.items()
      },
      args.steps,
      args.rounds,
    )
  alone, *others = entries
  return {
    'time_over_one_device': {  # by the wall: this process only waits
      name: turns.ratios(seconds, name, alone)['wall'] for name in others
    },
    'meshes': entries,
    'seconds': {name: found['wall'] for name, found in seconds.items()},
  }


def _mesh_name(mesh: Mapping[str, int]) -> str:
  return ' '.join(f'{k}={v}' for k, v in mesh.items() if v > 1) or 'one device'


def _simulate(mesh: Mapping[str, int]) -> None:
  """Readies a process: before it asks for devices."""
  count = int(np.prod(list(mesh.values())))
  jax.config.update('jax_platforms', 'cpu')
  jax.config.update('jax_num_cpu_devices', count)
  host_memory.keep_freed()


def _build(plain: dict[str, Any], mesh: Mapping[str, int]) -> dict[str, Any]:
  """Makes the trainer of this process; the collectives of its step."""
  config = ml_collections.ConfigDict(plain)
  config.mesh = mesh
  _built['ours'] = ours = ours_lib.Ours(config)
  step = ours.trainer.step.lower(
    ours.state, ours.trainer.put(ours.batches[0])
  ).compile()
  ours.trainer.step = step  # not compiled again
  return {'collectives': collectives.count(step.as_text())}


def _steps_in(pool: futures.Executor, count: int) -> None:
  pool.submit(_steps, count).result()


def _steps(count: int) -> None:
  # One at a time: with several on their way, devices that share few threads can
  # wait for each other forever.
  for _ in range(count):
    _built['ours'].steps(1)
