"""The models of a run, asked for programs of any outputs."""

import pathlib

import jax
import ml_collections
import numpy as np

from synth import errors
from synth import inputs as inputs_lib
from synth.evaluation import decode
from synth.evaluation import writing
from synth.language import tokens
from synth.spaces import specification
from synth.training import restored

_ROWS = 2048  # specifications at once


class Writer:
  """Writes the most probable program, token by token, of each specification.

  Args:
    workdir: The run.
    config, inputs: Its own.
    step: Of the checkpoint that is meant.

  Raises:
    InputError: if the newest checkpoint is of another step.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    config: ml_collections.ConfigDict,
    inputs: inputs_lib.Inputs,
    step: int,
  ):
    self._run = restored.load(workdir, config, inputs)
    if self._run.step != step:
      train = 'train it to the end and ' if self._run.step < step else ''
      raise errors.InputError(
        f'{workdir} was evaluated at step {step}, its newest checkpoint '
        f'without damage is of step {self._run.step}: {train}evaluate it again'
      )
    self._inputs = inputs
    self._map = specification.fit(
      config.data.specification,
      inputs.spaces.value_CxE,
      inputs.spaces.ok_CxE,
    )
    self.models = len(self._run.trainer.seeds)

  def __call__(self, value_QxE: np.ndarray) -> np.ndarray:
    """One program of each model for each row of outputs: tok_SxQxT.

    Args:
      value_QxE: At the points of the specification grid, all of them defined.
    """
    number = len(value_QxE)
    parts = []
    for low in range(0, number, _ROWS):
      # One shape for all: the last ones are filled up, then cut.
      value_BxE = value_QxE[(low + np.arange(_ROWS)) % number]
      spec_BxF = self._map(value_BxE, np.ones(value_BxE.shape, bool))
      tok_SxBx1xT, _ = decode.decode(
        self._run.state['params'],
        spec_BxF,
        jax.random.key(0),
        0.0,
        graph=self._run.trainer.graph,
        method=decode.Method(),
        num_programs=1,
        length=self._run.trainer.shape.length,
      )
      tok_SxBxT = writing.in_prefix_order(tok_SxBx1xT, self._inputs)[:, :, 0]
      parts.append(tok_SxBxT[:, : number - low])
    tok_SxQxT = np.concatenate(parts, axis=1)
    return tokens.without_eos(tok_SxQxT).astype(tokens.DTYPE)
