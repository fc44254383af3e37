"""Commands that train on Cloud TPUs; prints them, for you to run.

  python -m launch.tpu --name=synth --type=v5litepod-16 --zone=us-west4-a \\
    -- --config=configs/support.py:large --workdir=/mnt/bucket/x

Arguments after `--` are those of `synth.train`; WORKDIR has to be a file system
that all hosts share. `--with=gcloud` is for TPU VMs; `xpk` for a GKE cluster
that `xpk cluster create` has made; `skypilot` prints a file for `sky jobs
launch`, which starts a preempted run again, on TPU VMs, `skypilot_gke` one for
a slice of a single host in a GKE cluster. gcloud and xpk send the last commit.
None was run on a TPU here; the flags are those of the tools' documentation.
"""

from collections.abc import Mapping
import json
import pathlib
import shlex
import subprocess

from absl import flags

from synth import cli
from synth import errors

# The images of TPU VMs come with Python 3.10, which is too old: uv brings one.
_INSTALL = (
  'python3 -m pip install uv && python3 -m uv venv --python=3.12 .venv && '
  'python3 -m uv pip install --python=.venv/bin/python -c constraints.txt '
  "-e '.[tpu]'"
)


# What the nodes of a slice are called in GKE, how many units of the slice's
# type a chip has (those of v4 and v5p count cores), and the chips of one host.
_GKE = {
  'v4': ('tpu-v4-podslice', 2, 4),
  'v5p': ('tpu-v5p-slice', 2, 4),
  'v5litepod': ('tpu-v5-lite-podslice', 1, 8),
  'v6e': ('tpu-v6e-slice', 1, 8),
}

_TRAIN = ['.venv/bin/python', '-m', 'synth.train']


def train(arguments: list[str]) -> str:
  """The command of every host; JAX finds the others by the TPU's metadata."""
  return shlex.join([*_TRAIN, '--distributed', *arguments])


def _check_sent(arguments: list[str]) -> None:
  """Refuses recipes and grammars that the last commit lacks.

  Raises:
    InputError: names the file.
  """
  for word in arguments:
    name, _, value = word.partition('=')
    if name not in ('--config', '--config.universe.grammar'):
      continue
    path = value.partition(':')[0] if name == '--config' else value
    known = ['git', 'ls-tree', '--name-only', 'HEAD', '--', path]
    found = subprocess.run(known, capture_output=True, text=True, check=False)
    if not found.stdout.strip():
      raise errors.InputError(
        f'{name}={value}: the last commit, which is sent, has no {path}'
      )


def _copy(arguments: list[str]) -> tuple[list[str], str]:
  """The command that copies the last commit, without runs, and to where.

  Raises:
    InputError: if it lacks what the arguments name.
  """
  _check_sent(arguments)
  place = f'runs/upload-{flags.FLAGS.name}'
  source = f'file://{pathlib.Path.cwd()}'
  return ['git', 'clone', '--depth=1', source, place], place


def gcloud(arguments: list[str], slice_type: str) -> list[str]:
  """Creates a TPU VM, installs, trains on all of its hosts, deletes it."""
  args = flags.FLAGS
  vm = ['gcloud', 'compute', 'tpus', 'tpu-vm']
  zone, every = f'--zone={args.zone}', '--worker=all'
  copy, place = _copy(arguments)
  here = f'cd synth && {_INSTALL} && {train(arguments)}'
  commands = [
    copy,
    [*vm, 'create', args.name, zone, f'--accelerator-type={slice_type}',
     f'--version={args.image}'],
    [*vm, 'scp', place, f'{args.name}:synth', '--recurse', zone, every],
    [*vm, 'ssh', args.name, zone, every, f'--command={here}'],
    [*vm, 'delete', args.name, zone, '--quiet'],
  ]  # fmt: skip
  return [shlex.join(command) for command in commands]


def xpk(arguments: list[str], slice_type: str) -> list[str]:
  """Starts a workload in a GKE cluster that xpk has made."""
  args = flags.FLAGS
  copy, place = _copy(arguments)
  command = [
    'xpk', 'workload', 'create', f'--cluster={args.cluster}',
    f'--workload={args.name}', f'--tpu-type={slice_type}', '--num-slices=1',
    f'--zone={args.zone}', '--base-docker-image=python:3.12',
    f'--script-dir={place}', f'--command={_INSTALL} && {train(arguments)}',
  ]  # fmt: skip
  return [shlex.join(copy), shlex.join(command)]


def _sky_task(resources: Mapping[str, object], run: str) -> list[str]:
  """The lines of a task file of SkyPilot; JSON is YAML."""
  task = {
    'name': flags.FLAGS.name,
    'resources': resources,
    'workdir': '.',
    'setup': _INSTALL,
    'run': run,
  }
  return json.dumps(task, indent=2).splitlines()


def skypilot(arguments: list[str], slice_type: str) -> list[str]:
  """A task file for TPU VMs."""
  args = flags.FLAGS
  resources = {
    'accelerators': f'tpu-{slice_type}:1',
    'accelerator_args': {'runtime_version': args.image},
    'infra': f'gcp/*/{args.zone}',
    'use_spot': True,
  }
  return _sky_task(resources, train(arguments))


def skypilot_gke(arguments: list[str], slice_type: str) -> list[str]:
  """A task file for a slice in GKE.

  SkyPilot asks GKE for slices of one host only, and not for spot ones
  (skypilot-org/skypilot, pull request 3947), so there is nobody to find.

  Raises:
    InputError: a type that GKE does not have, or one of several hosts.
  """
  kind, _, units = slice_type.rpartition('-')
  if kind not in _GKE or not units.isdecimal() or not int(units):
    some = ', '.join(f'{kind}-N' for kind in _GKE)
    raise errors.InputError(f'--type={slice_type}: GKE has {some}')
  accelerator, a_chip, a_host = _GKE[kind]
  chips = -(-int(units) // a_chip)
  if chips > a_host:
    raise errors.InputError(
      f'--type={slice_type}: {chips} chips are more than one host of {kind} '
      f'has ({a_host}); for several hosts in GKE take --with=xpk'
    )
  resources = {'accelerators': f'{accelerator}:{chips}', 'infra': 'k8s'}
  return _sky_task(resources, shlex.join([*_TRAIN, *arguments]))


_WITH = {
  'gcloud': gcloud,
  'xpk': xpk,
  'skypilot': skypilot,
  'skypilot_gke': skypilot_gke,
}


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('name', 'synth', 'Of the TPU VM, workload or task.')
  flags.DEFINE_string('cluster', 'synth', 'Of GKE, for xpk.')
  flags.DEFINE_string('type', 'v5litepod-8', 'Type and size of the slice.')
  flags.DEFINE_string('zone', 'us-west4-a', 'Of the slice.')
  flags.DEFINE_string('image', 'v2-alpha-tpuv5-lite', 'Of the TPU VM.')
  flags.DEFINE_enum('with', 'gcloud', list(_WITH), 'What the commands are for.')
  flags.DEFINE_bool('dry_run', True, 'The commands are printed, not run.')


def main() -> None:
  """Prints the commands, and nothing else: for a shell or a file."""
  args = flags.FLAGS
  if not args.dry_run:
    raise errors.InputError('launch.tpu only prints commands: run these')
  lines = _WITH[args['with'].value](cli.forwarded(), args.type)
  print('\n'.join(lines))


if __name__ == '__main__':
  define_flags()
  cli.run(main, forwards=True)
