"""What a claim is judged by: an estimate, the verdict by its rule, a note."""

import functools
from typing import NamedTuple

import numpy as np

from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import effects
from analysis.study import ladder
from analysis.study import scaling
from analysis.study import study as study_lib
from analysis.study import support
from analysis.study import verdicts
from analysis.study.verdicts import Verdict
from synth.splits import support as support_split
from synth.statistics.design import Interval

_DROP = 0.3  # what the paper states
_SEEN = 'models that saw it solve'


class Measured(NamedTuple):
  """What a claim is judged by.

  Attributes:
    interval: Estimate and interval, in shares (of tasks, or of success).
    verdict: By the rule.
    splits: Split seeds.
    seeds: Training seeds of each.
    items: Tasks.
    p: Holm-adjusted over the family; None where the rule has no such test.
    note: What else a reader must know.
    remark: What must not be missed wherever the verdict is told, in short.
  """

  interval: Interval
  verdict: Verdict
  splits: int
  seeds: int
  items: int
  p: float | None = None
  note: str = ''
  remark: str = ''

  @property
  def told(self) -> str:
    """Remark and note."""
    return '; '.join(filter(None, (self.remark, self.note)))


def positive(effect: effects.Effect, p: float, note: str = '') -> Measured:
  """Of an effect that should be above 0."""
  verdict, remark = verdicts.positive(effect, p), ''
  if verdict == Verdict.REPRODUCED and effect.equivalence.equivalent:
    remark = f'above 0, but within {100 * effects.MARGIN:g} points of it'
  return _of(effect, verdict, p, note)._replace(remark=remark)


def gap(found: support.Support, p: float, note: str = '') -> Measured:
  """Of the difference in differences."""
  drop, price = (100 * e.interval.estimate for e in (found.drop, found.price))
  parts = f'the sum of {drop:+.1f} on novel and {-price:+.1f} on controls'
  return positive(found.gap, p, '; '.join(filter(None, (parts, note))))


def control(study: study_lib.Study) -> str:
  """What the negative control loses, if its records are whole."""
  try:
    study.require(contrasts.AVOIDABLE)
    found = contrasts.held_out(study, contrasts.AVOIDABLE)
  except cells_lib.NotMeasured:
    return ''
  return (
    'the negative control, a structure that no function needs, loses '
    f'{100 * found.drop.interval.estimate:.1f} of {100 * found.seen:.1f} '
    'points on novel'
  )


def alone(effect: effects.Effect) -> Measured:
  """Of a test outside the family: its p as it is."""
  found = _of(effect, verdicts.positive(effect, effect.p), effect.p)
  return found._replace(remark='secondary: p not adjusted')


def both(found: dict[str, effects.Effect], p: float) -> Measured:
  """The conjunction: as strong as its weaker half (intersection-union)."""
  each = {
    space: verdicts.positive(effect, p) for space, effect in found.items()
  }
  space = min(found, key=lambda name: found[name].interval.estimate)
  verdict = Verdict.UNDECIDED
  if set(each.values()) == {Verdict.REPRODUCED}:
    verdict = Verdict.REPRODUCED
  elif Verdict.NOT_REPRODUCED in each.values():
    verdict = Verdict.NOT_REPRODUCED
  return _of(found[space], verdict, p, f'the better one is {space}')


def above(found: support.Support, relative: bool) -> Measured:
  """Of a drop that should exceed what the paper states."""
  interval = found.relative if relative else found.drop.interval
  verdict, remark = verdicts.above(interval, _DROP), ''
  if not relative:
    remark = verdicts.nothing_more(found.seen, _DROP, _SEEN)
  measured = _of(found.drop, verdict, None, '', interval)
  return measured._replace(remark=remark)


def no_drop(found: support.Support) -> Measured:
  """Of a drop that should be equivalent to none."""
  verdict = verdicts.no_drop(found.drop, found.gap)
  _, low, high = (100 * v for v in found.gap.equivalence.interval)
  note = (
    f'90 % interval of the gap to controls {low:+.1f} to {high:+.1f} points'
  )
  half = max(_half(effect) for effect in (found.drop, found.gap))
  if half >= effects.MARGIN:
    note += (
      f'; with 90 % intervals of +-{100 * half:.1f} points no estimate could '
      f'have been placed within {100 * effects.MARGIN:g} of 0'
    )
  remark = verdicts.nothing_more(found.seen, effects.MARGIN, _SEEN)
  return _of(found.drop, verdict, None, note)._replace(remark=remark)


