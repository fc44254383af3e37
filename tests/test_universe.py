"""The universe is exactly what brute force in exact arithmetic finds."""

import dataclasses
import fractions
import pathlib
import re
import time

import numpy as np
import pytest

from synth import errors
from synth.language import arithmetic as arithmetic_lib
from synth.language import edges as edges_lib
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.language import reference
from synth.universe import build as build_lib
from synth.universe import draws
from synth.universe import enumerate as enumerate_lib
from synth.universe import executors
from synth.universe import field as field_lib
from synth.universe import identity
from synth.universe import universe as universe_lib
from tests import programs as programs_lib

F = fractions.Fraction
_ZERO_FUNCTION = reference.Undefined.ZERO_FUNCTION
# The first prime that seed 0 draws: where a false merge would show.
_PRIMES = field_lib.Field.draw(('x',), seed=0).primes
_A_PRIME = _PRIMES[0]


class _BruteForce:
  """Function -> its minimal programs, from all programs one by one."""

  def __init__(self, grammar, max_size):
    self.functions = reference.RationalFunctions(grammar.variables)
    self.minimal = {}
    for program in programs_lib.all_programs(grammar, max_size):
      function = self.functions(program)
      if function is _ZERO_FUNCTION:
        continue
      known = self.minimal.setdefault(function, [program])
      # Programs come by size, so the first one of a function is minimal.
      if known[0] is not program and known[0].size == program.size:
        known.append(program)

  def sizes(self):
    sizes = [programs[0].size for programs in self.minimal.values()]
    return {str(s): sizes.count(s) for s in sorted(set(sizes))}


def _enumerate(grammar, max_size, points, directory):
  return enumerate_lib.enumerate_classes(
    grammar, max_size, points, directory, executors.Serial()
  )


def _build(directory, grammar, max_size, seed=0):
  return build_lib.build(directory / 'universe', grammar, max_size, seed)


def _representatives(universe):
  return [
    universe.vocabulary.decode(row) for row in universe.representative_CxL
  ]


def _functions(universe, oracle):
  return [oracle.functions(p) for p in _representatives(universe)]


def _assert_equals(universe, oracle):
  """Classes, sizes, counts and representatives are those of brute force."""
  functions = _functions(universe, oracle)
  assert universe.classes_by_size() == oracle.sizes()
  assert len(set(functions)) == len(functions)  # none is there twice
  assert set(functions) == set(oracle.minimal)  # none is missing, none extra
  assert universe.size_C.tolist() == [
    oracle.minimal[f][0].size for f in functions
  ]
  assert universe.count_N[universe.node_C].tolist() == [
    len(oracle.minimal[f]) for f in functions
  ]
  for function, program in zip(
    functions, _representatives(universe), strict=True
  ):
    assert program in oracle.minimal[function]


@pytest.fixture(scope='module')
def oracle7(arithmetic):
  """All 84,036 programs to size 7 in the field of rational functions."""
  return _BruteForce(arithmetic, 7)


def test_classes_to_size_9_have_the_published_numbers(arithmetic, tmp_path):
  universe = _build(tmp_path, arithmetic, 9)
  assert universe.classes_by_size() == {
    **{'1': 4, '3': 28, '5': 249, '7': 2235},
    '9': 22057,
  }
  assert universe.manifest['classes_by_size'] == universe.classes_by_size()
  assert universe.manifest['programs_by_size'] == {
    **{'1': 4, '3': 64, '5': 2048, '7': 81920},
    '9': 14 * 4**4 * 4**5,
  }


def test_every_class_of_size_7_is_that_of_brute_force(universe7, oracle7):
  _assert_equals(universe7, oracle7)


