"""What XLA is told when it compiles a model for a CPU.

XLA hands products of matrices and reductions to YNNPACK. Its products are
fast, but a reduction becomes a kernel of its own that takes longer than a loop
fused with what it reduces, the more so the smaller the model (docs/log.md;
jax-ml/jax#37465 is another case of it, #39257 one in which it crashes).
"""

import functools

import jax

_PRODUCTS_ALONE = {
  'xla_cpu_experimental_ynn_fusion_type': 'LIBRARY_FUSION_TYPE_DOT'
}


@functools.cache
def options() -> dict[str, str]:
  """`compiler_options` for `jax.jit` of a model: none except on a CPU."""
  if jax.default_backend() != 'cpu':
    return {}
  try:
    jax.jit(lambda x: x, compiler_options=_PRODUCTS_ALONE).lower(0.0).compile()
  except jax.errors.JaxRuntimeError:  # of a jaxlib that lacks this
    return {}
  return _PRODUCTS_ALONE
