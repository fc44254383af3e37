"""One process at a time: an advisory lock beside what it protects."""

from collections.abc import Iterator
import contextlib
import fcntl
import os
import pathlib
import sys

from synth import store


@contextlib.contextmanager
def exclusive(path: pathlib.Path, busy: str, wait: bool) -> Iterator[bool]:
  """Holds the lock file `path` for the time of the block.

  It is released when the process ends, however it ends, and then removed.

  Args:
    path: The lock file; its directory is made if it is missing.
    busy: What to say if another process holds it.
    wait: Whether to wait for it then, or to go on without.

  Yields:
    Whether the lock is held.

  Raises:
    OSError: if the file cannot be written.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  file = path.open('w')
  while True:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      if not wait:
        file.close()
        yield False
        return
      print(busy, file=sys.stderr)
      fcntl.flock(file, fcntl.LOCK_EX)
    # The one who held it removed it: ours may be a file that is no more.
    with contextlib.suppress(FileNotFoundError):
      if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
        break
    file.close()
    file = path.open('w')
  with file:
    try:
      yield True
    finally:
      path.unlink(missing_ok=True)


@contextlib.contextmanager
def building(directory: pathlib.Path) -> Iterator[None]:
  """Waits until no other process builds `directory`.

  Raises:
    StoreError: if nothing can be written beside it.
  """
  path = directory.with_name(f'.{directory.name}.lock')
  busy = f'waiting for another process that builds {directory}'
  with contextlib.ExitStack() as stack:
    try:
      stack.enter_context(exclusive(path, busy, wait=True))
    except OSError as error:
      reason = error.strerror or str(error)
      raise store.StoreError(f'cannot write {directory}: {reason}') from None
    yield
