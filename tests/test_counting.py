"""Counts, ranks and uniform programs, against formulas and brute force."""

import collections
import math

import numpy as np
import pytest

from synth import errors
from synth.language import counting
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.universe import build as build_lib
from tests import conftest
from tests import programs as programs_lib

_TYPED = """
  sum ::= x | 1 | sum + prod | prod
  prod ::= 2 | prod * leaf
  leaf ::= y | neg(sum)
"""
_UNARY = 'e ::= x | 2 | neg(e) | inv(e) | e - e'
_NESTED = 'e ::= x | x * (e + 1) | e / (e - neg(2))'
_CASES = [(_TYPED, 9), (_UNARY, 6), (_NESTED, 12), ('e ::= x', 3)]


@pytest.mark.parametrize('operators', ['+', '+-', '+-*/'])
@pytest.mark.parametrize('leaves', ['x', 'x 1', 'x y 1 2 3'])
def test_binary_grammars_are_counted_by_catalan_numbers(operators, leaves):
  alternatives = [*leaves.split(), *(f'e {o} e' for o in operators)]
  counts = counting.Counts(
    grammar_lib.parse('e ::= ' + ' | '.join(alternatives))
  )
  for n in range(1, 9):
    catalan = math.comb(2 * n - 2, n - 1) // n
    shapes = catalan * len(operators) ** (n - 1) * len(leaves.split()) ** n
    assert counts.count('e', 2 * n - 1) == shapes
    assert counts.count('e', 2 * n) == 0  # a binary tree has an odd size


def test_the_arithmetic_grammar_has_the_published_numbers(arithmetic):
  counts = counting.Counts(arithmetic)
  assert counts.by_size(7) == {1: 4, 3: 64, 5: 2048, 7: 81920}


def test_counts_are_exact_beyond_64_bits(arithmetic):
  n = 30
  wanted = math.comb(2 * n - 2, n - 1) // n * 4 ** (n - 1) * 4**n
  assert wanted > 2**64
  assert counting.Counts(arithmetic).count('expr', 59) == wanted


@pytest.mark.parametrize('text, max_size', _CASES)
def test_ranking_is_a_bijection_onto_the_programs(text, max_size):
  grammar = grammar_lib.parse(text)
  counts = counting.Counts(grammar)
  brute = programs_lib.all_programs(grammar, max_size)
  for size in range(1, max_size + 1):
    programs = list(counts.programs(size))
    assert len(set(programs)) == len(programs)
    assert set(programs) == {p for p in brute if p.size == size}
    assert [counts.rank(p) for p in programs] == list(range(len(programs)))


def test_ranks_beyond_64_bits_come_back(arithmetic):
  counts = counting.Counts(arithmetic)
  rng = np.random.default_rng(0)
  for _ in range(20):
    rank = counting.uniform_below(counts.count('expr', 59), rng)
    program = counts.unrank(59, rank)
    assert program.size == 59
    assert counts.rank(program) == rank


def test_bad_ranks_and_foreign_programs_are_refused(arithmetic):
  counts = counting.Counts(arithmetic)
  counts.count(arithmetic.start, 5)
  for size in (0, -1, -3):
    assert counts.count(arithmetic.start, size) == 0
  for size, rank in ((1, 4), (1, -1), (2, 0), (0, 0), (-1, 0)):
    with pytest.raises(
      errors.InputError, match=f'number {rank} of size {size}'
    ):
      counts.unrank(size, rank)
  with pytest.raises(errors.InputError, match='4'):
    counts.rank(program_lib.parse('x + 4'))
  with pytest.raises(errors.InputError, match='size 2'):
    counts.sample(2, np.random.default_rng(0))


def test_samples_are_uniform_over_the_programs_of_a_size():
  counts = counting.Counts(grammar_lib.parse(_UNARY))
  rng = np.random.default_rng(1)
  number = counts.count('e', 3)
  drawn = collections.Counter(
    counts.sample(3, rng) for _ in range(200 * number)
  )
  assert len(drawn) == number
  chi_square = sum((n - 200) ** 2 / 200 for n in drawn.values())
  # Mean number - 1, variance 2 (number - 1): four standard deviations.
  assert abs(chi_square - (number - 1)) < 4 * math.sqrt(2 * (number - 1))


def test_uniform_integers_cover_their_range_beyond_one_word():
  rng = np.random.default_rng(2)
  number = 3 * 2**70
  drawn = [counting.uniform_below(number, rng) for _ in range(3000)]
  assert all(0 <= d < number for d in drawn)
  thirds = collections.Counter(d // 2**70 for d in drawn)
  assert all(abs(thirds[i] - 1000) < 110 for i in range(3))


def test_countdown_has_the_numbers_of_oeis_a140606(tmp_path):
  # Inequivalent expressions that use each of n distinct operands exactly once
  # with + - * /: 1, 6, 68, 1170 for n = 1..4.
  grammar = grammar_lib.load(conftest.GRAMMARS / 'countdown.bnf')
  universe = build_lib.build(tmp_path / 'universe', grammar, 7, seed=0)
  assert universe.classes_by_size() == {'7': 1170}
  found = collections.Counter(
    grammar.nonterminals[n] for n in universe.forest.nonterminal_N
  )
  wanted = {1: 1, 2: 6, 3: 68, 4: 1170}
  assert found == {
    name: wanted[len(name.removeprefix('use_'))]
    for name in grammar.nonterminals
  }


def test_arithmetic3_counts_its_leaves_and_pairs(tmp_path):
  grammar = grammar_lib.load(conftest.GRAMMARS / 'arithmetic3.bnf')
  assert grammar.variables == ('x', 'y', 'z')
  assert len(grammar.constants) == 10
  counts = counting.Counts(grammar)
  assert counts.by_size(5) == {1: 13, 3: 4 * 13**2, 5: 2 * 4**2 * 13**3}
  universe = build_lib.build(tmp_path / 'universe', grammar, 3, seed=0)
  assert universe.classes_by_size()['1'] == 13
