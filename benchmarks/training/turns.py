"""Contestants measured in turn, and the ratios of what they took."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import statistics
import time

from synth import progress

WARM = 8  # steps before each measurement; empties the loader's buffer

Steps = Callable[[int], None]  # does so many steps and waits for them


def alternate(
  contestants: Mapping[str, Steps], steps: int, rounds: int
) -> dict[str, dict[str, list[float]]]:
  """Measures them in turn: the machine's mood hits all.

  Returns:
    wall and processor seconds of each, by round.
  """
  found: dict[str, dict[str, list[float]]] = {
    name: {'wall': [], 'processor': []} for name in contestants
  }
  bar = progress.Progress('measure', rounds, 'rounds')
  for number in range(rounds):
    # There and back: none is always the one after the same other.
    for name in list(contestants)[:: 1 if number % 2 == 0 else -1]:
      contestants[name](WARM)
      wall, processor = time.perf_counter(), time.process_time()
      contestants[name](steps)
      found[name]['wall'].append(time.perf_counter() - wall)
      found[name]['processor'].append(time.process_time() - processor)
    bar.update(number + 1)
  return found


def ratio(
  above: Sequence[float], below: Sequence[float], factor: float = 1.0
) -> dict[str, float]:
  """Of what was measured in the same rounds: median, least and most."""
  each = [factor * a / b for a, b in zip(above, below, strict=True)]
  return {
    'median': statistics.median(each),
    'least': min(each),
    'most': max(each),
  }


def ratios(
  seconds: Mapping[str, Mapping[str, list[float]]],
  above: str,
  below: str,
  factor: float = 1.0,
) -> dict[str, dict[str, float]]:
  """The `ratio` of two contestants by each clock."""
  return {
    clock: ratio(seconds[above][clock], seconds[below][clock], factor)
    for clock in ('wall', 'processor')
  }


def seconds(work: Callable[[], None]) -> float:
  """Of the wall, that it takes."""
  start = time.perf_counter()
  work()
  return time.perf_counter() - start
