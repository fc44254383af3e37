"""The claim table (T8): each sentence of the abstract, our estimate, a verdict.

A row is judged only when its records are whole: an arm, seed or test set that
lacks makes it `not measured`, with the reason. Rules: `verdicts`.
"""

from collections.abc import Callable
import functools
from typing import NamedTuple

from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import judgement
from analysis.study import search
from analysis.study import study as study_lib
from analysis.study import support
from analysis.study import verdicts
from analysis.study.verdicts import Verdict
from synth.search import results as search_results
from synth.splits import split as split_lib
from synth.splits import support as support_split
from synth.statistics.design import Interval

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
_NEEDED = 'novel search-based approaches'
_CHECK = 'our check'
_ALONE = verdicts.POSITIVE.replace('Holm-adjusted p', 'p (not adjusted)')
# When a rule was written: by docs/preregistration.md and its deviations. Of C5
# the scale, points of the whole ladder, came after the first records of others.
FIRST, OWN, AFTER = 'before any record', 'before its records', 'after'
_PART = f'{verdicts.GROWS}. For a part of the tasks'


class Row(NamedTuple):
  """A line of the table.

  Attributes:
    short: The claim in a few words of ours.
    sentence: Of the abstract, or that it is a check of our own.
    quantity: What is estimated.
    unit: Of the estimate: 'points', '%' (of success) or 'points per decade'.
    rule: When it counts as reproduced.
    written: When that was written down.
    measured: The estimate, if there is one.
    verdict: On the sentence.
    reason: Why it is not measured.
  """

  short: str
  sentence: str
  quantity: str
  unit: str
  rule: str
  written: str
  measured: judgement.Measured | None
  verdict: Verdict
  reason: str


