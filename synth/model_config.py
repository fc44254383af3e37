"""The model that a config of a run asks for.

Widths and kinds of layers are settings of the recipe (`config.model`); how long
a specification and a program are, and of which tokens, follows from its grid,
its grammar and its largest size.
"""

import ml_collections

from synth import errors
from synth import inputs as inputs_lib
from synth import model as model_lib
from synth.language import grammar as grammar_lib
from synth.spaces import specification


def of(
  config: ml_collections.ConfigDict, grammar: grammar_lib.Grammar
) -> model_lib.Config:
  """The model of a config.

  Args:
    config: Of a run: universe, spaces, data, model and opt are read.
    grammar: That of `config.universe.grammar`.

  Raises:
    InputError: for settings that are no model, and for a grammar without
      variables.
  """
  if not grammar.variables:
    raise errors.InputError(
      f'{grammar.name} has no variable: its functions are numbers, and a model '
      'is told what functions are at points'
    )
  opt, points = config.opt, len(config.spaces.grid)
  serialization = inputs_lib.serialization_of(config, grammar)
  mup = model_lib.Mup(opt.base_width, opt.base_head_width)
  return model_lib.Config(
    **config.model,
    features=specification.PER_POINT * points,
    prefix=specification.tokens_of(config.data.specification, points),
    vocabulary=serialization.num_tokens,
    length=serialization.length + 1,  # the program and BOS, or EOS
    mup=mup if opt.mup else None,
  )
