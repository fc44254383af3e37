"""Submits training to SLURM, with submitit (`pip install -e '.[slurm]'`).

  python -m launch.slurm --nodes=2 --tasks_per_node=4 --hours=12 \\
    --folder=runs/slurm -- --config=configs/support.py:large --workdir=runs/x

Arguments after `--` are those of `synth.train`. The tasks find each other by
what srun tells them. `--cluster=local` runs the job on this host, to try it.
"""

import os
import shlex
from typing import Any

from absl import flags

from launch import local
from synth import cli
from synth import errors


def executor(cluster: str, folder: str, settings: dict[str, Any]) -> Any:
  """What submits jobs.

  Args:
    cluster: `slurm` or `local`.
    folder: Where scripts and logs go.
    settings: Of the job, as submitit names them.

  Raises:
    InputError: if submitit is missing, or there is no SLURM here.
  """
  try:
    import submitit
  except ImportError:
    raise errors.InputError(
      "launch.slurm needs the package submitit: pip install -e '.[slurm]'"
    ) from None
  try:
    made = submitit.AutoExecutor(folder=folder, cluster=cluster)
  except RuntimeError as error:
    reason = str(error).splitlines()[0]
    raise errors.InputError(f'--cluster={cluster}: {reason}') from None
  made.update_parameters(**settings)
  return made


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('folder', 'runs/slurm', 'Where scripts and logs go.')
  flags.DEFINE_enum('cluster', 'slurm', ['slurm', 'local'], 'Where to run.')
  flags.DEFINE_integer('nodes', 1, 'Hosts.', lower_bound=1)
  flags.DEFINE_integer('tasks_per_node', 1, 'Processes a host.', lower_bound=1)
  flags.DEFINE_integer('gpus_per_node', 0, 'GPUs a host.', lower_bound=0)
  flags.DEFINE_float('hours', 24, 'Time limit; SIGTERM comes before.')
  flags.DEFINE_string('partition', None, 'Of SLURM.')
  flags.DEFINE_bool('wait', False, 'Wait for the end and print the output.')
  flags.DEFINE_bool('dry_run', False, 'Print job and command only.')


def main() -> dict[str, Any]:
  """Submits one job."""
  args = flags.FLAGS
  command = local.training(cli.forwarded())
  settings: dict[str, Any] = {
    'name': 'synth',
    'nodes': args.nodes,
    'tasks_per_node': args.tasks_per_node,
    'timeout_min': max(1, round(60 * args.hours)),
  }
  if args.gpus_per_node:
    settings['gpus_per_node'] = args.gpus_per_node
  if args.partition:
    settings['slurm_partition'] = args.partition
  if args.dry_run:
    print(shlex.join(command))
    return settings
  if args.cluster == 'local' and args.nodes * args.tasks_per_node > 1:
    raise errors.InputError('--cluster=local runs one task: see launch.local')
  # Imported here: the helper is submitit's.
  made = executor(args.cluster, args.folder, settings)
  import submitit

  job = made.submit(submitit.helpers.CommandFunction(command, cwd=os.getcwd()))
  if args.wait:
    try:
      print(job.result())
    except (submitit.core.utils.FailedJobError, OSError) as error:
      text = str(error).strip().splitlines()
      raise errors.InputError(
        f'job {job.job_id} failed ({text[-1]}): see {job.paths.stderr}'
      ) from None
  return {'job': job.job_id, 'log': str(job.paths.stderr)}


if __name__ == '__main__':
  define_flags()
  cli.run(main, forwards=True)
