"""Effects are recovered from planted samples; the page is whole and honest."""

import dataclasses
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from matplotlib import pyplot as plt
import numpy as np
import pytest

from analysis.runs import baselines
from analysis.runs import figures
from analysis.runs import mistakes
from analysis.runs import page as page_lib
from analysis.runs import results
from analysis.runs import temperatures
from configs import support as support_config
from launch import demo
from synth import errors
from synth import inputs as inputs_lib
from synth import packing
from synth import runs
from synth import settings
from synth.evaluation import sample_records
from synth.evaluation import verify
from synth.splits import kinds as kinds_lib
from synth.splits import split as split_lib
from synth.splits import support
from synth.statistics import design
from synth.statistics import interval as interval_lib
from synth.statistics import passk
from synth.universe import universe as universe_lib

_ITEMS, _SAMPLES, _SEEDS = 100, 32, 4
# Planted probability that a sample is right, by arm and test set.
_PLANTED = {
  support.WITHOUT: {'control': 0.6, 'novel': 0.1, 'dev': 0.5},
  support.WITH: {'control': 0.5, 'novel': 0.4, 'dev': 0.5},
}


@pytest.fixture(scope='module')
def planted(tmp_path_factory):
  """A directory of two evaluated runs with planted success rates."""
  root = tmp_path_factory.mktemp('planted')
  config = support_config.get_config('tiny')
  inputs = inputs_lib.load_or_build(config, root / 'data')
  for arm, rates in _PLANTED.items():
    _write_run(root / arm, arm, rates, config, inputs)
  return root


def _write_run(path, arm, rates, config, inputs):
  path.mkdir()
  rng = np.random.default_rng(len(arm) + ord(arm[-1]))
  record = {'config': settings.plain(config), 'inputs_sha256': inputs.sha256}
  runs.write_json(
    path / runs.RECORD, {**record, 'data_dir': '../data', 'params': {}}
  )
  length = inputs.universe.max_size
  arrays, result = {}, {}
  for name, classes in inputs.split.evaluation_sets().items():
    right = rng.random((_SEEDS, _ITEMS, _SAMPLES)) < rates[name]
    outcome = np.where(right, verify.Outcome.CORRECT, verify.Outcome.WRONG)
    target = inputs.programs_at(classes, rng.random((_ITEMS, length)))
    written = np.zeros((_SEEDS, _ITEMS, _SAMPLES, length + 1), np.int8)
    written[..., :length] = target[None, :, None]
    arrays |= {
      f'{name}_class': classes,
      f'{name}_cluster': classes,
      f'{name}_target': target,
      f'{name}_outcome': outcome.astype(np.int8),
      f'{name}_tok': written,
    }
    for k in (1, 16):
      value = passk.pass_at_k(right.sum(axis=2), _SAMPLES, k)
      interval = interval_lib.share([[design.Term(value)]], rng)
      result.setdefault(f'pass@{k}', {})[name] = interval
      by_seed = result.setdefault(f'pass@{k}_by_seed', {})
      by_seed[name] = value.mean(axis=1).tolist()
  shares = {o.name.lower(): 0.2 for o in verify.Outcome}
  best = {'with_structure': [0.3, 0.1], 'without_structure': [0.1, 0.1]}
  best |= {'fits_only': [0.0, 0.2], 'unsolved': [0.6, 0.6]}
  kinds = {e.name.lower(): [0.25, None] for e in sample_records.Error}
  names = list(rates)
  result |= {
    **record,
    'step': 10,
    'measure': 'pass',
    'arm': arm,
    'seeds': list(range(_SEEDS)),
    'versions': {'jax': 'x'},
    'params': {'total': 1},
    'items': dict.fromkeys(names, _ITEMS),
    'outcomes': dict.fromkeys(names, shares),
    'novelty': {},
    'best_of_task': dict.fromkeys(names, best),
    'errors': dict.fromkeys(names, kinds),
    'copies': {name: [0.0625, None] for name in names},
    'task_sizes': {
      name: {'7': {'items': _ITEMS, 'solved@1': 0.25}} for name in names
    },
    'strata': {
      name: {'syntactic': {'far': {'items': 3, 'solved@1': 0.125}}}
      for name in names
    },
    'baselines': {
      name: {'nearest_neighbour': 0.0, 'best_constant': 0.01} for name in names
    },
  }
  runs.write_json(path / runs.RESULT, result)
  np.savez_compressed(path / runs.SAMPLES, **arrays)
  lines = [{'step': s, 'loss': [1 / s, 1.1 / s]} for s in range(1, 11)]
  lines += [{'step': 10, 'dev_loss': [0.3, 0.4]}]
  text = ''.join(json.dumps(line) + '\n' for line in lines)
  (path / runs.METRICS).write_text(text)


