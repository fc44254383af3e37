"""Baselines on the tests of a run, charged for what they need.

  python -m synth.baselines --workdir=DIR [--budget=65536 --bank_size=5]
  python -m synth.baselines --config=configs/support.py:tiny --workdir=DIR

reads the config of the run in DIR, or takes the one given (for data without a
model), and writes DIR/baselines.json: of each baseline the share of tasks
solved by so many candidates, each task apart (`classes` says which they are),
and what it was charged (`charges`). Run again with the same settings it goes on
where it was. `--record=FILE` adds the shares and charges to the record of a
run of a study (`synth.records`) with the same arm and data.
"""

from collections.abc import Callable
import pathlib
import sys
from typing import Any

from absl import flags
import jax
import ml_collections

from synth import cli
from synth import errors
from synth import inputs as inputs_lib
from synth import packing
from synth import records
from synth import runs
from synth import settings
from synth.baselines import best_constant
from synth.baselines import charges
from synth.baselines import enumeration
from synth.baselines import meet_in_the_middle
from synth.baselines import nearest_neighbour
from synth.baselines import pcfg
from synth.baselines import results
from synth.evaluation import verify

BASELINES: dict[str, Callable[[charges.Tasks], charges.Charged]] = {
  'nearest_neighbour': nearest_neighbour.solve,
  'best_constant': best_constant.solve,
  'pcfg': pcfg.solve,
  'enumeration': enumeration.solve,
  'meet_in_the_middle': meet_in_the_middle.solve,
}
_BUDGET = 16**5
_BANK_SIZE = 5


def run(
  config: ml_collections.ConfigDict,
  inputs: inputs_lib.Inputs,
  workdir: pathlib.Path,
  budget: int = _BUDGET,
  bank_size: int = _BANK_SIZE,
) -> dict[str, Any]:
  """Runs all baselines that are not in `workdir` yet.

  Args:
    config: Of the run, or of the data.
    inputs: Made by that config.
    workdir: Gets baselines.json.
    budget: Candidates a task, at most.
    bank_size: Nodes of the largest programs in a bank.

  Returns:
    What is written.

  Raises:
    InputError: for impossible settings or a file that cannot be written.
  """
  for name, value in (('budget', budget), ('bank_size', bank_size)):
    if value < 1:
      raise errors.InputError(f'{name}={value} must be positive')
    if value >= 1 << 63:  # it is compared with arrays of 64 bits
      raise errors.InputError(f'{name}={value} must be below 2**63')
  arm = config.data.arm
  settings.choose(arm, inputs.split.arms, 'data.arm')
  head = {
    'arm': arm,
    'config': settings.plain(config),
    'settings': {'budget': budget, 'bank_size': bank_size},
    'inputs_sha256': inputs.sha256,
    'classes': {
      name: packing.pack(class_I, '<i4')
      for name, class_I in inputs.split.evaluation_sets().items()
    },
    'versions': runs.versions(),
    'device': jax.devices()[0].device_kind,
  }
  tasks = charges.Tasks(
    inputs,
    arm,
    inputs.context.grid,
    verify.Verifier.of(config, inputs.universe),
    budget,
    bank_size,
  )
  path = workdir / runs.BASELINES
  found = _so_far(path, head)
  for number, (name, solve) in enumerate(BASELINES.items()):
    if name in found:
      continue
    print(
      f'[{number + 1}/{len(BASELINES)}] {name.replace("_", " ")}',
      file=sys.stderr,
      flush=True,
    )
    try:
      found[name] = solve(tasks).to_json(tasks)
    except charges.Inapplicable as reason:
      found[name] = {'inapplicable': str(reason)}
    runs.write_sealed(path, {**head, 'baselines': found})
  return {**head, 'baselines': found}


def _so_far(path: pathlib.Path, head: dict[str, Any]) -> dict[str, Any]:
  """What an earlier call with the same settings has found."""
  if not path.exists():
    return {}
  stored = results.read(path)
  if {key: stored.get(key) for key in head} != head:
    return {}  # of other settings: made anew, as evaluating again does
  return {
    name: value
    for name, value in stored['baselines'].items()
    if name in BASELINES
  }


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/support.py:tiny', required=False)
  flags.DEFINE_string(
    'workdir', None, 'A trained run, or where to write.', required=True
  )
  flags.DEFINE_string(
    'data', None, 'With --config: where the data are; WORKDIR if not given.'
  )
  flags.DEFINE_string('record', None, 'A record of a study to add them to.')
  flags.DEFINE_integer('budget', _BUDGET, 'Candidates a task, at most.')
  flags.DEFINE_integer(
    'bank_size', _BANK_SIZE, 'Nodes of the largest programs in a bank.'
  )


def main() -> dict[str, Any]:
  """Runs the baselines; the last line has the share solved by each."""
  args = flags.FLAGS
  workdir = pathlib.Path(args.workdir)
  if args.config:
    config = args.config
    inputs = inputs_lib.load_or_build(
      config, pathlib.Path(args.data or workdir)
    )
  else:
    config = ml_collections.ConfigDict(runs.read_record(workdir)['config'])
    inputs = inputs_lib.of_run(workdir, config)
  result = run(config, inputs, workdir, args.budget, args.bank_size)
  if args.record:
    baselines = workdir / runs.BASELINES
    records.add_baselines(pathlib.Path(args.record), baselines)
  return {
    name: {tests: told['solved'] for tests, told in found['tests'].items()}
    for name, found in result['baselines'].items()
    if 'tests' in found
  }


if __name__ == '__main__':
  define_flags()
  cli.run(main)
