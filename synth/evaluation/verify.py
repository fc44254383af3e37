"""Does a program compute the target? Identity and the grid, on device.

Exact: residues modulo two primes p (`interpreter.PRIMES`) at random points,
four of each. Two programs of one class may have poles at different points
(`1 / (1 / x)` at 0), so they are compared where both are defined. Take programs
of different functions, the numerator of their difference and the denominators
in them, and let d be the sum of their degrees. Unless p divides one of these
polynomials as a whole, at most d of p - 1 points do not tell the functions
apart: all four with probability at most (d / (p - 1))**4, which is below 1e-12
for programs of 13 nodes, where d is at most 56. One prime is not enough: 65521
divides the difference of `8 * 4 * (8 * 4)` and `5 / 8 / (8 / 3)`. That both
primes divide such a polynomial happens to no two classes of `arithmetic` to 13
nodes or of `arithmetic3` to 7.

Residues have neither order nor logarithm: programs of grammars with such
operators are compared as float64 on the hold-out grid, which no model sees, and
on the specification grid (`synth.spaces.grids`), within a tolerance.
docs/universe.md has its error rates.
"""

import enum
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from synth import seeding
from synth.language import interpreter
from synth.language import operators
from synth.language import tokens
from synth.spaces import grids
from synth.universe import universe as universe_lib

_POINTS = 4  # of residues modulo each prime
_COMMON = 4  # points, of both primes, at which both must be defined
# Relative to 1 + |target|: of what fits the specification, which the model has
# in float32, and of functions that are the same.
_FITS, _SAME = 1e-4, 1e-9


class Outcome(enum.IntEnum):
  """What became of one sample: exactly one of these."""

  CORRECT = 0  # the same function (to tolerance where it is not rational)
  GRID_ONLY = 1  # equal on the specification grid, another function
  WRONG = 2  # a defined program, not equal on the grid
  UNDEFINED = 3  # divides by the zero function
  UNPARSED = 4  # not a program


class Verifier:
  """Compares token rows with target programs.

  Args:
    vocabulary: What tokens mean.
    variables: The input variables.
    grid: Numerators of the specification grid.
    grid_seed: Seed of the grids (the universe's).
    seed: Of the random points for residues.
  """

  def __init__(
    self,
    vocabulary: tokens.Vocabulary,
    variables: tuple[str, ...],
    grid: list[int],
    grid_seed: int,
    seed: int,
  ):
    self._vocabulary = vocabulary
    rational = operators.kinds(vocabulary.symbols) <= {operators.FIELD}
    self._systems = (
      (interpreter.MODULAR, interpreter.FLOAT)
      if rational
      else (interpreter.DOUBLE, interpreter.DOUBLE)
    )
    holdout = grids.holdout(grid, variables, grid_seed)
    self._points = (
      {
        name: seeding.generator(seed, 'verify', name)
        .integers(1, interpreter.PRIMES, (_POINTS, len(interpreter.PRIMES)))
        .astype(np.uint32)
        for name in variables
      }
      if rational
      else grids.floats(holdout, np.float64)
    )
    self._grid = grids.floats(
      grids.specification(grid, variables, grid_seed),
      np.float32 if rational else np.float64,
    )

  @classmethod
  def of(
    cls, config: ml_collections.ConfigDict, universe: universe_lib.Universe
  ) -> 'Verifier':
    """The judge of all programs that are written for a config."""
    return cls(
      universe.vocabulary,
      universe.grammar.variables,
      list(config.spaces.grid),
      config.universe.seed,
      config.eval.seed,
    )

  def outcomes(
    self, tok_BxnxL: jax.Array | np.ndarray, target_BxL: np.ndarray
  ) -> np.ndarray:
    """The `Outcome` of each of n rows for B targets: int8_Bxn.

    Args:
      tok_BxnxL: Any token rows.
      target_BxL: Well-formed programs.
    """
    batch, samples, length = tok_BxnxL.shape
    tok_RxL = tok_BxnxL.reshape(-1, length)
    measured = []
    for system, points in zip(
      self._systems, (self._points, self._grid), strict=True
    ):
      found, wanted = (
        interpreter.run(rows, points, self._vocabulary, system)
        for rows in (tok_RxL, target_BxL)
      )
      measured.append(
        (
          found.value,
          found.ok,
          wanted.value.repeat(samples, axis=0),
          wanted.ok.repeat(samples, axis=0),
        )
      )
    rational = self._systems[0] == interpreter.MODULAR
    classify = _of_residues if rational else _of_doubles
    exact, grid = measured
    outcome_R = classify(exact, grid, found.parsed)
    return np.asarray(outcome_R).reshape(batch, samples)


@jax.jit
def _of_residues(
  exact: tuple[jax.Array, ...],
  grid: tuple[jax.Array, ...],
  parsed_R: jax.Array,
) -> jax.Array:
  """The `Outcome` of R rows of programs over rational operators: int8_R.

  Args:
    exact: Residues at K random points: value and ok of the rows, then those of
      their targets.
    grid: The same as floats, on the specification grid.
    parsed_R: Whether each row is a program.
  """
  residue_RxKx2, ok_RxKx2, wanted_RxKx2, wanted_ok_RxKx2 = exact
  common_RxKx2 = ok_RxKx2 & wanted_ok_RxKx2
  same_RxKx2 = (residue_RxKx2 == wanted_RxKx2) | ~common_RxKx2
  enough_R = common_RxKx2.sum(axis=(1, 2)) >= _COMMON
  correct_R = same_RxKx2.all(axis=(1, 2)) & enough_R
  fits_R = _close(grid, _FITS)
  return _outcomes(jnp, correct_R, fits_R, ok_RxKx2.any(axis=(1, 2)), parsed_R)


def _of_doubles(
  fresh: tuple[np.ndarray, ...],
  grid: tuple[np.ndarray, ...],
  parsed_R: np.ndarray,
) -> np.ndarray:
  """The `Outcome` of R rows over other operators: int8_R.

  Args:
    fresh: Values on the hold-out grid: value and ok of the rows, then those of
      their targets.
    grid: The same on the specification grid.
    parsed_R: Whether each row is a program.
  """
  ok_R = fresh[1].any(axis=1) | grid[1].any(axis=1)
  with np.errstate(invalid='ignore'):  # NaN where it is undefined
    correct_R = _close(fresh, _SAME) & _close(grid, _SAME)
    fits_R = _close(grid, _FITS)
  return _outcomes(np, correct_R & ok_R, fits_R, ok_R, parsed_R)


def _outcomes(
  xp: Any, correct_R: Any, fits_R: Any, defined_R: Any, parsed_R: Any
) -> Any:
  """The first that applies: unparsed, correct, undefined, grid only, wrong."""
  outcome_R = xp.where(fits_R, Outcome.GRID_ONLY, Outcome.WRONG)
  outcome_R = xp.where(defined_R, outcome_R, Outcome.UNDEFINED)
  outcome_R = xp.where(correct_R, Outcome.CORRECT, outcome_R)
  return xp.where(parsed_R, outcome_R, Outcome.UNPARSED).astype(np.int8)


def _close(compared: tuple[Any, ...], tolerance: float) -> Any:
  """Whether rows are defined where their targets are, and equal there."""
  value_RxE, ok_RxE, target_RxE, target_ok_RxE = compared
  error_RxE = abs(value_RxE - target_RxE) / (1 + abs(target_RxE))
  close_RxE = (error_RxE < tolerance) | ~target_ok_RxE
  return ((ok_RxE == target_ok_RxE) & close_RxE).all(axis=1)
