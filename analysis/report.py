"""One self-contained page about the runs below a directory.

  python -m analysis.report --runs=DIR [--runs=DIR2 ...] --out=FILE.html

Made only from stored files: results, samples, metrics, spaces and split. Of a
directory of records (`synth.records`), the page of the study:
`analysis.study.page`.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import html
import io
import pathlib
from typing import Any

from absl import flags
from matplotlib import figure as figure_lib
from matplotlib import pyplot as plt

from analysis import baselines
from analysis import calibration
from analysis import examples
from analysis import figures
from analysis import mistakes
from analysis import results
from analysis import retrieval
from analysis import webpage
from analysis.study import page as study_page
from analysis.study import study
from synth import cli
from synth import runs
from synth.evaluation import decode
from synth.spaces import space as space_lib
from synth.splits import holdout
from synth.splits import split as split_lib
from synth.universe import universe as universe_lib

_EXAMPLES = 8  # of each arm and test set


def write(
  directories: Sequence[pathlib.Path], out: pathlib.Path
) -> dict[str, Any]:
  """Writes the page about all runs below some directories.

  Returns:
    The page's path, the number of runs and the effects on success at k.

  Raises:
    InputError: if there are no runs or one of their files is damaged.
  """
  found = results.load(*directories)
  run = found[0]
  spaces = space_lib.load(run.data_dir / space_lib.KIND)
  settings = run.result['config']['split']
  split = split_lib.load(split_lib.place(run.data_dir, settings))
  universe = universe_lib.load(run.data_dir / universe_lib.KIND)
  ks = results.headline(found)
  effects = [e for k in ks for e in results.support_effects(found, k)]
  parts = [
    '<h1>Does it generalize, or retrieve?</h1>',
    _introduction(found, split),
    *_effects(effects, found, split),
    '<h2>How much of each test set is solved?</h2>',
    _scores(found, ks),
    _image(figures.accuracy(found, ks), 'accuracy by arm and test set'),
    f'<p class="note">Bars: mean over {len(run.result["seeds"])} seeds; lines: '
    f'95 % interval {_over(found)}; dots: each seed. '
    f'{_sampling(found)}</p>',
    *_baselines(found),
    '<h2>Solved with the held-out structure, or around it?</h2>'
    if settings['kind'] in holdout.KINDS
    else '<h2>How many tasks are solved by any sample?</h2>',
    _image(figures.best_of_task(found), 'best sample of each task'),
    _best_note(found, settings),
    '<h2>Where do the programs lie in the two spaces?</h2>',
    _image(figures.spaces(spaces, split, run.arm), 'both spaces'),
    '<p class="note">Each point is a function: grey, those that '
    f'{html.escape(run.arm)} was trained on; coloured, the tests. The first '
    'two axes of each space; the distances that the certificate speaks of are '
    'exact, not those on the picture.</p>',
    '<h2>Did the models learn?</h2>',
    _curves(found),
    '<h2>How do they fail?</h2>',
    _image(figures.outcomes(found), 'outcomes'),
    _novelty(found),
    _mistakes(found),
    *_by_size(found),
    *_retrieval(found),
    *_calibration(found),
    '<h2>Does distance to training matter?</h2>',
    _strata(found),
    '<h2>What did they write?</h2>',
    _examples(
      found,
      [examples.draw(r, universe.vocabulary, _EXAMPLES) for r in found],
    ),
    '<h2>Is the split what it claims to be?</h2>',
    _certificate(split),
    '<h2>Configuration</h2>',
    _configuration(found),
  ]
  runs.write_text(out, webpage.document('synth report', parts))
  return {
    'report': str(out),
    'runs': len(found),
    'effects': {
      f'{run.measure}@{e.k} {e.name}': [e.estimate, e.low, e.high]
      for e in effects
    },
  }


def _over(found: Sequence[results.Run]) -> str:
  """What the intervals of success hold for."""
  if all(len(run.result['seeds']) > 1 for run in found):
    return 'over new seeds and tasks (Student, few seeds allowed for)'
  return 'over tasks (a run of one seed says nothing of other seeds)'


def _best_note(
  found: Sequence[results.Run], settings: Mapping[str, Any]
) -> str:
  """How to read the bars of tasks."""
  note = (
    'Each task counts once, by the best of its '
    f'{_sampling(found).removesuffix(".")}; dots: each seed. '
  )
  if settings['kind'] in holdout.KINDS:
    note += (
      'Most functions have larger programs without the held-out structure: a '
      'task solved by such a paraphrase only shows no new structure. '
      '<i>Forced</i>: every program that is short enough to be written has the '
      'structure; <i>avoidable</i>: some has not (number of tasks). '
    )
  return (
    f'<p class="note">{note}<i>Fits the specification only</i>: equal at the '
    'points the model saw, but another function.</p>'
  )


# What the programs of a method are called.
_WAYS = {
  decode.SAMPLE: 'samples a task',
  decode.BEAM: 'beams a task',
  decode.UNIQUE: 'distinct samples a task',
}


def _sampling(found: Sequence[results.Run]) -> str:
  """How many programs were written for each task, and how."""
  ways: dict[str, list[str]] = {}
  for run in found:
    settings = run.result['config']['eval']
    way = f'{run.samples_a_task} {_WAYS[settings["method"]]}'
    if settings['method'] != decode.BEAM:
      way += f' at temperature {settings["temperature"]}'
    if settings['top_k']:
      way += f', top-k {settings["top_k"]}'
    if settings['top_p'] < 1:
      way += f', top-p {settings["top_p"]}'
    ways.setdefault(way, []).append(run.label)
  if len(ways) == 1:
    return f'{next(iter(ways))}.'
  parts = (f'{html.escape(", ".join(who))}: {way}' for way, who in ways.items())
  return '; '.join(parts) + '.'


def _introduction(found: list[results.Run], split: split_lib.Split) -> str:
  settings = split.facts['settings']
  run = found[0]
  if settings['kind'] in holdout.KINDS:
    need = {
      holdout.NEEDED: 'functions whose every minimal program has it',
      holdout.AVOIDABLE: 'functions that can be written with it and, as short, '
      'without (a negative control)',
    }[settings['kind']]
    story = (
      f'A structure of the syntax tree, <code>{html.escape(settings["edges"])}'
      '</code> (parent &gt; argument), is held out. <b>Novel</b> tests are '
      f'{need}; <b>control</b> tests are '
      'matched to them in size and symbols and do not need it. Arm '
      '<b>train_s</b> never saw it; in arm <b>train_c</b> part of the training '
      'programs have it. '
      'Both arms have as many programs with the same sizes and symbols.'
    )
  elif settings['kind'] == 'region':
    story = (
      f'A region of the {settings["space"]} space is held out (a '
      f'{settings["shape"]}). <b>Novel</b> tests lie in it; <b>control</b> '
      'tests are matched to them in what the other space sees and lie outside. '
      'Arm <b>train_s</b> has nothing in or near the region; arm '
      '<b>train_c</b> has '
      'part of it. Both arms have as many programs of every kind.'
    )
  else:
    story = (
      'Training classes are drawn from one support, by the law that names the '
      'arm; the tests, drawn uniformly from classes or from cells of a space, '
      'are the same for all.'
    )
  arms = {f'arm {run.arm}': split.arms[run.arm] for run in found}
  sets = {**arms, **split.evaluation_sets()}
  counts = ', '.join(
    f'{html.escape(name)} {len(classes):,}' for name, classes in sets.items()
  )
  points = len(run.result['config']['spaces']['grid'])
  return (
    f"<p>A model sees a function's outputs at {points} points and writes a "
    'program that computes it. An answer counts only if it is exactly the same '
    f'function. {story}</p><p class="note">Functions: {counts}.</p>'
  )


def _effects(
  effects: Sequence[results.Effect],
  found: Sequence[results.Run],
  split: split_lib.Split,
) -> list[str]:
  """The contrasts of a support split; nothing for other splits."""
  if split.facts['settings']['kind'] == 'density':
    return []
  title = '<h2>What did never seeing it cost?</h2>'
  if not effects:
    there = html.escape(', '.join(run.label for run in found))
    note = f'Needs one run of each of the two arms; there is {there}.'
    return [title, f'<p class="note">{note}</p>']
  names = {
    'novel': 'novel: train_c minus train_s',
    'control': 'control: train_c minus train_s',
    'gap': 'gap: the first less the second',
  }
  rows = [
    [f'{found[0].measure}@{e.k}', names[e.name], f'{100 * e.estimate:+.1f}',
     f'[{100 * e.low:+.1f}, {100 * e.high:+.1f}]']
    for e in effects
  ]  # fmt: skip
  table = webpage.table(
    ['', 'contrast', 'points', '95 % interval'], rows, numeric=2
  )
  note = (
    '<p class="note">The first line is what having seen it is worth. The '
    'arms are of equal size in every cell of what is matched, so what train_c '
    'learns of novel programs it learns in place of controls: its loss on '
    'control is the price (the certificate below counts the controls left), '
    'and the gap counts both. Dev classes (unmatched, of the support) show '
    'overall quality.</p>'
  )
  return [title, table, note]


def _curves(found: list[results.Run]) -> str:
  """Training curves, of the runs that still have their metrics."""
  logged = [run for run in found if run.metrics]
  missing = [run.label for run in found if not run.metrics]
  parts = [_image(figures.curves(logged), 'training curves')] if logged else []
  if missing:
    parts.append(f'<p class="note">No metrics of {", ".join(missing)}.</p>')
  return '\n'.join(parts)


def _scores(found: list[results.Run], ks: tuple[int, ...]) -> str:
  measure = found[0].measure
  rows = []
  for run in found:
    for name in run.result['items']:
      cells = [html.escape(run.label), name]
      for k in ks:
        mean, low, high = run.result[f'{measure}@{k}'][name]
        cells.append(f'{mean:.1%} [{low:.1%}, {high:.1%}]')
      base = run.result['baselines'][name]
      cells += [
        f'{base["nearest_neighbour"]:.1%}',
        f'{base["best_constant"]:.1%}',
        f'{run.result["items"][name]:,}',
      ]
      rows.append(cells)
  without = [[*row, '', '', ''] for row in baselines.scores(found, ks)]
  rows += without
  head = ['arm', 'tests', *(f'{measure}@{k}' for k in ks), 'nearest neighbour',
          'best constant', 'tasks']  # fmt: skip
  return webpage.table(head, rows, numeric=2) + (
    '<p class="note">Nearest neighbour answers with the training program whose '
    'outputs are closest; as no test function is in training, it cannot be '
    'exactly right. The best constant answer solves one task. '
    + ('' if without else f'More rows: <code>{baselines.COMMAND}</code>.')
    + '</p>'
  )


def _baselines(found: list[results.Run]) -> list[str]:
  """What is solved without a model, and for what."""
  head, rows = baselines.charges(found)
  ks = results.headline(found)
  measures = [f'{found[0].measure}@{k}' for k in ks]
  paired = baselines.beaten(found, ks)
  title = '<h2>What does it take without a model?</h2>'
  if not rows:
    note = f'Not measured: <code>{baselines.COMMAND}</code>.'
    return [title, f'<p class="note">{note}</p>']
  return [
    title,
    webpage.table(head, rows, numeric=2),
    '<p class="note">Share of tasks solved by so many candidates (programs '
    'executed, or look-ups in a bank); means a task of the candidates until '
    'solved or given up, of operations (one node at one point) and of seconds '
    'on one machine; and what is done once for all tasks. The best constant '
    'answers are programs of the tasks themselves: a bound. Enumeration knows '
    'all functions up to the largest task and no more.</p>',
    webpage.table(['', 'tests', *measures], paired, numeric=2)
    if paired
    else '',
    '<p class="note">Points by which models solve more than a baseline with as '
    'many candidates, task by task, with 95 % intervals.</p>'
    if paired
    else '',
  ]


def _strata(found: list[results.Run]) -> str:
  """Success by distance to training, in both spaces."""
  rows = []
  for run in found:
    for name, spaces in run.result['strata'].items():
      for space, strata in spaces.items():
        cells = [
          f'{strata[s]["solved@1"]:.1%} ({strata[s]["items"]:,})'
          if s in strata
          else '&ndash;'
          for s in ('near', 'between', 'far')
        ]
        rows.append([html.escape(run.label), name, space, *cells])
  head = ['arm', 'tests', 'space', 'near', 'between', 'far']
  return webpage.table(head, rows, numeric=3) + (
    f'<p class="note">{found[0].measure}@1, mean over seeds (tasks). '
    'Near: no farther from the nearest training program than 95 % of training '
    'programs are from each other; far: farther than 99.9 % of them. '
    'Syntactic distance is the exact pq-gram distance of one program of each '
    'function, semantic that in the projected space.</p>'
  )


def _novelty(found: list[results.Run]) -> str:
  rows = [
    [
      html.escape(run.label),
      name,
      *(f'{value:.1%}' for value in shares.values()),
    ]
    for run in found
    for name, shares in run.result['novelty'].items()
  ]
  if not rows:
    return ''
  head = ['arm', 'tests', 'solved with the held-out edge', 'solved without it',
          'unsolved']  # fmt: skip
  return webpage.table(head, rows, numeric=2) + (
    '<p class="note">Shares of samples; in the figure each sample falls in '
    'exactly one class. <i>Grid only</i>: equal at the points the model saw, '
    'but another function. <i>Undefined</i>: divides by the zero '
    'function.</p>'
  )


def _mistakes(found: list[results.Run]) -> str:
  """Kinds of wrong samples, and copies of training programs."""
  rows = [
    [
      html.escape(run.label),
      name,
      *(_mean(values) for values in errors.values()),
      _mean(run.result['copies'][name]),
    ]
    for run in found
    for name, errors in run.result['errors'].items()
  ]
  kinds = next(iter(found[0].result['errors'].values()))
  head = ['arm', 'tests', *(f'wrong: {kind.replace("_", " ")}'
          for kind in kinds), 'copies of training']  # fmt: skip
  return webpage.table(head, rows, numeric=2) + (
    '<p class="note">Kinds of wrong samples, in shares of them; then the share '
    'of all samples that are programs which training shows. No test function '
    'is in training, so a copy is always wrong. Means over seeds.</p>'
  )


def _by_size(found: list[results.Run]) -> list[str]:
  """Kinds of errors by number of parameters; nothing if all have one size."""
  if len(mistakes.sizes(found)) < 2:
    return []
  return [
    '<h2>Do larger models fail differently?</h2>',
    _image(mistakes.by_size(found), 'kinds of errors by model size'),
    '<p class="note">Shares of all samples by what is wrong with them; dots: '
    'each seed, lines: their means. Runs may differ in more than size.</p>',
  ]


def _retrieval(found: list[results.Run]) -> list[str]:
  """What outputs share with training; nothing if it was not measured."""
  if not retrieval.told(found):
    return []
  return [
    '<h2>Do they write what training showed?</h2>',
    webpage.table(*retrieval.table(found), numeric=2),
    _image(retrieval.by_distance(found), 'retrieval against distance'),
    '<p class="note">Share of subtrees of at least 3 nodes that are subtrees '
    'of programs which training shows, beside that of a minimal program of '
    'each task: what is beyond it is reproduction. Pq-gram distance of outputs '
    '(one of each model, of 200 tasks at most) to the nearest training '
    "program, beside the tasks' own: outputs that are nearer to training than "
    'their tasks are drawn to it. Differences are paired by task, with 95 % '
    'intervals.</p>',
  ]


def _calibration(found: list[results.Run]) -> list[str]:
  """Confidence against success; nothing if it was not measured."""
  if not calibration.told(found):
    return []
  return [
    '<h2>Do they know when they are right?</h2>',
    _image(calibration.reliability(found), 'reliability'),
    webpage.table(*calibration.table(found), numeric=2),
    '<p class="note">The answer to a task is the most probable of its distinct '
    'samples, one of each model; on the line a model is right as often as it '
    'is confident. Lines: 95 % intervals over tasks. <i>In reach</i>: tasks '
    'of which one of two random minimal programs (or, besides, a right '
    'sample) has more than one chance in as many as samples were drawn, at '
    'temperature 1.</p>',
  ]


def _mean(values: Sequence[float | None]) -> str:
  """The mean share over the seeds that have one."""
  known = [value for value in values if value is not None]
  return f'{sum(known) / len(known):.1%}' if known else '&ndash;'


def _examples(
  found: Sequence[results.Run], drawn: Sequence[Sequence[examples.Example]]
) -> str:
  """One row a task, one pair of columns an arm: all arms had the same tasks."""
  rows = []
  for answers in zip(*drawn, strict=True):
    cells = [answers[0].tests, f'<code>{html.escape(answers[0].target)}</code>']
    for e in answers:
      verdict = f'<span class="{"good" if e.correct else "bad"}">{e.verdict}'
      cells += [
        f'<code>{html.escape(e.written)}</code><br>{verdict}</span>',
        f'{e.solved_share:.0%}',
      ]
    rows.append(cells)
  head = ['tests', 'a program of the target']
  for run in found:
    head += [f'{html.escape(run.label)}: first sample', 'right']
  return webpage.table(head, rows) + (
    '<p class="note">Tasks drawn at random, first seed; <i>right</i> is the '
    'share of its samples that are correct.</p>'
  )


# What the entries of a certificate mean, where their names do not say it.
_MEANING = {
  'ambiguous_classes': 'functions left out: equal to others on the grid',
  'forced_share_of_novel': 'novel functions that need the edge up to so many '
  'nodes beyond minimal',
  'atom_divergence': 'divergence of symbols, train from test',
  'compound_divergence': 'divergence of edges, train from test',
  'distance_to_train_s': 'pq-gram distance to the nearest program of train_s, '
  'by quantile',
  'classes_without_edge_in_cells_of_tests': 'training functions without the '
  'edge in the cell of a test',
  'classes_outside_in_cells_of_tests': 'training functions outside the region '
  'in the cell of a test',
  'semantic_distance_to_train_s': 'distance in the semantic space to the '
  'nearest function of train_s, by quantile',
}


def _certificate(split: split_lib.Split) -> str:
  rows = [
    [name.replace('_', ' '), 'holds' if holds else 'FAILS']
    for name, holds in split.facts['checks'].items()
  ]
  for name, value in split.facts['measurements'].items():
    text = _MEANING.get(name, name.replace('_', ' '))
    rows.append([text, '<br>'.join(_lines(value))])
  return webpage.table(['claim or measurement', ''], rows)


def _lines(value: Any, prefix: str = '') -> list[str]:
  """A measurement, one line a number."""
  if isinstance(value, Mapping):
    if not any(isinstance(inner, Mapping) for inner in value.values()):
      pairs = (f'{k}: {_number(v)}' for k, v in value.items())
      return [html.escape(f'{prefix}{"; ".join(pairs)}')]
    return [
      line
      for name, inner in value.items()
      for line in _lines(inner, f'{prefix}{name}, ')
    ]
  return [html.escape(prefix) + _number(value)]


def _number(value: Any) -> str:
  return f'{value:.3g}' if isinstance(value, float) else str(value)


def _configuration(found: list[results.Run]) -> str:
  head = ['run', 'arm', 'parameters', 'steps', 'batch', 'seeds', 'versions']
  rows = [
    [
      html.escape(run.path.name),
      run.arm,
      f'{run.result["params"]["total"]:,}',
      f'{run.result["step"]:,}',
      str(run.result['config']['data']['batch_size']),
      ', '.join(map(str, run.result['seeds'])),
      ', '.join(f'{k} {v}' for k, v in run.result['versions'].items()),
    ]
    for run in found
  ]
  hashes = '; '.join(
    f'{name} {value[:16]}'
    for name, value in found[0].result['inputs_sha256'].items()
  )
  return webpage.table(head, rows) + f'<p class="note">Data: {hashes}.</p>'


def _image(figure: figure_lib.Figure, description: str) -> str:
  """The figure inside the page."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png', dpi=130)
  plt.close(figure)
  return webpage.image(buffer.getvalue(), description)


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_multi_string(
    'runs', None, 'Directory of runs; may be given several times.'
  )
  flags.mark_flag_as_required('runs')
  flags.DEFINE_string('out', None, 'The page to write.', required=True)


def main() -> dict[str, Any]:
  """Writes the page."""
  directories = [pathlib.Path(directory) for directory in flags.FLAGS.runs]
  out = pathlib.Path(flags.FLAGS.out)
  if len(directories) == 1 and study.is_study(directories[0]):
    return study_page.write(directories[0], out)
  return write(directories, out)


if __name__ == '__main__':
  define_flags()
  cli.run(main)
