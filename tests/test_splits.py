"""Splits, their certificates, and doctored splits that must be caught.

Oracles: all programs to size 7 with the reference semantics, the worked value
of the CFQ paper, and stored splits whose file hashes are right but whose claims
are false.
"""

import collections
import dataclasses
import fractions
import itertools
import json
import shutil

import numpy as np
import pytest

from configs import density as density_config
from configs import support as support_config
from synth import errors
from synth import inputs as inputs_lib
from synth import store
from synth.language import grammar as grammar_lib
from synth.language import multiprecision
from synth.language import program as program_lib
from synth.language import reference
from synth.spaces import blocks
from synth.spaces import space as space_lib
from synth.spaces import specification
from synth.spaces import syntactic
from synth.splits import __main__ as splits_main
from synth.splits import certificate
from synth.splits import context as context_lib
from synth.splits import divergence
from synth.splits import holdout as holdout_lib
from synth.splits import split as split_lib
from synth.splits import support
from synth.universe import build as build_lib
from synth.universe import executors
from synth.universe import policies
from synth.universe import universe as universe_lib
from tests import programs as programs_lib
from tests.conftest import GRAMMARS

_DIGITS = multiprecision.Multiprecision(40)
_DERIVED = ('format', 'kind', 'arrays', 'manifest_sha256')


def _config(recipe=support_config, **overrides):
  """A recipe at the size of the tests; overrides are `split__seed=1`."""
  config = recipe.get_config('tiny')
  config.universe.max_size = 5
  config.split.num_test, config.split.num_dev = 4, 6
  if recipe is density_config:
    config.split.num_arm = 100
  for name, value in overrides.items():
    part, key = name.split('__')
    config[part][key] = value
  return config


def _build(directory, recipe=support_config, **overrides):
  return inputs_lib.load_or_build(_config(recipe, **overrides), directory)


@pytest.fixture(scope='module')
def real(tmp_path_factory):
  """A directory with a universe and an honest support split, and its inputs."""
  directory = tmp_path_factory.mktemp('support')
  return directory, _build(directory)


@pytest.fixture(scope='module')
def real_density(tmp_path_factory):
  """The same for a density split."""
  directory = tmp_path_factory.mktemp('density')
  return directory, _build(directory, density_config)


@pytest.fixture(scope='module')
def holdout7(universe7, tmp_path_factory):
  """The edge sub > div held out of the universe to size 7, certified to 9."""
  return holdout_lib.load_or_build(
    tmp_path_factory.mktemp('holdout') / 'restricted',
    universe7,
    'sub > div',
    2,
  )


@pytest.fixture(scope='module')
def brute(arithmetic, universe7):
  """Class -> {size: [program has the edge]} from all programs to size 7."""

  function = reference.RationalFunctions(arithmetic.variables)
  table = collections.defaultdict(lambda: collections.defaultdict(list))
  for program in programs_lib.all_programs(arithmetic, 7):
    value = function(program)
    if value is not reference.Undefined.ZERO_FUNCTION:
      table[value][program.size].append(programs_lib.has_sub_div(program))
  classes = {
    function(universe7.vocabulary.decode(tok_L)): number
    for number, tok_L in enumerate(universe7.representative_CxL)
  }
  assert classes.keys() == table.keys()
  return {classes[value]: sizes for value, sizes in table.items()}


# Forced novelty.


def test_a_class_is_novel_iff_every_minimal_program_has_the_edge(
  holdout7, brute
):
  wanted = [all(brute[c][min(brute[c])]) for c in range(len(brute))]
  assert holdout7.novel_C.tolist() == wanted
  assert holdout7.forced_C(0).tolist() == wanted
  assert 0 < sum(wanted) < len(wanted)


@pytest.mark.parametrize(
  'text, edges, lost',
  [
    ('s ::= e + e | e * e\ne ::= x | y | 1 | e + e | e * e', 'any > y', 'y'),
    ('e ::= x | 1 | e + e | e * e | min(x, e)', 'min > x', 'min'),
  ],
  ids=['variable', 'operator'],
)
def test_programs_without_the_edges_may_lack_a_symbol(
  tmp_path, text, edges, lost
):
  universe = build_lib.build(
    tmp_path / 'universe', grammar_lib.parse(text), 5, 0
  )
  holdout = holdout_lib.load_or_build(
    tmp_path / 'restricted', universe, edges, 0
  )
  assert lost not in holdout.restricted.grammar.symbols
  wanted = [
    all(lost in program_lib.preorder(p) for p in universe.minimal_programs(n))
    for n in universe.node_C
  ]
  assert holdout.novel_C.tolist() == wanted
  assert 0 < sum(wanted) < len(wanted)


@pytest.mark.parametrize(
  'text, edges',
  [
    ('e ::= x | e + t | e * e\nt ::= 1 | 2 | t - e', 'any > 1'),
    ('e ::= x | e + t | e * e\nt ::= 1 | 2 | t - e', 'add > sub, any > 1'),
    ('e ::= x | 2 | 3 | e + e | e * t\nt ::= neg(u) | x\nu ::= 1', 'mul > neg'),
  ],
  ids=['symbol', 'symbols', 'nonterminal'],
)
def test_programs_without_the_edges_are_of_their_class(tmp_path, text, edges):
  """Edges without which some symbols, and so their tokens, are not there."""
  universe = build_lib.build(
    tmp_path / 'universe', grammar_lib.parse(text), 5, 0
  )
  holdout = holdout_lib.load_or_build(
    tmp_path / 'restricted', universe, edges, 0
  )
  assert holdout.restricted.grammar.symbols != universe.grammar.symbols
  (free,) = np.nonzero(~holdout.needed_C)
  assert len(free) > 5
  tok_PxL = holdout.sample_programs(free, np.random.default_rng(0))
  assert not holdout.has(tok_PxL).any()
  for number, tok_L in zip(free, tok_PxL, strict=True):
    assert universe.class_of(universe.vocabulary.decode(tok_L)) == number


