"""The page about the runs below some directories, from stored files alone:
results, samples, metrics, spaces and split."""

from collections.abc import Mapping
from collections.abc import Sequence
import html
import pathlib
from typing import Any
from typing import NamedTuple

from analysis import webpage
from analysis.runs import examples
from analysis.runs import figures
from analysis.runs import results
from analysis.runs import searches
from analysis.runs import sections
from analysis.runs import temperatures
from synth import runs
from synth.evaluation import decode
from synth.spaces import space as space_lib
from synth.splits import holdout
from synth.splits import split as split_lib
from synth.splits import support
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
    sections.scores(found, ks),
    sections.image(figures.accuracy(found, ks), 'accuracy by arm and test set'),
    f'<p class="note">Bars: mean over {len(run.result["seeds"])} seeds; lines: '
    f'95 % interval {_over(found)}; dots: each seed. '
    f'{_sampling(found)}</p>',
    *temperatures.section(found),
    *sections.without_model(found),
    *searches.section(found),
    '<h2>Solved with the held-out structure, or around it?</h2>'
    if settings['kind'] in holdout.KINDS
    else '<h2>How many tasks are solved by any sample?</h2>',
    sections.image(figures.best_of_task(found), 'best sample of each task'),
    _best_note(found, settings),
    '<h2>Where do the programs lie in the two spaces?</h2>',
    sections.image(figures.spaces(spaces, split, run.arm), 'both spaces'),
    '<p class="note">Each point is a function: grey, those that '
    f'{html.escape(run.arm)} was trained on; coloured, the tests. The first '
    'two axes of each space; the distances that the certificate speaks of are '
    'exact, not those on the picture.</p>',
    '<h2>Did the models learn?</h2>',
    sections.curves(found),
    '<h2>How do they fail?</h2>',
    sections.image(figures.outcomes(found), 'outcomes'),
    sections.novelty(found),
    sections.errors_made(found),
    *sections.by_size(found),
    *sections.copied(found),
    *sections.calibrated(found),
    '<h2>Does distance to training matter?</h2>',
    sections.strata(found, split),
    '<h2>And size?</h2>',
    sections.task_sizes(found, universe),
    '<h2>What did they write?</h2>',
    sections.written(
      found,
      [examples.draw(r, universe.vocabulary, _EXAMPLES) for r in found],
    ),
    '<h2>Is the split what it claims to be?</h2>',
    sections.certificate(split),
    '<h2>Configuration</h2>',
    sections.configuration(found),
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


class _Kind(NamedTuple):
  """What a page says of a kind of split.

  Attributes:
    story: How its sets come about; names of its settings in braces.
    arms: Those whose difference is told; none where arms are only shown beside
      each other.
  """

  story: str
  arms: tuple[str, ...]


def _edges(novel: str) -> _Kind:
  return _Kind(
    'A structure of the syntax tree, <code>{edges}</code> (parent &gt; '
    f'argument), is held out. <b>Novel</b> tests are {novel}; <b>control</b> '
    'tests are matched to them in size and symbols and do not need it. Arm '
    '<b>train_s</b> never saw it; in arm <b>train_c</b> part of the training '
    'programs have it. Both arms have as many programs with the same sizes and '
    'symbols.',
    support.ARMS,
  )


KINDS = {
  holdout.NEEDED: _edges('functions whose every minimal program has it'),
  holdout.AVOIDABLE: _edges(
    'functions that can be written with it and, as short, without (a negative '
    'control)'
  ),
  'region': _Kind(
    'A region of the {space} space is held out (a {shape}). <b>Novel</b> tests '
    'lie in it; <b>control</b> tests are matched to them in what the other '
    'space sees and lie outside. Arm <b>train_s</b> has nothing in or near the '
    'region; arm <b>train_c</b> has part of it. Both arms have as many '
    'programs of every kind.',
    support.ARMS,
  ),
  'ladder': _Kind(
    'Of the edges between operators of the syntax tree half of the kinds, H, '
    'are drawn. <b>Novel</b> tests have programs all of whose edges are in H, '
    '<b>control</b> tests programs with none of them. Arm <b>rung_0</b> holds '
    'out nothing, each further rung a quarter of H more, <b>rung_4</b> all of '
    'it. Of every size and count of symbols both tests have equally many '
    'programs, and all arms the same multiple of that; the tests are the same '
    'for all.',
    (),
  ),
  'density': _Kind(
    'Training classes are drawn from one support, by the law that names the '
    'arm; the tests, drawn uniformly from classes or from cells of a space, '
    'are the same for all.',
    (),
  ),
}


def _introduction(found: list[results.Run], split: split_lib.Split) -> str:
  settings = split.facts['settings']
  run = found[0]
  words = {key: html.escape(str(value)) for key, value in settings.items()}
  story = KINDS[settings['kind']].story.format(**words)
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
  """The contrasts of a split of two arms; nothing for other splits."""
  arms = KINDS[split.facts['settings']['kind']].arms
  if not arms:
    return []
  title = '<h2>What did never seeing it cost?</h2>'
  if not effects:
    there = html.escape(', '.join(run.label for run in found))
    note = f'Needs one run of each of {" and ".join(arms)}; there is {there}.'
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
