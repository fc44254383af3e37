"""A tiny training in processes of its own, which may be interrupted.

A run is a fork of a process that has imported everything: seconds a run, most
of them training.
"""

from collections.abc import Callable
import hashlib
import os
import pathlib
import sys
import time
import traceback
from typing import Any
from typing import NamedTuple
from typing import NoReturn

import jax
import ml_collections
import numpy as np
import portpicker

from configs import support as support_config
from synth import inputs as inputs_lib
from synth import runs
from synth import store
from synth import train
from synth.splits import support
from synth.training import checkpoint
from synth.training import trainer as trainer_lib

SETTINGS = {
  'universe.max_size': 5,
  'split.num_test': 4,
  'split.num_dev': 6,
  'data.batch_size': 32,
  'opt.num_steps': 60,
  'train.log_every_steps': 3,
  'train.dev_every_steps': 20,
  'train.checkpoint_every_steps': 4,
}
STATE, SECONDS = 'state.json', 'seconds.json'  # left by a finished child


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
    made.update_from_flattened_dict(SETTINGS)
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
        runs.write_json(workdir / SECONDS, seconds)
        runs.write_json(workdir / STATE, hashes)
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
    'states': runs.read_json(workdir / STATE),
    'metrics': [
      store.sha256_of_file(directory / runs.METRICS)
      for directory in training.runs(workdir)
    ],
  }
