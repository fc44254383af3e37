"""The study's analysis: what is planted in records is found, nothing else."""

import dataclasses
import json
import re

import numpy as np
import pytest
import scipy.special

from analysis.study import claims
from analysis.study import contrasts
from analysis.study import coverage
from analysis.study import density
from analysis.study import distance
from analysis.study import effects
from analysis.study import scaling
from analysis.study import study as study_lib
from analysis.study import support
from analysis.study import tables
from analysis.study import verdicts
from analysis.study.verdicts import Verdict
from synth import errors
from tests import simulated

# Starts of rows, and what tells those of one sentence apart.
_C1, _C2 = '(C1)', '(C2)'


def _row(rows, start):
  (row,) = (row for row in rows if start in row.sentence)
  return row


def _support(tmp_path, name='support', **options):
  root = tmp_path / 'cpu'
  simulated.support(root, name, rng=np.random.default_rng(1), **options)
  return simulated.load(root)


def test_planted_drop_is_recovered_with_its_price(tmp_path):
  # Spread of seeds and tasks pulls means to 1/2: without it means are planted.
  study = _support(tmp_path, drop=0.4, price=-0.1, item_sd=0.0, seed_sd=0.05)
  found = support.measure(study.grid('support'))
  for effect, truth in ((found.drop, 0.4), (found.price, -0.1),
                        (found.gap, 0.5)):  # fmt: skip
    assert effect.interval.low < truth < effect.interval.high
    assert effect.interval.high - effect.interval.low < 0.1
    assert (effect.splits, effect.seeds) == (3, 8)
    assert effect.p == pytest.approx(2 / 2**24)  # of all runs
    assert [part.split for part in effect.parts] == [0, 1, 2]
    for part in effect.parts:
      assert part.p == pytest.approx(2 / 2**8)
  assert found.relative.low < 0.4 / 0.6 < found.relative.high
  odds = scipy.special.logit(0.6) - scipy.special.logit(0.2)
  assert found.log_odds.low < odds < found.log_odds.high


def test_more_runs_than_can_be_flipped_are_summed_over_splits(tmp_path):
  study = _support(tmp_path, drop=0.4, splits=6, item_sd=0.0)
  found = support.measure(study.grid('support'))
  assert found.drop.p == pytest.approx(2 / 2**8)  # of 48 runs, sums of six


def test_the_ratio_has_the_interval_of_fieller():
  # One split, no tasks' noise: the classical set of ratios of paired means.
  over, under = np.array([0.3, 0.35, 0.28, 0.4]), np.array([0.6, 0.5, 0.7, 0.6])
  cells = [
    simulated.cell('a', over[:, None]),
    simulated.cell('b', under[:, None]),
  ]
  grid = study_lib.cells_lib.Grid(cells)
  found = effects.ratio(grid, {('a', 't'): 1.0}, {('b', 't'): 1.0})
  t2 = scipy.stats.t.ppf(0.975, 3) ** 2 / 4
  (s_oo, s_ou), (_, s_uu) = np.cov(over, under)
  # (mean_o - r mean_u)^2 = t2 var(o - r u), a quadratic in r.
  coefficients = [
    under.mean() ** 2 - t2 * s_uu,
    -2 * (over.mean() * under.mean() - t2 * s_ou),
    over.mean() ** 2 - t2 * s_oo,
  ]
  low, high = sorted(np.roots(coefficients))
  assert found.low == pytest.approx(low, abs=1e-3)
  assert found.high == pytest.approx(high, abs=1e-3)


def test_a_large_drop_reproduces_and_a_null_effect_does_not(tmp_path):
  options = {'item_sd': 0.2, 'seed_sd': 0.05, 'items': 400}
  large = claims.table(_support(tmp_path / 'a', drop=0.5, **options))
  assert _row(large, _C1).verdict == Verdict.REPRODUCED
  for row in (r for r in large if r.sentence.startswith('a performance drop')):
    assert row.verdict == Verdict.REPRODUCED
  null = claims.table(_support(tmp_path / 'b', drop=0.0, **options))
  assert _row(null, _C1).verdict == Verdict.NOT_REPRODUCED
  for row in (r for r in null if r.sentence.startswith('a performance drop')):
    assert row.verdict == Verdict.NOT_REPRODUCED


