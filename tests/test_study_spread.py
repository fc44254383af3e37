"""How diverse arms are, and how far what is held out lies, by the records."""

import json
import re

from matplotlib import pyplot as plt
import numpy as np
import pytest

from analysis.study import cells
from analysis.study import density
from analysis.study import effects
from analysis.study import held_out_distances
from analysis.study import spread
from synth import packing
from synth import record_tasks
from tests import simulated

_TESTS = ('uniform', 'semantic_cells')


@pytest.fixture(autouse=True)
def closed():
  """No figure outlives its test."""
  yield
  plt.close('all')


def _arms(root, planted):
  """Density arms, each of a contrast, with success and spread as planted.

  Args:
    root: Directory of the tier.
    planted: Arm -> models, pass@1, semantic and syntactic spread.
  """
  for arm, (seeds, rate, semantic, syntactic) in planted.items():
    contrast = 'density' if seeds == 4 else 'density_more'
    path = simulated.write(
      root, contrast, arm, {**dict.fromkeys(_TESTS, rate), 'dev': 0.5},
      np.random.default_rng(7), seeds=seeds, items=400, kind='density',
      seed_sd=0.05,
    )  # fmt: skip
    facts = json.loads(path.read_text())
    told = {'grams_seen': 1000 + round(1000 * syntactic)}
    for space, value in (('semantic', semantic), ('syntactic', syntactic)):
      told[f'{space}_neighbour'] = {'mean': value}
      told[f'{space}_cover'] = {'mean': 1 / value}
    facts['split']['facts'] = {'arms': {arm: told}}
    path.write_text(json.dumps(facts))
  return simulated.load(root)


_PLANTED = {
  'uniform': (4, 0.30, 0.4, 0.2),
  'semantic': (4, 0.60, 0.6, 0.18),
  'syntactic': (4, 0.35, 0.36, 0.21),
  'joint': (2, 0.50, 0.5, 0.2),
}


def test_gain_by_spread_is_what_was_planted(tmp_path):
  study = _arms(tmp_path / 'cpu', _PLANTED)
  drawn = spread.draw(study)
  numbers = drawn.numbers
  assert set(numbers) == {'rank correlation', 'semantic', 'syntactic', 'joint'}
  assert numbers['joint']['models'] == 2
  assert numbers['semantic']['spread'] == pytest.approx(
    {'semantic': 0.5, 'syntactic': -0.1}
  )
  # Gains rise as semantic spread does, dev is no test law; all are paired.
  for test in _TESTS:
    assert numbers['rank correlation']['semantic'][test] == pytest.approx(1)
    assert numbers['rank correlation']['syntactic'][test] == pytest.approx(-1)
    found = effects.effect(
      study.grid('density'), density.gain(('semantic', 'uniform'), [test])
    )
    assert numbers['semantic']['gain'][test] == list(found.interval)
    assert set(numbers['joint']['gain']) == set(_TESTS)


def test_arms_of_all_seeds_are_full_with_intervals_and_others_hollow(tmp_path):
  drawn = spread.draw(_arms(tmp_path / 'cpu', _PLANTED))
  axis = drawn.figure.axes[0]
  marks = {
    group.get_label(): group.lines[0].get_xydata()[0]
    for group in axis.containers
  }
  assert set(marks) == {'semantic', 'syntactic'}
  assert axis.get_title().startswith('test law: uniform')
  gain = drawn.numbers['semantic']['gain']['uniform'][0]
  assert marks['semantic'] == pytest.approx([50, 100 * gain])
  (hollow,) = (x for x in axis.get_lines() if x.get_label() == 'joint')
  assert hollow.get_markerfacecolor() == 'none'
  assert 'Full: 4 models' in drawn.caption and '(2), whose' in drawn.caption