_GRAMMARS = {
  'two variables': ('e ::= x | y | 1 | e + e | e - e | e * e | e / e', 5),
  'two variables, deeper': ('e ::= x | y | 2 | e * e | e - e', 7),
  'typed': ('s ::= x | s - d\nd ::= 1 | 2 | s / s | d * d', 7),
  'typed, commutative across types': ('s ::= x | s + d\nd ::= 1 | d * s', 9),
  'typed, interleaved': ('a ::= x | b + b\nb ::= 1 | y | neg(a) | b * b', 7),
  'nested': ('e ::= x | 3 | x * (e + 1) | e / (e - 2)', 9),
  'unary': ('e ::= x | 2 | neg(e) | inv(e) | e - e', 6),
  'decimals': ('e ::= x | 0.5 | 2 | 0.25 | e * e | e / e', 5),
  'zero constant': ('e ::= x | 0 | e / e | e + e', 5),
  'no variable': ('e ::= 1 | 2 | e - e | e / e', 7),
  # From here on, sizes at which no class is new or nothing is defined.
  'only unary': ('e ::= x | neg(e) | inv(e)', 6),
  'one program': ('e ::= x', 3),
  'one dividing by zero': ('e ::= x | 1 / (x - x)', 7),
  'nothing new at size 3': ('e ::= 0 | x | e * z\nz ::= 0 | 1', 5),
  'level of undefined programs': ('e ::= 0 | e / e', 5),
  'alternating sizes': ('s ::= x | s - d\nd ::= 1 | s / s', 5),
}


@pytest.mark.parametrize('name', _GRAMMARS)
def test_other_grammars_equal_brute_force(tmp_path, name):
  text, max_size = _GRAMMARS[name]
  grammar = grammar_lib.parse(text, name)
  universe = _build(tmp_path, grammar, max_size)
  _assert_equals(universe, _BruteForce(grammar, max_size))


@pytest.mark.parametrize(
  'pattern', ['sub > div', 'div > div', 'mul|div > add|sub', 'any:1 > 3']
)
def test_without_an_edge_the_universe_equals_brute_force(
  arithmetic, tmp_path, pattern
):
  edges = edges_lib.parse(pattern, arithmetic)
  restricted = edges_lib.forbid(arithmetic, edges)
  universe = _build(tmp_path, restricted, 5)
  _assert_equals(universe, _BruteForce(restricted, 5))


@pytest.mark.parametrize(
  'text, max_size',
  [
    # p is 0 and p + 1 is 1 among residues of one field; as numbers they are
    # not. Points in different fields tell them apart.
    (f'e ::= x | 1 | {_A_PRIME} | {_A_PRIME + 1}', 1),
    ('e ::= 65536 | 32768 | 1 | e * e | e - e', 5),  # 2**31 - 1 is a program
  ],
)
def test_constants_are_not_merged_modulo_the_prime(tmp_path, text, max_size):
  grammar = grammar_lib.parse(text)
  universe = _build(tmp_path, grammar, max_size)
  _assert_equals(universe, _BruteForce(grammar, max_size))


def test_programs_that_divide_by_the_zero_function_have_no_class(
  arithmetic, universe7, oracle7
):
  undefined = [
    p
    for p in programs_lib.all_programs(arithmetic, 5)
    if oracle7.functions(p) is _ZERO_FUNCTION
  ]
  assert len(undefined) > 10
  assert _ZERO_FUNCTION not in _functions(universe7, oracle7)
  # They are not counted as minimal programs of another class either: there
  # are no more minimal programs than programs with a function.
  small_C = universe7.node_C[universe7.size_C <= 3]
  all3 = programs_lib.all_programs(arithmetic, 3)
  defined = [p for p in all3 if oracle7.functions(p) is not _ZERO_FUNCTION]
  assert universe7.count_N[small_C].sum() <= len(defined)


def _pack(tok_PxL, base):
  """Each row as one number, so that rows sort and count fast."""
  weight_L = base ** np.arange(tok_PxL.shape[1], dtype=np.int64)
  return tok_PxL.astype(np.int64) @ weight_L


