"""The reference semantics: hand-worked values, poles, exact equivalence."""

import fractions
import math
import re

import numpy as np
import pytest
import sympy

from synth import interpret
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.language import reference
from synth.language import symbolic
from tests import programs as programs_lib
from tests.conftest import GRAMMARS

F = fractions.Fraction
_AT_POINT = reference.Undefined.AT_POINT
_ZERO_FUNCTION = reference.Undefined.ZERO_FUNCTION


def _by_python(program, point):
  """The value by Python's own parser and rationals: an outside oracle."""
  text = re.sub(r'\d+', r'F(\g<0>)', program_lib.to_infix(program))
  names = {'neg': lambda a: -a, 'inv': lambda a: 1 / a, 'F': F, **point}
  try:
    return eval(text, names)
  except ZeroDivisionError:
    return _AT_POINT


@pytest.mark.parametrize(
  'text, x, value',
  [
    ('x', F(5, 97), F(5, 97)),
    ('0.25', F(0), F(1, 4)),
    ('x + 1 * 2', F(1, 2), F(5, 2)),
    ('(x + 1) * 2', F(1, 2), F(3)),
    ('x - 1 - 2', F(10), F(7)),
    ('x - (1 - 2)', F(10), F(11)),
    ('x / 2 / 3', F(1), F(1, 6)),
    ('x / (2 / 3)', F(1), F(3, 2)),
    ('x * x - 3 / x', F(-2, 3), F(4, 9) + F(9, 2)),
    ('neg(inv(x))', F(3, 7), F(-7, 3)),
    ('-x - -x', F(3, 7), F(0)),
    ('0.1 + 0.2 - 0.3', F(0), F(0)),  # decimals are exact, unlike floats
    ('1 / (x - 2)', F(2), _AT_POINT),
    ('inv(x)', F(0), _AT_POINT),
    ('x / x', F(0), _AT_POINT),  # as written; never a protected default
    ('(x - 2) * (1 / (x - 2))', F(2), _AT_POINT),
    ('(x - x) * (1 / x)', F(0), _AT_POINT),  # undefined spreads, even over 0 *
    ('1 / (1 / x)', F(0), _AT_POINT),
    ('0 / x', F(1), F(0)),
  ],
)
def test_values_by_hand(text, x, value):
  assert reference.evaluate(program_lib.parse(text), {'x': x}) == value


def test_variables_are_told_apart():
  program = program_lib.parse('(x - y) / y')
  assert reference.evaluate(program, {'x': F(1), 'y': F(3)}) == F(-2, 3)
  with pytest.raises(KeyError, match='y'):
    reference.evaluate(program, {'x': F(1)})


def test_values_equal_those_of_python_for_all_programs_to_size_5(arithmetic):
  points = [{'x': x} for x in (F(0), F(1), F(5, 97), F(-433, 97))]
  undefined = 0
  for program in programs_lib.all_programs(arithmetic, 5):
    for point in points:
      wanted = _by_python(program, point)
      assert reference.evaluate(program, point) == wanted, program
      undefined += wanted is _AT_POINT
  assert undefined > 50  # the error value was tried, too


def test_values_equal_those_of_python_for_unary_and_large_programs(arithmetic):
  rng = np.random.default_rng(0)
  unary = grammar_lib.parse('e ::= x | 2 | neg(e) | inv(e) | e - e')
  programs = programs_lib.all_programs(unary, 5) + [
    programs_lib.random_program(arithmetic, int(size), rng)
    for size in rng.choice([9, 15, 31], 300)
  ]
  for program in programs:
    for x in (F(0), F(204, 97)):
      assert reference.evaluate(program, {'x': x}) == _by_python(
        program, {'x': x}
      )


@pytest.mark.parametrize(
  'left, right',
  [
    ('(a - b) / c', 'a / c - b / c'),
    ('(a - b) / c', '(b - a) / (0 - c)'),
    ('(a - b) / c', 'neg(b - a) * inv(c)'),
    ('a / (b / c)', 'a * c / b'),
    ('(a + b) * (a - b)', 'a * a - b * b'),
    ('(a * a - b * b) / (a - b)', 'a + b'),
    ('1 / a + 1 / b', '(a + b) / (a * b)'),
    ('a - a', '0 * b'),
    ('a / a', '1'),
    ('0.5 * a', 'a / 2'),
  ],
)
def test_equal_functions_are_the_same_element(left, right):
  functions = reference.RationalFunctions(('a', 'b', 'c'))
  a, b = functions(program_lib.parse(left)), functions(program_lib.parse(right))
  assert a == b
  assert hash(a) == hash(b)  # sets and dictionaries of functions work


