"""Tables, pictures and notes of the page about some runs, as HTML."""

from collections.abc import Mapping
from collections.abc import Sequence
import html
import io
from typing import Any

from matplotlib import figure as figure_lib
from matplotlib import pyplot as plt
import numpy as np

from analysis import webpage
from analysis.runs import baselines
from analysis.runs import calibration
from analysis.runs import examples
from analysis.runs import figures
from analysis.runs import mistakes
from analysis.runs import results
from analysis.runs import retrieval
from synth.splits import distances
from synth.splits import split as split_lib
from synth.universe import universe as universe_lib


def curves(found: list[results.Run]) -> str:
  """Training curves, of the runs that still have their metrics."""
  logged = [run for run in found if run.metrics]
  missing = [run.label for run in found if not run.metrics]
  parts = [image(figures.curves(logged), 'training curves')] if logged else []
  if missing:
    parts.append(f'<p class="note">No metrics of {", ".join(missing)}.</p>')
  return '\n'.join(parts)


def scores(found: list[results.Run], ks: tuple[int, ...]) -> str:
  """Success at each k of every arm and test set, with intervals."""
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
    + _exact_match(found)
  )


def _exact_match(found: list[results.Run]) -> str:
  """A footnote: what counts is the function, not its program."""
  told = [
    f'{html.escape(run.label)} on {name} {np.mean(share_S):.1%}'
    for run in found
    for name, share_S in run.result.get('exact_match', {}).items()
  ]
  if not told:
    return ''
  return (
    '<p class="note">Samples that are, token for token, one given program of '
    f'their task: {", ".join(told)}. Most functions have others.</p>'
  )


def without_model(found: list[results.Run]) -> list[str]:
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


def strata(found: list[results.Run], split: split_lib.Split) -> str:
  """Success by distance to training, in both spaces, beside baselines."""
  rows, without = [], False
  for run in found:
    bounds = split.facts.get('distance_bounds', {}).get(run.arm)
    for name, spaces in run.result['strata'].items():
      for space, strata in spaces.items():
        cells = [
          f'{strata[s]["solved@1"]:.1%} ({strata[s]["items"]:,})'
          if s in strata
          else '&ndash;'
          for s in distances.STRATA
        ]
        rows.append([html.escape(run.label), name, space, *cells])
        if bounds is None or f'{name}_distance' not in run.samples:
          continue
        stratum = distances.strata(run.samples[f'{name}_distance'], bounds)
        part_I = np.array(distances.STRATA)[stratum[space]]
        for label, parts in baselines.parts(run, name, part_I):
          without = True
          cells = _shares(parts, distances.STRATA)
          rows.append([html.escape(label), name, space, *cells])
  head = ['arm', 'tests', 'space', *distances.STRATA]
  return webpage.table(head, rows, numeric=3) + (
    f'<p class="note">{found[0].measure}@1, mean over seeds (tasks). '
    'Near: no farther from the nearest training program than 95 % of training '
    'programs are from each other; far: farther than 99.9 % of them. '
    'Syntactic distance is the exact pq-gram distance of one program of each '
    f'function, semantic that in the projected space. {_one(without)}</p>'
  )


def _shares(
  parts: Mapping[Any, tuple[float, int]], names: Sequence[Any]
) -> list[str]:
  """A cell for each part: share solved, and tasks."""
  return [
    f'{parts[n][0]:.1%} ({parts[n][1]:,})' if n in parts else '&ndash;'
    for n in names
  ]


def _one(without: bool) -> str:
  """What the rows of baselines are, or how to get them."""
  if without:
    return 'Of what needs no model: solved by one candidate.'
  return f'Without a model: not measured (<code>{baselines.COMMAND}</code>).'


def task_sizes(
  found: list[results.Run], universe: universe_lib.Universe
) -> str:
  """Success by the size of the task, beside baselines."""
  rows, without = [], False
  told = [run.result['task_sizes'] for run in found]
  sizes = sorted({int(n) for one in told for by in one.values() for n in by})
  for run, by_test in zip(found, told, strict=True):
    for name, by in by_test.items():
      cells = [
        f'{by[str(n)]["solved@1"]:.1%} ({by[str(n)]["items"]:,})'
        if str(n) in by
        else '&ndash;'
        for n in sizes
      ]
      rows.append([html.escape(run.label), name, *cells])
      if f'{name}_class' not in run.samples:
        continue
      size_I = universe.size_C[run.samples[f'{name}_class']]
      for label, parts in baselines.parts(run, name, size_I):
        without = True
        rows.append([html.escape(label), name, *_shares(parts, sizes)])
  head = ['arm', 'tests', *(f'{size} nodes' for size in sizes)]
  return webpage.table(head, rows, numeric=2) + (
    f'<p class="note">{found[0].measure}@1, mean over seeds (tasks), by the '
    f"size of the task's smallest program. {_one(without)}</p>"
  )


