"""Small file systems: to fill, or not to be written to."""

from collections.abc import Iterator
import contextlib
import pathlib
import subprocess

import pytest


@contextlib.contextmanager
def small(path: pathlib.Path, options: str) -> Iterator[pathlib.Path]:
  """Mounts one in memory, empty, for the time of the block.

  Where that is not allowed the test is skipped.

  Args:
    path: Where; must not be there.
    options: Of the mount.

  Yields:
    `path`.
  """
  path.mkdir()
  command = ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', str(path)]
  if subprocess.run(command, capture_output=True, check=False).returncode:
    pytest.skip('needs the right to mount a small file system')
  try:
    yield path
  finally:
    subprocess.run(['umount', '-l', str(path)], check=True)
