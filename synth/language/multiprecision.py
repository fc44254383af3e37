"""Reals of any number of digits: the reference for transcendental programs."""

import fractions
from typing import Any

import mpmath

from synth.language import arithmetic


class Multiprecision(arithmetic.NumberSystem):
  """Reals of a given number of digits, one at a time (`mpmath`).

  Args:
    digits: Decimal digits of every operation. Two numbers that agree in all
      but the last few are taken to be equal by whoever compares.
    spare: Digits that rounding errors may take: what is below 10^(spare -
      digits) counts as 0.
  """

  def __init__(self, digits: int, spare: int = 10):
    self._context = mpmath.mp.clone()
    self._context.dps = digits
    self._tiny = self._context.mpf(10) ** (spare - digits)

  def constant(self, value: fractions.Fraction) -> Any:
    return self._context.mpf(value.numerator) / value.denominator

  def reciprocal(self, number: Any) -> arithmetic.Value:
    if self._is_zero(number):
      return number, False
    return 1 / number, True

  def _is_zero(self, number: Any) -> bool:
    """Whether it is what cancellation leaves of an exact 0."""
    return bool(abs(number) < self._tiny)

  def digits(self, number: Any) -> str:
    """The leading half of a number's digits: equal for equal numbers."""
    if self._is_zero(number):
      return '0'
    text: str = mpmath.nstr(number, self._context.dps // 2)
    return text

  def less(self, a: Any, b: Any) -> bool:
    return bool(a < b)

  def function(self, name: str, number: Any) -> arithmetic.Value:
    if (name == 'log' and number <= 0) or (name == 'sqrt' and number < 0):
      return number, False
    if name in arithmetic.PERIODIC and abs(number) > arithmetic.LARGEST_ANGLE:
      return number, False
    if name == 'exp' and abs(number) > arithmetic.LARGEST_EXPONENT:
      return number, False
    return getattr(self._context, name)(number), True
