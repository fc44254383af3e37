"""Number systems behind one set of operator names.

`Rational` is exact and slow (the reference), `Modular` works on residues mod a
prime (exact identity of rational functions by random evaluation) and `Real` on
floats (what a model sees). A value is a pair `(number, ok)`: `ok` is False
where the value is undefined, and the number is then unspecified. Undefined
arguments give undefined results. Division by zero is undefined, never a
protected default; so are logarithms and roots outside their domains.
"""

from collections.abc import Callable
import fractions
import keyword
import operator
from typing import Any

import numpy as np

from synth.language import operators

Value = tuple[Any, Any]

# sin and cos of larger numbers are undefined: a float's error would be a
# sizable part of the period, so equal functions would have different values.
LARGEST_ANGLE = 1e4
# exp beyond this, either way, is undefined: it or its reciprocal exceeds 32-bit
# floats, and `inv(exp(x))` shall be defined where `exp(neg(x))` is.
LARGEST_EXPONENT = 80.0
PERIODIC = ('sin', 'cos')
_PLAIN: dict[str, Callable[..., Any]] = {
  'add': operator.add,
  'sub': operator.sub,
  'mul': operator.mul,
  'div': operator.truediv,
  'neg': operator.neg,
}


class NumberSystem:
  """Ring operations; subclasses supply numbers and their inverse."""

  def constant(self, value: fractions.Fraction) -> Any:
    """The number that represents `value`."""
    raise NotImplementedError

  def reduce(self, number: Any) -> Any:
    """Brings the result of one ring operation back to canonical form."""
    return number

  def negative(self, number: Any) -> Any:
    """The additive inverse, not yet reduced."""
    return -number

  def reciprocal(self, number: Any) -> Value:
    """The multiplicative inverse and whether it exists."""
    raise NotImplementedError

  def quotient(self, a: Any, b: Any) -> Value:
    """`a / b` and whether it exists."""
    inverse, ok = self.reciprocal(b)
    return self.reduce(a * inverse), ok

  def add(self, a: Value, b: Value) -> Value:
    return self.reduce(a[0] + b[0]), a[1] & b[1]

  def sub(self, a: Value, b: Value) -> Value:
    return self.reduce(a[0] + self.negative(b[0])), a[1] & b[1]

  def mul(self, a: Value, b: Value) -> Value:
    return self.reduce(a[0] * b[0]), a[1] & b[1]

  def div(self, a: Value, b: Value) -> Value:
    number, ok = self.quotient(a[0], b[0])
    return number, ok & a[1] & b[1]

  def neg(self, a: Value) -> Value:
    return self.reduce(self.negative(a[0])), a[1]

  def inv(self, a: Value) -> Value:
    number, ok = self.reciprocal(a[0])
    return number, ok & a[1]

  def pack(self, value: Value) -> Any:
    """Number and flag as one array: undefined is a number of its own."""
    raise NotImplementedError

  def unpack(self, packed: Any) -> Value:
    """The inverse of `pack`."""
    raise NotImplementedError

  def combine(self, name: str, *packed: Any) -> Any:
    """`apply` of packed values, to be `settle`d."""
    return self.pack(self.apply(name, *map(self.unpack, packed)))

  def settle(self, packed: Any) -> Any:
    """The packed value that `combine` stands for."""
    return packed

  def less(self, a: Any, b: Any) -> Any:
    """Whether `a < b`."""
    raise NotImplementedError(f'{type(self).__name__} numbers have no order')

  def select(self, condition: Any, a: Any, b: Any) -> Any:
    """`a` where the condition holds, else `b`."""
    return a if condition else b

  def min(self, a: Value, b: Value) -> Value:
    return self.select(self.less(a[0], b[0]), a[0], b[0]), a[1] & b[1]

  def max(self, a: Value, b: Value) -> Value:
    return self.select(self.less(a[0], b[0]), b[0], a[0]), a[1] & b[1]

  def lt(self, a: Value, b: Value) -> Value:
    one, zero = (self.constant(fractions.Fraction(bit)) for bit in (1, 0))
    return self.select(self.less(a[0], b[0]), one, zero), a[1] & b[1]

  def if_(self, condition: Value, a: Value, b: Value) -> Value:
    holds = condition[0] != 0
    ok = self.select(holds, a[1], b[1])
    return self.select(holds, a[0], b[0]), condition[1] & ok

  def function(self, name: str, number: Any) -> Value:
    """A real function of one number, and where it is defined."""
    raise NotImplementedError(f'{type(self).__name__} numbers have no {name}')

  def apply(self, name: str, *args: Value) -> Value:
    """Applies the operator called `name`."""
    if operators.OPERATORS[name].kind == operators.TRANSCENDENTAL:
      ((number, ok),) = args
      number, defined = self.function(name, number)
      return number, ok & defined
    method: Callable[..., Value] = getattr(
      self, name + '_' if keyword.iskeyword(name) else name
    )
    return method(*args)


class Rational(NumberSystem):
  """Exact rationals, one number at a time (`fractions.Fraction`)."""

  def constant(self, value: fractions.Fraction) -> fractions.Fraction:
    return value

  def reciprocal(self, number: fractions.Fraction) -> Value:
    if number == 0:
      return number, False
    return 1 / number, True

  def less(self, a: fractions.Fraction, b: fractions.Fraction) -> bool:
    return a < b


