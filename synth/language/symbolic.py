"""Programs as sympy expressions: an oracle from outside."""

from collections.abc import Callable
from typing import Any

import sympy

from synth.language import constants
from synth.language import program as program_lib

OPERATORS: dict[str, Callable[..., Any]] = {
  'add': lambda a, b: a + b,
  'sub': lambda a, b: a - b,
  'mul': lambda a, b: a * b,
  'div': lambda a, b: a / b,
  'neg': lambda a: -a,
  'inv': lambda a: 1 / a,
  'min': sympy.Min,
  'max': sympy.Max,
  'lt': lambda a, b: sympy.Piecewise((1, a < b), (0, True)),
  'if': lambda condition, a, b: sympy.Piecewise(
    (a, sympy.Ne(condition, 0)), (b, True)
  ),
  'sqrt': sympy.sqrt,
  'exp': sympy.exp,
  'log': sympy.log,
  'sin': sympy.sin,
  'cos': sympy.cos,
}


def to_sympy(program: program_lib.Node) -> sympy.Expr:
  """The program as a sympy expression (`zoo`/`nan` for division by 0)."""
  value = constants.value(program.symbol)
  if value is not None:
    return sympy.Rational(value.numerator, value.denominator)
  if not program.args:
    return sympy.Symbol(program.symbol)
  return OPERATORS[program.symbol](*(to_sympy(arg) for arg in program.args))
