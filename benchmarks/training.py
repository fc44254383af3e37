"""How fast models train: beside PyTorch, and what the parts of it cost.

  python -m benchmarks.training --part=peers --config=configs/support.py:tiny
  python -m benchmarks.training --part=peers --config=configs/support.py:small

and both again behind `taskset -c 0` for one core; then, for both sizes,
`--part=loader`, `--part=ensemble`, `--part=start` and `--part=devices`. Each
call adds one entry to `--out`. On a GPU (`pip install -e '.[cuda12]' torch`),
for base, large and xl, by which the model uses the hardware:

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
           up, each is transferred to the device. MFU: `synth.flops`
loader     steps on batches of `synth.data.iterate` (`--data`, built if it is
           not there) and on one batch that stays on the device
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
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent import futures
import contextlib
import functools
import multiprocessing
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import types
from typing import Any

from absl import flags
import jax
import ml_collections
import numpy as np

from synth import cli
from synth import data
from synth import errors
from synth import flops
from synth import inputs as inputs_lib
from synth import model as model_lib
from synth import progress
from synth import runs
from synth import train
from synth.language import grammar as grammar_lib
from synth.language import tokens
from synth.training import host_memory
from synth.training import optimizer
from synth.universe import executors

try:
  from benchmarks import plain_torch
except ImportError:  # PyTorch is not required
  plain_torch = None  # type: ignore[assignment]

_BATCHES = 8  # made up, used in turn
_WARM = 8  # steps before each measurement; empties the loader's buffer
_CHECKED = 10  # first steps whose losses are compared
# Largest difference of logits and losses, relative to 1 + their size.
_TOLERANCE = {'float32': 1e-3, 'bfloat16': 0.1}
_MESHES = tuple(
  {**dict.fromkeys(('data', 'fsdp', 'tensor'), 1), axis: count}
  for axis, counts in (
    ('data', (1, 2, 4, 8)),
    ('fsdp', (2, 4, 8)),
    ('tensor', (2, 4, 8)),
  )
  for count in counts
)
_COLLECTIVE = re.compile(
  r' = (?P<shapes>\(.*?\)|\S+) (?P<name>all-reduce|all-gather|reduce-scatter'
  r'|all-to-all|collective-permute)\('
)
_SHAPE = re.compile(r'[a-z]+(?P<bits>\d+)\[(?P<lengths>[\d,]*)\]')
_FIRST_STEP_S = 600.0  # after which a training is given up

Steps = Callable[[int], None]  # does so many steps and waits for them


class Ours:
  """Trains as `synth.train` does.

  Args:
    config: A recipe; of its data only the grammar is read.
  """

  def __init__(self, config: ml_collections.ConfigDict):
    grammar = grammar_lib.load(grammar_lib.find(config.universe.grammar))
    # All that a trainer reads of its inputs. The others take hours to build
    # for the larger models.
    universe = types.SimpleNamespace(grammar=grammar)
    inputs: Any = types.SimpleNamespace(universe=universe)
    self.trainer = train.Trainer(config, inputs)
    self.state = self.trainer.init()
    rng = np.random.default_rng(0)
    self.batches = [
      _made_up(self.trainer.shape, len(self.trainer.seeds), config, rng)
      for _ in range(_BATCHES)
    ]
    self.losses: list[jax.Array] = []  # of the last call of `steps`

  def steps(
    self, count: int, batch: Callable[[int], train.Batch] | None = None
  ) -> None:
    """Steps on the made up batches, or on those of a function of the step."""
    self.losses = []
    for step in range(count):
      if batch is None:
        now = self.trainer.put(self.batches[step % _BATCHES])
      else:
        now = batch(step)
      self.state, values = self.trainer.step(self.state, now)
      self.losses.append(values['loss'])
    jax.block_until_ready(self.state)

  def tokens(self, config: ml_collections.ConfigDict) -> int:
    """Positions of tokens in a step of all models, padding included."""
    models = len(self.trainer.seeds)
    return models * config.data.batch_size * self.trainer.shape.length


def _made_up(
  shape: model_lib.Config,
  models: int,
  config: ml_collections.ConfigDict,
  rng: np.random.Generator,
) -> dict[str, np.ndarray]:
  """A batch of random specifications and programs of full length."""
  rows = (models, config.data.batch_size)
  tok = rng.integers(
    tokens.EOS + 1, shape.vocabulary, (*rows, shape.length), dtype=np.int32
  )
  tok[..., -1] = tokens.EOS
  start = np.full((*rows, 1), tokens.BOS, np.int32)
  return {
    'spec': rng.standard_normal((*rows, shape.features), dtype=np.float32),
    'input': np.concatenate([start, tok[..., :-1]], axis=-1),
    'target': tok,
  }


def alternate(
  contestants: Mapping[str, Steps], steps: int, rounds: int
) -> dict[str, dict[str, list[float]]]:
  """Measures them in turn: the machine's mood hits all.

  Returns:
    wall and processor seconds of each, by round.
  """
  found: dict[str, dict[str, list[float]]] = {
    name: {'wall': [], 'processor': []} for name in contestants
  }
  bar = progress.Progress('measure', rounds, 'rounds')
  for number in range(rounds):
    # There and back: none is always the one after the same other.
    for name in list(contestants)[:: 1 if number % 2 == 0 else -1]:
      contestants[name](_WARM)
      wall, processor = time.perf_counter(), time.process_time()
      contestants[name](steps)
      found[name]['wall'].append(time.perf_counter() - wall)
      found[name]['processor'].append(time.process_time() - processor)
    bar.update(number + 1)
  return found


def ratio(
  above: Sequence[float], below: Sequence[float], factor: float = 1.0
) -> dict[str, float]:
  """Of what was measured in the same rounds: median, least and most."""
  each = [factor * a / b for a, b in zip(above, below, strict=True)]
  return {
    'median': statistics.median(each),
    'least': min(each),
    'most': max(each),
  }


def ratios(
  seconds: Mapping[str, Mapping[str, list[float]]],
  above: str,
  below: str,
  factor: float = 1.0,
) -> dict[str, dict[str, float]]:
  """The `ratio` of two contestants by each clock."""
  return {
    clock: ratio(seconds[above][clock], seconds[below][clock], factor)
    for clock in ('wall', 'processor')
  }


def peers(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Beside PyTorch; see the module's docstring."""
  args = flags.FLAGS
  config.train.num_seeds = 1
  ours = Ours(config)
  contestants: dict[str, Steps] = {'synth': ours.steps}
  differences: dict[str, dict[str, float]] = {}
  failed: dict[str, str] = {}
  params_S = jax.device_get(ours.state['params'])  # the step donates them
  logits = _logits(ours)
  first: dict[str, float] = {}
  first['synth'] = _seconds(lambda: ours.steps(_CHECKED))
  losses = [float(loss[0]) for loss in ours.losses]
  for name in ('eager', 'compile'):
    if plain_torch is None or name in args.skip:
      continue
    theirs = plain_torch.Trainer(
      params_S,
      ours.trainer.shape,
      config.opt,
      np.asarray(
        optimizer.make_schedule(config.opt)(np.arange(config.opt.num_steps))
      ),
      'cuda' if jax.default_backend() == 'gpu' else 'cpu',
      compiled=name == 'compile',
    )
    batches = [theirs.host(batch) for batch in ours.batches]
    found = {'logits': _difference(logits, theirs.logits(batches[0]))}
    said: list[float] = []

    def check(
      theirs: Any = theirs, batches: Any = batches, said: Any = said
    ) -> None:
      for step in range(_CHECKED):
        said.append(float(theirs.step(batches[step % _BATCHES])))

    try:
      first[name] = _seconds(check)
    except Exception as error:  # whatever its compiler says
      failed[name] = ' '.join(str(error).split())[:300]
      continue
    found['losses'] = _difference(np.array(losses), np.array(said))
    differences[name] = found
    if max(found.values()) > _TOLERANCE[ours.trainer.shape.dtype]:
      raise errors.InputError(
        f'PyTorch ({name}) is not the same model: it differs by {found}'
      )

    def steps(count: int, theirs: Any = theirs, batches: Any = batches) -> None:
      for step in range(count):
        theirs.step(batches[step % _BATCHES])
      theirs.wait()

    contestants[name] = steps
  seconds = alternate(contestants, args.steps, args.rounds)
  operations = config.data.batch_size * flops.training(ours.trainer.shape)
  rate = {
    name: args.steps / statistics.median(s['wall'])
    for name, s in seconds.items()
  }
  peak = flops.peak()
  return {
    'speed_of_synth_over': {
      name: ratios(seconds, name, 'synth')
      for name in contestants
      if name != 'synth'
    },
    'tokens_per_second': {
      name: r * ours.tokens(config) for name, r in rate.items()
    },
    'operations_per_second': {name: r * operations for name, r in rate.items()},
    'mfu': {name: peak and r * operations / peak for name, r in rate.items()},
    'parameters': sum(model_lib.count_by_group(ours.trainer.shape).values()),
    'largest_relative_difference': differences,
    'failed': failed,
    'seconds_first_steps_and_compilation': first,
    'seconds': seconds,
    'torch': plain_torch and plain_torch.VERSION,
  }


