"""How fast models train: beside PyTorch, and what the parts of it cost.

  python -m benchmarks.training --part=peers --config=configs/support.py:tiny
  python -m benchmarks.training --part=peers --config=configs/support.py:small

and both again behind `taskset -c 0` for one core; then, for both sizes, with
each other part. Each call adds one entry to `--out`. On a GPU
(`pip install -e '.[cuda12]' torch`), for base, large and xl:

  XLA_PYTHON_CLIENT_PREALLOCATE=false python -m benchmarks.training \\
    --part=peers --config=configs/support.py:large --steps=20 \\
    --config.model.dtype=bfloat16 --config.data.batch_size=4096 \\
    --config.model.remat=False --skip=eager

and `--part=ensemble` for tiny and small. The contestants of a part take turns,
`--rounds` times `--steps` steps each; a ratio is the median over the rounds,
with the least and the most. Compiling is not counted, nor are a few steps
before each measurement. Wall and processor seconds are both in the record: the
latter suffer less from other work on the machine, but count threads that spin.

peers      one model and the same one in PyTorch (`benchmarks.plain_torch`),
           eager and by `torch.compile`: same parameters, batches, optimizer.
           Logits and losses of the first steps are compared. Batches are made
           up, each is transferred to the device. Where attention is cuDNN's
           kernel, our model with XLA's products, too. MFU: `synth.flops`
loader     steps on batches of `synth.data.iterate` (`--data`, built if it is
           not there) and on one batch that stays on the device
specification   what the models of a batch see, read from the store, and the
           outputs it is made of, computed on the device by the interpreter
ensemble   `--ensemble` models in one program, and one model
start      seconds from the command `synth.train` to its first step: without a
           compilation cache, with an empty and with a filled one
           (JAX_COMPILATION_CACHE_DIR; synth sets none itself), and those of
           its imports alone
devices    the step on meshes of 1 to 8 simulated CPU devices, of one batch: its
           collective operations and their bytes, as compiled; its seconds,
           which on shared cores say only what a division costs
"""

from collections.abc import Callable
import os
import pathlib
import sys
from typing import Any

from absl import flags
import jax
import ml_collections

from benchmarks.training import devices
from benchmarks.training import ensemble
from benchmarks.training import loader
from benchmarks.training import peers
from benchmarks.training import specification
from benchmarks.training import start
from synth import cli
from synth import host_memory
from synth import runs
from synth import settings as settings_lib
from synth.universe import executors

PARTS: dict[str, Callable[[ml_collections.ConfigDict], dict[str, Any]]] = {
  'peers': peers.measure,
  'loader': loader.measure,
  'specification': specification.measure,
  'ensemble': ensemble.measure,
  'start': start.measure,
  'devices': devices.measure,
}


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/support.py:tiny')
  flags.DEFINE_string('part', 'peers', f'What is measured: {", ".join(PARTS)}.')
  flags.DEFINE_string(
    'out', 'benchmarks/results/training.json', 'The record, added to.'
  )
  flags.DEFINE_string(
    'data', 'runs/training-data', 'Universe, spaces and split; built there.'
  )
  flags.DEFINE_integer('steps', 200, 'Of each measurement.', 1)
  flags.DEFINE_integer('rounds', 7, 'Measurements of each.', 1)
  flags.DEFINE_integer('ensemble', 8, 'Models of the ensemble.', 2)
  flags.DEFINE_list('skip', [], 'Peers left out: eager, compile.')


def main() -> dict[str, Any]:
  """Measures one part and adds it to the record."""
  args = flags.FLAGS
  part = settings_lib.choose(args.part, PARTS, 'part')
  host_memory.keep_freed()  # as synth.train does
  config = args.config
  before = os.getloadavg()[0]
  measured = part(config)
  settings = {  # after it: a part has its own number of models
    'model': settings_lib.plain(config.model),
    'batch_size': config.data.batch_size,
    'num_seeds': config.train.num_seeds,
    'max_size': config.universe.max_size,
    'steps': args.steps,
    'rounds': args.rounds,
  }
  kind = jax.devices()[0].device_kind
  entry = {
    **measured,
    'settings': settings,
    'device': f'{jax.device_count()} {kind}',
    'cores': executors.cores(),
    'load': {'before': before, 'after': os.getloadavg()[0]},
    'versions': runs.versions(),
  }
  path = pathlib.Path(args.out)
  record = runs.read_json(path) if path.exists() else {}
  size = cli.recipe_of(sys.argv).partition(':')[2] or 'tiny'
  name = (
    f'{size}, batch {config.data.batch_size}, {config.model.dtype}, {kind}, '
    f'cores {entry["cores"]}'
  )
  record.setdefault(args.part, {})[name] = entry
  runs.write_json(path, record)
  return {args.part: {name: entry}}


if __name__ == '__main__':
  define_flags()
  cli.run(main)
