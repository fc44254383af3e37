"""Exact values of classes, where floats cannot decide."""

from collections.abc import Callable
from collections.abc import Sequence
import fractions

import numpy as np

from synth.language import arithmetic
from synth.language import constants

_RATIONAL = arithmetic.Rational()

# (variable, point) -> its value.
Point = Callable[[str, int], fractions.Fraction]


class Exact:
  """Rational values of nodes by their first alternatives, remembered.

  Args:
    symbols: The symbol of each production.
    first_N: First alternative of each node, at least.
    production_M, arg_MxA: See `forest.Forest`.
    point: The exact points.
  """

  def __init__(
    self,
    symbols: Sequence[str],
    first_N: np.ndarray,
    production_M: np.ndarray,
    arg_MxA: np.ndarray,
    point: Point,
  ):
    self._symbols = symbols
    self._first_N, self._production_M = first_N, production_M
    self._arg_MxA, self._point = arg_MxA, point
    self._known: dict[tuple[int, int], arithmetic.Value] = {}

  def __len__(self) -> int:
    return len(self._first_N)

  def __call__(self, node: int, place: int) -> fractions.Fraction:
    """The value of a node at a point where it is defined."""
    number: fractions.Fraction = self._value(node, place)[0]
    return number

  def _value(self, node: int, place: int) -> arithmetic.Value:
    if (node, place) not in self._known:
      alternative = self._first_N[node]
      symbol = self._symbols[self._production_M[alternative]]
      nodes = self._arg_MxA[alternative]
      args = [self._value(int(arg), place) for arg in nodes if arg >= 0]
      if args:
        value = _RATIONAL.apply(symbol, *args)
      else:
        constant = constants.value(symbol)
        value = (
          self._point(symbol, place) if constant is None else constant,
          True,
        )
      self._known[node, place] = value
    return self._known[node, place]
