"""The study's page: claims first, offline, nothing where nothing was run."""

import json
import pathlib
import re

from matplotlib import pyplot as plt
import numpy as np
from PIL import Image as image_lib
import pytest

from analysis.study import baselines
from analysis.study import claims
from analysis.study import hover
from analysis.study import judgement
from analysis.study import markdown
from analysis.study import page as page_lib
from analysis.study import plan
from analysis.study import power
from analysis.study import preregistration
from analysis.study import prose
from analysis.study import study as study_lib
from analysis.study import support_figures
from analysis.study import tables
from analysis.study import verdicts
from analysis.study import without_model
from synth import errors
from synth.statistics import design
from tests import browser as browser_lib
from tests import simulated
from tests import simulated_study

_ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope='module')
def small(tmp_path_factory):
  """A page of one contrast, and its text."""
  root = tmp_path_factory.mktemp('small')
  rng = np.random.default_rng(0)
  simulated.support(
    root / 'cpu', 'support', drop=0.4, splits=2, seeds=3, items=40, rng=rng
  )
  declared = simulated.declared(root / 'cpu')
  # Of other contrasts nothing was run; of this one a third split lacks.
  lacks = declared[0]._replace(name='train_s-split2', split=2)
  other = declared[0]._replace(contrast='density', name='uniform-split0')
  result = page_lib.write(
    root / 'cpu', root / 'page.html', lambda tier: [*declared, lacks, other]
  )
  return root, result, (root / 'page.html').read_text()


def test_the_claim_table_comes_first_and_says_what_was_not_measured(small):
  _, result, text = small
  assert text.index('<table>') < text.index('<h2>')
  first = text[: text.index('</table>')]
  assert first.count('class="verdict') == len(result['verdicts']) == 20
  # The one contrast with records lacks a run, so nothing is judged.
  assert first.count('"verdict not-measured"') == 20
  assert 'no records of density' in first
  assert 'support is incomplete: 4 of 5 runs; lacking: train_s-split2' in first
  assert (result['records'], result['lacking']) == (4, 2)


def test_what_docs_print_of_a_record_is_what_is_printed(monkeypatch, capsys):
  text = (_ROOT / 'docs/study.md').read_text()
  (code,), (printed,) = (
    re.findall(rf'```{kind}\n(.*?)```', text[text.index(start) :], re.DOTALL)
    for kind, start in (('python', '## Reading a record'), ('', 'prints\n'))
  )
  monkeypatch.chdir(_ROOT)
  exec(code, {})
  assert capsys.readouterr().out == printed


def test_designs_are_told_with_steps_and_doses(tmp_path):
  rng = np.random.default_rng(2)
  for split, dose in enumerate((0.014, 0.2)):
    for arm in ('train_s', 'train_c'):
      simulated.write(
        tmp_path / 'cpu', 'support', arm,
        {'control': 0.4, 'novel': 0.4, 'dev': 0.5}, rng,
        split=split, seeds=3, items=40,
        measurements={'region_share_of_train_c': dose},
      )  # fmt: skip
  study = simulated.load(tmp_path / 'cpu')
  found = study.of('support')
  dev = sorted(record.pass_at_k('dev', 1).mean() for record in found)
  assert markdown.designs(study).splitlines()[2:] == [
    '| support | 2 x 3 | 1,000 | 14,221 | 40 | 1.4 % to 20.0 % | '
    f'{100 * dev[0]:.1f} % to {100 * dev[-1]:.1f} % |'
  ]
  drawn = support_figures.forest(study)
  plt.close(drawn.figure)
  (label,) = (t.get_text() for t in drawn.figure.axes[0].get_yticklabels())
  assert '\n1,000 steps, dose 1.4 to 20.0 %\n' in label


def test_definitions_in_the_docs_are_those_of_the_page():
  assert (_ROOT / 'docs/definitions.md').read_text() == prose.write()
  for name in ('README.md', 'docs/splits.md', 'docs/study.md'):
    assert 'definitions.md)' in (_ROOT / name).read_text()


