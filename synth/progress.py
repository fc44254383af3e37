"""Progress lines on stderr: what is done, how fast, how long is left.

What is over before anyone would ask, and has no more to say than that, says
nothing.
"""

import sys
import time

from synth import interruption

_BRIEF_S = 1.0
_BAR_S, _LINE_S = 0.2, 15.0  # between updates of a bar; between lines


class Progress:
  """A progress bar on a terminal, a line now and then in a log.

  Args:
    name: What is being done.
    total: Number of units of work.
    unit: What one unit is called.
  """

  def __init__(self, name: str, total: int, unit: str = ''):
    self._name = name
    self._total = max(total, 1)
    self._unit = unit
    self._terminal = sys.stderr.isatty()
    self._every_s = _BAR_S if self._terminal else _LINE_S
    self._start = self._shown = time.monotonic()
    self._first: int | None = None

  def update(self, done: int, note: str = '') -> None:
    """Says that `done` units are finished; `note` is appended."""
    interruption.check()
    now = time.monotonic()
    if self._first is None:
      self._first = done  # a resumed run starts in the middle
    brief = not note and now - self._start < _BRIEF_S
    if brief or (now - self._shown < self._every_s and done < self._total):
      return
    self._shown = now
    self._write(done, now, note)

  def _write(self, done: int, now: float, note: str) -> None:
    fresh = done - (self._first or 0)
    left = ''
    if done >= self._total:
      left = f'done in {duration(now - self._start)}'
    elif fresh > 0:
      seconds = (now - self._start) / fresh * (self._total - done)
      left = f'{duration(seconds)} left'
    share = done / self._total
    text = f'{self._name}: {done:,}/{self._total:,} {self._unit}'.rstrip()
    text += f' ({share:.0%}) {left} {note}'
    if self._terminal:
      filled = int(share * 20)
      bar = '#' * filled + '-' * (20 - filled)
      end = '\n' if done >= self._total else ''
      print(f'\r[{bar}] {text}\033[K', end=end, file=sys.stderr, flush=True)
    else:
      print(text.rstrip(), file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
  """Seconds as `5 s`, `2 min 10 s` or `3 h 2 min`."""
  seconds = round(seconds)
  if seconds < 60:
    return f'{seconds} s'
  if seconds < 3600:
    return f'{seconds // 60} min {seconds % 60} s'
  return f'{seconds // 3600} h {seconds % 3600 // 60} min'
