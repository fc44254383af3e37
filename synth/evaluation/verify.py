"""Does a program compute the target? Identity and the grid, on device.

Exact: residues modulo `interpreter.PRIME` at random points. Two programs of one
class may have poles at different points (`1 / (1 / x)` at 0), so they are
compared where both are defined. Different functions of degree d agree at k
common points with probability at most (d / PRIME)**k: 1e-15 at k = 4, d = 13.

Residues have neither order nor logarithm: programs of grammars with such
operators are compared as floats on the hold-out grid, which no model sees, and
on the specification grid (`synth.spaces.grids`), within a tolerance.
"""

import enum
import functools

import jax
import jax.numpy as jnp
import numpy as np

from synth import seeding
from synth.language import interpreter
from synth.language import operators
from synth.language import tokens
from synth.spaces import grids

_POINTS = 8
_COMMON = 4  # points at which both must be defined
_TOLERANCE = 1e-4  # on the grid, relative to 1 + |target|


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
    self._system = interpreter.MODULAR if rational else interpreter.FLOAT
    holdout = grids.holdout(grid, variables, grid_seed)
    self._points = (
      {
        name: seeding.generator(seed, 'verify', name)
        .integers(1, interpreter.PRIME, _POINTS)
        .astype(np.uint32)
        for name in variables
      }
      if rational
      else grids.floats(holdout, np.float32)
    )
    self._grid = grids.floats(
      grids.specification(grid, variables, grid_seed), np.float32
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
    for system, points in (
      (self._system, self._points),
      (interpreter.FLOAT, self._grid),
    ):
      found, wanted = (
        interpreter.run(rows, points, self._vocabulary, system)
        for rows in (tok_RxL, target_BxL)
      )
      measured.append(
        (
          found.value,
          found.ok,
          jnp.repeat(wanted.value, samples, axis=0),
          jnp.repeat(wanted.ok, samples, axis=0),
        )
      )
    outcome_R = _classify(
      *measured, found.parsed, rational=self._system == interpreter.MODULAR
    )
    return np.asarray(outcome_R).reshape(batch, samples)


@functools.partial(jax.jit, static_argnames='rational')
def _classify(
  exact: tuple[jax.Array, ...],
  grid: tuple[jax.Array, ...],
  parsed_R: jax.Array,
  *,
  rational: bool,
) -> jax.Array:
  """int8_R from (value, ok, wanted value, wanted ok) at points and grid."""
  close_R = _close(*grid)
  ok_RxK = exact[1]
  if rational:
    residue_RxK, _, wanted_RxK, wanted_ok_RxK = exact
    common_RxK = ok_RxK & wanted_ok_RxK
    same_R = jnp.all((residue_RxK == wanted_RxK) | ~common_RxK, axis=1)
    correct_R = same_R & (common_RxK.sum(axis=1) >= _COMMON)
  else:
    ok_RxK = jnp.concatenate([ok_RxK, grid[1]], axis=1)
    correct_R = close_R & _close(*exact) & ok_RxK.any(axis=1)
  outcome_R = jnp.where(close_R, Outcome.GRID_ONLY, Outcome.WRONG)
  outcome_R = jnp.where(ok_RxK.any(axis=1), outcome_R, Outcome.UNDEFINED)
  outcome_R = jnp.where(correct_R, Outcome.CORRECT, outcome_R)
  return jnp.where(parsed_R, outcome_R, Outcome.UNPARSED).astype(jnp.int8)


def _close(
  value_RxE: jax.Array,
  ok_RxE: jax.Array,
  target_RxE: jax.Array,
  target_ok_RxE: jax.Array,
) -> jax.Array:
  """Whether rows are defined where their targets are, and equal there."""
  error_RxE = jnp.abs(value_RxE - target_RxE) / (1 + jnp.abs(target_RxE))
  close_RxE = (error_RxE < _TOLERANCE) | ~target_ok_RxE
  return jnp.all((ok_RxE == target_ok_RxE) & close_RxE, axis=1)