def test_planted_effects_are_recovered(planted):
  found = results.load(planted)
  assert [run.arm for run in found] == [support.WITHOUT, support.WITH]
  effects = {e.name: e for e in results.support_effects(found, 1)}
  for name, wanted in (('novel', 0.3), ('control', -0.1), ('gap', 0.4)):
    effect = effects[name]
    assert effect.low < wanted < effect.high
    assert effect.high - effect.low < 0.1
    assert effect.low <= effect.estimate <= effect.high


def test_tasks_of_one_cell_are_resampled_together(planted):
  apart = results.load(planted)
  # Cells of 8 tasks in which the arms differ alike, much on one test set where
  # they do little on the other.
  without, with_ = apart
  label = {}
  for name, sign in (('novel', 1), ('control', -1)):
    cost_SxI = with_.solved_at_k(name, 1) - without.solved_at_k(name, 1)
    rank_I = np.argsort(np.argsort(sign * cost_SxI.mean(axis=0)))
    label[f'{name}_cluster'] = rank_I // 8
  together = [
    dataclasses.replace(run, samples={**run.samples, **label}) for run in apart
  ]
  for one, other in zip(
    results.support_effects(apart, 1),
    results.support_effects(together, 1),
    strict=True,
  ):
    assert one.estimate == other.estimate
    assert other.high - other.low > 1.3 * (one.high - one.low)


def test_the_table_has_every_arm_and_test_set_and_the_gap(planted):
  text = results.table(results.load(planted))
  for arm, rates in _PLANTED.items():
    for name, rate in rates.items():
      row = re.search(rf'^{arm} +{name} +([\d.]+)%', text, re.MULTILINE)
      assert abs(float(row[1]) - 100 * rate) < 5
  assert 'gap' in text
  assert 'nearest neighbour' in text


def test_the_page_stands_alone_and_shows_all_pictures(planted, tmp_path):
  out = tmp_path / 'deep' / 'report.html'
  summary = page_lib.write([planted], out)
  assert summary['runs'] == 2
  page = out.read_text()
  # Five pictures, inside the page; nothing is loaded from elsewhere.
  pictures = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,', page)
  assert len(pictures) == 5
  assert page.count('src="') == 5
  assert 'http' not in page
  for question in re.findall(r'<h2>(.*?)</h2>', page):
    assert question
  assert 'Solved with the held-out structure, or around it?' in page
  assert '>6.2%<' in page  # copies, of the seed that wrote anything
  assert 'sub &gt; div' in page
  assert 'L1 classes disjoint' in page
  # Real examples: a program and its verdict.
  assert 'another function' in page
  assert 'correct: the same function' in page
  assert sorted(p.name for p in out.parent.iterdir()) == ['report.html']


