"""baselines.json: what of it is read again."""

from collections.abc import Mapping
import pathlib
from typing import Any
import zlib

from synth import packing
from synth import runs


def read(path: pathlib.Path) -> dict[str, Any]:
  """What `synth.baselines` wrote, its shares and arrays checked.

  Raises:
    RunError: if it is something else, or damaged.
  """
  stored = runs.read_json(path)
  if not isinstance(stored, dict) or not isinstance(
    stored.get('baselines'), dict
  ):
    raise runs.RunError(f'{path} is not what synth.baselines writes: remove it')
  try:
    tasks = {
      name: len(packing.unpack(packed))
      for name, packed in stored.get('classes', {}).items()
    }
    for name, found in stored['baselines'].items():
      if 'inapplicable' not in found:
        _check(name, found, tasks)
  except (
    KeyError, TypeError, AttributeError, ValueError, zlib.error,
  ) as error:  # fmt: skip
    raise runs.RunError(f'{path} is damaged: {error!r}: remove it') from None
  return stored


def _check(
  name: str, found: Mapping[str, Any], tasks: Mapping[str, int]
) -> None:
  """Raises what `read` calls damage."""
  numbers = [found['preparation'][key] for key in ('operations', 'seconds')]
  for tests, told in found['tests'].items():
    numbers += [*told['solved'], *told['solved'].values()]
    numbers += [told['candidates'], told['operations'], told['seconds'] or 0]
    if 'solved_by_task' in told:  # older ones lack it
      shape = packing.unpack(told['solved_by_task']).shape
      if shape != (len(told['solved']), tasks[tests]):
        raise ValueError(f'{name} on {tests!r}: tasks of shape {shape}')
  for number in numbers:
    float(number)