def test_samples_are_all_minimal_programs_of_a_class_equally_often(
  universe7, oracle7
):
  functions = _functions(universe7, oracle7)
  rng = np.random.default_rng(0)
  size7 = np.flatnonzero(universe7.size_C == 7)
  classes = [
    *np.flatnonzero(universe7.size_C < 7),
    *rng.choice(size7, 300, replace=False),
  ]
  per_program = 40
  programs_C = [oracle7.minimal[functions[c]] for c in classes]
  node_P = np.repeat(
    universe7.node_C[classes], [per_program * len(p) for p in programs_C]
  )
  tok_PxL = universe7.sample_programs(node_P, rng)
  base = len(universe7.vocabulary)
  drawn, count = np.unique(_pack(tok_PxL, base), return_counts=True)
  wanted = _pack(
    np.stack(
      [universe7.vocabulary.encode(p, 7) for ps in programs_C for p in ps]
    ),
    base,
  )
  # The support: every minimal program, nothing else. One is missed with
  # probability e**-40.
  assert set(drawn.tolist()) == set(wanted.tolist())
  assert len(wanted) == len(set(wanted.tolist())) > 3000
  # No row went to another class than the one that asked for it.
  owner = dict(
    zip(
      wanted.tolist(),
      np.repeat(universe7.node_C[classes], [len(p) for p in programs_C]),
      strict=True,
    )
  )
  assert [owner[row] for row in _pack(tok_PxL, base).tolist()] == list(node_P)
  # Uniform within each class: chi-square over all classes together.
  chi2 = np.sum((count - per_program) ** 2 / per_program)
  freedom = len(wanted) - len(classes)
  assert abs(chi2 - freedom) < 5 * np.sqrt(2 * freedom)


def test_samples_are_uniform_where_alternatives_differ_in_weight(
  universe7, oracle7
):
  # The class with most minimal programs at size 7: its alternatives stand for
  # different numbers of programs, so a fair choice among them would be unfair.
  functions = _functions(universe7, oracle7)
  count_C = universe7.count_N[universe7.node_C]
  c = int(np.argmax(count_C))
  node = universe7.node_C[c]
  forest = universe7.forest
  upto = forest.upto_M[forest.first_N1[node] : forest.first_N1[node + 1]]
  assert len(set(np.diff(upto, prepend=0).tolist())) > 1
  programs = oracle7.minimal[functions[c]]
  tok_PxL = universe7.sample_programs(
    np.full(200 * len(programs), node), np.random.default_rng(1)
  )
  _, count = np.unique(_pack(tok_PxL, 11), return_counts=True)
  assert len(count) == len(programs)
  chi2 = np.sum((count - 200) ** 2 / 200)
  assert abs(chi2 - len(programs)) < 5 * np.sqrt(2 * len(programs))


def test_samples_are_well_formed_minimal_and_of_their_class(universe7, oracle7):
  functions = _functions(universe7, oracle7)
  rng = np.random.default_rng(2)
  classes = rng.integers(0, len(functions), 2000)
  tok_PxL = universe7.sample_programs(universe7.node_C[classes], rng)
  for c, row in zip(classes, tok_PxL, strict=True):
    program = universe7.vocabulary.decode(row)
    assert program.size == universe7.size_C[c]
    assert np.count_nonzero(row) == program.size  # nothing behind the program
    assert universe7.grammar.derives(program)
    assert oracle7.functions(program) == functions[c]


def test_samples_follow_the_generator(universe7):
  def draw(seed):
    return universe7.sample_programs(
      universe7.node_C, np.random.default_rng(seed)
    )

  assert np.array_equal(draw(3), draw(3))
  assert not np.array_equal(draw(3), draw(4))


@pytest.mark.parametrize('tabled', [0, 500])
def test_numbers_give_the_same_programs_looked_up_or_searched_for(
  universe7, monkeypatch, tabled
):
  uniform_PxL = np.random.default_rng(5).random((len(universe7.node_C), 7))
  wanted_PxL = universe7.programs_at(universe7.node_C, uniform_PxL)
  monkeypatch.setattr(draws, '_TABLED', tabled)
  afresh = dataclasses.replace(universe7._alternatives)
  found_PxL = afresh.programs_at(
    universe7.node_C, uniform_PxL, universe7._token_Q
  )
  assert np.array_equal(found_PxL, wanted_PxL)


