"""The numbers of the pictures are right; the files are whole and repeatable."""

import dataclasses
import itertools
import json

from matplotlib import pyplot as plt
import numpy as np
from PIL import Image
import pytest

from analysis import atlas
from analysis.data import atlas_record
from analysis.data import explorer
from analysis.data import leakage
from analysis.data import maps
from analysis.data import matching
from analysis.data import redundancy
from analysis.data import stored as stored_lib
from analysis.study import atlas_view
from analysis.study import cells
from analysis.study import hover
from configs import density as density_config
from configs import support as support_config
from synth import errors
from synth import inputs as inputs_lib
from synth import store
from synth.language import counting
from synth.language import program as program_lib
from synth.language import tokens
from tests import simulated

_FIGURES = ('spaces', 'matching', 'redundancy', 'leakage')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  """Directory of the smallest support split."""
  root = tmp_path_factory.mktemp('data')
  inputs_lib.load_or_build(support_config.get_config('tiny'), root)
  return root


@pytest.fixture(scope='module')
def stored(data):
  return stored_lib.load(data)


@pytest.fixture(scope='module')
def matched(stored):
  return matching.measure(stored, seed=0)


@pytest.fixture(scope='module')
def written(data, tmp_path_factory):
  """Directory of all its pictures."""
  out = tmp_path_factory.mktemp('out') / 'deep'
  found = atlas.write(data, out, [], 3, 'the command')
  assert set(found['written']) == {*_FIGURES, 'page'}
  return out


def test_every_picture_is_written_with_its_numbers_and_command(written):
  for name in _FIGURES:
    numbers = json.loads((written / f'{name}.json').read_text())
    assert numbers['made']['command'] == 'the command'
    assert numbers['made']['seed'] == 3
    svg = (written / f'{name}.svg').read_text()
    assert 'the command' in svg and '?' in svg
    image = np.asarray(Image.open(written / f'{name}.png').convert('L'))
    assert 0.005 < (image < 200).mean() < 0.9
  assert (written / atlas.PAGE).exists()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits(data, written, tmp_path):
  atlas.write(data, tmp_path, [], 3, 'the command')
  for path in written.iterdir():
    assert path.read_bytes() == (tmp_path / path.name).read_bytes()
  atlas.write(data, tmp_path, [], 4, 'the command')
  assert (written / 'spaces.svg').read_bytes() != (
    (tmp_path / 'spaces.svg').read_bytes()
  )


@pytest.mark.slow
def test_uncounted_programs_leave_out_what_needs_counts(
  data, stored, tmp_path, monkeypatch
):
  monkeypatch.setitem(stored.universe.manifest, 'multiplicities', False)
  monkeypatch.setattr(stored_lib, 'load', lambda *args: stored)
  found = atlas.write(data, tmp_path, [], 0, '')
  assert set(found['written']) == {'spaces', 'matching', 'page'}


def test_arms_are_those_asked_for(data):
  assert stored_lib.load(data).arms == ('train_s', 'train_c')
  assert stored_lib.load(data, ['train_c']).arms == ('train_c',)
  with pytest.raises(errors.InputError, match=r"'train_x'.*did you mean"):
    stored_lib.load(data, ['train_x'])
  with pytest.raises(errors.InputError, match='two different'):
    stored_lib.load(data, ['train_c', 'train_c'])


def test_sets_cover_every_class_once(stored):
  sets = stored.sets()
  assert (np.sum(list(sets.values()), axis=0) == 1).all()
  swapped = stored.split.facts['measurements']['swapped_classes']
  assert sets['only train_c'].sum() == sets['only train_s'].sum() == swapped
  chosen = explorer.sample(stored, 0)
  for name in stored.tests:
    assert np.isin(stored.split.tests[name], chosen).all()


def test_sparsity_is_the_distance_to_the_16th_other_point():
  point_Cx1 = np.arange(40.0)[:, None] ** 2
  found = maps.sparsity(point_Cx1, np.array([0, 20]))
  by_hand = [np.sort(np.abs(point_Cx1 - c**2).ravel())[16] for c in (0, 20)]
  assert found.tolist() == by_hand


