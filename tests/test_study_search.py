"""What the study says of search, against what was planted."""

import json

import numpy as np
import pytest

from analysis.study import cells as cells_lib
from analysis.study import claims
from analysis.study import functions_shown
from analysis.study import search
from analysis.study import search_view
from analysis.study import study as study_lib
from analysis.study import subgoal_view
from analysis.study.verdicts import Verdict
from synth import packing
from tests import simulated

_RATES = {
  'own': 0.5,
  'others': 0.1,
  'grammar': 0.2,
  'training': 0.7,
  'meet_in_the_middle': 0.9,
}
_ANSWERED = {'model': 0.6, 'training': 0.9}  # by subgoals


def _study(root, rates=None, **options):
  rng = np.random.default_rng(0)
  for split in range(2):
    for arm in ('train_s', 'train_c'):
      simulated.write(
        root / 'a', 'search', arm,
        {'novel': 0.01, 'control': 0.4, 'dev': 0.4}, rng, split=split,
        search=rates or _RATES, seeds=4, items=200,
        **{'subgoals': _ANSWERED, **options},
      )  # fmt: skip
  return simulated.load(root / 'a')


def _rows(study):
  rows = {row.short: row for row in claims.table(study)}
  return [
    rows[short]
    for short in (
      'search solves what sampling does not',
      '... by what was written for the task',
      '... beyond search without a model',
      'asking for what is left solves what sampling does not',
      '... beyond looking it up in training',
    )
  ]


def test_planted_gains_are_found_and_judged(tmp_path):
  study = _study(tmp_path)
  for source, rate in _RATES.items():
    if source != 'own':
      gain = search.gain(study, source)
      assert gain.interval.estimate == pytest.approx(0.5 - rate, abs=0.06)
      assert gain.interval.low < 0.5 - rate < gain.interval.high
  sampling, task, model, asked, known = _rows(study)
  assert sampling.verdict == task.verdict == Verdict.REPRODUCED
  assert model.verdict == Verdict.NOT_REPRODUCED
  assert model.measured.interval.high < 0
  assert asked.verdict == Verdict.REPRODUCED
  assert known.verdict == Verdict.NOT_REPRODUCED
  estimate, low, high = known.measured.interval
  assert estimate == pytest.approx(-0.3, abs=0.06) and low < -0.3 < high
  assert model.measured.remark == 'secondary: p not adjusted'
  assert sampling.measured.splits == 2 and sampling.measured.seeds == 4


def test_samples_count_as_a_search_without_look_ups(tmp_path):
  study = _study(tmp_path)
  (record, *_) = study.of('search')
  grid = search.grid(study, 'train_s', lookups=0)
  cell = grid.get(0, search.SAMPLES, 'novel')
  solved_SxI = record.tests['novel'].correct_SxI > 0
  assert record.facts['arm'] == 'train_c'  # sorted by path
  assert 0 < cell.correct_SxI.mean() < 0.5
  (own,) = [
    r for r in study.of('search')
    if r.facts['arm'] == 'train_s' and study_lib.split_seed(r) == 0
  ]  # fmt: skip
  solved_SxI = own.tests['novel'].correct_SxI > 0
  np.testing.assert_array_equal(cell.correct_SxI, solved_SxI)
  assert not grid.get(0, 'own', 'novel').correct_SxI.any()


def test_fewer_look_ups_solve_what_they_reach(tmp_path):
  study = _study(tmp_path)
  (record,) = [
    r for r in study.of('search')
    if r.facts['arm'] == 'train_s' and study_lib.split_seed(r) == 1
  ]  # fmt: skip
  told = record.facts['search']['tests']['control']['5']['own']
  lookup_SxI = packing.unpack(told['lookup_SxI'])
  for limit in (1, 30, 100):
    cell = search.grid(study, 'train_s', lookups=limit).get(1, 'own', 'control')
    wanted = (lookup_SxI > 0) & (lookup_SxI <= limit)
    np.testing.assert_array_equal(cell.correct_SxI, wanted)


def test_parts_of_novel_are_the_same_tasks(tmp_path):
  study = _study(tmp_path)
  grid = search.grid(study, 'train_s')
  novel = grid.get(0, 'own', 'novel')
  forced = grid.get(0, 'own', study_lib.FORCED)
  at_I = np.flatnonzero(np.isin(novel.item_I, forced.item_I))
  assert 0 < len(at_I) < len(novel.item_I)
  np.testing.assert_array_equal(novel.correct_SxI[:, at_I], forced.correct_SxI)


def test_what_lacks_is_not_measured(tmp_path):
  study = _study(tmp_path)
  with pytest.raises(cells_lib.NotMeasured, match='bank of 3'):
    search.grid(study, 'train_s', bank=3)
  for record in study.of('search'):
    del record.facts['search']
  with pytest.raises(cells_lib.NotMeasured, match='holds no search'):
    search.grid(study, 'train_s')
  assert {row.verdict for row in _rows(study)} == {Verdict.NOT_MEASURED}
  assert 'Not measured' in search_view.table(study)


