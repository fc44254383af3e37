"""The operators: names, arities, infix symbols and what they compute.

Each operator is a method of a number system (`synth.language.arithmetic`), so
its meaning is written once: `div` calls `system.div`. The systems decide how
numbers are represented (exact rationals, residues, floats) and which operators
they have: residues have no order, rationals no logarithm.
"""

from collections.abc import Iterable
import dataclasses

FIELD, ORDER, TRANSCENDENTAL = 'field', 'order', 'transcendental'


@dataclasses.dataclass(frozen=True)
class Operator:
  """An operator of the language.

  Attributes:
    name: Name in function-call notation; also the number-system method.
    arity: Number of arguments.
    infix: Symbol in infix notation, or None for function-call notation only.
    commutative: Whether swapping the two arguments never changes the value.
    kind: What numbers it needs: those of a field (the result is a rational
      function of the arguments), ordered ones, or reals.
  """

  name: str
  arity: int
  infix: str | None = None
  commutative: bool = False
  kind: str = FIELD


OPERATORS: dict[str, Operator] = {
  op.name: op
  for op in (
    Operator('add', 2, '+', commutative=True),
    Operator('sub', 2, '-'),
    Operator('mul', 2, '*', commutative=True),
    Operator('div', 2, '/'),
    Operator('neg', 1),
    Operator('inv', 1),
    Operator('min', 2, commutative=True, kind=ORDER),
    Operator('max', 2, commutative=True, kind=ORDER),
    Operator('lt', 2, '<', kind=ORDER),  # 1 or 0
    # if(condition, then, else): only the chosen branch need be defined.
    Operator('if', 3, kind=ORDER),
    Operator('sqrt', 1, kind=TRANSCENDENTAL),
    Operator('exp', 1, kind=TRANSCENDENTAL),
    Operator('log', 1, kind=TRANSCENDENTAL),
    Operator('sin', 1, kind=TRANSCENDENTAL),
    Operator('cos', 1, kind=TRANSCENDENTAL),
  )
}


def kinds(symbols: Iterable[str]) -> set[str]:
  """The kinds of the operators among some symbols."""
  return {OPERATORS[symbol].kind for symbol in symbols if symbol in OPERATORS}
