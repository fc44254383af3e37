"""Training: several models at once, resumable, the same bits every time.

  python -m synth.train --config=configs/support.py:tiny --workdir=DIR

builds what is missing (universe, spaces, split), trains `train.num_seeds`
models of the arm `data.arm` and leaves checkpoints, metrics and `run.json` in
DIR. Run again, it resumes from the newest checkpoint: the parameters at the end
are bit for bit those of an uninterrupted run (same machine, same versions).
SIGTERM saves and exits with code 0. Several processes that run the command
together train one run (`synth.training.distributed`).
"""

from collections.abc import Mapping
import contextlib
import json
import os
import pathlib
from typing import Any

from absl import flags
import jax
import ml_collections
import numpy as np

from synth import cli
from synth import data
from synth import errors
from synth import flops
from synth import host_memory
from synth import inputs as inputs_lib
from synth import locks
from synth import model as model_lib
from synth import runs
from synth import seeding
from synth.splits import kinds
from synth.training import checkpoint
from synth.training import distributed
from synth.training import freezing
from synth.training import preemption
from synth.training import sharding
from synth.training import trainer as trainer_lib
from synth.training import watching

_GRACE_S = 25.0  # clouds and schedulers commonly kill 30 s after SIGTERM


def train_and_evaluate(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  data_dir: pathlib.Path | None = None,
  options: watching.Options = watching.DEFAULT,
  grace_s: float = _GRACE_S,
  grain_workers: int = 0,
) -> dict[str, Any]:
  """Trains until `opt.num_steps`, resuming from `workdir` if it can.

  Args:
    config: A recipe of `configs/`.
    workdir: Where run.json, metrics and checkpoints go.
    data_dir: Where universe, spaces and split are or will be built; `workdir`
      if None. Runs may share it.
    options: What else to write.
    grace_s: Seconds from SIGTERM to the end of the process, at most.
    grain_workers: Processes that make batches; 0: a thread.

  Returns:
    steps, final training loss (mean over models), dev loss and parameters of
    one model, and the models that diverged; if stopped by SIGTERM before the
    end, only `stopped_at`, the step to go on from.

  Raises:
    InputError: for a bad config, foreign inputs or a run of another config.
  """
  if 'split' in config:  # else the inputs say what is wrong
    kinds.check_arm(config)
  with preemption.Preemption(grace_s) as stop:
    return _train(
      config, workdir, data_dir or workdir, options, stop, grain_workers
    )


def _train(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  data_dir: pathlib.Path,
  options: watching.Options,
  stop: preemption.Preemption,
  grain_workers: int,
) -> dict[str, Any]:
  inputs = distributed.first(lambda: inputs_lib.load_or_build(config, data_dir))
  if inputs is None:  # this process is not the first, which has built them
    inputs = inputs_lib.load_or_build(config, data_dir)
  cli.choose(config.data.arm, inputs.split.arms, 'data.arm')
  trainer = trainer_lib.Trainer(config, inputs)
  rows = sharding.local_rows(
    trainer.mesh, config.data.batch_size, trainer.accumulation
  )
  groups = model_lib.count_by_group(trainer.shape)
  distributed.first(
    lambda: _record(
      config,
      workdir,
      data_dir,
      inputs,
      groups,
      flops.training(trainer.shape),
    )
  )
  source = data.BatchSource(
    inputs,
    config.data.arm,
    trainer.seeds,
    config.data.batch_size,
    config.opt.num_steps,
    rows,
  )
  dev = data.make_batch(
    inputs,
    inputs.split.dev,
    seeding.generator(config.train.seed, 'dev').random(
      (len(inputs.split.dev), inputs.universe.max_size)
    ),
  )
  with contextlib.ExitStack() as stack:
    distributed.first(lambda: _lock(stack, workdir))
    checkpoints = stack.enter_context(checkpoint.Checkpoints(workdir))
    found = _loop(
      *(config, workdir, trainer, source, dev, checkpoints, options, stop),
      grain_workers,
    )
  if 'stopped_at' in found:
    return found
  result = {
    'steps': config.opt.num_steps,
    **found,
    'params': sum(groups.values()),
  }
  distributed.first(lambda: runs.write_json(workdir / runs.TRAINED, result))
  return result


def _lock(stack: contextlib.ExitStack, workdir: pathlib.Path) -> None:
  """Keeps other trainings out of `workdir` until the stack is left."""
  path = workdir / '.train.lock'
  if not stack.enter_context(locks.exclusive(path, '', wait=False)):
    raise errors.InputError(f'another process is training in {workdir}')


