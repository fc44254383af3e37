"""Programs survive printing and parsing; bad text is refused by column."""

import fractions

import numpy as np
import pytest
import sympy

from synth.language import constants
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.language import reference
from synth.language import symbolic
from synth.language import tokens
from tests import programs as programs_lib

F = fractions.Fraction
_UNARY = grammar_lib.parse(
  'e ::= x | y | 0.5 | neg(e) | inv(e) | e - e | e / e'
)


def _random_programs(grammar, sizes, count, seed):
  rng = np.random.default_rng(seed)
  return [
    programs_lib.random_program(grammar, int(size), rng)
    for size in rng.choice(sizes, count)
  ]


@pytest.fixture(scope='module')
def many(arithmetic):
  """All small programs and some large ones."""
  return [
    *programs_lib.all_programs(arithmetic, 5),
    *programs_lib.all_programs(_UNARY, 5),
    *_random_programs(arithmetic, [11, 31, 75], 300, 0),
  ]


def test_parsing_inverts_printing(many):
  for program in many:
    assert program_lib.parse(program_lib.to_infix(program)) == program


def test_from_preorder_inverts_preorder(many):
  for program in many:
    symbols = program_lib.preorder(program)
    assert program_lib.from_preorder(symbols) == program
    assert len(symbols) == program.size


def test_no_parentheses_are_printed_that_could_be_left_out(arithmetic):
  for program in programs_lib.all_programs(arithmetic, 5):
    text = program_lib.to_infix(program)
    for i, bracket in enumerate(text):
      if bracket != '(':
        continue
      end = text.index(')', i)  # at size 5 parentheses do not nest
      bare = text[:i] + text[i + 1 : end] + text[end + 1 :]
      assert program_lib.parse(bare) != program


@pytest.mark.parametrize(
  'text, prefix',
  [
    ('x + 1 * 2', 'add x mul 1 2'),
    ('x * 1 + 2', 'add mul x 1 2'),
    ('(x + 1) * 2', 'mul add x 1 2'),
    ('x - 1 - 2', 'sub sub x 1 2'),
    ('x - (1 - 2)', 'sub x sub 1 2'),
    ('x / 1 / 2', 'div div x 1 2'),
    ('x / (1 / 2)', 'div x div 1 2'),
    ('x / 1 * 2', 'mul div x 1 2'),
    ('x - 1 + 2', 'add sub x 1 2'),
    ('x - (1 + 2)', 'sub x add 1 2'),
    ('x + (1 + 2)', 'add x add 1 2'),
    ('neg(x) * 2', 'mul neg x 2'),
    ('neg(x * 2)', 'neg mul x 2'),
    ('inv(x + 1) - 2', 'sub inv add x 1 2'),
  ],
)
def test_precedence_and_associativity_by_hand(text, prefix):
  program = program_lib.parse(text)
  assert programs_lib.to_prefix(program) == prefix
  assert program_lib.to_infix(program) == text  # the fewest parentheses


@pytest.mark.parametrize(
  'text, same',
  [
    ('add(x, 1)', 'x + 1'),
    ('div(sub(x, 1), 2)', '(x - 1) / 2'),
    ('-x', 'neg(x)'),
    ('-x * 2', 'neg(x) * 2'),
    ('2 - -x', '2 - neg(x)'),
    ('--x', 'neg(neg(x))'),
    ('((x))+\n\t(1)', 'x + 1'),
    ('x+1', 'x + 1'),
  ],
)
def test_other_spellings_of_the_same_program(text, same):
  assert program_lib.parse(text) == program_lib.parse(same)


def test_size_is_the_number_of_nodes():
  for text, size in [
    ('x', 1),
    ('neg(x)', 2),
    ('x + 1', 3),
    ('-(x + 1) / x', 6),
  ]:
    assert program_lib.parse(text).size == size


def test_constants_have_exact_values_and_variables_have_none():
  assert constants.value('3') == 3
  assert constants.value('0.1') == F(1, 10)
  assert constants.value('x') is None
  assert constants.value('add') is None


@pytest.mark.parametrize(
  'text, column, symbol',
  [
    ('x + @', 5, '@'),
    ('x y', 3, 'y'),
    ('x ++ 1', 4, '+'),
    ('x)', 2, ')'),
    ('1 * foo(x)', 5, 'foo'),
    ('x(1)', 1, 'x'),
    ('1 + add', 5, 'add'),
    ('2 / neg(x, x)', 5, 'neg'),
    ('2 / add(x)', 5, 'add'),
    ('neg()', 1, 'neg'),
    ('<pad>', 1, '<'),
    ('', 1, 'end of text'),
    ('x +', 3, 'end of text'),
    ('(x + 1', 6, 'end of text'),
  ],
)
def test_bad_text_is_refused_by_column_and_symbol(text, column, symbol):
  with pytest.raises(program_lib.ProgramError) as caught:
    program_lib.parse(text)
  message = str(caught.value)
  assert f'column {column}: ' in message
  assert symbol in message.partition(f'column {column}: ')[2]
  assert repr(text) in message


