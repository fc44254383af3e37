"""The batched interpreter: any token rows, one number system, two plans.

Rows are programs in prefix order as `synth.language.tokens` writes them, but
any integers are accepted: a model's output need not be a program. A row is
well-formed iff its symbols up to the first EOS or PAD are exactly one complete
program and only PAD follows. Everything is computed for every row; what is
undefined is marked in the values, by NaN or by the prime, and so is every value
of a row that is no program (`Result.ok`).

`BATCH` runs wholly on the device, in one shape whatever the rows hold
(`synth.language.batches`). `CORPUS` finds the distinct subtrees on the host
first (`synth.language.corpora`): for rows that are known beforehand. Most
accelerators have no float64, so `DOUBLE` is computed on the host, as a corpus.
"""

from collections.abc import Mapping
import fractions
import functools
from typing import Any
from typing import NamedTuple
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from synth.language import arithmetic
from synth.language import batches
from synth.language import constants
from synth.language import corpora
from synth.language import tokens

# Primes whose residues multiply within 32 bits: no 64-bit types are needed, so
# exact identity runs on every accelerator. They are the largest.
PRIMES = 65521, 65519
FLOAT, DOUBLE, MODULAR = 'float', 'double', 'modular'
BATCH, CORPUS = 'batch', 'corpus'

Arrays: TypeAlias = arithmetic.Real | arithmetic.Residues


class Result(NamedTuple):
  """What P rows are at E points.

  Attributes:
    value: value_PxE of floats; value_PxEx2 of residues, modulo each of
      `PRIMES`. Where a program is undefined, and everywhere in rows that are no
      programs, it is NaN, or the prime itself.
    parsed: parsed_P, whether the row is a program.
  """

  value: corpora.Array
  parsed: corpora.Array

  @property
  def ok(self) -> corpora.Array:
    """Whether the row is a program that is defined there: shape of `value`."""
    if self.value.dtype == np.uint32:
      return self.value != np.array(PRIMES, np.uint32)
    return self.value == self.value


@functools.cache
def number_system(name: str) -> Arrays:
  """The number system of a name.

  `FLOAT` and `MODULAR` compute with JAX on the device, `DOUBLE` with numpy.
  """
  if name == FLOAT:
    return arithmetic.Real(jnp, jnp.float32)
  if name == DOUBLE:
    return arithmetic.Real(np, np.float64)
  return arithmetic.Residues(jnp, PRIMES)


def run(
  tok_PxL: jax.Array | np.ndarray,
  inputs: Mapping[str, jax.Array | np.ndarray],
  vocabulary: tokens.Vocabulary,
  system: str,
  plan: str = BATCH,
) -> Result:
  """Executes P rows, programs or not, at E points.

  Nothing is raised for what a row holds: see `Result`.

  Args:
    tok_PxL: Rows of any integers, without BOS.
    inputs: Variable -> its values at the points. Shape E and float32 for
      `FLOAT`, float64 for `DOUBLE`; shape Ex2 and uint32 for `MODULAR`, the
      residues modulo each of `PRIMES`. Empty for a vocabulary without
      variables; then there is one point.
    vocabulary: What the tokens mean.
    system: Which numbers to compute with: `FLOAT`, `DOUBLE` or `MODULAR`.
    plan: `BATCH`, which may be called under `jax.jit`, or `CORPUS`, which may
      not and is faster for many rows. `DOUBLE` ignores it: it is always
      computed as a corpus.

  Returns:
    The values: float32, float64 or uint32. They are on the device, but for
    `DOUBLE`, and for a corpus on a CPU, numpy arrays.

  Raises:
    KeyError: if a variable of the vocabulary has no values.
  """
  numbers = number_system(system)
  if isinstance(numbers, arithmetic.Residues):
    inputs = {name: _join(value, numbers) for name, value in inputs.items()}
  found = _run(tok_PxL, inputs, vocabulary, system, plan, numbers)
  if isinstance(numbers, arithmetic.Residues):
    found = found._replace(value=_split(found.value, numbers))
  return found