def test_typed_samples_are_programs_of_the_grammar(tmp_path):
  grammar = grammar_lib.parse(_GRAMMARS['typed'][0])
  universe = _build(tmp_path, grammar, 7)
  oracle = _BruteForce(grammar, 7)
  functions = _functions(universe, oracle)
  most = max(len(p) for p in oracle.minimal.values())
  classes = np.repeat(np.arange(len(functions)), 30 * most)
  tok_PxL = universe.sample_programs(
    universe.node_C[classes], np.random.default_rng(0)
  )
  found = {}
  pairs = np.unique(np.column_stack([classes, tok_PxL]), axis=0)
  for c, *row in pairs.tolist():
    found.setdefault(functions[c], set()).add(universe.vocabulary.decode(row))
  assert found == {f: set(p) for f, p in oracle.minimal.items()}


def test_representatives_follow_the_seed(arithmetic, tmp_path, monkeypatch):
  # The same identity points for all seeds, so that the classes have one order
  # and the representatives can be compared class by class.
  points = field_lib.Field.draw(('x',), seed=0)
  monkeypatch.setattr(field_lib.Field, 'draw', staticmethod(lambda *_: points))
  first, same, other = (
    _build(tmp_path / str(i), arithmetic, 7, seed)
    for i, seed in enumerate((0, 0, 1))
  )
  assert np.array_equal(first.key_C, other.key_C)
  assert np.array_equal(same.representative_CxL, first.representative_CxL)
  differ_C = (other.representative_CxL != first.representative_CxL).any(axis=1)
  count_C = first.count_N[first.node_C]
  # Two independent uniform draws differ with probability 1 - 1 / count.
  assert np.mean(differ_C) == pytest.approx(np.mean(1 - 1 / count_C), rel=0.1)


def test_representatives_are_not_always_the_first_alternative(universe7):
  # Drawn uniformly, about half of the commutative roots have the larger
  # argument first; a fixed rule would have none or all.
  count_C = universe7.count_N[universe7.node_C]
  many = count_C >= 4
  draws = [
    universe7.sample_programs(
      universe7.node_C[many], np.random.default_rng(seed)
    )
    for seed in range(40)
  ]
  equal = [
    np.mean((d == universe7.representative_CxL[many]).all(axis=1))
    for d in draws
  ]
  expected = np.mean(1 / count_C[many])
  assert np.mean(equal) == pytest.approx(expected, rel=0.1)


def test_two_seeds_give_the_same_classes(arithmetic, tmp_path, oracle7):
  a = _build(tmp_path / 'a', arithmetic, 7, seed=0)
  b = _build(tmp_path / 'b', arithmetic, 7, seed=1)
  assert set(_functions(a, oracle7)) == set(_functions(b, oracle7))
  # Numbers 0, 1, 2, ... have the same residues in all fields; nothing else
  # keeps its key.
  x = oracle7.functions(program_lib.Node('x'))
  values = [
    reference.evaluate(programs[0], {'x': F(5, 97)})
    for f, programs in oracle7.minimal.items()
    if not f.diff(x)
  ]
  constants = sum(v >= 0 and v.denominator == 1 for v in values)
  assert len(set(a.key_C.tolist()) & set(b.key_C.tolist())) == constants
  sizes = {
    f: (s, n)
    for f, s, n in zip(
      _functions(a, oracle7), a.size_C, a.count_N[a.node_C], strict=True
    )
  }
  for f, s, n in zip(
    _functions(b, oracle7), b.size_C, b.count_N[b.node_C], strict=True
  ):
    assert sizes[f] == (s, n)