def test_an_edge_is_avoidable_iff_only_some_minimal_programs_have_it(
  holdout7, brute, universe7
):
  avoidable = holdout_lib.Holdout(
    universe7, holdout7.restricted, 'sub > div', holdout_lib.AVOIDABLE
  )
  minimal = [brute[c][min(brute[c])] for c in range(len(brute))]
  wanted = [any(has) and not all(has) for has in minimal]
  assert avoidable.novel_C.tolist() == wanted
  assert 0 < sum(wanted) < len(wanted)
  # What must have the edge is in no set; the rest is shown without it.
  assert avoidable.buffer_C.tolist() == [all(has) for has in minimal]
  classes = np.repeat(np.arange(len(wanted)), 8)
  tok_PxL = avoidable.sample_programs(classes, np.random.default_rng(0))
  shown = np.zeros(len(wanted), int)
  np.add.at(shown, classes, avoidable.has(tok_PxL))
  assert 0 < shown[wanted].mean() < 8
  assert (shown[avoidable.buffer_C] == 8).all()
  assert not shown[~(avoidable.novel_C | avoidable.buffer_C)].any()


def test_a_class_is_forced_iff_all_programs_within_the_budget_have_the_edge(
  holdout7, brute, universe7
):
  # Brute force reaches size 7, so +2 can be checked for classes of size <= 5.
  small = np.flatnonzero(universe7.size_C <= 5)
  wanted = [
    all(all(brute[c].get(k, [])) for k in range(1, min(brute[c]) + 3))
    for c in small
  ]
  assert holdout7.forced_C(2)[small].tolist() == wanted
  # Forced at a larger budget implies forced at a smaller one.
  assert not np.any(holdout7.forced_C(2) & ~holdout7.forced_C(0))
  assert np.any(holdout7.forced_C(0) & ~holdout7.forced_C(2))


def test_the_smallest_program_without_the_edge_has_the_size_brute_force_finds(
  holdout7, brute
):
  free_C = holdout7.free_size_C
  for number, sizes in brute.items():
    free = [size for size, edges in sizes.items() if not all(edges)]
    if free:
      assert free_C[number] == min(free)
    else:  # none to size 7: none at all, or one beyond brute force
      assert free_C[number] == 0 or free_C[number] > 7


def test_a_budget_beyond_the_restricted_universe_is_refused(holdout7):
  with pytest.raises(ValueError, match=r'\+2, not \+4'):
    holdout7.forced_C(4)


def test_a_universe_of_classes_without_the_edge_gives_programs_without_it(
  holdout7, universe7
):
  rng = np.random.default_rng(0)
  classes = np.repeat(np.arange(len(universe7.node_C)), 3)
  tok_PxL = holdout7.sample_programs(classes, rng)
  edge_P = holdout7.has(tok_PxL)
  assert edge_P.tolist() == holdout7.novel_C[classes].tolist()
  # Every one of them is a minimal program of its class.
  size_P = (tok_PxL != 0).sum(axis=1)
  assert size_P.tolist() == universe7.size_C[classes].tolist()
  function = reference.RationalFunctions(('x',))
  decode = universe7.vocabulary.decode
  for row in range(0, len(classes), 13):
    representative = universe7.representative_CxL[classes[row]]
    assert function(decode(tok_PxL[row])) == function(decode(representative))


# Support split S3.


def test_arms_tests_and_dev_are_disjoint(real):
  split = real[1].split
  tests = [*split.tests.values(), split.dev]
  together = np.concatenate(tests)
  assert len(np.unique(together)) == len(together)
  for classes in split.arms.values():
    assert len(np.unique(classes)) == len(classes)
    assert not np.isin(classes, together).any()


def test_sets_have_the_sizes_asked_for(real):
  split = real[1].split
  assert {name: len(c) for name, c in split.tests.items()} == {
    'control': 4,
    'novel': 4,
  }
  assert len(split.dev) == 6
  assert len(split.arms['train_s']) == len(split.arms['train_c']) > 200


def test_no_training_program_of_train_s_ever_has_the_edge(real):
  inputs = real[1]
  classes = np.repeat(inputs.split.arms['train_s'], 50)
  uniform = np.random.default_rng(1).random((len(classes), 5))
  tok_PxL = inputs.programs_at(classes, uniform)
  assert not inputs.holdout.has(tok_PxL).any()


def test_every_program_of_the_novel_test_has_the_edge(real):
  inputs = real[1]
  classes = np.repeat(inputs.split.tests['novel'], 200)
  tok_PxL = inputs.universe.sample_programs(
    inputs.universe.node_C[classes], np.random.default_rng(2)
  )
  assert inputs.holdout.has(tok_PxL).all()


def test_train_c_swaps_at_most_a_fifth_and_only_for_novel_classes(real):
  inputs = real[1]
  without, with_ = (inputs.split.arms[a] for a in ('train_s', 'train_c'))
  swapped_in = np.setdiff1d(with_, without)
  swapped_out = np.setdiff1d(without, with_)
  stated = inputs.split.facts['measurements']['swapped_classes']
  assert len(swapped_in) == len(swapped_out) == stated
  assert 0 < len(swapped_in) <= 0.2 * len(without)
  assert inputs.holdout.novel_C[swapped_in].all()
  assert not inputs.holdout.novel_C[without].any()


