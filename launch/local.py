"""Starts training on this host.

  python -m launch.local --num_processes=2 -- \\
    --config=configs/support.py:tiny --workdir=runs/two

Arguments after `--` are those of `synth.train`. SIGTERM is passed on: the
processes save and end. `run_all` runs many commands, some at a time.
"""

from collections.abc import Callable
from collections.abc import Sequence
import dataclasses
import itertools
import json
import math
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
from typing import Any
from typing import NamedTuple

from absl import flags
import portpicker

from synth import cli
from synth import errors

_POLL_S = 0.1
_PATIENCE_S = 10.0  # of a process whose sibling has failed, after SIGTERM
_HEARD_S = 1.0  # in which processes end that have heard of Ctrl-C, too
_GPU_MEMORY = 0.8  # share of the jobs of one GPU; libraries take theirs beside


def training(arguments: Sequence[str]) -> list[str]:
  """The command that trains with these arguments."""
  return [sys.executable, '-m', 'synth.train', *arguments]


def accelerators() -> list[str]:
  """GPUs of this host that are ours, found without taking hold of them."""
  if os.environ.get('JAX_PLATFORMS', '').split(',')[0] == 'cpu':
    return []
  ours = os.environ.get('CUDA_VISIBLE_DEVICES')
  if ours is not None:
    # As CUDA reads it: what stands after a number that is none does not count.
    valid = itertools.takewhile(lambda name: name != '-1', ours.split(','))
    return [name for name in valid if name]
  names = [path.name for path in pathlib.Path('/dev').glob('nvidia*')]
  found = [name for name in names if re.fullmatch(r'nvidia\d+', name)]
  return [str(number) for number in range(len(found))]


@dataclasses.dataclass
class Job:
  """Commands to be run one after the other, and what became of them.

  Attributes:
    name: For messages.
    commands: Each starts if the one before ended with exit code 0.
    log: Where their output goes; None: to ours.
    quiet: Whether what they print as their results is dropped.
    times: A file of lines to which seconds of each command are added, however
      it ends; in it the command is its module. None: nowhere.
    code: Exit code of the last command that ran; None while there is none.
  """

  name: str
  commands: list[list[str]]
  log: pathlib.Path | None = None
  quiet: bool = False
  times: pathlib.Path | None = None
  code: int | None = None


def run_all(
  jobs: Sequence[Job],
  at_once: int,
  stop: Callable[[], bool],
  tell: Callable[[Job], None],
  joint: bool = False,
) -> None:
  """Runs jobs, `at_once` at a time, each on GPUs of its own if there are any.

  They divide the GPUs; where there are fewer than jobs, jobs share them and
  their memory. Without GPUs each job has its share of the cores.

  Args:
    jobs: `code` of each that ended is set.
    at_once: How many run at the same time.
    stop: Asked often; once true, running commands get SIGTERM and no other
      starts.
    tell: Called with every job that ended.
    joint: Whether they are the processes of one run. Once one has failed the
      others would wait for it: they get SIGTERM, soon after SIGKILL.
  """
  running: list[_Running] = []
  try:
    _run_all(jobs, at_once, stop, tell, joint, running)
  except BaseException:  # Ctrl-C, say, of which they hear only on a terminal
    _end_all([entry.process for entry in running])
    raise


def _run_all(
  jobs: Sequence[Job],
  at_once: int,
  stop: Callable[[], bool],
  tell: Callable[[Job], None],
  joint: bool,
  running: list['_Running'],
) -> None:
  """`run_all`; what runs at any time is in `running`."""
  waiting = [(job, job.commands) for job in jobs]
  free = list(range(at_once))
  stopping, kill_at = False, math.inf
  while running or (waiting and not stopping):
    failed = joint and any(job.code for job in jobs)
    if not stopping and (failed or stop()):
      stopping = True
      for entry in running:
        entry.process.send_signal(signal.SIGTERM)
    if failed:
      kill_at = min(kill_at, time.monotonic() + _PATIENCE_S)
    if time.monotonic() > kill_at:
      for entry in running:
        entry.process.kill()
    while waiting and free and not stopping:
      job, commands = waiting.pop(0)
      place = free.pop(0)
      process = _start(job, commands[0], place, at_once)
      running.append(_Running(job, commands, place, process, time.monotonic()))
    for entry in list(running):
      job, commands, place, process, began = entry
      if process.poll() is None:
        continue
      running.remove(entry)
      free.append(place)
      _note(job, commands[0], time.monotonic() - began)
      rest = commands[1:]
      job.code = process.returncode
      if stopping and job.code == -signal.SIGTERM:
        job.code = None  # it had nothing to save yet
      if job.code == 0 and rest and not stopping:
        waiting.insert(0, (job, rest))
      else:
        tell(job)
    time.sleep(_POLL_S)