def test_find_recognises_classes_of_another_grammar(
  arithmetic, universe7, oracle7, tmp_path
):
  edges = edges_lib.parse('sub > div', arithmetic)
  restricted = edges_lib.forbid(arithmetic, edges)
  without = _build(tmp_path, restricted, 7)
  found = universe7.find(without.key_C)
  assert np.all(found >= 0)  # every class of fewer programs is a class
  assert len(set(found.tolist())) == len(found)
  functions = _functions(universe7, oracle7)
  assert [functions[c] for c in found] == _functions(without, oracle7)
  assert np.all(universe7.size_C[found] <= without.size_C)
  # Some classes need the edge: they are the ones the restriction lacks.
  missing = np.setdiff1d(np.arange(len(functions)), found)
  assert len(missing) > 100
  assert np.all(without.find(universe7.key_C[missing]) == -1)
  avoiding = programs_lib.all_programs(restricted, 7)
  reachable = {oracle7.functions(p) for p in avoiding}
  assert reachable.isdisjoint(functions[c] for c in missing)


def test_find_returns_each_class_and_minus_one_for_others(universe7):
  classes = np.arange(len(universe7.node_C))
  assert np.array_equal(universe7.find(universe7.key_C), classes)
  foreign = universe7.key_C.copy()
  foreign['rest'] += np.uint64(1)  # the same 64-bit key, another function
  assert np.all(universe7.find(foreign) == -1)
  extremes = np.zeros(2, foreign.dtype)
  extremes['key'] = [0, 2**64 - 1]
  extremes['rest'] = 1  # not the zero function, which has (0, 0)
  assert np.all(universe7.find(extremes) == -1)


def test_floats_equal_the_exact_values_of_the_representatives(universe7):
  points = [F(k, 97) for k in (-433, -98, 5, 61, 204, 480)]
  value_CxE, ok_CxE = universe7.evaluate(
    arithmetic_lib.Real(np, np.float64), {'x': np.array(points, float)}
  )
  assert value_CxE.dtype == np.float64
  exact = [
    [reference.evaluate(p, {'x': x}) for x in points]
    for p in _representatives(universe7)
  ]
  # k/97 is no pole of any class, whichever program computes it.
  assert ok_CxE.all()
  exact_CxE = np.array(exact, float)
  error = np.abs(value_CxE - exact_CxE) / (1 + np.abs(exact_CxE))
  assert error.max() < 1e-9


def test_residues_equal_the_exact_values_of_the_representatives(universe7):
  field = field_lib.Field.draw(('x',), seed=0).fields[0]
  prime = field.prime
  points = [F(k, 97) for k in (-433, 5, 204)]
  residue = np.array(
    [p.numerator * pow(p.denominator, -1, prime) % prime for p in points],
    np.uint64,
  )
  value_CxE, ok_CxE = universe7.evaluate(field, {'x': residue})
  assert ok_CxE.all()
  for program, row in zip(
    _representatives(universe7), value_CxE.tolist(), strict=True
  ):
    for x, number in zip(points, row, strict=True):
      exact = reference.evaluate(program, {'x': x})
      assert (number * exact.denominator - exact.numerator) % prime == 0


def test_two_variables_are_evaluated_each_at_its_own_values(tmp_path):
  grammar = grammar_lib.parse('e ::= x | y | 1 | e - e | e / e')
  universe = _build(tmp_path, grammar, 5)
  points = [{'x': F(5, 97), 'y': F(61, 97)}, {'x': F(-7, 97), 'y': F(1, 97)}]
  value_CxE, ok_CxE = universe.evaluate(
    arithmetic_lib.Real(np, np.float64),
    {v: np.array([float(p[v]) for p in points]) for v in 'xy'},
  )
  assert ok_CxE.all()
  for program, row in zip(_representatives(universe), value_CxE, strict=True):
    exact = [float(reference.evaluate(program, p)) for p in points]
    assert row == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_poles_are_undefined_at_their_point_only(universe7, oracle7):
  functions = _functions(universe7, oracle7)

  def class_of(text):
    return functions.index(oracle7.functions(program_lib.parse(text)))

  # Undefined is found by looking at the divisor, not by dividing by it.
  with np.errstate(divide='raise', invalid='raise'):
    value_CxE, ok_CxE = universe7.evaluate(
      arithmetic_lib.Real(np, np.float64), {'x': np.array([0.0, 1.0, 2.0])}
    )
  pole = class_of('1 / (x - 1)')
  assert ok_CxE[pole].tolist() == [True, False, True]
  assert value_CxE[pole, [0, 2]].tolist() == [-1.0, 1.0]
  assert ok_CxE[class_of('1 / x')].tolist() == [False, True, True]
  assert value_CxE[class_of('x + 1')].tolist() == [1.0, 2.0, 3.0]
  assert ok_CxE[class_of('x - x')].all()