def test_formulas_stay_readable_as_markdown():
  found = prose.markdown(
    '<h2>Words</h2>\n<table>\n<tr><th>word</th><th>is</th></tr>\n'
    '<tr><td>D<sub>A</sub></td><td>e<sup>&minus;t</sup> &gt; '
    '2<sup>31</sup> for <i>all</i> <code>a &gt; b</code></td></tr>\n</table>'
    '\n<ol>\n<li>One.</li>\n<li><b>Two</b>.</li>\n</ol>'
  )
  assert found.splitlines() == [
    '## Words',
    '',
    '* **D_A**: e^(−t) > 2^31 for *all* `a > b`',
    '',
    '1. One.',
    '2. **Two**.',
  ]


def test_no_line_of_a_paragraph_begins_what_is_none():
  for sign in ('+', '-', '>', '*', '1.', '#'):
    text = f'{"word " * 17}{sign} more'
    lines = prose.markdown(f'<p>{text}</p>').splitlines()
    assert ' '.join(lines).strip() == text
    assert not any(line.startswith(sign) for line in lines)


@pytest.mark.slow
def test_readme_and_docs_tell_the_study_as_the_records_have_them():
  study = study_lib.load(_ROOT / 'results' / 'cpu')
  text = (_ROOT / 'README.md').read_text()
  assert markdown.table(claims.table(study)) in text
  told = (_ROOT / 'docs/study.md').read_text()
  assert markdown.designs(study) in told
  states = study.states.values()
  finished = sum(state.finished for state in states)
  assert f'{finished} of {sum(state.declared for state in states)} runs' in text


def test_claims_in_markdown_are_told_with_their_design():
  interval = design.Interval(0.1234, 0.1, 0.15)
  verdict = verdicts.Verdict.REPRODUCED
  measured = judgement.Measured(interval, verdict, 3, 8, 2544)
  row = claims.Row(
    'it is', '', '', 'points', '', claims.FIRST, measured, verdict, ''
  )
  lacks = verdicts.Verdict.NOT_MEASURED
  other = row._replace(measured=None, verdict=lacks)
  nothing = design.Interval(0.1234, np.nan, np.nan)
  bare = row._replace(measured=measured._replace(interval=nothing))
  narrow = row._replace(
    measured=measured._replace(
      interval=design.Interval(0.0002, -0.0001, 0.0005)
    )
  )
  small = row._replace(measured=measured._replace(remark='but small'))
  assert markdown.table([row, other, bare, narrow, small]).splitlines()[2:] == [
    '| it is | 12.3 points [10.0, 15.0] | 3 x 8 x 2,544 | before any record | '
    'reproduced |',
    '| it is |  |  | before any record | not measured |',
    '| it is | 12.3 points | 3 x 8 x 2,544 | before any record | reproduced |',
    '| it is | 0.02 points [-0.01, 0.05] | 3 x 8 x 2,544 | before any record | '
    'reproduced |',
    '| it is | 12.3 points [10.0, 15.0] | 3 x 8 x 2,544 | before any record | '
    'reproduced (but small) |',
  ]


def test_the_table_tells_when_each_rule_was_written(small):
  root, _, page = small
  rows = claims.table(simulated.load(root / 'cpu'))
  written = {row.short: row.written for row in rows}
  assert list(written.values()).count(claims.FIRST) == len(rows) - 8
  after = [short for short, when in written.items() if when == claims.AFTER]
  assert after == ['... where the structure must be written',
                   '... where it can be avoided']  # fmt: skip
  own = [short for short, when in written.items() if when == claims.OWN]
  assert len(own) == 6 and own[0] == 'search solves what sampling does not'
  assert own[-1].endswith('(C5)')
  head, _, first, *_ = markdown.table(rows).splitlines()
  assert '| rule written |' in head and '| before any record |' in first
  assert '<th>rule written</th>' in page