def test_at_most_a_fifth_is_swapped_when_pairs_abound(real):
  holdout = real[1].holdout
  novel_C = holdout.novel_C
  # Few classes without the edge: the cap binds, not the number of pairs.
  rng = np.random.default_rng(0)
  usable_C = novel_C | (rng.random(len(novel_C)) < 0.4)
  context = dataclasses.replace(
    real[1].context,
    usable_C=usable_C,
    settings={**real[1].context.settings, 'num_test': 1, 'num_dev': 1},
  )
  region = support.of_edges(context)
  split = support.make(context, region)
  without, with_ = (split.arms[a] for a in ('train_s', 'train_c'))
  pairs = support.match(region.cell_C, novel_C, usable_C, rng)
  assert len(pairs) - 1 > 0.2 * len(without)
  assert len(np.setdiff1d(with_, without)) == int(0.2 * len(without))


def test_matched_sets_have_equal_histograms_of_symbols(real):
  inputs = real[1]
  split = inputs.split
  cell_C = support.of_edges(inputs.context).cell_C
  tok_CxL = inputs.context.tok_CxL

  def histograms(classes):
    return collections.Counter(
      tuple(np.bincount(tok_L, minlength=20)) for tok_L in tok_CxL[classes]
    )

  arms, tests = split.arms, split.tests
  assert histograms(arms['train_s']) == histograms(arms['train_c'])
  assert histograms(tests['control']) == histograms(tests['novel'])
  # The number of a cell and its histogram say the same.
  cell_of = {tuple(np.bincount(t, minlength=20)) for t in tok_CxL}
  assert len(cell_of) == len(np.unique(cell_C))


def test_cells_may_be_of_equal_numbers_of_minimal_programs_too(real):
  inputs = real[1]
  universe, settings = inputs.universe, inputs.context.settings
  number_C = universe.count_N[universe.node_C].astype(float)
  context = dataclasses.replace(
    inputs.context, settings={**settings, 'match': 'symbols,multiplicity'}
  )
  coarse_C = support.of_edges(inputs.context).cell_C
  fine_C = support.of_edges(context).cell_C

  def spread(cell_C):
    return max(
      number_C[cell_C == cell].max() / number_C[cell_C == cell].min()
      for cell in range(cell_C.max() + 1)
    )

  assert spread(fine_C) < 2**0.5 < spread(coarse_C)
  for cell in range(fine_C.max() + 1):  # and of equal symbols as before
    assert len(set(coarse_C[fine_C == cell].tolist())) == 1


def test_matching_pairs_within_cells_and_uses_no_class_twice():
  rng = np.random.default_rng(0)
  cell_C = rng.integers(0, 20, 500)
  novel_C, usable_C = rng.random(500) < 0.3, rng.random(500) < 0.9
  pair_Px2 = support.match(cell_C, novel_C, usable_C, rng)
  assert len(np.unique(pair_Px2)) == pair_Px2.size
  assert (cell_C[pair_Px2[:, 0]] == cell_C[pair_Px2[:, 1]]).all()
  assert novel_C[pair_Px2[:, 0]].all() and not novel_C[pair_Px2[:, 1]].any()
  assert usable_C[pair_Px2].all()
  number = sum(
    min(
      (usable_C & novel_C & (cell_C == cell)).sum(),
      (usable_C & ~novel_C & (cell_C == cell)).sum(),
    )
    for cell in range(20)
  )
  assert len(pair_Px2) == number


def test_ambiguous_and_undefined_specifications_are_not_usable():
  value = np.array(
    [[1.0, 2.0], [1.0, 2.0], [0.0, 1.0], [-0.0, 1.0], [3, 4], [5, 6]]
  )
  ok = np.ones_like(value, bool)
  ok[4, 1] = False
  assert specification.usable(value, ok).tolist() == [False] * 5 + [True]
  # Equal at the precision that the model sees.
  close = np.array([[1.0], [1.0 + 1e-12], [1.1]])
  assert specification.usable(close, np.ones((3, 1), bool)).tolist() == [
    False,
    False,
    True,
  ]


@pytest.mark.parametrize(
  'recipe',
  [support_config, pytest.param(density_config, marks=pytest.mark.slow)],
)
def test_the_seed_alone_decides_the_split(recipe, tmp_path):
  first = _build(tmp_path / 'a', recipe)
  again = _build(tmp_path / 'b', recipe)
  other = _build(tmp_path / 'c', recipe, split__seed=1)
  assert first.sha256 == again.sha256
  assert first.sha256['split'] != other.sha256['split']
  assert first.sha256['universe'] == other.sha256['universe']
  mine, others = first.split.all_sets(), other.split.all_sets()
  assert any(not np.array_equal(mine[name], others[name]) for name in mine)


@pytest.mark.slow
def test_processes_and_threads_do_not_decide_the_split(tmp_path, monkeypatch):
  hashes = []
  for workers in (1, 8):
    data = tmp_path / str(workers)
    build_lib.load_or_build(
      data / 'universe',
      grammar_lib.load(GRAMMARS / 'arithmetic.bnf'),
      7,
      0,
      f'processes:{workers}',
    )
    monkeypatch.setattr(executors, 'cores', lambda n=workers: n)
    # Blocks so small that there are more of them than threads.
    monkeypatch.setattr(blocks, 'ROWS', 100)
    hashes.append(
      [
        _build(data, recipe, universe__max_size=7).sha256
        for recipe in (support_config, density_config)
      ]
    )
  assert hashes[0] == hashes[1]


# Density split.