def test_the_figure_and_the_table_show_the_same_shares(tmp_path):
  study = _study(tmp_path)
  drawn = search_view.draw(study)
  text = search_view.table(study)
  for source, rate in _RATES.items():
    told = drawn.numbers['train_s on novel'][source]
    assert told['lookups'][-1] == 100
    shares = [estimate for estimate, _, _ in told['solved']]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(rate, abs=0.06)
    assert f'{100 * shares[-1]:.1f} [' in text


def test_more_diverse_samples_stand_beside(tmp_path):
  for split in range(2):
    simulated.write(
      tmp_path / 'a', 'search_hot', 'train_s',
      {'novel': 0.01, 'control': 0.4, 'dev': 0.4}, np.random.default_rng(1),
      split=split, search={**_RATES, 'own': 0.65}, seeds=4, items=200,
    )  # fmt: skip
  study = _study(tmp_path)
  numbers = search_view.draw(study).numbers
  (hot,) = [k for k in numbers['train_s on novel'] if 'temperature' in k]
  shares = [
    numbers['train_s on novel'][name]['solved'][-1][0] for name in ('own', hot)
  ]
  assert shares == pytest.approx([0.5, 0.65], abs=0.06)
  assert not [k for k in numbers['train_c on novel'] if 'temperature' in k]
  text = search_view.table(study)
  assert f'{100 * shares[0]:.1f} [' in text
  assert f'{100 * shares[1]:.1f} [' in text


def test_shares_by_subgoals_are_in_the_table(tmp_path):
  study = _study(tmp_path)
  grid = search.grid(study, 'train_s')
  table = subgoal_view.table(study)
  for source, rate in ((search.ASKED, 0.6), (search.KNOWN, 0.9)):
    share = search.share(grid, source, 'control')
    assert share.estimate == pytest.approx(rate, abs=0.06)
    assert f'{100 * share.estimate:.1f} [{100 * share.low:.1f}' in table
  assert table.count('<tr>') == 1 + 2 * 4 and '>162<' in table


def test_the_figure_of_subgoals_ends_with_what_the_table_says(tmp_path):
  study = _study(tmp_path)
  numbers = subgoal_view.draw(study).numbers['train_s on novel']
  assert numbers.keys() == {'samples', 'asked, 3x1', 'known, 3x1'}
  for name, rate in (('asked, 3x1', 0.6), ('known, 3x1', 0.9)):
    shares = [estimate for estimate, _, _ in numbers[name]['solved']]
    assert shares == sorted(shares) and shares[0] < 0.1
    assert shares[-1] == pytest.approx(rate, abs=0.06)
    assert f'{100 * shares[-1]:.1f} [' in subgoal_view.table(study)
  rates = [estimate for estimate, _, _ in numbers['samples']['solved']]
  grid = study.grid('search')
  wanted = np.mean(
    [grid.get(split, 'train_s', 'novel').value(16).mean() for split in (0, 1)]
  )
  assert rates[-1] == pytest.approx(wanted) and rates == sorted(rates)


def test_search_by_functions_shown_is_drawn_of_each_record(tmp_path):
  planted = {50: 0.2, 400: 0.7}
  for functions, rate in planted.items():
    simulated.write(
      tmp_path / 'a', 'search_data', 'uniform', {'uniform': 0.1, 'dev': 0.1},
      np.random.default_rng(functions), run=f'functions-{functions}',
      search={**_RATES, 'own': rate}, subgoals={'model': 0.3, 'training': rate},
      seeds=4, items=200, functions=functions, kind='density',
    )  # fmt: skip
  study = simulated.load(tmp_path / 'a')
  numbers = functions_shown.draw(study).numbers
  assert numbers['functions'] == [50, 400]
  for source, rates in (
    ('own', planted.values()),
    ('known', planted.values()),
    ('asked', (0.3, 0.3)),
    ('meet_in_the_middle', (0.9, 0.9)),
  ):
    for (estimate, low, high), rate in zip(numbers[source], rates, strict=True):
      assert estimate == pytest.approx(rate, abs=0.08) and low < estimate < high
  (many, _) = study.of('search_data')  # by name
  many.facts['diverged'] = {'1': 5}
  found = search.by_functions(study)
  seeds = {n: grid.get(0, 'own', 'uniform').seeds for n, grid in found.items()}
  assert seeds == {50: (0, 1, 2, 3), 400: (0, 2, 3)}


def test_subgoals_that_some_records_lack_are_not_in_the_table(tmp_path):
  _study(tmp_path)
  for path in (tmp_path / 'a').rglob('train_?-split0.json'):
    record = json.loads(path.read_text(encoding='utf-8'))
    for divisions in record['search']['subgoals'].values():
      divisions['1x1'] = divisions['3x1']
    path.write_text(json.dumps(record), encoding='utf-8')
  study = simulated.load(tmp_path / 'a')
  assert search.subgoals(study, 'novel').keys() == {'3x1'}


def test_records_of_before_there_were_subgoals_are_told(tmp_path):
  study = _study(tmp_path, subgoals=None)
  *others, asked, known = _rows(study)
  assert asked.verdict == known.verdict == Verdict.NOT_MEASURED
  assert Verdict.NOT_MEASURED not in {row.verdict for row in others}
  assert 'Not measured: no record' in subgoal_view.table(study)
