"""Identity of piecewise rational functions: exact values at many points.

Comparisons need an order, which residues do not have, so each point carries two
numbers: the residue of the exact value modulo a prime, which decides equality,
and a float64, which decides order. Floats that are too close to tell while the
residues differ are decided by exact rationals.

What is exact here is the value at each point. Two functions that differ only
between the points are one class: identity is observational, on points that
depend on the seed alone, one in each of E strata. (Rational functions cannot
hide like that; see `field`.) How often it happens is what the audit measures
at fresh points. Where a program is undefined is part of its identity; one that
is undefined at every point has no class.
"""

from collections.abc import Mapping
import dataclasses
import fractions
import functools
from typing import Any

import numpy as np

from synth import seeding
from synth.language import arithmetic
from synth.language import constants
from synth.language import operators
from synth.universe import columns
from synth.universe import identity
from synth.universe import residues as residues_lib

NUM_POINTS = 64
_DENOMINATOR = 97  # prime, and no constant's: a grid point is no program's pole
_SPAN = 6  # points lie between minus and plus this
# Four primes near 2**31, one point after the other: a constant looks the same
# at all points of one field.
_PRIMES = (2147483647, 2147483629, 2147483587, 2147483579)
_NOTHING = np.uint32(2**32 - 1)  # in place of a residue where undefined
_CLOSE = 1e-9  # relative: floats that do not decide order