def test_the_density_split_takes_usable_classes(real_density):
  inputs = real_density[1]
  split = inputs.split
  usable_C = specification.usable(inputs.spaces.value_CxE, inputs.spaces.ok_CxE)
  for classes in split.all_sets().values():
    assert usable_C[classes].all()
  assert {len(arm) for arm in split.arms.values()} == {100}
  assert {len(test) for test in split.tests.values()} == {4}
  assert len(split.dev) == 6
  assert all(split.facts['checks'].values())


# Doctored splits.


def _doctor(directory, target, change):
  """Copies a split to `target` with right hashes; `change` edits it."""
  shutil.copytree(directory / 'universe', target / 'universe')
  (original,) = split_lib.stored(directory)
  _, stored = store.read(original, split_lib.KIND)
  arrays = {name: np.array(array) for name, array in stored.items()}
  split = split_lib.load(original)
  facts = json.loads(
    json.dumps({k: v for k, v in split.facts.items() if k not in _DERIVED})
  )
  change(arrays, facts)
  copy = target / 'splits' / original.name
  store.write(copy, split_lib.KIND, arrays, facts)
  return copy / store.MANIFEST


def _refusal(manifest):
  """The one line with which `verify` refuses."""
  with pytest.raises(errors.InputError) as caught:
    splits_main.verify(manifest)
  message = str(caught.value)
  assert message and '\n' not in message
  assert str(manifest.parent) in message
  return message


def test_the_negative_control_is_certified(real, tmp_path):
  directory, _ = real
  for part in ('universe', 'spaces'):
    shutil.copytree(directory / part, tmp_path / part)
  inputs = _build(
    tmp_path,
    split__kind='avoidable',
    split__edges='add > sub',
    split__min_distance=0.1,
    split__num_test=2,
  )
  checks = inputs.split.facts['checks']
  assert all(checks.values())
  assert checks['novel_classes_have_the_edge_and_need_not']
  (result,) = splits_main.verify_all(tmp_path)['splits']
  assert result['checks'] == checks


def test_programs_of_other_classes_than_drawn_are_caught(tmp_path, monkeypatch):
  grammar = tmp_path / 'lacks_symbols.bnf'
  grammar.write_text(
    'e ::= x | 2 | 3 | e + e | e - e | e / e | e * t\n'
    't ::= u + u | x | 2\nu ::= 1\n'
  )
  settings = {
    'universe__grammar': str(grammar),
    'split__edges': 'sub > div, mul > add',  # and so 1 is lost
  }
  inputs = _build(tmp_path / 'right', **settings)
  (manifest,) = (tmp_path / 'right').glob('splits/*/manifest.json')
  notes = json.loads(manifest.read_text())['notes']
  assert notes == {'certificate': {'drawn_programs_are_of_their_class': True}}
  assert store.content_hash(inputs.split.facts) == inputs.sha256['split']
  # As if it numbered its symbols itself.
  monkeypatch.setattr(
    universe_lib.Universe, 'written_in', lambda universe, _: universe
  )
  failed = pytest.raises(
    certificate.CertificateError, match=str(*notes['certificate'])
  )
  with failed:
    _build(tmp_path / 'wrong', **settings)
  assert not list((tmp_path / 'wrong').glob('splits/*'))
  with monkeypatch.context() as patched:
    patched.setattr(certificate, 'certify_programs', lambda *_: {})
    _build(tmp_path / 'wrong', **settings)
  with failed:
    splits_main.verify_all(tmp_path / 'wrong')


@pytest.mark.parametrize('fixture', ['real', 'real_density'])
def test_an_untouched_split_verifies(fixture, request, tmp_path):
  directory, inputs = request.getfixturevalue(fixture)
  (stored,) = split_lib.stored(directory)
  (result,) = splits_main.verify_all(directory)['splits']
  assert result['manifest'] == str(stored / store.MANIFEST)
  assert result['sha256'] == inputs.sha256['split']
  assert all(result['checks'].values())
  assert result['classes'] == {
    name: len(classes) for name, classes in inputs.split.all_sets().items()
  }
  json.dumps(result)
  # A copy that changes nothing verifies too: `_doctor` breaks nothing itself.
  copy = _doctor(directory, tmp_path, lambda arrays, facts: None)
  assert splits_main.verify(copy)['sha256'] == inputs.sha256['split']


@pytest.mark.parametrize('damage', ['emptied', 'of_other_programs'])
def test_the_stored_universe_without_the_edge_is_verified(
  real, tmp_path, damage
):
  directory = tmp_path / 'data'
  shutil.copytree(real[0], directory)
  (place,) = (directory / 'restricted').iterdir()
  if damage == 'emptied':
    (place / store.MANIFEST).write_text('{}')
    error = 'is no universe'
  else:
    shutil.rmtree(place)
    shutil.copytree(directory / 'universe', place)
    error = 'is not what its settings make'
  with pytest.raises(errors.InputError, match=error):
    splits_main.verify_all(directory)
  shutil.rmtree(place)  # it is made again when it is needed
  assert splits_main.verify_all(directory)['splits']


def _consistent(inputs, facts, arrays):
  """Makes the class hashes agree with the arrays, as a forger would."""
  facts['class_sha256'] = {
    name: split_lib.class_hash(inputs.universe, classes)
    for name, classes in arrays.items()
    if not name.startswith('distance_')
  }


def _leak_a_test_class(inputs, arrays):
  arrays['arm_train_s'] = np.union1d(
    arrays['arm_train_s'], arrays['test_control'][:1]
  )


def _leak_a_dev_class(inputs, arrays):
  arrays['arm_train_c'] = np.union1d(arrays['arm_train_c'], arrays['dev'][:1])


def _train_s_gets_a_novel_class(inputs, arrays):
  novel = np.setdiff1d(arrays['arm_train_c'], arrays['arm_train_s'])[:1]
  arrays['arm_train_s'] = np.union1d(arrays['arm_train_s'], novel)


