"""The claim table (T8): each sentence of the abstract, our estimate, a verdict.

A row is judged only when its records are whole: an arm, seed or test set that
lacks makes it `not measured`, with the reason. Rules: `verdicts`.
"""

from collections.abc import Callable
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
from synth.splits import split as split_lib
from synth.splits import support as support_split
from synth.statistics.design import Interval

_DROP = 0.3  # what the paper states
_DIVERSE = (
  'optimizing density generalization -- through diverse sampling over both '
  'semantic and syntactic spaces -- induces robust out-of-distribution '
  'generalization'
)
_MANIFOLDS = (
  'robust generalization requires maximizing training diversity across '
  'multiple manifolds'
)
_STRUGGLE = (
  'transformers severely struggle with extrapolation [when] forced to generate '
  'syntactically novel programs'
)
_THIRTY = 'a performance drop of over 30%'
_ROBUST = 'semantic extrapolation remains robust (digest of the paper)'
_COMPUTE = 'steadily scaling up compute improves generalization'
_LINE = 'the gains follow a strictly log-linear relationship'
_SEARCH = (
  'the necessity for novel search-based approaches to break through current '
  'log-linear scaling bottlenecks'
)
_CHECK = 'our check'


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
  """

  interval: Interval
  verdict: Verdict
  splits: int
  seeds: int
  items: int
  p: float | None = None
  note: str = ''


class Row(NamedTuple):
  """A line of the table.

  Attributes:
    short: The claim in a few words of ours.
    sentence: Of the abstract, or that it is a check of our own.
    quantity: What is estimated.
    unit: Of the estimate: 'points', '%' (of success) or 'points per decade'.
    rule: When it counts as reproduced.
    measured: The estimate, if there is one.
    verdict: On the sentence.
    reason: Why it is not measured.
  """

  short: str
  sentence: str
  quantity: str
  unit: str
  rule: str
  measured: Measured | None
  verdict: Verdict
  reason: str


def table(study: study_lib.Study) -> list[Row]:
  """All rows, the paper's sentences first."""
  p = contrasts.family(study)
  in_support, novel = split_lib.DEV, support_split.NOVEL
  row = functools.partial(_row, study)

  def held_out(contrast: str) -> support.Support:
    return contrasts.held_out(study, contrast)

  return [
    row(
      contrasts.DENSITY,
      'diverse training helps under shifted laws (C2)',
      f'{_DIVERSE} (C2)',
      'pass@1 under shifted test laws: trained on a sample diverse in both '
      'spaces, less trained on a uniform one',
      'points',
      verdicts.POSITIVE,
      lambda: _positive(contrasts.diverse(study, contrasts.JOINT), p['C2']),
    ),
    row(
      contrasts.DENSITY,
      'diverse in both spaces beats one (C4)',
      f'{_MANIFOLDS} (C4)',
      'pass@1 under shifted test laws: diverse in both spaces, less diverse in '
      'the better of the two (the smaller difference)',
      'points',
      verdicts.POSITIVE + '; both differences must hold',
      lambda: _both(contrasts.manifolds(study), p['C4']),
    ),
    row(
      contrasts.SYNTACTIC,
      'a structure never seen is lost, beyond controls (C1)',
      f'{_STRUGGLE} (C1)',
      'pass@1 that having seen the structure adds on novel programs, less what '
      'it adds on matched controls, where it costs (difference in differences)',
      'points',
      verdicts.POSITIVE,
      lambda: _gap(held_out(contrasts.SYNTACTIC), p['C1']),
    ),
    row(
      contrasts.REGION,
      'a syntactic region never seen is lost, beyond controls',
      f'{_STRUGGLE}: a region of the syntactic space (secondary)',
      'the same, for the functions at one end of a syntactic axis; controls '
      'are equal in size and place in the semantic space',
      'points',
      verdicts.POSITIVE.replace('Holm-adjusted p', 'p (not adjusted)'),
      lambda: _alone(held_out(contrasts.REGION).gap),
    ),
    row(
      contrasts.SYNTACTIC,
      '... the structure, by over 30 points',
      f'{_THIRTY} (read as points)',
      'pass@1 lost on novel programs by never having seen the structure',
      'points',
      verdicts.ABOVE,
      lambda: _above(held_out(contrasts.SYNTACTIC), relative=False),
    ),
    row(
      contrasts.SYNTACTIC,
      '... the structure, by over 30 % of what there was',
      f'{_THIRTY} (read as a ratio)',
      'the same, as a share of the pass@1 of models that saw it',
      '%',
      verdicts.ABOVE,
      lambda: _above(held_out(contrasts.SYNTACTIC), relative=True),
    ),
    row(
      contrasts.SEMANTIC,
      'a semantic region never seen is **not** lost',
      _ROBUST,
      'pass@1 lost on functions of a region that training never touched, '
      'matched on syntax',
      'points',
      verdicts.NO_DROP,
      lambda: _no_drop(held_out(contrasts.SEMANTIC)),
    ),
    row(
      contrasts.SCALING,
      'compute helps in support',
      _COMPUTE,
      'pass@1 in support (dev, on whose loss the learning rate was chosen) per '
      'tenfold training compute',
      'points per decade',
      verdicts.GROWS,
      lambda: _grows(study, in_support),
    ),
    row(
      contrasts.SCALING,
      'compute helps out of support',
      _COMPUTE + ' (out of support)',
      'pass@1 on novel programs per tenfold training compute',
      'points per decade',
      verdicts.GROWS,
      lambda: _grows(study, novel),
    ),
    row(
      contrasts.SCALING,
      'the gain is log-linear in support',
      _LINE + ' (in support)',
      'error of the log-linear form where it foretells the upper 30 % of the '
      'levels of compute from the others',
      'points',
      verdicts.LOG_LINEAR,
      lambda: _log_linear(study, in_support),
    ),
    row(
      contrasts.SCALING,
      'the gain is log-linear out of support',
      _LINE + ' (out of support)',
      'the same on novel programs',
      'points',
      verdicts.LOG_LINEAR,
      lambda: _log_linear(study, novel),
    ),
    row(
      None,
      'search is needed',
      _SEARCH,
      'none: no search that uses a model was run',
      'points',
      'needs an equal-compute comparison with search, which these records do '
      'not hold',
      _never,
    ),
    row(
      contrasts.DENSITY,
      'diverse training helps at equal sizes and symbols (C3)',
      f'{_CHECK}: diversity beyond size, operators and constants (C3)',
      'as the first row, with the sizes, operators and constants of the '
      'uniform sample (raked)',
      'points',
      verdicts.POSITIVE,
      lambda: _positive(contrasts.diverse(study, contrasts.RAKED), p['C3']),
    ),
    row(
      contrasts.LADDER,
      'the loss grows with compound divergence (C5)',
      f'{_CHECK}: the loss grows with the divergence of compounds (C5)',
      'pass@1 lost on novel programs from the lowest to the highest rung of '
      'compound divergence, by the slope over all rungs; equal tests and atoms '
      '(ladder)',
      'points',
      verdicts.POSITIVE,
      lambda: _positive(
        contrasts.rungs(study),
        p['C5'],
        _per_unit(study),
      ),
    ),
  ]


