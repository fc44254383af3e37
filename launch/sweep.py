"""Trains at many settings: a grid, a list, or a study of several recipes.

  python -m launch.sweep --out=runs/sweep --over=opt.lr=1e-3,3e-3 \\
    --over=train.seed=0,2 -- --config=configs/support.py:tiny

trains at every combination; `--point='opt.lr=1e-3 model.D=64'`, given once for
each, at the listed ones. Arguments after `--` are those of `synth.train`,
common to all. Finished runs are skipped, interrupted ones resumed: the same
command goes on, and with `--time_budget` stops in time, everything saved.
Runs share their data where they may.

  python -m launch.sweep --config=configs/study.py:cpu --time_budget=5400

trains and evaluates the runs of a study (`launch.study`), then its baselines,
and leaves a record of each run in `results/TIER/`; call it again until it says
done.
"""

from collections.abc import Callable
from collections.abc import Sequence
import dataclasses
import itertools
import pathlib
import shlex
import sys
import time
from typing import Any

from absl import flags

from launch import local
from launch import study
from synth import cli
from synth import errors
from synth import runs
from synth import train
from synth.splits import split as split_lib

_SWEEP = 'sweep.json'
_DATA_PARTS = ('universe', 'spaces', 'split')
# Flags that a sweep chooses for each run.
_OURS = (
  'arms',
  'coordinator',
  'data',
  'num_processes',
  'process_id',
  'workdir',
)

Point = dict[str, str]  # config key -> value


@dataclasses.dataclass(frozen=True)
class Run:
  """A point of the sweep.

  Attributes:
    workdir, data_dir: Where the run and its inputs are.
    settings: `--config.KEY=VALUE` of the point.
    data_settings: Those of them that shape the inputs.
  """

  workdir: pathlib.Path
  data_dir: pathlib.Path
  settings: list[str]
  data_settings: list[str]


def grid(axes: Sequence[str]) -> list[Point]:
  """All combinations of KEY=VALUE,VALUE,... axes, the last one fastest.

  Raises:
    InputError: names an axis that is not of this form, or a key given twice.
  """
  parsed = [_setting(axis) for axis in axes]
  keys = [key for key, _ in parsed]
  if len(set(keys)) < len(keys):
    raise errors.InputError(f'--over has a key twice: {", ".join(keys)}')
  values = [text.split(',') for _, text in parsed]
  return [
    dict(zip(keys, chosen, strict=True))
    for chosen in itertools.product(*values)
  ]


def listed(points: Sequence[str]) -> list[Point]:
  """Points written as KEY=VALUE KEY=VALUE ...

  Raises:
    InputError: names a point that is not of this form, or has a key twice.
  """
  found = []
  for point in points:
    try:
      parts = shlex.split(point)
    except ValueError as error:  # a quotation that does not end
      reason = str(error).lower()
      raise errors.InputError(f'--point={point}: {reason}') from None
    parsed = [_setting(part) for part in parts]
    keys = [key for key, _ in parsed]
    if len(set(keys)) < len(keys):
      raise errors.InputError(f'--point has a key twice: {", ".join(keys)}')
    found.append(dict(parsed))
  return found


def _setting(text: str) -> tuple[str, str]:
  key, equals, value = text.partition('=')
  if not (key and equals and value):
    raise errors.InputError(f'{text!r} is not KEY=VALUE')
  return key.removeprefix('config.'), value


def plan(out: pathlib.Path, points: Sequence[Point]) -> list[Run]:
  """The runs, named after their settings.

  Raises:
    InputError: if a point is given twice.
  """
  found = []
  for point in points:
    shaping = {k: v for k, v in point.items() if k.split('.')[0] in _DATA_PARTS}
    found.append(
      Run(
        out / _name(point),
        out / '-'.join(filter(None, ['data', _name(shaping)])),
        [f'--config.{key}={value}' for key, value in point.items()],
        [f'--config.{key}={value}' for key, value in shaping.items()],
      )
    )
  for one, two in itertools.combinations(found, 2):
    if one.workdir == two.workdir:
      raise errors.InputError(f'the point {one.workdir.name} is given twice')
  return found


