"""What XLA is told when it compiles a model for a CPU.

XLA hands products of matrices and reductions to YNNPACK. Its products are
fast, but a reduction becomes a kernel of its own that takes longer than a loop
fused with what it reduces, the more so the smaller the model (docs/log.md;
jax-ml/jax#37465 is another case of it, #39257 one in which it crashes).
"""

from collections.abc import Callable
import functools
from typing import Any

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


class jit:
  """`jax.jit` of a function of models, with `options`.

  A decorator too: nothing is asked of the devices before the first call, by
  which time a program has chosen them.

  Args:
    function: What is compiled.
    arguments: Of `jax.jit`.
  """

  def __init__(self, function: Callable[..., Any], **arguments: Any):
    self._function = function
    self._arguments = arguments
    functools.update_wrapper(self, function)

  @functools.cached_property
  def _jitted(self) -> Any:
    return jax.jit(
      self._function, compiler_options=options(), **self._arguments
    )

  def __call__(self, *args: Any, **kwargs: Any) -> Any:
    return self._jitted(*args, **kwargs)

  def lower(self, *args: Any, **kwargs: Any) -> jax.stages.Lowered:
    """`jax.jit(...).lower` of these arguments."""
    return self._jitted.lower(*args, **kwargs)