def test_rank_correlations_say_what_the_axes_are_worth(stored):
  found = maps.faithfulness(stored)
  facts = stored.spaces.manifest
  for name, space in found.items():
    key = f'{name}_rank_correlation'
    assert space['rank_correlation_of_all'] == facts[key]
    assert space['rank_correlation_of_drawn'] == facts[f'{key}_2d']
  # All axes of the semantic space are a rotation of 95 % of it.
  assert found['semantic']['rank_correlation_of_all'] > 0.98
  for space in found.values():
    assert 0.1 < space['rank_correlation_of_drawn'] < 1
    assert space['rank_correlation_of_drawn'] < space['rank_correlation_of_all']


@pytest.fixture(scope='module')
def class_by_size(universe7):
  """Size -> the class (or None) of every program of that size."""
  counts = counting.Counts(universe7.grammar)
  return {
    size: [universe7.class_of(p) for p in counts.programs(size)]
    for size in (1, 3, 5)
  }


def test_redundancy_is_that_of_all_programs_formed_one_by_one(
  universe7, class_by_size
):
  found = redundancy.measure(universe7)
  for row in found['by_size'][:3]:
    classes = class_by_size[row['size']]
    there = [c for c in classes if c is not None]
    assert row['programs'] == len(classes)
    assert row['programs_with_a_value'] == len(there)
    assert row['classes_they_compute'] == len(set(there))
  shares = found['minimal_size_of_uniform_programs'].values()
  assert sum(shares) + found['without_a_value'] == pytest.approx(1)
  facts = found['programs_a_class']
  assert sum(facts['share_of_classes']) == pytest.approx(1)
  assert sum(facts['share_of_programs']) == pytest.approx(1)


def test_leaks_are_those_of_splits_played_out(universe7, class_by_size):
  """Against simulated splits of the 2,048 programs of size 5."""
  class_P = np.array([c for c in class_by_size[5] if c is not None])
  number, rounds = 300, 400
  rng = np.random.default_rng(0)
  leaks = {'none': [], 'string': []}
  for _ in range(rounds):
    train = rng.integers(len(class_P), size=number)
    test = rng.integers(len(class_P), size=number)
    leaked = np.isin(class_P[test], class_P[train])
    leaks['none'].append(leaked.mean())
    leaks['string'].append(leaked[~np.isin(test, train)].mean())
  count_C = universe7.multiplicity(5)
  for level, same in (('none', 0.0), ('string', 1.0)):
    found = leakage.leaks(count_C, np.array([same]), number)
    assert found == pytest.approx(np.mean(leaks[level]), abs=0.004)
  # The two levels can be told apart here.
  assert np.mean(leaks['none']) - np.mean(leaks['string']) > 0.02


def test_a_split_of_classes_never_leaks(written):
  found = json.loads((written / 'leakage.json').read_text())
  assert set(found['leaks_at_largest_size']['class']) == {0.0}
  for name in ('none', 'string', 'tree'):
    curve = found['leaks_at_largest_size'][name]
    assert (np.diff(curve) > 0).all() and 0 < curve[0] < curve[-1] < 1


def test_reorderings_are_all_trees_that_exchanges_reach():
  def exchanges(program):
    """Every tree, made by exchanging operands of + and *."""
    choices = [exchanges(arg) for arg in program.args]
    for args in itertools.product(*choices):
      yield program_lib.Node(program.symbol, args)
      if program.symbol in ('add', 'mul'):
        yield program_lib.Node(program.symbol, args[::-1])

  for text in ('x', 'x + 1', 'x + x', 'x - 1', '(x + 1) * (1 + x)',
               '(x + 1) * (x + 2)', '(x - 1) * 2 + x / (x * 3)'):  # fmt: skip
    program = program_lib.parse(text)
    number = len({program_lib.to_infix(p) for p in exchanges(program)})
    # (x + 1) * (1 + x): its factors are one tree, in any order.
    assert leakage.reorderings(program) == number, text