def _loop(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  trainer: trainer_lib.Trainer,
  source: data.BatchSource,
  dev: Mapping[str, np.ndarray],
  checkpoints: checkpoint.Checkpoints,
  options: watching.Options,
  stop: preemption.Preemption,
  grain_workers: int,
) -> dict[str, Any]:
  """The loop.

  Order: dev loss, save, stop?, fetch, dispatch, then log the *previous* step,
  so that the host waits for the device only to save. Saves come before the
  fetch of the next batch: the state after step n goes with position n in the
  data. Logs come before saves: what a checkpoint has behind it is written.
  """
  steps = config.opt.num_steps
  restored = checkpoints.restore_newest(trainer.abstract_state)
  if restored is not None:
    start, state, meta = restored
    position = meta['next_index']
  else:
    start, state, position = 0, trainer.init(), 0
  checkpoints.forget_after(start)
  iterator = data.iterate(source, position, grain_workers)
  divergences = freezing.Divergences(trainer.seeds, checkpoints.latest)
  found: dict[str, Any] = {}
  pending: dict[str, jax.Array] | None = None

  with watching.Watch(
    workdir,
    start,
    steps,
    source.step_tokens,
    _step_flops(config, trainer),
    options,
  ) as watch:
    for step in range(start, steps + 1):
      last = step == steps
      stopped = stop.requested(step) and not last
      if last or (step > start and step % config.train.dev_every_steps == 0):
        dev_loss_S = np.asarray(trainer.losses(state['params'], dev))
        found['dev_loss'] = divergences.mean(dev_loss_S, state['diverged'])
        if step > start:  # else it was written when the step was reached
          watch.write(step, {'dev_loss': dev_loss_S.tolist()})
      log = last or step % config.train.log_every_steps == 0
      done, pending = pending if log else None, None
      due = last or stopped or step % config.train.checkpoint_every_steps == 0
      if step > start and due:
        if done:
          found['loss'] = _log(watch, step, done, divergences)
          done = None
        divergences.check(state['diverged'])
        checkpoints.save(step, state, {'next_index': step})
      if stopped:
        return {'stopped_at': step}
      if not last:
        watch.before(step)
        batch = trainer.put(next(iterator))
        state, pending = trainer.step(state, batch)
      if done:
        found['loss'] = _log(watch, step, done, divergences)
  if 'loss' not in found:  # nothing was left to train
    logged = [row for row in runs.read_metrics(workdir) if 'loss' in row]
    found['loss'] = divergences.mean(logged[-1]['loss'], state['diverged'])
  return {**found, 'diverged': divergences.check(state['diverged'])}


def _step_flops(
  config: ml_collections.ConfigDict, trainer: trainer_lib.Trainer
) -> int:
  """Floating-point operations of one step of all models."""
  sequences = config.data.batch_size * len(trainer.seeds)
  return sequences * flops.training(trainer.shape)


def _log(
  watch: watching.Watch,
  step: int,
  values: Mapping[str, jax.Array],
  divergences: freezing.Divergences,
) -> float:
  """Writes the metrics of step `step`; the mean loss of what has not diverged.

  Raises:
    InputError: if all models have diverged, with what to go back to.
  """
  host = {name: np.asarray(array).tolist() for name, array in values.items()}
  diverged_S = host.pop('diverged')
  report = divergences.report(diverged_S)
  watch.write(step, {**host, **({'diverged': report} if report else {})})
  divergences.check(diverged_S)
  loss = divergences.mean(host['loss'], diverged_S)
  watch.show(step, loss)
  return loss


def _record(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  data_dir: pathlib.Path,
  inputs: inputs_lib.Inputs,
  groups: Mapping[str, int],
  sequence_flops: int,
) -> None:
  """Writes run.json, or checks that it is this run's."""
  record = {
    'config': json.loads(json.dumps(cli.plain(config))),
    'inputs_sha256': inputs.sha256,
  }
  path = workdir / runs.RECORD
  if path.exists():
    old = runs.read_json(path)
    runs.check_same(path, {k: old.get(k) for k in record}, record)
    return
  runs.write_json(
    path,
    {
      **record,
      'data_dir': os.path.relpath(data_dir, workdir),
      'params': {**groups, 'total': sum(groups.values())},
      'flops': config.data.batch_size * config.opt.num_steps * sequence_flops,
      'versions': runs.versions(),
      'device': jax.devices()[0].device_kind,
    },
  )


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/support.py:tiny')
  distributed.define_flags()
  watching.define_flags()
  cli.define_workdir('Where checkpoints and metrics go; resumed if not empty.')
  flags.DEFINE_string(
    'data', None, 'Where universe, spaces and split are; WORKDIR if not given.'
  )
  flags.DEFINE_float(
    'grace_s', _GRACE_S, 'Seconds from SIGTERM to the end, at most.'
  )
  flags.DEFINE_integer(
    'grain_workers',
    0,
    'Processes that make batches, each with a copy of the data; 0: a thread.',
    lower_bound=0,
  )


def main() -> dict[str, Any]:
  """Trains."""
  args = flags.FLAGS
  distributed.initialize()
  host_memory.keep_freed()
  data_dir = pathlib.Path(args.data) if args.data else None
  if data_dir is not None and not data_dir.is_dir():
    raise errors.InputError(
      f'no data in {data_dir}: make them there with python -m synth.splits '
      f'--config=... --workdir={data_dir}, or leave --data out'
    )
  return train_and_evaluate(
    *(args.config, cli.workdir(), data_dir, watching.from_flags()),
    *(args.grace_s, args.grain_workers),
  )


if __name__ == '__main__':
  define_flags()
  cli.run(main)