def test_baselines_are_rows_beside_the_models(planted, tmp_path):
  for name in ('data', support.WITH, support.WITHOUT):
    shutil.copytree(planted / name, tmp_path / name)
  for arm, share in ((support.WITH, 0.25), (support.WITHOUT, 0.75)):
    told = {
      'solved': {'1': share, '16': 0.5, '300': 0.875},
      'candidates': 12.0,
      'operations': 1e9,
      'seconds': None,
    }
    charged = {
      'preparation': {'operations': 0, 'seconds': 2.0},
      'tests': {'novel': told},
    }
    found = {
      'pcfg': charged,
      'enumeration': charged,
      'meet_in_the_middle': {'inapplicable': 'no inverse'},
    }
    runs.write_json(tmp_path / arm / runs.BASELINES, {'baselines': found})
  page_lib.write([tmp_path], tmp_path / 'report.html')
  page = (tmp_path / 'report.html').read_text()
  beside, charges = (
    [
      re.findall('<td[^>]*>(.*?)</td>', row)
      for row in re.findall('<tr>(.*?)</tr>', part)
      if 'pcfg' in row or 'enumeration' in row
    ]
    for part in page.split('What does it take without a model?')
  )
  assert [row[:4] for row in beside] == [
    ['pcfg (train_s)', 'novel', '75.0%', '50.0%'],
    ['enumeration', 'novel', '75.0%', '50.0%'],  # the same for both arms
    ['pcfg (train_c)', 'novel', '25.0%', '50.0%'],
  ]
  assert [row[4] for row in charges] == ['87.5%'] * 3
  assert charges[0][5:] == ['12', '1e+09', '&ndash;', '0; 2 s']
  assert 'Not measured' not in page
  assert 'meet' not in page


def test_models_and_baselines_are_paired_by_task(planted, tmp_path):
  for name in ('data', support.WITHOUT):
    shutil.copytree(planted / name, tmp_path / name)
  (run,) = results.load(tmp_path)
  right_SxI = run.solved_at_k('novel', 1)
  # The same tasks in another order: those that the models solve most.
  order = np.random.default_rng(0).permutation(_ITEMS)
  often_I = right_SxI.mean(axis=0) > 0.1
  solved_KxI = np.stack([often_I[order], np.ones(_ITEMS, bool)])
  told = {
    'solved': {'1': often_I.mean(), '16': 1.0},
    'solved_by_task': packing.pack(solved_KxI, '<f4'),
    'candidates': 12.0,
    'operations': 1e9,
    'seconds': None,
  }
  classes = run.samples['novel_class'][order]
  charged = {
    'preparation': {'operations': 0, 'seconds': 2.0},
    'tests': {'novel': told},
  }
  stored = {
    'classes': {'novel': packing.pack(classes, '<i4')},
    'baselines': {'pcfg': charged},
  }
  runs.write_json(run.path / runs.BASELINES, stored)
  ((label, tests, one, many, none),) = baselines.beaten([run], (1, 16, 7))
  assert (label, tests) == ('train_s less pcfg (train_s)', 'novel')
  mean, low, high = map(float, re.findall(r'[+-][\d.]+', one))
  wanted = right_SxI - often_I
  assert mean == pytest.approx(100 * wanted.mean(), abs=0.06)
  found = interval_lib.crossed([[design.Term(wanted)]], None)
  assert (low, high) == pytest.approx(
    (100 * found.low, 100 * found.high), abs=0.06
  )
  assert many.startswith('-') and none == '&ndash;'
  ((_, _, share, every),) = baselines.scores([run], (1, 16))
  mean, low, high = map(float, re.findall(r'[\d.]+', share))
  assert low < mean < high and mean == pytest.approx(100 * often_I.mean())
  least = 0.025 ** (1 / _ITEMS)  # all of so many tasks
  assert every == f'100.0% [{least:.1%}, 100.0%]'


