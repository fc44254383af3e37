"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever the main thread is. In a finalizer, or
a callback of the garbage collector (JAX has one), it is printed and ignored,
and the process goes on. So it is noted, too, and long loops ask for it.
"""

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
