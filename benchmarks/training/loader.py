"""Steps with the real loader beside steps on one resident batch."""

import pathlib
from typing import Any

from absl import flags
import jax
import ml_collections

from benchmarks.training import ours
from benchmarks.training import turns
from synth import data
from synth import inputs as inputs_lib
from synth import settings


def measure(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """With the real loader; `benchmarks.training` says more."""
  args = flags.FLAGS
  inputs = inputs_lib.load_or_build(config, pathlib.Path(args.data))
  settings.choose(config.data.arm, inputs.split.arms, 'data.arm')
  # The same models take both kinds of steps: of two, one is faster by a percent
  # for as long as the process lives.
  one = ours.Ours(config)
  source = data.BatchSource(
    inputs,
    (config.data.arm,),
    one.trainer.seeds,
    config.data.batch_size,
    args.rounds * (args.steps + turns.WARM),
  )
  iterator = data.iterate(source, 0)
  resident = jax.device_put(one.trainer.put(source[0]))
  seconds = turns.alternate(
    {
      'loader': lambda count: one.steps(
        count, lambda _: one.trainer.put(next(iterator))
      ),
      'resident': lambda count: one.steps(count, lambda _: resident),
    },
    args.steps,
    args.rounds,
  )
  return {
    'time_with_loader_over_resident_batch': turns.ratios(
      seconds, 'loader', 'resident'
    ),
    'seconds': seconds,
  }
