"""Identity policies decide as exact arithmetic does."""

from collections import Counter
import fractions
import itertools
import pathlib

import numpy as np
import pytest

from synth.language import grammar as grammar_lib
from synth.language import multiprecision
from synth.language import program as program_lib
from synth.language import reference
from synth.universe import audit
from synth.universe import build as build_lib
from synth.universe import candidates as candidates_lib
from synth.universe import enumerate as enumerate_lib
from synth.universe import identity
from synth.universe import ordered
from synth.universe import policies
from synth.universe import rounded
from synth.universe import universe as universe_lib
from tests import programs as programs_lib

F = fractions.Fraction
_GRAMMARS = pathlib.Path(__file__).parents[1] / 'configs' / 'grammars'


@pytest.fixture(scope='module')
def conditional():
  return grammar_lib.load(_GRAMMARS / 'conditional.bnf')


@pytest.fixture(scope='module')
def conditional_counted(conditional):
  """(values, size) -> number of programs to size 5, at the points of seed 0."""
  return _by_values(policies.draw(conditional, seed=0), conditional, 5)


def _values(policy, program):
  """Exact values at all points of a policy, None where undefined."""
  values = []
  for place in range(ordered.NUM_POINTS):
    value = reference.evaluate(program, {'x': policy.point('x', place)})
    values.append(None if isinstance(value, reference.Undefined) else value)
  return tuple(values)


def _by_values(policy, grammar, max_size):
  """(values, size) -> number of programs, without those never defined."""
  counted = Counter()
  for program in programs_lib.all_programs(grammar, max_size):
    values = _values(policy, program)
    if any(value is not None for value in values):
      counted[values, program.size] += 1
  return counted


@pytest.mark.parametrize('over_disk', [False, True])
def test_conditional_classes_are_those_of_exact_values(
  conditional, conditional_counted, tmp_path, monkeypatch, over_disk
):
  if over_disk:
    monkeypatch.setattr(enumerate_lib, '_AT_ONCE', 10)
    monkeypatch.setattr(enumerate_lib, '_BUCKET_ON_DISK', 100)
    monkeypatch.setattr(candidates_lib, '_STRIP', 8)
    monkeypatch.setattr(candidates_lib, '_PART', 20)  # a strip may be more
  universe = build_lib.build(tmp_path / 'u', conditional, 5, 0, 'serial')
  counted, minimal = conditional_counted, {}
  for values, size in counted:
    minimal[values] = min(size, minimal.get(values, size))
  own = [
    _values(universe.policy, universe.vocabulary.decode(row))
    for row in universe.representative_CxL
  ]
  assert len(set(own)) == len(own) == len(minimal)
  assert [minimal[values] for values in own] == universe.size_C.tolist()
  for size in range(1, 6):
    assert universe.multiplicity(size).tolist() == [
      counted[values, size] for values in own
    ]


def test_only_the_chosen_branch_need_be_defined(conditional, tmp_path):
  policy = policies.draw(conditional, seed=0)
  lazy = program_lib.parse('if(x < 1, 2, 1 / (x - min(x, 1)))')
  strict = program_lib.parse('2 + 1 / (x - min(x, 1))')
  nothing = program_lib.parse('1 / (min(x, 1) - min(1, x))')
  (residue, value), (partly, _) = (
    universe_lib.run(policy, lazy),
    universe_lib.run(policy, strict),
  )
  assert np.all(residue != 2**32 - 1) and np.all(np.isfinite(value))
  below = [policy.point('x', e) < 1 for e in range(ordered.NUM_POINTS)]
  assert (partly == 2**32 - 1)[0].tolist() == below
  assert universe_lib.run(policy, nothing) is None


def test_a_condition_holds_unless_it_is_zero():
  policy = ordered.Ordered.draw(('x',), seed=0)
  for text in ('if(2, x, 1)', 'if(x, x, 1)', 'if(1 / 2, x, 1)', 'if(0, 1, x)'):
    found, wanted = (
      universe_lib.run(policy, program_lib.parse(p)) for p in (text, 'x')
    )
    assert np.array_equal(found[0], wanted[0]), text