def digits(interval: Interval) -> int:
  """Of points: two where the interval is narrower than half of one."""
  return 2 if 0 < 100 * (interval.high - interval.low) < 0.5 else 1


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
      lambda: judgement.positive(
        contrasts.diverse(study, contrasts.JOINT), p['C2']
      ),
    ),
    row(
      contrasts.DENSITY,
      'diverse in both spaces beats one (C4)',
      f'{_MANIFOLDS} (C4)',
      'pass@1 under shifted test laws: diverse in both spaces, less diverse in '
      'the better of the two (the smaller difference)',
      'points',
      verdicts.POSITIVE + '; both differences must hold',
      lambda: judgement.both(contrasts.manifolds(study), p['C4']),
    ),
    row(
      contrasts.SYNTACTIC,
      'a structure never seen is lost, beyond controls (C1)',
      f'{_STRUGGLE} (C1)',
      'pass@1 that having seen the structure adds on novel programs, less what '
      'it adds on matched controls, where it costs (difference in differences)',
      'points',
      verdicts.POSITIVE,
      lambda: judgement.gap(
        held_out(contrasts.SYNTACTIC), p['C1'], judgement.control(study)
      ),
    ),
    row(
      contrasts.REGION,
      'a syntactic region never seen is lost, beyond controls',
      f'{_STRUGGLE}: a region of the syntactic space (secondary)',
      'the same, for the functions at one end of a syntactic axis; controls '
      'are equal in size and place in the semantic space',
      'points',
      _ALONE,
      lambda: judgement.alone(held_out(contrasts.REGION).gap),
    ),
    row(
      contrasts.SYNTACTIC,
      '... the structure, by over 30 points',
      f'{_THIRTY} (read as points)',
      'pass@1 lost on novel programs by never having seen the structure',
      'points',
      verdicts.ABOVE,
      lambda: judgement.above(held_out(contrasts.SYNTACTIC), relative=False),
    ),
    row(
      contrasts.SYNTACTIC,
      '... the structure, by over 30 % of what there was',
      f'{_THIRTY} (read as a ratio)',
      'the same, as a share of the pass@1 of models that saw it',
      '%',
      verdicts.ABOVE,
      lambda: judgement.above(held_out(contrasts.SYNTACTIC), relative=True),
    ),
    row(
      contrasts.SEMANTIC,
      'a semantic region never seen is **not** lost',
      _ROBUST,
      'pass@1 lost on functions of a region that training never touched, '
      'matched on syntax',
      'points',
      verdicts.NO_DROP,
      lambda: judgement.no_drop(held_out(contrasts.SEMANTIC)),
    ),
    row(
      contrasts.SCALING,
      'compute helps in support',
      _COMPUTE,
      'pass@1 in support (dev, on whose loss the learning rate was chosen) per '
      'tenfold training compute',
      'points per decade',
      verdicts.GROWS,
      lambda: judgement.grows(study, in_support),
    ),
    row(
      contrasts.SCALING,
      'compute helps out of support',
      _COMPUTE + ' (out of support)',
      'pass@1 on novel programs per tenfold training compute',
      'points per decade',
      verdicts.GROWS,
      lambda: judgement.grows(study, novel),
    ),
    row(
      contrasts.SCALING,
      '... where the structure must be written',
      _COMPUTE + ' (a part of the row above: forced)',
      'the same on the novel programs that cannot be written without it',
      'points per decade',
      _PART,
      lambda: judgement.grows(study, study_lib.FORCED),
      AFTER,
    ),
    row(
      contrasts.SCALING,
      '... where it can be avoided',
      _COMPUTE + ' (a part of the row above: avoidable)',
      'the same on the others, which a longer program computes without it',
      'points per decade',
      _PART,
      lambda: judgement.grows(study, study_lib.AVOIDABLE),
      AFTER,
    ),
    row(
      contrasts.SCALING,
      'the gain is log-linear in support',
      _LINE + ' (in support)',
      'error of the log-linear form where it foretells the upper 30 % of the '
      'levels of compute from the others',
      'points',
      verdicts.LOG_LINEAR,
      lambda: judgement.log_linear(study, in_support),
    ),
    row(
      contrasts.SCALING,
      'the gain is log-linear out of support',
      _LINE + ' (out of support)',
      'the same on novel programs',
      'points',
      verdicts.LOG_LINEAR,
      lambda: judgement.log_linear(study, novel),
    ),
    row(
      search.CONTRAST,
      'search solves what sampling does not',
      _SEARCH,
      'novel tasks that a completion of one of the samples solves, less those '
      'that one of the samples solves; models that never saw the structure',
      'points',
      _ALONE,
      lambda: judgement.alone(search.gain(study, search.SAMPLES)),
      OWN,
    ),
    row(
      search.CONTRAST,
      '... by what was written for the task',
      f'{_CHECK}: the same completions',
      'less those of what the same models wrote for other tasks of that size',
      'points',
      _ALONE,
      lambda: judgement.alone(search.gain(study, search_results.OTHERS)),
      OWN,
    ),
    row(
      search.CONTRAST,
      '... beyond search without a model',
      f'{_SEARCH}: that it takes {_NEEDED}',
      'the same completions, less meet in the middle with the same bank and '
      'all its look-ups',
      'points',
      _ALONE,
      lambda: judgement.alone(
        search.gain(study, search_results.MEET_IN_THE_MIDDLE)
      ),
      OWN,
    ),
    row(
      search.CONTRAST,
      'asking for what is left solves what sampling does not',
      f'{_CHECK}: search by subgoals',
      'novel tasks that a subgoal solves for which the model is asked, once, '
      'less those that one of the samples solves; models that never saw the '
      'structure',
      'points',
      _ALONE,
      lambda: judgement.alone(
        search.gain(study, search.SAMPLES, source=search.ASKED)
      ),
      OWN,
    ),
    row(
      search.CONTRAST,
      '... beyond looking it up in training',
      f'{_CHECK}: the same subgoals',
      'less the tasks that they solve when each is looked up among the '
      'functions of training',
      'points',
      _ALONE,
      lambda: judgement.alone(
        search.gain(study, search.KNOWN, source=search.ASKED)
      ),
      OWN,
    ),
    row(
      contrasts.DENSITY,
      'diverse training helps at equal sizes and symbols (C3)',
      f'{_CHECK}: diversity beyond size, operators and constants (C3)',
      'as the first row, with the sizes, operators and constants of the '
      'uniform sample (raked)',
      'points',
      verdicts.POSITIVE,
      lambda: judgement.positive(
        contrasts.diverse(study, contrasts.RAKED), p['C3']
      ),
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
      lambda: judgement.rungs(study, p['C5']),
      OWN,
    ),
  ]


def _row(
  study: study_lib.Study,
  contrast: str,
  short: str,
  sentence: str,
  quantity: str,
  unit: str,
  rule: str,
  measure: Callable[[], judgement.Measured],
  written: str = FIRST,
) -> Row:
  """Measures and judges, if the contrast of the runs is whole."""
  told = functools.partial(Row, short, sentence, quantity, unit, rule, written)
  try:
    study.require(contrast)
    found = measure()
    if contrast in (contrasts.SYNTACTIC, contrasts.REGION, contrasts.SEMANTIC):
      notes = filter(None, (found.note, judgement.means(study, contrast)))
      found = found._replace(note='; '.join(notes))
  except cells_lib.TooManyDiverged as lack:
    return told(None, Verdict.UNDECIDED, str(lack))
  except cells_lib.NotMeasured as lack:
    return told(None, Verdict.NOT_MEASURED, str(lack))
  return told(found, found.verdict, '')
