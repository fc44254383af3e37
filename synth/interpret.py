"""Runs programs from stdin, one infix program a line.

  echo 'x / (y - 1)' | python -m synth.interpret \\
    --grammar=FILE --points='x=0.5,1,2;y=0,1,4'

prints for each line a JSON object, {"values": [...]} with null where the
program is undefined, or {"error": "..."}; then a summary line. Values are
computed by the reference interpreter, exactly or, with roots and functions that
leave the rationals, to many digits, and rounded to float at the end.
"""

import fractions
import io
import json
import math
import sys
from typing import Any

from absl import flags

from synth import cli
from synth import errors
from synth.language import arithmetic
from synth.language import grammar as grammar_lib
from synth.language import multiprecision
from synth.language import operators
from synth.language import program as program_lib
from synth.language import reference

_LARGEST_EXPONENT = 400  # of ten, in a point
# For functions whose values are not rational. Numbers as small as a float's
# least, squared, are no 0; what cancellation leaves of the largest ones is.
_DIGITS, _SPARE = 1100, 400

Point = dict[str, fractions.Fraction]


def parse_points(text: str, variables: tuple[str, ...]) -> list[Point]:
  """Reads `x=0.5,1,2;y=0,1,4`: the E points of every variable.

  Variables that the grammar lacks are allowed: no program can use them.

  Raises:
    InputError: names the part that is wrong.
  """
  columns: dict[str, list[fractions.Fraction]] = {}
  for part in filter(None, text.split(';')):
    name, equals, numbers = (field.strip() for field in part.partition('='))
    if not (equals and name.isidentifier()):
      raise errors.InputError(
        f'--points: {part!r} is not of the form variable=number,number,...'
      )
    if name in columns:
      raise errors.InputError(f'--points: {name!r} is given twice')
    try:
      columns[name] = [_number(n.strip()) for n in numbers.split(',')]
    except (ValueError, ZeroDivisionError):
      raise errors.InputError(
        f'--points: {part!r} is not a list of numbers that a float can hold'
      ) from None
  missing = [name for name in variables if name not in columns]
  if missing:
    raise errors.InputError(f'--points: no values for {missing[0]!r}')
  lengths = {name: len(column) for name, column in columns.items()}
  if len(set(lengths.values())) > 1:
    raise errors.InputError(f'--points: unequal numbers of values: {lengths}')
  return [
    dict(zip(columns, row, strict=True))
    for row in zip(*columns.values(), strict=True)
  ]


def _number(text: str) -> fractions.Fraction:
  """An exact number, as large or small as a float can be.

  Raises:
    ValueError: if it is none.
  """
  mantissa, _, exponent = text.lower().partition('e')
  if exponent and abs(int(exponent)) > _LARGEST_EXPONENT:
    raise ValueError(f'{mantissa}e{exponent} would fill the memory')
  number = fractions.Fraction(text)
  try:
    float(number)
  except OverflowError as error:
    raise ValueError(str(error)) from None
  return number


def _float(value: Any) -> float:
  """A value as a float.

  Raises:
    OverflowError: if it is too large to be one.
  """
  found = float(value)
  if not math.isfinite(found):
    raise OverflowError(f'a value is larger than {sys.float_info.max:.3g}')
  return found


def interpret(
  line: str, grammar: grammar_lib.Grammar, points: list[Point]
) -> dict[str, Any]:
  """The JSON object for one line."""
  try:
    program = program_lib.parse(line)
    if not grammar.derives(program):
      raise program_lib.ProgramError(
        f'program {line!r} does not derive from {grammar.name}'
      )
    kinds = operators.kinds(program_lib.preorder(program))
    if kinds <= {operators.FIELD}:
      functions = reference.RationalFunctions(grammar.variables)
      if functions(program) is reference.Undefined.ZERO_FUNCTION:
        return {'values': [None] * len(points)}
    system: arithmetic.NumberSystem = arithmetic.Rational()
    if operators.TRANSCENDENTAL in kinds:
      system = multiprecision.Multiprecision(_DIGITS, _SPARE)
    values = [reference.evaluate(program, point, system) for point in points]
    return {
      'values': [
        None if value is reference.Undefined.AT_POINT else _float(value)
        for value in values
      ]
    }
  except (errors.InputError, OverflowError, RecursionError) as error:
    return {'error': str(error)}


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('grammar', None, 'Grammar file.', required=True)
  flags.DEFINE_string(
    'points', None, "Inputs, for instance 'x=0.5,1,2;y=0,1,4'.", required=True
  )


def main() -> dict[str, Any]:
  """Interprets stdin."""
  args = flags.FLAGS
  grammar = grammar_lib.load(grammar_lib.find(args.grammar))
  points = parse_points(args.points, grammar.variables)
  programs = failed = 0
  # What is no UTF-8 is no program, and told so like others.
  if isinstance(sys.stdin, io.TextIOWrapper):
    sys.stdin.reconfigure(errors='replace')
  for line in sys.stdin:
    if not line.strip():
      continue
    result = interpret(line.strip(), grammar, points)
    programs += 1
    failed += 'error' in result
    print(json.dumps(result, allow_nan=False))
  return {'programs': programs, 'errors': failed, 'points': len(points)}


if __name__ == '__main__':
  define_flags()
  cli.run(main)
