"""Stopping in order when the machine is taken away (SIGTERM).

Clouds and schedulers send SIGTERM and, half a minute later, SIGKILL. Of several
processes, one that gets it tells the others through the coordination service of
`jax.distributed`, and all stop after the same step. (JAX offers that, too. But
its handler of the signal is one in C that tells nobody else: no process could
end in time if the others do not answer.)
"""

from collections.abc import Callable
import itertools
import os
import signal
import socket
import sys
import threading
import time
from typing import NoReturn

import jax
import orbax.checkpoint as ocp

from synth import errors
from synth import interruption

_POLL_S = 0.1
_NOTHING = -1  # in place of a step
# The coordination service lives in the first process: without it the others are
# aborted, so they end before it does.
_LAST_S = 1.0
_uses = itertools.count()  # the same in all processes


class Preemption:
  """Notices SIGTERM; use as a context manager around training.

  Until a step was taken there is nothing to save, and the process ends at once.
  It also ends if it has not left the context `grace_s` seconds after the
  signal, with what was saved until then: compiling cannot be interrupted. Of
  several processes each does so, whichever of them was signalled, and even
  after the context, as they wait for each other to end. The exit code is 0 in
  any case: the same command goes on.

  Args:
    grace_s: Seconds between the signal and the end, at most.
  """

  def __init__(self, grace_s: float):
    self._grace_s = grace_s
    self._noticed = threading.Event()
    self._left = threading.Event()
    self._lock = threading.Lock()  # held while the processes agree on a step
    self._start: int | None = None
    self._step = _NOTHING  # until which there is something to save
    self._stop_at: int | None = None
    self._processes = jax.process_count()
    # Those that have not answered. The first one keeps what the others say.
    self._silent = [0] if self._processes > 1 else []
    self._board = f'preemption/{next(_uses)}'
    self._listens = threading.current_thread() is threading.main_thread()
    self._threads: list[threading.Thread] = []

  def __enter__(self) -> 'Preemption':
    if self._processes > 1:
      self._client = ocp.multihost.get_jax_distributed_client()
      self._begin(self._watch)
    if self._listens:
      # The thread hears of a signal while the main thread compiles; a handler
      # would be called after that.
      self._ear, self._mouth = socket.socketpair()
      self._mouth.setblocking(False)
      self._old_fd = signal.set_wakeup_fd(self._mouth.fileno())
      self._old = signal.signal(signal.SIGTERM, lambda *_: None)
      self._begin(self._listen)
    return self

  def _begin(self, listener: Callable[[], None]) -> None:
    thread = threading.Thread(target=listener, daemon=True)
    thread.start()
    self._threads.append(thread)

  def __exit__(self, kind: object, error: object, trace: object) -> None:
    if (
      self._processes > 1
      and self._noticed.is_set()
      and isinstance(error, Exception)
      and not isinstance(error, errors.InputError)
    ):  # the others have ended already, in the midst of what all do together
      self._end(f'another process seems to have ended ({error!r:.100})')
    self._left.set()
    if self._listens:
      signal.signal(signal.SIGTERM, self._old)
      signal.set_wakeup_fd(self._old_fd)
      self._mouth.close()  # ends the thread
    # At the interpreter's end a thread in a call of the client would abort it.
    for thread in self._threads:
      thread.join()

  def requested(self, step: int) -> bool:
    """Whether to save and stop after `step`; to be asked after every step."""
    interruption.check()
    with self._lock:
      if self._start is None:
        self._start = step
      if step > self._start:
        self._step = step
      return self._stop_at is not None and step >= self._stop_at

  def _listen(self) -> None:
    """Hears the signal."""
    with self._ear:
      while number := self._ear.recv(1):
        if number[0] == signal.SIGTERM and not self._noticed.is_set():
          self._notice()
          if self._processes == 1:
            self._agree()
          else:  # `_watch` goes on, here and there
            self._write('asked', '')

  def _watch(self) -> None:
    """Hears of the signal, whichever of several processes got it."""
    while not self._left.wait(_POLL_S):
      if self._read('asked'):
        self._notice()
        return self._agree()

  def _notice(self) -> None:
    if not self._noticed.is_set():
      self._noticed.set()
      threading.Thread(target=self._keep_time, daemon=True).start()

  def _keep_time(self) -> None:
    """Ends the process if it takes too long."""
    grace_s = self._grace_s
    if self._processes > 1:
      # What comes after the context waits for the others as well.
      if jax.process_index() > 0:
        grace_s -= min(_LAST_S, grace_s / 4)
      time.sleep(grace_s)
    elif self._left.wait(grace_s):
      return
    silent = ', '.join(map(str, self._silent))
    self._end(
      f'not done {self._grace_s:g} s after SIGTERM'
      + (f', and no answer from process {silent}' if silent else '')
    )

  def _agree(self) -> None:
    """Finds the step after which all stop; none goes on meanwhile."""
    with self._lock:
      steps = self._answers()
      if self._left.is_set():
        return
      if min(steps) > _NOTHING:
        self._stop_at = max(steps) + 1
        return
    if self._processes > 1 and jax.process_index() == 0:
      time.sleep(min(_LAST_S, self._grace_s / 4))
    self._end('there was nothing new to save')

  def _answers(self) -> list[int]:
    """The steps at which the processes are; of some if this one has left."""
    if self._processes == 1:
      return [self._step]
    self._write('step', str(self._step))
    found: dict[int, str] = {}
    while len(found) < self._processes and not self._left.wait(_POLL_S):
      found = self._read('step')
      self._silent = sorted(set(range(self._processes)) - found.keys())
    return [int(step) for step in found.values()]

  def _write(self, what: str, value: str) -> None:
    """Tells the other processes."""
    place = f'{self._board}/{what}/{jax.process_index()}'
    self._client.key_value_set(place, value)

  def _read(self, what: str) -> dict[int, str]:
    """What each process has told, of those that have."""
    found = self._client.key_value_dir_get(f'{self._board}/{what}')
    return {int(key.rpartition('/')[2]): value for key, value in found}

  def _end(self, why: str) -> NoReturn:
    print(
      f'terminated: {why}; what was saved is kept, and the same command goes '
      'on',
      file=sys.stderr,
      flush=True,
    )
    interruption.kill_spawned()
    os._exit(0)
