"""Stopping in order when the machine is taken away (SIGTERM).

Clouds and schedulers send SIGTERM and, half a minute later, SIGKILL. A process
on its own listens for the signal itself. Of several, the coordination service
of `jax.distributed` listens: whichever of them is signalled, all stop after the
same step. (A handler in Python would silently switch that off.)
"""

import os
import signal
import socket
import sys
import threading

import jax
from jax.experimental import multihost_utils


class Preemption:
  """Notices SIGTERM; use as a context manager around training.

  Until `requested` is first called there is nothing to save, and the process
  ends at once. It also ends if it has not left the context `grace_s` seconds
  after the signal, with what was saved until then: compiling cannot be
  interrupted. The exit code is 0 in any case: the same command goes on.

  Args:
    grace_s: Seconds between the signal and the end, at most; one process only.
  """

  def __init__(self, grace_s: float):
    self._grace_s = grace_s
    self._asked = threading.Event()
    self._left = threading.Event()
    self._polled = False
    self._listens = (
      jax.process_count() == 1
      and threading.current_thread() is threading.main_thread()
    )

  def __enter__(self) -> 'Preemption':
    if self._listens:
      # The thread hears of a signal while the main thread compiles; a handler
      # would be called after that.
      self._ear, self._mouth = socket.socketpair()
      self._mouth.setblocking(False)
      self._old_fd = signal.set_wakeup_fd(self._mouth.fileno())
      self._old = signal.signal(signal.SIGTERM, lambda *_: None)
      threading.Thread(target=self._listen, daemon=True).start()
    return self

  def __exit__(self, *exception: object) -> None:
    self._left.set()
    if self._listens:
      signal.signal(signal.SIGTERM, self._old)
      signal.set_wakeup_fd(self._old_fd)
      self._mouth.close()  # ends the thread

  def requested(self, step: int) -> bool:
    """Whether to save and stop after `step`; to be asked after every step."""
    self._polled = True
    if jax.process_count() > 1:
      return multihost_utils.reached_preemption_sync_point(step)
    return self._asked.is_set()

  def _listen(self) -> None:
    with self._ear:
      while number := self._ear.recv(1):
        if number[0] == signal.SIGTERM:
          self._asked.set()
          if not self._polled or not self._left.wait(self._grace_s):
            print(
              'terminated: what was saved is kept, if anything was; the same '
              'command goes on',
              file=sys.stderr,
              flush=True,
            )
            os._exit(0)
