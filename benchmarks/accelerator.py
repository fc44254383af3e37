"""Every benchmark that an accelerator changes, one after the other.

  pip install -e '.[cuda12]' torch
  python -m benchmarks.accelerator --out=runs/accelerator --time_budget=540 \\
    --bytes_per_second=4.8e12 --operations_per_second=6.7e13

(the limits of an H200, from its data sheet). Each is a process of its own with
a time limit. One that fails, or takes too long, is told at the end and stops no
other; called again, it is tried again, and what is done is not. Their records
and `accelerator.json`, which says how each ended, are all that `--out` holds.
With `--dry_run` the commands are printed alone.
"""

import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any
from typing import NamedTuple

from absl import flags

from synth import cli
from synth import progress
from synth import runs

_LEAST = 0.6  # of its limit: a benchmark is not begun with less left
_TAIL = 2000  # characters of a failure that are kept


class Benchmark(NamedTuple):
  """One of them.

  Attributes:
    module: Below `benchmarks`.
    arguments: Beside `--out`.
    seconds: Its time limit.
  """

  module: str
  arguments: str
  seconds: float


def _peers(
  size: str, batch: int, rounds: str = '--steps=20 --rounds=5', limit: int = 300
) -> Benchmark:
  """The model in bfloat16 beside `torch.compile`, and its MFU."""
  return Benchmark(
    'training',
    f'--part=peers --config=configs/support.py:{size} {rounds} '
    f'--config.model.dtype=bfloat16 --config.model.remat=False '
    f'--config.data.batch_size={batch} --skip=eager',
    limit,
  )


def _ensemble(size: str) -> Benchmark:
  return Benchmark(
    'training', f'--part=ensemble --config=configs/support.py:{size}', 200
  )


BENCHMARKS = {
  'decoding of a million programs': Benchmark(
    'decoding',
    '--size=3m --seeds=1 --tasks=1000 --batch=50 --programs=1000 --rounds=3 '
    '--peers=pytorch',
    300,
  ),
  'large beside PyTorch': _peers('large', 4096),
  'ensemble of small': _ensemble('small'),
  'interpreter': Benchmark(
    'interpreter',
    '--bytes_per_second={bytes_per_second} '
    '--operations_per_second={operations_per_second}',
    300,
  ),
  'inner product': Benchmark('inner_product', '', 200),
  'xl beside PyTorch': _peers('xl', 1024, '--steps=8 --rounds=3', 420),
  'base beside PyTorch': _peers('base', 4096),
  'ensemble of tiny': _ensemble('tiny'),
  'specifications': Benchmark(
    'training', '--part=specification --config=configs/support.py:tiny', 120
  ),
}


def command(
  benchmark: Benchmark, directory: pathlib.Path, limits: dict[str, float]
) -> list[str]:
  """What is run; its record is DIR/MODULE.json."""
  return [
    sys.executable,
    '-m',
    f'benchmarks.{benchmark.module}',
    f'--out={directory / benchmark.module}.json',
    *shlex.split(benchmark.arguments.format(**limits)),
  ]


def attempt(words: list[str], seconds: float) -> dict[str, Any]:
  """Runs one; how it ended."""
  # PyTorch and JAX share the card, and JAX gives nothing back.
  env = {
    **os.environ,
    'XLA_PYTHON_CLIENT_PREALLOCATE': 'false',
  }
  if 'XLA_PYTHON_CLIENT_MEM_FRACTION' not in env:  # JAX refuses both names
    env.setdefault('XLA_CLIENT_MEM_FRACTION', '0.6')
  start = time.monotonic()
  with tempfile.TemporaryFile() as file:
    process = subprocess.Popen(
      words,
      env=env,
      stdout=subprocess.DEVNULL,
      stderr=file,
      start_new_session=True,
    )
    try:
      code = str(process.wait(timeout=seconds))
    except subprocess.TimeoutExpired:
      code = 'out of time'
    finally:
      # Its workers, too, which would be in the way of the next one.
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
      process.wait()
    file.seek(0)
    said = file.read().decode(errors='replace')
  return {
    'command': shlex.join(['python', *words[1:]]),
    'exit': code,
    'seconds': time.monotonic() - start,
    'stderr': '' if code == '0' else said[-_TAIL:],
  }


def run_all(
  directory: pathlib.Path,
  limits: dict[str, float],
  time_budget: float = float('inf'),
) -> list[str]:
  """Runs what is not done yet; names of what still is not, and how it ended.

  Args:
    directory: Of the records.
    limits: `bytes_per_second` and `operations_per_second` of the device.
    time_budget: Seconds after which nothing goes on.
  """
  path = directory / 'accelerator.json'
  ended: dict[str, Any] = runs.read_json(path) if path.exists() else {}
  directory.mkdir(parents=True, exist_ok=True)
  start = time.monotonic()
  bar = progress.Progress('benchmarks', len(BENCHMARKS))
  for number, (name, benchmark) in enumerate(BENCHMARKS.items()):
    bar.update(number, name)
    left = time_budget - (time.monotonic() - start)
    if ended.get(name, {}).get('exit') == '0':
      continue
    if left < _LEAST * benchmark.seconds:  # a later one may need less
      continue
    words = command(benchmark, directory, limits)
    ended[name] = attempt(words, min(benchmark.seconds, left))
    runs.write_json(path, ended)
  bar.update(len(BENCHMARKS))
  how = {
    name: ended[name]['exit'] if name in ended else 'not begun'
    for name in BENCHMARKS
  }
  return [f'{name} ({end})' for name, end in how.items() if end != '0']


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('out', None, 'Directory of the records.', required=True)
  flags.DEFINE_float(
    'time_budget', float('inf'), 'Seconds after which nothing goes on.'
  )
  flags.DEFINE_float(
    'bytes_per_second', None, "The device's bandwidth.", required=True
  )
  flags.DEFINE_float(
    'operations_per_second', None, "The device's arithmetic.", required=True
  )
  flags.DEFINE_bool('dry_run', False, 'Print the commands alone.')


def main() -> dict[str, Any]:
  """Runs what is not done yet, or prints it."""
  args = flags.FLAGS
  directory = pathlib.Path(args.out)
  limits = {
    name: args[name].value
    for name in ('bytes_per_second', 'operations_per_second')
  }
  if args.dry_run:
    for benchmark in BENCHMARKS.values():
      print(shlex.join(command(benchmark, directory, limits)))
  elif lacking := run_all(directory, limits, args.time_budget):
    raise SystemExit(f'{directory}: not done: {", ".join(lacking)}')
  return {'benchmarks': list(BENCHMARKS)}


if __name__ == '__main__':
  define_flags()
  cli.run(main)
