"""Does training survive being killed? Counts, on a tiny training.

  python -m benchmarks.faults --kills=200 --workdir=runs/faults

interrupts trainings at random moments, resumes them and compares parameters,
optimizer and metrics at the end with those of an uninterrupted run, bit for
bit; damages every file of a checkpoint in three ways; and sends SIGTERM to one
process and to one of two. Two arms in one program are interrupted as well. It
goes on where it was stopped, and writes `benchmarks/results/faults.json` and
the page `docs/faults.md`.

Compiled steps are kept on disk.
"""

from collections import Counter
from collections.abc import Callable
import json
import os
import pathlib
import shutil
import signal
import threading
import time
from typing import Any

from absl import flags
import jax
import numpy as np

from benchmarks import fault_counts
from benchmarks import fault_training
from synth import cli
from synth import data
from synth import errors
from synth import inputs as inputs_lib
from synth import progress
from synth import runs
from synth.training import checkpoint

_RESULT = pathlib.Path('benchmarks/results/faults.json')
_TABLE = pathlib.Path('docs/faults.md')
# How a run is ended; where the kill of a random moment fell is told afterwards.
_HOW = (
  'random moment',
  'during a save',
  'while loading data',
  fault_counts.SIGTERM,
)
_MOST = 4  # interruptions of one run, so that it ends

_DAMAGE: dict[str, Callable[[bytes], bytes] | None] = {
  'truncated': lambda content: content[: len(content) // 2],
  'one bit flipped': lambda content: (
    content[: len(content) // 2]
    + bytes([content[len(content) // 2] ^ 1])
    + content[len(content) // 2 + 1 :]
  ),
  'removed': None,
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
    elif _listens():
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
  training: fault_training.Training,
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
    code = fault_training.run(training, workdir, data_dir, interrupt)
    if code not in (0, -signal.SIGKILL):
      return {'ended': ended, 'resumed': False, 'same': False, 'code': code}
    if (workdir / fault_training.STATE).exists():
      same = fault_training.outcome(training, workdir) == wanted
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
  wanted = fault_training.outcome(fault_training.ONE, workdir)
  newest = pathlib.Path(
    'checkpoints', str(fault_training.SETTINGS['opt.num_steps'])
  )
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
        (hurt / fault_training.STATE).unlink()
        code = fault_training.run(fault_training.ONE, hurt, data_dir)
        said = pathlib.Path(f'{hurt}.0.log').read_text(encoding='utf-8')
        seen &= said.count('warning: checkpoint') == 1
        seen &= (
          code == 0
          and fault_training.outcome(fault_training.ONE, hurt) == wanted
        )
      cases.append(seen)
  return {
    kind: {'cases': len(cases), 'found': sum(cases)}
    for kind, cases in found.items()
  }


def _count(
  training: fault_training.Training,
  root: pathlib.Path,
  data_dir: pathlib.Path,
  kills: int,
) -> list[dict[str, Any]]:
  """Chains with at least so many kills in all, old ones included.

  Of several processes, which get SIGTERM alone, so many of these.
  """
  root /= training.name
  for name in ('first', 'again'):  # the first one compiles
    workdir = root / name
    if not (workdir / fault_training.STATE).exists():
      shutil.rmtree(workdir, ignore_errors=True)
      if fault_training.run(training, workdir, data_dir):
        raise errors.InputError(f'training failed: see {workdir}.0.log')
  wanted = fault_training.outcome(training, workdir)
  if wanted != fault_training.outcome(training, root / 'first'):
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
    place = [
      flags.FLAGS.seed,
      fault_training.TRAININGS.index(training),
      len(chains),
    ]
    rng = np.random.default_rng(place)
    seconds = runs.read_json(root / 'again' / fault_training.SECONDS)
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
  inputs_lib.load_or_build(fault_training.ONE.config, data_dir)
  kills = (args.kills, args.sigterms_of_two, args.kills_of_arms)
  record = {
    **{
      training.name: fault_counts.summarize(
        _count(training, root, data_dir, wanted)
      )
      for training, wanted in zip(fault_training.TRAININGS, kills, strict=True)
    },
    'damage': damages(root / fault_training.ONE.name / 'first', data_dir),
    'seed': args.seed,
    'config': fault_training.SETTINGS,
    'versions': runs.versions(),
    'device': f'{os.cpu_count()} CPU cores',
  }
  runs.write_json(_RESULT, record)
  titles = {
    training.name: training.title for training in fault_training.TRAININGS
  }
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
