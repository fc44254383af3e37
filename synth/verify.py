"""Does a program compute the target? Exact identity and the grid, on device.

Exact: residues modulo `interpreter.PRIME` at random points. Two programs of one
class may have poles at different points (`1 / (1 / x)` at 0), so they are
compared where both are defined. Different functions of degree d agree at k
common points with probability at most (d / PRIME)**k: 1e-15 at k = 4, d = 13.
"""

import enum
import functools

import jax
import jax.numpy as jnp
import numpy as np

from synth import seeding
from synth.language import interpreter
from synth.language import tokens
from synth.spaces import semantic

_POINTS = 8
_COMMON = 4  # points at which both must be defined
_TOLERANCE = 1e-4  # on the grid, relative to 1 + |target|


class Outcome(enum.IntEnum):
  """What became of one sample: exactly one of these."""

  CORRECT = 0  # the same function
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
    grid_seed: Seed of the grid (the universe's).
    seed: Of the random points.
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
    self._residues = {
      name: seeding.generator(seed, 'verify', name)
      .integers(1, interpreter.PRIME, _POINTS)
      .astype(np.uint32)
      for name in variables
    }
    self._grid = {
      name: np.array([float(x) for x in column], np.float32)
      for name, column in semantic.grid(grid, variables, grid_seed).items()
    }

  def outcomes(
    self, tok_RxL: jax.Array, target_RxL: jax.Array | np.ndarray
  ) -> np.ndarray:
    """The `Outcome` of each row against its target program: int8_R.

    Args:
      tok_RxL: Any token rows.
      target_RxL: Well-formed programs.
    """
    run = functools.partial(
      interpreter.run, inputs=self._residues, vocabulary=self._vocabulary,
      system=interpreter.MODULAR,
    )  # fmt: skip
    residue_RxK, ok_RxK, parsed_R = run(tok_RxL)
    wanted_RxK, wanted_ok_RxK, _ = run(target_RxL)
    run = functools.partial(
      interpreter.run, inputs=self._grid, vocabulary=self._vocabulary,
      system=interpreter.FLOAT,
    )  # fmt: skip
    value_RxE, finite_RxE, _ = run(tok_RxL)
    target_RxE, target_ok_RxE, _ = run(target_RxL)
    return np.asarray(
      _classify(
        (residue_RxK, ok_RxK),
        (wanted_RxK, wanted_ok_RxK),
        (value_RxE, finite_RxE),
        (target_RxE, target_ok_RxE),
        parsed_R,
      )
    )


@jax.jit
def _classify(
  residue: tuple[jax.Array, jax.Array],
  wanted: tuple[jax.Array, jax.Array],
  value: tuple[jax.Array, jax.Array],
  target: tuple[jax.Array, jax.Array],
  parsed_R: jax.Array,
) -> jax.Array:
  common_RxK = residue[1] & wanted[1]
  same_R = jnp.all((residue[0] == wanted[0]) | ~common_RxK, axis=1)
  correct_R = same_R & (common_RxK.sum(axis=1) >= _COMMON)
  error_RxE = jnp.abs(value[0] - target[0]) / (1 + jnp.abs(target[0]))
  on_grid_R = jnp.all(
    (value[1] == target[1]) & ((error_RxE < _TOLERANCE) | ~target[1]), axis=1
  )
  undefined_R = ~residue[1].any(axis=1)
  outcome_R = jnp.where(on_grid_R, Outcome.GRID_ONLY, Outcome.WRONG)
  outcome_R = jnp.where(undefined_R, Outcome.UNDEFINED, outcome_R)
  outcome_R = jnp.where(correct_R, Outcome.CORRECT, outcome_R)
  return jnp.where(parsed_R, outcome_R, Outcome.UNPARSED).astype(jnp.int8)
