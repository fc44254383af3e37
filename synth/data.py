"""Training batches: a deterministic function of (seed, global step).

The element of the Grain source is a group of whole batches, gathered from
memory-mapped arrays: no Python runs once a program, and of small batches none
once a batch, whose few rows would take less time than the calls for them.
Batch i does not depend on the number of processes, workers or seeds trained
together, nor on the group, so the state of the iterator is the global step and
survives a change of any of them.

Letters: K batches of a group, M models, S seeds, A arms, N classes of an arm, B
rows of a batch, L numbers a row, T = L + 1 positions.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import functools
import multiprocessing
from multiprocessing import resource_tracker
import os
import signal
import threading
from typing import Any

import grain.python as grain
import numpy as np

from synth import errors
from synth import inputs as inputs_lib
from synth import seeding
from synth.language import tokens

_GROUP = 1 << 14  # rows made at once, if a batch has not more
_PREFETCH = 2  # groups made ahead of the step that needs them

_Group = list[dict[str, np.ndarray]]


def check_batch_size(
  inputs: inputs_lib.Inputs, arms: Sequence[str], batch_size: int
) -> None:
  """Refuses batches that would hold a class twice.

  Raises:
    InputError: names the arm that has too few classes.
  """
  for arm in arms:
    if batch_size > len(inputs.split.arms[arm]):
      raise errors.InputError(
        f'data.batch_size={batch_size} exceeds the '
        f'{len(inputs.split.arms[arm])} classes of arm {arm!r}'
      )


class BatchSource:
  """Batches for M models at once: one for each arm and seed, arm by arm.

  Each model has its own order of the classes, new in each epoch, and sees at
  each visit of a class another of its minimal programs. Neither depends on the
  models beside it.

  Args:
    inputs: Universe, spaces and split.
    arms: Names of training arms.
    seeds: Of the models of each arm.
    batch_size: Global batch size B of each model; see `check_batch_size`.
    num_steps: Number of batches.
    rows: Rows of a batch that this process needs; all if None.
  """

  def __init__(
    self,
    inputs: inputs_lib.Inputs,
    arms: Sequence[str],
    seeds: Sequence[int],
    batch_size: int,
    num_steps: int,
    rows: np.ndarray | None = None,
  ):
    self._arguments = inputs, arms, seeds, batch_size, num_steps, rows
    self._inputs = inputs
    self._class_AxN = [inputs.split.arms[arm] for arm in arms]  # N of each arm
    self._seeds = seeds
    self._batch_size = batch_size
    self._num_steps = num_steps
    self._rows = np.arange(batch_size) if rows is None else rows
    # Orders of two epochs for each model: the present and the last one.
    self._order = functools.lru_cache(2 * self._models)(_make_order)

  def __reduce__(self) -> tuple[Any, ...]:
    # Without the orders: a worker makes its own.
    return type(self), self._arguments

  @property
  def _models(self) -> int:
    return len(self._class_AxN) * len(self._seeds)

  @property
  def step_tokens(self) -> int:
    """Positions of tokens in a whole batch of all models, padding included."""
    length = self._inputs.serialization.length + 1
    return self._models * self._batch_size * length

  def __len__(self) -> int:
    return self._num_steps

  @property
  def group_size(self) -> int:
    """How many batches are best made at once."""
    return max(_GROUP // (self._models * len(self._rows)), 1)

  def __getitem__(self, step: int) -> dict[str, np.ndarray]:
    """Batch `step`: see `make_batch`, with a leading axis M of models."""
    (batch,) = self.batches(int(step), int(step) + 1)
    return batch

  def batches(self, low: int, high: int) -> list[dict[str, np.ndarray]]:
    """Batches of the steps [low, high), made together."""
    # All processes draw the numbers of all rows, then use their own rows.
    class_KxAxSxB = np.empty(
      (high - low, len(self._class_AxN), len(self._seeds), len(self._rows)),
      np.int64,
    )
    number_KxAxSxBxL = np.empty(
      (*class_KxAxSxB.shape, self._inputs.universe.max_size)
    )
    for s, seed in enumerate(self._seeds):
      for a, class_N in enumerate(self._class_AxN):
        class_KxB = self._classes(class_N, seed, low, high)
        class_KxAxSxB[:, a, s] = class_KxB[:, self._rows]
      # The same ones for every arm.
      number_KxBxL = self._numbers(seed, low, high)
      number_KxAxSxBxL[:, :, s] = number_KxBxL[:, None, self._rows]
    together = make_batch(
      self._inputs,
      class_KxAxSxB.reshape(-1),
      number_KxAxSxBxL.reshape(-1, number_KxAxSxBxL.shape[-1]),
    )
    parts = {
      name: array.reshape(high - low, self._models, -1, *array.shape[1:])
      for name, array in together.items()
    }
    return [
      {name: array[k] for name, array in parts.items()}
      for k in range(high - low)
    ]

  def _classes(
    self, class_N: np.ndarray, seed: int, low: int, high: int
  ) -> np.ndarray:
    """The classes of all rows of a model's batches: class_KxB.

    Each epoch goes through the arm once, in an order of its own; what is left
    of it after the last whole batch is not shown.
    """
    size = self._batch_size
    epoch_K, place_K = np.divmod(np.arange(low, high), len(class_N) // size)
    parts = []
    for epoch in range(epoch_K[0], epoch_K[-1] + 1):
      places = place_K[epoch_K == epoch]
      start, end = places[0] * size, (places[-1] + 1) * size
      parts.append(self._order(seed, epoch, len(class_N))[start:end])
    return class_N[np.concatenate(parts)].reshape(-1, size)

  def _numbers(self, seed: int, low: int, high: int) -> np.ndarray:
    """The numbers that choose among the programs of these classes: KxBxL.

    All steps' are one stream, in which a number is one step of the generator.
    """
    shape = (self._batch_size, self._inputs.universe.max_size)
    rng = seeding.generator(seed, 'draw')
    skipped = low * shape[0] * shape[1]
    rng.bit_generator.advance(skipped)  # type: ignore[attr-defined]
    return rng.random((high - low, *shape))


def _make_order(seed: int, epoch: int, count: int) -> np.ndarray:
  """The order in which a model sees the classes of its arm in an epoch."""
  return seeding.generator(seed, 'order', epoch).permutation(count)


def make_batch(
  inputs: inputs_lib.Inputs, class_B: np.ndarray, uniform_BxL: np.ndarray
) -> dict[str, np.ndarray]:
  """Specifications and programs of some classes, as a model is trained on them.

  Args:
    inputs: What the classes are of.
    class_B: The classes, repeated at will.
    uniform_BxL: Numbers in [0, 1) that choose among the minimal programs of
      each class (`Inputs.programs_at`).

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
  # In half the time of `sum(axis=1)`, which is slow for few columns.
  size_B = np.einsum('bl->b', tok_BxL != tokens.PAD, dtype=np.intp)
  target_BxT[np.arange(rows), size_B] = tokens.EOS
  return {
    'spec': np.asarray(inputs.spec_CxF[class_B]),
    'input': input_BxT,
    'target': target_BxT,
  }


