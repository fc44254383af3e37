"""Grammar files mean what they say, count right, and fail with a place."""

import json
import re

import pytest

from synth.language import edges as edges_lib
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from tests import conftest
from tests import programs as programs_lib

_TYPED = """
  sum ::= x | 1 | sum + prod | prod   # `prod` alone: a unit alternative
  prod ::= 2 | prod * leaf
  leaf ::= y | neg(sum)
"""
_UNARY = 'e ::= x | 2 | neg(e) | inv(e) | e - e'
_NESTED = """
  e ::= x | x * (e + 1)
  # The inner part of a nested argument is a nonterminal of its own.
      | e / (e - neg(2))
"""
_FIELD = 'e ::= x | 1 | e + e | e - e | e * e | e / e'


def _texts(grammar, max_size):
  return {
    program_lib.to_infix(p)
    for p in programs_lib.all_programs(grammar, max_size)
  }


def test_the_arithmetic_file_has_the_expected_symbols(arithmetic):
  assert arithmetic.start == 'expr'
  assert arithmetic.nonterminals == ('expr',)
  assert arithmetic.operators == ('add', 'sub', 'mul', 'div')
  assert arithmetic.variables == ('x',)
  assert arithmetic.constants == ('1', '2', '3')
  assert arithmetic.symbols == (
    *('add', 'sub', 'mul', 'div'),
    *('x', '1', '2', '3'),
  )


def test_symbols_are_sorted_whatever_the_order_in_the_file():
  grammar = grammar_lib.parse('e ::= 10 | y | 9 | e / e | 0.5 | e + e | a')
  # Constants by value: '10' comes after '9', unlike in the alphabet.
  assert grammar.symbols == ('add', 'div', 'a', 'y', '0.5', '9', '10')


def test_typed_rules_derive_exactly_what_they_say():
  assert _texts(grammar_lib.parse(_TYPED), 4) == {
    *('x', '1', '2'),
    *('x + 2', '1 + 2', '2 + 2', '2 * y'),
    *('2 * neg(x)', '2 * neg(1)', '2 * neg(2)'),
  }


def test_nested_arguments_derive_exactly_what_they_say():
  assert _texts(grammar_lib.parse(_NESTED), 6) == {
    *('x', 'x * (x + 1)'),
    'x / (x - neg(2))',
  }


def test_a_unit_alternative_stands_for_all_alternatives_of_its_rule():
  units = grammar_lib.parse('a ::= b | a + a\nb ::= c | y\nc ::= x | c * c')
  # `b` is used by nobody but `a`, yet it was written: it must be used.
  direct = {'x', 'y', 'x * x', 'x + x', 'x + y', 'y + x', 'y + y'}
  assert _texts(units, 3) == direct


def test_comments_and_blank_lines_mean_nothing():
  plain = grammar_lib.parse('e ::= x | e + e')
  text = '# first\n\ne ::= x # | y\n\n# e ::= z\n  | e + e # last'
  assert grammar_lib.parse(text) == grammar_lib.parse(text)
  assert grammar_lib.parse(text).productions == plain.productions


def test_one_constant_has_one_spelling():
  grammar = grammar_lib.parse('e ::= 0.5 | 0.50 + e')
  assert grammar.constants == ('0.5',)
  assert _texts(grammar, 3) == {'0.5', '0.5 + 0.5'}


@pytest.mark.parametrize('text', [_TYPED, _NESTED])
def test_derives_agrees_with_brute_force(text):
  grammar = grammar_lib.parse(text)
  # All trees over the symbols, so that most are not of the language.
  leaves = [*grammar.variables, *grammar.constants]
  calls = [
    f'{name}({", ".join(["e"] * (1 if name == "neg" else 2))})'
    for name in grammar.operators
  ]
  anything = grammar_lib.parse('e ::= ' + ' | '.join(leaves + calls))
  language = set(programs_lib.all_programs(grammar, 6))
  trees = programs_lib.all_programs(anything, 6)
  assert 0 < len(language) < len(trees) / 10
  assert language <= set(trees)
  assert [grammar.derives(t) for t in trees] == [t in language for t in trees]


def test_derives_refuses_foreign_symbols_and_arities(arithmetic):
  for text in ('y', '4', 'neg(x)', 'x + (1 - y)'):
    assert not arithmetic.derives(program_lib.parse(text))
  assert not arithmetic.derives(program_lib.Node('add'))
  assert arithmetic.derives(program_lib.parse('x + (1 - 3) / x'))