def test_a_noisy_null_effect_is_undecided_not_robust(tmp_path):
  options = {'items': 30, 'seed_sd': 0.6, 'seeds': 3}
  rows = claims.table(
    _support(tmp_path, 'region_semantic', drop=0.0, **options)
  )
  assert _row(rows, 'semantic extrapolation').verdict == Verdict.UNDECIDED
  rows = claims.table(
    _support(
      tmp_path / 'b', 'region_semantic', drop=0.0, items=2000, seed_sd=0.02,
      item_sd=0.0,
    )
  )  # fmt: skip
  assert _row(rows, 'semantic extrapolation').verdict == Verdict.REPRODUCED
  rows = claims.table(
    _support(
      tmp_path / 'c', 'region_semantic', drop=0.2, items=400, seed_sd=0.05
    )
  )
  assert _row(rows, 'semantic extrapolation').verdict == Verdict.NOT_REPRODUCED


def test_few_seeds_cannot_reproduce(tmp_path):
  # Three runs: the smallest p of a sign-flip is 1/4, whatever the effect.
  rows = claims.table(_support(tmp_path, drop=0.5, splits=1, seeds=3))
  row = _row(rows, _C1)
  assert row.measured.interval.low > 0.3
  assert row.verdict == Verdict.UNDECIDED


def test_what_lacks_is_not_measured(tmp_path):
  study = _support(tmp_path, drop=0.4)
  (tmp_path / 'cpu/support/train_c-split1.json').unlink()
  for row in claims.table(simulated.load(study.directory)):
    assert row.verdict == Verdict.NOT_MEASURED
    assert row.measured is None
  row = _row(claims.table(simulated.load(study.directory)), _C1)
  assert 'train_c' in row.reason and 'split 1' in row.reason


def test_two_records_of_one_arm_are_refused(tmp_path):
  study = _support(tmp_path, drop=0.4)
  simulated.write(
    study.directory,
    'support',
    'train_s',
    {'novel': 0.1},
    np.random.default_rng(0),
    run='again',
  )
  with pytest.raises(errors.InputError, match='both of train_s, split 0'):
    simulated.load(study.directory).grid('support')


def _density(root, gains, rng, seeds=3, splits=3):
  for split in range(splits):
    for arm, gain in gains.items():
      rates = {'uniform': 0.5, 'dev': 0.5}
      for space in ('semantic', 'syntactic', 'joint'):
        rates[f'{space}_cells'] = 0.4 + gain
      simulated.write(
        root, 'density', arm, rates, rng, split=split, kind='density',
        seeds=seeds, seed_sd=0.05, items=300, item_sd=0.1,
      )  # fmt: skip


_SPACES = ('semantic', 'syntactic', 'joint')
_ARMS = ('uniform', *(f'{s}{h}{r}' for s in _SPACES for h in ('', '_half')
                      for r in ('', '_raked')))  # fmt: skip