def novelty(found: list[results.Run]) -> str:
  """Samples that solve with and without the held-out edge."""
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


def errors_made(found: list[results.Run]) -> str:
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


def by_size(found: list[results.Run]) -> list[str]:
  """Kinds of errors by number of parameters; nothing if all have one size."""
  if len(mistakes.sizes(found)) < 2:
    return []
  return [
    '<h2>Do larger models fail differently?</h2>',
    image(mistakes.by_size(found), 'kinds of errors by model size'),
    '<p class="note">Shares of all samples by what is wrong with them; dots: '
    'each seed, lines: their means. Runs may differ in more than size.</p>',
  ]


def copied(found: list[results.Run]) -> list[str]:
  """What outputs share with training; nothing if it was not measured."""
  if not retrieval.told(found):
    return []
  return [
    '<h2>Do they write what training showed?</h2>',
    webpage.table(*retrieval.table(found), numeric=2),
    image(retrieval.by_distance(found), 'retrieval against distance'),
    '<p class="note">Share of subtrees of at least 3 nodes that are subtrees '
    'of programs which training shows, beside that of a minimal program of '
    'each task: what is beyond it is reproduction. Pq-gram distance of outputs '
    '(one of each model, of 200 tasks at most) to the nearest training '
    "program, beside the tasks' own: outputs that are nearer to training than "
    'their tasks are drawn to it. Differences are paired by task, with 95 % '
    'intervals.</p>',
  ]


def calibrated(found: list[results.Run]) -> list[str]:
  """Confidence against success; nothing if it was not measured."""
  if not calibration.told(found):
    return []
  return [
    '<h2>Do they know when they are right?</h2>',
    image(calibration.reliability(found), 'reliability'),
    webpage.table(*calibration.table(found), numeric=2),
    '<p class="note">The answer to a task is the most probable of its distinct '
    'samples, one of each model; on the line a model is right as often as it '
    'is confident. Lines: 95 % intervals over tasks. <i>In reach</i>: tasks '
    'of which one of two random minimal programs (or, besides, a right '
    'sample) has more than one chance in as many as samples were drawn, at '
    'temperature 1.</p>',
    *_calibrated_by_distance(found),
  ]


def _calibrated_by_distance(found: list[results.Run]) -> list[str]:
  """Confidence near to and far from training, and whose is not known."""
  told = calibration.told_by_distance(found)
  parts = []
  if told:
    parts = [
      webpage.table(*calibration.by_distance(told), numeric=3),
      '<p class="note">Near and far as above. Confidence above the share of '
      'right answers is overconfidence; of few answers both are rough.</p>',
    ]
  older = [html.escape(run.label) for run in found if run not in told]
  if older:
    parts.append(
      '<p class="note">Near to and far from training: not measured by the '
      f'older evaluation of {", ".join(older)}.</p>'
    )
  return parts


def _mean(values: Sequence[float | None]) -> str:
  """The mean share over the seeds that have one."""
  known = [value for value in values if value is not None]
  return f'{sum(known) / len(known):.1%}' if known else '&ndash;'


def written(
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


_MEANING = {
  'ambiguous_classes': 'functions left out: equal to others on the grid',
  'undefined_classes': 'functions left out: undefined at a point of the grid',
  'forced_share_of_novel': 'novel functions that need the edge up to so many '
  'nodes beyond minimal',
  'atom_divergence': 'divergence of symbols, train from test',
  'compound_divergence': 'divergence of pq-grams, train from test',
  'classes_outside_in_cells_of_tests': 'training functions outside the region '
  'in the cell of a test',
}


def certificate(split: split_lib.Split) -> str:
  """The checks of a split and what was measured of it."""
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


def configuration(found: list[results.Run]) -> str:
  """Models, training and versions of the runs."""
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


def image(figure: figure_lib.Figure, description: str) -> str:
  """The figure inside the page."""
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png', dpi=130)
  plt.close(figure)
  return webpage.image(buffer.getvalue(), description)
