"""The study's page: claims first; self-contained; from records alone.

`python -m analysis.report --runs=results/TIER --out=FILE.html` writes it, and
every figure as PNG, SVG, PDF and its numbers as JSON into FILE-figures/, and
the claim table as Markdown into FILE-claims.md, how each contrast was trained
and tested into FILE-designs.md, its definitions into FILE-definitions.md.
"""

from collections.abc import Callable
from collections.abc import Sequence
import html
import pathlib
from typing import Any

from matplotlib import pyplot as plt

from analysis import picture
from analysis import webpage
from analysis.study import atlas_view
from analysis.study import calibration
from analysis.study import cells as cells_lib
from analysis.study import claims
from analysis.study import configurations
from analysis.study import contrasts
from analysis.study import definitions
from analysis.study import density_figures
from analysis.study import drawn
from analysis.study import functions_shown
from analysis.study import held_out_distances
from analysis.study import hover
from analysis.study import law_figures
from analysis.study import learning
from analysis.study import markdown
from analysis.study import mistakes
from analysis.study import near_and_far
from analysis.study import plan
from analysis.study import power
from analysis.study import preregistration
from analysis.study import prose
from analysis.study import retrieval
from analysis.study import scaling_view
from analysis.study import search
from analysis.study import search_view
from analysis.study import spread
from analysis.study import study as study_lib
from analysis.study import subgoal_view
from analysis.study import support_figures
from analysis.study import tables
from analysis.study import training_size
from analysis.study import without_model
from synth import runs

_Draw = Callable[[study_lib.Study], drawn.Drawn]
_HELD_OUT = tuple(contrasts.HELD_OUT)
# Name -> question, what draws it, and the contrasts that it is made of.
_FIGURES: dict[str, tuple[str, _Draw, tuple[str, ...]]] = {
  'F1-spaces': ('What do the two spaces look like?', atlas_view.spaces, ()),
  'F2-redundancy': ('How redundant are programs?', atlas_view.redundancy, ()),
  'F3-leakage': (
    'Does a naive split of random programs leak?',
    atlas_view.leakage,
    (),
  ),
  'F4-matching': ('Are training and test matched?', atlas_view.matching, ()),
  'F5-density': (
    'Which training law generalizes to which test law?',
    density_figures.matrix,
    (contrasts.DENSITY, contrasts.MORE),
  ),
  'F6-dose': (
    'Does more diverse training help more?',
    density_figures.dose,
    (contrasts.DENSITY, contrasts.MORE),
  ),
  'F7-support': (
    'What does never having seen it cost?',
    support_figures.forest,
    _HELD_OUT,
  ),
  'F8-novelty': (
    'Is the new structure written, or avoided?',
    support_figures.solved,
    tuple(contrasts.EDGES),
  ),
  'F9-distance': (
    'Does distance to training explain success?',
    law_figures.distances,
    tuple(law_figures.DISTANCES),
  ),
  'F10-ladder': (
    'Does success fall as compounds diverge?',
    support_figures.rungs,
    (contrasts.LADDER,),
  ),
  'F11-coverage': (
    'Does sampling more reach what is out of support?',
    law_figures.sampling,
    (law_figures.COVERAGE,),
  ),
  'F12-scaling': (
    'How does success grow with compute?',
    scaling_view.draw,
    (contrasts.SCALING,),
  ),
  'F13-data': (
    'How does success grow with the functions shown?',
    training_size.draw,
    (contrasts.DATA,),
  ),
  'F16-search': (
    'Does search reach what sampling does not, and does it need the model?',
    search_view.draw,
    (search.CONTRAST,),
  ),
  'F19-retrieval': (
    'Are wrong answers programs of training, near and far?',
    retrieval.draw,
    tuple(law_figures.DISTANCES),
  ),
  'F20-learning': (
    'What do the models learn, and what limits it?',
    learning.draw,
    (contrasts.SYNTACTIC, contrasts.SCALING, contrasts.DATA),
  ),
  'F21-errors': (
    'What are the samples that are not right?',
    mistakes.draw,
    (contrasts.SCALING, contrasts.DATA),
  ),
  'F22-calibration': (
    'Do models know when they are right, out of support too?',
    calibration.draw,
    _HELD_OUT,
  ),
  'F23-subgoals': (
    'Is it better to try a task again, or to divide it?',
    subgoal_view.draw,
    (search.CONTRAST,),
  ),
  'F24-shown': (
    'Is retrieval worth less where training shows fewer functions?',
    functions_shown.draw,
    (search.SHOWN,),
  ),
  'F25-spread': (
    spread.QUESTION,
    spread.draw,
    (contrasts.DENSITY, contrasts.MORE),
  ),
}