def test_a_rebuild_is_bit_identical(arithmetic, universe7, tmp_path):
  again = _build(tmp_path, arithmetic, 7)
  assert again.manifest == universe7.manifest
  assert len({a['sha256'] for a in again.manifest['arrays'].values()}) > 5


def test_loading_gives_back_what_was_built(arithmetic, tmp_path):
  built = _build(tmp_path, arithmetic, 5)
  loaded = universe_lib.load(tmp_path / 'universe')
  assert loaded.grammar.productions == arithmetic.productions
  assert loaded.max_size == 5
  assert loaded.manifest == built.manifest
  assert np.array_equal(loaded.key_C, built.key_C)
  assert np.array_equal(loaded.count_N, built.count_N)
  assert np.array_equal(loaded.representative_CxL, built.representative_CxL)


@pytest.mark.parametrize(
  'text', ['e ::= x | 1 | e - e', 'e ::= x | 1 | e - e | inv(e)']
)
def test_a_class_that_vanishes_at_an_identity_point_is_noticed(text, tmp_path):
  # At x = 1, `x - 1` looks like zero although it is not the zero function.
  unlucky = field_lib.Field(_PRIMES, {'x': [1, 5, 6, 7]}, attempt=0)
  lucky = field_lib.Field(_PRIMES, {'x': [11, 5, 6, 7]}, attempt=0)
  grammar = grammar_lib.parse(text)
  with pytest.raises(identity.UnluckyPoints):
    _enumerate(grammar, 5, unlucky, tmp_path / 'unlucky')
  _enumerate(grammar, 5, lucky, tmp_path / 'lucky')


@pytest.mark.parametrize(
  'text, max_size',
  [
    ('e ::= x | 1', 1),  # both of one size
    ('e ::= x | neg(e)', 2),  # one of each size
  ],
)
def test_classes_that_share_a_key_are_noticed(
  text, max_size, monkeypatch, tmp_path
):
  def pack(self, values):
    return np.zeros(len(values[0]), np.uint64), values[0].astype(np.uint64)

  monkeypatch.setattr(field_lib.Field, 'pack', pack)
  points = field_lib.Field.draw(('x',), seed=0)
  with pytest.raises(identity.UnluckyPoints, match='share'):
    _enumerate(grammar_lib.parse(text), max_size, points, tmp_path)


def test_packing_loses_nothing():
  rng = np.random.default_rng(0)
  residue_KxN = rng.integers(
    0, 2**field_lib.PRIME_BITS, (field_lib.NUM_POINTS, 1000), np.uint32
  )
  points = field_lib.Field.draw(('x',), seed=0)
  key_N, rest_N = points.pack(tuple(residue_KxN))
  # The inverse: rest is (third, fourth); the key then gives (first, second).
  mask = np.uint64(2**31 - 1)
  inverse = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
  high_N = (key_N ^ (rest_N * np.uint64(0xC2B2AE3D27D4EB4F))) * inverse
  for word, row in ((high_N, 0), (rest_N, 2)):
    assert np.array_equal(word >> np.uint64(31), residue_KxN[row])
    assert np.array_equal(word & mask, residue_KxN[row + 1])


def _unlucky_until(monkeypatch, attempts):
  """Makes the identity points of the first attempts unlucky."""
  draw = field_lib.Field.draw

  def first_unlucky(variables, seed, attempt=0):
    if attempt < attempts:
      return field_lib.Field(_PRIMES, {'x': [1, 5, 6, 7]}, attempt)
    return draw(variables, seed, attempt)

  monkeypatch.setattr(field_lib.Field, 'draw', staticmethod(first_unlucky))


