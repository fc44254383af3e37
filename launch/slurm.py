"""Submits training to SLURM, with submitit (`pip install -e '.[slurm]'`).

  python -m launch.slurm --nodes=2 --tasks_per_node=4 --gpus_per_node=4 \\
    --hours=12 --sbatch=partition=gpu -- \\
    --config=configs/support.py:large --workdir=runs/x

Arguments after `--` are those of `synth.train`. The tasks find each other by
what srun tells them. With `--out` and `--over` or `--point`, those of
`launch.sweep`, all runs that are not finished are submitted as an array.

SIGTERM, which SLURM sends when it preempts and we have it send before the time
limit, saves and ends a job: submit it again to go on. What SLURM requeues goes
on by itself. `--cluster=local` runs the job on this host, to try it.
"""

from collections.abc import Sequence
import functools
import math
import os
import shlex
from typing import Any

from absl import flags

from launch import local
from launch import sweep
from synth import cli
from synth import errors

# Seconds before the time limit. submitit would send SIGUSR2, which no process
# but its own expects: training would die of it, unsaved.
_SIGNAL = 'TERM@90'
_LEAST_MIN = 3  # SLURM may send it a minute early
# Since SLURM 22.05 srun does not take this over from sbatch.
_CPUS = '[ -z "$SLURM_CPUS_PER_TASK" ] ||'
_CPUS += ' export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"'


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


def in_order(commands: Sequence[list[str]], cwd: str) -> str:
  """Runs commands in a job, none after one that was told to stop.

  Returns:
    What the last one printed.
  """
  import submitit

  terminated, printed = local.Terminated(), ''
  for command in commands:
    if not terminated():  # the signal reaches the command as well
      printed = submitit.helpers.CommandFunction(command, cwd=cwd)()
  return printed


def settings() -> dict[str, Any]:
  """The job as the flags describe it, as submitit names it.

  Raises:
    InputError: for flags that do not fit together.
  """
  args = flags.FLAGS
  tasks = args.nodes * args.tasks_per_node
  sweeps = bool(args.over) + bool(args.point)
  if sweeps > 1 or bool(args.out) != bool(sweeps) or args.evaluate > sweeps:
    raise errors.InputError('a sweep has --out and either --over or --point')
  if args.cluster == 'local' and (tasks > 1 or sweeps):
    raise errors.InputError(
      '--cluster=local runs one task: see launch.local and launch.sweep'
    )
  if tasks > 1 and args.gpus_per_node not in (0, args.tasks_per_node):
    raise errors.InputError(
      f'--gpus_per_node={args.gpus_per_node} needs as many --tasks_per_node: '
      'of several tasks each uses one GPU'
    )
  if tasks > 1 and args.evaluate:
    raise errors.InputError('--evaluate needs --nodes=1 --tasks_per_node=1')
  if not 0 < args.hours < math.inf:
    raise errors.InputError(f'--hours={args.hours} is no time limit')
  sbatch = {'signal': _SIGNAL}
  for option in args.sbatch:
    key, equals, value = option.partition('=')
    if not (key and equals and value):
      raise errors.InputError(f'--sbatch={option} is not KEY=VALUE')
    sbatch[key] = value
  found: dict[str, Any] = {
    'name': 'synth',
    'nodes': args.nodes,
    'tasks_per_node': args.tasks_per_node,
    'timeout_min': max(_LEAST_MIN, round(60 * args.hours)),
    'slurm_setup': [_CPUS],
    'slurm_additional_parameters': sbatch,
  }
  if args.gpus_per_node:
    found['gpus_per_node'] = args.gpus_per_node
  return found


def define_flags() -> None:
  """The command line."""
  sweep.define_points()
  flags.DEFINE_string('folder', 'runs/slurm', 'Where scripts and logs go.')
  flags.DEFINE_enum('cluster', 'slurm', ['slurm', 'local'], 'Where to run.')
  flags.DEFINE_integer('nodes', 1, 'Hosts.', lower_bound=1)
  flags.DEFINE_integer('tasks_per_node', 1, 'Processes a host.', lower_bound=1)
  flags.DEFINE_integer('gpus_per_node', 0, 'GPUs a host.', lower_bound=0)
  flags.DEFINE_float('hours', 24, 'Time limit; SIGTERM comes before.')
  flags.DEFINE_multi_string(
    'sbatch', [], 'KEY=VALUE: another option of sbatch, as cpus-per-task=8.'
  )
  flags.DEFINE_bool('wait', False, 'Wait for the end and print the output.')
  flags.DEFINE_bool('dry_run', False, 'Print job and commands only.')


def main() -> dict[str, Any]:
  """Submits a job, or an array of them."""
  args, common = flags.FLAGS, cli.forwarded()
  job_settings = settings()
  if not cli.recipe_of(common):  # else known only when the job starts
    raise errors.InputError('give --config=... of training after --')
  if args.out:
    found = sweep.from_flags(common)
    todo = [run for run in found if not sweep.finished(run, args.evaluate)]
    jobs = [sweep.run_job(run, common, args.evaluate).commands for run in todo]
  else:
    todo, jobs = [], [[local.training(common)]]
  if args.dry_run:
    for commands in jobs:
      for command in commands:
        print(shlex.join(command))
    return job_settings
  made = executor(args.cluster, args.folder, job_settings)
  for run in todo:  # the first job that needs the inputs makes them there
    sweep.note(run.workdir.parent, common)
    run.data_dir.mkdir(parents=True, exist_ok=True)
  cwd = os.getcwd()
  calls = [functools.partial(in_order, commands, cwd) for commands in jobs]
  submitted = made.submit_array(calls) if calls else []
  if args.wait:
    _wait(submitted)
  return {
    'jobs': [job.job_id for job in submitted],
    'logs': [str(job.paths.stderr) for job in submitted],
  }


def _wait(submitted: Sequence[Any]) -> None:
  """Prints what the first task of each job printed, once all have ended.

  Raises:
    InputError: names the jobs that failed.
  """
  failed = [job for job in submitted if job.exception() is not None]
  for job in submitted:
    if job not in failed:
      print(job.results()[0])
  if failed:
    raise errors.InputError(
      f'{len(failed)} of {len(submitted)} jobs failed: see '
      f'{failed[0].paths.stderr}'
    )


if __name__ == '__main__':
  define_flags()
  cli.run(main, forwards=True)
