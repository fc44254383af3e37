"""The study's page: claims first, offline, nothing where nothing was run."""

import json
import re

import numpy as np
import pytest

from analysis.study import page as page_lib
from analysis.study import study as study_lib
from synth import errors
from tests import browser as browser_lib
from tests import simulated
from tests import simulated_study


@pytest.fixture(scope='module')
def small(tmp_path_factory):
  """A page of one contrast, and its text."""
  root = tmp_path_factory.mktemp('small')
  rng = np.random.default_rng(0)
  simulated.support(
    root / 'cpu', 'support', drop=0.4, splits=2, seeds=3, items=40, rng=rng
  )
  result = page_lib.write(root / 'cpu', root / 'page.html')
  return root, result, (root / 'page.html').read_text()


def test_the_claim_table_comes_first_and_says_what_was_not_measured(small):
  _, result, text = small
  assert text.index('<table>') < text.index('<h2>')
  first = text[: text.index('</table>')]
  assert first.count('class="verdict') == len(result['verdicts']) == 14
  assert first.count('"verdict not-measured"') == 11  # all but one contrast
  assert 'no records of density' in first
  assert result['records'] == 4


def test_the_page_is_self_contained_and_defines_its_words(small):
  _, _, text = small
  assert not re.search(r'(src|href)="(?!data:)', text)
  for word in ('Density shift', 'Support shift', 'How is a split made?',
               'sign-flip', 'No search was run'):  # fmt: skip
    assert word in text


def test_every_figure_has_its_question_and_files_or_the_reason(small):
  root, _, text = small
  drawn = {path.stem for path in root.glob('page-figures/*.json')}
  assert drawn == {
    'F7-support', 'F8-novelty', 'F9-distance', 'F11-coverage', 'F19-retrieval',
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
  assert '<td>4</td><td>12</td>' in section  # runs, seeds


def test_records_are_told_from_runs(small, tmp_path):
  root, _, _ = small
  assert study_lib.is_study(root / 'cpu')
  (tmp_path / 'run.json').write_text('{}')
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
  page_lib.write(tmp_path / 'cpu', page)
  path = browser_lib.find()
  if path is None:
    pytest.skip('no Chromium or Chrome on this machine')
  browser = browser_lib.Browser(path, tmp_path / 'profile', (1300, 1300))
  try:
    browser.open(page)
    assert browser.run('document.images.length') == 9
    assert browser.run(
      '[...document.images].every(i => i.complete && i.naturalWidth > 300)'
    )
    assert not browser.complaints
  finally:
    browser.close()