def _the_control_test_gets_a_novel_class(inputs, arrays):
  # One that neither arm has: nothing leaks, only the claim is false.
  used = np.concatenate([a for a in arrays.values() if a.ndim == 1])
  novel = np.setdiff1d(np.flatnonzero(inputs.holdout.novel_C), used)[:1]
  arrays['test_control'] = np.union1d(arrays['test_control'][1:], novel)


def _the_novel_test_gets_a_control(inputs, arrays):
  control = arrays['test_control']
  arrays['test_novel'] = np.union1d(arrays['test_novel'], control[:1])
  arrays['test_control'] = control[1:]


def _a_control_is_missing(inputs, arrays):
  arrays['test_control'] = arrays['test_control'][1:]


def _an_arm_lacks_a_class(inputs, arrays):
  arrays['arm_train_s'] = arrays['arm_train_s'][1:]


def _a_class_counts_twice(inputs, arrays):
  arrays['test_novel'] = np.repeat(arrays['test_novel'], 2)


def _one_class_is_in_two_tests(inputs, arrays):
  arrays['dev'] = np.union1d(arrays['dev'], arrays['test_control'][:1])


def _a_number_is_negative(inputs, arrays):
  arrays['dev'] = np.concatenate([[-1], arrays['dev']])


@pytest.mark.parametrize(
  'change, check',
  [
    (_leak_a_test_class, 'L1_classes_disjoint'),
    (_leak_a_dev_class, 'L1_classes_disjoint'),
    (_one_class_is_in_two_tests, 'L1_classes_disjoint'),
    (_train_s_gets_a_novel_class, 'L5_no_training_program_has_the_edge'),
    (
      _the_control_test_gets_a_novel_class,
      'nothing_else_is_in_or_near_it',
    ),
    (
      _the_novel_test_gets_a_control,
      'every_minimal_program_of_a_novel_class_has_the_edge',
    ),
    (_a_control_is_missing, 'test_sets_have_equal_cells'),
    (_an_arm_lacks_a_class, 'arms_have_equal_cells'),
    (_a_class_counts_twice, 'class_numbers_valid'),
  ],
)
def test_doctored_classes_are_caught(real, tmp_path, change, check):
  directory, inputs = real

  def doctor(arrays, facts):
    change(inputs, arrays)
    _consistent(inputs, facts, arrays)

  assert check in _refusal(_doctor(directory, tmp_path, doctor))


def test_a_negative_class_number_is_caught(real, tmp_path):
  manifest = _doctor(
    real[0], tmp_path, lambda a, _: _a_number_is_negative(real[1], a)
  )
  assert 'class_numbers_valid' in _refusal(manifest)


@pytest.mark.parametrize(
  'part, key, value, error',
  [
    ('settings', 'seed', -1, 'split.seed=-1 must be at least 0'),
    ('settings', 'num_test', 'a', "split.num_test='a' must be an integer"),
    ('spaces', 'p', None, 'spaces.p=None must be an integer'),
    ('spaces', 'z', 1, 'nothing reads spaces.z'),
  ],
)
def test_settings_that_no_config_has_are_caught(
  real, tmp_path, part, key, value, error
):
  def doctor(arrays, facts):
    del arrays
    facts[part] = {**facts[part], key: value}

  assert error in _refusal(_doctor(real[0], tmp_path, doctor))


@pytest.mark.parametrize('name', ['dev', 'arm_train_c', 'distance_train_c'])
@pytest.mark.parametrize('shape', [(), (1, 1, 1)])
def test_arrays_of_another_shape_are_caught(real, tmp_path, name, shape):
  def doctor(arrays, facts):
    del facts
    arrays[name] = np.full(shape, arrays[name].flat[0])

  error = f'{name} has the shape {shape}'
  assert error in _refusal(_doctor(real[0], tmp_path, doctor))


@pytest.mark.parametrize('left', [0, 1])
def test_arms_without_neighbours_are_refused(real, left):
  directory, inputs = real
  spare = len(inputs.split.arms['train_s']) + len(inputs.split.dev)
  config = _config(split__num_dev=spare - left)
  with pytest.raises(errors.InputError, match=f'would have {left} of the'):
    inputs_lib.load_or_build(config, directory)


def test_a_leak_into_a_density_arm_is_caught(real_density, tmp_path):
  directory, inputs = real_density

  def leak(arrays, facts):
    arrays['arm_uniform'] = np.union1d(
      arrays['arm_uniform'], arrays['test_uniform'][-1:]
    )
    _consistent(inputs, facts, arrays)

  assert 'L1_classes_disjoint' in _refusal(_doctor(directory, tmp_path, leak))


def test_functions_that_differ_between_fresh_points_are_two(
  tmp_path, monkeypatch
):
  # `max(9, 1 / x)` is `9` but for 0 < x < 1/9, where the audit has one point
  # or none.
  path = tmp_path / 'own.bnf'
  path.write_text('e ::= x | 1 | 9 | e / e | max(e, e)')
  universe = build_lib.build(
    tmp_path / 'universe', grammar_lib.load(path), 5, 0
  )
  settings = {'p': 2, 'q': 3, 'trees': 'ordered', 'syntactic_dimensions': 4}
  spaces = space_lib.load_or_build(
    tmp_path / 'spaces', universe, grid=[5, 200], **settings
  )
  one, other = np.array([
    universe.class_of(program_lib.parse(text))
    for text in ('9', 'max(9, 1 / x)')
  ])  # fmt: skip
  split = split_lib.Split({'arm': np.array([one])}, {}, np.array([other]))

  def alike(seed):
    policy = policies.draw(universe.grammar, seed, certificate._AUDIT_ATTEMPT)
    word_NxW = np.stack(policy.pack(universe.values_under(policy)), axis=1)
    a, b = word_NxW[universe.node_C[[one, other]]]
    return np.array_equal(a, b)

  found = [alike(seed) for seed in range(6)]
  assert 0 < sum(found) < len(found)
  for points, wanted in (([5, 200], True), ([200, 300], False)):
    with monkeypatch.context() as patch:
      patch.setitem(spaces.manifest, 'grid', points)
      for seed, is_alike in enumerate(found):
        context = context_lib.make(universe, spaces, {'seed': seed}, None)
        told_apart = certificate._disjoint(context, split)
        assert told_apart == (wanted or not is_alike)