def _logits(ours: Ours) -> np.ndarray:
  """Of the first model for the first batch."""
  batch = ours.batches[0]

  def forward(params: Any) -> jax.Array:
    model = model_lib.merge(ours.trainer.graph, params)
    return model(batch['spec'][0], batch['input'][0])

  found = jax.jit(jax.vmap(forward))(ours.state['params'])
  return np.asarray(found[0])


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
  return float((np.abs(ours - theirs) / (1 + np.abs(ours))).max())


def _seconds(work: Callable[[], None]) -> float:
  start = time.perf_counter()
  work()
  return time.perf_counter() - start


def loader(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """With the real loader; see the module's docstring."""
  args = flags.FLAGS
  inputs = inputs_lib.load_or_build(config, pathlib.Path(args.data))
  cli.choose(config.data.arm, inputs.split.arms, 'data.arm')
  one, other = Ours(config), Ours(config)
  source = data.BatchSource(
    inputs,
    config.data.arm,
    one.trainer.seeds,
    config.data.batch_size,
    args.rounds * (args.steps + _WARM),
  )
  iterator = data.iterate(source, 0)
  resident = other.trainer.put(source[0])
  seconds = alternate(
    {
      'loader': lambda count: one.steps(
        count, lambda _: one.trainer.put(next(iterator))
      ),
      'resident': lambda count: other.steps(count, lambda _: resident),
    },
    args.steps,
    args.rounds,
  )
  return {
    'time_with_loader_over_resident_batch': ratios(
      seconds, 'loader', 'resident'
    ),
    'seconds': seconds,
  }


def ensemble(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Many models in one program; see the module's docstring."""
  args = flags.FLAGS
  made = {}
  for name, models in (('one', 1), ('ensemble', args.ensemble)):
    config.train.num_seeds = models
    made[name] = Ours(config)
  seconds = alternate(
    {name: ours.steps for name, ours in made.items()}, args.steps, args.rounds
  )
  return {
    'aggregate_throughput_over_one': ratios(
      seconds, 'one', 'ensemble', args.ensemble
    ),
    'tokens_per_second': {
      name: args.steps
      * ours.tokens(config)
      / statistics.median(seconds[name]['wall'])
      for name, ours in made.items()
    },
    'models': args.ensemble,
    'seconds': seconds,
  }


def start(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """To the first step; see the module's docstring."""
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
          found.append(_seconds(_import))
        else:
          cache = None if name == 'no_cache' else root / 'cache'
          found.append(_to_first_step(root / name, cache))
    bar.update(number + 1)
  return {
    'seconds_to_first_step': {
      name: statistics.median(found) for name, found in seconds.items()
    },
    'time_with_filled_cache_over_none': ratio(
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


# Of a process that simulates devices: see `_build`.
_built: dict[str, Any] = {}


def devices(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Over simulated devices; see the module's docstring."""
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
    seconds = alternate(
      {
        name: functools.partial(_steps_in, pool) for name, pool in pools.items()
      },
      args.steps,
      args.rounds,
    )
  alone, *others = entries
  return {
    'time_over_one_device': {  # by the wall: this process only waits
      name: ratios(seconds, name, alone)['wall'] for name in others
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
  _built['ours'] = ours = Ours(config)
  step = ours.trainer.step.lower(
    ours.state, ours.trainer.put(ours.batches[0])
  ).compile()
  ours.trainer.step = step  # not compiled again
  return {'collectives': collectives(step.as_text())}


def _steps_in(pool: futures.Executor, count: int) -> None:
  pool.submit(_steps, count).result()


def _steps(count: int) -> None:
  _built['ours'].steps(count)


def collectives(program: str) -> dict[str, dict[str, int]]:
  """Collective operations of a compiled program (HLO text).

  Returns:
    By name: how many there are, each of a loop counted once, and how many bytes
    a device holds of their results.
  """
  found: dict[str, dict[str, int]] = {}
  for match in _COLLECTIVE.finditer(program):
    entry = found.setdefault(match['name'], {'count': 0, 'bytes': 0})
    entry['count'] += 1
    for shape in _SHAPE.finditer(match['shapes']):
      lengths = [int(n) for n in shape['lengths'].split(',') if n]
      entry['bytes'] += int(np.prod(lengths)) * int(shape['bits']) // 8
  return dict(sorted(found.items()))


PARTS: dict[str, Callable[[ml_collections.ConfigDict], dict[str, Any]]] = {
  'peers': peers,
  'loader': loader,
  'ensemble': ensemble,
  'start': start,
  'devices': devices,
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
  part = cli.choose(args.part, PARTS, 'part')
  host_memory.keep_freed()  # as synth.train does
  config = args.config
  before = os.getloadavg()[0]
  measured = part(config)
  settings = {  # after it: a part has its own number of models
    'model': cli.plain(config.model),
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
