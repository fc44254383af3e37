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
  'reproduced: the interval is above 0 and Holm-adjusted p is at most 0.05, '
  'however small the effect; else not reproduced: it is below 0, or two '
  'one-sided tests place the effect within 3 points of 0'
)


def positive(effect: effects.Effect, adjusted: float) -> Verdict:
  """Whether there is an effect above 0."""
  if effect.interval.low > 0 and adjusted <= ALPHA:
    return Verdict.REPRODUCED
  if effect.interval.high < 0 or effect.equivalence.equivalent:
    return Verdict.NOT_REPRODUCED
  return Verdict.UNDECIDED


ABOVE = (
  'reproduced: the whole interval is above 30 (points or %, as the estimate); '
  'not reproduced: it is below'
)


def above(interval: Interval, bound: float) -> Verdict:
  """Whether a quantity is above a bound; NaN ends decide nothing."""
  if interval.low > bound:
    return Verdict.REPRODUCED
  if interval.high < bound:
    return Verdict.NOT_REPRODUCED
  return Verdict.UNDECIDED


def nothing_more(attainable: float, bound: float, who: str) -> str:
  """What to say beside a verdict on a loss that could not have been large.

  No more can be lost than is solved by models from which nothing is held out.
  If that is less than the loss that a rule asks for, or than the margin within
  which it takes one for none, the verdict follows from it alone: it stays as
  the rule has it and is told with this remark.

  Args:
    attainable: pass@1 of those models on the tasks.
    bound: What the rule asks for, or its margin.
    who: Those models, as a subject with its verb.

  Returns:
    The remark; empty where as much as the bound was there to lose.
  """
  if attainable >= bound:
    return ''
  if attainable < effects.MARGIN:
    return f'nothing to lose: {who} {100 * attainable:.1f} %'
  return f'at most {100 * attainable:.1f} points were there to lose'


NO_DROP = (
  'reproduced: two one-sided tests place both the drop and the gap within 3 '
  'points of 0; not reproduced: the 90 % interval of one of them is above 3 '
  'points'
)


def no_drop(*found: effects.Effect) -> Verdict:
  """Whether all drops are equivalent to none."""
  if all(effect.equivalence.equivalent for effect in found):
    return Verdict.REPRODUCED
  if any(
    effect.equivalence.interval.low >= effect.equivalence.margin
    for effect in found
  ):
    return Verdict.NOT_REPRODUCED
  return Verdict.UNDECIDED


LOG_LINEAR = (
  f'with at least {scaling.LEVELS} levels of compute over {scaling.DECADES:g} '
  'decades, else undecided. Reproduced: of six forms (less those with as '
  'many parameters as there are levels) the log-linear one has the least '
  'AICc, and its lack-of-fit test p > 0.05; not reproduced: its AICc is worse '
  'than another by more than 10, or by more than 2 with lack of fit at '
  'p < 0.05'
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
  'reproduced: the interval of the slope is above 0, however small; else not '
  'reproduced: it is below 0, or within 1 point per decade of it'
)
_FLAT = 0.01


def flat(slope: Interval) -> bool:
  """Whether a slope is within 1 point per decade of 0."""
  return slope.low > -_FLAT and slope.high < _FLAT


def grows(slope: Interval) -> Verdict:
  """Whether success grows with compute."""
  if slope.low > 0:
    return Verdict.REPRODUCED
  if slope.high < 0 or flat(slope):
    return Verdict.NOT_REPRODUCED
  return Verdict.UNDECIDED
