"""What a model sees: read from the store, or computed on the device anew."""

import pathlib
from typing import Any

from absl import flags
import jax
import ml_collections
import numpy as np

from benchmarks.training import turns
from synth import inputs as inputs_lib
from synth import seeding
from synth.language import interpreter
from synth.spaces import grids


def measure(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Specifications of a batch both ways; `benchmarks.training` says more."""
  args = flags.FLAGS
  inputs = inputs_lib.load_or_build(config, pathlib.Path(args.data))
  universe = inputs.universe
  rng = seeding.generator(0, 'specification')
  rows = config.data.batch_size * config.train.num_seeds
  class_KxP = rng.choice(len(inputs.spec_CxF), (args.steps, rows))
  tok_KxPxL = np.stack(
    [universe.representative_CxL[class_P] for class_P in class_KxP]
  )
  points = grids.floats(
    grids.specification(
      list(config.spaces.grid), universe.grammar.variables, config.universe.seed
    ),
    np.float32,
  )

  def read(count: int) -> None:
    for step in range(count):
      found = jax.device_put(inputs.spec_CxF[class_KxP[step % args.steps]])
    jax.block_until_ready(found)

  def compute(count: int) -> None:
    for step in range(count):
      tok_PxL = tok_KxPxL[step % args.steps]
      found = interpreter.run(
        tok_PxL, points, universe.vocabulary, interpreter.FLOAT
      )
    jax.block_until_ready(found)

  compute(1)  # compiles
  seconds = turns.alternate(
    {'store': read, 'interpreter': compute}, args.steps, args.rounds
  )
  return {
    'rows': rows,
    'time_of_interpreter_over_store': turns.ratios(
      seconds, 'interpreter', 'store'
    ),
    'seconds': seconds,
  }
