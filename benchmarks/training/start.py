"""Seconds from the command to the first step."""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from absl import flags
import ml_collections

from benchmarks.training import turns
from synth import cli
from synth import errors
from synth import inputs as inputs_lib
from synth import progress
from synth import runs

_FIRST_STEP_S = 600.0  # after which a training is given up


def measure(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """To the first step; `benchmarks.training` says more."""
  args = flags.FLAGS
  inputs_lib.load_or_build(config, pathlib.Path(args.data))  # not counted
  seconds: dict[str, list[float]] = {
    name: [] for name in ('imports', 'no_cache', 'empty_cache', 'filled_cache')
  }
  bar = progress.Progress('start', args.rounds, 'rounds')
  for number in range(args.rounds):
    with tempfile.TemporaryDirectory() as scratch:
      root = pathlib.Path(scratch)
      for name, found in seconds.items():
        if name == 'imports':
          found.append(turns.seconds(_import))
        else:
          cache = None if name == 'no_cache' else root / 'cache'
          found.append(_to_first_step(root / name, cache))
    bar.update(number + 1)
  return {
    'seconds_to_first_step': {
      name: statistics.median(found) for name, found in seconds.items()
    },
    'time_with_filled_cache_over_none': turns.ratio(
      seconds['filled_cache'], seconds['no_cache']
    ),
    'seconds': seconds,
  }


def _import() -> None:
  subprocess.run([sys.executable, '-c', 'import synth.train'], check=True)


def _to_first_step(workdir: pathlib.Path, cache: pathlib.Path | None) -> float:
  """Seconds from a command to its first step; the training is then ended.

  Raises:
    InputError: if there is none.
  """
  environment = dict(os.environ)
  environment.pop('JAX_COMPILATION_CACHE_DIR', None)
  if cache is not None:
    environment['JAX_COMPILATION_CACHE_DIR'] = str(cache)
    environment['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
  command = [
    *(sys.executable, '-m', 'synth.train'),
    f'--config={cli.recipe_of(sys.argv)}',
    *(arg for arg in sys.argv if arg.startswith('--config.')),
    '--config.train.log_every_steps=1',
    f'--workdir={workdir}',
    f'--data={flags.FLAGS.data}',
  ]
  began = time.perf_counter()
  with subprocess.Popen(
    command,
    env=environment,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  ) as process:
    try:
      while not any('loss' in row for row in runs.read_metrics(workdir)):
        seconds = time.perf_counter() - began
        if process.poll() is not None or seconds > _FIRST_STEP_S:
          raise errors.InputError(f'no first step: {" ".join(command)}')
        time.sleep(0.01)
      return time.perf_counter() - began
    finally:
      process.kill()
