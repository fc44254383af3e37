"""The kinds of splits: `split.kind` of a config.

support    a local structure is held out (`support`)
avoidable  the same, but one that need not be written: a negative control
region     a part of a space is held out (`regions`)
ladder     more and more compounds are held out (`ladder`)
density    one support, many training laws (`density`)
"""

from collections.abc import Callable
import dataclasses
import functools

import ml_collections
import numpy as np

from synth import errors
from synth import settings
from synth.splits import context as context_lib
from synth.splits import density
from synth.splits import distances
from synth.splits import holdout as holdout_lib
from synth.splits import ladder
from synth.splits import regions
from synth.splits import split as split_lib
from synth.splits import support

# The training arms that a split of each kind can have. A density split of a
# universe without multiplicities lacks those that go by them.
ARMS = {
  **dict.fromkeys(holdout_lib.KINDS, support.ARMS),
  'region': support.ARMS,
  'ladder': ladder.ARMS,
  'density': density.ARMS,
}
# The test sets that it has.
TESTS = {
  **dict.fromkeys(ARMS, support.TESTS),
  'density': density.TESTS,
}


def check_arm(config: ml_collections.ConfigDict) -> None:
  """Refuses, before anything is built, an arm that its split cannot have.

  Raises:
    InputError: for an unknown `split.kind` or `data.arm`.
  """
  arms = settings.choose(config.split.kind, ARMS, 'split.kind')
  settings.choose(config.data.arm, dict.fromkeys(arms), 'data.arm')


@functools.lru_cache(maxsize=1)  # it is made, certified and evaluated in turn
def region(context: context_lib.Context) -> support.Region | None:
  """What a split with two arms holds out; None for other kinds."""
  makers = dict.fromkeys(holdout_lib.KINDS, support.of_edges)
  makers['region'] = regions.make
  maker = makers.get(context.settings['kind'])
  return maker(context) if maker else None


def clusters(context: context_lib.Context, class_I: np.ndarray) -> np.ndarray:
  """Labels of tasks that a bootstrap resamples together.

  Tasks of one cell, in which the tests of a split are matched; without such
  cells every task is on its own.
  """
  found = region(context)
  return class_I if found is None else found.cell_C[class_I]


def make(context: context_lib.Context) -> split_lib.Split:
  """The classes of a split and their distances: a function of its context.

  Raises:
    InputError: for settings that the universe cannot meet.
  """
  makers: dict[str, Callable[[context_lib.Context], split_lib.Split]] = {
    **dict.fromkeys(holdout_lib.KINDS, _held_out),
    'region': _held_out,
    'ladder': ladder.make,
    'density': density.make,
  }
  kind = context.settings['kind']
  made = settings.choose(kind, makers, 'split.kind')(context)
  for name, classes in made.arms.items():
    if len(classes) < 2:
      raise errors.InputError(
        f'split: arm {name!r} would have {len(classes)} of the '
        f'{len(context.usable_C)} classes of the universe: near and far go by '
        'how far the classes of an arm are from each other, which takes two'
      )
  far, bounds = distances.measure(context, made)
  return dataclasses.replace(
    made, distances=far, facts={**made.facts, 'distance_bounds': bounds}
  )


def _held_out(context: context_lib.Context) -> split_lib.Split:
  found = region(context)
  assert found is not None
  return support.make(context, found)
