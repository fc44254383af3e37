"""The reference semantics: slow, plain, exact. Every interpreter must agree.

Without order and transcendental operators a program denotes a rational function
of its variables. Two things can be
undefined, and they are different:
  * the program divides by the *zero function* (`1 / (x - x)`): it has no
    semantics at all and belongs to no semantic class;
  * the program divides by zero *at a point* (`1 / x` at x = 0): a pole of this
    program there; other programs of the same class may be defined there.
"""

from collections.abc import Mapping
import enum
import fractions
from typing import Any

import sympy
from sympy.polys import fields

from synth.language import arithmetic
from synth.language import constants
from synth.language import program as program_lib
from synth.language import symbolic

_RATIONAL = arithmetic.Rational()


class Undefined(enum.Enum):
  """The two error values."""

  ZERO_FUNCTION = 'division by the zero function'
  AT_POINT = 'undefined at this point'


def evaluate(
  program: program_lib.Node,
  point: Mapping[str, fractions.Fraction],
  system: arithmetic.NumberSystem = _RATIONAL,
) -> Any:
  """The exact value of `program` at `point`, or `Undefined.AT_POINT`.

  Args:
    program: A program.
    point: Variable -> number.
    system: Numbers one at a time: `Rational`, or `Multiprecision` for programs
      that leave the rationals.

  Raises:
    KeyError: if the program has a variable that `point` lacks.
  """
  value, ok = _evaluate(program, point, system)
  return value if ok else Undefined.AT_POINT


def _evaluate(
  program: program_lib.Node,
  point: Mapping[str, fractions.Fraction],
  system: arithmetic.NumberSystem,
) -> arithmetic.Value:
  if program.args:
    args = [_evaluate(arg, point, system) for arg in program.args]
    return system.apply(program.symbol, *args)
  constant = constants.value(program.symbol)
  number = point[program.symbol] if constant is None else constant
  return system.constant(number), True


class RationalFunctions:
  """Exact semantics in the field Q(variables), by sympy's polynomials.

  Equal elements are equal functions, so this decides equivalence and division
  by the zero function without any random point.
  """

  def __init__(self, variables: tuple[str, ...]):
    # A program without variables still needs a field to live in.
    names = variables or ('_',)
    self._field, *generators = fields.field(','.join(names), sympy.QQ)
    self._leaf = dict(zip(names, generators, strict=True))
    self._memo: dict[program_lib.Node, object] = {}
    # Many programs have few functions: of their values, each is formed once.
    self._applied: dict[tuple[str, tuple[object, ...]], object] = {}

  def __call__(self, program: program_lib.Node) -> object:
    """The element of the field, or `Undefined.ZERO_FUNCTION`."""
    if program not in self._memo:
      self._memo[program] = self._evaluate(program)
    return self._memo[program]

  def _evaluate(self, program: program_lib.Node) -> object:
    if not program.args:
      constant = constants.value(program.symbol)
      if constant is None:
        return self._leaf[program.symbol]
      return self._field(sympy.QQ(constant.numerator, constant.denominator))
    key = program.symbol, tuple(self(arg) for arg in program.args)
    if key not in self._applied:
      self._applied[key] = self._apply(*key)
    return self._applied[key]

  def _apply(self, symbol: str, args: tuple[object, ...]) -> object:
    if Undefined.ZERO_FUNCTION in args:
      return Undefined.ZERO_FUNCTION
    if symbol in ('div', 'inv') and args[-1] == 0:
      return Undefined.ZERO_FUNCTION
    return symbolic.OPERATORS[symbol](*args)