def test_what_is_above_0_and_within_the_margin_is_said_to_be_both(tmp_path):
  rng = np.random.default_rng(1)
  for arm, rate in (('uniform', 0.4), ('joint', 0.415), ('joint_raked', 0.5)):
    rates = {f'{space}_cells': rate for space in ('semantic', 'joint')}
    simulated.write(
      tmp_path / 'cpu', 'density', arm, rates, rng, kind='density',
      items=2000, item_sd=0.0, seed_sd=0.005,
    )  # fmt: skip
  rows = claims.table(simulated.load(tmp_path / 'cpu'))
  told = 'reproduced (above 0, but within 3 points of it) |'
  (small,) = (r for r in rows if '(C2)' in r.short)
  (large,) = (r for r in rows if '(C3)' in r.short)
  assert told in markdown.table([small])
  assert markdown.table([large]).endswith(' | reproduced |\n')
  assert 'above 0, but within 3 points of it' in tables.verdicts([small])


def test_what_lacks_is_said_at_once_by_name_and_in_every_figure(small):
  root, _, text = small
  assert 'Incomplete:</b> 4 of 6 declared runs' in text[: text.index('<table>')]
  section = text[text.index('What is finished?') :]
  assert '<td>0 of 1</td><td>uniform-split0</td>' in section
  svg = (root / 'page-figures/F7-support.svg').read_text()
  assert '(INCOMPLETE)' in svg
  for name in ('F7-support', 'F8-novelty'):
    made = json.loads((root / f'page-figures/{name}.json').read_text())['made']
    assert made['incomplete'].startswith('support 4 of 5 runs')


def test_errors_are_planned_from_the_pilots(small):
  _, _, text = small
  declared = [run for run in plan.of('cpu') if run.contrast == 'support']
  found = power.planned('support', declared)
  assert (found.splits, found.seeds, found.items) == (3, 8, 1000)
  # By hand: 17.5 % and 0.4 % as binomial, and the pilots' half-widths.
  tasks = (0.175 * 0.825 + 0.004 * 0.996) / 3000
  seeds = 2 * (0.019**2 + 0.0025**2) / 1.96**2 / 24
  assert found.error['novel'] == pytest.approx((tasks + seeds) ** 0.5)
  assert found.error['difference'] > found.error['control']
  section = text[text.index('Were the errors what was planned?') :]
  assert '<td>no pilot</td>' in section and '3 &times; 3 &times; 40' in section


def test_tables_for_the_docs_are_written_beside_the_page(small):
  root, result, _ = small
  study = simulated.load(root / 'cpu')
  assert (root / 'page-designs.md').read_text() == markdown.designs(study)
  assert (root / 'page-definitions.md').read_text() == prose.write()
  assert result['claims'] == str(root / 'page-claims.md')


def test_splits_and_copied_subtrees_are_told_in_numbers(small):
  _, _, page = small
  assert 'train_s 14,221, train_c 14,221' in page.replace(
    'train_c 14,221, train_s 14,221', 'train_s 14,221, train_c 14,221'
  )
  # Planted: 75 % of the outputs' subtrees, 50 and 60 % of the tasks' own.
  assert '+20.0 [+15.0, +25.0]' in page


def test_models_stand_beside_what_needs_none(small):
  _, _, page = small
  section = page[page.index('What do the tests take without a model?') :]
  # 0.25 and 0.375 of two splits; models are there up to their samples.
  assert (
    '<td>enumeration</td><td class="n">31.2%</td><td class="n">50.0%</td>'
    '<td class="n">100.0%</td>'
  ) in section
  (row,) = re.findall(
    r'<td>novel</td><td>models, train_s</td>(.*?)</tr>', section
  )
  assert re.fullmatch(
    r'(<td class="n">[\d.]+%</td>){2}<td class="n">&ndash;</td>', row
  )