@pytest.mark.parametrize(
  'left, right',
  [
    ('(a - b) / c', 'a - b / c'),
    ('a - (b - c)', 'a - b - c'),
    ('a / (b / c)', 'a / b / c'),
    ('a - b', 'b - a'),
    ('a', 'b'),
    ('a', 'neg(a)'),
    ('1 / a', 'a'),
    ('a + 1', 'a + 2'),
  ],
)
def test_different_functions_are_different_elements(left, right):
  functions = reference.RationalFunctions(('a', 'b', 'c'))
  assert functions(program_lib.parse(left)) != functions(
    program_lib.parse(right)
  )


@pytest.mark.parametrize(
  'text, is_zero_function',
  [
    ('1 / (x - x)', True),
    ('inv(x - x)', True),
    ('x / 0', True),
    ('(x - x) / (x - x)', True),
    ('(1 / (x - x)) * (x - x)', True),  # it spreads to whatever contains it
    ('0 / (1 / (x - x))', True),
    ('1 / (x * x - x * x)', True),
    ('1 / ((x + 1) * (x - 1) - x * x + 1)', True),
    ('1 / (x - 1)', False),
    ('1 / (x - x + 1)', False),
    ('x - x', False),
    ('0 / x', False),
    ('1 / (1 / x)', False),
  ],
)
def test_dividing_by_the_zero_function_differs_from_having_a_pole(
  text, is_zero_function
):
  program = program_lib.parse(text)
  value = reference.RationalFunctions(('x',))(program)
  assert (value is _ZERO_FUNCTION) == is_zero_function
  # A program that divides by the zero function has no value at any point; any
  # other has one at almost every point (not at the pole 1 of `1 / (x - 1)`).
  generic = reference.evaluate(program, {'x': F(5, 97)})
  assert (generic is _AT_POINT) == is_zero_function


def test_equivalence_is_that_of_sympy_cancel(arithmetic):
  rng = np.random.default_rng(1)
  functions = reference.RationalFunctions(('x',))
  x = sympy.Symbol('x')
  for _ in range(60):
    p, q = (programs_lib.random_program(arithmetic, 7, rng) for _ in range(2))
    if _ZERO_FUNCTION in (functions(p), functions(q)):
      continue
    same = sympy.cancel(symbolic.to_sympy(p) - symbolic.to_sympy(q)) == 0
    assert (functions(p) == functions(q)) == same
    # And the element itself is sympy's canonical form of the program.
    element = functions(p).as_expr(x)
    assert sympy.cancel(element - symbolic.to_sympy(p)) == 0


def test_equal_functions_agree_wherever_both_are_defined(arithmetic):
  functions = reference.RationalFunctions(('x',))
  by_function = {}
  for program in programs_lib.all_programs(arithmetic, 5):
    by_function.setdefault(functions(program), []).append(program)
  del by_function[_ZERO_FUNCTION]
  values = {}
  for function, programs in by_function.items():
    # k/97 is a pole of none of them; 15 points would decide.
    rows = {
      tuple(reference.evaluate(p, {'x': F(k, 97)}) for k in (5, 61, 204, 480))
      for p in programs
    }
    assert len(rows) == 1
    values[rows.pop()] = function
  assert len(values) == len(by_function) == 4 + 28 + 249


def test_a_language_without_variables_has_exact_semantics_too():
  functions = reference.RationalFunctions(())
  one = functions(program_lib.parse('1 / 3 + 2 / 3'))
  assert one == functions(program_lib.parse('1'))
  assert functions(program_lib.parse('1 / (1 - 1)')) is _ZERO_FUNCTION


def test_no_number_that_a_float_holds_is_taken_for_zero():
  grammar = grammar_lib.load(GRAMMARS / 'scientific.bnf')
  points = interpret.parse_points('x=1e-31,75,-75;y=1e300,3,5', ('x', 'y'))
  for text, wanted in {
    '1 / x': [1e31, 1 / 75, -1 / 75],  # no function that leaves the rationals
    'inv(exp(x))': [1.0, math.exp(-75), math.exp(75)],
    'sqrt(x) / x': [10**15.5, 75**-0.5, None],
    # Zero for each x and y, but for what is rounded on the way.
    'inv(sqrt(y) * sqrt(y) - y)': [None] * 3,
    'inv(log(exp(x)) - x)': [None] * 3,
  }.items():
    found = interpret.interpret(text, grammar, points)['values']
    np.testing.assert_allclose(
      np.array(found, float), np.array(wanted, float), 1e-14, err_msg=text
    )