def test_baselines_stand_beside_models_by_size_and_distance(planted, tmp_path):
  for name in ('data', support.WITHOUT):
    shutil.copytree(planted / name, tmp_path / name)
  path = tmp_path / support.WITHOUT / runs.SAMPLES
  with np.load(path) as archive:
    arrays = dict(archive)
  # Near, between and far: solved never, by every second, always.
  (run,) = results.load(tmp_path)
  split = split_lib.load(
    split_lib.place(run.data_dir, run.result['config']['split'])
  )
  bounds = split.facts['distance_bounds'][support.WITHOUT]['syntactic']
  part_I = np.arange(_ITEMS) % 4  # 0 near, 1 and 2 between, 3 far
  middle = (bounds['near'] + bounds['far']) / 2
  distance_I = np.choose(
    part_I, [bounds['near'], middle, middle, bounds['far']]
  )
  arrays['novel_distance'] = np.stack([distance_I, distance_I])
  np.savez_compressed(path, **arrays)
  told = {
    'solved': {'1': 0.5},
    'solved_by_task': packing.pack((part_I > 1)[None], '<f4'),
    'candidates': 1.0, 'operations': 1.0, 'seconds': None,
  }  # fmt: skip
  stored = {
    'classes': {'novel': packing.pack(arrays['novel_class'], '<i4')},
    'baselines': {
      'pcfg': {
        'preparation': {'operations': 0, 'seconds': 0},
        'tests': {'novel': told},
      }
    },
  }
  runs.write_json(tmp_path / support.WITHOUT / runs.BASELINES, stored)
  page_lib.write([tmp_path], tmp_path / 'report.html')
  page = (tmp_path / 'report.html').read_text()
  section = page[page.index('Does distance to training matter?') :]
  assert (
    '<td>pcfg (train_s)</td><td>novel</td><td>syntactic</td>'
    '<td class="n">0.0% (25)</td><td class="n">50.0% (50)</td>'
    '<td class="n">100.0% (25)</td>'
  ) in section
  sizes = section[section.index('And size?') :]
  (row,) = re.findall('<td>pcfg .train_s.</td><td>novel</td>(.*?)</tr>', sizes)
  universe = universe_lib.load(run.data_dir / universe_lib.KIND)
  of_size_I = universe.size_C[arrays['novel_class']] == 7
  share = (part_I[of_size_I] > 1).mean()
  assert row == f'<td class="n">{share:.1%} ({of_size_I.sum()})</td>'
  assert 'Without a model: not measured' not in page


def test_what_newer_evaluations_measure_is_shown(planted, tmp_path):
  for name in ('data', support.WITH, support.WITHOUT):
    shutil.copytree(planted / name, tmp_path / name)
  path = tmp_path / support.WITH / runs.RESULT
  result = runs.read_json(path)
  shares = {'outputs': [0.75, None], 'wrong': [0.5], 'tasks': 0.25}
  bins = {'from': 0.5, 'to': 0.6, 'subtrees': 0.5, 'own_subtrees': None}
  fields = {
    'subtrees': shares,
    'nearest': {'outputs': [0.25], 'tasks': 0.5},
    'bias': {'subtrees': [0.5, 0.25, 0.75], 'nearest': None},
    'by_distance': [
      {**bins, 'nearest': [0.1, 0.2, 0.3]},
      {**bins, 'nearest': None},
    ],
  }
  numbers = dict.fromkeys(('ece', 'brier', 'auroc', 'aurc'), 0.125)
  curve = {'confidence': 0.5, 'success': [0.5, 0.4, 0.6], 'answers': 4321}
  best = {key: [0.25] for key in result['best_of_task']['novel']}
  result |= {
    'params': {'total': 2},
    'retrieval': {'novel': fields},
    'calibration': {'novel': [numbers, None]},
    'calibration_strata': {
      'novel': {
        'semantic': {
          'near': [
            {
              'confidence_B': [0.2, 0.4],
              'success_B': [0, 1],
              'count_B': [30, 10],
            }
          ],
          'far': [None],
        }
      }
    },
    'reliability': {'novel': [curve], 'dev': []},
    'tail': {'novel': {'minimal': [0.0, 0.5], 'any': [0.75]}},
    'best_by_forced': {'novel': {'forced': {'tasks': 77, **best}}},
  }
  runs.write_json(path, result)
  page_lib.write([tmp_path], tmp_path / 'report.html')
  page = (tmp_path / 'report.html').read_text()
  assert page.count('src="data:image') == 8
  for cell in ('75.0%', '+50.0 [+25.0, +75.0]', '0.125', '4,321', '25.0%'):
    assert f'>{cell}<' in page
  # Near and far in the space where it was measured, and of whom it was not.
  assert (
    '<td>semantic</td><td class="n">25.0% / 25.0% (40)</td>'
    '<td class="n">&ndash;</td><td class="n">&ndash;</td>' in page
  )
  assert page.count('not measured by the older evaluation of ') == 1
  assert 'not measured by the older evaluation of train_s.' in page
  assert baselines.COMMAND in page
  found = results.load(tmp_path)
  bars = figures.best_of_task(found)
  labels = [text.get_text() for text in bars.axes[0].get_yticklabels()]
  assert labels[labels.index('train_c: novel') + 1] == 'forced (77)'
  sizes = mistakes.by_size(found)
  # A quarter of what is wrong is of each kind: one model at each size.
  (line, *_) = sizes.axes[0].lines
  wrong = (found[0].samples['control_outcome'] != 0).mean(axis=(1, 2))
  assert line.get_xdata().tolist() == [1, 1]
  assert line.get_ydata() == pytest.approx([wrong[0] / 4, 0])
  plt.close(bars), plt.close(sizes)


