"""The study's page: claims first; self-contained; from records alone.

`python -m analysis.report --runs=results/TIER --out=FILE.html` writes it, and
every figure as PNG, SVG, PDF and its numbers as JSON into FILE-figures/.
"""

import base64
import html
import pathlib
from typing import Any

from matplotlib import pyplot as plt

from analysis import picture
from analysis.study import atlas_view
from analysis.study import cells as cells_lib
from analysis.study import claims
from analysis.study import effect_figures
from analysis.study import law_figures
from analysis.study import retrieval
from analysis.study import scaling_view
from analysis.study import study as study_lib
from analysis.study import tables
from synth import runs

_FIGURES = {
  'F1-spaces': ('What do the two spaces look like?', atlas_view.spaces),
  'F2-redundancy': ('How redundant are programs?', atlas_view.redundancy),
  'F3-leakage': ('Does a naive split of random programs leak?',
                 atlas_view.leakage),
  'F4-matching': ('Are training and test matched?', atlas_view.matching),
  'F5-density': ('Which training law generalizes to which test law?',
                 effect_figures.matrix),
  'F6-dose': ('Does more diverse training help more?', effect_figures.dose),
  'F7-support': ('What does never having seen it cost?',
                 effect_figures.forest),
  'F8-novelty': ('Is the new structure written, or avoided?',
                 effect_figures.solved),
  'F9-distance': ('Does distance to training explain success?',
                  law_figures.distances),
  'F10-ladder': ('Does success fall as compounds diverge?',
                 effect_figures.rungs),
  'F11-coverage': ('Does sampling more reach what is out of support?',
                   law_figures.sampling),
  'F12-scaling': ('How does success grow with compute?', scaling_view.draw),
  'F19-retrieval': ('Do models copy training programs, the more the farther a '
                    'task is?', retrieval.draw),
}  # fmt: skip
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
       max-width: 70rem; padding: 0 1rem; color: #222; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.86rem; }
th, td { padding: 0.35rem 0.6rem; border-bottom: 1px solid #ddd;
         text-align: left; vertical-align: top; }
