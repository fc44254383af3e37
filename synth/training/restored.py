"""The models of a run as they were saved last."""

import dataclasses
import pathlib

import ml_collections

from synth import errors
from synth import inputs as inputs_lib
from synth.training import checkpoint
from synth.training import freezing
from synth.training import trainer as trainer_lib


@dataclasses.dataclass(frozen=True)
class Restored:
  """The newest checkpoint of a run that is without damage.

  Attributes:
    trainer: Of its config, on the devices there are.
    state: What was saved.
    step: When.
    sha256: Of the checkpoint.
    diverged: Seed -> step, of models that diverged.
  """

  trainer: trainer_lib.Trainer
  state: trainer_lib.State
  step: int
  sha256: str
  diverged: dict[str, int]


def load(
  workdir: pathlib.Path,
  config: ml_collections.ConfigDict,
  inputs: inputs_lib.Inputs,
) -> Restored:
  """Loads it, on whatever devices the run was trained.

  Args:
    workdir: Of the run.
    config, inputs: Its own.

  Raises:
    InputError: if there is none.
  """
  here = config.copy_and_resolve_references()
  here.mesh = {'data': 0, 'fsdp': 1, 'tensor': 1}
  trainer = trainer_lib.Trainer(here, inputs)
  with checkpoint.Checkpoints(workdir) as checkpoints:
    step = checkpoint.newest_good([checkpoints])
    if step is None:
      raise errors.InputError(f'{workdir} holds no checkpoint: train it first')
    state, _ = checkpoints.restore(step, trainer.abstract_state)
    diverged = freezing.Divergences(trainer.seeds, checkpoints.latest).report(
      state['diverged']
    )
    return Restored(trainer, state, step, checkpoints.sha256(step), diverged)