def test_temperatures_stand_side_by_side_with_the_best_for_each_k(
  planted, tmp_path
):
  for name in ('data', support.WITHOUT):
    shutil.copytree(planted / name, tmp_path / name)
  path = tmp_path / support.WITHOUT / runs.RESULT
  (run,) = results.load(tmp_path)
  assert temperatures.section([run]) == []
  # Two seeds; success by one and by two samples.
  cold, hot = [[0.2, 0.3], [0.4, 0.5]], [[0.1, 0.5], [0.1, 0.7]]
  by_seed = {
    k: {key: [one[k - 1], other[k - 1]] for key in run.result['items']}
    for k, (one, other) in ((1, cold), (2, hot))
  }
  more = {
    'temperatures': [
      {
        'temperature': temperature,
        'pass@k_by_seed': dict.fromkeys(run.result['items'], curve_Sxn),
      }
      for temperature, curve_Sxn in ((0.5, cold), (1.0, hot))
    ],
    'envelope': {
      '1': {'temperature': 0.5, 'by_seed': by_seed[1]},
      '2': {'temperature': 1.0, 'by_seed': by_seed[2]},
    },
    'exact_match': {'novel': [0.03, 0.05]},
  }
  runs.write_json(path, {**run.result, **more})
  page_lib.write([tmp_path], tmp_path / 'report.html')
  page = (tmp_path / 'report.html').read_text()
  rows = re.findall(r'<tr>(.*?)</tr>', page, re.DOTALL)
  cells = [re.findall(r'<td[^>]*>(.*?)</td>', row) for row in rows]
  novel = [row[2:] for row in cells if row[:2] == ['train_s', 'novel']]
  assert ['0.5', '30.0%', '40.0%'] in novel
  assert ['1', '10.0%', '60.0%'] in novel
  assert ['best on dev', '30.0% (0.5)', '60.0% (1)'] in novel
  assert 'one given program of their task: train_s on novel 4.0%' in page


@pytest.mark.parametrize(
  'kind, first', [('support', 'solved with the held-out'), ('density', '')]
)
def test_bars_of_tasks_are_stacked_shares(planted, kind, first):
  found = results.load(planted)
  found[0].result['config']['split']['kind'] = kind
  figure = figures.best_of_task(found)
  (axis,) = figure.axes
  labels = [text.get_text() for text in figure.legends[0].get_texts()]
  assert len(axis.get_yticks()) == 6
  assert labels[0].startswith(first) and 'unsolved' in labels
  if kind == 'support':
    widths = [bars[0].get_width() for bars in axis.containers[:4]]
    assert widths == pytest.approx([0.2, 0.1, 0.1, 0.6])
    ends = [line.get_xdata().tolist() for line in axis.lines[:2]]
    assert ends == [[0.3, 0.1], pytest.approx([0.4, 0.2])]
  else:
    assert labels == ['solved', 'fits the specification only', 'unsolved']
  plt.close(figure)


def test_one_run_alone_has_a_page_without_effects(planted, tmp_path):
  shutil.copytree(planted / 'data', tmp_path / 'data')
  shutil.copytree(planted / support.WITH, tmp_path / support.WITH)
  summary = page_lib.write([tmp_path], tmp_path / 'report.html')
  assert summary['effects'] == {}
  assert (
    'Needs one run of each of train_s and train_c; there is train_c'
    in (tmp_path / 'report.html').read_text()
  )


def test_every_kind_of_split_has_a_story():
  assert page_lib.KINDS.keys() == kinds_lib.ARMS.keys()
  for kind, told in page_lib.KINDS.items():
    arms = set(kinds_lib.ARMS[kind])
    assert set(told.arms) <= arms
    assert set(re.findall('rung_.|train_.', told.story)) <= arms


