"""What training diversity does: every arm on every test, and dose-response."""

from collections.abc import Sequence
import dataclasses
from typing import NamedTuple

import numpy as np

from analysis.study import cells as cells_lib
from analysis.study import effects
from synth.splits import density
from synth.statistics import hypotheses
from synth.statistics.design import Interval

SPACES = (*density.SPACES, 'joint')
# Exponent of the inverse density that an arm is drawn by.
_GAMMA = {'_half': 0.5, '': 1.0}
RAKED = '_raked'
_FEWEST = 50  # tasks of a size to tell it apart


class Against(NamedTuple):
  """An arm against `uniform` on one test set.

  Attributes:
    effect: The difference.
    adjusted: Its p, by Holm over all arms and tests.
  """

  effect: effects.Effect
  adjusted: float


def rates(grid: cells_lib.Grid) -> dict[tuple[str, str], Interval]:
  """pass@1 of every arm on every test that has whole records."""
  found = {}
  for arm in grid.arms:
    for test in grid.tests:
      try:
        found[arm, test] = effects.effect(grid, {(arm, test): 1.0}, 1).interval
      except cells_lib.NotMeasured:
        continue
  return found


def against_uniform(
  grid: cells_lib.Grid,
) -> dict[tuple[str, str], Against]:
  """Every other arm less `uniform`, pass@1 on every test with whole records."""
  found = {}
  for arm in grid.arms:
    for test in grid.tests:
      if arm == density.UNIFORM:
        continue
      weights = {(arm, test): 1.0, (density.UNIFORM, test): -1.0}
      try:
        found[arm, test] = effects.effect(grid, weights, 1)
      except cells_lib.NotMeasured:
        continue
  adjusted = hypotheses.holm(np.array([e.p for e in found.values()]))
  return {
    key: Against(effect, float(p))
    for (key, effect), p in zip(found.items(), adjusted, strict=True)
  }


def by_size(grid: cells_lib.Grid) -> cells_lib.Grid:
  """The uniform test law, one size at a time; of few tasks none is made."""
  found = []
  for cell in grid:
    if cell.test != density.UNIFORM:
      continue
    size_I = cell.facts['size']
    for size, tasks in zip(*np.unique(size_I, return_counts=True), strict=True):
      if tasks >= _FEWEST:
        test = f'{cell.test}, {size:.0f} nodes'
        found.append(dataclasses.replace(cell.where(size_I == size), test=test))
  return cells_lib.Grid(found)


def shifted(grid: cells_lib.Grid) -> list[str]:
  """The tests under another law than `uniform`.

  Raises:
    NotMeasured: if there is none.
  """
  names = [test for test in grid.tests if test.endswith('_cells')]
  if not names:
    raise cells_lib.NotMeasured('no test under another law')
  return names


def gain(
  arms: tuple[str, str], tests: Sequence[str]
) -> dict[tuple[str, str], float]:
  """Weights of the first arm less the second, mean of some tests."""
  return {
    (arm, test): sign / len(tests)
    for arm, sign in zip(arms, (1.0, -1.0), strict=True)
    for test in tests
  }


def dose_arms(space: str, raked: bool) -> dict[str, float]:
  """The arms against density in a space, and their exponents gamma."""
  tail = RAKED if raked else ''
  arms = {f'{space}{half}{tail}': gamma for half, gamma in _GAMMA.items()}
  return {density.UNIFORM: 0.0, **arms}
