"""The page works in a browser without network: hover, search, arrow keys."""

import json
import re

import numpy as np
import pytest

from analysis import atlas
from analysis.data import explorer
from analysis.data import stored as stored_lib
from configs import support as support_config
from synth import inputs as inputs_lib
from tests import browser as browser_lib

_INK = """(() => {
  const canvas = document.querySelectorAll('canvas')[%d];
  const pen = canvas.getContext('2d');
  const all = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let i = 0; i < all.length; i += 4) {
    if (all[i + 3] > 200) colours.add(all.slice(i, i + 3).join());
  }
  return [...colours];
})()"""
_RINGS = """[...document.querySelectorAll('.ring')].map((ring) => {
  const box = ring.getBoundingClientRect();
  return ring.hidden ? null
    : [box.left + box.width / 2, box.top + box.height / 2];
})"""
_TIP = "document.getElementById('tip').hidden ? '' : "
_TIP += "document.querySelector('#tip b').textContent"
_TEXT = "document.getElementById('text').textContent"


@pytest.fixture(scope='module')
def stored(tmp_path_factory):
  """The small support split."""
  root = tmp_path_factory.mktemp('explorer')
  inputs_lib.load_or_build(support_config.get_config('tiny'), root)
  return stored_lib.load(root)


@pytest.fixture(scope='module')
def page(stored, tmp_path_factory):
  """The written page."""
  path = tmp_path_factory.mktemp('page') / atlas.PAGE
  explorer.write(stored, path, {'seed': 0, 'command': 'a < b'})
  return path


@pytest.fixture
def browser(page, tmp_path):
  """The page in a browser."""
  path = browser_lib.find()
  if path is None:
    pytest.skip('no Chromium or Chrome on this machine')
  browser = browser_lib.Browser(path, tmp_path / 'profile', (1300, 1300))
  try:
    browser.open(page)
    yield browser
  finally:
    browser.close()


def _choose(browser, text):
  """Searches for a program and takes the first hit."""
  browser.run("document.getElementById('search').select()")
  browser.run("document.getElementById('search').focus()")
  browser.write(text)
  browser.press('Enter')


def test_the_page_holds_the_sample_and_loads_nothing(stored, page):
  text = page.read_text()
  data = json.loads(
    re.search(r'<script type="application/json".*?>(.*?)</script>', text)[1]
  )
  classes = explorer.sample(stored, 0)
  assert data['text'] == [stored.text(number) for number in classes]
  assert {'x', '1', 'x / (x + 1)'} <= set(data['text'])
  assert 'a &lt; b' in text
  assert not re.search(r'src=|href=|@import|fetch\(|https?://(?!www\.w3)', text)


def test_a_reader_hovers_searches_and_walks(browser, stored):
  assert browser.complaints == []
  assert [url.split(':')[0] for url in browser.requests] == ['file']
  # Both maps show something, in as many colours as there are sets.
  for number in range(2):
    assert len(browser.run(_INK % number)) > 4
  # What the search finds is ringed in both maps, and described.
  assert browser.run(_RINGS) == [None, None]
  _choose(browser, 'x/(x+1)')
  assert browser.run(_TEXT) == 'x / (x + 1)'
  rings = browser.run(_RINGS)
  curve = "document.querySelectorAll('#curve circle').length"
  assert browser.run(curve) == stored.spaces.value_CxE.shape[1]
  # Hovering where it lies in one map says its name and keeps its place in the
  # other.
  browser.press('Escape')
  assert browser.run(_RINGS) == [None, None]
  assert browser.run(_TIP) == ''
  browser.move(*rings[1])
  assert browser.run(_TIP) == 'x / (x + 1)'
  assert browser.run("document.querySelectorAll('#tip svg circle').length")
  assert 'size 5' in browser.run("document.getElementById('tip').innerText")
  assert browser.run(_RINGS) == rings
  # The arrow keys go to another program in their direction.
  browser.run("document.querySelectorAll('canvas')[1].focus()")
  browser.press('ArrowRight')
  assert browser.run(_TEXT) != 'x / (x + 1)'
  assert browser.run(_RINGS)[1][0] > rings[1][0]
  assert browser.complaints == []


def test_colours_can_be_chosen(browser):
  shown = {}
  for way in ('size', 'density', 'set'):
    browser.run(
      f"document.getElementById('colour').value = '{way}';"
      "document.getElementById('colour').dispatchEvent(new Event('change'))"
    )
    shown[way] = (
      frozenset(browser.run(_INK % 0)),
      browser.run("document.getElementById('legend').innerText"),
    )
  colours, legends = zip(*shown.values(), strict=True)
  assert len(set(colours)) == len(set(legends)) == 3
  assert 'test novel' in shown['set'][1]
  vermilion = np.array([213, 94, 0])
  ink = np.array([c.split(',') for c in shown['set'][0]], int)
  assert np.abs(ink - vermilion).max(axis=1).min() <= 2
  assert browser.complaints == []