def test_standardized_differences_by_hand():
  assert matching.smd(np.array([1.0, 3.0]), np.array([0.0, 2.0])) == 1
  assert matching.smd(np.ones(3), np.ones(4)) == 0
  assert matching.smd(np.ones(3), np.zeros(4)) == np.inf


def test_depth_counts_nodes_on_the_longest_way(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  for text, wanted in (('x', 1), ('x + 1', 2), ('(x + 1) * (2 - x / 3)', 4)):
    tok_1xL = vocabulary.encode(program_lib.parse(text), 9)[None]
    assert matching.depth(tok_1xL, vocabulary).tolist() == [wanted]


def test_matched_cells_differ_in_nothing_that_was_matched(matched):
  table = matched['standardized_mean_differences']
  assert len(table) == 5
  between = table['test control -> test novel']
  for name in between:
    if name == 'size' or name.startswith('number of'):
      assert between[name] == pytest.approx(0)
  # Not matched, and not hidden: novel classes have fewer programs.
  assert between['log minimal programs'] < -0.1


def test_divergences_are_those_of_the_certificate(matched, stored):
  for kind in ('atom_divergence', 'compound_divergence'):
    told = stored.split.facts['measurements'][kind]
    for arm, test in itertools.product(stored.arms, stored.tests):
      found = matched[kind]['pairs'][f'{arm} -> test {test}']
      assert found == pytest.approx(told[f'{arm} -> {test}'], abs=6e-6)
  zero = matched['compound_divergence']['zero']['train_s']
  assert 0 < zero['mean'] <= zero['max']
  assert (
    zero['mean']
    < (matched['compound_divergence']['pairs']['train_s -> test novel'])
  )


def test_novel_is_farther_than_control(matched):
  middle = len(matched['nearest']['quantiles_of']) // 2
  median = {
    name: curve[middle]
    for name, curve in matched['nearest']['syntactic'].items()
  }
  assert median['test novel'] > median['test control']
  assert median['left out of training'] == pytest.approx(
    median['test control'], abs=0.1
  )


@pytest.mark.slow
def test_a_language_may_be_small(tmp_path):
  path = tmp_path / 'small.bnf'
  path.write_text('e ::= 1 | 2 | e + e | e - e | e * e | e / e')
  config = density_config.get_config('tiny')
  config.universe.grammar = str(path)
  config.split.update(num_test=4, num_dev=6, num_arm=20)
  inputs_lib.load_or_build(config, tmp_path / 'data')  # one semantic axis
  found = atlas.write(tmp_path / 'data', tmp_path / 'out', [], 0, '')
  assert set(found['written']) == {*_FIGURES, 'page'}


def test_what_does_not_vary_is_left_out_of_the_picture(matched):
  told = {
    pair: {**row, 'size': np.nan, 'depth': np.inf}
    for pair, row in matched['standardized_mean_differences'].items()
  }
  fig = matching.draw({**matched, 'standardized_mean_differences': told})
  fig.canvas.draw()
  plt.close(fig)


@pytest.mark.parametrize('arm', ['uniform', 'syntactic_kmeans_raked'])
def test_names_of_any_length_have_room_in_the_picture(matched, arm):
  text = json.dumps(matched, default=np.ndarray.tolist)
  for name, other in (('train_s', arm), ('novel', 'syntactic_cells')):
    text = text.replace(name, other)
  fig = matching.draw(json.loads(text))
  fig.canvas.draw()
  boxes = [axis.get_tightbbox() for axis in fig.axes]
  plt.close(fig)
  for box in boxes:
    assert box.x0 >= 0 and box.x1 <= fig.bbox.width
  for one, other in itertools.combinations(boxes, 2):
    assert not one.padded(-1).overlaps(other)


def test_an_arm_and_a_test_may_have_one_name(stored):
  """As in a density split: arm and test `uniform`."""
  split = dataclasses.replace(
    stored.split,
    arms={
      'uniform': stored.split.arms['train_s'],
      'joint': stored.split.arms['train_c'],
    },
    tests={
      'uniform': stored.split.tests['control'],
      'joint_cells': stored.split.tests['novel'],
    },
  )
  named = {'arms': tuple(split.arms), 'tests': tuple(split.tests)}
  renamed = dataclasses.replace(stored, split=split, **named)
  table = matching.measure(renamed, 0)['standardized_mean_differences']
  assert len(table) == 5
  assert (
    table['uniform -> test joint_cells']
    != (table['test uniform -> test joint_cells'])
  )


def test_one_arm_and_one_test_are_enough(stored):
  one = dataclasses.replace(stored, arms=('train_s',), tests=('novel',))
  found = matching.measure(one, 0)
  assert list(found['standardized_mean_differences']) == [
    'train_s -> test novel'
  ]
  assert matching.draw(found) is not None
  assert set(one.sets()) == {'test novel', 'arm train_s', 'neither'}


@pytest.fixture(scope='module')
def tier(data, stored, tmp_path_factory):
  """Directory of the record of a run on the data, with their atlas."""
  root = tmp_path_factory.mktemp('results') / 'cpu'
  path = simulated.write(
    root, 'support', 'train_s', {'novel': 0.4}, np.random.default_rng(0)
  )
  facts = json.loads(path.read_text())
  facts['inputs_sha256'] = {
    'universe': store.content_hash(stored.universe.manifest),
    'split': store.content_hash(stored.split.facts),
  }
  path.write_text(json.dumps(facts))
  found = atlas_record.write(data, root, 3, 'the command')
  assert found['contrasts'] == ['support']
  assert found['bytes'] < 300_000
  return root


def test_the_atlas_of_a_study_is_what_the_data_are(tier, stored, matched):
  found = atlas_record.read(tier / 'atlas.json')
  drawn = found.maps
  assert found.text_P == [stored.text(c) for c in drawn.class_P.tolist()]
  for space, point_CxD in maps.points(stored).items():
    np.testing.assert_allclose(
      drawn.point[space], point_CxD[drawn.class_P, :2], rtol=1e-3, atol=1e-4
    )
    uniform = drawn.class_P[drawn.place_U]
    np.testing.assert_allclose(
      drawn.sparsity[space], maps.sparsity(point_CxD, uniform), rtol=1e-3,
      atol=1e-4,
    )  # fmt: skip
  np.testing.assert_array_equal(
    drawn.size_U, stored.universe.size_C[drawn.class_P[drawn.place_U]]
  )
  for name, member_C in stored.sets().items():
    assert member_C[drawn.class_P[drawn.sets[name]]].all()
  table = found.facts['matching']['support']['standardized_mean_differences']
  for pair, by_name in matched['standardized_mean_differences'].items():
    for name, value in by_name.items():
      assert table[pair][name] == pytest.approx(value, rel=1e-4, abs=1e-9)


def test_an_older_atlas_tells_the_correlation_of_the_manifest(
  tier, stored, tmp_path
):
  facts = json.loads((tier / 'atlas.json').read_text())
  facts['spaces']['numbers']['spaces']['syntactic'][
    'rank_correlation_of_drawn'
  ] = 0.9
  (tmp_path / 'atlas.json').write_text(json.dumps(facts))
  found = atlas_record.read(tmp_path / 'atlas.json')
  assert (
    found.maps.numbers['spaces']['syntactic']['rank_correlation_of_drawn']
    == stored.spaces.manifest['syntactic_rank_correlation_2d']
  )


def test_the_page_draws_the_atlas_and_names_its_programs(tier, stored):
  study = simulated.load(tier)  # the atlas is no record
  drawn = atlas_view.spaces(study)
  texts = drawn.numbers['programs']
  drawn.figure.canvas.draw()  # lays it out
  found = hover.marks(drawn.figure, texts)
  assert len(found) == sum(map(len, texts.values())) == 4000
  # The program of a mark is that of the point below it.
  mark = found[-1]
  axis = drawn.figure.axes[1]
  (x, y) = (
    (axis.transData - drawn.figure.transFigure)
    .inverted()
    .transform((mark.x, 1 - mark.y))
  )
  number = next(
    c for c in range(len(stored.universe.node_C)) if stored.text(c) == mark.text
  )
  near = stored.spaces.semantic_CxD[number, :2]
  np.testing.assert_allclose((x, y), near, atol=0.02)
  assert 'the command' in drawn.caption
  for draw in (atlas_view.redundancy, atlas_view.leakage, atlas_view.matching):
    assert draw(study).figure.axes
  text = atlas_view.matched(study)
  assert text.count('<tr>') == 6  # five pairs
  # Neither was audited: the page says how it would be.
  assert 'synth.universe --audit' in atlas_view.identity(study)
  assert 'synth.spaces --audit' in atlas_view.metric(study)


def test_audits_are_shown_as_they_were_noted(tier, tmp_path):
  facts = json.loads((tier / 'atlas.json').read_text())
  facts['identity']['audit'] = {
    'policy': 'field', 'brute_force_size': 7, 'brute_force_disagreements': 0,
    'classes': 900, 'alternatives': 4000, 'unequal_alternatives': 0,
    'equal_classes': 9, 'merged_pairs': 500, 'merged_pairs_unequal': 0,
    'unmerged_pairs': 500, 'unmerged_pairs_equal': 1, 'congruent_classes': None,
    'passed': False,
  }  # fmt: skip
  facts['metric']['edit_distance'] = {
    'library': 'apted', 'pairs': 2000, 'rank_correlation': 0.325,
    'rank_correlation_absolute': 0.4,
  }  # fmt: skip
  (tmp_path / 'cpu').mkdir()
  record = next(tier.glob('support/*.json'))
  (tmp_path / 'cpu' / 'r.json').write_text(record.read_text())
  (tmp_path / 'cpu' / 'atlas.json').write_text(json.dumps(facts))
  study = simulated.load(tmp_path / 'cpu')
  text = atlas_view.identity(study)
  assert 'FAILS' in text and '9 of 900 (1.00%)' in text
  # None of 500 pairs: 0.025 = (1 - p)^500.
  assert '0 of 500 (at most 0.0074)' in text
  # Alternatives are all there are: no sample, so no bound.
  assert '<td>0 of 4,000</td>' in text and text.count('(at most') == 1
  assert '2,000 pairs' in atlas_view.metric(study)
  right = dict(facts['sha256']['splits'])
  facts['sha256']['splits'] = {**right, 'order': 'of no record here'}
  (tmp_path / 'cpu' / 'atlas.json').write_text(json.dumps(facts))
  assert 'FAILS' in atlas_view.identity(simulated.load(tmp_path / 'cpu'))
  facts['sha256']['splits'] = {**right, 'support': 'another'}
  (tmp_path / 'cpu' / 'atlas.json').write_text(json.dumps(facts))
  with pytest.raises(errors.InputError, match='another split of support'):
    atlas_view.matched(simulated.load(tmp_path / 'cpu'))
  facts['sha256']['splits'] = right
  facts['sha256']['universe'] = 'another'
  (tmp_path / 'cpu' / 'atlas.json').write_text(json.dumps(facts))
  with pytest.raises(errors.InputError, match='another universe'):
    atlas_view.matched(simulated.load(tmp_path / 'cpu'))


def test_data_without_an_atlas_say_how_to_record_it(data, tmp_path):
  simulated.write(
    tmp_path / 'cpu', 'support', 'train_s', {'novel': 0.4},
    np.random.default_rng(0), seeds=2, items=9,
  )  # fmt: skip
  study = simulated.load(tmp_path / 'cpu')
  with pytest.raises(cells.NotMeasured, match=r'analysis\.atlas --data=DATA'):
    atlas_view.spaces(study)
  assert 'analysis.atlas' in atlas_view.identity(study)
  with pytest.raises(errors.InputError, match='no record below'):
    atlas_record.write(data, tmp_path / 'cpu', 0, '')
