"""Universes of programs.

  python -m synth.universe --config=configs/universe.py:arithmetic --workdir=DIR

`arithmetic`: one variable, constants 1 2 3, to size 9: 24,573 semantic classes
in well under a second on one core. `arithmetic3`: three variables and the ten
digits. `countdown`: each of four operands used exactly once. `conditional`:
comparisons, min, max and `if`. `scientific`: two variables, roots, exp, log,
sin and cos.
"""

import ml_collections

from synth import settings

VARIANTS = {
  'arithmetic': {'grammar': 'configs/grammars/arithmetic.bnf', 'max_size': 9},
  'arithmetic3': {
    'grammar': 'configs/grammars/arithmetic3.bnf',
    'max_size': 5,
  },
  'conditional': {
    'grammar': 'configs/grammars/conditional.bnf',
    'max_size': 7,
  },
  'scientific': {'grammar': 'configs/grammars/scientific.bnf', 'max_size': 5},
  'countdown': {'grammar': 'configs/grammars/countdown.bnf', 'max_size': 7},
}


def get_universe(
  variant: str, max_size: int | None = None
) -> ml_collections.ConfigDict:
  """The `universe` part of a config.

  Args:
    variant: A key of `VARIANTS`.
    max_size: Largest program size in nodes, or None for the variant's own.
  """
  universe = ml_collections.ConfigDict(
    settings.choose(variant, VARIANTS, 'universe variant')
  )
  universe.seed = 0
  if max_size is not None:
    universe.max_size = max_size
  return universe


def get_config(variant: str = 'arithmetic') -> ml_collections.ConfigDict:
  """A config with nothing but a universe."""
  config = ml_collections.ConfigDict()
  config.universe = get_universe(variant)
  return config
