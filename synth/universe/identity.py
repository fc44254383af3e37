"""Exact identity of rational functions by evaluation modulo primes.

Two programs are the same function iff they agree at random points of prime
fields. Each of the K points has a prime of its own near 2**31: agreement by
accident then needs K coincidences, with probability at most `(degree / p)**K`
for functions (Schwartz-Zippel) and about `p**-K` for constants, which look the
same at every point of one field. With K = 4 that is below 1e-20 for all pairs
of a universe of millions. See methods: sections 3.1 and 3.3.
"""

import dataclasses
import functools

import numpy as np
import sympy

from synth import seeding
from synth.language import arithmetic

NUM_POINTS = 4
PRIME_BITS = 31  # primes lie between 2**30 and 2**31


class UnluckyPoints(Exception):
  """A class vanishes at an identity point but is not the zero function.

  Its reciprocal would be undefined there. This has probability about
  classes * K * degree / p and is cured by other points and primes.
  """


@dataclasses.dataclass(frozen=True)
class IdentityPoints:
  """K random points, each in a prime field of its own.

  Attributes:
    primes: The K primes.
    residues: Variable -> its K residues.
    attempt: How often unlucky points were replaced.
  """

  primes: list[int]
  residues: dict[str, list[int]]
  attempt: int

  @classmethod
  def draw(
    cls, variables: tuple[str, ...], seed: int, attempt: int = 0
  ) -> 'IdentityPoints':
    """Points that depend on the seed, the attempt and each variable's name."""
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

  @functools.cached_property
  def fields(self) -> list[arithmetic.Modular]:
    """The field of each point, on the host."""
    return [arithmetic.Modular(np, prime, np.uint64) for prime in self.primes]


def pack(residue_KxN: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Four 31-bit residues as two 64-bit words, without loss.

  Returns:
    key_N and rest_N (uint64). `key` mixes all residues, so it alone sorts and
    tells almost all classes apart; the pair is a bijection of the residues.
  """
  shift = np.uint64(31)
  high_N = (residue_KxN[0] << shift) | residue_KxN[1]
  low_N = (residue_KxN[2] << shift) | residue_KxN[3]
  # Odd multipliers (bijections mod 2**64), so `key` and `low` fix `high`.
  key_N = high_N * np.uint64(0x9E3779B97F4A7C15)
  key_N ^= low_N * np.uint64(0xC2B2AE3D27D4EB4F)
  return key_N, low_N
