"""Training: several models at once, resumable, the same bits every time.

  python -m synth.train --config=configs/support.py:tiny --workdir=DIR

builds what is missing (universe, spaces, split), trains `train.num_seeds`
models of the arm `data.arm` and leaves checkpoints, metrics and `run.json` in
DIR. Run again, it resumes from the newest checkpoint: the parameters at the end
are bit for bit those of an uninterrupted run (same machine, same versions).
SIGTERM saves and exits with code 0. Several processes that run the command
together train one run (`synth.training.distributed`).

  python -m synth.train --config=... --arms=train_s,train_c --workdir=DIR

trains several arms in one program; each is a run of its own, in DIR/ARM.
"""

from collections.abc import Mapping
from collections.abc import Sequence
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
from synth import model as model_lib
from synth import model_config
from synth import runs
from synth import seeding
from synth import settings
from synth.evaluation import decode
from synth.language import grammar as grammar_lib
from synth.splits import kinds
from synth.training import distributed
from synth.training import ensemble as ensemble_lib
from synth.training import freezing
from synth.training import optimizer
from synth.training import preemption
from synth.training import sharding
from synth.training import trainer as trainer_lib
from synth.training import watching
from synth.universe import executors

_GRACE_S = 25.0  # clouds and schedulers commonly kill 30 s after SIGTERM


