"""What XLA is told on a CPU."""

import os
import re

import jax.numpy as jnp
import pytest

from synth import compilation

pytestmark = pytest.mark.skipif(
  os.environ['JAX_PLATFORMS'] != 'cpu', reason='it is told nothing elsewhere'
)


@pytest.fixture(autouse=True)
def asked_anew():
  compilation.options.cache_clear()
  yield
  compilation.options.cache_clear()


def test_reductions_stay_out_of_the_kernels_of_products():
  def squares(x_NxM):
    return jnp.square(x_NxM @ x_NxM.T).sum(axis=0)

  step = compilation.jit(squares)
  text = step.lower(jnp.ones((300, 300))).compile().as_text()
  # Computations that a library does, and what is in them.
  bodies = dict(re.findall(r'\n%(\S+) \(.*?\{\n(.*?)\n\}', text, re.DOTALL))
  named = set(re.findall(r'kind=kCustom, calls=%([\w.-]+)', text))
  assert any(' dot(' in bodies[name] for name in named)
  assert not any(' reduce(' in bodies[name] for name in named)


def test_a_compiler_that_lacks_the_option_is_told_nothing(monkeypatch):
  monkeypatch.setattr(compilation, '_PRODUCTS_ALONE', {'xla_no_such': '1'})
  assert compilation.options() == {}