def test_baselines_stand_in_the_rows_of_the_models(small):
  root, _, page = small
  study = simulated.load(root / 'cpu')
  section = page[page.index('All support contrasts') :]
  rows = [
    re.findall('<td>(.*?)</td>', row)
    for row in re.findall('<tr>(.*?)</tr>', section[: section.index('<h2>')])
  ]
  by_label = {row[1]: row for row in rows if row}
  grid = study.grid('support')
  for test in ('novel', 'control'):
    solved = [
      ' / '.join(
        f'{np.mean([grid.get(s, arm, test).value(k) for s in (0, 1)]):.1%}'
        for k in (1, 16)
      )
      for arm in ('train_s', 'train_c')
    ]
    assert by_label[test][6:] == [
      f'train_s: {solved[0]}<br>train_c: {solved[1]}',
      'not measured', 'not measured', '31.2% / 50.0%', 'not measured',
    ]  # fmt: skip
  # One split, and a part of the tasks, which baselines are not told of.
  assert by_label['novel, split 1'][9] == '37.5% / 50.0%'
  assert by_label['difference'][6:] == ['&ndash;'] * 5
  (forced,) = (row for label, row in by_label.items() if 'forced' in label)
  assert forced[7:] == ['not measured'] * 4 and 'train_s' in forced[6]


def test_density_has_baselines_of_the_same_tests_and_says_where_none_are(
  tmp_path,
):
  rng = np.random.default_rng(3)
  for contrast, arm in (
    ('density', 'uniform'), ('density', 'joint'), ('density_more', 'programs'),
  ):  # fmt: skip
    path = simulated.write(
      tmp_path / 'cpu', contrast, arm, {'uniform': 0.5, 'joint_cells': 0.4},
      rng, seeds=3, items=40, kind='density',
    )  # fmt: skip
    facts = json.loads(path.read_text())
    facts['without_model']['pcfg'] = {
      'tests': {
        test: {'solved': {'1': 0.0001, '16': 0.1 + 0.1 * (arm == 'joint')}}
        for test in ('uniform', 'joint_cells')
      }
    }
    if contrast == 'density_more':
      del facts['without_model']
    path.write_text(json.dumps(facts))
  text = tables.density_by_law(simulated.load(tmp_path / 'cpu'))
  rows = {
    (row[0], row[2]): row[-4:]
    for row in (
      re.findall('<td>(.*?)</td>', line)
      for line in re.findall('<tr>(.*?)</tr>', text)
    )
    if row
  }
  lacks, known = 'not measured', '50.0% / 50.0%'
  assert rows['uniform', '16'] == [lacks, '10.0% / 10.0%', known, lacks]
  assert rows['joint', '16'] == [lacks, '20.0% / 20.0%', known, lacks]
  assert rows['joint', '1'][1] == '&lt;0.1% / &lt;0.1%'
  # What learns from the arm is not known; enumeration does not learn.
  assert rows['programs', '16'] == [lacks, lacks, known, lacks]


def test_a_part_of_the_tasks_is_not_told_by_the_baselines_of_all(tmp_path):
  path = simulated.write(
    tmp_path / 'cpu', 'coverage', 'train_s', {'novel': 0.5},
    np.random.default_rng(3), seeds=2, items=40,
  )  # fmt: skip
  (record,) = simulated.load(tmp_path / 'cpu').of('coverage')
  assert baselines.solved(record, 'enumeration', 'novel', 1) == 0.25
  facts = json.loads(path.read_text())
  facts['classes']['test_novel'] = 1000
  path.write_text(json.dumps(facts))
  study = simulated.load(tmp_path / 'cpu')
  (record,) = study.of('coverage')
  assert np.isnan(baselines.solved(record, 'enumeration', 'novel', 1))
  assert 'models, train_s (40 of 1,000 tasks)' in without_model.table(study)


def test_deviations_are_those_of_the_preregistration(small, monkeypatch):
  root, _, text = small
  section = text[text.index('Deviations from the preregistration') :]
  assert preregistration.prose('Deviations') in section
  path = root / 'preregistration.md'
  path.write_text('## Deviations\n\n* One `a < b`,\n  long.\n* **Two**.\n')
  monkeypatch.setattr(preregistration, 'PATH', path)
  assert preregistration.prose('Deviations') == (
    '<ul><li>One <code>a &lt; b</code>, long.</li><li><b>Two</b>.</li></ul>'
  )
  with pytest.raises(errors.InputError, match="no section 'Not run'"):
    preregistration.prose('Not run')


