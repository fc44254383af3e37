"""One meaning of each operator in every number system, where they overlap."""

import fractions

import jax.numpy as jnp
import numpy as np
import pytest

from synth.language import arithmetic
from synth.language import interpreter
from synth.language import multiprecision
from synth.language import operators

F = fractions.Fraction
_RATIONAL = arithmetic.Rational()
_DIGITS = multiprecision.Multiprecision(40)
_NUMBERS = [F(n, d) for n in (-7, -2, -1, 0, 1, 3, 5) for d in (1, 3, 8)]
_FLOATS = [
  arithmetic.Real(np, np.float64),
  arithmetic.Real(np, np.float32),
  arithmetic.Real(jnp, jnp.float32),
]
_FIELDS = [
  arithmetic.Modular(np, 2**31 - 1, np.uint64),
  arithmetic.Modular(np, interpreter.PRIMES[0], np.uint32),
  arithmetic.Modular(jnp, interpreter.PRIMES[1], jnp.uint32),
]


def _arguments(arity):
  """Some hundred tuples of values, undefined ones among them."""
  rng = np.random.default_rng(arity)
  values = [(number, True) for number in _NUMBERS] + [(F(1), False)] * 3
  return [
    tuple(values[i] for i in rng.integers(0, len(values), arity))
    for _ in range(400)
  ]


def _arrays(system, args):
  """The arguments of all cases as values of an array system."""
  represented = {n: np.asarray(system.constant(n)) for n in (*_NUMBERS, F(1))}
  return [
    (
      system.xp.asarray(
        np.stack([represented[number] for number, _ in column])
      ),
      system.xp.asarray([ok for _, ok in column]),
    )
    for column in zip(*args, strict=True)
  ]


@pytest.mark.parametrize('name', list(operators.OPERATORS))
@pytest.mark.parametrize('system', _FLOATS, ids=['f64', 'f32', 'device'])
def test_floats_are_the_reference_rounded(name, system):
  operator = operators.OPERATORS[name]
  args = _arguments(operator.arity)
  number, ok = system.apply(name, *_arrays(system, args))
  exact = operator.kind == operators.TRANSCENDENTAL
  reference = _DIGITS if exact else _RATIONAL
  number, ok = np.asarray(number), np.asarray(ok)
  for case, found, defined in zip(args, number, ok, strict=True):
    wanted, wanted_ok = reference.apply(
      name, *((reference.constant(value), ok) for value, ok in case)
    )
    assert bool(defined) == bool(wanted_ok), case
    if wanted_ok:
      assert float(found) == pytest.approx(float(wanted), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
  'name',
  [n for n, o in operators.OPERATORS.items() if o.kind == operators.FIELD],
)
@pytest.mark.parametrize('field', _FIELDS, ids=['u64', 'u32', 'device'])
def test_residues_are_those_of_the_reference(name, field):
  args = _arguments(operators.OPERATORS[name].arity)
  number, ok = field.apply(name, *_arrays(field, args))
  number, ok = np.asarray(number), np.asarray(ok)
  for case, found, defined in zip(args, number, ok, strict=True):
    wanted, wanted_ok = _RATIONAL.apply(name, *case)
    # Numbers so small are 0 modulo the prime only if they are 0.
    assert bool(defined) == wanted_ok, case
    if wanted_ok:
      assert int(found) == int(field.constant(wanted)), case


@pytest.mark.parametrize('field', _FIELDS, ids=['u64', 'u32', 'device'])
def test_products_of_the_largest_residues_do_not_wrap(field):
  largest = field.prime - 1
  number = field.xp.asarray([largest, largest - 1], field.dtype)
  ok = field.xp.ones(2, bool)
  product, _ = field.mul((number, ok), (number, ok))
  assert product.tolist() == [largest**2 % field.prime, 4]
  inverse, _ = field.inv((number, ok))
  assert inverse.tolist() == [
    pow(n, -1, field.prime) for n in (largest, largest - 1)
  ]


def test_a_type_too_small_for_products_is_refused():
  with pytest.raises(ValueError, match='uint32'):
    arithmetic.Modular(np, 2**16 + 1, np.uint32)


@pytest.mark.parametrize(
  'system', _FLOATS + _FIELDS, ids=['f64', 'f32', 'f', 'u64', 'u32', 'u']
)
def test_packing_loses_nothing(system):
  number = system.xp.stack([system.constant(F(n)) for n in (0, 1, 5, 0, 3)])
  ok = system.xp.asarray([True, True, True, False, False])
  packed = system.pack((number, ok))
  assert packed.dtype == number.dtype
  again, again_ok = system.unpack(packed)
  assert again_ok.tolist() == ok.tolist()
  assert again[:3].tolist() == number[:3].tolist()