def _renamed(program, names):
  if program.args:
    args = tuple(_renamed(arg, names) for arg in program.args)
    return program_lib.Node(program.symbol, args)
  return program_lib.Node(names.get(program.symbol, program.symbol))


@pytest.mark.parametrize(
  'text',
  [
    'e ::= x | y | 1 | e - e | e / e',
    'e ::= x | y | z | 1 | e - e | e / e',
    # Not every renamed function has a program.
    's ::= e - e | b / e\nb ::= y | 1 | e / e\ne ::= x | y | 1 | e - e',
  ],
  ids=['two', 'three', 'unequal'],
)
def test_renamed_functions_of_training_are_those_of_brute_force(tmp_path, text):
  grammar = grammar_lib.parse(text)
  universe = build_lib.build(tmp_path / 'universe', grammar, 5, 0)
  function = reference.RationalFunctions(grammar.variables)
  program_C = list(map(universe.vocabulary.decode, universe.representative_CxL))
  rng = np.random.default_rng(0)
  tests, dev, *arms = np.split(rng.permutation(len(program_C)), [20, 40, 70])
  context = context_lib.Context(universe, None, None, {}, None)
  found = certificate._renamed(
    context,
    split_lib.Split(dict(zip('ab', arms, strict=True)), {'test': tests}, dev),
  )
  others = list(itertools.permutations(grammar.variables))[1:]
  shares = []
  for name, train in zip('ab', arms, strict=True):
    trained = {function(program_C[c]) for c in train}
    for part, classes in (('test', tests), ('dev', dev)):
      wanted = [
        any(
          function(
            _renamed(
              program_C[c], dict(zip(grammar.variables, other, strict=True))
            )
          )
          in trained
          for other in others
        )
        for c in classes
      ]
      assert found[name][part] == np.mean(wanted)
      shares.append(np.mean(wanted))
  assert 0 < np.mean(shares) < 1


@pytest.mark.parametrize(
  # `log(exp(1 / y))` is `1 / y` or not by the points of y.
  'name, size, lost',
  [('conditional', 5, 0), ('scientific', 4, 1)],
)
def test_renaming_twice_gives_every_class_back(tmp_path, name, size, lost):
  text = (GRAMMARS / f'{name}.bnf').read_text()
  if name == 'conditional':  # it has one variable only
    text = text.replace('x | 1 | 2 | 3', 'x | y | 1')
  universe = build_lib.build(
    tmp_path / 'universe', grammar_lib.parse(text), size, 0
  )
  policy = universe.policy.renamed({'x': 'y', 'y': 'x'})
  key_C = np.zeros(len(universe.node_C), universe.key_C.dtype)
  values = universe.values_under(policy)
  key_C['key'], key_C['rest'] = policy.pack(
    tuple(column[universe.node_C] for column in values)
  )
  other_C = universe.find(key_C)  # these grammars know every function's other
  assert (other_C[other_C] != np.arange(len(other_C))).sum() == lost
  assert 0 < (other_C == np.arange(len(other_C))).mean() < 0.5
  assert policy.renamed({'x': 'y', 'y': 'x'}) == universe.policy


def test_a_density_arm_of_another_law_is_caught(real_density, tmp_path):
  directory, inputs = real_density

  def exchange(arrays, facts):
    arrays['arm_semantic'] = arrays['arm_uniform']
    _consistent(inputs, facts, arrays)

  message = _refusal(_doctor(directory, tmp_path, exchange))
  assert 'arm_semantic is not what its settings make' in message


def test_an_edited_distance_is_caught(real, tmp_path):
  def move(arrays, _):
    arrays['distance_train_s'][0, 3] += 0.01

  message = _refusal(_doctor(real[0], tmp_path, move))
  assert 'train_s is not what its settings make' in message


def test_a_density_arm_described_wrongly_is_caught(real_density, tmp_path):
  def boast(arrays, facts):
    facts['arms']['uniform']['grams_seen'] += 1

  message = _refusal(_doctor(real_density[0], tmp_path, boast))
  assert 'arms.uniform.grams_seen' in message


@pytest.mark.parametrize('name', ['arm_train_c', 'test_novel', 'dev'])
def test_an_ambiguous_class_anywhere_is_caught(real, name):
  # No two classes of so small a universe look the same: say that one does.
  inputs = real[1]
  usable_C = np.ones(len(inputs.universe.node_C), bool)

  changed = dataclasses.replace(inputs.context, usable_C=usable_C)

  def certified():
    return certificate.certify(changed, inputs.split)['checks']

  assert all(certified().values())
  usable_C[inputs.split.all_sets()[name][0]] = False
  failed = [check for check, holds in certified().items() if not holds]
  assert failed == ['L2_specifications_distinct']
  with pytest.raises(certificate.CertificateError, match='L2_spec'):
    certificate.require('here', certified())