.wide { overflow-x: auto; } img { max-width: 100%; height: auto; }
code { font-size: 0.92em; } .note, figcaption { color: #555; }
figure { margin: 1rem 0 2rem; } figcaption { font-size: 0.9rem; }
.verdict { font-weight: bold; white-space: nowrap; }
.reproduced { color: #00704f; } .not-reproduced { color: #a33d00; }
.undecided { color: #7a5c00; } .not-measured { color: #777; }
"""
_DEFINITIONS = """
<h2>What do the words mean?</h2>
<p>All programs of a small arithmetic language up to a size are enumerated and
grouped into <b>functions</b> (semantic classes: all programs that compute the
same function, decided exactly). A <b>task</b> is one function, shown to the
model as its outputs at fixed points; it is solved if the model writes a program
that computes exactly this function. <b>pass@k</b>: the chance that one of k
samples does (unbiased estimator). Training and test functions are always
disjoint, so nothing can be looked up.</p>
<ul>
<li><b>Density shift</b>: every test function could have been drawn for
training; only the law that it is drawn by differs between training and test.
The arms are training sets of one size drawn under different laws; the tests are
the same for all arms. <i>Raked</i>: with the sizes, operators and constants of
the uniform arm.</li>
<li><b>Support shift</b>: a region (a structure of the syntax tree, a part of a
space, a size) is declared; no training function lies in it, all <i>novel</i>
test functions do. <i>Control</i> functions are matched to them and lie
outside.</li>
<li><b>Forced</b> novelty: no program that the model may write computes the
function without the held-out structure; decided by enumerating the programs
without it.</li>
</ul>
<h3>How is a split made?</h3>
<ol>
<li>Declare the region R. Every function all of whose minimal programs are in R
is novel.</li>
<li>Pair novel functions at random, one to one, with functions outside R of the
same cell (equal size and count of every symbol; for regions of the syntactic
space equal size and place in the semantic one).</li>
<li>Random pairs are the tests <i>novel</i> and <i>control</i>; <i>dev</i> is
drawn outside R and serves all choices of settings.</li>
<li>Arm <i>train_s</i> is everything else outside R; it never sees R. Arm
<i>train_c</i> is the same with up to a fifth of it, partners of novel
functions, replaced by those novel functions, so that both arms have equally
many programs of every cell.</li>
<li>A certificate checks the finished split from the universe alone; its hash is
in the table of splits below.</li>
</ol>
<p><b>Drop</b> on novel: pass@1 of train_c less that of train_s, same tasks.
<b>Gap</b> (difference in differences): that, less the same on control. Test
sets of different difficulty are never compared with each other.</p>
<h3>Where do intervals and p come from?</h3>
<p>Estimates are means over splits of means over training seeds and tasks,
paired by seed and task. Intervals (95 %) are for new splits, new seeds and new
tasks together: Student intervals of the crossed design that keep their level
with few seeds; tasks of one cell count as one cluster. With one split they are
for that split. p: exact two-sided sign-flip over all runs (of more than 20,
over sums of one run of every split), so it is about these splits; adjusted by
Holm over the five pre-registered contrasts (C1 to C5; docs/preregistration.md;
a test that lacks its records counts as p = 1). Crossed bootstrap intervals
stand beside in the table of support contrasts. A model that diverged is left
out of all arms of its split; with more
than a quarter of an arm's, nothing is decided.
"No drop" is never a difference that was not found: it takes two
one-sided tests against a margin of 3 points. A claim whose records are not
whole is <i>not measured</i>.</p>
<h3>What is not claimed?</h3>
<p>All this is about decoder transformers of the sizes below, on one small
language, trained on its enumerated programs. No search was run here: that
search is necessary is neither supported nor refuted by these records; the
coverage figure says only what more samples of the same models reach. The
negative control <code>div &gt; mul</code> was not run: no function needs it.
</p>
"""


def write(directory: pathlib.Path, out: pathlib.Path) -> dict[str, Any]:
  """Writes the page about all records below a directory.

  Returns:
    The page's path, the number of records, and the verdict on each claim.

  Raises:
    InputError: if there are no records or one is damaged.
  """
  study = study_lib.load(directory)
  command = f'python -m analysis.report --runs={directory} --out={out}'
  rows = claims.table(study)
  count = sum(map(len, study.contrasts.values()))
  parts = [
    '<h1>Does it generalize, or retrieve? The claims, measured</h1>',
    '<p>The abstract of arXiv 2604.27551, sentence by sentence, measured anew '
    f'on exactly enumerated programs. Tier {html.escape(study.tier)}, {count} '
    'finished runs.</p>',
    tables.verdicts(rows),
    '<p class="note">Verdicts follow rules that were stated before any run '
    '(below). Seeds: of each split, the fewest.</p>',
    _DEFINITIONS,
    '<h3>By what rule is each claim judged?</h3>',
    tables.rules(rows),
  ]
  figures_dir = out.with_name(f'{out.stem}-figures')
  parts += [_figure(study, name, figures_dir, command) for name in _FIGURES]
  parts += [
    '<h2>All support contrasts</h2>',
    tables.support(study),
    '<h2>The scaling forms</h2>',
    scaling_view.table(study),
    '<h2>Where does the variance come from?</h2>',
    tables.variance(study),
    '<p class="note">Variance components of the success of one sample; they '
    'may be negative by chance.</p>',
    '<h2>The splits</h2>',
    tables.certificates(study),
    '<h2>Are the splits matched?</h2>',
    atlas_view.matched(study),
    '<h2>Is the identity of functions right?</h2>',
    atlas_view.identity(study),
    '<h2>What are the distances worth?</h2>',
    atlas_view.metric(study),
    '<h2>All configurations</h2>',
    tables.configurations(study),
    f'<p class="note">Made by <code>{html.escape(command)}</code>.</p>',
  ]
  runs.write_text(
    out,
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width">'
    f'<title>synth: the claims, measured</title><style>{_STYLE}</style></head>'
    '\n<body>' + '\n'.join(parts) + '</body></html>\n',
  )
  return {
    'report': str(out),
    'records': count,
    'verdicts': {row.sentence: row.verdict.value for row in rows},
  }


def _figure(
  study: study_lib.Study, name: str, directory: pathlib.Path, command: str
) -> str:
  """A figure with its question, or why there is none; writes its files."""
  question, draw = _FIGURES[name]
  title = f'<h2 id="{name}">{html.escape(question)}</h2>'
  with plt.rc_context(picture.STYLE):
    try:
      drawn = draw(study)
    except cells_lib.NotMeasured as lack:
      plt.close('all')
      return (
        f'{title}<p class="note">Not measured: {html.escape(str(lack))}.</p>'
      )
    made = {'tier': study.tier, 'command': command}
    numbers = {'question': question, **drawn.numbers}
    picture.write(directory, name, drawn.figure, numbers, made, pdf=True)
  data = base64.b64encode((directory / f'{name}.png').read_bytes()).decode()
  return (
    f'{title}<figure><img alt="{html.escape(question)}" '
    f'src="data:image/png;base64,{data}"><figcaption>'
    f'{html.escape(drawn.caption)} <code>{html.escape(command)}</code>'
    '</figcaption></figure>'
  )
