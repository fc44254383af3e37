"""Settings of a config: what each key may be, and what a name stands for.

Defaults are in `configs/base.py` and the recipes. A user's own recipe may lack
a key, misspell one or give it another type; so may a damaged record of a run.
"""

from collections.abc import Callable
from collections.abc import Mapping
import difflib
import json
import math
import re
from typing import Any

import ml_collections

from synth import errors

# Says what a value must be and is not; empty if it is.
_Setting = Callable[[Any], str]


def _number(
  whole: bool = True,
  zero: bool = False,
  most: float = math.inf,
  below: float = math.inf,
) -> _Setting:
  """A number that is not negative.

  Args:
    whole: Whether it must be an integer.
    zero: Whether it may be 0.
    most: The largest it may be.
    below: What it must be smaller than.
  """

  def wrong(value: Any) -> str:
    kinds = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kinds):
      return 'must be an integer' if whole else 'must be a number'
    if isinstance(value, float) and not math.isfinite(value):
      return 'must be finite'
    if value < 0 or (value == 0 and not zero):
      return 'must be at least 0' if zero else 'must be positive'
    if value > most:
      return f'must be at most {most:g}'
    return f'must be below {below:g}' if value >= below else ''

  return wrong


def _instance(kind: type, name: str) -> _Setting:
  return lambda value: '' if isinstance(value, kind) else f'must be {name}'


def _edges(value: Any) -> str:
  """Edges of programs, in the one way to write them: it names the split."""
  if not isinstance(value, str):
    return 'must be a text'
  parts = [part.strip() for part in re.split('([>,])', value)]
  written = ''.join({'>': ' > ', ',': ', '}.get(part, part) for part in parts)
  return '' if value == written else f'must be written {written!r}'


def _integers(value: Any) -> str:
  """A list of integers of any sign."""
  whole = isinstance(value, list | tuple) and all(
    isinstance(number, int) and not isinstance(number, bool) for number in value
  )
  return '' if whole else 'must be a list of integers'


_COUNT, _INDEX = _number(), _number(zero=True)
_REAL, _REAL_OR_0 = _number(whole=False), _number(whole=False, zero=True)
_SHARE = _number(whole=False, most=1)
# Which words a text may be is for its reader to say.
_TEXT, _FLAG = _instance(str, 'a text'), _instance(bool, 'True or False')

_OF_ALL_SPLITS: dict[str, _Setting] = {
  'kind': _TEXT,
  'num_test': _COUNT,
  'num_dev': _COUNT,
  'seed': _INDEX,
}
_OF_EDGES: dict[str, _Setting] = {
  **_OF_ALL_SPLITS,
  'edges': _edges,
  'match': _TEXT,
  'min_distance': _REAL_OR_0,
  'extra_size': _INDEX,
}
_OF_ARMS: dict[str, _Setting] = {**_OF_ALL_SPLITS, 'num_arm': _COUNT}
# Part `split`, by its `kind`.
SPLITS: Mapping[str, Mapping[str, _Setting]] = {
  'support': _OF_EDGES,
  'avoidable': _OF_EDGES,
  'region': {**_OF_ALL_SPLITS, 'space': _TEXT, 'shape': _TEXT},
  'ladder': _OF_ARMS,
  'density': _OF_ARMS,
}
PARTS: Mapping[str, Mapping[str, _Setting]] = {
  'universe': {'grammar': _TEXT, 'max_size': _COUNT, 'seed': _INDEX},
  'spaces': {
    'grid': _integers,
    'p': _COUNT,
    'q': _COUNT,
    'trees': _TEXT,
    'syntactic_dimensions': _COUNT,
  },
  'split': _OF_ALL_SPLITS,
  'data': {
    'arm': _TEXT,
    'batch_size': _COUNT,
    'specification': _TEXT,
    'order': _TEXT,
    'programs': _TEXT,
  },
  'model': {
    **dict.fromkeys('DHNFWM', _COUNT),
    'positions': _TEXT,
    'mlp': _TEXT,
    'tied': _FLAG,
    'dtype': _TEXT,
    'remat': _FLAG,
    'scan': _FLAG,
  },
  'opt': {
    'schedule': _TEXT,
    'lr': _REAL,
    'warmup_share': _number(whole=False, zero=True, most=1),
    'decay_share': _SHARE,
    'accumulation': _COUNT,
    'mup': _FLAG,
    'base_width': _COUNT,
    'base_head_width': _COUNT,
    'b2': _number(whole=False, below=1),  # Adam divides by what is left to 1
    'weight_decay': _REAL_OR_0,
    'clip_norm': _REAL,
    'num_steps': _number(most=2**30),  # counted in 32 bits
  },
  'train': {
    'num_seeds': _COUNT,
    'seed': _INDEX,
    'log_every_steps': _COUNT,
    'dev_every_steps': _COUNT,
    'checkpoint_every_steps': _COUNT,
  },
  'mesh': {'data': _INDEX, 'fsdp': _COUNT, 'tensor': _COUNT},
  'eval': {
    'num_samples': _COUNT,
    'num_tasks': _INDEX,
    'method': _TEXT,
    # The noise that it multiplies must be a number in 32 bits, too.
    'temperature': _number(whole=False, zero=True, most=1e6),
    'top_k': _INDEX,
    'top_p': _SHARE,
    'constrained': _FLAG,
    'batch_size': _COUNT,
    'seed': _INDEX,
  },
}
# Keys that records of older runs lack; their readers say what holds then.
_YOUNGER = {
  'data.programs',
  'eval.method',
  'eval.num_tasks',
  'eval.top_k',
  'eval.top_p',
}


