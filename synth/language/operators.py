"""The operators: names, arities, infix symbols and what they compute.

Each operator is a method of a number system (`synth.language.arithmetic`), so
its meaning is written once: `div` calls `system.div`. The systems decide how
numbers are represented (exact rationals, residues, floats).
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Operator:
  """An operator of the language.

  Attributes:
    name: Name in function-call notation; also the number-system method.
    arity: Number of arguments.
    infix: Symbol in infix notation, or None for function-call notation only.
    commutative: Whether swapping the two arguments never changes the value.
  """

  name: str
  arity: int
  infix: str | None = None
  commutative: bool = False


OPERATORS: dict[str, Operator] = {
  op.name: op
  for op in (
    Operator('add', 2, '+', commutative=True),
    Operator('sub', 2, '-'),
    Operator('mul', 2, '*', commutative=True),
    Operator('div', 2, '/'),
    Operator('neg', 1),
    Operator('inv', 1),
  )
}

BY_INFIX: dict[str, Operator] = {
  op.infix: op for op in OPERATORS.values() if op.infix is not None
}