def grows(study: study_lib.Study, test: str) -> Measured:
  """Of what a tenfold compute adds on a test."""
  found = _scaling(study, test)
  slope = scaling.slope(found)
  verdict, remarks = verdicts.grows(slope), []
  if test in (study_lib.FORCED, study_lib.AVOIDABLE):
    remarks.append('a part')
  if verdict == Verdict.REPRODUCED and verdicts.flat(slope):
    remarks.append('above 0, but within 1 point per decade of it')
  note = f'interval over seeds and tasks; {scaling.bend(found)}'
  measured = _of_scaling(study, test, slope, verdict, note)
  return measured._replace(remark='; '.join(remarks))


def log_linear(study: study_lib.Study, test: str) -> Measured:
  """Of how well a straight line foretells the upper levels of compute."""
  found = _scaling(study, test)
  line = found.standing(scaling.LINE)
  note = (
    f'best form by AICc: {found.best} (log-linear {line.delta_aicc:.1f} '
    f'above); lack of fit p = {found.lack_p:.2g}'
  )
  if not found.enough:
    fits = 'fits' if found.lack_p > verdicts.ALPHA else 'does not fit'
    note += (
      f': a line {fits} these levels, but by the rule they are too few to tell '
      'the forms apart'
    )
  forward = Interval(line.forward, np.nan, np.nan)
  return _of_scaling(study, test, forward, verdicts.log_linear(found), note)


def means(study: study_lib.Study, contrast: str) -> str:
  """pass@1 of both arms: no drop is larger than what there was to lose."""
  grid = study.grid(contrast)
  said = []
  for test in (
    support_split.NOVEL, study_lib.FORCED, support_split.CONTROL,
  ):  # fmt: skip
    if test not in grid.tests:
      continue
    seen, unseen = (
      np.mean([grid.get(split, arm, test).value(1).mean()
               for split in grid.splits])
      for arm in (support_split.WITH, support_split.WITHOUT)
    )  # fmt: skip
    said.append(f'{test} {_percent(seen)} and {_percent(unseen)}')
  return f'pass@1 having seen it and not: {"; ".join(said)}'


def rungs(study: study_lib.Study, p: float) -> Measured:
  """Of what the ladder costs, with what could be lost."""
  effect = contrasts.rungs(study)
  span = ladder.span(contrasts.rung_divergence(study))
  slope = 100 * effect.interval.estimate / span
  note = f'D_C spans {span:.2f}: {slope:.1f} points per unit'
  remark = verdicts.nothing_more(
    contrasts.lowest_rung(study), effects.MARGIN, 'the lowest rung solves'
  )
  found = positive(effect, p, note)
  remarks = filter(None, (found.remark, remark))
  return found._replace(remark='; '.join(remarks))


def _of(
  effect: effects.Effect,
  verdict: Verdict,
  p: float | None,
  note: str = '',
  interval: Interval | None = None,
) -> Measured:
  return Measured(
    interval or effect.interval,
    verdict,
    effect.splits,
    effect.seeds,
    effect.items,
    p,
    note,
  )


def _half(effect: effects.Effect) -> float:
  interval = effect.equivalence.interval
  return (interval.high - interval.low) / 2


@functools.cache
def _scaling(study: study_lib.Study, test: str) -> scaling.Scaling:
  runs = study.of(contrasts.SCALING)
  return scaling.measure_tests(study_lib.cells_by_compute(runs, test), 1)


def _of_scaling(
  study: study_lib.Study,
  test: str,
  interval: Interval,
  verdict: Verdict,
  note: str,
) -> Measured:
  found, runs = _scaling(study, test), study.of(contrasts.SCALING)
  items = {
    len(cell.item_I)
    for run in runs
    for cell in study_lib.cells(run)
    if cell.test == test
  }
  levels = f'{found.levels} levels of compute over {found.decades:.1f} decades'
  return Measured(
    interval,
    verdict,
    len({study_lib.split_seed(run) for run in runs}),
    found.seeds,
    max(items, default=0),
    note=f'{levels}; {note}',
  )


def _percent(share: float) -> str:
  return f'{share:.1%}' if share >= 0.005 else f'{share:.2%}'
