"""search.json: whose programs were completed, and what was found."""

from collections.abc import Mapping
import pathlib
from typing import Any
import zlib

from synth import packing
from synth import runs

OWN, OTHERS, GRAMMAR, TRAINING = 'own', 'others', 'grammar', 'training'
MEET_IN_THE_MIDDLE = 'meet_in_the_middle'
MODEL = 'model'
BY_SUBGOALS = (MODEL, TRAINING)  # who is asked for programs of subgoals
SOURCES = (OWN, OTHERS, GRAMMAR, TRAINING, MEET_IN_THE_MIDDLE)
_TOLD = ('bank_functions', 'tests', 'subgoals')
_SAME = ('arm', 'seeds', 'step', 'config', 'inputs_sha256')  # as in result.json


def read(
  workdir: pathlib.Path, result: Mapping[str, Any]
) -> dict[str, Any] | None:
  """What `synth.search` has found on the samples of a result; None: nothing.

  Returns:
    `bank_functions` (nodes of a bank -> its functions) and `tests`: test set ->
    nodes of the bank -> source of sketches -> what they solve; and of
    `subgoals`: test set -> BANKxDEPTH -> what they solve (older ones lack it).

  Raises:
    RunError: if it is damaged or of other samples.
  """
  path = workdir / runs.SEARCH
  if not path.exists():
    return None
  found = runs.read_json(path)
  try:
    for key in _SAME:
      if found[key] != result[key]:
        raise runs.RunError(
          f'{path} is of another evaluation (its {key} differs): search again'
        )
    for name, banks in found['tests'].items():
      for size, told in banks.items():
        float(found['bank_functions'][size])
        _check(told, len(found['seeds']), result['items'][name])
    for name, divisions in found.get('subgoals', {}).items():
      for division, told in divisions.items():
        _size, _depth = map(int, division.split('x'))
        float(told['subgoals'])
        for who in BY_SUBGOALS:
          _check_shape(told[who]['number_SxI'], len(found['seeds']),
                       result['items'][name], who)  # fmt: skip
    return {key: found[key] for key in _TOLD if key in found}
  except (
    KeyError, TypeError, AttributeError, ValueError, zlib.error,
  ) as error:  # fmt: skip
    raise runs.RunError(f'{path} is damaged: {error!r}') from None


def _check(told: Mapping[str, Any], seeds: int, items: int) -> None:
  """Raises what `read` calls damage."""
  if told.keys() != set(SOURCES):
    raise ValueError(f'sources {sorted(told)}')
  for source, one in told.items():
    _check_shape(one['lookup_SxI'], seeds, items, source)
    float(one['lookups'])


def _check_shape(packed: Any, seeds: int, items: int, source: str) -> None:
  shape = packing.unpack(packed).shape
  if shape not in ((1, items), (seeds, items)):
    raise ValueError(f'look-ups of {source} of shape {shape}')