def test_planted_density_gain_dose_and_null(tmp_path):
  dose = {'uniform': 0.0, 'joint_half': 0.1, 'joint': 0.2}
  gains = {arm: dose.get(arm, 0.0) for arm in _ARMS}
  root = tmp_path / 'cpu'
  _density(root, gains, np.random.default_rng(3))
  study = simulated.load(root)
  rows = claims.table(study)
  assert _row(rows, _C2).verdict == Verdict.REPRODUCED
  assert _row(rows, _C2).measured.interval.estimate == pytest.approx(
    0.2, abs=0.03
  )
  assert _row(rows, 'robust generalization').verdict == Verdict.REPRODUCED
  raked = _row(rows, '(C3)')
  assert raked.verdict != Verdict.REPRODUCED
  grid = study.grid('density')
  dose = effects.slope(density.dose_arms('joint', False), 'joint_cells')
  slope = effects.effect(grid, dose, 1)
  assert slope.interval.low < 0.2 < slope.interval.high
  marks = density.against_uniform(grid)
  assert marks['joint', 'joint_cells'].adjusted <= 1  # 34 tests, 9 runs each
  assert len(marks) == (len(_ARMS) - 1) * 5
  told = re.sub('<[^>]*>', ' ', tables.density_by_law(study))
  (row,) = re.findall(r' joint  3  1  (.*)', told)
  gain = dict(
    zip(grid.tests, map(float, re.findall(r'([+-]\S+) \[', row)), strict=True)
  )
  for test, planted in (('joint_cells', 20), ('uniform', 0)):
    assert gain[test] == pytest.approx(planted, abs=4)


def test_the_ladder_recovers_a_planted_slope(tmp_path):
  root, rng = tmp_path / 'cpu', np.random.default_rng(5)
  for split in range(3):
    for rung in range(5):
      arm, novelty = f'rung_{rung}', 0.2 * rung + 0.01 * split
      simulated.write(
        root, 'ladder', arm, {'novel': 0.7 - 0.5 * novelty, 'control': 0.7},
        rng, split=split, kind='ladder', seeds=3, seed_sd=0.05, item_sd=0.1,
        measurements={'compound_divergence': {f'{arm} -> novel': novelty}},
      )  # fmt: skip
  effect = contrasts.rungs(simulated.load(root))
  # 0.5 a unit, over 0.8 of them.
  assert effect.interval.low < 0.4 < effect.interval.high
  assert effect.interval.high - effect.interval.low < 0.1
  assert effect.p < 0.05


@pytest.mark.parametrize(
  ('attainable', 'bound', 'remark'),
  [
    (0.001, 0.03, 'nothing to lose: they solve 0.1 %'),
    (0.01, 0.3, 'nothing to lose: they solve 1.0 %'),
    (0.182, 0.3, 'at most 18.2 points were there to lose'),
    (0.182, 0.03, ''),
    (0.3, 0.3, ''),
  ],
)
def test_no_more_can_be_lost_than_is_solved(attainable, bound, remark):
  assert verdicts.nothing_more(attainable, bound, 'they solve') == remark


def test_a_ladder_with_nothing_to_lose_says_so(tmp_path):
  rng = np.random.default_rng(5)
  for rates, told in (
    ((0.001,) * 5, 'nothing to lose: the lowest rung solves 0.1 %'),
    ((0.2,) * 5, ''),
  ):
    root = tmp_path / f'{rates[0]}' / 'cpu'
    for rung, rate in enumerate(rates):
      simulated.write(
        root, 'ladder', f'rung_{rung}', {'novel': rate, 'control': 0.7}, rng,
        kind='ladder', seeds=3, seed_sd=0.0, item_sd=0.0, items=2000,
        measurements={
          'compound_divergence': {f'rung_{rung} -> novel': 0.2 * rung}
        },
      )  # fmt: skip
    row = _row(claims.table(simulated.load(root)), '(C5)')
    assert row.verdict == Verdict.NOT_REPRODUCED
    assert row.measured.remark == told
    for shown in (tables.verdicts([row]), tables.negative([row])):
      assert ('nothing to lose: the lowest rung' in shown) == bool(told)


def test_a_drop_of_30_points_needs_30_to_lose(tmp_path):
  root, rng = tmp_path / 'cpu', np.random.default_rng(5)
  for arm, rate in (('train_s', 0.01), ('train_c', 0.18)):
    rates = {'novel': rate, 'control': 0.5, 'dev': 0.5}
    for split in range(2):
      simulated.write(root, 'support', arm, rates, rng, split=split,
                      items=400, item_sd=0.0, seed_sd=0.01)  # fmt: skip
  rows = claims.table(simulated.load(root))
  points = _row(rows, '(read as points)')
  assert points.verdict == Verdict.NOT_REPRODUCED
  assert re.fullmatch(
    r'at most 1[78]\.\d points were there to lose', points.measured.remark
  )
  assert _row(rows, '(read as a ratio)').measured.remark == ''