def _name(point: Point) -> str:
  # A value may be a path; a name may not.
  return ','.join(f'{k}={v.replace("/", "_")}' for k, v in point.items())


def finished(run: Run, evaluates: bool) -> bool:
  """Whether nothing is left to do for a run."""
  trained = (run.workdir / runs.TRAINED).exists()
  return trained and (not evaluates or runs.is_evaluated(run.workdir))


def check(run: Run, common: Sequence[str]) -> None:
  """Refuses a run whose config nothing could be trained with.

  Raises:
    InputError: names the run and the setting.
  """
  config = cli.load_config([*_of_config(common), *run.settings])
  try:
    train.check(config)
  except errors.InputError as error:
    raise errors.InputError(f'{run.workdir.name}: {error}') from None


def _of_config(common: Sequence[str]) -> list[str]:
  return [a for a in common if a.startswith(('--config=', '--config.'))]


def data_jobs(todo: Sequence[Run], common: Sequence[str]) -> list[local.Job]:
  """Builds the inputs of the runs, each once."""
  command = [sys.executable, '-m', 'synth.splits', *_of_config(common)]
  return [
    local.Job(
      str(run.data_dir),
      [[*command, *run.data_settings, f'--workdir={run.data_dir}']],
    )
    for run in {run.data_dir: run for run in todo}.values()
    if not split_lib.stored(run.data_dir)
  ]


def run_job(run: Run, common: Sequence[str], evaluates: bool) -> local.Job:
  """Trains a run, and evaluates it if asked."""
  places = [f'--workdir={run.workdir}', f'--data={run.data_dir}']
  commands = [local.training([*common, *run.settings, *places])]
  if evaluates:
    commands.append(
      [sys.executable, '-m', 'synth.evaluate', f'--workdir={run.workdir}']
    )
  log = run.workdir.with_name(f'{run.workdir.name}.log')
  return local.Job(run.workdir.name, commands, log)


def note(out: pathlib.Path, common: list[str]) -> None:
  """Writes down what all runs of a sweep share.

  Raises:
    InputError: if `out` is a sweep with other arguments.
  """
  if (out / _SWEEP).exists():
    old = runs.read_json(out / _SWEEP)
    runs.check_same(out / _SWEEP, old, {'arguments': common})
  runs.write_json(out / _SWEEP, {'arguments': common})


def sweep(
  out: pathlib.Path,
  found: Sequence[Run],
  common: list[str],
  evaluates: bool,
  at_once: int,
  stop: Callable[[], bool],
) -> dict[str, int]:
  """Runs what is not finished, until it is or `stop` says so.

  Args:
    out: Directory of the sweep.
    found: All its runs.
    common: Arguments that all runs share.
    evaluates: Whether to evaluate, too.
    at_once: Runs at a time.
    stop: Asked often; running ones are told to save and end.

  Returns:
    How many runs there are, are finished and are left.

  Raises:
    InputError: if `out` is a sweep with other arguments, a config is
      impossible, or runs failed.
  """
  todo = [run for run in found if not finished(run, evaluates)]
  for run in todo:  # before any builds what takes long
    check(run, common)
  note(out, common)

  def left() -> int:
    return sum(not finished(run, evaluates) for run in found)

  def tell(job: local.Job) -> None:
    state = f'exit code {job.code}: see {job.log}' if job.code else 'ended'
    print(f'sweep: {left()} of {len(found)} runs left; {job.name} {state}',
          file=sys.stderr, flush=True)  # fmt: skip

  inputs = data_jobs(todo, common)
  local.run_all(inputs, 1, stop, lambda _: None)
  for job in inputs:
    if job.code:
      raise errors.InputError(f'the inputs in {job.name} could not be made')
  jobs = [run_job(run, common, evaluates) for run in todo]
  local.run_all(jobs, at_once, stop, tell)
  failed = [job for job in jobs if job.code]
  if failed:
    raise errors.InputError(
      f'{len(failed)} of {len(found)} runs failed: see {failed[0].log}'
    )
  return {
    'runs': len(found),
    'finished': len(found) - left(),
    'left': left(),
  }