def test_how_diverse_arms_are_is_told_against_uniform(tmp_path):
  text = spread.table(_arms(tmp_path / 'cpu', _PLANTED))
  rows = [
    re.findall(r'<td[^>]*>(.*?)</td>', row)
    for row in re.findall('<tr>(.*?)</tr>', text)
  ]
  assert [row[0] for row in rows[1:]] == [
    'uniform', 'semantic', 'syntactic', 'joint',
  ]  # fmt: skip
  assert rows[2][1:] == [
    '0.600 (+50 %)', '0.180 (-10 %)', '1.667 (-33 %)', '5.556 (+11 %)',
    '1,180 (-2 %)',
  ]  # fmt: skip


def test_spread_that_records_do_not_tell_is_said_to_lack(tmp_path):
  study = _arms(tmp_path / 'cpu', _PLANTED)
  path = tmp_path / 'cpu/density/semantic-split0.json'
  facts = json.loads(path.read_text())
  facts['split']['facts'] = {}
  path.write_text(json.dumps(facts))
  study = simulated.load(tmp_path / 'cpu')
  with pytest.raises(cells.NotMeasured, match=r'semantic-split0.* no spread'):
    spread.draw(study)
  assert 'tells no spread' in spread.table(study)
  few = {arm: _PLANTED[arm] for arm in ('uniform', 'semantic')}
  with pytest.raises(cells.NotMeasured, match='fewer than 3 arms'):
    spread.draw(_arms(tmp_path / 'few', few))


def _distances(root, **planted):
  """One record of S3 whose tasks are as far as planted, by test set."""
  path = simulated.write(
    root, 'support', 'train_s', {'novel': 0.1, 'control': 0.4},
    np.random.default_rng(1), items=4,
  )  # fmt: skip
  facts = json.loads(path.read_text())
  facts['split']['bounds'] = {
    'syntactic': {'near': 0.55172, 'far': 0.68761},
    'semantic': {'near': 0.6, 'far': 1.2},
  }
  for test, arrays in facts['tests'].items():
    del arrays['stratum_2xI']
    for name, value in planted.items():
      if name.startswith(test):
        key = name.removeprefix(f'{test}_')
        arrays[key] = packing.pack(np.array(value), record_tasks.DTYPES[key])
  path.write_text(json.dumps(facts))
  return simulated.load(root)


_FAR_IN_BOTH = {
  # 16 / 29 is a bound, which older records tell as 0.55172.
  'novel_distance_2xI': [[16 / 29, 16 / 29, 0.6, 0.7], [0.5, 3.0, 3.2, 4.0]],
  'control_distance_2xI': [[0.3, 0.3, 0.3, 0.4], [0.2, 0.3, 0.3, 0.4]],
}


def test_how_far_what_is_held_out_lies_is_that_of_the_records(tmp_path):
  study = _distances(tmp_path / 'cpu', **_FAR_IN_BOTH)
  (record,) = study.of('support')
  found = held_out_distances.measure(record, 'novel', 'syntactic')
  assert found[1:] == (0.5, 0.25)
  assert found.median == pytest.approx((16 / 29 + 0.6) / 2, abs=1e-3)
  text = held_out_distances.table(study)
  rows = [
    re.findall(r'<td[^>]*>(.*?)</td>', row)
    for row in re.findall('<tr>(.*?)</tr>', text)
  ]
  what = 'a structure (S3)'
  assert rows[1:] == [
    [what, 'syntactic', '0.58', '0.30', '1.9', '50.0 % / 25.0 %',
     '100.0 % / 0.0 %'],
    [what, 'semantic', '3.10', '0.30', '10.3', '25.0 % / 75.0 %',
     '100.0 % / 0.0 %'],
  ]  # fmt: skip


def test_newer_records_tell_near_and_far_themselves(tmp_path):
  stratum_2xI = [[2, 2, 2, 0], [0, 0, 1, 1]]
  study = _distances(
    tmp_path / 'cpu', **_FAR_IN_BOTH, novel_stratum_2xI=stratum_2xI
  )
  (record,) = study.of('support')
  by_space = [
    held_out_distances.measure(record, 'novel', space)[1:]
    for space in ('syntactic', 'semantic')
  ]
  assert by_space == [(0.25, 0.75), (0.5, 0.0)]