def test_integers_beyond_the_primes_are_in_order(tmp_path):
  # 2147483648 is 1 modulo the first of the primes.
  policy = ordered.Ordered.draw(('x',), seed=0)
  less = universe_lib.run(policy, program_lib.parse('1 < 2147483648'))
  assert np.all(less[0] == 1)
  grammar = grammar_lib.parse('e ::= x | 1 | 2147483648 | e < e | e + e')
  universe = build_lib.build(tmp_path / 'universe', grammar, 5, 0, 'serial')
  wanted = {values for values, _ in _by_values(policy, grammar, 5)}
  assert len(universe.node_C) == len(wanted)


def test_numbers_beyond_floats_are_in_order(tmp_path):
  large = '1' + 200 * '0'
  grammar = grammar_lib.parse(f'e ::= x | 1 | {large} | min(e, e) | e * e')
  universe = build_lib.build(tmp_path / 'u', grammar, 5, 0, 'serial')
  one, square, least = (
    universe.class_of(program_lib.parse(text))
    for text in ('1', f'{large} * {large}', f'min({large} * {large}, 1)')
  )
  assert square not in (None, one)
  assert least == one


def test_an_audit_forms_only_programs_that_floats_can_order(tmp_path):
  grammar = grammar_lib.parse(
    'e ::= x | 100000000000 | e + e | e / e | min(e, e)'
  )
  universe = build_lib.build(tmp_path / 'universe', grammar, 7, 0, 'serial')
  found = audit.audit(universe, 20, seed=0)
  assert found.passed
  # min(x, x + 1 / 100000000000) needs rationals.
  assert 3 <= found.brute_force_size < 7


def test_order_too_close_for_floats_is_decided_exactly():
  policy = ordered.Ordered.draw(('x',), seed=0)
  # x + 1e-20 and x are one number to float64.
  small = ' / '.join(['1', *['100000'] * 4])
  for text, wanted in (
    (f'x < x + {small}', 1),
    (f'x + {small} < x', 0),
    (f'x - {small} < x', 1),
    ('x + 1 < 1 + x', 0),
  ):
    (residue, _) = universe_lib.run(policy, program_lib.parse(text))
    assert residue.tolist() == [[wanted] * ordered.NUM_POINTS]
  bigger = universe_lib.run(policy, program_lib.parse(f'max(x, x + {small})'))
  wanted = universe_lib.run(policy, program_lib.parse(f'x + {small}'))
  assert np.array_equal(bigger[0], wanted[0])


def test_classes_too_close_for_floats_are_told_apart(tmp_path, monkeypatch):
  # With every comparison in doubt, all of them are decided by rationals.
  grammar = grammar_lib.parse('e ::= x | 1 | e - e | max(e, e) | e / e')
  plain = build_lib.build(tmp_path / 'plain', grammar, 7, 0, 'serial')
  monkeypatch.setattr(ordered, '_CLOSE', np.inf)
  monkeypatch.setattr(enumerate_lib, '_AT_ONCE', 10)
  exact = build_lib.build(tmp_path / 'exact', grammar, 7, 0, 'serial')
  assert np.array_equal(plain.key_C, exact.key_C)
  assert np.array_equal(plain.representative_CxL, exact.representative_CxL)


def test_points_of_the_ordered_policy_lie_in_strata():
  policy = ordered.Ordered.draw(('x', 'y'), seed=3)
  for name in ('x', 'y'):
    points = sorted(policy.point(name, e) for e in range(ordered.NUM_POINTS))
    assert len(set(points)) == ordered.NUM_POINTS
    assert -6 <= points[0] < -5.5 and 5.5 < points[-1] <= 6.1
    gaps = [b - a for a, b in itertools.pairwise(points)]
    assert max(gaps) < 0.8  # two strata
    assert all(point.denominator == 97 for point in points)
  assert policy.points['x'] != policy.points['y']


def test_a_policy_survives_its_manifest(conditional, arithmetic):
  for grammar in (conditional, arithmetic):
    policy = policies.draw(grammar, seed=5, attempt=1)
    again = policies.from_json(policy.to_json())
    assert again == policy and isinstance(again, identity.Policy)


