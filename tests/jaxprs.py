"""What a traced function does, equation by equation."""

import jax


def equations(jaxpr):
  """All equations, those of inner functions and of one turn of loops too."""
  for equation in jaxpr.eqns:
    yield equation
    for inner in jax.tree.leaves(
      equation.params,
      is_leaf=lambda x: hasattr(x, 'eqns') or hasattr(x, 'jaxpr'),
    ):
      inner = getattr(inner, 'jaxpr', inner)
      if hasattr(inner, 'eqns'):
        yield from equations(inner)