def _end_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
  """Waits for processes to end, soon after SIGTERM if they do not themselves.

  Else they would go on unseen, and the command could not be given again.
  """
  deadline = time.monotonic() + _HEARD_S
  while time.monotonic() < deadline and any(
    p.poll() is None for p in processes
  ):
    time.sleep(_POLL_S)
  for process in processes:
    process.send_signal(signal.SIGTERM)
  for process in processes:
    process.wait()


class _Running(NamedTuple):
  """A process: the first of the commands that are left of a job."""

  job: Job
  commands: list[list[str]]
  place: int
  process: subprocess.Popen[bytes]
  began: float


def _note(job: Job, command: list[str], seconds: float) -> None:
  if job.times is not None and job.times.parent.is_dir():
    with job.times.open('a', encoding='utf-8') as file:
      module = command[command.index('-m') + 1]
      print(json.dumps({'command': module, 'seconds': seconds}), file=file)


def _start(
  job: Job, command: list[str], place: int, at_once: int
) -> subprocess.Popen[bytes]:
  env, gpus = dict(os.environ), accelerators()
  ours = sorted(os.sched_getaffinity(0))
  cores = ours
  if gpus:
    mine = gpus[place::at_once] or [gpus[place % len(gpus)]]
    env['CUDA_VISIBLE_DEVICES'] = ','.join(mine)
    if at_once > len(gpus):
      share = _GPU_MEMORY / -(-at_once // len(gpus))
      # By its new name: where both are set, JAX starts on no GPU at all.
      if 'XLA_PYTHON_CLIENT_MEM_FRACTION' not in env:
        env.setdefault('XLA_CLIENT_MEM_FRACTION', f'{share:.3f}')
  elif at_once <= len(ours):
    cores = ours[place::at_once]

  os.sched_setaffinity(0, cores)  # the process inherits it from this thread
  try:
    if job.log is None:
      out = subprocess.DEVNULL if job.quiet else None
      return subprocess.Popen(command, env=env, stdout=out)
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open('ab') as log:
      return subprocess.Popen(command, env=env, stdout=log, stderr=log)
  finally:
    os.sched_setaffinity(0, ours)


def together(arguments: Sequence[str], processes: int) -> list[list[str]]:
  """The commands of processes that train one run together."""
  if processes == 1:
    return [training(arguments)]
  address = f'localhost:{portpicker.pick_unused_port()}'
  return [
    training(
      [
        *arguments,
        f'--coordinator={address}',
        f'--num_processes={processes}',
        f'--process_id={index}',
      ]
    )
    for index in range(processes)
  ]


class Terminated:
  """Notices SIGTERM; called, it says whether there was one."""

  def __init__(self) -> None:
    self._asked = False
    signal.signal(signal.SIGTERM, self._note)

  def _note(self, *_: object) -> None:
    self._asked = True

  def __call__(self) -> bool:
    return self._asked


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_integer(
    'num_processes', 1, 'Processes that train one run together.', lower_bound=1
  )
  flags.DEFINE_bool('dry_run', False, 'Print the commands only.')


def main() -> dict[str, Any]:
  """Trains one run."""
  arguments = cli.forwarded()
  commands = together(arguments, flags.FLAGS.num_processes)
  if flags.FLAGS.dry_run:
    for command in commands:
      print(shlex.join(command))
    return {'processes': len(commands)}
  gpus = len(accelerators())
  if 0 < gpus < len(commands):
    raise errors.InputError(
      f'--num_processes={len(commands)}: every process needs a GPU of its own, '
      f'this host has {gpus}'
    )
  # The first one's result is printed by itself; ours is the last line.
  jobs = [Job(f'process {i}', [command]) for i, command in enumerate(commands)]
  ended: list[Job] = []
  run_all(jobs, len(jobs), Terminated(), ended.append, joint=True)
  for job in ended:  # the first that failed: the others have because of it
    if job.code:
      raise errors.InputError(f'{job.name} ended with exit code {job.code}')
  return {'processes': len(commands)}


if __name__ == '__main__':
  define_flags()
  cli.run(main, forwards=True)