@pytest.mark.parametrize('kind', ['ladder', 'density'])
def test_other_splits_need_no_two_arms(planted, tmp_path, kind, monkeypatch):
  load = page_lib.split_lib.load

  def of_kind(directory):
    split = load(directory)
    facts = {
      **split.facts,
      'settings': {**split.facts['settings'], 'kind': kind},
    }
    return dataclasses.replace(split, facts=facts)

  monkeypatch.setattr(page_lib.split_lib, 'load', of_kind)
  page_lib.write([planted], tmp_path / 'report.html')
  page = (tmp_path / 'report.html').read_text()
  assert page_lib.KINDS[kind].story in page
  assert 'Needs one run of each' not in page
  assert 'What did never seeing it cost?' not in page
  # Compounds are pq-grams, of which edges between operators are no part alone.
  assert 'divergence of pq-grams, train from test' in page


def test_runs_on_other_tasks_are_not_in_one_report(planted, tmp_path):
  shutil.copytree(planted, tmp_path / 'x')
  path = tmp_path / 'x' / support.WITH / runs.SAMPLES
  arrays = runs.read_arrays(path)
  arrays['novel_class'] = arrays['novel_class'][:-1]
  np.savez(path, **arrays)
  with pytest.raises(errors.InputError, match="tasks of 'novel'"):
    page_lib.write([tmp_path / 'x'], tmp_path / 'report.html')


def test_a_baselines_file_of_something_else_is_named(planted, tmp_path):
  shutil.copytree(planted, tmp_path / 'x')
  path = tmp_path / 'x' / support.WITH / runs.BASELINES
  for wrong in ([], {}, None):
    runs.write_json(path, wrong)
    with pytest.raises(runs.RunError, match='is not what'):
      page_lib.write([tmp_path / 'x'], tmp_path / 'report.html')
  told = {'solved': {}, 'candidates': 1, 'operations': 1, 'seconds': None}
  charged = {
    'preparation': {'operations': 0, 'seconds': 0},
    'tests': {'novelty': told},
  }
  runs.write_json(path, {'baselines': {'pcfg': charged}})
  with pytest.raises(runs.RunError, match="has no 'novelty'"):
    page_lib.write([tmp_path / 'x'], tmp_path / 'report.html')


@pytest.mark.parametrize(
  'damage',
  [
    lambda result: result.pop('baselines'),
    lambda result: result.update(arm=[]),
    lambda result: result.update(inputs_sha256=None),
    lambda result: result['config'].pop('eval'),
    lambda result: result['pass@1'].pop('novel'),
    lambda result: result['pass@1'].update(novel=[0.5, None, 1.0]),
    lambda result: result['pass@1'].update(novel=[0.5]),
    lambda result: result['outcomes'].pop('novel'),
    lambda result: result['outcomes'].update(novel=None),
    lambda result: result['outcomes']['novel'].update(correct=''),
    lambda result: result['baselines']['novel'].pop('best_constant'),
    lambda result: result['task_sizes']['novel'].update({'7~': {}}),
    lambda result: result['task_sizes'].update(novel={'7': None}),
    lambda result: result['best_of_task']['novel'].update(unsolved=None),
    lambda result: result['errors'].update(novel=[]),
    lambda result: result['copies'].update(novel=[]),
    lambda result: result['strata'].update({'novel~': {}}),
    lambda result: result['strata'].update(novel=[]),
  ],
)
def test_damage_to_a_result_is_named(planted, tmp_path, damage):
  for name in ('data', support.WITHOUT):
    shutil.copytree(planted / name, tmp_path / name)
  path = tmp_path / support.WITHOUT / runs.RESULT
  result = runs.read_json(path)
  damage(result)
  runs.write_json(path, result)
  with pytest.raises(runs.RunError, match=r'result\.json is damaged'):
    page_lib.write([tmp_path], tmp_path / 'report.html')
  runs.write_json(path, {**result, 'items': None})
  with pytest.raises(runs.RunError, match='is not a result'):
    page_lib.write([tmp_path], tmp_path / 'report.html')


