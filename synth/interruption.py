"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever the main thread is. In a finalizer, or
a callback of the garbage collector (JAX has one), it is printed and ignored,
and the process goes on. So it is noted, too, and long loops ask for it.
"""

import contextlib
import os
import pathlib
import signal
import types
from typing import NoReturn

_noted = False


def listen() -> None:
  """Notes Ctrl-C from now on, unless it is ignored or handled otherwise."""
  if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _interrupt)


def check() -> None:
  """Raises KeyboardInterrupt if there was one, for the case that it was lost.

  To be called in loops, and not on the way out of them.
  """
  global _noted
  if _noted:
    _noted = False
    raise KeyboardInterrupt


def _interrupt(number: int, frame: types.FrameType | None) -> NoReturn:
  del number, frame
  global _noted
  _noted = True
  raise KeyboardInterrupt


def kill_spawned() -> None:
  """Ends what `multiprocessing` has spawned, before this process ends at once.

  What is about to start would outlive it by seconds, and `multiprocessing` does
  not list it yet. Its resource tracker, another child, cleans up after them.
  """
  for path in pathlib.Path('/proc/self/task').glob('*/children'):
    with contextlib.suppress(OSError):  # that thread has ended, or that process
      for pid in map(int, path.read_text().split()):
        if b'spawn_main' in pathlib.Path(f'/proc/{pid}/cmdline').read_bytes():
          os.kill(pid, signal.SIGKILL)