def write(
  directory: pathlib.Path,
  out: pathlib.Path,
  declared: Callable[[str], Sequence[plan.Declared]] = plan.of,
) -> dict[str, Any]:
  """Writes the page about all records below a directory.

  Args:
    directory: Of one tier's records.
    out: The page.
    declared: Tier -> the runs that it should have.

  Returns:
    Paths of page and claim table, the number of records, how many declared
    runs lack, and the verdict on each claim.

  Raises:
    InputError: if there are no records or one is damaged.
  """
  study = study_lib.load(directory, declared)
  command = f'python -m analysis.report --runs={directory} --out={out}'
  rows = claims.table(study)
  figures_dir = out.with_name(f'{out.stem}-figures')
  parts = [
    '<h1>Does it generalize, or retrieve? The claims, measured</h1>',
    '<p>The abstract of arXiv 2604.27551, sentence by sentence (and one that '
    'is a digest, said there), measured anew on exactly enumerated programs. '
    f'Tier {html.escape(study.tier)}.</p>',
    _progress(study),
    tables.verdicts(rows),
    definitions.READING,
    '<h3>By what rule is each claim judged?</h3>',
    tables.rules(rows),
    '<h3>What is finished?</h3>',
    tables.states(study),
    '<p class="note">A contrast that lacks a run is drawn as incomplete and '
    'not judged, also where the runs that a row is about are there. A model '
    'that diverged is left out together with the models of its seed in the '
    'other arms of the split.</p>',
    definitions.DEFINITIONS,
    definitions.STATISTICS,
    definitions.SCOPE,
    *(_figure(study, name, figures_dir, command) for name in _FIGURES),
    '<h2>Are the parts of what they write taken from training?</h2>',
    retrieval.subtrees(study),
    '<h2>How well is every arm calibrated, on every test?</h2>',
    calibration.table(study),
    '<h2>Is confidence worse far from training?</h2>',
    near_and_far.table(study),
    '<h2>What does every search solve?</h2>',
    _incomplete(study, (search.CONTRAST,)),
    search_view.table(study),
    '<h2>And if models are asked for what is left of a task?</h2>',
    _incomplete(study, (search.CONTRAST,)),
    subgoal_view.table(study),
    '<h2>What do the tests take without a model?</h2>',
    without_model.table(study),
    '<h2>All support contrasts</h2>',
    _incomplete(study, _HELD_OUT),
    tables.support(study),
    '<h2>How far is what is held out?</h2>',
    _incomplete(study, _HELD_OUT),
    held_out_distances.table(study),
    '<h2>Every density arm on every test law</h2>',
    _incomplete(study, (contrasts.DENSITY, contrasts.MORE)),
    tables.density_by_law(study),
    '<h2>How diverse is every density arm?</h2>',
    _incomplete(study, (contrasts.DENSITY, contrasts.MORE)),
    spread.table(study),
    '<h2>The scaling forms</h2>',
    _incomplete(study, (contrasts.SCALING,)),
    scaling_view.table(study),
    '<h2>Where does the variance come from?</h2>',
    _incomplete(study, _HELD_OUT),
    tables.variance(study),
    '<p class="note">Variance components of the success of one sample; they '
    'may be negative by chance.</p>',
    '<h2>Were the errors what was planned?</h2>',
    _incomplete(study, (*power.pilots(), contrasts.DENSITY, contrasts.LADDER)),
    tables.errors(study),
    '<p class="note">Standard errors of pass@1 in points. Planned from the '
    'pilots for the splits of the study, with tasks as binomial and unpaired '
    '(docs/preregistration.md); realised with pairing. The error for new '
    'splits too is estimated from as few as its degrees of freedom say: with '
    'two or three it is rough, and may come out below the error for these '
    'splits, though the true one never is. The intervals allow for it by the '
    'quantiles of so few degrees.</p>',
    '<h2>What did not come out?</h2>',
    tables.negative(rows),
    '<h3>Not run, as stated before</h3>',
    preregistration.prose('Not run'),
    '<h3>Deviations from the preregistration</h3>',
    preregistration.prose('Deviations'),
    '<p class="note">Both as in docs/preregistration.md; what was tried before '
    'the study and failed is in docs/log.md.</p>',
    '<h2>The splits</h2>',
    tables.certificates(study),
    '<h2>Are the splits matched?</h2>',
    atlas_view.matched(study),
    '<h2>Is the identity of functions right?</h2>',
    atlas_view.identity(study),
    '<h2>What are the distances worth?</h2>',
    atlas_view.metric(study),
    '<h2>All configurations</h2>',
    configurations.table(study),
    f'<p class="note">Made by <code>{html.escape(command)}</code>.</p>',
  ]
  page = webpage.document('synth: the claims, measured', parts, hover.HEAD)
  runs.write_text(out, page)
  claims_path = out.with_name(f'{out.stem}-claims.md')
  runs.write_text(claims_path, markdown.table(rows))
  designs_path = out.with_name(f'{out.stem}-designs.md')
  runs.write_text(designs_path, markdown.designs(study))
  runs.write_text(out.with_name(f'{out.stem}-definitions.md'), prose.write())
  return {
    'report': str(out),
    'claims': str(claims_path),
    'records': sum(map(len, study.contrasts.values())),
    'lacking': sum(len(state.lacking) for state in study.states.values()),
    'verdicts': {row.sentence: row.verdict.value for row in rows},
  }


