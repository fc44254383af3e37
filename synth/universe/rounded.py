"""Identity of real functions: float64 values at many points, rounded.

No algorithm decides equality of expressions with exp, log, sin and roots, so
this policy is the one that can err, in two ways that the audit measures:

    false split  one function as two classes, because two ways to compute it
                 differ by more than rounding forgives
    false merge  two functions as one class, because they agree to ten digits
                 at every point

Values keep ten significant digits. What a sum leaves when its terms cancel is 0
if it is below 1e-12 of them: rounding errors would else become digits. (Methods
3.4 has one threshold for all values, 1e-9. That takes exp(-exp(x)) for 0 and
split congruent classes here.)

Beside the floats goes a *congruence*: residues as in `field`, where a function
that is not rational maps the residues of its argument to random ones. Programs
that agree there are equal whatever the floats say (by the laws of a field and
equal arguments alone), so classes that share a congruence are false splits for
certain. Where a program is undefined is part of its identity; one that is
undefined at every point, or divides by the zero function, has no class.
"""

from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

import numpy as np

from synth import seeding
from synth.language import arithmetic
from synth.language import constants
from synth.language import operators
from synth.universe import columns
from synth.universe import field
from synth.universe import identity

NUM_POINTS = 32
_LOW, _HIGH = -4.0, 4.0  # points lie between, half of them positive
_CANCELLED = 1e-12  # of the larger term
_TINY = 1e-280  # smaller numbers are 0: their digits do not fit float64
_DIGITS = 10
_MIX = np.uint64(0x9E3779B97F4A7C15)
_NAN = np.int64(-(2**62))