def check(
  config: ml_collections.ConfigDict | Mapping[str, Any], *parts: str
) -> None:
  """Refuses a config that is not what its readers expect.

  Args:
    config: All parts that it has are checked.
    *parts: Those that it must have.

  Raises:
    InputError: names the part or the key, and its value: one that is missing,
      that nothing reads, of another type or out of bounds.
  """
  if isinstance(config, ml_collections.ConfigDict):
    config = config.to_dict()
  for part in parts:
    if part not in config:
      raise errors.InputError(f'the config has no {part!r}: is it a recipe?')
  for part, values in config.items():
    _refuse_unknown(part, PARTS)
    if not isinstance(values, Mapping):
      raise errors.InputError(f'{part}={values!r} must be a part of a config')
    known = PARTS[part]
    if part == 'split':
      # Of an unknown kind, which is refused elsewhere, any keys will do.
      kind = values.get('kind')
      known = SPLITS.get(kind, {}) if isinstance(kind, str) else known
    _check_part(part, values, known)


def _check_part(
  part: str, values: Mapping[str, Any], known: Mapping[str, _Setting]
) -> None:
  for key, setting in known.items():
    name = f'{part}.{key}'
    if key in values:
      if wrong := setting(values[key]):
        raise errors.InputError(f'{name}={values[key]!r} {wrong}')
    elif part == 'split' and key != 'kind':
      missing = [f'split.{each}' for each in known if each not in values]
      raise errors.InputError(
        f'split.kind={values["kind"]!r} needs {", ".join(missing)}: begin with '
        'a recipe of that kind'
      )
    elif name not in _YOUNGER:
      raise errors.InputError(f'the config has no {name}')
  for key in values if known else ():
    _refuse_unknown(key, known, f'{part}.')


def _refuse_unknown(
  key: str, known: Mapping[str, Any], prefix: str = ''
) -> None:
  if key in known:
    return
  near = difflib.get_close_matches(key, known, 1)
  hint = f': did you mean {prefix}{near[0]}?' if near else ''
  raise errors.InputError(f'nothing reads {prefix}{key} of the config{hint}')


def choose(name: str, table: Mapping[str, Any], what: str) -> Any:
  """What a name stands for.

  Args:
    name: As it was given.
    table: Valid names -> what they stand for.
    what: What the name is of, for the message; for instance `split.kind`.

  Raises:
    InputError: if the table has no such name; says which are there, and the
      one that is nearest.
  """
  if name in table:
    return table[name]
  near = difflib.get_close_matches(str(name), table, 1)
  hint = f'did you mean {near[0]!r}? ' if near else ''
  raise errors.InputError(
    f'unknown {what} {name!r}: {hint}choose from {", ".join(table)}'
  )


def plain(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """A config as nested dicts that JSON can hold."""
  return json.loads(config.to_json())