def train_and_evaluate(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  data_dir: pathlib.Path | None = None,
  options: watching.Options = watching.DEFAULT,
  grace_s: float = _GRACE_S,
  grain_workers: int = 0,
  arms: Sequence[str] = (),
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
    arms: Trained in one program in place of `data.arm`; the run of each is in
      `workdir`/ARM.

  Returns:
    steps, final training loss (mean over models), dev loss and parameters of
    one model, and the models that diverged; with `arms`, these of each arm; if
    stopped by SIGTERM before the end, only `stopped_at`, the step to go on
    from.

  Raises:
    InputError: for a bad config, foreign inputs or a run of another config.
  """
  settings.check(config, *settings.PARTS)
  configs = {}
  for arm in arms or (config.data.arm,):
    configs[arm] = config.copy_and_resolve_references()
    configs[arm].data.arm = arm
    check(configs[arm])
  if len(configs) < len(arms):
    raise errors.InputError(f'--arms={",".join(arms)} names an arm twice')
  workdirs = {arm: workdir / arm if arms else workdir for arm in configs}
  with preemption.Preemption(grace_s) as stop:
    found = _train(
      configs, workdirs, data_dir or workdir, options, stop, grain_workers
    )
  return found if arms or 'stopped_at' in found else found[config.data.arm]


def check(config: ml_collections.ConfigDict) -> None:
  """Refuses, before anything is built, what no run could be.

  Raises:
    InputError: names the setting, and its value.
  """
  settings.check(config, *settings.PARTS)
  kinds.check_arm(config)
  grammar = grammar_lib.load(grammar_lib.find(config.universe.grammar))
  shape = model_config.of(config, grammar)
  optimizer.make(config.opt, shape.width_ratio)
  if 'method' in config.eval:  # so that a typo is not told after training
    settings.choose(config.eval.method, decode.METHODS, 'eval.method')


def _train(
  configs: Mapping[str, ml_collections.ConfigDict],
  workdirs: Mapping[str, pathlib.Path],
  data_dir: pathlib.Path,
  options: watching.Options,
  stop: preemption.Preemption,
  grain_workers: int,
) -> dict[str, Any]:
  """Trains the runs of some arms, whose configs differ in that alone."""
  config = next(iter(configs.values()))
  inputs = distributed.first(lambda: inputs_lib.load_or_build(config, data_dir))
  if inputs is None:  # this process is not the first, which has built them
    inputs = inputs_lib.load_or_build(config, data_dir)
  for arm in configs:
    settings.choose(arm, inputs.split.arms, 'data.arm')
  trainer = trainer_lib.Trainer(config, inputs, len(configs))
  data.check_batch_size(inputs, tuple(configs), config.data.batch_size)
  rows = sharding.local_rows(
    trainer.mesh, config.data.batch_size, trainer.accumulation
  )
  records = {
    arm: {
      'config': json.loads(json.dumps(settings.plain(config))),
      'inputs_sha256': inputs.sha256,
      # Their number decides how sums are rounded.
      'together': list(configs) if len(configs) > 1 else None,
    }
    for arm, config in configs.items()
  }
  source = data.BatchSource(
    inputs,
    tuple(configs),
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
  common = os.path.commonpath(list(workdirs.values()))

  def admit() -> None:
    _check(records, workdirs)

  with ensemble_lib.Ensemble(workdirs, records, trainer, admit) as ensemble:
    resumed = ensemble.restore()
    distributed.first(lambda: _record(records, workdirs, data_dir, trainer))
    found = _loop(
      *(config, pathlib.Path(common), trainer, source, dev, ensemble),
      *(resumed or (0, trainer.init(), 0)),
      *(options, stop, grain_workers),
    )
  if 'stopped_at' in found:
    return found
  params = sum(model_lib.count_by_group(trainer.shape).values())
  results = {
    arm: {'steps': config.opt.num_steps, **result, 'params': params}
    for arm, result in found.items()
    if not isinstance(result, str)
  }
  distributed.first(lambda: _write_results(workdirs, results))
  if len(results) < len(found):  # of the others no model is left
    raise freezing.error(found[arm] for arm in found if arm not in results)
  return results


def _write_results(
  workdirs: Mapping[str, pathlib.Path], results: Mapping[str, Any]
) -> None:
  for arm, result in results.items():
    runs.write_sealed(workdirs[arm] / runs.TRAINED, result)


def _loop(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  trainer: trainer_lib.Trainer,
  source: data.BatchSource,
  dev: Mapping[str, np.ndarray],
  ensemble: ensemble_lib.Ensemble,
  start: int,
  state: trainer_lib.State,
  position: int,
  options: watching.Options,
  stop: preemption.Preemption,
  grain_workers: int,
) -> dict[str, Any]:
  """The loop; `Ensemble.results` of what it came to.

  Order: dev loss, save, stop?, fetch, dispatch, then log the *previous* step,
  so that the host waits for the device only to save. Saves come before the
  fetch of the next batch: the state after step n goes with position n in the
  data. Logs come before saves: what a checkpoint has behind it is written.
  """
  steps = config.opt.num_steps
  ensemble.begin(start, steps, options)
  iterator = data.iterate(source, position, grain_workers)
  last_M: dict[str, np.ndarray] = {}
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
        last_M['dev_loss'] = np.asarray(trainer.losses(state['params'], dev))
        if step > start:  # else it was written when the step was reached
          ensemble.write(step, {'dev_loss': last_M['dev_loss']})
      log = last or step % config.train.log_every_steps == 0
      done, pending = pending if log else None, None
      due = last or stopped or step % config.train.checkpoint_every_steps == 0
      if step > start and due:
        if done:
          last_M['loss'] = _log(ensemble, watch, step, done)
          done = None
        ensemble.check(np.asarray(state['diverged']))
        ensemble.save(step, state, position=step)
      if stopped:
        return {'stopped_at': step}
      if not last:
        watch.before(step)
        batch = trainer.put(next(iterator))
        state, pending = trainer.step(state, batch)
      if done:
        last_M['loss'] = _log(ensemble, watch, step, done)
  if 'loss' not in last_M:  # nothing was left to train
    last_M['loss'] = ensemble.logged_loss()
  diverged_M = np.asarray(state['diverged'])
  ensemble.check(diverged_M)
  return ensemble.results(last_M, diverged_M)


def _step_flops(
  config: ml_collections.ConfigDict, trainer: trainer_lib.Trainer
) -> int:
  """Floating-point operations of one step of all models."""
  sequences = config.data.batch_size * trainer.models
  return sequences * flops.training(trainer.shape)


def _log(
  ensemble: ensemble_lib.Ensemble,
  watch: watching.Watch,
  step: int,
  values: Mapping[str, jax.Array],
) -> np.ndarray:
  """Writes and shows the metrics of step `step`; the loss of every model.

  Raises:
    InputError: if all models have diverged, with what to go back to.
  """
  host = {name: np.asarray(array) for name, array in values.items()}
  ensemble.write(step, host)
  ensemble.check(host['diverged'])
  watch.show(step, freezing.mean(host['loss'], host['diverged']))
  return host['loss']


def _check(
  records: Mapping[str, Mapping[str, Any]],
  workdirs: Mapping[str, pathlib.Path],
) -> None:
  """Refuses a run.json that is of another run."""
  for arm, record in records.items():
    path = workdirs[arm] / runs.RECORD
    if path.exists():
      runs.check_resumable(path, runs.read_record(workdirs[arm]), record)


def _record(
  records: Mapping[str, Mapping[str, Any]],
  workdirs: Mapping[str, pathlib.Path],
  data_dir: pathlib.Path,
  trainer: trainer_lib.Trainer,
) -> None:
  """Writes every run's run.json that is not there.

  After all that may be refused, checkpoints included: what is written would
  stand in the way of the command that is meant.
  """
  groups = model_lib.count_by_group(trainer.shape)
  sequence_flops = flops.training(trainer.shape)
  for arm in records:
    if (workdirs[arm] / runs.RECORD).exists():
      continue
    config = records[arm]['config']
    sequences = config['data']['batch_size'] * config['opt']['num_steps']
    runs.write_json(
      workdirs[arm] / runs.RECORD,
      {
        **records[arm],
        # Where links lead: `..` from a directory that is one leads elsewhere.
        'data_dir': os.path.relpath(
          data_dir.resolve(), workdirs[arm].resolve()
        ),
        'params': {**groups, 'total': sum(groups.values())},
        'flops': sequences * sequence_flops,
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
  flags.DEFINE_list(
    'arms',
    [],
    'Arms trained in one program, in place of data.arm; the run of each is in '
    'WORKDIR/ARM.',
  )
  flags.DEFINE_string(
    'data', None, 'Where universe, spaces and split are; WORKDIR if not given.'
  )
  cli.define_seconds(
    'grace_s', _GRACE_S, 'Seconds from SIGTERM to the end, at most.'
  )
  flags.DEFINE_integer(
    'grain_workers',
    0,
    'Processes that make batches, each with a copy of the data; 0: a thread.',
    lower_bound=0,
    upper_bound=executors.MOST_PROCESSES,
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
    *(args.grace_s, args.grain_workers, args.arms),
  )


if __name__ == '__main__':
  define_flags()
  cli.run(main)
