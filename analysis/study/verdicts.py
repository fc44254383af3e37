"""The rules by which a measurement decides a claim, stated before any run."""

import enum

from analysis.study import effects
from analysis.study import scaling
from synth.statistics.design import Interval

ALPHA = 0.05
_UNTENABLE = 10.0  # of AICc: essentially no support (Burnham and Anderson 2002)
_WORSE = 2.0


class Verdict(enum.StrEnum):
  """What the records say of a claim."""

  REPRODUCED = 'reproduced'
  NOT_REPRODUCED = 'not reproduced'
  UNDECIDED = 'undecided'
  NOT_MEASURED = 'not measured'


POSITIVE = (
  'reproduced: the effect is above 0 at p of at most 0.05, adjusted by Holm if '
  'the row is in the family; not reproduced: below 0 at such a p, or two '
  'one-sided tests place it within 3 points of 0'
)


def positive(effect: effects.Effect, p: float) -> Verdict:
  """Whether there is an effect above 0."""
  if p <= ALPHA:
    above_0 = effect.interval.estimate > 0
    return Verdict.REPRODUCED if above_0 else Verdict.NOT_REPRODUCED
  if effect.equivalence.equivalent:
    return Verdict.NOT_REPRODUCED
  return Verdict.UNDECIDED


ABOVE = (
  'reproduced: the whole interval is above 30 %; not reproduced: it is below'
)


def above(interval: Interval, bound: float) -> Verdict:
  """Whether a quantity is above a bound; NaN ends decide nothing."""
  if interval.low > bound:
    return Verdict.REPRODUCED
  if interval.high < bound:
    return Verdict.NOT_REPRODUCED
  return Verdict.UNDECIDED


NO_DROP = (
  'reproduced: two one-sided tests place the drop on novel within 3 points of '
  '0 (its 90 % interval); else not reproduced if the Holm-adjusted p of the '
  'difference in differences is at most 0.05; else undecided'
)


def no_drop(drop: effects.Effect, gap: effects.Effect, p: float) -> Verdict:
  """Whether there is no drop to speak of; p is the gap's."""
  if drop.equivalence.equivalent:
    return Verdict.REPRODUCED
  if p <= ALPHA and gap.interval.estimate > 0:
    return Verdict.NOT_REPRODUCED
  return Verdict.UNDECIDED


LOG_LINEAR = (
  f'with at least {scaling.LEVELS} levels of compute over {scaling.DECADES:g} '
  'decades, else undecided. Reproduced: of six forms the log-linear one has '
  'the least AICc, and its lack-of-fit test p > 0.05; not reproduced: its AICc '
  'is worse than another by more than 10, or by more than 2 with lack of fit '
  'at p < 0.05'
)


def log_linear(found: scaling.Scaling) -> Verdict:
  """Whether success is linear in the logarithm of compute."""
  if not found.enough:
    return Verdict.UNDECIDED
  delta = found.standing(scaling.LINE).delta_aicc
  if delta == 0 and found.lack_p > ALPHA:
    return Verdict.REPRODUCED
  if delta > _UNTENABLE or (delta > _WORSE and found.lack_p < ALPHA):
    return Verdict.NOT_REPRODUCED
  return Verdict.UNDECIDED


GROWS = (
  'reproduced: the interval of the slope is above 0; not reproduced: it is '
  'below 0, or within 1 point per decade of it'
)
_FLAT = 0.01


def grows(slope: Interval) -> Verdict:
  """Whether success grows with compute."""
  if slope.low > 0:
    return Verdict.REPRODUCED
  if slope.high < 0 or (slope.low > -_FLAT and slope.high < _FLAT):
    return Verdict.NOT_REPRODUCED
  return Verdict.UNDECIDED
