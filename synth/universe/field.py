"""Exact identity of rational functions by evaluation modulo primes.

Two programs are the same function iff they agree at random points of prime
fields. Each of the K points has a prime of its own near 2**31: agreement by
accident then needs K coincidences, with probability at most `(degree / p)**K`
for functions (Schwartz-Zippel) and about `p**-K` for constants, which look the
same at every point of one field. With K = 4 that is below 1e-20 for all pairs
of a universe of millions and below 1e-15 for 1e8 classes. A program that
divides by the zero function has no class.
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
from synth.universe import identity
from synth.universe import residues as residues_lib

NUM_POINTS = 4
PRIME_BITS = 31  # primes lie between 2**30 and 2**31
# Odd multipliers (bijections modulo 2**64).
_HIGH, _LOW = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


@dataclasses.dataclass(frozen=True)
class Field(identity.Policy):
  """K random points, each in a prime field of its own.

  A class that vanishes at a point without being the zero function makes the
  points unlucky: its reciprocal would be undefined there. This has probability
  about classes * K * degree / p.

  Attributes:
    primes: The K primes.
    residues: Variable -> its K residues.
    attempt: How often unlucky points were replaced.
  """

  name = 'field'
  kinds = frozenset({operators.FIELD})
  columns = (columns.Column('<u4'),) * NUM_POINTS

  primes: list[int]
  residues: dict[str, list[int]]
  attempt: int

  @classmethod
  def draw(
    cls, variables: tuple[str, ...], seed: int, attempt: int = 0
  ) -> 'Field':
    """Draws primes, and a residue modulo each for every variable.

    Args:
      variables: Names; a variable's residues do not depend on the others.
      seed: Of the universe.
      attempt: Raised when points proved unlucky.
    """
    import sympy  # here, so that worker processes need not load it

    rng = seeding.generator(seed, 'primes', attempt)
    low, high = 2 ** (PRIME_BITS - 1), 2**PRIME_BITS
    primes: list[int] = []
    while len(primes) < NUM_POINTS:
      prime = int(sympy.prevprime(int(rng.integers(low + 1000, high))))
      if prime not in primes:
        primes.append(prime)
    return cls(
      primes,
      {
        name: seeding.generator(seed, 'identity', attempt, name)
        .integers(1, primes)
        .tolist()
        for name in variables
      },
      attempt,
    )

  def __reduce__(self) -> tuple[Any, ...]:
    # Without what is derived from it, which holds modules.
    return type(self), (self.primes, self.residues, self.attempt)

  @classmethod
  def from_json(cls, data: Mapping[str, Any]) -> 'Field':
    """The inverse of `to_json`."""
    return cls(data['primes'], data['residues'], data['attempt'])

  @functools.cached_property
  def fields(self) -> list[arithmetic.Modular]:
    """The field of each point as a number system, for audits."""
    return [arithmetic.Modular(np, prime, np.uint64) for prime in self.primes]

  @functools.cached_property
  def _residues(self) -> list[residues_lib.Residues]:
    return [residues_lib.Residues(prime) for prime in self.primes]

  def renamed(self, other: Mapping[str, str]) -> 'Field':
    residues = {name: self.residues[other[name]] for name in self.residues}
    return dataclasses.replace(self, residues=residues)

  def leaf(self, symbol: str) -> identity.Values:
    constant = constants.value(symbol)
    if constant is None:
      found = self.residues[symbol]
    else:
      found = [int(field.constant(constant)) for field in self.fields]
    return tuple(np.array([residue], np.uint32) for residue in found)

  def ready(
    self, symbol: str, place: int, values: identity.Values
  ) -> identity.Values:
    """Divisors become their reciprocals; that of 0 is 0."""
    if (symbol, place) not in (('div', 1), ('inv', 0)):
      return values
    return tuple(
      field.reciprocal(residue_k)
      for field, residue_k in zip(self._residues, values, strict=True)
    )

  def apply(
    self,
    symbol: str,
    args: tuple[identity.Values, ...],
    exact: identity.ExactArgument,
  ) -> tuple[identity.Values, np.ndarray | None]:
    del exact  # residues decide everything
    defined = None
    if symbol in ('div', 'inv'):
      nonzero = [residue_k != 0 for residue_k in args[-1]]
      if not all(k.all() for k in nonzero):
        defined = functools.reduce(np.logical_and, nonzero)
      if symbol == 'inv':
        return args[0], defined
      symbol = 'mul'
    return tuple(
      getattr(field, symbol)(*residue_k)
      for field, *residue_k in zip(self._residues, *args, strict=True)
    ), defined

  def pack(self, values: identity.Values) -> tuple[np.ndarray, np.ndarray]:
    """Four 31-bit residues as two 64-bit words, without loss.

    Returns:
      key and rest. `key` mixes all residues, so it alone sorts and tells
      almost all classes apart; the pair is a bijection of the residues.
    """
    high, low = (
      (values[k].astype(np.uint64) << np.uint64(31)) | values[k + 1]
      for k in (0, 2)
    )
    key = high * _HIGH
    key ^= low * _LOW  # `key` and `low` fix `high`
    return key, low

  def check(self, values: identity.Values) -> None:
    zero = [residue_k == 0 for residue_k in values]
    some = functools.reduce(np.logical_or, zero)
    if np.any(some & ~functools.reduce(np.logical_and, zero)):
      raise identity.UnluckyPoints('a class vanishes at an identity point')

  def moved(self, variable: str) -> 'Field':
    other = (
      seeding.generator(residue, 'moved').integers(1, prime)
      for residue, prime in zip(
        self.residues[variable], self.primes, strict=True
      )
    )
    residues = {**self.residues, variable: [int(residue) for residue in other]}
    return dataclasses.replace(self, residues=residues)

  def to_json(self) -> dict[str, Any]:
    return {
      'policy': self.name,
      'primes': self.primes,
      'residues': self.residues,
      'attempt': self.attempt,
    }