def test_a_page_needs_a_name(planted, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(runs.RunError, match='no file to write'):
    page_lib.write([planted], pathlib.Path())


@pytest.mark.parametrize('arm', [support.WITH, 'rung_1'])
def test_runs_on_different_splits_are_not_in_one_report(planted, tmp_path, arm):
  shutil.copytree(planted, tmp_path / 'x')
  path = tmp_path / 'x' / support.WITH / runs.RESULT
  result = runs.read_json(path)
  result['arm'] = arm
  result['inputs_sha256']['split'] = 'another'
  runs.write_json(path, result)
  with pytest.raises(errors.InputError, match=r'\(another split\)') as told:
    page_lib.write([tmp_path / 'x'], tmp_path / 'report.html')
  for name in (support.WITH, support.WITHOUT):
    assert str(tmp_path / 'x' / name) in str(told.value)
  assert not (tmp_path / 'report.html').exists()


def test_no_runs_or_half_a_run_is_refused(planted, tmp_path):
  with pytest.raises(errors.InputError, match=re.escape(str(tmp_path))):
    results.load(tmp_path)
  shutil.copytree(planted, tmp_path / 'x')
  (tmp_path / 'x' / support.WITH / runs.SAMPLES).unlink()
  with pytest.raises(errors.InputError, match=re.escape(runs.SAMPLES)):
    page_lib.write([tmp_path / 'x'], tmp_path / 'report.html')
  assert not (tmp_path / 'report.html').exists()


def test_the_demo_trains_and_evaluates_both_arms_on_the_same_data():
  stages = demo.stages('R.py:tiny', ['--config.opt.lr=1'], 'runs/x')
  commands = [' '.join(stage.command) for stage in stages]
  assert [c.split()[0] for c in commands] == [
    'synth.splits',
    'synth.train',
    'synth.evaluate',
    'synth.baselines',
    'synth.evaluate',
    'synth.baselines',
    'analysis.report',
  ]
  assert f'--arms={support.WITHOUT},{support.WITH} ' in commands[1]
  assert '--config=R.py:tiny --config.opt.lr=1' in commands[1]
  assert stages[1].leaves == tuple(
    f'runs/x/{arm}/train.json' for arm in support.ARMS
  )
  assert '--data=runs/x/data' in commands[1]
  for arm, (evaluates, solves) in zip(
    support.ARMS, (commands[2:4], commands[4:6]), strict=True
  ):
    assert f'--workdir=runs/x/{arm}' in evaluates
    assert f'--workdir=runs/x/{arm}' in solves


def test_a_failing_stage_stops_the_demo(tmp_path):
  missing = str(pathlib.Path(tmp_path) / 'nothing')
  stage = demo.Stage(
    'report', 'fails', ['synth.evaluate', f'--workdir={missing}']
  )
  with pytest.raises(errors.InputError, match='exit code 2'):
    demo.run([stage], None, lambda: False)


def test_a_stage_that_does_not_come_to_its_end_stops_the_demo(tmp_path, capfd):
  marker = tmp_path / 'marker'
  script = f'import time, pathlib; pathlib.Path({str(marker)!r}).touch(); '
  short = ['timeit', '-n1', '-r1', 'pass']
  long = ['timeit', '-n1', '-r1', script + 'time.sleep(60)']
  began = time.monotonic()
  todo = [demo.Stage('train', 'long', long), demo.Stage('report', 'x', short)]
  assert demo.run(todo, None, marker.exists) == todo[0]
  assert time.monotonic() - began < 30
  # As training that was told to stop by another hand.
  cut = demo.Stage('train', 'short', short, (str(tmp_path / 'train.json'),))
  with pytest.raises(errors.InputError, match='stage 1 was stopped before its'):
    demo.run([cut, todo[1]], None, lambda: False)
  printed = capfd.readouterr()
  assert not printed.out  # results of stages are not that of the demo
  assert '[1/2]' in printed.err and '[2/2]' not in printed.err


@pytest.mark.slow
def test_sigterm_ends_the_demo_with_its_training_saved(tmp_path):
  metrics = tmp_path / support.WITHOUT / runs.METRICS
  process = subprocess.Popen(
    [sys.executable, '-m', 'launch.demo', f'--workdir={tmp_path}',
     '--config=configs/support.py:tiny', '--config.universe.max_size=5',
     '--config.split.num_test=4', '--config.split.num_dev=6',
     '--config.data.batch_size', '32', '--config.train.log_every_steps=1',
     '--config.opt.num_steps', '1000000'],
    cwd=pathlib.Path(__file__).parents[1], stdout=subprocess.PIPE, text=True,
  )  # fmt: skip
  deadline = time.monotonic() + 120
  while not (metrics.exists() and metrics.stat().st_size):
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.05)
  process.send_signal(signal.SIGTERM)
  out = process.communicate(timeout=60)[0]
  assert process.returncode == 0
  assert json.loads(out.splitlines()[-1]) == {'stopped_at': 'train'}
  for arm in support.ARMS:
    assert any((tmp_path / arm / 'checkpoints').iterdir())
    assert not (tmp_path / arm / '.train.lock').exists()