def test_marks_say_what_they_are_and_where(small):
  root, _, text = small
  section = text[text.index('id="F7-support"') : text.index('id="F8-novelty"')]
  labels = re.findall(r'circle [^>]*aria-label="([^"]*)"', section)
  numbers = json.loads((root / 'page-figures/F7-support.json').read_text())
  low, high = (100 * v for v in numbers['support']['drop'][1:])
  assert any(
    label.startswith('novel; a structure (S3), 2 splits x 3 seeds')
    and f'[{low:.4g}, {high:.4g}]' in label
    for label in labels
  )


def test_a_mark_lies_where_it_is_drawn():
  fig, axis = plt.subplots()
  axis.set_position((0.2, 0.1, 0.5, 0.8))
  axis.set(xlim=(0, 4), ylim=(0, 2))
  axis.plot([1], [0.5], 'o', label='here')
  axis.barh([1.5], [2], height=0.5)
  bar, point = hover.marks(fig)
  plt.close(fig)
  assert point[:4] == pytest.approx((0.2 + 0.5 / 4, 1 - (0.1 + 0.2), 0, 0))
  assert point.text == 'here; 0.5; 1'
  assert bar[:4] == pytest.approx((0.2 + 0.125, 1 - 0.7, 0.25, 0.2))


def test_what_is_no_value_is_not_told_as_one():
  fig, axis = plt.subplots()
  axis.errorbar([1], [0.5], yerr=[0.1], fmt='o', capsize=3, label='here')
  axis.plot([2], [-0.3], 'D', gid=hover.UNSAID)  # below the values
  (mark,) = hover.marks(fig)  # neither the ends of the interval
  plt.close(fig)
  assert mark.text.startswith('here; 0.5')


def test_nothing_is_equivalent_where_nothing_can_be_lost(tmp_path):
  rng = np.random.default_rng(4)
  options = {'splits': 2, 'seeds': 3, 'items': 60, 'rng': rng}
  simulated.support(tmp_path / 'a', 'support', drop=0.6, **options)
  assert 'nothing to lose' not in tables.support(simulated.load(tmp_path / 'a'))
  for split in range(2):
    for arm in ('train_s', 'train_c'):
      rates = {'control': 0.5, 'novel': 0.002, 'dev': 0.5}
      simulated.write(
        tmp_path / 'b', 'support', arm, rates, rng, split=split, seeds=3,
        items=60,
      )  # fmt: skip
  text = tables.support(simulated.load(tmp_path / 'b'))
  assert text.count('nothing to lose') == 2  # novel, and the difference


def test_the_page_is_self_contained_and_defines_its_words(small):
  _, _, text = small
  assert not re.search(r'(src|href)="(?!data:)', text)
  for word in ('density shift', 'support shift', 'difference of differences',
               'pq-gram', 'forms of scaling', 'cell of a pair',
               'pass@k', 'How exactly is a split made?', 'docs/splits.md',
               'sign-flip', 'look-up', 'Holm'):  # fmt: skip
    assert word in text


def test_every_figure_has_its_question_and_files_or_the_reason(small):
  root, _, text = small
  drawn = {path.stem for path in root.glob('page-figures/*.json')}
  assert drawn == {
    'F7-support', 'F8-novelty', 'F9-distance', 'F11-coverage', 'F19-retrieval',
    'F20-learning', 'F22-calibration',
  }  # fmt: skip
  for name in drawn:
    numbers = json.loads((root / f'page-figures/{name}.json').read_text())
    assert numbers['question'].endswith('?') and numbers['question'] in text
    for kind in ('png', 'svg', 'pdf'):
      assert (root / f'page-figures/{name}.{kind}').stat().st_size > 1000
  assert text.count('<img') == len(drawn)
  assert text.count('<figcaption>') == len(drawn)
  for caption in re.findall('<figcaption>(.*?)</figcaption>', text):
    assert '3 seeds' in caption or 'runs' in caption
    assert 'python -m analysis.report' in caption
  for missing in ('F5-density', 'F12-scaling'):
    section = text[text.index(f'id="{missing}"') :]
    assert 'Not measured: no records of' in section[:300]


