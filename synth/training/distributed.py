"""Several processes that train together, on one host or on many.

Every process runs the same command. They find each other by the environment of
SLURM (`srun`), on Cloud TPUs (GKE; elsewhere with `--distributed`) or by flags.
Each loads its own rows of each batch; the first writes metrics and records; all
write their shards of a checkpoint. They share a file system.
"""

from collections.abc import Callable
import os
from typing import TypeVar

from absl import flags
import jax
from jax.experimental import multihost_utils
import numpy as np

from synth import cli
from synth import errors

_T = TypeVar('_T')


def define_flags() -> None:
  """How the processes find each other."""
  flags.DEFINE_string(
    'coordinator',
    None,
    'HOST:PORT of the first process; not needed with srun and on Cloud TPUs.',
  )
  flags.DEFINE_integer(
    'num_processes', None, 'How many processes train together.', lower_bound=1
  )
  flags.DEFINE_integer(
    'process_id', None, 'Which of them this one is, from 0.', lower_bound=0
  )
  flags.DEFINE_bool(
    'distributed', False, 'Let JAX find the others, as on a Cloud TPU slice.'
  )
  cli.show('coordinator', 'num_processes', 'process_id', 'distributed')


def initialize() -> None:
  """Joins the other processes, if there are any; before JAX is first used.

  Raises:
    InputError: for flags that do not fit together, or if nobody comes.
  """
  args = flags.FLAGS
  given = {
    name: args[name].value
    for name in ('coordinator', 'num_processes', 'process_id')
  }
  missing = [f'--{name}' for name, value in given.items() if value is None]
  if missing and len(missing) < len(given):
    raise errors.InputError(
      f'several processes need {" and ".join(missing)} as well'
    )
  if missing and not (args.distributed or _found()):
    return
  if not missing and args.process_id >= args.num_processes:
    raise errors.InputError(
      f'--process_id={args.process_id} must be below '
      f'--num_processes={args.num_processes}'
    )
  if args.coordinator and not args.coordinator.rpartition(':')[2].isdigit():
    raise errors.InputError(
      f'--coordinator={args.coordinator} has no port: give HOST:PORT'
    )
  # SIGTERM is for `synth.training.preemption` to hear.
  jax.config.update('jax_enable_preemption_service', False)
  try:
    # Without arguments JAX asks SLURM or the TPU's metadata.
    jax.distributed.initialize(
      args.coordinator, args.num_processes, args.process_id
    )
    # Now, while all are here: on CPUs processes wait as long as need be for one
    # that comes late to a sum, but 30 s only for it to join their first one.
    multihost_utils.broadcast_one_to_all(np.int32(0))
  except (RuntimeError, ValueError) as error:
    reason = (str(error).strip().splitlines() or [repr(error)])[0]
    raise errors.InputError(
      f'the processes did not find each other: {reason}'
    ) from None


def _found() -> bool:
  """Whether the environment says that this is one process of several.

  `sbatch` alone runs one process, whatever SLURM_NTASKS says: srun makes steps.
  """
  tasks = os.environ.get('SLURM_STEP_NUM_TASKS', '1')
  workers = os.environ.get('TPU_WORKER_HOSTNAMES', '').split(',')
  return int(tasks) > 1 or len(workers) > 1


def is_first() -> bool:
  """Whether this process is the one that writes."""
  return jax.process_index() == 0


def first(action: Callable[[], _T]) -> _T | None:
  """Runs `action` in the first process; the others wait until it is done.

  Returns:
    What it returned; None in the other processes.

  Raises:
    InputError: in all processes, if the action raised one.
  """
  error: Exception | None = None
  result = None
  if is_first():
    try:
      result = action()
    except (errors.InputError, OSError) as raised:
      error = raised
  if jax.process_count() > 1:
    failed = multihost_utils.broadcast_one_to_all(np.int32(error is not None))
    if failed and error is None:
      raise errors.InputError('the first process has stopped: see its message')
  if error is not None:
    raise error
  return result