@pytest.fixture(scope='module')
def scientific():
  return grammar_lib.load(_GRAMMARS / 'scientific.bnf')


@pytest.mark.slow
def test_scientific_classes_are_those_of_sixty_digits(scientific, tmp_path):
  universe = build_lib.build(tmp_path / 'u', scientific, 4, 0, 'serial')
  system = multiprecision.Multiprecision(60)
  points = [
    {name: F(column[e]) for name, column in universe.policy.points.items()}
    for e in range(rounded.NUM_POINTS)
  ]
  counted = Counter()
  for program in programs_lib.all_programs(scientific, 4):
    values = [reference.evaluate(program, point, system) for point in points]
    digits = tuple(
      value if isinstance(value, reference.Undefined) else system.digits(value)
      for value in values
    )
    if any(digit is not reference.Undefined.AT_POINT for digit in digits):
      counted[digits, program.size] += 1
  assert len({digits for digits, _ in counted}) == len(universe.node_C)
  for size in range(1, 5):
    wanted = sorted(n for (_, s), n in counted.items() if s == size)
    own = universe.multiplicity(size)
    assert sorted(own[own > 0].tolist()) == wanted


def test_identities_of_functions_are_merged(scientific, tmp_path):
  universe = build_lib.build(tmp_path / 'u', scientific, 5, 0, 'serial')

  def class_of(text):
    return universe.class_of(program_lib.parse(text))

  assert class_of('log(exp(x))') == class_of('x')
  assert class_of('sin(x) * sin(x) + cos(x) * cos(x)') == class_of('1')
  assert class_of('exp(x) * exp(y)') == class_of('exp(x + y)')
  assert class_of('exp(log(x))') != class_of('x')  # undefined below 0
  assert class_of('sqrt(x * x)') != class_of('x')
  assert class_of('sqrt(neg(1))') is None  # defined nowhere
  # Nguyen-8; and half of Nguyen-10, published symbolic regression targets.
  assert universe.size_C[class_of('sqrt(x)')] == 2
  assert universe.size_C[class_of('sin(x) * cos(y)')] == 5


def test_digits_are_those_that_python_prints():
  rng = np.random.default_rng(0)
  number = rng.normal(size=2000) * 10.0 ** rng.integers(-30, 30, 2000)
  number[:4] = [0.0, 9.99999999999, -9.99999999999, 1e-300]
  texts = [f'{abs(n) < 1e-280 or n:.9e}' for n in number.tolist()]
  texts[0] = texts[3] = 'zero'
  words = rounded.digits(number)
  assert len(set(words.tolist())) == len(set(texts))
  pairs = set(zip(words.tolist(), texts, strict=True))
  assert len(pairs) == len(set(texts))
  assert rounded.digits(np.array([np.nan])) not in words


@pytest.mark.parametrize('name, size', [('conditional', 5), ('scientific', 4)])
def test_audits_of_observational_policies_measure_and_pass(
  tmp_path, name, size
):
  grammar = grammar_lib.load(_GRAMMARS / f'{name}.bnf')
  universe = build_lib.build(tmp_path / 'u', grammar, size, 0, 'serial')
  found = audit.audit(universe, pairs=40, seed=1)
  assert found.passed and found.brute_force_size == size
  assert found.brute_force_disagreements == 0
  assert found.merged_pairs_unequal == 0
  assert found.unequal_alternatives < 0.01 * found.alternatives
  assert (found.congruent_classes == 0) == (name == 'scientific')


def test_published_targets_have_their_known_sizes(arithmetic, tmp_path):
  universe = build_lib.build(tmp_path / 'u', arithmetic, 9, 0, 'serial')
  # Sizes by hand: Horner's scheme, and reduced fractions.
  for text, size in (
    ('x * x * x + x * x + x', 9),  # Nguyen-1 and Koza: x (x (x + 1) + 1)
    ('x * x * x * x', 7),
    ('(x + 1) * (x + 1)', 7),
    ('(x + 1) / (x - 1)', 7),
    ('1 / (1 + 1 / (x * x))', 7),  # x / (x + 1 / x): a relative of Pagie-1's
  ):
    found = universe.class_of(program_lib.parse(text))
    assert found is not None and universe.size_C[found] == size
