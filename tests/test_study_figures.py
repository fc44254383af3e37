"""The study's figures draw what was planted in the records, with intervals."""

import dataclasses
import itertools
import json
import math
import pathlib

from matplotlib import pyplot as plt
import numpy as np
import pytest

from analysis.study import calibration
from analysis.study import cells
from analysis.study import contrasts
from analysis.study import density
from analysis.study import density_figures
from analysis.study import judgement
from analysis.study import law_figures
from analysis.study import learning
from analysis.study import mistakes
from analysis.study import novelty
from analysis.study import retrieval
from analysis.study import scaling
from analysis.study import scaling_view
from analysis.study import study as study_lib
from analysis.study import support_figures
from analysis.study import training_size
from synth.evaluation.sample_records import Best
from synth.statistics import loss_law
from synth.statistics import scaling as forms
from tests import simulated

_CPU = pathlib.Path(__file__).parents[1] / 'results/cpu'
_COMPUTE = np.geomspace(1e11, 1e14, 10)


@pytest.fixture(autouse=True)
def closed():
  """No figure outlives its test."""
  yield
  plt.close('all')


def _levels(truth, seeds, error, rng):
  """Compute -> a value of every seed."""
  noise = error * rng.standard_normal((len(_COMPUTE), seeds))
  return dict(zip(_COMPUTE, truth[:, None] + noise, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize('seeds, student', [(2, 2.228), (5, 2.021)])
def test_the_bootstrap_of_a_slope_is_as_wide_as_theory_has_it(seeds, student):
  rng = np.random.default_rng(0)
  truth = 0.5 + 0.04 * np.log(_COMPUTE / 3e12)
  widths = []
  for _ in range(5):
    found = scaling.measure(_levels(truth, seeds, 0.02, rng))
    line = found._replace(standings=[found.standing(scaling.LINE)])
    pace = scaling.resample(line, _COMPUTE)[scaling.LINE].pace
    _, value_P, covariance_PxP, *_ = line.standings[0].fit
    known = math.log(10) * 1.96 * math.sqrt(covariance_PxP[1, 1])
    assert pace.estimate == pytest.approx(math.log(10) * value_P[1])
    assert scaling.slope(found) == pace
    widths.append((pace.high - pace.low) / (2 * known))
  # Two draws of two seeds, not stretched, would be narrower by 0.71.
  assert np.mean(widths) == pytest.approx(student / 1.96, abs=0.15)


def test_a_true_line_lacks_fit_as_often_as_the_level_says():
  rng = np.random.default_rng(6)
  compute_L = np.geomspace(1e11, 1e13, 6)
  rejected = 0
  for _ in range(400):
    rate_LxS = 0.5 + 0.04 * np.log(compute_L / 1e12)[:, None]
    rate_LxS = rate_LxS + 0.02 * rng.standard_normal((6, 2))
    error = math.sqrt(rate_LxS.var(axis=1, ddof=1).mean())
    points = forms.Points(
      np.repeat(compute_L, 2), rate_LxS.ravel(), np.full(12, error)
    )
    line = forms.fit(forms.LOG_LINEAR, points)
    rejected += scaling.lack_of_fit(line, points, 6) < 0.05
  # By chi-square, as if the error were known, it is 64.
  assert rejected == pytest.approx(20, abs=13)


def test_the_band_holds_the_planted_curve_beyond_the_last_level():
  rng = np.random.default_rng(1)
  truth = 0.5 + 0.04 * np.log(_COMPUTE / 3e12)
  found = scaling.measure(_levels(truth, 4, 0.005, rng))
  line = found._replace(standings=[found.standing(scaling.LINE)])
  beyond = np.array([1e12, 1e15])
  again = scaling.resample(line, beyond)[scaling.LINE]
  planted = 0.5 + 0.04 * np.log(beyond / 3e12)
  assert (again.low_N < planted).all() and (planted < again.high_N).all()
  assert (again.high_N - again.low_N)[1] > (again.high_N - again.low_N)[0]
  assert again.pace.low < 0.04 * math.log(10) < again.pace.high


def test_a_planted_law_of_loss_is_found_with_its_exponent():
  rng = np.random.default_rng(2)
  truth = 0.2 + 0.5 * (_COMPUTE / 1e11) ** -0.4
  found = scaling.measure_loss(_levels(truth, 3, 0.004, rng))
  assert found.best == 'power above a floor'
  floor, _, exponent = found.standing(found.best).fit.value_P
  assert floor == pytest.approx(0.2, abs=0.02)
  assert exponent == pytest.approx(0.4, abs=0.05)
  power = 0.7 * (_COMPUTE / 1e11) ** -0.1
  found = scaling.measure_loss(_levels(power, 3, 0.004, rng))
  assert found.best == 'power'
  assert found.standing('power').fit.value_P[1] == pytest.approx(0.1, abs=5e-3)


def test_every_form_says_how_fast_it_changes():
  for form in (*forms.FORMS, *forms.LOSS_FORMS):
    name, _, _ = scaling.PACE[form.name]
    assert name in form.parameters


def test_scaling_says_too_few_points_and_shows_loss_and_many_samples(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(scaling, '_RESAMPLES', 10)
  rng = np.random.default_rng(3)
  for level in range(4):
    simulated.write(
      tmp_path / 'cpu', 'scaling', 'train_s',
      {'dev': 0.1 + 0.1 * level, 'novel': 0.02 + 0.02 * level}, rng, seeds=2,
      items=40, flops=1e11 * 4.0**level, run=f'p{level}',
      dev_loss=0.6 / 2**level * np.array([0.99, 1.01]),
    )  # fmt: skip
  for level in range(4):
    simulated.write(
      tmp_path / 'cpu', 'scaling', 'train_s', {'dev': 0.1, 'novel': 0.02}, rng,
      seeds=2, items=40, flops=1e11 * 4.0**level, run=f'q{level}', lr=1e-3,
      dev_loss=2.0,
    )  # fmt: skip
  study = simulated.load(tmp_path / 'cpu')
  drawn = scaling_view.draw(study)
  names = {f'pass@{k} {w}' for k in (1, 16)
           for w in ('in support', 'out of support')}  # fmt: skip
  assert set(drawn.numbers) == {*names, 'loss on dev', 'extrapolated', 'halves'}
  # The claim table has the same interval, over tasks, too.
  pace = scaling_view.laws(study)['pass@1 in support'].resampled[scaling.LINE]
  row = judgement.grows(study, 'dev')
  assert row.interval == pace.pace
  assert 'interval over seeds and tasks; a straight line is' in row.note
  cells = study_lib.cells_by_compute(study.of('scaling'), 'dev')
  by_level = {
    flops: np.concatenate([cell.value(1).mean(axis=1) for cell in level])
    for flops, level in cells.items()
  }
  alone = scaling.slope(scaling.measure(by_level))
  assert row.interval.low < alone.low and alone.high < row.interval.high
  halves = drawn.numbers['halves']
  assert set(halves) == names
  for name in names:
    assert f' {name}: a straight line is ' in drawn.caption
  for name in names:
    beyond = dict(drawn.numbers['extrapolated'][name])
    assert beyond.pop('compute') > 1e11 * 4.0**3
    average = beyond.pop('average')
    assert set(beyond) == set(drawn.numbers[name])
    assert min(beyond.values()) <= average <= max(beyond.values())
  for text in (drawn.caption, scaling_view.table(study)):
    assert 'too few points to tell the forms apart' in text
    assert 'the largest of those tried at 4 of 4 levels' in text
  # Loss halves with each fourfold compute.
  pace = drawn.numbers['loss on dev']['power']['pace']
  assert pace[0] == pytest.approx(0.5) and pace[1] <= 0.5 <= pace[2]
  panels = [axis.get_title() for axis in drawn.figure.axes]
  assert set(panels) == {*names, 'loss on dev', 'slope of the log-linear form',
                         }  # fmt: skip


def test_a_learning_rate_at_the_end_of_those_tried_is_said(tmp_path):
  loss = {1e-3: (0.5, 0.5), 3e-3: (0.4, 0.3), 6e-3: (0.3, 0.4)}
  rng = np.random.default_rng(3)
  for level in range(2):
    for lr, by_level in loss.items():
      simulated.write(
        tmp_path / 'cpu', 'scaling', 'train_s', {'dev': 0.1}, rng, seeds=1,
        items=10, flops=1e11 * 4.0**level, run=f'p{level}-{lr}', lr=lr,
        dev_loss=by_level[level],
      )  # fmt: skip
  found = simulated.load(tmp_path / 'cpu').of('scaling')
  told = scaling_view.rates_at_an_end(found)
  assert 'the largest of those tried at 1 of 2 levels' in told
  assert '(0.001, 0.003, 0.006)' in told
  inside = [r for r in found if r.facts['flops'] > 2e11]
  assert scaling_view.rates_at_an_end(inside) == ''
  one = [r for r in found if r.facts['config']['opt']['lr'] == 6e-3]
  assert scaling_view.rates_at_an_end(one) == ''


def test_tasks_are_told_apart_by_the_best_of_their_samples():
  cell = cells.Cell(
    0, 'a', 't', (0, 1),
    np.array([[3, 2, 0, 0], [0, 1, 0, 0]]), 4, np.arange(4), np.arange(4),
    {
      cells.WITH_EDGE: np.array([[1, 0, 0, 0], [0, 0, 0, 0]]).T,
      cells.FITS_ONLY: np.array([[1, 1, 2, 0], [1, 0, 0, 0]]).T,
    },
  )  # fmt: skip
  assert novelty.best_of_tasks(cell).tolist() == [
    [Best.WITH_STRUCTURE, Best.WITHOUT_STRUCTURE, Best.FITS_ONLY,
     Best.UNSOLVED],
    [Best.FITS_ONLY, Best.WITHOUT_STRUCTURE, Best.UNSOLVED, Best.UNSOLVED],
  ]  # fmt: skip
  found = novelty.measure(cells.Grid([cell]), 'a', 't')
  shares = {best: one.estimate for best, one in found.shares.items()}
  assert shares == {
    Best.WITH_STRUCTURE: 1 / 8, Best.WITHOUT_STRUCTURE: 1 / 4,
    Best.FITS_ONLY: 1 / 4, Best.UNSOLVED: 3 / 8,
  }  # fmt: skip
  for one in found.shares.values():
    assert 0 <= one.low <= one.estimate <= one.high <= 1
  bare = cells.Cell(*list(vars(cell).values())[:-1])
  with pytest.raises(cells.NotMeasured, match='with edge'):
    novelty.best_of_tasks(bare)


def test_never_seen_is_not_never(tmp_path):
  rng = np.random.default_rng(4)
  simulated.support(tmp_path / 'cpu', 'support', drop=0.4, splits=2, seeds=2,
                    items=30, rng=rng)  # fmt: skip
  grid = simulated.load(tmp_path / 'cpu').grid('support')
  found = novelty.measure(grid, 'train_c', 'control')
  missed = found.shares[Best.UNSOLVED]
  # All 60 tasks are solved in each run: 0.025 = (1 - p)^60.
  assert missed.estimate == 0
  assert (1 - missed.high) ** 60 == pytest.approx(0.025)
  # The same 30 tasks in both splits, two to a cluster: 0.025 = (1 - p)^15.
  cluster_I = np.arange(30) // 2
  grid = cells.Grid(
    dataclasses.replace(cell, item_I=np.arange(30), cluster_I=cluster_I)
    for cell in grid
    if (cell.arm, cell.test) == ('train_c', 'control')
  )
  found = novelty.measure(grid, 'train_c', 'control')
  missed = found.shares[Best.UNSOLVED]
  assert missed.estimate == 0
  assert (1 - missed.high) ** 15 == pytest.approx(0.025)


@pytest.fixture(scope='module')
def study(tmp_path_factory):
  """Three hold-outs; success falls with distance in one, copies in all."""
  root = tmp_path_factory.mktemp('figures') / 'cpu'
  rng = np.random.default_rng(5)
  for name, kind, slope in (
    ('support', 'support', 0.0), ('region_syntactic', 'region', -9.0),
    ('region_semantic', 'region', 0.0),
  ):  # fmt: skip
    simulated.support(
      root, name, drop=0.2, splits=2, seeds=3, items=150, kind=kind, rng=rng,
      of_distance=slope, item_sd=0.2,
    )  # fmt: skip
  return simulated.load(root)


def test_the_distance_law_is_drawn_for_every_region(study):
  numbers = law_figures.distances(study).numbers
  assert set(numbers) == {'support', 'region_syntactic', 'region_semantic'}
  slope = {name: one['slope'] for name, one in numbers.items()}
  near, far = study_lib.SYNTACTIC, study_lib.SEMANTIC
  # -9 a unit of distance, uniform over 0.6: -9 * 0.6 / sqrt(12) a deviation.
  mean, low, high = slope['region_syntactic'][near]
  assert low < -9 * 0.6 / math.sqrt(12) < high and mean < -1
  for name in ('support', 'region_semantic'):
    assert slope[name][near][1] < 0.1 and slope[name][near][2] > -0.1
  assert abs(slope['region_syntactic'][far][0]) < 0.2
  # Success of control is 0.6 in the middle, 0.5: half at 0.5 + logit(0.6) / 9.
  for size in (7, 9):
    half = numbers['region_syntactic']['D50'][f'{near}, size {size}']
    assert half[0] == pytest.approx(0.545, abs=0.05)
    assert half[1] <= half[0] <= half[2]
    assert numbers['support']['D50'][f'{near}, size {size}'][0] is None


def test_axes_of_distance_end_where_nearly_all_tasks_are(study, monkeypatch):
  law = law_figures.law_of_distance(study, 'support')
  near = study_lib.SYNTACTIC
  assert law.reach[near] == pytest.approx(0.2 + 0.6 * 0.99, abs=0.02)
  few = law._replace(reach={**law.reach, near: 0.5})
  monkeypatch.setattr(law_figures, 'law_of_distance', lambda *of: few)
  drawn = law_figures.distances(study)
  axis = drawn.figure.axes[0]
  low, high = axis.get_xlim()
  assert 0.5 < high < 0.52
  # No band is cut off.
  highest = max(
    float(curve.high_D.max())
    for part in law.curves[near].values()
    for curve in part.values()
  )
  assert axis.get_ylim()[1] >= highest
  told = drawn.numbers['support']['slope within'][near]
  assert set(told) == {'held out', 'others'}
  for mean, low, high in told.values():
    assert f'{mean:+.2f} [{low:+.2f}, {high:+.2f}]' in axis.get_title()


def test_no_law_is_drawn_from_few_tasks(tmp_path):
  rng = np.random.default_rng(2)
  options = {'seeds': 2, 'items': 6, 'splits': 2, 'rng': rng}
  simulated.support(tmp_path, 'support', drop=0.2, **options)
  study = simulated.load(tmp_path)
  assert study.grid('support')
  with pytest.raises(cells.NotMeasured, match='support: fewer than 20 tasks'):
    law_figures.distances(study)


def test_copies_by_distance_are_those_planted(study):
  drawn = retrieval.draw(study)
  for name in ('support', 'region_semantic'):
    found = drawn.numbers[f'{name}, train_s, {study_lib.SYNTACTIC}']
    # Half the distance of what is wrong (`simulated.write`).
    ratio_B, low_B, high_B = np.array(found['of wrong']).T
    wanted_B = np.array(found['distance']) / 2
    np.testing.assert_allclose(ratio_B, wanted_B, atol=0.03)
    assert np.all((low_B <= ratio_B) & (ratio_B <= high_B))
    assert np.mean((low_B <= wanted_B) & (wanted_B <= high_B)) > 0.6
    # Of what chance would copy nothing is known, and nothing is drawn.
    assert set(found) == {'distance', 'of wrong', 'of minimal'}
    assert found['of minimal'] == []
    assert 'do not hold it' in drawn.caption
    assert 'dashed' not in drawn.caption
  flat = drawn.numbers[f'support, train_s, {study_lib.SEMANTIC}']['of wrong']
  np.testing.assert_allclose(np.array(flat)[:, 0], 0.25, atol=0.04)


def test_copies_are_counted_once_and_only_among_what_is_wrong(study):
  grid = study.grid('support')
  chosen = [c for c in grid if c.arm == 'train_s' and c.test == 'novel']
  found = retrieval.measure(chosen, study_lib.SYNTACTIC)
  copied = sum(c.facts[cells.COPIED].sum() for c in chosen)
  wrong = sum((c.samples - c.correct_SxI).sum() for c in chosen)
  assert found.items == 300
  mean = np.mean([one.estimate for one in found.of_wrong])
  assert mean == pytest.approx(copied / wrong, abs=0.01)


def test_the_caption_says_which_records_count_what_can_be_a_copy(
  study, monkeypatch
):
  known, calls = retrieval.measure, itertools.count()

  def measure(chosen, space):
    copies = known(chosen, space)
    of_support = next(calls) < 4  # both arms in both spaces, the first drawn
    return copies._replace(of_minimal=copies.of_wrong if of_support else [])

  monkeypatch.setattr(retrieval, 'measure', measure)
  caption = retrieval.draw(study).caption
  assert 'dashed: copies among all the others (support)' in caption
  assert 'of region_syntactic, region_semantic do not hold it' in caption


def test_copies_are_told_of_what_can_be_one_where_that_is_counted(study):
  # Two thirds of what is wrong and minimal are copies, near and far.
  chosen = [
    dataclasses.replace(
      cell,
      facts={
        **cell.facts,
        cells.WRONG_MINIMAL: 1.5 * cell.facts[cells.COPIED],
      },
    )
    for cell in study.grid('support')
    if cell.arm == 'train_s'
  ]
  found = retrieval.measure(chosen, study_lib.SYNTACTIC)
  np.testing.assert_allclose([one.estimate for one in found.of_minimal], 2 / 3)
  assert found.of_wrong[0].estimate < found.of_wrong[-1].estimate - 0.1
  # Not of some cells only.
  chosen[0].facts.pop(cells.WRONG_MINIMAL)
  assert retrieval.measure(chosen, study_lib.SYNTACTIC).of_minimal == []


def test_forced_and_avoidable_tasks_have_rows_of_their_own(study):
  drawn = support_figures.solved(study)
  assert [row.rpartition(' (')[0] for row in drawn.numbers] == [
    f'S3, {test}: {arm}'
    for test in ('novel, forced', 'novel, avoidable', 'control')
    for arm in ('train_s', 'train_c')
  ]
  for shares in drawn.numbers.values():
    assert sum(one[0] for one in shares.values()) == pytest.approx(1)


def test_arms_with_fewer_models_stand_beside_uniform_of_the_same_seeds(
  tmp_path,
):
  root = tmp_path / 'cpu'
  for seeds, contrast, rates in (
    (5, 'density', {'uniform': 0.3, 'joint': 0.5}),
    (3, 'density_more', {'semantic_net_raked': 0.5}),
  ):
    for arm, rate in rates.items():
      simulated.write(
        root, contrast, arm, {'uniform': rate, 'joint_cells': rate},
        np.random.default_rng(7), seeds=seeds, items=400, kind='density',
      )  # fmt: skip
  study = simulated.load(root)
  drawn = density_figures.matrix(study)
  # What `uniform` does is of all its models, beside few as beside many.
  whole = study.grid('density').get(0, 'uniform', 'uniform').value(1).mean()
  assert drawn.numbers['uniform on uniform'][0] == pytest.approx(whole)
  assert '1 split with 3 seeds' in drawn.caption
  own, beside = contrasts.density_grids(study)
  assert set(own.arms) == {'uniform', 'joint'}
  assert set(beside.arms) == {'uniform', 'semantic_net_raked'}
  assert {cell.seeds for cell in beside} == {(0, 1, 2)}
  (found,) = (
    marks.effect.interval.estimate
    for key, marks in density.against_uniform(beside).items()
    if key == ('semantic_net_raked', 'uniform')
  )
  value = [beside.get(0, arm, 'uniform').value(1).mean() for arm in beside.arms]
  assert found == pytest.approx(value[1] - value[0]) and found > 0.1


def _doses(root, left_out=''):
  """The arms of a dose in each space, `semantic` better on tasks of 7 nodes."""
  arms = (density.dose_arms(s, False) for s in ('semantic', 'syntactic'))
  for arm in dict.fromkeys(itertools.chain(*arms)):
    if arm != left_out:
      rate = 0.6 if arm == 'semantic' else 0.3
      simulated.write(
        root, 'density', arm, {'uniform': rate, 'joint_cells': rate},
        np.random.default_rng(7), seeds=4, items=400, kind='density',
        seed_sd=0.05,
      )  # fmt: skip
  return simulated.load(root)


def test_success_by_size_is_marked_as_other_cells_are(tmp_path):
  drawn = density_figures.matrix(_doses(tmp_path / 'cpu'))
  (axis,) = drawn.figure.axes
  rows = [label.get_text() for label in axis.get_yticklabels()]
  columns = [label.get_text() for label in axis.get_xticklabels()]
  text = {
    (rows[round(cell.get_position()[1])], columns[round(cell.get_position()[0])
      ].replace('\n', ' ')): cell.get_text()
    for cell in axis.texts
  }  # fmt: skip
  for test in ('uniform', 'uniform, 7 nodes', 'uniform, 9 nodes'):
    assert text['semantic', test].endswith(' *')
    assert not text['uniform', test].endswith('*')
  # Four pairs of models: nothing passes Holm, and that is said.
  assert 'no cell can be told from uniform' in drawn.caption
  assert '**' not in drawn.caption


def test_a_dose_that_lacks_is_named_and_no_slope_made_of_the_others(tmp_path):
  drawn = density_figures.dose(_doses(tmp_path / 'a'))
  assert {'semantic', 'syntactic'} == set(drawn.numbers)
  assert 'joint: no record of joint_half' in drawn.caption
  drawn = density_figures.dose(_doses(tmp_path / 'b', 'syntactic_half'))
  assert set(drawn.numbers) == {'semantic'}
  assert 'syntactic: no record of syntactic_half' in drawn.caption


def test_curves_of_coverage_that_lack_are_named_and_all_tasks_told(tmp_path):
  root = tmp_path / 'cpu'
  for arm, items, samples in (('train_s', 30, 64), ('train_c', 40, 128)):
    simulated.write(
      root, 'coverage', arm, {'novel': 0.3}, np.random.default_rng(3),
      seeds=2, items=items, samples=samples,
    )  # fmt: skip
  caption = law_figures.sampling(simulated.load(root)).caption
  assert '30 to 40 tasks a curve, 64 to 128 samples each, 2 models' in caption
  assert 'in support (train_s, control): no record of train_s' in caption


def test_success_on_one_size_is_of_the_tasks_of_that_size(tmp_path):
  simulated.write(
    tmp_path / 'cpu', 'density', 'uniform', {'uniform': 0.4},
    np.random.default_rng(8), seeds=2, items=300, kind='density',
  )  # fmt: skip
  grid = simulated.load(tmp_path / 'cpu').grid('density')
  (whole,) = grid
  parts = density.by_size(grid)
  assert parts.tests == ['uniform, 7 nodes', 'uniform, 9 nodes']
  for part, size in zip(parts, (7, 9), strict=True):
    chosen_I = whole.facts['size'] == size
    assert part.value(1).mean() == whole.value(1)[:, chosen_I].mean()
  few = cells.Grid([whole.where(np.arange(300) < 60)])
  assert density.by_size(few).tests == []


def test_what_more_functions_bring_is_what_was_planted(tmp_path):
  root, rng = tmp_path / 'cpu', np.random.default_rng(9)
  for parameters, slope in ((100_000, 0.05), (200_000, 0.1)):
    for doublings in range(5):
      rate = 0.2 + slope * doublings
      simulated.write(
        root, 'data', 'uniform', {'uniform': rate}, rng, seeds=4, items=500,
        functions=500 * 2**doublings, parameters=parameters, kind='density',
        run=f'{parameters}-{doublings}', item_sd=0.0, dev_loss=1 - rate,
      )  # fmt: skip
  drawn = training_size.draw(simulated.load(root))
  assert list(drawn.numbers) == ['100,000 parameters', '200,000 parameters']
  for told, slope in zip(drawn.numbers.values(), (0.05, 0.1), strict=True):
    assert told['functions'] == [500, 1000, 2000, 4000, 8000]
    mean, low, high = told['pass@1, a doubling']
    assert low < slope < high and mean == pytest.approx(slope, abs=0.01)
    each = told['pass@1, doublings one by one']
    assert each == pytest.approx(np.diff([one[0] for one in told['pass@1']]))
    assert told['pass@1'][0][0] == pytest.approx(0.2, abs=0.05)
    assert np.array(told['loss on dev'])[:, 0] == pytest.approx(
      [0.8 - slope * d for d in range(5)]
    )


def test_learning_curves_are_of_the_longest_run_and_of_all_seeds(tmp_path):
  root, rng = tmp_path / 'cpu', np.random.default_rng(10)
  for flops, parameters, loss in (
    (1e11, 40_000, 0.9), (4e11, 40_000, 0.7), (9e11, 90_000, 0.5),
  ):  # fmt: skip
    simulated.write(
      root, 'scaling', 'train_s', {'dev': 0.3, 'novel': 0.1}, rng, seeds=2,
      items=50, flops=flops, parameters=parameters, run=f'{flops:g}',
      dev_loss=loss * np.array([0.9, 1.1]),
    )  # fmt: skip
  drawn = learning.draw(simulated.load(root))
  assert list(drawn.numbers) == ['scaling, 40,000', 'scaling, 90,000']
  for told, loss in zip(drawn.numbers.values(), (0.7, 0.5), strict=True):
    assert told['steps'] == [500, 1000]
    assert told['loss'] == pytest.approx([max(0.4, loss), loss])
    assert told['pass@1'] == pytest.approx(0.3, abs=0.06)
  # The band of a curve is from the least to the greatest seed.
  (band, _) = drawn.figure.axes[0].collections
  heights = band.get_paths()[0].vertices[:, 1]
  assert {0.63, 0.77} <= {round(float(y), 6) for y in heights}


_KINDS = (mistakes.RIGHT, mistakes.SHOWN, mistakes.OTHER, mistakes.FITS,
          mistakes.UNDEFINED, mistakes.UNPARSED)  # fmt: skip


@pytest.fixture(scope='module')
def grown(tmp_path_factory):
  """Two models, one trained for two times, at two learning rates."""
  root, rng = (
    tmp_path_factory.mktemp('grown') / 'cpu',
    np.random.default_rng(11),
  )
  for flops, parameters, lr, loss in (
    (1e11, 40_000, 0.001, 0.9), (4e11, 40_000, 0.001, 0.7),
    (4e11, 40_000, 0.006, 0.8), (9e11, 90_000, 0.001, 0.5),
  ):  # fmt: skip
    simulated.write(
      root, 'scaling', 'train_s',
      {'control': 1 - loss, 'novel': 0.1, 'dev': 0.4}, rng, seeds=2,
      items=50, flops=flops, parameters=parameters, lr=lr, dev_loss=loss,
      run=f'{flops:g}-{lr}',
    )  # fmt: skip
  return root


def test_no_curve_is_left_out_for_want_of_colours(tmp_path):
  root, rng = tmp_path / 'cpu', np.random.default_rng(13)
  for number in range(1, 11):
    simulated.write(
      root, 'data', 'uniform', {'uniform': 0.3, 'dev': 0.3}, rng, seeds=2,
      items=20, functions=100 * number, kind='density', run=f'{number}',
      parameters=50_000,
    )  # fmt: skip
  drawn = learning.draw(simulated.load(root))
  assert len(drawn.numbers) == 10
  lines = drawn.figure.axes[0].get_lines()
  styles = {(line.get_color(), line.get_linestyle()) for line in lines}
  assert len(styles) == 10
  for number in range(8):
    for functions in (100, 200):
      simulated.write(
        tmp_path / 'many', 'data', 'uniform', {'uniform': 0.3}, rng, seeds=2,
        items=20, functions=functions, kind='density',
        run=f'{number}-{functions}', parameters=1000 * (1 + number),
      )  # fmt: skip
  assert len(training_size.draw(simulated.load(tmp_path / 'many')).numbers) == 8


def test_every_sample_is_of_one_kind_and_kinds_are_those_of_the_record(grown):
  study = simulated.load(grown)
  drawn = mistakes.draw(study)
  # Of two learning rates that of less loss on dev, on both tests.
  assert set(drawn.numbers) == {
    f'scaling, {test}, {run} parameters'
    for test in ('control', 'novel')
    for run in ('1e+11-0.001, 40,000', '4e+11-0.001, 40,000',
                '9e+11-0.001, 90,000')
  }  # fmt: skip
  for record in study.of('scaling'):
    for test in ('control', 'novel'):
      told = mistakes.shares(record, test)
      np.testing.assert_allclose(sum(told[kind] for kind in _KINDS), 1)
      tasks = record.tests[test]
      for kind, array in (
        (mistakes.RIGHT, tasks.correct_SxI),
        (mistakes.FITS, tasks.fits_only_SxI),
        (mistakes.SHOWN, tasks.copied_SxI),
      ):  # fmt: skip
        counted_S = array.mean(axis=1) / record.samples
        np.testing.assert_allclose(told[kind], counted_S)
      # Planted: twice as many are undefined as are no program.
      np.testing.assert_allclose(
        told[mistakes.UNDEFINED], 2 * told[mistakes.UNPARSED]
      )
      assert told[mistakes.STRUCTURE].tolist() == [0.02, 0.02]


def test_the_longest_training_of_a_model_is_drawn_solid_each_seed_a_dot(grown):
  drawn = mistakes.draw(simulated.load(grown))
  axis = drawn.figure.axes[0]
  assert axis.get_title() == 'control, in support (train_s)'
  dots = {
    line.get_label(): line.get_xydata().T.tolist()
    for line in axis.get_lines()
    if line.get_marker() == 'o'
  }
  right = {key: told['right'] for key, told in drawn.numbers.items()}
  long = right['scaling, control, 4e+11-0.001, 40,000 parameters']
  large = right['scaling, control, 9e+11-0.001, 90,000 parameters']
  assert dots['right'] == [[4e4, 4e4, 9e4, 9e4], [*long, *large]]
  short = right['scaling, control, 1e+11-0.001, 40,000 parameters']
  assert dots['right, shorter training'] == [[4e4, 4e4], short]
  assert np.mean(short) < np.mean(long) < np.mean(large)


def test_a_record_that_tells_no_errors_is_named(grown, tmp_path):
  for path in (grown / 'scaling').glob('*.json'):
    facts = json.loads(path.read_text())
    if facts['run'].startswith('9'):
      del facts['errors']
    target = tmp_path / 'cpu/scaling' / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(facts))
  drawn = mistakes.draw(simulated.load(tmp_path / 'cpu'))
  assert 'scaling/9e+11-0.001 holds no errors' in drawn.caption
  assert 'no records of data' in drawn.caption
  assert not any('90,000' in key for key in drawn.numbers)


def test_of_models_shown_more_functions_the_extremes_are_told_apart(tmp_path):
  rng = np.random.default_rng(13)
  for parameters in (1000, 2000, 4000):
    for functions in (100, 200):
      simulated.write(
        tmp_path / 'cpu', 'data', 'uniform', {'uniform': 0.3}, rng, seeds=2,
        items=20, functions=functions, kind='density',
        run=f'{parameters}-{functions}', parameters=parameters,
      )  # fmt: skip
  told = list(mistakes.draw(simulated.load(tmp_path / 'cpu')).numbers)
  assert len(told) == 4 and not any('2000' in key for key in told)


def test_committed_kinds_of_samples_add_up_to_the_outcomes():
  found = study_lib.load(_CPU)
  for contrast in ('scaling', 'data'):
    for record in found.of(contrast):
      for test in record.tests:
        told = mistakes.shares(record, test)
        np.testing.assert_allclose(sum(told[kind] for kind in _KINDS), 1)
        assert min(told[kind].min() for kind in _KINDS) > -1e-9
        outcome = record.facts['outcomes'][test]
        for names, parts in (
          ('correct', [mistakes.RIGHT]), ('grid_only', [mistakes.FITS]),
          ('wrong', [mistakes.SHOWN, mistakes.OTHER]),
          ('undefined', [mistakes.UNDEFINED]),
          ('unparsed', [mistakes.UNPARSED]),
        ):  # fmt: skip
          share = sum(told[part].mean() for part in parts)
          assert share == pytest.approx(outcome[names], abs=1e-9)


def test_calibration_is_that_of_the_records_by_arm_and_test(study):
  drawn = calibration.draw(study)
  assert '3 seeds' not in drawn.caption and 'support 2, 6, 150' in drawn.caption
  for name in ('support', 'region_semantic'):
    for arm in ('train_s', 'train_c'):
      told = drawn.numbers[f'{name}, {arm} on novel']
      records = [r for r in study.of(name) if r.facts['arm'] == arm]
      right = [v for r in records for v in r.pass_at_k('novel', 1).mean(axis=1)]
      assert told['right'] == pytest.approx(right)
      assert told['confidence'] == pytest.approx([0.2] * 6)
      assert told['calibration error'] == pytest.approx(
        [0.05 + share / 100 for share in right]
      )
      assert told['AUROC'] == [None, 0.75, 0.75] * 2
  # As the legend says, what is of control is hollow in every panel.
  for axis in drawn.figure.axes:
    for line in axis.get_lines():
      if line.get_marker() == 'o':
        hollow = 'control' in (axis.get_title() + str(line.get_label()))
        if axis.get_title() or not str(line.get_label()).startswith('_'):
          assert (line.get_markerfacecolor() == 'white') == hollow
  # Novel of who saw it is right 60 times in 100, confident 20.
  (excess,) = (
    line.get_xdata()[0]
    for line in drawn.figure.axes[2].get_lines()
    if line.get_label() == 'train_c, novel'
  )
  right = drawn.numbers['support, train_c on novel']['right']
  assert excess == pytest.approx(20 - 100 * np.mean(right))


def test_a_seed_that_diverged_and_a_record_without_calibration_are_left_out(
  tmp_path,
):
  root, rng = tmp_path / 'cpu', np.random.default_rng(12)
  for name in ('support', 'role'):
    simulated.support(
      root, name, drop=0.2, splits=1, seeds=5, items=30, rng=rng
    )
  path = root / 'support/train_c-split0.json'
  facts = json.loads(path.read_text()) | {'diverged': {'3': 100}}
  facts['calibration']['novel'][3] = None
  path.write_text(json.dumps(facts))
  path = root / 'role/train_s-split0.json'
  facts = json.loads(path.read_text())
  del facts['calibration']
  path.write_text(json.dumps(facts))
  study = simulated.load(root)
  drawn = calibration.draw(study)
  assert 'role/train_s-split0 holds no calibration' in drawn.caption
  # The seed is left out of the other arm, too.
  numbers = drawn.numbers['support, train_s on novel']
  assert len(numbers['right']) == 4
  assert not any(key.startswith('role') for key in drawn.numbers)
  text = calibration.table(study)
  assert 'role/train_s-split0 holds no calibration' in text
  assert '<td class="n">75.0 [75.0, 75.0] (of 3)</td>' in text


def test_the_law_of_loss_by_both_sizes_is_the_one_that_was_planted(tmp_path):
  root, rng = tmp_path / 'cpu', np.random.default_rng(12)
  values = {'A': 2e4, 'a': 0.3, 'B': 900.0, 'b': 0.4}
  law = loss_law.LossLaw(loss_law.BOTTLENECK, values, np.empty(0))
  for parameters in (20_000, 100_000, 500_000):
    for functions in (1000, 2000, 4000, 8000, 16_000):
      loss = law.predict(np.array([parameters]), np.array([functions]))
      simulated.write(
        root, 'data', 'uniform', {'uniform': 0.3}, rng, seeds=3, items=20,
        functions=functions, parameters=parameters, kind='density',
        run=f'{parameters}-{functions}',
        dev_loss=(loss * np.exp(0.01 * rng.standard_normal(3))).tolist(),
      )  # fmt: skip
  drawn = training_size.draw(simulated.load(root))
  laws = drawn.numbers['laws of least loss']
  found = laws.pop(loss_law.BOTTLENECK)
  assert found['delta AICc'] == 0
  assert all(one['delta AICc'] > 10 for one in laws.values())
  for name in 'ab':
    value, low, high = found['exponents'][name]
    assert low < value < high
    assert abs(value - values[name]) < 1.5 * (high - low)
  assert found['error of one model'] == pytest.approx(0.01, rel=0.4)
  assert found['error of a run left out'] < 0.03
  assert 'No law' not in drawn.caption
