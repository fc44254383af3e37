"""Does training survive being killed? Counts, on a tiny training.

  python -m benchmarks.faults --kills=200 --workdir=runs/faults

interrupts trainings at random moments, resumes them and compares parameters,
optimizer and metrics at the end with those of an uninterrupted run, bit for
bit; damages every file of a checkpoint in three ways; and sends SIGTERM to one
process and to one of two. Two arms in one program are interrupted as well. It
goes on where it was stopped, and writes `benchmarks/results/faults.json` and
the page `docs/faults.md`.

A run is a fork of a process that has imported everything, and compiled steps
are kept on disk: seconds a run, most of them training.
"""

from collections import Counter
from collections.abc import Callable
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sys
import threading
import time
import traceback
from typing import Any
from typing import NamedTuple
from typing import NoReturn

from absl import flags
import jax
import ml_collections
import numpy as np
import portpicker

from benchmarks import fault_counts
from configs import support as support_config
from synth import cli
from synth import data
from synth import errors
from synth import inputs as inputs_lib
from synth import progress
from synth import runs
from synth import store
from synth import train
from synth.splits import support
from synth.training import checkpoint
from synth.training import trainer as trainer_lib

_RESULT = pathlib.Path('benchmarks/results/faults.json')
_TABLE = pathlib.Path('docs/faults.md')
_SETTINGS = {
  'universe.max_size': 5,
  'split.num_test': 4,
  'split.num_dev': 6,
  'data.batch_size': 32,
  'opt.num_steps': 60,
  'train.log_every_steps': 3,
  'train.dev_every_steps': 20,
  'train.checkpoint_every_steps': 4,
}
# How a run is ended; where the kill of a random moment fell is told afterwards.
_HOW = (
  'random moment',
  'during a save',
  'while loading data',
  fault_counts.SIGTERM,
)
_MOST = 4  # interruptions of one run, so that it ends
_STATE, _SECONDS = 'state.json', 'seconds.json'  # left by a finished child

