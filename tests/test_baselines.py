"""Baselines solve what brute force says they solve, and are charged for it."""

import json
import math

import numpy as np
import pytest

from configs import support as support_config
from synth import errors
from synth import inputs as inputs_lib
from synth import packing
from synth import runs
from synth.baselines import __main__ as baselines
from synth.baselines import charges
from synth.baselines import enumeration
from synth.baselines import meet_in_the_middle
from synth.baselines import nearest_neighbour
from synth.baselines import pcfg as pcfg_baseline
from synth.baselines import results
from synth.evaluation import verify
from synth.inversion import bank as bank_lib
from synth.inversion import one_level
from synth.language import grammar as grammar_lib
from synth.language import pcfg as pcfg_lib
from synth.language import reference
from synth.spaces import grids
from synth.universe import build as build_lib
from synth.universe import identity
from synth.universe import lookup
from tests import programs as programs_lib
from tests.conftest import GRAMMARS

_TYPED = (
  's ::= x | 2 | s + d | d - s | s / d | neg(s) | inv(d)\nd ::= 1 | x | d * s'
)


def _config(**overrides):
  config = support_config.get_config('tiny')
  config.update_from_flattened_dict(
    {
      'universe.max_size': 5,
      'split.num_test': 4,
      'split.num_dev': 6,
      'data.batch_size': 32,
      **overrides,
    }
  )
  return config


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
  return inputs_lib.load_or_build(_config(), tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def typed(tmp_path_factory):
  """A universe of two nonterminals with unary operators."""
  directory = tmp_path_factory.mktemp('typed') / 'universe'
  return build_lib.build(directory, grammar_lib.parse(_TYPED), 5, seed=0)


def _tasks(inputs, budget=1000, bank_size=3):
  config = _config()
  numerators = list(config.spaces.grid)
  return charges.Tasks(
    inputs,
    'train_s',
    grids.specification(numerators, ('x',), 0),
    verify.Verifier(inputs.universe.vocabulary, ('x',), numerators, 0, 0),
    budget,
    bank_size,
  )


# PCFG.


@pytest.mark.parametrize(
  'name, max_size',
  [('arithmetic', 5), ('conditional', 4), ('typed', 5)],
)
def test_the_probability_of_a_class_is_that_of_all_its_programs(
  name, max_size, typed, tmp_path
):
  universe = typed
  if name != 'typed':
    grammar = grammar_lib.load(GRAMMARS / f'{name}.bnf')
    universe = build_lib.build(tmp_path / 'u', grammar, max_size, seed=0)
  rng = np.random.default_rng(0)
  rules = universe.grammar.productions
  pcfg = pcfg_lib.Pcfg(
    universe.grammar,
    dict(zip(rules, rng.uniform(1, 9, len(rules)), strict=True)),
  )
  share_S = rng.dirichlet(np.ones(max_size + 1))
  share_S[[not pcfg.size_probability(s) for s in range(max_size + 1)]] = 0
  share_S /= share_S.sum()
  wanted_C = np.zeros(len(universe.node_C))
  for program in programs_lib.all_programs(universe.grammar, max_size):
    number = universe.class_of(program)
    if number is not None:
      probability = math.exp(programs_lib.log_prob(pcfg, program))
      probability /= pcfg.size_probability(program.size)
      wanted_C[number] += share_S[program.size] * probability
  sampler = pcfg_baseline.Sampler(pcfg, share_S)
  found_C = pcfg_baseline.class_probability(universe, sampler)
  np.testing.assert_allclose(found_C, wanted_C, rtol=1e-9)
  assert (found_C > 0).all()


def test_draws_are_right_as_often_as_told(universe7):
  share_S = np.array([0, 0.1, 0, 0.2, 0, 0.3, 0, 0.4])
  pcfg = pcfg_lib.Pcfg.uniform(universe7.grammar)
  sampler = pcfg_baseline.Sampler(pcfg, share_S)
  probability_C = pcfg_baseline.class_probability(universe7, sampler)
  rng = np.random.default_rng(1)
  drawn = [universe7.class_of(sampler.sample(rng)) for _ in range(2000)]
  likely = np.argsort(-probability_C)[:10]
  for number in likely.tolist():
    p = probability_C[number]
    error = math.sqrt(p * (1 - p) / len(drawn))
    assert abs(drawn.count(number) / len(drawn) - p) < 5 * error


def test_the_sampler_is_fitted_to_the_programs_of_its_arm(inputs):
  sampler = pcfg_baseline.fit(inputs, 'train_s')
  size_N = inputs.universe.size_C[inputs.split.arms['train_s']]
  for size, share in enumerate(sampler.share_S):
    assert share == pytest.approx((size_N == size).mean())
  # A binary tree of n nodes has (n - 1) / 2 operators.
  operators = sum(
    p for rule, p in sampler.pcfg.probability.items() if rule.args
  )
  wanted = ((size_N - 1.0) / 2).sum() / size_N.sum()
  assert operators == pytest.approx(wanted, abs=0.01)  # smoothing


def test_pass_at_k_and_expected_candidates_are_those_of_coin_tosses():
  p_I = np.array([0.0, 1e-12, 0.1, 0.5, 1.0])
  for k in (1, 7):
    wanted = [1 - (1 - p) ** k for p in p_I]
    np.testing.assert_allclose(pcfg_baseline.pass_at_k(p_I, k), wanted, 1e-3)
  wanted = [sum((1 - p) ** done for done in range(9)) for p in p_I]
  np.testing.assert_allclose(pcfg_baseline.expected_candidates(p_I, 9), wanted)


# Enumeration.


def test_enumeration_finds_functions_by_their_minimal_size(inputs):
  universe = inputs.universe
  function = reference.RationalFunctions(('x',))
  minimal = {}
  for program in programs_lib.all_programs(universe.grammar, 3):
    minimal.setdefault(function(program), program.size)
  minimal.pop(reference.Undefined.ZERO_FUNCTION, None)
  small = len(minimal)
  reached = [set(), set()]
  for budget in (small, len(universe.node_C)):
    tasks = _tasks(inputs, budget)
    told = enumeration.solve(tasks)
    for name, class_I in tasks.sets.items():
      solved_I = told.attempts[name].solved_KxI[-1]
      size_I = universe.size_C[class_I]
      representative_IxL = universe.representative_CxL[class_I]
      for solved, size, tok_L in zip(
        solved_I, size_I, representative_IxL, strict=True
      ):
        known = function(universe.vocabulary.decode(tok_L)) in minimal
        assert known == (size <= 3)
        assert solved == (known if budget == small else True)
        reached[budget != small].add((int(size), bool(solved)))
      assert (told.attempts[name].candidates_I <= budget).all()
  assert {(3, True), (5, False)} <= reached[0]
  assert {(3, True), (5, True)} <= reached[1]


def test_a_task_takes_as_many_candidates_as_functions_come_before_it(inputs):
  last = int(inputs.split.dev[-1])
  for budget, solved in ((last, 0), (last + 1, 1)):
    attempt = enumeration.solve(_tasks(inputs, budget)).attempts['dev']
    assert attempt.solved_KxI[-1, -1] == solved


def test_enumeration_is_charged_every_program_it_forms(arithmetic, universe7):
  cost = enumeration.measure(arithmetic, 3, universe7.policy)
  # Of size 3: four operators on four leaves each, at four points.
  most = np.array([0, 4, 4, 4 + 4 * 4 * 4]) * 4
  assert (cost.operations_S[:3] == most[:3]).all()
  # Commutative ones need each pair once.
  assert 4 + 2 * 16 + 2 * 10 <= cost.operations_S[3] / 4 <= most[3] / 4
  assert (np.diff(cost.seconds_S[1:]) >= 0).all()


# Meet in the middle.


def _forward(universe, bank_size):
  """The classes in a bank or one operator above it, by making them all."""
  forest, policy = universe.forest, universe.policy
  values = universe.values_under(policy)
  small = {
    name: np.flatnonzero(
      (forest.nonterminal_N == index) & (forest.size_N <= bank_size)
    )
    for index, name in enumerate(universe.grammar.nonterminals)
  }
  start = universe.grammar.start
  made = set(np.searchsorted(universe.node_C, small[start]).tolist())
  for rule in universe.grammar.by_nonterminal[start]:
    if not rule.args:
      continue
    nodes = np.meshgrid(*(small[name] for name in rule.args))
    args = [tuple(column[n.ravel()] for column in values) for n in nodes]
    found, keep = policy.value(rule.symbol, args, identity.undecided)
    pair = np.empty(nodes[0].size, universe.key_C.dtype)
    pair['key'], pair['rest'] = policy.pack(found)
    made |= set(universe.find(pair if keep is None else pair[keep]).tolist())
  return made - {-1}


@pytest.mark.parametrize(
  'which, bank_size', [('universe7', 1), ('universe7', 3), ('typed', 3)]
)
def test_one_level_solves_what_one_operator_makes_of_the_bank(
  which, bank_size, universe7, typed, inputs, monkeypatch
):
  universe = universe7 if which == 'universe7' else typed
  monkeypatch.setitem(inputs.__dict__, 'universe', universe)
  tasks = _tasks(inputs, bank_size=bank_size)
  policy, values = bank_lib.on_grid(universe, tasks.grid)
  bank = bank_lib.Bank(universe, policy, values, bank_size)
  search = one_level.OneLevel(bank)
  hits = search.find(universe.node_C)
  assert set(hits.task_H.tolist()) == _forward(universe, bank_size)
  assert hits.lookup_H.min() >= 1 and hits.lookup_H.max() <= search.lookups
  # One look-up has one result, and what was found is right.
  pairs = np.stack([hits.task_H, hits.lookup_H])
  assert len(np.unique(pairs, axis=1).T) == len(hits.task_H)
  for tok_L, task in zip(
    search.programs(hits, np.arange(0, len(hits.task_H), 29)),
    hits.task_H[::29],
    strict=True,
  ):
    program = universe.vocabulary.decode(tok_L)
    assert universe.grammar.derives(program)
    assert universe.class_of(program) == task
  if which == 'universe7':
    # Both sides of - and /, one of + and *, and the task itself.
    assert search.lookups == 6 * len(bank) + 1
    solved_C = np.isin(np.arange(len(universe.node_C)), hits.task_H)
    assert solved_C[universe.size_C <= bank_size + 2].all()
    assert not solved_C[universe.size_C > 2 * bank_size + 1].any()
    assert not solved_C[universe.size_C == 7].all()


def test_the_charge_is_the_look_ups_until_the_first_hit(inputs):
  tasks = _tasks(inputs, budget=10, bank_size=3)
  told = meet_in_the_middle.solve(tasks)
  full = meet_in_the_middle.solve(_tasks(inputs, budget=10**6, bank_size=3))
  for name, attempt in told.attempts.items():
    more = full.attempts[name]
    assert (more.solved_KxI[-1] == 1).all()  # of size 5: bank + 2
    solved = more.candidates_I <= 10
    np.testing.assert_array_equal(attempt.solved_KxI[-1], solved)
    np.testing.assert_array_equal(
      attempt.candidates_I, np.minimum(more.candidates_I, 10)
    )
    # Four points a look-up, and the programs found are executed on 32.
    executed_I = attempt.operations_I - 4 * attempt.candidates_I
    assert ((executed_I > 0) == solved).all() and (executed_I % 32 == 0).all()
  assert told.facts['bank'] == 32 and told.operations > 0


def test_no_clock_runs_while_targets_are_drawn(inputs, monkeypatch):
  tasks = _tasks(inputs)
  programs = {name: tasks.targets[name] for name in tasks.sets}
  again = _tasks(inputs).targets
  for name, tok_IxL in programs.items():
    np.testing.assert_array_equal(tok_IxL, again[name])
    assert tasks.correct(name, tok_IxL).all()

  def draw(*_):
    raise AssertionError('drawn again')

  monkeypatch.setattr(inputs_lib.Inputs, 'programs_at', draw)
  meet_in_the_middle.solve(tasks)
  for name, tok_IxL in programs.items():
    assert tasks.correct(name, tok_IxL).all()


# Look-ups.


def test_identities_that_share_a_key_are_told_apart():
  rng = np.random.default_rng(0)
  key, rest = rng.integers(0, 4, (2, 200), np.uint64)
  known = np.unique(np.stack([key, rest]), axis=1)[:, ::2]
  found = lookup.Lookup(*known).find(key, rest)
  table = {tuple(pair): i for i, pair in enumerate(known.T.tolist())}
  wanted = [table.get(pair, -1) for pair in zip(key, rest, strict=True)]
  assert found.tolist() == wanted and -1 in wanted
  assert lookup.Lookup(key[:0], rest[:0]).find(key, rest).max() == -1


# The command.


def test_the_record_holds_every_baseline_and_resumes(
  inputs, tmp_path, monkeypatch
):
  called = []

  def noted(name, solve):
    def run(tasks):
      called.append(name)
      return solve(tasks)

    return run

  table = {n: noted(n, solve) for n, solve in baselines.BASELINES.items()}
  monkeypatch.setattr(baselines, 'BASELINES', table)
  config = _config()
  result = baselines.run(config, inputs, tmp_path, budget=300, bank_size=3)
  path = tmp_path / runs.BASELINES
  assert runs.read_json(path) == json.loads(json.dumps(result))
  assert called == list(baselines.BASELINES) == list(result['baselines'])
  for found in result['baselines'].values():
    for name, told in found['tests'].items():
      items = len(inputs.split.evaluation_sets()[name])
      shares = list(told['solved'].values())
      assert list(told['solved']) == ['1', '16', '256', '300']
      assert shares == sorted(shares) and 0 <= shares[0] <= shares[-1] <= 1
      assert 1 <= told['candidates'] <= 300
      sizes = told['solved_by_size'].values()
      assert sum(number for number, _ in sizes) == items
      mean = sum(number * share for number, share in sizes) / items
      assert mean == pytest.approx(shares[-1])
      solved_KxI = packing.unpack(told['solved_by_task'])
      np.testing.assert_allclose(solved_KxI.mean(axis=1), shares, atol=1e-6)
  for name, class_I in inputs.split.evaluation_sets().items():
    packed = result['classes'][name]
    np.testing.assert_array_equal(packing.unpack(packed), class_I)
  # No training class equals a test class; constants solve one each.
  for name, classes in inputs.split.evaluation_sets().items():
    nearest, constant = (
      result['baselines'][b]['tests'][name]['solved']
      for b in ('nearest_neighbour', 'best_constant')
    )
    assert nearest['300'] == 0
    assert constant['1'] == 1 / len(classes) and constant['16'] == 1
  # Killed in the middle: the rest is done, what was there stays as it is.
  stored = runs.read_json(path)
  del stored['baselines']['enumeration']
  runs.write_json(path, stored)
  called.clear()
  again = baselines.run(config, inputs, tmp_path, budget=300, bank_size=3)
  assert called == ['enumeration']
  for name, found in stored['baselines'].items():
    assert again['baselines'][name] == found
  # Of other settings nothing is kept.
  monkeypatch.setattr(
    baselines, 'BASELINES', {'pcfg': table['pcfg'], 'best_constant': None}
  )
  called.clear()
  with pytest.raises(TypeError):  # killed again
    baselines.run(config, inputs, tmp_path, budget=20, bank_size=3)
  assert called == ['pcfg']
  assert list(runs.read_json(path)['baselines']) == ['pcfg']


@pytest.mark.parametrize(
  'damage',
  [
    lambda found: found.pop('preparation'),
    lambda found: found['preparation'].update(seconds=None),
    lambda found: found['tests']['novel'].pop('candidates'),
    lambda found: found['tests'].update(novel=None),
    lambda found: found['tests']['novel'].update(operations='many'),
    lambda found: found['tests']['novel']['solved'].update({'1': []}),
    lambda found: found['tests']['novel']['solved'].pop('1'),
    lambda found: found['tests']['novel']['solved_by_task'].update(data='eJw='),
    lambda found: found['tests']['novel']['solved_by_task'].update(data='e'),
  ],
)
def test_damage_to_what_was_found_is_named(tmp_path, damage):
  path = tmp_path / runs.BASELINES
  found = {
    'preparation': {'operations': 0, 'seconds': 2.0},
    'tests': {
      'novel': {
        'solved': {'1': 0.0, '16': 0.5},
        'solved_by_task': packing.pack(np.eye(2), '<f4'),
        'candidates': 12.0,
        'operations': 1e9,
        'seconds': None,
      }
    },
  }
  stored = {
    'classes': {'novel': packing.pack(np.arange(2), '<i4')},
    'baselines': {'pcfg': found, 'enumeration': {'inapplicable': 'no inverse'}},
  }
  runs.write_json(path, stored)
  assert results.read(path) == stored
  damage(found)
  runs.write_json(path, stored)
  with pytest.raises(runs.RunError, match='is damaged'):
    results.read(path)


def test_a_baseline_that_a_grammar_does_not_admit_is_noted(
  inputs, tmp_path, monkeypatch
):
  grammar = grammar_lib.load(GRAMMARS / 'conditional.bnf')
  universe = build_lib.build(tmp_path / 'universe', grammar, 3, seed=0)
  with monkeypatch.context() as patch:
    patch.setitem(inputs.__dict__, 'universe', universe)
    with pytest.raises(charges.Inapplicable, match='conditional') as reason:
      meet_in_the_middle.solve(_tasks(inputs))

  def solve(tasks):
    raise reason.value

  monkeypatch.setattr(baselines, 'BASELINES', {'meet_in_the_middle': solve})
  result = baselines.run(_config(), inputs, tmp_path)
  told = result['baselines']['meet_in_the_middle']
  assert told == {'inapplicable': str(reason.value)}


def test_the_nearest_answer_is_the_nearest_training_program(inputs):
  retriever = nearest_neighbour.Retriever(inputs, 'train_s')
  classes = inputs.split.dev
  train = inputs.split.arms['train_s']
  place_CxD = np.asarray(inputs.spaces.semantic_CxD, np.float64)
  for tok_L, number in zip(retriever.answers(classes), classes, strict=True):
    answer = inputs.universe.class_of(inputs.universe.vocabulary.decode(tok_L))
    assert answer in train
    away = np.linalg.norm(place_CxD[train] - place_CxD[number], axis=1)
    mine = np.linalg.norm(place_CxD[answer] - place_CxD[number])
    assert mine == pytest.approx(away.min(), abs=1e-6)


def test_what_makes_no_sense_is_refused(inputs, tmp_path):
  with pytest.raises(errors.InputError, match='bank_size=0 must be positive'):
    baselines.run(_config(), inputs, tmp_path, bank_size=0)
  with pytest.raises(errors.InputError, match='must be below'):
    baselines.run(_config(), inputs, tmp_path, budget=1 << 64)
  with pytest.raises(errors.InputError, match=r"unknown data\.arm 'train_x'"):
    baselines.run(_config(**{'data.arm': 'train_x'}), inputs, tmp_path)
  (tmp_path / runs.BASELINES).write_text('[]')
  with pytest.raises(errors.InputError, match='is not what'):
    baselines.run(_config(), inputs, tmp_path)
