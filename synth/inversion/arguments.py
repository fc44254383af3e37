"""What one argument of an operator must be, given its result and the other.

If t = a + b, then b = t - a; likewise for all operators of rational grammars.
Operators such as min and max have no inverse.
"""

import numpy as np

from synth.language import arithmetic
from synth.universe import field
from synth.universe import identity

# (operator, place of the known argument) -> the operator that gives the other
# one, and whether it takes what is wanted (t) or what is known (a) first.
_INVERSES = {
  ('add', 0): ('sub', 'ta'),
  ('add', 1): ('sub', 'ta'),
  ('sub', 0): ('sub', 'at'),
  ('sub', 1): ('add', 'ta'),
  ('mul', 0): ('div', 'ta'),
  ('mul', 1): ('div', 'ta'),
  ('div', 0): ('div', 'at'),
  ('div', 1): ('mul', 'ta'),
}
_UNARY = ('neg', 'inv')  # their own inverses


def invertible(symbol: str, arity: int) -> bool:
  """Whether an operator of some arity has an inverse in each argument."""
  return symbol in _UNARY if arity == 1 else (symbol, 0) in _INVERSES


def only_argument(
  policy: field.Field, symbol: str, wanted: identity.Values
) -> tuple[identity.Values, np.ndarray | None]:
  """The argument with which a unary operator gives what is wanted.

  Args:
    policy: At whose points outputs are compared.
    symbol: The operator, `neg` or `inv`.
    wanted: What it should give, of any shape.

  Returns:
    The argument's values, in that shape, and where there is such an argument
    (None: everywhere).
  """
  ready = policy.ready(symbol, 0, wanted)
  return policy.apply(symbol, (ready,), identity.undecided)


def other_argument(
  policy: field.Field,
  symbol: str,
  place: int,
  wanted: identity.Values,
  known: identity.Values,
  reciprocal: identity.Values | None = None,
) -> tuple[identity.Values, np.ndarray | None]:
  """The other argument with which a binary operator gives what is wanted.

  Args:
    policy: At whose points outputs are compared.
    symbol: The operator, one with an inverse (`invertible`).
    place: Which argument is known, 0 or 1.
    wanted: What the operator should give.
    known: Values of the known argument; broadcast against those wanted.
    reciprocal: Reciprocals of the known argument (`policy.ready('div', 1,
      known)`), if they are there already: they save time where the inverse
      divides by it.

  Returns:
    The other argument's values, in the broadcast shape, and where there is such
    an argument (None: everywhere).
  """
  operator, order = _INVERSES[symbol, place]
  if order == 'at':
    args = known, policy.ready(operator, 1, wanted)
  elif operator == 'div':
    args = wanted, reciprocal or policy.ready('div', 1, known)
  else:
    args = wanted, known
  values, keep = policy.apply(operator, args, identity.undecided)
  if symbol == 'div':  # neither the divisor nor its inverse may be zero
    divisor = known if place else values
    nonzero = divisor[0] != 0
    keep = nonzero if keep is None else keep & nonzero
  return values, keep


def only_real(
  system: arithmetic.NumberSystem, symbol: str, wanted: arithmetic.Value
) -> arithmetic.Value:
  """`only_argument` with numbers of a number system, say floats.

  Args:
    system: What numbers are.
    symbol: The operator.
    wanted: What it should give: numbers, and where they are defined.
  """
  found: arithmetic.Value = getattr(system, symbol)(wanted)
  return found


def other_real(
  system: arithmetic.NumberSystem,
  symbol: str,
  place: int,
  wanted: arithmetic.Value,
  known: arithmetic.Value,
) -> arithmetic.Value:
  """`other_argument` with numbers of a number system, say floats.

  Args:
    system: What numbers are.
    symbol: The operator, one with an inverse (`invertible`).
    place: Which argument is known, 0 or 1.
    wanted: What it should give: numbers, and where they are defined.
    known: The known argument, likewise; the two broadcast.
  """
  operator, order = _INVERSES[symbol, place]
  args = (known, wanted) if order == 'at' else (wanted, known)
  found: arithmetic.Value = getattr(system, operator)(*args)
  return found