def test_a_run_without_metrics_is_said_to_have_none(planted, tmp_path):
  for name in ('data', support.WITH, support.WITHOUT):
    shutil.copytree(planted / name, tmp_path / name)
  (tmp_path / support.WITH / runs.METRICS).unlink(missing_ok=True)
  page_lib.write([tmp_path], tmp_path / 'report.html')
  page = (tmp_path / 'report.html').read_text()
  assert f'No metrics of {support.WITH}' in page


def test_runs_of_several_directories_are_told_apart(planted, tmp_path, capsys):
  shutil.copytree(planted / 'data', tmp_path / 'data')
  for name in ('first', 'second', 'third'):
    shutil.copytree(planted / support.WITH, tmp_path / name)
  (tmp_path / 'third' / runs.RESULT).unlink()
  found = results.load(tmp_path / 'first', tmp_path / 'second')
  assert [run.label for run in found] == ['train_c (first)', 'train_c (second)']
  assert not results.support_effects(found, 1)
  summary = page_lib.write([tmp_path], tmp_path / 'report.html')
  assert summary['runs'] == 2
  assert 'third is not evaluated' in capsys.readouterr().err
  page = (tmp_path / 'report.html').read_text()
  assert 'there is train_c (first), train_c (second)' in page


def test_beams_are_reported_by_coverage(planted, tmp_path):
  for name in ('data', support.WITH, support.WITHOUT):
    shutil.copytree(planted / name, tmp_path / name)
  for arm in (support.WITH, support.WITHOUT):
    if arm == support.WITHOUT:
      with pytest.raises(errors.InputError, match=r'pass@k and .* coverage@k'):
        results.load(tmp_path)
    path = tmp_path / arm / runs.RESULT
    result = runs.read_json(path)
    result['config']['eval']['method'] = 'beam'
    result['measure'] = 'coverage'
    result = {
      key.replace('pass@', 'coverage@'): value for key, value in result.items()
    }
    runs.write_json(path, result)
  found = results.load(tmp_path)
  right = found[0].samples['novel_outcome'] == verify.Outcome.CORRECT
  np.testing.assert_array_equal(
    found[0].solved_at_k('novel', 4), right[..., :4].any(axis=2)
  )
  assert 'coverage@16' in results.table(found)
  page_lib.write([tmp_path], tmp_path / 'report.html')
  page = (tmp_path / 'report.html').read_text()
  assert '32 beams a task.' in page and 'pass@' not in page


def test_runs_of_other_sample_counts_share_what_both_have(planted, tmp_path):
  for name in ('data', support.WITH, support.WITHOUT):
    shutil.copytree(planted / name, tmp_path / name)
  path = tmp_path / support.WITH / runs.RESULT
  result = runs.read_json(path)
  result['config']['eval']['num_samples'] = 4
  del result['pass@16']
  runs.write_json(path, result)
  found = results.load(tmp_path)
  assert results.headline(found) == (1,)
  assert 'pass@16' not in results.table(found)
  page_lib.write([tmp_path], tmp_path / 'report.html')
  page = (tmp_path / 'report.html').read_text()
  assert 'train_c: 4 samples a task' in page
