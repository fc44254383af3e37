"""Training batches: a deterministic function of (seed, global step).

The element of the Grain source is a whole batch, gathered from memory-mapped
arrays, so that no Python runs once a program. Element i does not
depend on the number of processes, workers or seeds trained together, so the
state of the iterator is the global step and survives a change of any of them.
"""

import functools
from typing import Any

import grain.python as grain
import numpy as np

from synth import errors
from synth import inputs as inputs_lib
from synth import seeding
from synth.language import tokens

_PREFETCH = 4  # batches made ahead of the step that needs them


class BatchSource:
  """Batches of a training arm, for S models at once.

  Each model has its own order of the classes, new in each epoch, and sees at
  each visit of a class another of its minimal programs.

  Args:
    inputs: Universe, spaces and split.
    arm: Name of the training arm.
    seeds: One seed for each of the S models.
    batch_size: Global batch size B of each model.
    num_steps: Number of batches.
    rows: Rows of a batch that this process needs; all if None.
  """

  def __init__(
    self,
    inputs: inputs_lib.Inputs,
    arm: str,
    seeds: tuple[int, ...],
    batch_size: int,
    num_steps: int,
    rows: np.ndarray | None = None,
  ):
    self._inputs = inputs
    self._class_N = inputs.split.arms[arm]
    if batch_size > len(self._class_N):
      raise errors.InputError(
        f'data.batch_size={batch_size} exceeds the '
        f'{len(self._class_N)} classes of arm {arm!r}'
      )
    self._seeds = seeds
    self._batch_size = batch_size
    self._num_steps = num_steps
    self._rows = np.arange(batch_size) if rows is None else rows
    # Orders of two epochs for each model: the present and the last one.
    self._order = functools.lru_cache(2 * len(seeds))(self._make_order)

  @property
  def step_tokens(self) -> int:
    """Positions of tokens in a whole batch of all models, padding included."""
    length = self._inputs.universe.max_size + 1
    return len(self._seeds) * self._batch_size * length

  def __len__(self) -> int:
    return self._num_steps

  def __getitem__(self, step: int) -> dict[str, np.ndarray]:
    """Batch `step`: see `make_batch`, with a leading axis S of models."""
    parts = [self._one(seed, int(step)) for seed in self._seeds]
    return {name: np.stack([p[name] for p in parts]) for name in parts[0]}

  def _one(self, seed: int, step: int) -> dict[str, np.ndarray]:
    per_epoch = len(self._class_N) // self._batch_size
    epoch, place = divmod(step, per_epoch)
    order_N = self._order(seed, epoch)
    start = place * self._batch_size
    class_B = self._class_N[order_N[start : start + self._batch_size]]
    # All processes draw the numbers of all rows, then use their own rows.
    length = self._inputs.universe.max_size
    uniform_BxL = seeding.generator(seed, 'draw', step).random(
      (self._batch_size, length)
    )
    return make_batch(
      self._inputs, class_B[self._rows], uniform_BxL[self._rows]
    )

  def _make_order(self, seed: int, epoch: int) -> np.ndarray:
    rng = seeding.generator(seed, 'order', epoch)
    return rng.permutation(len(self._class_N))


def make_batch(
  inputs: inputs_lib.Inputs, class_B: np.ndarray, uniform_BxL: np.ndarray
) -> dict[str, np.ndarray]:
  """A batch for the given classes.

  Returns:
    spec_BxF (float32), input_BxT (BOS, then the program) and target_BxT (the
    program, then EOS, then PAD), int32, T one more than the longest program.
  """
  tok_BxL = inputs.serialization.write(inputs.programs_at(class_B, uniform_BxL))
  rows, length = tok_BxL.shape
  input_BxT = np.zeros((rows, length + 1), np.int32)
  input_BxT[:, 0] = tokens.BOS
  input_BxT[:, 1:] = tok_BxL
  target_BxT = np.zeros((rows, length + 1), np.int32)
  target_BxT[:, :length] = tok_BxL
  size_B = (tok_BxL != tokens.PAD).sum(axis=1)
  target_BxT[np.arange(rows), size_B] = tokens.EOS
  return {
    'spec': np.asarray(inputs.spec_CxF[class_B]),
    'input': input_BxT,
    'target': target_BxT,
  }


def iterate(source: BatchSource, start: int) -> Any:
  """An iterator over `source` from step `start`, made ahead in a thread."""
  dataset = grain.MapDataset.source(source).to_iter_dataset(
    grain.ReadOptions(num_threads=1, prefetch_buffer_size=_PREFETCH)
  )
  iterator = iter(dataset)
  if start:
    grain.experimental.set_next_index(iterator, start)
  return iterator