@dataclasses.dataclass(frozen=True)
class Ordered(identity.Policy):
  """Values at E points.

  Attributes:
    points: Variable -> its values, as numerators over 97.
    attempt: How often points were replaced.
  """

  name = 'ordered'
  kinds = frozenset({operators.FIELD, operators.ORDER})
  columns = (
    columns.Column('<u4', (NUM_POINTS,)),
    columns.Column('<f8', (NUM_POINTS,)),
  )

  points: dict[str, list[int]]
  attempt: int

  @classmethod
  def draw(
    cls, variables: tuple[str, ...], seed: int, attempt: int = 0
  ) -> 'Ordered':
    """One point in each of E strata of each variable, in random order."""
    points = {}
    for name in variables:
      rng = seeding.generator(seed, 'ordered', attempt, name)
      width = 2 * _SPAN * _DENOMINATOR / NUM_POINTS
      low = -_SPAN * _DENOMINATOR + np.arange(NUM_POINTS) * width
      numerator = np.floor(low + rng.random(NUM_POINTS) * width).astype(int)
      numerator += numerator % _DENOMINATOR == 0  # never an integer
      points[name] = rng.permutation(numerator).tolist()
    return cls(points, attempt)

  @classmethod
  def from_json(cls, data: Mapping[str, Any]) -> 'Ordered':
    """The inverse of `to_json`."""
    return cls(data['points'], data['attempt'])

  def to_json(self) -> dict[str, Any]:
    return {
      'policy': self.name,
      'points': self.points,
      'attempt': self.attempt,
    }

  def moved(self, variable: str) -> 'Ordered':
    other = self.points[variable][1:] + self.points[variable][:1]
    return dataclasses.replace(self, points={**self.points, variable: other})

  def renamed(self, other: Mapping[str, str]) -> 'Ordered':
    points = {name: self.points[other[name]] for name in self.points}
    return dataclasses.replace(self, points=points)

  def __reduce__(self) -> tuple[Any, ...]:
    return type(self), (self.points, self.attempt)

  @functools.cached_property
  def _fields(self) -> list[residues_lib.Residues]:
    return [residues_lib.Residues(prime) for prime in _PRIMES]

  def point(self, variable: str, place: int) -> fractions.Fraction:
    """The exact value of a variable at a point."""
    return fractions.Fraction(self.points[variable][place], _DENOMINATOR)

  def leaf(self, symbol: str) -> identity.Values:
    constant = constants.value(symbol)
    exact = [
      self.point(symbol, e) if constant is None else constant
      for e in range(NUM_POINTS)
    ]
    residue = [
      value.numerator * pow(value.denominator, -1, prime) % prime
      for value, prime in zip(exact, _PRIMES * NUM_POINTS, strict=False)
    ]
    return (
      np.array([residue], np.uint32),
      np.array([[float(value) for value in exact]]),
    )

  def apply(
    self,
    symbol: str,
    args: tuple[identity.Values, ...],
    exact: identity.ExactArgument,
  ) -> tuple[identity.Values, np.ndarray | None]:
    ok = [residue != _NOTHING for residue, _ in args]
    if operators.OPERATORS[symbol].kind == operators.FIELD:
      residue, value, defined = self._field(symbol, args)
      defined = functools.reduce(np.logical_and, ok, defined)
    elif symbol == 'if':
      (condition, _), then, other = args
      holds = condition != 0
      residue, value = (
        np.where(holds, a, b) for a, b in zip(then, other, strict=True)
      )
      defined = ok[0] & np.where(holds, ok[1], ok[2])
    else:
      first, second = args
      defined = ok[0] & ok[1]
      less = self._less(first, second, defined, exact)
      if symbol == 'lt':
        residue, value = less.astype(np.uint32), less.astype(np.float64)
      else:
        smaller = less if symbol == 'min' else ~less
        residue, value = (
          np.where(smaller, a, b) for a, b in zip(first, second, strict=True)
        )
    residue = np.where(defined, residue, _NOTHING)
    value = np.where(defined, value, np.nan)
    keep = np.asarray(np.any(defined, axis=-1))
    return (residue, value), keep

  def _field(
    self, symbol: str, args: tuple[identity.Values, ...]
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residues, floats and where they are defined; some fields a point."""
    divides = symbol in ('div', 'inv')
    defined = args[-1][0] != 0 if divides else np.array(True)
    real = arithmetic.Real(np, np.float64)
    with np.errstate(all='ignore'):
      value, known = real.apply(symbol, *((value, True) for _, value in args))
    value = np.where(known, value, np.nan)  # what no float can hold
    shape = np.broadcast_shapes(*(residue.shape for residue, _ in args))
    found = np.empty(shape, np.uint32)
    for k, field in enumerate(self._fields):
      part = [
        np.where(residue == _NOTHING, np.uint32(0), residue)[
          ..., k :: len(_PRIMES)
        ]
        for residue, _ in args
      ]
      if divides:
        part[-1] = field.reciprocal(part[-1])
      if symbol == 'inv':
        found[..., k :: len(_PRIMES)] = part[0]
      else:
        method = getattr(field, 'mul' if divides else symbol)
        found[..., k :: len(_PRIMES)] = method(*part)
    return found, value, np.broadcast_to(defined, shape)

  def _less(
    self,
    a: identity.Values,
    b: identity.Values,
    defined: np.ndarray,
    exact: identity.ExactArgument,
  ) -> np.ndarray:
    """Whether a < b at each point (anything where not `defined`)."""
    equal = a[0] == b[0]
    with np.errstate(all='ignore'):
      gap = np.abs(a[1] - b[1])
      close = gap <= _CLOSE * np.maximum(np.abs(a[1]), np.abs(b[1]))
    less = ~equal & (a[1] < b[1])
    # Numbers that differ by a multiple of the prime have equal residues.
    unsure = np.where(equal, ~close & (gap > 1), close) | np.isnan(gap)
    for *index, place in np.argwhere(unsure & defined).tolist():
      where = tuple(index)
      less[*where, place] = exact(0, where, place) < exact(1, where, place)
    return less

  def pack(self, values: identity.Values) -> tuple[np.ndarray, np.ndarray]:
    """Two hashes of the residues, linear modulo 2**64 and then mixed."""
    residue = values[0].astype(np.uint64)
    weights = seeding.generator(0, 'ordered hash').integers(
      0, 2**63, (2, NUM_POINTS), np.uint64
    )
    key, rest = (residue @ (2 * weight + 1) for weight in weights)
    key ^= key >> np.uint64(32)
    return key * np.uint64(0x9E3779B97F4A7C15), rest

  def check(self, values: identity.Values) -> None:
    residue, value = values
    if np.any((residue == 0) & (np.abs(value) > 1e-6)):
      raise identity.UnluckyPoints('a value looks like zero')