def _progress(study: study_lib.Study) -> str:
  """One line: how much of the study this page is of."""
  declared = sum(state.declared for state in study.states.values())
  finished = sum(state.finished for state in study.states.values())
  diverged = sum(len(state.diverged) for state in study.states.values())
  text = f'{finished} of {declared} declared runs; {diverged} models diverged.'
  if finished == declared:
    return f'<p>{text}</p>'
  parts = [name for name, state in study.states.items() if state.lacking]
  return (
    f'<p class="incomplete"><b>Incomplete:</b> {text} Contrasts that lack runs '
    f'are not judged: {html.escape(", ".join(parts))} (names under "What is '
    'finished?").</p>'
  )


def _lacking(study: study_lib.Study, names: Sequence[str]) -> str:
  """What of some contrasts lacks, in words; empty if nothing does."""
  return '; '.join(
    f'{contrast}: {study.states[contrast]}'
    for contrast in names
    if contrast in study.states and study.states[contrast].lacking
  )


def _incomplete(study: study_lib.Study, names: Sequence[str]) -> str:
  """The warning above what is made of contrasts that lack runs."""
  lacking = html.escape(_lacking(study, names))
  return f'<p class="incomplete">Incomplete: {lacking}.</p>' if lacking else ''


def _design(study: study_lib.Study, names: Sequence[str]) -> str:
  """Splits, seeds and tasks of the marks of a figure of one contrast."""
  if len(names) != 1 or names[0] not in study.contrasts:
    return ''
  found = study.contrasts[names[0]]
  splits = len({study_lib.split_seed(record) for record in found})
  seeds = min(len(record.facts['seeds']) for record in found)
  items = {len(t.class_I) for r in found for t in r.tests.values()}
  tasks = ' or '.join(f'{number:,}' for number in sorted(items))
  return f'splits x seeds x tasks: {splits} x {seeds} x {tasks}'


def _figure(
  study: study_lib.Study, name: str, directory: pathlib.Path, command: str
) -> str:
  """A figure with its question, or why there is none; writes its files."""
  question, draw, names = _FIGURES[name]
  number = name.partition('-')[0]
  title = f'<h2 id="{name}">{number}: {html.escape(question)}</h2>'
  lacking = _lacking(study, names)
  with plt.rc_context(picture.STYLE):
    try:
      drawn = draw(study)
    except cells_lib.NotMeasured as lack:
      plt.close('all')
      why = html.escape('; '.join(filter(None, (str(lack), lacking))))
      return f'{title}<p class="note">Not measured: {why}.</p>'
    made = {'tier': study.tier, 'command': command}
    if lacking:
      title += _incomplete(study, names)
      made['incomplete'] = ', '.join(
        f'{name} {state.finished} of {state.declared} runs'
        for name, state in study.states.items()
        if name in names and state.lacking
      )
      picture.title(drawn.figure, f'{drawn.figure.get_suptitle()} (INCOMPLETE)')
    numbers = {'question': question, **drawn.numbers}
    picture.write(directory, name, drawn.figure, numbers, made, pdf=True)
  png = (directory / f'{name}.png').read_bytes()
  plot = hover.plot(
    png,
    question,
    drawn.figure,
    _design(study, names),
    drawn.numbers.get('programs'),
  )
  return (
    f'{title}<figure>{plot}<figcaption>'
    f'{html.escape(drawn.caption)} <code>{html.escape(command)}</code>'
    '</figcaption></figure>'
  )