def test_unlucky_points_are_drawn_again(
  arithmetic, oracle7, tmp_path, monkeypatch, capsys
):
  _unlucky_until(monkeypatch, 2)
  universe = _build(tmp_path, arithmetic, 5)
  assert universe.manifest['identity']['attempt'] == 2
  assert capsys.readouterr().err.count('unlucky') == 2
  assert universe.classes_by_size() == {'1': 4, '3': 28, '5': 249}
  assert set(_functions(universe, oracle7)) == {
    f for f, programs in oracle7.minimal.items() if programs[0].size <= 5
  }


def test_points_that_stay_unlucky_are_an_input_error(
  arithmetic, tmp_path, monkeypatch
):
  _unlucky_until(monkeypatch, 1000)
  with pytest.raises(errors.InputError, match=re.escape('arithmetic.bnf')):
    _build(tmp_path, arithmetic, 5)
  assert not (tmp_path / 'universe').exists()


def test_identity_points_depend_on_seed_attempt_and_name_only():
  draw = field_lib.Field.draw
  xy = draw(('x', 'y'), seed=0).residues
  assert draw(('y',), seed=0).residues['y'] == xy['y']
  others = [
    draw(('x',), seed=1).residues['x'],
    draw(('x',), seed=0, attempt=1).residues['x'],
    xy['y'],
  ]
  assert all(xy['x'] != other for other in others)


@pytest.mark.parametrize(
  'text, max_size, problem',
  [
    ('e ::= x | e + e', 0, 'no program'),
    ('e ::= x | e + e', -3, 'no program'),
    ('e ::= x + x | e + e', 2, 'no program'),
    ('e ::= 1 / (x - x)', 7, 'zero function'),
  ],
)
def test_a_universe_without_classes_is_refused(
  tmp_path, text, max_size, problem
):
  grammar = grammar_lib.parse(text, name='empty.bnf')
  with pytest.raises(errors.InputError, match=rf'empty\.bnf.*{problem}'):
    _build(tmp_path, grammar, max_size)
  assert not (tmp_path / 'universe').exists()


@pytest.mark.parametrize(
  'occupy', [pathlib.Path.touch, lambda path: path.symlink_to('nowhere')]
)
def test_what_is_in_the_way_is_named_before_any_work(
  arithmetic, tmp_path, occupy
):
  occupy(tmp_path / 'universe')
  with pytest.raises(errors.InputError, match='in the way'):
    _build(tmp_path, arithmetic, 3)
  assert [path.name for path in tmp_path.iterdir()] == ['universe']


def test_too_many_minimal_programs_for_an_integer_are_refused(tmp_path):
  # Sums of n variables x*x*...: the one class of each size has all Catalan-many
  # bracketings as minimal programs, more than 2**62 at 35 leaves.
  grammar = grammar_lib.parse('e ::= x | e * e', name='huge.bnf')
  with pytest.raises(errors.InputError, match=r'huge\.bnf.*max_size'):
    _build(tmp_path, grammar, 75)


def test_a_size_beyond_the_stored_types_is_refused_before_counting(tmp_path):
  grammar = grammar_lib.parse('e ::= x | e + e', name='sizes.bnf')
  start = time.monotonic()
  with pytest.raises(errors.InputError, match=r'sizes\.bnf.*1000000'):
    _build(tmp_path, grammar, 1_000_000)
  assert time.monotonic() - start < 5


@pytest.mark.parametrize(
  'text, max_size',
  [
    # More symbols than an int8 token can hold, sizes beyond uint8.
    ('e ::= e + e | x | ' + ' | '.join(map(str, range(1, 131))), 3),
    ('e ::= x | neg(e)', 300),
  ],
  ids=['symbols', 'sizes'],
)
def test_limits_of_the_stored_types_are_kept_or_refused(
  tmp_path, text, max_size
):
  try:
    universe = _build(tmp_path, grammar_lib.parse(text), max_size)
  except errors.InputError:
    return
  rows = universe.representative_CxL
  assert all(universe.vocabulary.decode(row).size >= 1 for row in rows)
