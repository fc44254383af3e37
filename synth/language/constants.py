"""Constant symbols: a leaf that starts with a digit is a number."""

import fractions


def value(symbol: str) -> fractions.Fraction | None:
  """The value of a constant symbol; None for variables and operators."""
  return fractions.Fraction(symbol) if symbol[0].isdigit() else None