def test_configurations_are_those_of_the_records(small):
  _, _, text = small
  section = text[text.index('All configurations') :]
  assert '2, 64, 4, 256' in section  # layers, width, heads, MLP
  assert '100,000' in section and '1.00e+12' in section
  assert '<td>3</td><td>4 of 5</td>' in section  # splits, runs
  assert '100,000 (90,000)' in section  # parameters, without embedding
  # What was declared but not run is computed: the small recipe's true size.
  assert '<td>480,331 (478,923)</td>' in section
  assert '<td>1</td><td>0 of 1</td><td>not measured</td>' in section


def test_records_are_told_from_runs(small, tmp_path):
  root, _, _ = small
  assert study_lib.is_study(root / 'cpu')
  (tmp_path / 'run.json').write_text('{}')
  assert not study_lib.is_study(tmp_path)
  # Data for which no model was trained are none either.
  (tmp_path / 'run.json').unlink()
  (tmp_path / 'universe').mkdir()
  (tmp_path / 'universe' / 'manifest.json').write_text('{}')
  assert not study_lib.is_study(tmp_path)


def test_a_damaged_record_is_one_sentence(tmp_path):
  simulated.support(
    tmp_path / 'cpu', 'support', drop=0.4, splits=1, seeds=2, items=9,
    rng=np.random.default_rng(0),
  )  # fmt: skip
  path = tmp_path / 'cpu/support/train_s-split0.json'
  path.write_text(path.read_text()[:200])
  with pytest.raises(errors.InputError, match=r'train_s-split0\.json'):
    page_lib.write(tmp_path / 'cpu', tmp_path / 'p.html')
  assert not (tmp_path / 'p.html').exists()


@pytest.mark.slow
def test_a_whole_study_opens_in_a_browser(tmp_path):
  simulated_study.write(tmp_path / 'cpu')
  page = tmp_path / 'page.html'
  declared = simulated.declared(tmp_path / 'cpu')
  result = page_lib.write(tmp_path / 'cpu', page, lambda tier: declared)
  assert result['lacking'] == 0 and '(INCOMPLETE)' not in page.read_text()
  for path in tmp_path.glob('page-figures/*.png'):
    with image_lib.open(path) as picture:  # not empty
      assert np.asarray(picture.convert('L')).std() > 10
  path = browser_lib.find()
  if path is None:
    pytest.skip('no Chromium or Chrome on this machine')
  browser = browser_lib.Browser(path, tmp_path / 'profile', (1300, 1300))
  try:
    browser.open(page)
    assert browser.run('document.images.length') == 14
    assert browser.run(
      '[...document.images].every(i => i.complete && i.naturalWidth > 300)'
    )
    assert browser.run("document.querySelectorAll('.plot svg').length") == 14
    box = "document.querySelector('#hover')"
    for number in range(14):
      mark = f"document.querySelectorAll('.plot svg')[{number}].children[3]"
      x, y, label = browser.run(
        f"{mark}.scrollIntoView({{block: 'center'}}); "
        f'r = {mark}.getBoundingClientRect(); '
        '[r.x + r.width / 2, r.y + r.height / 2, '
        f"{mark}.getAttribute('aria-label')]"
      )
      browser.move(x, y)
      assert browser.run(f'{box}.style.display') == 'block'
      # Where marks overlap the upper one answers.
      said = browser.run(f'{box}.textContent')
      assert (
        said == label
        or browser.run(
          f'document.elementFromPoint({x}, {y}).getAttribute("aria-label")'
        )
        == said
      )
    browser.move(1, 1)
    assert browser.run(f'{box}.style.display') == 'none'
    browser.run("document.querySelector('.plot svg').focus()")
    browser.press('ArrowRight')
    browser.press('ArrowRight')
    labels = "document.querySelector('.plot svg').children"
    assert browser.run(f'{box}.textContent') in browser.run(
      f"[...{labels}].slice(1, 3).map(m => m.getAttribute('aria-label'))"
    )
    assert not browser.complaints
    assert all(url.startswith(('file:', 'data:')) for url in browser.requests)
  finally:
    browser.close()