class _Groups:
  """Consecutive batches of a source from a step on, as Grain wants them."""

  def __init__(self, source: BatchSource, start: int):
    self._source = source
    self._start = start

  def __len__(self) -> int:
    return -(-(len(self._source) - self._start) // self._source.group_size)

  def __getitem__(self, number: int) -> _Group:
    size = self._source.group_size
    low = self._start + int(number) * size
    return self._source.batches(low, min(low + size, len(self._source)))


def iterate(
  source: BatchSource, start: int, workers: int = 0
) -> Iterator[dict[str, np.ndarray]]:
  """The batches of `source` from step `start`, made ahead.

  Args:
    source: What makes them.
    start: The first step.
    workers: Processes that make them; 0: a thread.

  Raises:
    InputError: if one of these processes died.
  """
  dataset = grain.MapDataset.source(_Groups(source, start)).to_iter_dataset(
    grain.ReadOptions(num_threads=1, prefetch_buffer_size=_PREFETCH)
  )
  if workers:
    dataset = dataset.mp_prefetch(
      grain.MultiprocessingOptions(workers), worker_init_fn=_end_with_parent
    )
  groups = iter(dataset)
  resource_tracker.ensure_running()  # it unblocks signals in its thread
  take = functools.partial(_first, groups) if workers else groups.__next__
  while True:
    try:
      with _unsignalled(signal.SIGTERM):
        group = take()
      take = groups.__next__
    except StopIteration:
      return
    except RuntimeError as error:
      if 'Worker process was terminated' not in str(error):
        raise
      raise errors.InputError(
        'a process that makes batches was killed, perhaps for want of memory: '
        'the same command goes on, with fewer --grain_workers in less memory'
      ) from None
    yield from group


def _first(groups: Iterator[_Group]) -> _Group:
  """The first group, for which processes start, that do not get Ctrl-C.

  A terminal sends it to them, too; they end with training. They start in a
  thread of their own, so that training gets it meanwhile.
  """
  found: list[_Group | BaseException] = []

  def take() -> None:
    try:
      found.append(next(groups))
    except BaseException as error:  # StopIteration is one
      found.append(error)

  thread = threading.Thread(target=take, daemon=True)
  with _unsignalled(signal.SIGINT):
    thread.start()
  thread.join()
  if isinstance(found[0], BaseException):
    raise found[0]
  return found[0]


@contextlib.contextmanager
def _unsignalled(number: signal.Signals) -> Iterator[None]:
  """Threads and processes that start in it do not get this signal.

  SIGTERM to the whole group is for training to heed: it saves, for which it
  may need batches still. It hears of it in another thread.
  """
  old = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
  try:
    yield
  finally:
    signal.pthread_sigmask(signal.SIG_SETMASK, old)


def _end_with_parent(number: int, count: int) -> None:
  """Has a worker end when training was killed, and could not tell it to."""
  del number, count
  parent = multiprocessing.parent_process()
  assert parent is not None

  def wait() -> None:
    parent.join()
    os._exit(1)

  threading.Thread(target=wait, daemon=True).start()