_TRUTH = {
  'log-linear': lambda z: 0.1 + 0.05 * z,
  'logistic': lambda z: 0.6 / (1 + np.exp(-1.5 * (z - 4))),
}


@pytest.mark.parametrize(
  ('truth', 'levels', 'verdict'),
  [
    ('log-linear', 12, Verdict.REPRODUCED),
    ('logistic', 12, Verdict.NOT_REPRODUCED),
    ('log-linear', 6, Verdict.UNDECIDED),
  ],
)
def test_planted_scaling_forms(tmp_path, truth, levels, verdict):
  root, rng = tmp_path / 'gpu', np.random.default_rng(8)
  decades = 3.5 if levels >= scaling.LEVELS else 2
  for place, z in enumerate(np.linspace(0, decades * np.log(10), levels)):
    rate = _TRUTH[truth](z)
    simulated.write(
      root, 'scaling', 'train_s', {'dev': rate, 'novel': rate}, rng,
      flops=1e12 * np.exp(z), run=f'level{place}', seeds=5, item_sd=0.0,
      seed_sd=0.05, items=400,
    )  # fmt: skip
  rows = claims.table(simulated.load(root))
  lines = [row for row in rows if row.sentence.startswith('the gains')]
  # A true line is kept in 92 % of simulations, and never refuted in them.
  assert verdict in {row.verdict for row in lines}
  assert {row.verdict for row in lines} <= {verdict, Verdict.UNDECIDED}
  grows = _row(rows, 'steadily scaling up compute improves generalization (out')
  assert grows.verdict == Verdict.REPRODUCED
  if levels < scaling.LEVELS:
    assert 'too few' in lines[0].measured.note


def test_what_compute_does_to_forced_tasks_is_told_apart(tmp_path):
  root, rng = tmp_path / 'cpu', np.random.default_rng(9)
  for level in range(6):
    rates = {'dev': 0.3, 'novel': 0.02 + 0.05 * level}
    simulated.write(
      root, 'scaling', 'train_s', rates, rng, flops=1e12 * 2.5**level,
      run=f'level{level}', seeds=3, items=400, item_sd=0.0, seed_sd=0.02,
      forced={'novel': 0.004},
    )  # fmt: skip
  rows = claims.table(simulated.load(root))
  start = 'steadily scaling up compute improves generalization '
  whole, forced, avoidable = (
    _row(rows, start + part)
    for part in ('(out', '(a part of the row above: f',
                 '(a part of the row above: a')
  )  # fmt: skip
  assert whole.verdict == avoidable.verdict == Verdict.REPRODUCED
  assert forced.verdict == Verdict.NOT_REPRODUCED
  assert forced.rule.startswith(whole.rule)
  assert forced.measured.remark == 'a part'
  assert (whole.measured.items, forced.measured.items) == (400, 200)
  # 0.05 a level, of 2.5 times the compute.
  planted = 0.05 / np.log10(2.5)
  assert avoidable.measured.interval.estimate == pytest.approx(planted, rel=0.1)
  assert abs(forced.measured.interval.estimate) < 0.005


def test_of_equal_compute_dev_chooses_not_the_test(tmp_path):
  root, rng = tmp_path / 'cpu', np.random.default_rng(0)
  for lr, dev_loss, novel in ((1e-3, 0.3, 0.1), (3e-3, 0.5, 0.9)):
    simulated.write(
      root, 'scaling', 'train_s', {'novel': novel}, rng, run=f'lr{lr}',
      lr=lr, dev_loss=dev_loss,
    )  # fmt: skip
  found = simulated.load(root).of('scaling')
  ((cell,),) = study_lib.cells_by_compute(found, 'novel').values()
  assert cell.value(1).mean() < 0.3