@dataclasses.dataclass(frozen=True)
class Rounded(identity.Policy):
  """Values at E points, and a congruence.

  Attributes:
    points: Variable -> its E values.
    congruence: Points of the field that tell congruent programs.
  """

  name = 'rounded'
  kinds = frozenset(
    {operators.FIELD, operators.ORDER, operators.TRANSCENDENTAL}
  )
  columns = (
    columns.Column('<f8', (NUM_POINTS,)),
    *field.Field.columns,
  )

  points: dict[str, list[float]]
  congruence: field.Field

  @property
  def attempt(self) -> int:  # type: ignore[override]
    """How often points were replaced."""
    return self.congruence.attempt

  @classmethod
  def draw(
    cls, variables: tuple[str, ...], seed: int, attempt: int = 0
  ) -> 'Rounded':
    """One point in each of E strata of each variable, in random order."""
    points = {}
    for name in variables:
      rng = seeding.generator(seed, 'rounded', attempt, name)
      share = (np.arange(NUM_POINTS) + rng.random(NUM_POINTS)) / NUM_POINTS
      points[name] = rng.permutation(_LOW + share * (_HIGH - _LOW)).tolist()
    return cls(points, field.Field.draw(variables, seed, attempt))

  @classmethod
  def from_json(cls, data: Mapping[str, Any]) -> 'Rounded':
    """The inverse of `to_json`."""
    return cls(data['points'], field.Field.from_json(data['congruence']))

  def to_json(self) -> dict[str, Any]:
    return {
      'policy': self.name,
      'points': self.points,
      'congruence': self.congruence.to_json(),
    }

  def moved(self, variable: str) -> 'Rounded':
    other = self.points[variable][1:] + self.points[variable][:1]
    return dataclasses.replace(
      self,
      points={**self.points, variable: other},
      congruence=self.congruence.moved(variable),
    )

  def renamed(self, other: Mapping[str, str]) -> 'Rounded':
    return dataclasses.replace(
      self,
      points={name: self.points[other[name]] for name in self.points},
      congruence=self.congruence.renamed(other),
    )

  @functools.cached_property
  def _real(self) -> arithmetic.Real:
    return arithmetic.Real(np, np.float64)

  def __reduce__(self) -> tuple[Any, ...]:
    return type(self), (self.points, self.congruence)

  def leaf(self, symbol: str) -> identity.Values:
    constant = constants.value(symbol)
    if constant is None:
      value = self.points[symbol]
    else:
      value = [float(constant)] * NUM_POINTS
    return (np.array([value]), *self.congruence.leaf(symbol))

  def ready(
    self, symbol: str, place: int, values: identity.Values
  ) -> identity.Values:
    value, *residues = values
    return (value, *self.congruence.ready(symbol, place, tuple(residues)))

  def apply(
    self,
    symbol: str,
    args: tuple[identity.Values, ...],
    exact: identity.ExactArgument,
  ) -> tuple[identity.Values, np.ndarray | None]:
    values = [value for value, *_ in args]
    residues = tuple(tuple(residues) for _, *residues in args)
    with np.errstate(all='ignore'):
      value, ok = self._real.apply(
        symbol, *((value, ~np.isnan(value)) for value in values)
      )
      if symbol in ('add', 'sub'):
        larger = np.maximum(*(np.abs(term) for term in values))
        value = np.where(np.abs(value) < _CANCELLED * larger, 0.0, value)
    value = np.where(ok, value, np.nan)
    keep = np.any(ok, axis=-1)
    if operators.OPERATORS[symbol].kind == operators.FIELD:
      congruent, defined = self.congruence.apply(symbol, residues, exact)
      if defined is not None:
        keep = keep & defined
    else:
      congruent = self._opaque(symbol, residues)
    return (value, *congruent), np.asarray(keep)

  def _opaque(
    self, symbol: str, args: tuple[identity.Values, ...]
  ) -> identity.Values:
    """Random residues that depend on the function and its arguments."""
    number = list(operators.OPERATORS).index(symbol)
    word = np.full(1, number, np.uint64) * _MIX
    for residues in args:
      key, rest = self.congruence.pack(residues)
      word = (word ^ key) * _MIX
      word = (word ^ (word >> np.uint64(29)) ^ rest) * _MIX
      word = word ^ (word >> np.uint64(32))
    found: list[np.ndarray] = []
    for prime in self.congruence.primes:
      word = word * _MIX + np.uint64(prime)
      word = word ^ (word >> np.uint64(31))
      found.append((word % np.uint64(prime)).astype(np.uint32))
    return tuple(found)

  def check(self, values: identity.Values) -> None:
    self.congruence.check(values[1:])

  def pack(self, values: identity.Values) -> tuple[np.ndarray, np.ndarray]:
    """Two hashes of the rounded values, linear modulo 2**64 and then mixed."""
    word = digits(values[0]).view(np.uint64)
    # Products with 64-bit words lose high bits: hash both halves.
    halves = np.concatenate(
      [word >> np.uint64(32), word & np.uint64(2**32 - 1)], axis=-1
    )
    weights = seeding.generator(0, 'rounded hash').integers(
      0, 2**63, (2, 2 * NUM_POINTS), np.uint64
    )
    key, rest = (halves @ (2 * weight + 1) for weight in weights)
    key ^= key >> np.uint64(32)
    return key * _MIX, rest


def digits(value: np.ndarray) -> np.ndarray:
  """Numbers rounded to ten significant digits, as integers (int64).

  Equal integers mean equal rounded numbers. Undefined (NaN) is one of its own.
  """
  defined = ~np.isnan(value)
  size = np.abs(np.where(defined, value, 0.0))
  small = size < _TINY
  exponent = np.floor(np.log10(np.where(small, 1.0, size))).astype(np.int64)
  mantissa = np.rint(size * 10.0 ** (_DIGITS - 1 - exponent)).astype(np.int64)
  carried = mantissa >= 10**_DIGITS  # 9.99...9 rounded up to 10
  mantissa = np.where(carried, mantissa // 10, mantissa)
  exponent = exponent + carried
  word = mantissa * 1024 + exponent + 512
  word = np.where(small, 0, np.where(value < 0, -word, word))
  return np.where(defined, word, _NAN)
