"""How large a model is and what it costs, without making it or any data.

  python -m synth.size --config=configs/support.py:base

prints its parameters and its floating-point operations (`synth.flops`) by group
and, as the last line, all of it as one JSON object.
"""

from typing import Any

from absl import flags
import ml_collections

from synth import cli
from synth import flops
from synth import model as model_lib
from synth import model_config
from synth import settings
from synth.language import grammar as grammar_lib

_ROW = '{:<10} {:>15} {:>7} {:>20}'


def describe(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """The size of the model of a recipe.

  Returns:
    params: by group, and their total.
    forward_flops: of one sequence by group, and their total.
    training_flops_per_sequence: forward and backward.
    training_flops_per_token: that, over the positions of tokens.
    positions: of tokens, padding included.

  Raises:
    InputError: for settings that are no model.
  """
  settings.check(config, 'universe', 'spaces', 'data', 'model', 'opt')
  grammar = grammar_lib.load(grammar_lib.find(config.universe.grammar))
  shape = model_config.of(config, grammar)
  params, forward = model_lib.count_by_group(shape), flops.forward(shape)
  return {
    'params': {**params, 'total': sum(params.values())},
    'forward_flops': {**forward, 'total': sum(forward.values())},
    'training_flops_per_sequence': flops.training(shape),
    'training_flops_per_token': flops.training(shape) / shape.length,
    'positions': shape.length,
  }


def _table(size: dict[str, Any]) -> str:
  params, forward = size['params'], size['forward_flops']
  names = [name for name in {**forward, **params} if name != 'total']
  rows = [_ROW.format('', 'parameters', 'share', 'flops a sequence')]
  for name in [*names, 'total']:
    count = params.get(name, 0)
    rows.append(
      _ROW.format(
        name,
        f'{count:,}',
        f'{count / params["total"]:.1%}',
        f'{forward.get(name, 0):,}',
      )
    )
  return '\n'.join(rows)


def main() -> dict[str, Any]:
  """Prints the size of a recipe's model."""
  size = describe(flags.FLAGS.config)
  print(_table(size))
  return size


if __name__ == '__main__':
  cli.define_config('configs/support.py:base')
  cli.run(main)