@pytest.mark.parametrize(
  'text, line, symbol',
  [
    ('e ::= x\n | foo(e)', 2, 'foo'),
    ('e ::= x\n | e + x(1)', 2, 'x'),
    ('e ::= x\n\n | add(e)', 3, 'add'),
    ('e ::= x\n | neg(e, e)', 2, 'neg'),
    ('e ::= x\n | add', 2, 'add'),
    ('add ::= x', 1, 'add'),
    ('e ::= x\nlost ::= 1', 2, 'lost'),
    ('e ::= x\na ::= b\nb ::= 1 | a + b', 2, 'a'),
    ('e ::= x\n | e + f\nf ::= f + f', 3, 'f'),
    ('e ::= e + e', 1, 'e'),
    ('e ::= x | e + 1\n | x', 2, 'x'),
    ('e ::= x | e + 1\n | e + 1', 2, 'e + 1'),
    ('e ::= 0.5\n | 0.50', 2, '0.50'),
    ('e ::= a\n | b\na ::= 1\nb ::= 1', 4, '1'),
    ('e ::= x\n# comment\ne ::= 1', 3, 'e'),
    ('a ::= x\n | b\nb ::= a', 3, 'b'),
    ('e ::= x\n | e', 2, 'e'),
    ('e ::= x\n | e + e\n | x + e', 3, 'x + x'),
    ('e ::= x | e + f\n | f + e\nf ::= x | 2', 2, 'x + x'),
    ('e ::= x\n | e ? e', 2, '?'),
    ('e ::= x\n | e + * e', 2, '*'),
    ('e ::= x\n | (e', 2, 'end of text'),
    ('', 1, 'end of text'),
    ('e ::= x\n | 1' + '0' * 400, 2, '1000'),
    ('e ::= x\n | 0.' + '9' * 5000, 2, '0.99'),
  ],
)
def test_a_bad_file_is_refused_by_file_line_and_symbol(
  tmp_path, text, line, symbol
):
  path = tmp_path / 'bad.bnf'
  path.write_text(text, encoding='utf-8')
  with pytest.raises(grammar_lib.GrammarError) as caught:
    grammar_lib.load(path)
  message = str(caught.value)
  assert message.startswith(f'{path}:{line}: '), message
  assert symbol in message.removeprefix(f'{path}:{line}: ')
  assert '\n' not in message


def test_files_of_other_systems_mean_the_same(tmp_path, arithmetic):
  text = (conftest.GRAMMARS / 'arithmetic.bnf').read_bytes()
  path = tmp_path / 'other.bnf'
  path.write_bytes(b'\xef\xbb\xbf' + text.replace(b'\n', b'\r\n'))
  assert grammar_lib.load(path).sha256 == arithmetic.sha256


def test_an_ambiguity_is_shown_by_a_program_with_two_derivations():
  with pytest.raises(grammar_lib.GrammarError) as caught:
    grammar_lib.parse('e ::= a + a | b + b\na ::= x | 1\nb ::= 1 | neg(b)')
  assert "'1 + 1'" in str(caught.value)
  assert 'add(a, a)' in str(caught.value)
  assert 'add(b, b)' in str(caught.value)
  # Sharing a symbol is fine as long as no program has both derivations.
  grammar_lib.parse('e ::= a + a | b + b\na ::= x\nb ::= 1 | neg(b)')


def test_an_unreadable_file_is_refused_by_name(tmp_path):
  binary = tmp_path / 'binary.bnf'
  binary.write_bytes(b'e ::= \xff\xfe')
  for path in (tmp_path / 'missing.bnf', tmp_path, binary):
    with pytest.raises(grammar_lib.GrammarError, match=re.escape(str(path))):
      grammar_lib.load(path)


@pytest.mark.parametrize(
  'body', ['(' * 10_000 + 'x', '+'.join(['x'] * 5000), '-' * 5000 + 'x']
)
def test_a_deeply_nested_alternative_is_a_grammar_error(body):
  with pytest.raises(grammar_lib.GrammarError, match=r'deep\.bnf:2'):
    grammar_lib.parse('e ::= 1\n | ' + body, name='deep.bnf')


@pytest.mark.parametrize('text', [_TYPED, _UNARY, _NESTED, _FIELD])
def test_json_gives_the_same_grammar_back(text):
  grammar = grammar_lib.parse(text, name='some.bnf')
  child = 'neg' if 'neg' in grammar.operators else 'div'
  edges = edges_lib.parse(f'{grammar.operators[0]} > {child}', grammar)
  for original in (grammar, edges_lib.forbid(grammar, edges)):
    data = json.loads(json.dumps(original.to_json()))
    copy = grammar_lib.Grammar.from_json(data)
    assert copy == original
    assert copy.sha256 == original.sha256
    assert copy.symbols == original.symbols


def test_the_hash_ignores_layout_and_sees_meaning(tmp_path):
  original = (conftest.GRAMMARS / 'arithmetic.bnf').read_text()
  wanted = grammar_lib.parse(original).sha256
  same = [
    '# other comment\n' + original,
    original.replace('\n', '\r\n'),
    'expr::=3|expr/expr|x|expr*expr|2|expr-expr|1|expr+expr',
    'expr ::= x | 1 | 2 | (3) | add(expr, expr) | sub(expr, expr)\n'
    '| mul(expr, expr) | div(expr, expr)',
  ]
  for i, text in enumerate(same):
    path = tmp_path / f'{i}.bnf'
    path.write_bytes(text.encode())
    assert grammar_lib.load(path).sha256 == wanted  # nor does the path matter
  other = [
    original.replace('| 3', '| 4'),
    original.replace('| 3', ''),
    original.replace('expr / expr', 'x / expr'),
    original.replace('expr - expr', 'neg(expr)'),
  ]
  hashes = {grammar_lib.parse(text).sha256 for text in other}
  assert len(hashes) == len(other)
  assert wanted not in hashes
  # The start matters even where the rules are the same set.
  a, b = 'a ::= x | neg(b)', 'b ::= 1 | neg(a)'
  assert (
    grammar_lib.parse(f'{a}\n{b}').sha256
    != grammar_lib.parse(f'{b}\n{a}').sha256
  )
