"""The demonstration: both arms of a support split, end to end.

  python -m launch.demo --config=configs/support.py:small --workdir=runs/demo

runs the commands a user would type, one stage after the other, and prints them:
universe, spaces and split; training of the arm that never saw the held-out
structure and of the arm that did; evaluation and baselines of each; the report.
Run again, what was built and trained is found, and interrupted training is
resumed.
"""

from collections.abc import Callable
from collections.abc import Sequence
import dataclasses
import pathlib
import sys
import time
from typing import Any

from absl import flags

from analysis.runs import results
from launch import local
from synth import cli
from synth import errors
from synth import progress
from synth import runs
from synth import settings
from synth.splits import support

# Seconds of each kind of stage at `support.py:small` on two cores, measured;
# for other recipes they only say how the time divides.
_SECONDS = {
  'split': 10,
  'train': 460,
  'evaluate': 18,
  'baselines': 16,
  'report': 6,
}


@dataclasses.dataclass(frozen=True)
class Stage:
  """One command of the demonstration.

  Attributes:
    kind: Of `_SECONDS`.
    title: What it does, for the terminal.
    command: Module and arguments.
    leaves: Files that are there once it has come to its end: told to stop,
      training ends with exit code 0, too.
  """

  kind: str
  title: str
  command: list[str]
  leaves: tuple[str, ...] = ()


def stages(recipe: str, overrides: Sequence[str], workdir: str) -> list[Stage]:
  """The commands, in order.

  Args:
    recipe: FILE.py:VARIANT of a split with these arms.
    overrides: `--config.KEY=VALUE` for training.
    workdir: Directory of the demonstration.
  """
  data = f'{workdir}/data'
  config = [f'--config={recipe}', *overrides]
  found = [
    Stage(
      'split',
      'enumerate the universe, embed it in both spaces, split it, certify it',
      ['synth.splits', *config, f'--workdir={data}'],
    )
  ]
  arms = ','.join(support.ARMS)
  found.append(
    Stage(
      'train',
      f'train {support.WITHOUT}, which never sees what is held out, and '
      f'{support.WITH}, which sees it in part of its programs',
      [
        'synth.train',
        *config,
        f'--arms={arms}',
        f'--workdir={workdir}',
        f'--data={data}',
      ],
      tuple(f'{workdir}/{arm}/{runs.TRAINED}' for arm in support.ARMS),
    )
  )
  for arm in support.ARMS:
    found += [
      Stage(
        'evaluate',
        f'evaluate {arm} on matched control and on novel programs',
        ['synth.evaluate', f'--workdir={workdir}/{arm}'],
      ),
      Stage(
        'baselines',
        'solve the same tasks without a model',
        ['synth.baselines', f'--workdir={workdir}/{arm}'],
      ),
    ]
  out = f'--out={workdir}/report.html'
  report = ['analysis.report', f'--runs={workdir}', out]
  found.append(Stage('report', 'draw the report', report))
  return found


def run(
  todo: Sequence[Stage], pace: float | None, stop: Callable[[], bool]
) -> Stage | None:
  """Runs the stages, says what each does and how long is left.

  Args:
    todo: The stages.
    pace: Seconds that a second of the plan takes, None if not known: what is
      left is told once two stages have shown it.
    stop: Asked often; once true, the present stage is told to save and end.

  Returns:
    The stage at which it was stopped; None if it was not.

  Raises:
    InputError: if a stage fails; its own message stands above.
  """
  began = time.monotonic()
  planned = [_SECONDS[stage.kind] for stage in todo]
  for number, stage in enumerate(todo):
    spent = time.monotonic() - began
    if number >= 2:  # how this machine has kept the plan so far
      pace = spent / sum(planned[:number])
    left = ''
    if pace is not None:
      left = progress.duration(pace * sum(planned[number:]))
      left = f'      about {left} left in all\n'
    print(
      f'\n[{number + 1}/{len(todo)}] {stage.title}\n{left}'
      f'      python -m {" ".join(stage.command)}',
      file=sys.stderr,
      flush=True,
    )
    command = [sys.executable, '-m', *stage.command]
    job = local.Job(stage.kind, [command], quiet=True)
    local.run_all([job], 1, stop, lambda _: None)
    if job.code:
      raise errors.InputError(
        f'stage {number + 1} ended with exit code {job.code}: '
        f'python -m {" ".join(stage.command)}'
      )
    if stop():
      return stage
    if not all(pathlib.Path(path).exists() for path in stage.leaves):
      raise errors.InputError(
        f'stage {number + 1} was stopped before its end: the same command goes '
        'on'
      )
  return None


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/support.py:small')
  flags.DEFINE_string('workdir', None, 'Where all goes.', required=True)


def main() -> dict[str, Any]:
  """Runs the demonstration and prints its table."""
  began = time.monotonic()
  workdir = pathlib.Path(flags.FLAGS.workdir)
  recipe = cli.recipe_of(sys.argv)
  settings.check(flags.FLAGS.config, *settings.PARTS)
  if flags.FLAGS.config.split.kind == 'density':
    raise errors.InputError(
      f'{recipe} has split.kind={flags.FLAGS.config.split.kind!r}: the '
      'demonstration needs a recipe that holds something out'
    )
  if (workdir / runs.RECORD).exists():
    raise errors.InputError(
      f'{workdir} is a run of its own: give the demonstration another directory'
    )
  pace = 1.0 if recipe.endswith('support.py:small') else None
  todo = stages(recipe, cli.overrides(), str(workdir))
  stopped = run(todo, pace, local.Terminated())
  if stopped is not None:
    print('terminated: the same command goes on', file=sys.stderr)
    return {'stopped_at': stopped.kind}
  found = results.load(workdir)
  print(f'\n{results.table(found)}\n')
  result = {
    'report': str(workdir / 'report.html'),
    'seconds': round(time.monotonic() - began),
    'effects': {
      f'{found[0].measure}@{k} {e.name}': [e.estimate, e.low, e.high]
      for k in results.headline(found)
      for e in results.support_effects(found, k)
    },
  }
  runs.write_json(workdir / 'demo.json', result)
  return result


if __name__ == '__main__':
  define_flags()
  cli.run(main)
