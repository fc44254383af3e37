"""Our trainer on made up batches, as the parts of the benchmark run it."""

from collections.abc import Callable
import types
from typing import Any

import jax
import ml_collections
import numpy as np

from synth import model as model_lib
from synth.language import grammar as grammar_lib
from synth.language import tokens
from synth.training import trainer as trainer_lib

BATCHES = 8  # made up, used in turn


class Ours:
  """Trains as `synth.train` does.

  Args:
    config: A recipe; of its data only the grammar is read.
  """

  def __init__(self, config: ml_collections.ConfigDict):
    grammar = grammar_lib.load(grammar_lib.find(config.universe.grammar))
    # All that a trainer reads of its inputs. The others take hours to build
    # for the larger models.
    universe = types.SimpleNamespace(grammar=grammar)
    inputs: Any = types.SimpleNamespace(universe=universe)
    self.trainer = trainer_lib.Trainer(config, inputs)
    self.state = self.trainer.init()
    rng = np.random.default_rng(0)
    self.batches = [
      _made_up(self.trainer.shape, len(self.trainer.seeds), config, rng)
      for _ in range(BATCHES)
    ]
    self.losses: list[jax.Array] = []  # of the last call of `steps`

  def steps(
    self, count: int, batch: Callable[[int], trainer_lib.Batch] | None = None
  ) -> None:
    """Steps on the made up batches, or on those of a function of the step."""
    self.losses = []
    for step in range(count):
      if batch is None:
        now = self.trainer.put(self.batches[step % BATCHES])
      else:
        now = batch(step)
      self.state, values = self.trainer.step(self.state, now)
      self.losses.append(values['loss'])
    jax.block_until_ready(self.state)

  def tokens(self, config: ml_collections.ConfigDict) -> int:
    """Positions of tokens in a step of all models, padding included."""
    models = len(self.trainer.seeds)
    return models * config.data.batch_size * self.trainer.shape.length


def _made_up(
  shape: model_lib.Config,
  models: int,
  config: ml_collections.ConfigDict,
  rng: np.random.Generator,
) -> dict[str, np.ndarray]:
  """A batch of random specifications and programs of full length."""
  rows = (models, config.data.batch_size)
  tok = rng.integers(
    tokens.EOS + 1, shape.vocabulary, (*rows, shape.length), dtype=np.int32
  )
  tok[..., -1] = tokens.EOS
  start = np.full((*rows, 1), tokens.BOS, np.int32)
  return {
    'spec': rng.standard_normal((*rows, shape.features), dtype=np.float32),
    'input': np.concatenate([start, tok[..., :-1]], axis=-1),
    'target': tok,
  }