def define_points() -> None:
  """The flags that say what to sweep over; `from_flags` reads them."""
  flags.DEFINE_string(
    'out', None, 'Directory of the sweep; for a study runs/study-TIER.'
  )
  flags.DEFINE_multi_string(
    'over', [], 'KEY=VALUE,VALUE,...: an axis of a grid; repeat for more.'
  )
  flags.DEFINE_multi_string(
    'point', [], "'KEY=VALUE KEY=VALUE ...': one point; repeat for more."
  )
  flags.DEFINE_bool('evaluate', False, 'Evaluate every run after training.')
  cli.show('out', 'over', 'point', 'evaluate')


def from_flags(common: Sequence[str]) -> list[Run]:
  """The runs of the sweep that the flags describe.

  Args:
    common: Arguments that all runs share.

  Raises:
    InputError: if there is no directory, or an argument is the sweep's to give.
  """
  args = flags.FLAGS
  if not args.out:
    raise errors.InputError('give --out=... (see --help)')
  for flag in common:
    if flag.lstrip('-').partition('=')[0] in _OURS:
      raise errors.InputError(f'{flag}: a sweep chooses it for each run')
  points = grid(args.over) if args.over else listed(args.point)
  return plan(pathlib.Path(args.out), points)


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/study.py:cpu', required=False)
  define_points()
  flags.DEFINE_string('results', 'results', 'Directory of records of studies.')
  flags.DEFINE_integer(
    'at_once',
    None,
    "Runs at a time; one a GPU, or one; for a study its tier's.",
    lower_bound=1,
  )
  cli.define_seconds(
    'time_budget', None, 'Seconds after which to save and stop.'
  )
  flags.DEFINE_bool(
    'dry_run', False, 'Print the commands only; of a study what is left to do.'
  )


def main() -> dict[str, Any]:
  """Sweeps."""
  args = flags.FLAGS
  common = cli.forwarded()
  if bool(args.over) + bool(args.point) + bool(args.config) != 1:
    raise errors.InputError('give one of --config, --over and --point')
  if args.config:
    return _study(common)
  found = from_flags(common)
  if args.dry_run:
    todo = [run for run in found if not finished(run, args.evaluate)]
    jobs = [run_job(run, common, args.evaluate) for run in todo]
    for job in [*data_jobs(todo, common), *jobs]:
      for command in job.commands:
        print(shlex.join(command))
    return {'runs': len(found), 'finished': len(found) - len(todo)}
  at_once = args.at_once or len(local.accelerators()) or 1
  out = pathlib.Path(args.out)
  return sweep(out, found, common, args.evaluate, at_once, _stop())


def _study(common: Sequence[str]) -> dict[str, Any]:
  """Runs a study, or says what it would do."""
  args = flags.FLAGS
  if 'runs' not in args.config:
    raise errors.InputError(
      'the config is no study: give a recipe after --, with --over or --point'
    )
  if common:
    raise errors.InputError(f'{common[0]}: a study takes no further arguments')
  tier = args.config.tier
  out = pathlib.Path(args.out or f'runs/study-{tier}')
  found = study.Study(args.config, out, pathlib.Path(args.results))
  at_once = args.at_once or found.at_once
  if args.dry_run:
    print(study.describe(found, at_once, args.time_budget or found.slice_s))
    estimates = found.estimates()
    seconds = sum(sum(estimates[run]) for run in found.left())
    return {
      'runs': len(found.runs),
      'left': len(found.left()),
      'without_baselines': len(found.without_baselines()),
      'seconds_left': round(seconds / at_once),
    }
  return found.sweep(at_once, _stop())


def _stop() -> Callable[[], bool]:
  """Whether to stop: time is over, or there was a SIGTERM."""
  budget_s = flags.FLAGS.time_budget
  began, terminated = time.monotonic(), local.Terminated()

  def stop() -> bool:
    over = budget_s is not None and time.monotonic() - began > budget_s
    return over or terminated()

  return stop


if __name__ == '__main__':
  define_flags()
  cli.run(main, forwards=True)