@pytest.mark.parametrize(
  'prefix, problem',
  [
    ('', 'holds 0 programs'),
    ('x 1', 'holds 2 programs'),
    ('add x', "'add' lacks arguments"),
    ('neg', "'neg' lacks arguments"),
    ('add x 1 2', 'holds 2 programs'),
    ('mul add x 1', "'mul' lacks arguments"),
  ],
)
def test_symbols_that_are_not_one_program_are_refused(prefix, problem):
  with pytest.raises(program_lib.ProgramError, match=problem):
    program_lib.from_preorder(prefix.split())


@pytest.mark.parametrize('text', ['x + @', 'y ' * 1000, '(' * 5000])
def test_a_long_text_is_shortened_in_the_message(text):
  with pytest.raises(program_lib.ProgramError) as caught:
    program_lib.parse(text)
  assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
  'text',
  [
    '(' * 100_000 + 'x' + ')' * 100_000,
    '(' * 100_000,
    '+'.join(['x'] * 5000),
    'x-(' * 5000 + 'x' + ')' * 5000,
    '-' * 5000 + 'x',
    'inv(' * 5000 + 'x' + ')' * 5000,
  ],
  ids=['parentheses', 'unclosed', 'left', 'right', 'minus', 'calls'],
)
def test_very_deep_nesting_gives_a_program_or_an_error(text):
  try:
    program = program_lib.parse(text)
  except program_lib.ProgramError:
    return
  assert program_lib.parse(program_lib.to_infix(program)) == program


@pytest.mark.parametrize('leaves', [50, 100, 200, 300, 400, 480])
def test_whatever_parses_can_be_used(leaves):
  # Between a small program and one that is refused there must be none that
  # parses and then exhausts the stack somewhere else.
  grammar = grammar_lib.parse('e ::= x | e + e')
  try:
    program = program_lib.parse('+'.join(['x'] * leaves))
  except program_lib.ProgramError as error:
    assert leaves > 100
    assert 'deep' in str(error)
    return
  assert program.size == 2 * leaves - 1
  assert program_lib.parse(program_lib.to_infix(program)) == program
  assert program_lib.from_preorder(program_lib.preorder(program)) == program
  assert grammar.derives(program)
  assert len({program, program}) == 1
  row = tokens.Vocabulary.of(grammar).encode(program, program.size)
  assert tokens.Vocabulary.of(grammar).decode(row) == program
  assert reference.evaluate(program, {'x': F(1)}) == leaves
  functions = reference.RationalFunctions(('x',))
  assert functions(program) == leaves * functions(program_lib.Node('x'))
  assert symbolic.to_sympy(program) == leaves * sympy.Symbol('x')


def test_sympy_has_the_exact_values(arithmetic):
  x = sympy.Symbol('x')
  programs = [
    *programs_lib.all_programs(arithmetic, 3),
    *_random_programs(arithmetic, [5, 7, 9], 200, 1),
  ]
  compared = 0
  for program in programs:
    expression = symbolic.to_sympy(program)
    for point in (F(0), F(5, 97), F(-433, 97)):
      value = reference.evaluate(program, {'x': point})
      if value is reference.Undefined.AT_POINT:
        continue  # sympy may know better: it simplifies x / x to 1
      exact = expression.subs(x, sympy.Rational(*point.as_integer_ratio()))
      assert exact == sympy.Rational(*value.as_integer_ratio()), program
      compared += 1
  assert compared > 500


def test_sympy_lambdify_has_the_same_values():
  point = {'x': F(5, 97), 'y': F(-61, 97)}
  programs = programs_lib.all_programs(_UNARY, 5)
  rng = np.random.default_rng(3)
  compared = 0
  for i in rng.choice(len(programs), 150, replace=False):
    value = reference.evaluate(programs[i], point)
    if value is reference.Undefined.AT_POINT:
      continue
    function = sympy.lambdify(
      sympy.symbols('x y'), symbolic.to_sympy(programs[i]), modules='math'
    )
    assert function(*map(float, point.values())) == pytest.approx(float(value))
    compared += 1
  assert compared > 100


def test_sympy_says_that_division_by_zero_is_undefined():
  for text in ('1 / (x - x)', 'inv(x - x)', '(x - x) / (x - x)'):
    assert symbolic.to_sympy(program_lib.parse(text)) in (
      sympy.zoo,
      sympy.nan,
    )


def test_decimals_are_exact_in_sympy():
  total = symbolic.to_sympy(program_lib.parse('0.1 + 0.2'))
  assert total == sympy.Rational(3, 10)
