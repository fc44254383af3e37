"""The tables of what may come next, against all programs by brute force."""

import itertools

import numpy as np
import pytest

from synth.language import grammar as grammar_lib
from synth.language import prefixes
from synth.language import tokens
from tests import conftest
from tests import programs as programs_lib

# Two types, unary and ternary operators, sizes odd and even.
TYPED = """
e ::= x | 1 | e + e | neg(e) | if(c, e, e)
c ::= e < e
"""
# Alternatives that begin alike, of unequal smallest sizes, in any argument.
FORKED = """
s ::= x | a + b | b + a | if(a, b, s) | if(b, s, a)
a ::= 1 | neg(s)
b ::= 2 | neg(neg(neg(a)))
"""
# Every nonterminal is a choice of left and right: stacks of many kinds.
PARITY = """
e ::= 1 | o + e | e + o
o ::= x | o + o | e * e
"""
# Nothing can be said of a program before its last leaf has been seen.
TANGLED = """
p ::= 2 | if(p, q, p) | neg(s) | q + p | s - s
q ::= 1 | neg(r) | q - r | s + q
r ::= q + s | s - q | x
s ::= if(r, p, s) | p - q | q + p | s - s
"""


def _tables(grammar, max_size):
  vocabulary = tokens.Vocabulary.of(grammar)
  return vocabulary, prefixes.tables(grammar, vocabulary, max_size)


def _walk(tables, num_tokens, max_size):
  """All prefixes that the tables allow, and those that end there."""
  ended, found = set(), set()
  todo = [((), int(tables.start), (int(tables.bottom),), int(tables.least))]
  while todo:
    row, top, stack, need = todo.pop()
    found.add(row)
    for v in range(num_tokens):
      after = need + int(tables.extra_CxV[top, v])
      if after > max_size - len(row):
        continue
      if v == tokens.EOS:
        ended.add(row)
        continue
      new_top, below = int(tables.top_CxV[top, v]), stack
      if new_top == prefixes.NOTHING:
        *below, exposed = stack
        new_top = int(tables.exposed_BxI[exposed, tables.links_CxV[top, v]])
      pushed = tables.below_CxVxA[top, v]
      below = (*below, *pushed[pushed != prefixes.NOTHING].tolist())
      todo.append(((*row, v), new_top, below, after - 1))
  return found, ended


def _countdown(number):
  """Expressions that use each of `number` operands exactly once."""
  rules = []
  for count in range(number, 0, -1):
    for used in itertools.combinations('abcdef'[:number], count):
      name = ''.join(used)
      alternatives = [
        f'use_{"".join(left)} {op} use_{"".join(sorted(set(used) - set(left)))}'
        for k in range(1, count)
        for left in itertools.combinations(used, k)
        for op in '+-*/'
      ]
      rules.append(f'use_{name} ::= {" | ".join(alternatives) or name}')
  return grammar_lib.parse('\n'.join(rules))


@pytest.mark.parametrize(
  'text, max_size',
  [
    (TYPED, 6),
    (FORKED, 8),
    (PARITY, 8),
    ('s ::= x | a + b | b + a\na ::= 1\nb ::= 2', 3),
    ('s ::= d + d\nd ::= 1 | d * d', 3),  # one program fits
    ('s ::= 1', 4),
  ],
)
def test_exactly_the_prefixes_of_programs_that_fit_are_allowed(text, max_size):
  grammar = grammar_lib.parse(text)
  vocabulary, tables = _tables(grammar, max_size)
  programs = {
    tuple(vocabulary.encode(program, program.size).tolist())
    for program in programs_lib.all_programs(grammar, max_size)
  }
  wanted = {row[:i] for row in programs for i in range(len(row) + 1)}
  assert _walk(tables, len(vocabulary), max_size) == (wanted, programs)


@pytest.mark.slow
def test_countdown_is_told_by_the_operands_that_are_left():
  grammar = grammar_lib.load(conftest.GRAMMARS / 'countdown.bnf')
  vocabulary, tables = _tables(grammar, 7)
  _, ended = _walk(tables, len(vocabulary), 7)
  assert len(ended) == 7680 == len(programs_lib.all_programs(grammar, 7))
  assert all(grammar.derives(vocabulary.decode(row)) for row in ended)
  # One more operand: three to four times the cells, as its sets double.
  _, more = _tables(_countdown(5), 9)
  assert len(more.extra_CxV) < 4 * len(tables.extra_CxV) < 400


@pytest.mark.parametrize(
  'name', ['arithmetic', 'arithmetic3', 'conditional', 'scientific']
)
def test_symbols_that_say_what_follows_need_a_cell_a_nonterminal(name):
  grammar = grammar_lib.load(conftest.GRAMMARS / f'{name}.bnf')
  vocabulary, tables = _tables(grammar, 15)
  assert len(tables.extra_CxV) == len(grammar.nonterminals) + 1  # the end
  longer = prefixes.tables(grammar, vocabulary, 31)
  for array, other in zip(tables, longer, strict=True):
    np.testing.assert_array_equal(array, other)


def test_refusals_name_grammar_and_limit():
  grammar = grammar_lib.parse(TANGLED, 'tangled.bnf')
  prefixes.tables(grammar, tokens.Vocabulary.of(grammar), 3)
  with (
    pytest.raises(
      grammar_lib.GrammarError, match=r'^tangled\.bnf: .* more than 500 sets'
    ),
    pytest.MonkeyPatch.context() as patch,
  ):
    patch.setattr(prefixes, '_MOST_CELLS', 500)
    _tables(grammar, 9)
  grammar = grammar_lib.parse('s ::= a + a\na ::= x + x', 'big.bnf')
  with pytest.raises(
    grammar_lib.GrammarError, match=r'^big\.bnf: .* at most 6 .* has 7'
  ):
    _tables(grammar, 6)
