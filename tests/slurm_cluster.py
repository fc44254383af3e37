"""A SLURM of one node on this machine, from Debian's packages, not installed.

They are unpacked into a directory of the checkout; nothing else is touched.
Authentication is off: everything runs as the user of the tests.
"""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import portpicker

_PACKAGES = (
  'slurmctld', 'slurmd', 'slurm-client', 'slurm-wlm-basic-plugins',
  'libhwloc15', 'libmunge2',
)  # fmt: skip
_CONFIG = """
ClusterName=test
SlurmctldHost=localhost
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
MpiDefault=none
KillWait=120
PluginDir={plugins}
StateSaveLocation={work}
SlurmdSpoolDir={work}
SlurmctldPidFile={work}/slurmctld.pid
SlurmdPidFile={work}/slurmd.pid
SlurmctldLogFile={work}/slurmctld.log
SlurmdLogFile={work}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
NodeName=localhost CPUs=8 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES
"""
_START_S = 60.0


class Unavailable(Exception):
  """Why there can be no SLURM here."""


def fetch(directory: pathlib.Path) -> None:
  """Downloads and unpacks the packages, once.

  Raises:
    Unavailable: says why they cannot be had.
  """
  if directory.exists():
    return
  if not sys.platform.startswith('linux') or os.geteuid():
    raise Unavailable('needs Linux and root')
  if not shutil.which('apt-get') or not shutil.which('dpkg'):
    raise Unavailable('needs apt-get and dpkg')
  directory.parent.mkdir(parents=True, exist_ok=True)
  partial = pathlib.Path(tempfile.mkdtemp(dir=directory.parent))
  options = ['-o', 'Acquire::Retries=0', '-o', 'Acquire::http::Timeout=10']
  try:
    subprocess.run(
      ['apt-get', *options, 'download', *_PACKAGES],
      cwd=partial, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    for package in partial.glob('*.deb'):
      subprocess.run(['dpkg', '-x', package, partial], check=True)
  except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
    shutil.rmtree(partial)
    said = (error.stderr or b'').decode().splitlines() or [str(error)]
    raise Unavailable(f'no packages: {said[-1]}') from None
  try:
    partial.rename(directory)
  except OSError:  # another worker of the tests was faster
    shutil.rmtree(partial)


@contextlib.contextmanager
def running(
  directory: pathlib.Path, work: pathlib.Path
) -> Iterator[dict[str, str]]:
  """Runs the controller and the node for the time of the block.

  Args:
    directory: Where `fetch` has put the packages.
    work: For its state, logs and configuration.

  Yields:
    The environment in which its commands are found.

  Raises:
    Unavailable: if the programs do not start on this system.
  """
  (plugins,) = directory.glob('usr/lib/*/slurm-wlm')
  work.mkdir()
  config = work / 'slurm.conf'
  ports = [portpicker.pick_unused_port() for _ in range(2)]
  config.write_text(_CONFIG.format(ports=ports, plugins=plugins, work=work))
  env = {
    **os.environ,
    'SLURM_CONF': str(config),
    'LD_LIBRARY_PATH': f'{plugins}:{plugins.parent}',
    'PATH': f'{directory}/usr/bin:{os.environ["PATH"]}',
  }
  programs = directory / 'usr' / 'sbin'
  node = [programs / 'slurmd-wlm', '-D', '-N', 'localhost',
          '-d', programs / 'slurmstepd-wlm']  # fmt: skip
  if subprocess.run([node[0], '-V'], env=env, capture_output=True).returncode:
    raise Unavailable('the packages need libraries that this system has not')
  with contextlib.ExitStack() as stack:
    for command in ([programs / 'slurmctld-wlm', '-D'], node):
      process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
      )
      stack.callback(process.wait)
      stack.callback(process.terminate)
    deadline = time.monotonic() + _START_S
    while call(env, 'sinfo', '-h', '-o', '%t') != 'idle':
      assert time.monotonic() < deadline, f'SLURM does not start: see {work}'
      time.sleep(0.2)
    try:
      yield env
    finally:
      call(env, 'scancel', '--full', '--signal=KILL', '--user=root')


def call(env: dict[str, str], *command: str) -> str:
  """What a command of the cluster prints."""
  found = subprocess.run(command, env=env, capture_output=True, text=True)
  return found.stdout.strip()