class Modular(NumberSystem):
  """Residues modulo a prime, on numpy or jax arrays.

  Args:
    xp: `numpy` or `jax.numpy`.
    prime: The modulus p.
    dtype: Unsigned type that holds (p - 1)**2, so products never wrap: uint64
      for p = 2**31 - 1 on the host, uint32 for p < 2**16 on any device.
  """

  def __init__(self, xp: Any, prime: int, dtype: Any):
    if (prime - 1) ** 2 > int(xp.iinfo(dtype).max):
      raise ValueError(f'{dtype} cannot hold products of residues mod {prime}')
    self.xp = xp
    self.prime = prime
    self.dtype = dtype
    self._p = np.dtype(dtype).type(prime)

  def constant(self, value: fractions.Fraction) -> Any:
    if value.denominator % self.prime == 0:
      raise ValueError(f'{value} has no residue modulo {self.prime}')
    residue = value.numerator * pow(value.denominator, -1, self.prime)
    return self.xp.asarray(residue % self.prime, self.dtype)

  def reduce(self, number: Any) -> Any:
    return number % self._p

  def pack(self, value: Value) -> Any:
    return self.xp.where(value[1], value[0], self._p)

  def unpack(self, packed: Any) -> Value:
    return packed, packed != self._p

  def negative(self, number: Any) -> Any:
    return self._p - number

  def reciprocal(self, number: Any) -> Value:
    """Fermat's little theorem: number**(p - 2); 0 has no inverse."""
    power = number
    result = self.xp.ones_like(number)
    exponent = self.prime - 2
    while exponent:
      if exponent & 1:
        result = self.reduce(result * power)
      power = self.reduce(power * power)
      exponent >>= 1
    return result, number != 0


class Residues(NumberSystem):
  """Residues modulo two primes below 2**16, side by side in 32 bits.

  One prime does not tell functions apart whose difference it divides. Each has
  half of the bits and is undefined by itself, so only packed values are known:
  `combine`, not `apply`.

  Args:
    xp: `numpy` or `jax.numpy`.
    primes: The lower half's and the upper half's.
  """

  def __init__(self, xp: Any, primes: tuple[int, int]):
    self.xp = xp
    self.primes = primes
    self._halves = [Modular(xp, prime, xp.uint32) for prime in primes]

  def join(self, low: Any, high: Any) -> Any:
    """Packed values from those modulo each prime."""
    return low | (high << np.uint32(16))

  def split(self, packed: Any) -> tuple[Any, Any]:
    """The values modulo each prime; the prime itself is undefined."""
    return packed & np.uint32(0xFFFF), packed >> np.uint32(16)

  def constant(self, value: fractions.Fraction) -> Any:
    return self.join(*(half.constant(value) for half in self._halves))

  def pack(self, value: Value) -> Any:
    undefined = self.join(*map(np.uint32, self.primes))
    return self.xp.where(value[1], value[0], undefined)

  def combine(self, name: str, *packed: Any) -> Any:
    parts = zip(*map(self.split, packed), strict=True)
    return self.join(
      *(
        half.combine(name, *part)
        for half, part in zip(self._halves, parts, strict=True)
      )
    )


class Real(NumberSystem):
  """Floats, on numpy or jax arrays; a non-finite result is undefined."""

  def __init__(self, xp: Any, dtype: Any):
    self.xp = xp
    self.dtype = dtype

  def constant(self, value: fractions.Fraction) -> Any:
    return self.xp.asarray(value.numerator / value.denominator, self.dtype)

  def reciprocal(self, number: Any) -> Value:
    one = self.xp.ones_like(number)
    return self.quotient(one, number)

  def quotient(self, a: Any, b: Any) -> Value:
    # Divide by 1 where b is 0, so that no gradient or warning meets x / 0.
    ok = b != 0
    return a / self.xp.where(ok, b, self.xp.ones_like(b)), ok

  def pack(self, value: Value) -> Any:
    return self.xp.where(value[1], value[0], self.xp.nan)

  def unpack(self, packed: Any) -> Value:
    return packed, packed == packed

  def combine(self, name: str, *packed: Any) -> Any:
    # NaN passes through these, and what else is undefined is not finite.
    if name in _PLAIN:
      return _PLAIN[name](*packed)
    return super().combine(name, *packed)

  def settle(self, packed: Any) -> Any:
    return self.xp.where(self.xp.isfinite(packed), packed, self.xp.nan)

  def less(self, a: Any, b: Any) -> Any:
    return a < b

  def select(self, condition: Any, a: Any, b: Any) -> Any:
    return self.xp.where(condition, a, b)

  def function(self, name: str, number: Any) -> Value:
    ok = self.xp.ones_like(number, dtype=bool)
    if name == 'log':
      ok = number > 0
    elif name == 'sqrt':
      ok = number >= 0
    elif name in PERIODIC:
      ok = abs(number) <= LARGEST_ANGLE
    elif name == 'exp':
      ok = abs(number) <= LARGEST_EXPONENT
    # Of 1 where it is not defined, so that no warning or gradient meets it.
    safe = self.xp.where(ok, number, self.xp.ones_like(number))
    return getattr(self.xp, name)(safe), ok

  def apply(self, name: str, *args: Value) -> Value:
    number, ok = super().apply(name, *args)
    finite = self.xp.isfinite(number)
    return self.xp.where(
      finite, number, self.xp.zeros_like(number)
    ), ok & finite
