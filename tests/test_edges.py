"""Patterns of edges, the grammars without them, and finding them in programs.

The oracle walks over all programs to size 5.
"""

import itertools

import numpy as np
import pytest

from synth.language import counting
from synth.language import edges as edges_lib
from synth.language import grammar as grammar_lib
from synth.language import tokens
from tests import programs as programs_lib
from tests.conftest import GRAMMARS

# What each pattern says of (parent, argument number, child).
_ADDITIVE, _MULTIPLICATIVE = {'add', 'sub'}, {'mul', 'div'}
_PATTERNS = {
  'sub > div': lambda p, a, c: (p, c) == ('sub', 'div'),
  'sub:2 > div': lambda p, a, c: (p, a, c) == ('sub', 1, 'div'),
  'mul|div > add|sub': lambda p, a, c: p in _MULTIPLICATIVE and c in _ADDITIVE,
  'any:1 > 3': lambda p, a, c: a == 0 and c == '3',
  'any > div, div > any': lambda p, a, c: (
    c == 'div' or (p == 'div' and c in _ADDITIVE | _MULTIPLICATIVE)
  ),
}


def _has(node, wanted):
  return any(
    wanted(node.symbol, place, arg.symbol) or _has(arg, wanted)
    for place, arg in enumerate(node.args)
  )


@pytest.fixture(scope='module')
def programs(arithmetic):
  return programs_lib.all_programs(arithmetic, 5)


@pytest.mark.parametrize('pattern', _PATTERNS)
def test_edges_are_found_where_the_tree_has_them(arithmetic, programs, pattern):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  tok_PxL = np.stack([vocabulary.encode(p, 6) for p in programs])
  edges = edges_lib.parse(pattern, arithmetic)
  found = edges_lib.has(tok_PxL, vocabulary, edges)
  assert found.tolist() == [_has(p, _PATTERNS[pattern]) for p in programs]
  assert 0 < found.sum() < len(programs)


@pytest.mark.parametrize('pattern', _PATTERNS)
def test_a_grammar_without_edges_derives_the_programs_without_them(
  arithmetic, programs, pattern
):
  edges = edges_lib.parse(pattern, arithmetic)
  restricted = edges_lib.forbid(arithmetic, edges)
  wanted = {p for p in programs if not _has(p, _PATTERNS[pattern])}
  assert set(programs_lib.all_programs(restricted, 5)) == wanted
  assert {p for p in programs if restricted.derives(p)} == wanted


@pytest.mark.parametrize(
  'text, max_size',
  [
    ('e ::= x | 1 | e + e | e - e | e * e | e / e', 5),
    ('e ::= x | neg(e) | inv(e) | e - e', 5),
    ('e ::= x | 1 | if(c, e, e) | e + e\nc ::= e < e', 8),
    # Every argument of `-` is a quotient: that alternative goes altogether.
    ('e ::= x | e - d\nd ::= e / e', 7),
    ('e ::= x | 1 - (e / 2) | x - e', 7),
    # Without the edge, `d!div` derives no finite program.
    ('e ::= x | neg(d)\nd ::= e / e | d - d', 8),
  ],
)
def test_any_edge_of_any_grammar_can_be_forbidden(text, max_size):
  grammar = grammar_lib.parse(text)
  programs = programs_lib.all_programs(grammar, max_size)
  removed = 0
  for parent, child in itertools.product(grammar.operators, repeat=2):
    edges = edges_lib.parse(f'{parent} > {child}', grammar)
    wanted = [
      program
      for program in programs
      if not _has(program, lambda p, a, c: (p, c) == (parent, child))  # noqa: B023
    ]
    if not wanted:
      continue
    restricted = edges_lib.forbid(grammar, edges)
    kept = programs_lib.all_programs(restricted, max_size)
    assert len(kept) == len(wanted) and set(kept) == set(wanted)
    counted = counting.Counts(restricted).by_size(max_size)
    assert sum(counted.values()) == len(wanted)
    removed += len(programs) - len(wanted)
  assert removed  # some edge did occur


def test_types_are_kept_apart():
  conditional = grammar_lib.load(GRAMMARS / 'conditional.bnf')
  edges = edges_lib.parse('if:1 > lt', conditional)
  # Every condition is a comparison: nothing with `if` is left.
  restricted = edges_lib.forbid(conditional, edges)
  assert 'if' not in restricted.operators and 'min' in restricted.operators


@pytest.mark.parametrize(
  'pattern, named',
  [
    ('sup > div', "no operator 'sup'"),
    ('sub > dib', "no symbol 'dib'"),
    ('x > div', "no operator 'x'"),
    ('sub div', "'sub div' in 'sub div' is no edge"),
    ('sub > div,', "'' in 'sub > div,' is no edge"),
    ('sub:3 > div', 'sub has arguments 1 to 2'),
    ('sub:0 > div', 'sub has arguments 1 to 2'),
  ],
)
def test_a_bad_pattern_is_refused_in_one_sentence(arithmetic, pattern, named):
  with pytest.raises(grammar_lib.GrammarError) as caught:
    edges_lib.parse(pattern, arithmetic)
  assert named in str(caught.value) and '\n' not in str(caught.value)


def test_a_grammar_of_nothing_is_refused():
  grammar = grammar_lib.parse('e ::= a + b\na ::= x\nb ::= y')
  edges = edges_lib.parse('add:1 > x', grammar)
  with pytest.raises(grammar_lib.GrammarError, match='every program has'):
    edges_lib.forbid(grammar, edges)
