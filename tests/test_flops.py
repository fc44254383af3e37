"""Counted operations against those of the traced and the compiled program."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import pytest

from synth import flops
from synth import model as model_lib
from synth.training import trainer as trainer_lib
from tests import jaxprs

_SHAPE = model_lib.Config(
  D=64, H=4, N=2, F=192, W=96, M=1, features=40, vocabulary=11, length=7
)
_ROWS = 8
_OPTIONS = [
  {},
  {'mlp': 'gelu'},
  {'mlp': 'swiglu'},
  {'positions': 'rope'},
  {'tied': True},
  {'prefix': 8},
  {'dtype': 'bfloat16'},
  {'mup': model_lib.Mup(32, 8)},
]


def _training(config):
  """The function of a training step that is counted, and its arguments."""
  like = jax.eval_shape(lambda: model_lib.init(config, jax.random.key(0)))
  token = jax.ShapeDtypeStruct((_ROWS, config.length), jnp.int32)
  spec = jax.ShapeDtypeStruct((_ROWS, config.features), jnp.float32)
  batch = {'spec': spec, 'input': token, 'target': token}
  loss = functools.partial(trainer_lib.loss_fn, graph=model_lib.split(config))
  return loss, (like, batch)


def _operations(function, arguments):
  """Those of all matrix products that are traced."""
  total = 0
  for equation in jaxprs.equations(jax.make_jaxpr(function)(*arguments).jaxpr):
    if equation.primitive.name == 'dot_general':
      (contracted, _), _ = equation.params['dimension_numbers']
      shape = equation.invars[0].aval.shape
      inner = math.prod(shape[axis] for axis in contracted)
      total += 2 * inner * equation.outvars[0].aval.size
  return total


@pytest.mark.parametrize('options', _OPTIONS, ids=str)
def test_the_formula_counts_every_product_that_is_traced(options):
  config = dataclasses.replace(_SHAPE, **options)
  loss, arguments = _training(config)
  # The embedding is looked up by a product, which is not counted.
  lookup = 2 * config.length * config.vocabulary * config.D
  forward = sum(flops.forward(config).values()) + lookup
  assert _operations(loss, arguments) == _ROWS * forward
  both = flops.training(config) + 2 * lookup
  assert _operations(jax.value_and_grad(loss), arguments) == _ROWS * both


def test_how_layers_are_computed_does_not_change_what_they_need():
  other = dataclasses.replace(_SHAPE, remat=True, scan=True)
  assert flops.forward(other) == flops.forward(_SHAPE)
  assert flops.training(other) == flops.training(_SHAPE)


@pytest.mark.parametrize('both', [False, True])
def test_the_compiled_program_agrees_within_five_percent(both):
  config = dataclasses.replace(_SHAPE, N=1, D=128, mlp='swiglu')
  loss, arguments = _training(config)
  function = jax.value_and_grad(loss) if both else loss
  compiled = jax.jit(function).lower(*arguments).compile()
  wanted = (
    flops.training(config) if both else sum(flops.forward(config).values())
  )
  found = compiled.cost_analysis()['flops'] / _ROWS
  assert wanted < found < 1.05 * wanted