@pytest.mark.parametrize('name', ['arm_train_s', 'test_novel', 'dev'])
def test_a_wrong_class_hash_is_caught(real, tmp_path, name):
  def change(_, facts):
    facts['class_sha256'][name] = '0' * 64

  manifest = _doctor(real[0], tmp_path, change)
  assert 'class_hashes_match' in _refusal(manifest)


def test_an_edited_byte_is_caught(real, tmp_path):
  manifest = _doctor(real[0], tmp_path, lambda arrays, facts: None)
  path = manifest.parent / 'test_novel.npy'
  content = bytearray(path.read_bytes())
  content[-8] ^= 1
  path.write_bytes(content)
  assert 'test_novel.npy was changed' in _refusal(manifest)


def test_another_universe_beside_the_split_is_caught(real, tmp_path):
  manifest = _doctor(real[0], tmp_path / 'data', lambda arrays, facts: None)
  _build(tmp_path / 'other', universe__seed=1)
  universe = manifest.parents[2] / 'universe'
  shutil.rmtree(universe)
  shutil.copytree(tmp_path / 'other' / 'universe', universe)
  assert 'universe_sha256' in _refusal(manifest)


def _fail_a_stored_check(facts):
  facts['checks']['L1_classes_disjoint'] = False


def _drop_a_stored_check(facts):
  del facts['checks']['L5_no_training_program_has_the_edge']


def _edit_a_measurement(facts):
  facts['measurements']['region_share_of_train_c'] += 0.01


def _edit_a_divergence(facts):
  facts['measurements']['compound_divergence']['train_s -> novel'] = 0.9


@pytest.mark.parametrize(
  'change, name',
  [
    (_fail_a_stored_check, 'checks'),
    (_drop_a_stored_check, 'checks'),
    (_edit_a_measurement, 'measurements'),
    (_edit_a_divergence, 'measurements'),
  ],
)
def test_edited_claims_are_caught(real, tmp_path, change, name):
  manifest = _doctor(real[0], tmp_path, lambda _, facts: change(facts))
  assert f'claims {name}.' in _refusal(manifest)


def test_claiming_another_edge_is_caught(real, tmp_path):
  def change(_, facts):
    facts['settings']['edges'] = 'sub > mul'

  manifest = _doctor(real[0], tmp_path, change)
  message = _refusal(manifest)
  assert 'every_minimal_program_of_a_novel_class_has_the_edge' in message


@pytest.mark.parametrize(
  'lost, named',
  [
    ('arm_train_c', 'arm_train_c'),
    ('dev', 'dev'),
    ('settings', 'settings.kind'),
    ('spaces', 'spaces'),
    ('distance_train_s', 'distance_train_s'),
  ],
)
def test_a_manifest_that_lacks_a_part_is_refused(real, tmp_path, lost, named):
  def change(arrays, facts):
    arrays.pop(lost, None)
    facts.pop(lost, None)

  message = _refusal(_doctor(real[0], tmp_path, change))
  assert named in message


@pytest.mark.parametrize('key', ['num_test', 'num_dev'])
def test_sizes_other_than_the_settings_say_are_caught(real, tmp_path, key):
  def change(_, facts):
    facts['settings'][key] = 999

  message = _refusal(_doctor(real[0], tmp_path, change))
  assert 'set_sizes_match_settings' in message


def test_only_a_manifest_can_be_verified(real):
  with pytest.raises(errors.InputError, match=r'dev\.npy is not a manifest'):
    splits_main.verify(split_lib.stored(real[0])[0] / 'dev.npy')
  with pytest.raises(errors.InputError, match='is no split'):
    splits_main.verify(real[0] / 'universe' / store.MANIFEST)
  with pytest.raises(errors.InputError, match='is no split'):
    splits_main.verify(real[0] / 'nowhere' / store.MANIFEST)


# Impossible settings.


@pytest.mark.parametrize(
  'recipe, overrides, named',
  [
    (support_config, {'split__num_test': 17}, 'num_test=17'),
    (support_config, {'split__num_dev': 5000}, 'num_dev=5000'),
    (support_config, {'split__num_test': 0}, 'split.num_test=0 must'),
    (support_config, {'split__edges': 'sup > div'}, "'sup'"),
    (support_config, {'split__match': 'none'}, "split.match 'none'"),
    (support_config, {'split__min_distance': 0.99}, 'min_distance=0.99'),
    (support_config, {'split__kind': 'suport'}, "did you mean 'support'"),
    (support_config, {'universe__max_size': 3}, 'only 0 classes'),
    (support_config, {'universe__max_size': 0}, 'universe.max_size=0 must'),
    (density_config, {'split__num_test': 500}, 'num_test=500, num_dev=6'),
    (density_config, {'split__num_dev': -1}, 'split.num_dev=-1 must'),
    (density_config, {'universe__max_size': 1}, 'the universe has 4 that'),
    (density_config, {'spaces__grid': [97]}, 'grid numerator 97'),
  ],
)
def test_impossible_settings_are_refused_in_one_sentence(
  tmp_path, recipe, overrides, named
):
  with pytest.raises(errors.InputError) as caught:
    _build(tmp_path, recipe, **overrides)
  message = str(caught.value)
  assert named in message and '\n' not in message
  assert not split_lib.stored(tmp_path)


def test_a_directory_of_other_settings_is_refused(real):
  directory, _ = real
  for overrides, named in (
    ({'universe__seed': 5}, 'seed'),
    ({'spaces__q': 2}, 'q'),
  ):
    with pytest.raises(errors.InputError, match=f'with {named}='):
      _build(directory, **overrides)


# Divergence.