def test_distance_does_not_stand_for_being_held_out():
  """Novel tasks are far and never solved; distance itself does nothing."""
  rng = np.random.default_rng(3)

  def cell(test, rate, nearest):
    correct_SxI = rng.binomial(16, rate, (2, 400))
    distance_I = nearest + 0.2 * rng.random(400)
    facts = {
      study_lib.SYNTACTIC: distance_I, study_lib.SEMANTIC: rng.random(400),
      'size': np.repeat([7, 9], 200),
    }  # fmt: skip
    item_I = np.arange(400)
    return study_lib.cells_lib.Cell(
      0, 'train_s', test, (0, 1), correct_SxI, 16, item_I, item_I, facts
    )

  both = [cell('control', 0.5, 0.2), cell('novel', 0.01, 0.6)]
  found = distance.measure(both)
  _, low, high = found.slope[study_lib.SYNTACTIC]
  assert low < 0 < high
  assert found.sizes == {False: {7: 200, 9: 200}, True: {7: 200, 9: 200}}
  for curves in found.curves[study_lib.SYNTACTIC].values():
    # Ten times the spread of a binomial mean of 400 tasks is 0.03.
    for curve in curves.values():
      assert curve.rate_D[0] - curve.rate_D[-1] < 0.2
  explained = {name: one.explained for name, one in found.rivals.items()}
  assert explained[distance.HELD_OUT] == pytest.approx(found.everything,
                                                       abs=0.02)  # fmt: skip


def _far(rng, test, slope, items=400, seeds=2):
  """A cell whose success has a slope in the logit over semantic distance."""
  far_I = rng.standard_normal(items)
  far_I = (far_I - far_I.mean()) / far_I.std()
  rate_I = scipy.special.expit(slope * far_I)
  facts = {study_lib.SYNTACTIC: rng.random(items), study_lib.SEMANTIC: far_I,
           'size': np.full(items, 9)}  # fmt: skip
  item_I = rng.permutation(items)
  correct_SxI = rng.binomial(16, np.tile(rate_I, (seeds, 1)))
  return study_lib.cells_lib.Cell(
    0, 'train_s', test, tuple(range(seeds)), correct_SxI, 16, item_I, item_I,
    facts,
  )  # fmt: skip


def test_slopes_of_opposite_sign_are_told_within_each_kind_of_tasks():
  rng = np.random.default_rng(0)
  found = distance.measure(
    [_far(rng, 'control', 0.6), _far(rng, 'novel', -0.4)]
  )
  within = found.within[study_lib.SEMANTIC]
  assert within[False].low < 0.6 < within[False].high
  assert within[True].low < -0.4 < within[True].high
  assert within[True].high < found.slope[study_lib.SEMANTIC].estimate
  assert found.slope[study_lib.SEMANTIC].estimate < within[False].low
  # Tasks that are never solved have no slope.
  never = _far(rng, 'novel', 0)
  never.correct_SxI[:] = 0
  found = distance.measure([_far(rng, 'control', 0.6), never])
  assert set(found.within[study_lib.SEMANTIC]) == {False}


def test_a_function_that_several_splits_test_is_one_task():
  rng = np.random.default_rng(9)
  one = _far(rng, 'control', 2.0, items=30)
  again = [dataclasses.replace(one, split=split) for split in range(9)]
  alone, many = distance.measure([one]), distance.measure(again)
  for space in (study_lib.SYNTACTIC, study_lib.SEMANTIC):
    widths = [f.slope[space].high - f.slope[space].low for f in (alone, many)]
    assert widths[1] == pytest.approx(widths[0], rel=0.05)
  # Syntactic distance is noise: in folds that share functions it explains.
  assert many.rivals[study_lib.SYNTACTIC].explained < 0