def _row(
  study: study_lib.Study,
  contrast: str | None,
  short: str,
  sentence: str,
  quantity: str,
  unit: str,
  rule: str,
  measure: Callable[[], Measured],
) -> Row:
  """Measures and judges, if the contrast of the runs is whole."""
  try:
    if contrast:
      study.require(contrast)
    found = measure()
    if contrast in (contrasts.SYNTACTIC, contrasts.REGION, contrasts.SEMANTIC):
      notes = filter(None, (found.note, _means(study, contrast)))
      found = found._replace(note='; '.join(notes))
  except cells_lib.TooManyDiverged as lack:
    verdict = Verdict.UNDECIDED
    return Row(short, sentence, quantity, unit, rule, None, verdict, str(lack))
  except cells_lib.NotMeasured as lack:
    verdict = Verdict.NOT_MEASURED
    return Row(short, sentence, quantity, unit, rule, None, verdict, str(lack))
  return Row(short, sentence, quantity, unit, rule, found, found.verdict, '')


def _means(study: study_lib.Study, contrast: str) -> str:
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


def _percent(share: float) -> str:
  return f'{share:.1%}' if share >= 0.005 else f'{share:.2%}'


def _never() -> Measured:
  raise cells_lib.NotMeasured(
    'no search that uses a model was run; what more samples of the same models '
    'reach: figure F11'
  )


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


