"""Many models in one program beside one model."""

import statistics
from typing import Any

from absl import flags
import ml_collections

from benchmarks.training import ours as ours_lib
from benchmarks.training import turns


def measure(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Many models in one program; `benchmarks.training` says more."""
  args = flags.FLAGS
  made = {}
  for name, models in (('one', 1), ('ensemble', args.ensemble)):
    config.train.num_seeds = models
    made[name] = ours_lib.Ours(config)
  seconds = turns.alternate(
    {name: ours.steps for name, ours in made.items()}, args.steps, args.rounds
  )
  return {
    'aggregate_throughput_over_one': turns.ratios(
      seconds, 'one', 'ensemble', args.ensemble
    ),
    'tokens_per_second': {
      name: args.steps
      * ours.tokens(config)
      / statistics.median(seconds[name]['wall'])
      for name, ours in made.items()
    },
    'models': args.ensemble,
    'seconds': seconds,
  }
