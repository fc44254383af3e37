"""Planned and realised standard errors of the support contrasts (T4).

Planned from what was known before any run (docs/preregistration.md, Planned
standard errors): tasks as binomial, seeds by the width of the pilots'
intervals. Both exaggerate, for pairing by task is not counted.
"""

from collections.abc import Sequence
import math
import re
from typing import NamedTuple

from analysis.study import plan
from analysis.study import preregistration
from synth.splits import support

_SECTION = 'Planned standard errors'
_MODELS = 2  # an arm of a pilot
_NORMAL = 1.96


class Pilot(NamedTuple):
  """pass@1 of one arm on one test set in a pilot, with its 95 % interval."""

  rate: float
  low: float
  high: float

  @property
  def seed_variance(self) -> float:
    """Of one model: the whole width of the interval taken as seeds'."""
    return _MODELS * ((self.high - self.low) / 2 / _NORMAL) ** 2


class Planned(NamedTuple):
  """The standard errors of a contrast's declared design.

  Attributes:
    splits: Split seeds; the errors are for these.
    seeds: Training seeds of a split.
    items: Tasks of a test set.
    error: Test, or `difference` -> standard error, in shares.
  """

  splits: int
  seeds: int
  items: int
  error: dict[str, float]


def planned(contrast: str, declared: Sequence[plan.Declared]) -> Planned | None:
  """What was planned of a contrast; None without a pilot or a declaration.

  Raises:
    InputError: if the preregistration lacks the pilots.
  """
  pilot = pilots().get(contrast)
  runs = [run for run in declared if run.contrast == contrast]
  if pilot is None or not runs:
    return None
  splits = len({run.split for run in runs})
  seeds, items = len(runs[0].facts['seeds']), runs[0].items
  variance = {
    test: sum(
      arm.rate * (1 - arm.rate) / items + arm.seed_variance / seeds
      for arm in arms
    )
    / splits
    for test, arms in pilot.items()
  }
  variance['difference'] = sum(variance.values())
  error = {name: math.sqrt(value) for name, value in variance.items()}
  return Planned(splits, seeds, items, error)


def pilots() -> dict[str, dict[str, tuple[Pilot, ...]]]:
  """Contrast -> test set -> both arms of its pilot.

  Raises:
    InputError: if the preregistration lacks them.
  """
  found: dict[str, dict[str, tuple[Pilot, ...]]] = {}
  for contrast, test, *arms in preregistration.table(_SECTION):
    assert test in (support.NOVEL, support.CONTROL), test
    numbers = [re.findall(r'[\d.]+', cell) for cell in arms]
    found.setdefault(contrast.strip('`'), {})[test] = tuple(
      Pilot(*(float(n) / 100 for n in cell)) for cell in numbers
    )
  return found