def test_the_distance_that_matters_is_found_among_its_rivals(tmp_path):
  root = tmp_path / 'cpu'
  simulated.write(
    root, 'support', 'train_s', {'novel': 0.4, 'control': 0.4},
    np.random.default_rng(2), of_distance=-8.0, items=400, seeds=4,
  )  # fmt: skip
  found = distance.measure(list(simulated.load(root).grid('support')))
  syntactic, semantic = study_lib.SYNTACTIC, study_lib.SEMANTIC
  assert found.slope[syntactic].high < -1  # 8 x 0.6 / sqrt 12 = 1.4 by one SD
  assert found.slope[semantic].low < 0 < found.slope[semantic].high
  best = max(found.rivals, key=lambda name: found.rivals[name].explained)
  assert best == syntactic
  assert found.everything - found.all_but[syntactic] > 0.2
  assert abs(found.everything - found.all_but[semantic]) < 0.02


def test_planted_mass_at_zero_is_recovered(tmp_path):
  root, rng = tmp_path / 'cpu', np.random.default_rng(4)
  for arm, zero in (('train_s', 0.5), ('train_c', 0.0)):
    simulated.write(
      root, 'coverage', arm, {'novel': 0.3}, rng, zero=zero, samples=256,
      items=400, seeds=4,
    )  # fmt: skip
  grid = simulated.load(root).grid('coverage')
  found = coverage.measure(grid, 'train_s', 'novel')
  assert found.zero.estimate == pytest.approx(0.5, abs=0.06)
  assert found.unsolved.estimate == pytest.approx(0.5, abs=0.06)
  mean_K, low_K, high_K = found.band()
  assert (np.diff(mean_K) > 0).all() and (low_K <= high_K).all()
  assert 0.3 < found.zero.low < 0.5 < found.zero.high
  none = coverage.measure(grid, 'train_c', 'novel').zero
  # Models that agree on none do not show that there is none: half of the 95 %
  # quantile of chi-squared, over the tasks that are solved.
  assert none.estimate < 1e-6 and none.low == 0
  assert none.high == pytest.approx(1.92 / 400, rel=0.1)


def test_few_solved_tasks_leave_the_mass_at_zero_open(tmp_path):
  root = tmp_path / 'cpu'
  simulated.write(
    root, 'coverage', 'train_s', {'novel': 0.01}, np.random.default_rng(5),
    samples=8, items=50, seeds=4,
  )  # fmt: skip
  grid = simulated.load(root).grid('coverage')
  zero = coverage.measure(grid, 'train_s', 'novel').zero
  assert zero is not None
  assert zero.low < 0.2 and zero.high > 0.5


def test_the_law_of_runs_that_solve_nothing_is_not_made_up(tmp_path):
  root = tmp_path / 'cpu'
  simulated.write(
    root, 'coverage', 'train_s', {'novel': 0.3}, np.random.default_rng(4),
    zero=1.0,
  )  # fmt: skip
  found = coverage.measure(
    simulated.load(root).grid('coverage'), 'train_s', 'novel'
  )
  assert found.zero is None and found.unsolved.estimate == 1


def test_a_diverged_model_is_left_out_with_its_partner(tmp_path):
  study = _support(tmp_path, drop=0.4)
  path = study.directory / 'support/train_c-split1.json'
  facts = json.loads(path.read_text())
  path.write_text(json.dumps({**facts, 'diverged': {'103': 500}}))
  grid = simulated.load(study.directory).grid('support')
  for arm in ('train_s', 'train_c'):
    assert grid.get(1, arm, 'novel').seeds == (100, 101, 102, *range(104, 108))
    assert len(grid.get(1, arm, 'novel').correct_SxI) == 7
  many = {str(100 + seed): 500 for seed in range(3)}
  path.write_text(json.dumps({**facts, 'diverged': many}))
  row = _row(claims.table(simulated.load(study.directory)), _C1)
  assert row.verdict == Verdict.UNDECIDED and row.measured is None
  assert '3 of 8 models' in row.reason