_DAMAGE: dict[str, Callable[[bytes], bytes] | None] = {
  'truncated': lambda content: content[: len(content) // 2],
  'one bit flipped': lambda content: (
    content[: len(content) // 2]
    + bytes([content[len(content) // 2] ^ 1])
    + content[len(content) // 2 + 1 :]
  ),
  'removed': None,
}


class Training(NamedTuple):
  """What is interrupted: the tiny training, as one run or as two.

  Attributes:
    name: In the record.
    title: In the table.
    processes: How many train together.
    arms: Trained in one program; none: that of the config.
  """

  name: str
  title: str
  processes: int = 1
  arms: tuple[str, ...] = ()

  @property
  def config(self) -> ml_collections.ConfigDict:
    """Its config."""
    made = support_config.get_config('tiny')
    made.update_from_flattened_dict(_SETTINGS)
    made.mesh.data = self.processes
    return made

  def runs(self, workdir: pathlib.Path) -> list[pathlib.Path]:
    """The directories of its runs."""
    return [workdir / arm for arm in self.arms] or [workdir]


ONE = Training('one_process', 'one process')
TRAININGS = (
  ONE,
  Training('two_processes', 'one of two processes', processes=2),
  Training('two_arms', 'two arms', arms=support.ARMS),
)


def run(
  training: Training,
  workdir: pathlib.Path,
  data_dir: pathlib.Path,
  interrupt: Callable[[], None] | None = None,
) -> int:
  """Trains in a process of its own, or in several.

  Args:
    training: What.
    workdir: Its directory; started or resumed.
    data_dir: Its inputs.
    interrupt: Called in the (last) process before training; may arrange its
      end.

  Returns:
    The exit code of the last process, negative for a signal; if it is 0 and
    another's is not, that.
  """
  processes = training.processes
  port = portpicker.pick_unused_port() if processes > 1 else 0
  children = []
  for index in range(processes):
    child = os.fork()
    if not child:
      last = interrupt if index == processes - 1 else None
      _child(training, workdir, data_dir, last, index, port)
    children.append(child)
  codes = [os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children]
  return codes[-1] or max(codes, key=abs)


def _child(
  training: Training,
  workdir: pathlib.Path,
  data_dir: pathlib.Path,
  interrupt: Callable[[], None] | None,
  index: int,
  port: int,
) -> NoReturn:
  """The body of a process: trains, and notes what is on disk at the end."""
  code = 1
  workdir.parent.mkdir(parents=True, exist_ok=True)
  log = os.open(f'{workdir}.{index}.log', os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
  os.dup2(log, 1)
  os.dup2(log, 2)
  processes = training.processes
  try:
    if processes > 1:
      jax.distributed.initialize(f'localhost:{port}', processes, index)
    if interrupt is not None:
      interrupt()
    settings = training.config
    began = time.monotonic()
    result = train.train_and_evaluate(
      settings, workdir, data_dir, arms=training.arms
    )
    if 'stopped_at' not in result:
      seconds = time.monotonic() - began
      inputs = inputs_lib.load_or_build(settings, data_dir)
      trainer = trainer_lib.Trainer(settings, inputs)
      hashes = []
      for directory in training.runs(workdir):
        with checkpoint.Checkpoints(directory) as checkpoints:
          state, _ = checkpoints.restore(
            settings.opt.num_steps, trainer.abstract_state
          )
        hashes.append(state_hash(state))
      if index == 0:
        runs.write_json(workdir / _SECONDS, seconds)
        runs.write_json(workdir / _STATE, hashes)
    code = 0
  except BaseException:
    traceback.print_exc()
  finally:
    sys.stdout.flush()
    if processes > 1:
      jax.distributed.shutdown()
    os._exit(code)


def state_hash(state: Any) -> str:
  """sha256 of all parameters and of the optimizer."""
  found = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(state):
    found.update(jax.tree_util.keystr(path).encode())
    shards = {str(s.index): s.data for s in leaf.addressable_shards}
    for _, shard in sorted(shards.items()):
      found.update(np.asarray(shard).tobytes())
  return found.hexdigest()


def outcome(training: Training, workdir: pathlib.Path) -> dict[str, Any]:
  """What has to be equal at the end of two trainings."""
  return {
    'states': runs.read_json(workdir / _STATE),
    'metrics': [
      store.sha256_of_file(directory / runs.METRICS)
      for directory in training.runs(workdir)
    ],
  }


def interruption(
  how: str,
  places: list[pathlib.Path],
  rng: np.random.Generator,
  seconds: float,
) -> Callable[[], None]:
  """Arranges the end of the process it is called in.

  Args:
    how: One of `_HOW`.
    places: Directories of the runs.
    rng: Draws the moment.
    seconds: Within how many the moment falls.
  """
  share, saves = rng.random(), int(rng.integers(1, 4))
  batches = int(rng.integers(1, 31))

  def arrange() -> None:
    if how == 'while loading data':
      made, load = Counter[str](), data.BatchSource.batches

      def deadly(
        self: data.BatchSource, low: int, high: int
      ) -> list[dict[str, np.ndarray]]:
        made['batches'] += 1
        if made['batches'] == batches:
          os.kill(os.getpid(), signal.SIGKILL)
        return load(self, low, high)

      data.BatchSource.batches = deadly  # type: ignore[method-assign]
      data._GROUP = 1  # so that steps run between one batch and the next
      return

    iterate = data.iterate  # called once, as the loop starts

    def started(source: data.BatchSource, start: int, workers: int = 0) -> Any:
      threading.Thread(target=kill, daemon=True).start()
      return iterate(source, start, workers)

    data.iterate = started

  def kill() -> None:
    if how == 'during a save':
      for _ in range(saves):
        _wait_for_save(places)
      time.sleep(share * 0.02)
    else:
      time.sleep(share * seconds)
    if how != 'SIGTERM':
      os.kill(os.getpid(), signal.SIGKILL)
    elif jax.process_count() > 1 or _listens():
      os.kill(os.getpid(), signal.SIGTERM)

  return arrange


def _listens() -> bool:
  """Whether the process handles SIGTERM: it does until training has ended."""
  return signal.getsignal(signal.SIGTERM) != signal.SIG_DFL


def _wait_for_save(places: list[pathlib.Path]) -> None:
  """Until the next save begins."""
  while _saving(places):
    time.sleep(0.0005)
  while not _saving(places):
    time.sleep(0.0005)


def _saving(places: list[pathlib.Path]) -> bool:
  """Whether a checkpoint is being written, or was when a process ended."""
  return any(any((place / 'checkpoints').glob('*.*')) for place in places)


def chain(
  training: Training,
  workdir: pathlib.Path,
  data_dir: pathlib.Path,
  wanted: dict[str, Any],
  rng: np.random.Generator,
  seconds: float,
) -> dict[str, Any]:
  """One training, interrupted some times and resumed until it ends.

  Returns:
    ended: for each interruption, how and where it fell; resumed: whether every
    process went on; same: whether the end is that of the uninterrupted run.
  """
  shutil.rmtree(workdir, ignore_errors=True)
  ended: list[tuple[str, str]] = []
  alone, places = training.processes == 1, training.runs(workdir)
  while True:
    how = _HOW[int(rng.integers(len(_HOW)))] if alone else _HOW[-1]
    interrupt = None
    if len(ended) < (_MOST if alone else 1):
      interrupt = interruption(how, places, rng, seconds)
    code = run(training, workdir, data_dir, interrupt)
    if code not in (0, -signal.SIGKILL):
      return {'ended': ended, 'resumed': False, 'same': False, 'code': code}
    if (workdir / _STATE).exists():
      same = outcome(training, workdir) == wanted
      return {'ended': ended, 'resumed': True, 'same': same}
    ended.append((how, _where(places)))


def _where(places: list[pathlib.Path]) -> str:
  if _saving(places):
    return 'a save was half done'
  saved = [
    {path.name for path in (place / 'checkpoints').glob('*')}
    for place in places
  ]
  if any(names != saved[0] for names in saved):
    return 'one arm was saved, the other not'
  return 'between saves' if saved[0] else 'before the first save'


def damages(workdir: pathlib.Path, data_dir: pathlib.Path) -> dict[str, Any]:
  """Damages each file of the newest checkpoint; counts the cases found.

  Files that nothing is restored from are left out. One case of each kind is
  also resumed: with one warning, to the end of the uninterrupted run.
  """
  found: dict[str, list[bool]] = {}
  hurt = workdir.with_name('damaged')
  wanted = outcome(ONE, workdir)
  newest = pathlib.Path('checkpoints', str(_SETTINGS['opt.num_steps']))
  for path in sorted((workdir / newest).rglob('*')):
    if not path.is_file() or path.name in checkpoint.NOT_HASHED:
      continue
    for kind, change in _DAMAGE.items():
      shutil.rmtree(hurt, ignore_errors=True)
      shutil.copytree(workdir, hurt)
      victim = hurt / path.relative_to(workdir)
      if change is None:
        victim.unlink()
      else:
        victim.write_bytes(change(victim.read_bytes()))
      seen = checkpoint.damage(hurt / newest) is not None
      cases = found.setdefault(kind, [])
      if not cases:
        (hurt / _STATE).unlink()
        code = run(ONE, hurt, data_dir)
        said = pathlib.Path(f'{hurt}.0.log').read_text(encoding='utf-8')
        seen &= said.count('warning: checkpoint') == 1
        seen &= code == 0 and outcome(ONE, hurt) == wanted
      cases.append(seen)
  return {
    kind: {'cases': len(cases), 'found': sum(cases)}
    for kind, cases in found.items()
  }


def _count(
  training: Training, root: pathlib.Path, data_dir: pathlib.Path, kills: int
) -> list[dict[str, Any]]:
  """Chains with at least so many kills in all, old ones included.

  Of several processes, which get SIGTERM alone, so many of these.
  """
  root /= training.name
  for name in ('first', 'again'):  # the first one compiles
    workdir = root / name
    if not (workdir / _STATE).exists():
      shutil.rmtree(workdir, ignore_errors=True)
      if run(training, workdir, data_dir):
        raise errors.InputError(f'training failed: see {workdir}.0.log')
  wanted = outcome(training, workdir)
  if wanted != outcome(training, root / 'first'):
    raise errors.InputError(f'{root}: two trainings differ')
  path = root / 'chains.jsonl'
  chains = [
    json.loads(line)
    for line in (path.read_text().splitlines() if path.exists() else [])
  ]
  bar = progress.Progress(training.title, kills, 'interruptions')

  def done() -> int:
    alone = training.processes == 1
    return sum(
      fault_counts.kills(c) if alone else len(c['ended']) for c in chains
    )

  while done() < kills:
    bar.update(done())
    place = [flags.FLAGS.seed, TRAININGS.index(training), len(chains)]
    rng = np.random.default_rng(place)
    seconds = runs.read_json(root / 'again' / _SECONDS)
    workdir = root / 'chain'
    found = chain(training, workdir, data_dir, wanted, rng, seconds)
    if not found['same']:  # for a look at it
      shutil.copytree(workdir, root / f'failed-{len(chains)}')
    chains.append(found)
    with path.open('a', encoding='utf-8') as file:
      print(json.dumps(found), file=file)
  bar.update(kills)
  return chains


def main() -> dict[str, Any]:
  """Counts faults."""
  args = flags.FLAGS
  root = pathlib.Path(args.workdir)
  data_dir = root / 'data'
  jax.config.update('jax_compilation_cache_dir', str(root / 'compiled'))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
  inputs_lib.load_or_build(ONE.config, data_dir)
  kills = (args.kills, args.sigterms_of_two, args.kills_of_arms)
  record = {
    **{
      training.name: fault_counts.summarize(
        _count(training, root, data_dir, wanted)
      )
      for training, wanted in zip(TRAININGS, kills, strict=True)
    },
    'damage': damages(root / ONE.name / 'first', data_dir),
    'seed': args.seed,
    'config': _SETTINGS,
    'versions': runs.versions(),
    'device': f'{os.cpu_count()} CPU cores',
  }
  runs.write_json(_RESULT, record)
  titles = {training.name: training.title for training in TRAININGS}
  runs.write_text(_TABLE, fault_counts.table(record, titles))
  return record


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_integer('kills', 200, 'Of one process, beside SIGTERM.')
  flags.DEFINE_integer('sigterms_of_two', 3, 'To one of two processes.')
  flags.DEFINE_integer('kills_of_arms', 40, 'Of two arms, beside SIGTERM.')
  flags.DEFINE_integer('seed', 0, 'Draws the moments.')
  flags.DEFINE_string('workdir', 'runs/faults', 'Scratch; goes on from it.')


if __name__ == '__main__':
  define_flags()
  cli.run(main)