def _run(
  tok_PxL: jax.Array | np.ndarray,
  inputs: Mapping[str, jax.Array | np.ndarray],
  vocabulary: tokens.Vocabulary,
  system: str,
  plan: str,
  numbers: Arrays,
) -> Result:
  """`run`, with the two residues of a point joined to one number."""
  leaf_VxE = leaves(inputs, vocabulary, numbers)
  programs, length = tok_PxL.shape
  if not (programs and length and leaf_VxE.size):
    shape = programs, leaf_VxE.shape[1]
    nothing_PxE = numbers.xp.broadcast_to(_undefined(numbers), shape)
    return Result(nothing_PxE, jnp.zeros(programs, bool))
  # Here and not on the device, which would cut long integers short.
  xp = np if isinstance(tok_PxL, np.ndarray) else jnp
  known_PxL = (tok_PxL >= 0) & (tok_PxL < len(vocabulary))
  tok_PxL = xp.where(known_PxL, tok_PxL, tokens.BOS).astype(tokens.DTYPE)
  if system == DOUBLE:
    rows = np.asarray(tok_PxL)
    return Result(*corpora.run_on_host(rows, leaf_VxE, vocabulary, numbers))
  if plan == CORPUS:
    chunks = corpora.build(np.asarray(tok_PxL), vocabulary)
    found = corpora.run(chunks, programs, leaf_VxE, vocabulary, numbers)
    return Result(*found)
  return Result(
    *batches.run(
      jnp.asarray(tok_PxL, jnp.int32),
      leaf_VxE,
      symbols=vocabulary.symbols,
      numbers=numbers,
    )
  )


def _join(value_Ex2: corpora.Array, numbers: arithmetic.Residues) -> Any:
  return numbers.join(value_Ex2[:, 0], value_Ex2[:, 1])


def _split(value_PxE: corpora.Array, numbers: arithmetic.Residues) -> Any:
  xp = np if isinstance(value_PxE, np.ndarray) else jnp
  return xp.stack(numbers.split(value_PxE), axis=-1)


def leaves(
  inputs: Mapping[str, jax.Array | np.ndarray],
  vocabulary: tokens.Vocabulary,
  numbers: Arrays,
) -> corpora.Array:
  """The value of each token as a leaf, undefined if it is none.

  Args:
    inputs: Variable -> its E values, numbers of the system, residues joined.
    vocabulary: What the tokens mean.
    numbers: The number system.

  Returns:
    leaf_VxE, packed as `numbers.pack` does.
  """
  if numbers.xp is np:
    return _leaves(inputs, symbols=vocabulary.symbols, numbers=numbers)
  return _device_leaves(
    {name: jnp.asarray(value) for name, value in inputs.items()},
    symbols=vocabulary.symbols,
    numbers=numbers,
  )


def _leaves(
  inputs: Mapping[str, corpora.Array],
  *,
  symbols: tuple[str, ...],
  numbers: Arrays,
) -> corpora.Array:
  points = max((len(value) for value in inputs.values()), default=1)
  undefined = _undefined(numbers)
  rows = []
  for token, arity in enumerate(tokens.Vocabulary(symbols).arity_V):
    value = undefined
    if arity == 0:
      constant = constants.value(symbols[token])
      value = (
        inputs[symbols[token]]
        if constant is None
        else numbers.constant(constant)
      )
    rows.append(
      numbers.xp.broadcast_to(value, (points,)).astype(undefined.dtype)
    )
  return numbers.xp.stack(rows)


_device_leaves = functools.partial(
  jax.jit, static_argnames=('symbols', 'numbers')
)(_leaves)


def _undefined(numbers: Arrays) -> corpora.Array:
  """The number that stands for undefined."""
  zero = numbers.constant(fractions.Fraction(0))
  return numbers.pack((zero, numbers.xp.array(False))).astype(zero.dtype)
