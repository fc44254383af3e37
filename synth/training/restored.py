"""The models of a trained run, read back from its newest checkpoint."""

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
  """What the newest undamaged checkpoint of a run holds.

  Attributes:
    trainer: Made from the run's config, on the devices of this machine.
    state: Parameters, optimizer state, `diverged` and `step` of the run's
      models, a leading axis S of models (`trainer.State`).
    step: Optimizer steps that had been taken when it was saved.
    sha256: Hash of all files of the checkpoint.
    diverged: Seed -> step at which its model diverged, of those that did.
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
  """Loads the newest undamaged checkpoint of a run.

  The run may have been trained on other devices and another mesh: here the rows
  of a batch are divided among all devices, and the models are not.

  Args:
    workdir: The run's directory.
    config: The run's config.
    inputs: Universe, spaces and split that it was trained on.

  Raises:
    InputError: if there is no checkpoint, all are damaged, or it is of another
      format.
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
