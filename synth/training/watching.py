"""What can be seen of a training run while it goes on.

metrics.jsonl      always; the source of every figure
events.out.*       with --tensorboard, for TensorBoard
profile/           with --profile, a trace of a few steps for TensorBoard or
                   Perfetto
stderr             progress: loss, tokens/s, time left

Of several processes, the first writes. Runs that are trained together have a
log each; progress and trace are of all.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import pathlib
import sys
import time
from typing import Any

from absl import flags
import jax
import numpy as np

from synth import cli
from synth import errors
from synth import flops
from synth import progress
from synth import runs
from synth.training import distributed

# Steps before the trace (compilation, first touches) and in it.
_SKIPPED, _TRACED = 5, 5
PROFILE = 'profile'
_FLUSH_S = 30.0  # between moments at which all events are on the disk


@dataclasses.dataclass(frozen=True)
class Options:
  """What else to write.

  Attributes:
    tensorboard: Event files, too.
    profile: A trace of a few steps.
  """

  tensorboard: bool = False
  profile: bool = False


DEFAULT = Options()


def define_flags() -> None:
  """The flags that `from_flags` reads."""
  flags.DEFINE_bool('tensorboard', False, 'Write TensorBoard event files, too.')
  flags.DEFINE_bool(
    'profile',
    False,
    f'Write a trace of {_TRACED} steps to WORKDIR/{PROFILE}, of each process.',
  )
  cli.show('tensorboard', 'profile')


def from_flags() -> Options:
  """The options as given."""
  return Options(flags.FLAGS.tensorboard, flags.FLAGS.profile)


class Log:
  """Metrics and event files of a run.

  Args:
    workdir: The run.
    start: The step training starts from; metrics of later steps are dropped.
    options: What else to write.
  """

  def __init__(self, workdir: pathlib.Path, start: int, options: Options):
    self._writes = distributed.is_first()
    if not self._writes:
      return
    self._metrics = runs.Metrics(workdir, start)
    self._events = _Events(workdir, start) if options.tensorboard else None

  def __enter__(self) -> 'Log':
    return self

  def __exit__(self, *exception: object) -> None:
    if not self._writes:
      return
    try:
      self._metrics.close()
    finally:
      if self._events is not None:
        self._events.close()

  def write(self, step: int, values: Mapping[str, Any]) -> None:
    """Writes what was measured at a step: lists of one number a model.

    A number that is not finite, which JSON cannot hold, becomes null.
    """
    if not self._writes:
      return
    clean = {
      name: [_finite(v) for v in value] if isinstance(value, list) else value
      for name, value in values.items()
    }
    self._metrics.write(step, **clean)
    if self._events is None:
      return
    self._events.write(
      step,
      {
        f'{name}/model{place}': number
        for name, value in clean.items()
        for place, number in enumerate(value if isinstance(value, list) else ())
        if number is not None
      },
    )


class _Events:
  """A file of events for TensorBoard.

  Written where `write` is called: the package's own writer has a thread for it,
  which a full disk ends without a word; then training would wait for it.

  Args:
    workdir: The run.
    start: The step training starts from; events of later steps are hidden.

  Raises:
    InputError: if the package is missing, or nothing can be written.
  """

  def __init__(self, workdir: pathlib.Path, start: int):
    try:
      from tensorboardX import event_file_writer
      from tensorboardX.proto import event_pb2
    except ImportError:
      raise errors.InputError(
        '--tensorboard needs the package tensorboardX: '
        "pip install -e '.[tensorboard]'"
      ) from None
    self._make = event_pb2.Event
    self._workdir = workdir
    self._flushed = time.monotonic()
    with self._told():
      self._file = event_file_writer.EventsWriter(str(workdir / 'events'))
      began = {'status': event_pb2.SessionLog.START}
      self._file.write_event(
        self._make(wall_time=time.time(), step=start + 1, session_log=began)
      )

  def write(self, step: int, scalars: Mapping[str, float]) -> None:
    """Adds numbers of one step, by their names.

    Raises:
      RunError: if they cannot be written.
    """
    event = self._make(wall_time=time.time(), step=step)
    for name, value in scalars.items():
      event.summary.value.add(tag=name, simple_value=value)
    with self._told():
      self._file.write_event(event)
      if time.monotonic() - self._flushed > _FLUSH_S:
        self._file.flush()
        self._flushed = time.monotonic()

  def close(self) -> None:
    """Writes what is left; nothing is written after.

    Raises:
      RunError: if it cannot be written.
    """
    with self._told():
      self._file.close()

  @contextlib.contextmanager
  def _told(self) -> Iterator[None]:
    try:
      yield
    except OSError as error:
      raise runs.RunError(
        f'cannot write events in {self._workdir}: {error.strerror}'
      ) from None


class Watch:
  """Trace and progress of one call of training.

  Args:
    workdir: Of the training.
    start: The step it starts from.
    steps: The step it ends at.
    step_tokens: Positions of tokens in one step, of all models together.
    step_flops: Floating-point operations of one step, likewise (`synth.flops`).
    options: What else to write.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    start: int,
    steps: int,
    step_tokens: int,
    step_flops: int,
    options: Options,
  ):
    self._start = start
    self._step_tokens = step_tokens
    self._step_flops = step_flops
    self._peak = flops.peak()
    self._shown = start, time.monotonic()
    self._trace: pathlib.Path | None = None
    if options.profile:
      self._trace = workdir / PROFILE
      if jax.process_count() > 1:  # on one host they would write one file
        self._trace /= f'process{jax.process_index()}'
    self._tracing = False
    self._writes = distributed.is_first()
    if not self._writes:
      return
    if options.profile and steps - start <= _SKIPPED:
      print(
        f'--profile writes nothing: it begins after {_SKIPPED} steps (left: '
        f'{steps - start})',
        file=sys.stderr,
      )
    self._bar = progress.Progress(f'train {workdir.name}', steps, 'steps')

  def __enter__(self) -> 'Watch':
    return self

  def __exit__(self, *exception: object) -> None:
    if self._tracing:
      # What ended training is told, not that its trace cannot be written.
      with contextlib.suppress(*(runs.RunError,) if exception[0] else ()):
        self._stop_trace()

  def show(self, step: int, loss: float) -> None:
    """Updates the progress, with the speed since it was last updated.

    So compilation, before the first time, is in no later number.
    """
    if not self._writes:
      return
    last, began = self._shown
    self._shown = step, time.monotonic()
    rate = (step - last) / (self._shown[1] - began)
    speed = f'{rate * self._step_flops / 1e9:,.1f} GFLOP/s'
    if self._peak:
      speed = f'MFU {rate * self._step_flops / self._peak:.1%}'
    self._bar.update(
      step,
      f'loss {loss:.3f}, {rate * self._step_tokens:,.0f} tokens/s, {speed}',
    )

  def before(self, step: int) -> None:
    """Starts or stops the trace; called before `step` is dispatched."""
    if self._trace is None:
      return
    past = step - self._start
    if past == _SKIPPED:
      jax.profiler.start_trace(str(self._trace))
      self._tracing = True
    elif past == _SKIPPED + _TRACED:
      self._stop_trace()

  def _stop_trace(self) -> None:
    self._tracing = False
    try:
      jax.profiler.stop_trace()
    except jax.errors.JaxRuntimeError as error:  # a full disk, say
      reason = str(error).rpartition('; ')[2]
      raise runs.RunError(f'cannot write {self._trace}: {reason}') from None


def _finite(value: float) -> float | None:
  return value if np.isfinite(value) else None
