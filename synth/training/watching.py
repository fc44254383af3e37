"""What can be seen of a training run while it goes on.

metrics.jsonl      always; the source of every figure
events.out.*       with --tensorboard, for TensorBoard
profile/           with --profile, a trace of a few steps for TensorBoard or
                   Perfetto
stderr             progress: loss, tokens/s, time left

Of several processes, the first writes. Runs that are trained together have a
log each; progress and trace are of all.
"""

from collections.abc import Mapping
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
    'profile', False, f'Write a trace of {_TRACED} steps to WORKDIR/{PROFILE}.'
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
    self._events: Any = None
    if options.tensorboard:
      self._events = _event_writer(workdir, start)

  def __enter__(self) -> 'Log':
    return self

  def __exit__(self, *exception: object) -> None:
    if not self._writes:
      return
    self._metrics.close()
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
    for name, value in clean.items():
      for place, number in enumerate(value if isinstance(value, list) else ()):
        if number is not None:
          self._events.add_scalar(f'{name}/model{place}', number, step)


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
    self._trace = workdir / PROFILE if options.profile else None
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
      jax.profiler.stop_trace()

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
      jax.profiler.stop_trace()
      self._tracing = False


def _finite(value: float) -> float | None:
  return value if np.isfinite(value) else None


def _event_writer(workdir: pathlib.Path, start: int) -> Any:
  try:
    import tensorboardX
  except ImportError:
    raise errors.InputError(
      '--tensorboard needs the package tensorboardX: '
      "pip install -e '.[tensorboard]'"
    ) from None
  # Events of steps that are about to be repeated are hidden.
  return tensorboardX.SummaryWriter(str(workdir), purge_step=start + 1)