def test_divergence_has_the_worked_value_of_the_cfq_paper():
  # Training: jump twice, walk twice, jump thrice, look and, and walk.
  # Test: walk thrice, walk and, and jump, jump and, and walk. One is shared.
  train = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0])
  test = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
  found = divergence.chernoff(train, test, 0.1)
  assert found == pytest.approx(1 - 0.2**0.1 * 0.2**0.9, abs=1e-12)
  assert found == pytest.approx(0.8, abs=1e-12)


def test_divergence_is_zero_of_equal_and_one_of_disjoint_distributions():
  p = np.array([3.0, 1.0, 4.0])
  for alpha in (0.1, 0.5):
    assert divergence.chernoff(p, 10 * p, alpha) == pytest.approx(0, abs=1e-12)
    assert divergence.chernoff(
      np.array([1, 0]), np.array([0, 1]), alpha
    ) == pytest.approx(1)


def test_compound_divergence_weighs_test_not_training():
  # With alpha 0.1 a rare training compound counts almost as a common one.
  train, test = np.array([99.0, 1.0]), np.array([1.0, 99.0])
  weighed = 1 - (0.99**0.1 * 0.01**0.9 + 0.01**0.1 * 0.99**0.9)
  assert divergence.chernoff(train, test, 0.1) == pytest.approx(weighed)
  missing = np.array([100.0, 0.0])
  assert divergence.chernoff(missing, test, 0.1) > 0.9
  assert divergence.chernoff(train, test, 0.1) < 0.5


def test_divergence_of_programs_is_that_of_their_grams_and_symbols(universe7):
  tok_CxL = universe7.representative_CxL
  profiles = syntactic.profile(tok_CxL, universe7.vocabulary)
  train, test = np.arange(0, 200), np.arange(100, 900, 3)

  def by_hand(p, q, alpha):
    p, q = p / p.sum(), q / q.sum()
    return 1 - sum(
      a**alpha * b ** (1 - alpha) for a, b in zip(p, q, strict=True)
    )

  gram_CxG = profiles.count_PxG.toarray().astype(float)
  assert divergence.compounds(
    profiles.take(train), profiles.take(test)
  ) == pytest.approx(
    by_hand(gram_CxG[train].sum(axis=0), gram_CxG[test].sum(axis=0), 0.1)
  )
  symbols = [
    np.bincount(tok_CxL[rows].ravel(), minlength=11)[3:].astype(float)
    for rows in (train, test)
  ]
  assert divergence.atoms(tok_CxL[train], tok_CxL[test]) == pytest.approx(
    by_hand(*symbols, 0.5)
  )


def test_atom_divergence_counts_symbols_only():
  train = np.array([[3, 4, 5, 0, 0], [3, 4, 4, 2, 0]])
  same = np.array([[4, 3, 5, 4, 4, 3]])
  assert divergence.atoms(train, same) == pytest.approx(0, abs=1e-12)
  assert divergence.atoms(train, np.array([[6, 7]])) == pytest.approx(1)


def test_the_novel_test_is_farther_from_train_s_than_the_control(real):
  measured = real[1].split.facts['measurements']
  compound = measured['compound_divergence']
  assert compound['train_s -> novel'] > compound['train_s -> control'] + 0.2
  assert compound['train_s -> novel'] > compound['train_c -> novel'] + 0.2
  atom = measured['atom_divergence']
  assert atom['train_s -> novel'] == pytest.approx(atom['train_s -> control'])
  assert measured['forced_share_of_novel']['+0'] == 1.0


def test_distances_equal_to_the_bounds_of_near_and_far_are_within(real_density):
  _, inputs = real_density
  for arm, classes in inputs.split.arms.items():
    profiles = inputs.context.profiles.take(classes)
    own = []
    for place in range(len(classes)):
      itself = profiles.take(np.full(len(classes), place))
      other = np.delete(syntactic.distance(itself, profiles), place)
      own.append(other.min())
    bounds = inputs.split.facts['distance_bounds'][arm]['syntactic']
    near, far = np.quantile(own, [0.95, 0.999])
    # Distances are fractions: many are equal to a quantile of them.
    stored = np.float32(own)
    assert np.sum(stored <= bounds['near']) == np.sum(own <= near)
    assert np.sum(stored >= bounds['far']) == np.sum(own >= far)


def test_tests_may_be_exactly_as_far_as_is_asked(tmp_path):
  asked = 6 / 7 - 1e-9  # of many; rounded to four digits it is less
  split = _build(
    tmp_path, universe__max_size=7, split__min_distance=asked
  ).split
  assert split.facts['minimal_distance']['novel']['0.0'] == pytest.approx(6 / 7)
  assert split.facts['checks']['L4_novel_programs_keep_their_distance']


def test_tests_may_be_as_near_as_can_be(tmp_path):
  split = _build(tmp_path, split__min_distance=0.0).split
  assert split.facts['checks']['L4_novel_programs_keep_their_distance']


def test_functions_left_out_are_told_by_the_reason(tmp_path):
  path = tmp_path / 'roots.bnf'
  path.write_text('e ::= x | 1 | 2 | e + e | e * e | sqrt(e)')
  config = _config(density_config, split__num_arm=10)
  config.universe.grammar = str(path)
  inputs = inputs_lib.load_or_build(config, tmp_path / 'data')
  told = inputs.split.facts['measurements']
  universe = inputs.universe
  undefined = 0
  for tok_L in universe.representative_CxL:
    program = universe.vocabulary.decode(tok_L)
    undefined += any(
      reference.evaluate(program, {'x': fractions.Fraction(k, 97)}, _DIGITS)
      is reference.Undefined.AT_POINT
      for k in inputs.spaces.manifest['grid']
    )
  assert told['undefined_classes'] == undefined > 0
  assert told['ambiguous_classes'] == 0