def _positive(effect: effects.Effect, p: float, note: str = '') -> Measured:
  verdict = verdicts.positive(effect, p)
  if verdict == Verdict.REPRODUCED and effect.equivalence.equivalent:
    small = f'above 0, but within {100 * effects.MARGIN:g} points of it'
    note = '; '.join(filter(None, (note, small)))
  return _of(effect, verdict, p, note)


def _gap(found: support.Support, p: float) -> Measured:
  drop, price = (100 * e.interval.estimate for e in (found.drop, found.price))
  note = f'the sum of {drop:+.1f} on novel and {-price:+.1f} on controls'
  return _positive(found.gap, p, note)


def _per_unit(study: study_lib.Study) -> str:
  span = ladder.span(contrasts.rung_divergence(study))
  slope = 100 * contrasts.rungs(study).interval.estimate / span
  lowest = contrasts.lowest_rung(study)
  note = f'D_C spans {span:.2f}: {slope:.1f} points per unit'
  if lowest < _DROP:
    note += (
      f'; no larger loss was possible than what models of the lowest rung '
      f'solve, {100 * lowest:.1f} points'
    )
  return note


def _alone(effect: effects.Effect) -> Measured:
  """Of a test outside the family: its p as it is."""
  note = 'p not adjusted: outside the family'
  return _of(effect, verdicts.positive(effect, effect.p), effect.p, note)


def _both(found: dict[str, effects.Effect], p: float) -> Measured:
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


def _above(found: support.Support, relative: bool) -> Measured:
  interval = found.relative if relative else found.drop.interval
  verdict = verdicts.above(interval, _DROP)
  note = ''
  if not relative and found.seen < _DROP:
    note = (
      'no larger drop was possible than what models solve that saw it, '
      f'{100 * found.seen:.1f} points'
    )
  return _of(found.drop, verdict, None, note, interval)


def _no_drop(found: support.Support) -> Measured:
  verdict = verdicts.no_drop(found.drop, found.gap)
  gap = found.gap.equivalence.interval
  note = (
    f'90 % interval of the gap to controls {100 * gap.low:+.1f} to '
    f'{100 * gap.high:+.1f} points'
  )
  half = max(_half(effect) for effect in (found.drop, found.gap))
  if half >= effects.MARGIN:
    note += (
      f'; with 90 % intervals of +-{100 * half:.1f} points no estimate could '
      f'have been placed within {100 * effects.MARGIN:g} of 0'
    )
  return _of(found.drop, verdict, None, note)


def _half(effect: effects.Effect) -> float:
  interval = effect.equivalence.interval
  return (interval.high - interval.low) / 2


@functools.cache
def _scaling(study: study_lib.Study, test: str) -> tuple[scaling.Scaling, int]:
  found = study.of(contrasts.SCALING)
  items = {len(r.tests[test].class_I) for r in found if test in r.tests}
  rates = study_lib.by_compute(found, test, 1)
  return scaling.measure(rates), max(items, default=0)


def _grows(study: study_lib.Study, test: str) -> Measured:
  found, items = _scaling(study, test)
  slope = scaling.slope(found)
  splits = len({study_lib.split_seed(r) for r in study.of(contrasts.SCALING)})
  note = (
    f'{found.levels} levels of compute over {found.decades:.1f} decades; '
    'interval over seeds only'
  )
  if verdicts.flat(slope):
    note += '; above 0, but within 1 point per decade of it'
  return Measured(
    slope,
    verdicts.grows(slope),
    splits,
    found.seeds,
    items,
    note=note,
  )


def _log_linear(study: study_lib.Study, test: str) -> Measured:
  found, items = _scaling(study, test)
  line = found.standing(scaling.LINE)
  splits = len({study_lib.split_seed(r) for r in study.of(contrasts.SCALING)})
  note = (
    f'{found.levels} levels of compute over {found.decades:.1f} decades; best '
    f'form by AICc: {found.best} (log-linear {line.delta_aicc:.1f} above); '
    f'lack of fit p = {found.lack_p:.2g}'
  )
  if not found.enough:
    fits = 'fits' if found.lack_p > verdicts.ALPHA else 'does not fit'
    note += (
      f': a line {fits} these levels, but by the rule they are too few to tell '
      'the forms apart'
    )
  return Measured(
    Interval(line.forward, np.nan, np.nan),
    verdicts.log_linear(found),
    splits,
    found.seeds,
    items,
    note=note,
  )
