"""Exact identity of rational functions by evaluation modulo a prime.

Two programs are the same function iff they agree at random points of the
prime field, up to an error of at most `(degree / p)**K` a pair
(Schwartz-Zippel): with p = 2**31 - 1 and K = 4 about 1e-20 for all pairs of a
universe of millions. See methods: sections 3.1 and 3.3.
"""

import dataclasses

import numpy as np

from synth import seeding
from synth.language import arithmetic

PRIME = 2**31 - 1
NUM_POINTS = 4


class UnluckyPoints(Exception):
  """An identity point is a pole or a root of some class: draw others.

  A class that vanishes at one identity point but is not the zero function
  would make its reciprocal undefined there. This has probability about
  classes * K * degree / p and is cured by other points.
  """


@dataclasses.dataclass(frozen=True)
class IdentityPoints:
  """K random points of the field for each variable: variable -> residue_K."""

  residues: dict[str, list[int]]
  attempt: int

  @classmethod
  def draw(
    cls, variables: tuple[str, ...], seed: int, attempt: int = 0
  ) -> 'IdentityPoints':
    """Points that depend on the seed, the attempt and each variable's name."""
    return cls(
      {
        name: seeding.generator(seed, 'identity', attempt, name)
        .integers(1, PRIME, NUM_POINTS)
        .tolist()
        for name in variables
      },
      attempt,
    )


def field() -> arithmetic.Modular:
  """The field in which classes are told apart, on the host."""
  return arithmetic.Modular(np, PRIME, np.uint64)


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
