"""Training: several models at once, resumable, the same bits every time.

  python -m synth.train --config=configs/support.py:tiny --workdir=DIR

builds what is missing (universe, spaces, split), trains `train.num_seeds`
models of the arm `data.arm` and leaves checkpoints, metrics and `run.json` in
DIR. Run again, it resumes from the newest checkpoint: the parameters at the end
are bit for bit those of an uninterrupted run (same machine, same versions).
"""

from collections.abc import Mapping
import functools
import json
import os
import pathlib
import time
from typing import Any

from absl import flags
from flax import nnx
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from synth import accumulation as accumulation_lib
from synth import checkpoint
from synth import cli
from synth import data
from synth import errors
from synth import inputs as inputs_lib
from synth import locks
from synth import model as model_lib
from synth import optimizer
from synth import progress
from synth import runs
from synth import seeding
from synth import sharding
from synth.language import grammar as grammar_lib
from synth.language import tokens
from synth.spaces import specification

State = dict[str, Any]  # params, opt, step; leading axis S but for step
Batch = Mapping[str, jax.Array]


def model_config(
  config: ml_collections.ConfigDict, grammar: grammar_lib.Grammar
) -> model_lib.Config:
  """The model of a config, whose grammar is given.

  Raises:
    InputError: for settings that are no model.
  """
  opt, points = config.opt, len(config.spaces.grid)
  serialization = inputs_lib.serialization_of(config, grammar)
  mup = model_lib.Mup(opt.base_width, opt.base_head_width)
  return model_lib.Config(
    **config.model,
    features=specification.PER_POINT * points,
    prefix=specification.tokens_of(config.data.specification, points),
    vocabulary=serialization.num_tokens,
    length=serialization.length + 1,  # the program and BOS, or EOS
    mup=mup if opt.mup else None,
  )


def init_state(
  shape: model_lib.Config, tx: optax.GradientTransformation, seed_S: jax.Array
) -> State:
  """Fresh parameters and optimizer state of every model."""
  params = jax.vmap(lambda s: model_lib.init(shape, jax.random.key(s)))(seed_S)
  return {
    'params': params,
    'opt': jax.vmap(tx.init)(params),
    'step': jnp.zeros((), jnp.int32),
  }


def count_tokens(batch: Batch) -> jax.Array:
  """Tokens that a model is asked for: all but PAD."""
  return jnp.sum(batch['target'] != tokens.PAD)


def loss_fn(params: Any, batch: Batch, graph: nnx.GraphDef) -> jax.Array:
  """Mean cross-entropy of one model, nats per token (PAD does not count)."""
  model = model_lib.merge(graph, params)
  logits_BxTxV = model(batch['spec'], batch['input'])
  target_BxT = batch['target']
  loss_BxT = optax.softmax_cross_entropy_with_integer_labels(
    logits_BxTxV, target_BxT
  )
  weight_BxT = target_BxT != tokens.PAD
  return jnp.sum(loss_BxT * weight_BxT) / jnp.sum(weight_BxT)


def train_step(
  state: State,
  batch: Batch,
  *,
  graph: nnx.GraphDef,
  tx: optax.GradientTransformation,
  accumulation: int,
) -> tuple[State, dict[str, jax.Array]]:
  """One optimizer step of every model.

  Args:
    state: Parameters, optimizer state and step.
    batch: Arrays S x B x ..., each model's own.
    graph: The static half of the models.
    tx: The optimizer.
    accumulation: Parts of a batch that are in memory one at a time.

  Returns:
    The new state and loss_S, grad_norm_S.
  """

  def one(params: Any, opt: Any, batch: Batch) -> tuple[Any, ...]:
    loss, grads = accumulation_lib.value_and_grad(
      functools.partial(loss_fn, graph=graph),
      count_tokens,
      params,
      batch,
      accumulation,
    )
    updates, opt = tx.update(grads, opt, params)
    params = optax.apply_updates(params, updates)
    return params, opt, loss, optax.tree.norm(grads)

  params, opt, loss_S, norm_S = jax.vmap(one)(
    state['params'], state['opt'], batch
  )
  new = {'params': params, 'opt': opt, 'step': state['step'] + 1}
  return new, {'loss': loss_S, 'grad_norm': norm_S}


class Trainer:
  """Everything that is made once for a config: graph, mesh, jitted steps."""

  def __init__(
    self, config: ml_collections.ConfigDict, inputs: inputs_lib.Inputs
  ):
    self.seeds = tuple(
      config.train.seed + i for i in range(config.train.num_seeds)
    )
    self.shape = model_config(config, inputs.universe.grammar)
    self.graph = model_lib.split(self.shape)
    self.mesh = sharding.make_mesh(**config.mesh)
    tx = optimizer.make(config.opt, self.shape.width_ratio)
    self.accumulation = config.opt.accumulation
    init = functools.partial(init_state, self.shape, tx)
    seed_S = jnp.array(self.seeds, jnp.uint32)
    like = jax.eval_shape(init, seed_S)
    state_sharding = sharding.of_state(self.mesh, like)
    self.abstract_state = checkpoint.abstract(like, state_sharding)
    self._init = functools.partial(
      jax.jit(init, out_shardings=state_sharding), seed_S
    )
    self._batch_sharding = sharding.of_batch(self.mesh)
    self.step = jax.jit(
      functools.partial(
        train_step,
        graph=self.graph,
        tx=tx,
        accumulation=self.accumulation,
      ),
      donate_argnums=0,
      out_shardings=(state_sharding, None),
    )
    self.losses = jax.jit(
      jax.vmap(functools.partial(loss_fn, graph=self.graph), in_axes=(0, None))
    )

  def init(self) -> State:
    """The state before the first step; no parameter is ever unsharded."""
    return self._init()

  def put(self, batch: Mapping[str, np.ndarray]) -> Batch:
    """A host's part of a batch as global arrays on the devices."""
    return {
      name: jax.make_array_from_process_local_data(self._batch_sharding, array)
      for name, array in batch.items()
    }


def train_and_evaluate(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  data_dir: pathlib.Path | None = None,
) -> dict[str, Any]:
  """Trains until `opt.num_steps`, resuming from `workdir` if it can.

  Args:
    config: A recipe of `configs/`.
    workdir: Where run.json, metrics and checkpoints go.
    data_dir: Where universe, spaces and split are or will be built; `workdir`
      if None. Runs may share it.

  Returns:
    steps, final training loss (mean over models), dev loss and parameters of
    one model.

  Raises:
    InputError: for a bad config, foreign inputs or a run of another config.
  """
  data_dir = data_dir or workdir
  inputs = inputs_lib.load_or_build(config, data_dir)
  cli.choose(config.data.arm, inputs.split.arms, 'data.arm')
  trainer = Trainer(config, inputs)
  parts = sharding.batch_ways(trainer.mesh) * trainer.accumulation
  if config.data.batch_size % parts:
    raise errors.InputError(
      f'data.batch_size={config.data.batch_size} cannot be cut into '
      f'{parts} parts (config.mesh and opt.accumulation)'
    )
  groups = model_lib.count_by_group(trainer.shape)
  _record(config, workdir, data_dir, inputs, groups)
  source = data.BatchSource(
    inputs,
    config.data.arm,
    trainer.seeds,
    config.data.batch_size,
    config.opt.num_steps,
    (jax.process_index(), jax.process_count()),
  )
  dev = data.make_batch(
    inputs,
    inputs.split.dev,
    seeding.generator(config.train.seed, 'dev').random(
      (len(inputs.split.dev), inputs.universe.max_size)
    ),
  )
  path = workdir / '.train.lock'
  with (
    locks.exclusive(path, '', wait=False) as alone,
    checkpoint.Checkpoints(workdir) as checkpoints,
  ):
    if not alone:
      raise errors.InputError(f'another process is training in {workdir}')
    losses = _loop(config, workdir, trainer, source, dev, checkpoints)
  return {
    'steps': config.opt.num_steps,
    **losses,
    'params': sum(groups.values()),
  }


def _loop(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  trainer: Trainer,
  source: data.BatchSource,
  dev: Mapping[str, np.ndarray],
  checkpoints: checkpoint.Checkpoints,
) -> dict[str, float]:
  """The loop.

  Order: dev loss, save, stop?, fetch, dispatch, then log the *previous* step,
  so that the host never waits for the device. Saves come before the fetch of
  the next batch: the state after step n goes with position n in the data.
  """
  steps = config.opt.num_steps
  restored = checkpoints.restore_newest(trainer.abstract_state)
  if restored is not None:
    start, state, meta = restored
    position = meta['next_index']
    checkpoints.forget_after(start)
  else:
    start, state, position = 0, trainer.init(), 0
  metrics = runs.Metrics(workdir, start)
  iterator = data.iterate(source, position)
  bar = progress.Progress(f'train {workdir.name}', steps, 'steps')
  began = time.monotonic()
  pending: dict[str, jax.Array] | None = None
  final: dict[str, float] = {}
  for step in range(start, steps + 1):
    last = step == steps
    if last or (step > start and step % config.train.dev_every_steps == 0):
      dev_loss_S = np.asarray(trainer.losses(state['params'], dev))
      final['dev_loss'] = float(dev_loss_S.mean())
      if step > start:  # else it was written when the step was reached
        metrics.write(step, dev_loss=dev_loss_S.tolist())
    due = step % config.train.checkpoint_every_steps == 0
    if step > start and (last or due):
      checkpoints.save(step, state, {'next_index': step})
    done, pending = pending, None
    if not last:
      batch = trainer.put(next(iterator))
      state, pending = trainer.step(state, batch)
    if done and (last or step % config.train.log_every_steps == 0):
      loss = _log(metrics, step, done, trainer.seeds, checkpoints)
      final['loss'] = loss
      rate = (step - start) / (time.monotonic() - began)
      bar.update(step, f'loss {loss:.3f}, {rate:.0f} steps/s')
  if 'loss' not in final:  # nothing was left to train
    logged = [row for row in runs.read_metrics(workdir) if 'loss' in row]
    final['loss'] = float(np.mean(logged[-1]['loss']))
  return final


def _log(
  metrics: runs.Metrics,
  step: int,
  values: Mapping[str, jax.Array],
  seeds: tuple[int, ...],
  checkpoints: checkpoint.Checkpoints,
) -> float:
  """Writes the metrics of step `step`; the mean loss over models.

  Raises:
    InputError: if a loss is not finite, with what to go back to.
  """
  host = {name: np.asarray(array).tolist() for name, array in values.items()}
  metrics.write(step, **host)
  for seed, loss in zip(seeds, host['loss'], strict=True):
    if not np.isfinite(loss):
      raise errors.InputError(
        f'loss of seed {seed} is {loss} at step {step}; the last checkpoint is '
        f'of step {checkpoints.latest()}: lower opt.lr or opt.clip_norm'
      )
  return float(np.mean(host['loss']))


def _record(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  data_dir: pathlib.Path,
  inputs: inputs_lib.Inputs,
  groups: Mapping[str, int],
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
      'versions': runs.versions(),
      'device': jax.devices()[0].device_kind,
    },
  )


def define_flags() -> None:
  """The command line."""
  cli.define_config('configs/support.py:tiny')
  cli.define_workdir('Where checkpoints and metrics go; resumed if not empty.')
  flags.DEFINE_string(
    'data', None, 'Where universe, spaces and split are; WORKDIR if not given.'
  )


def main() -> dict[str, Any]:
  """Trains."""
  args = flags.FLAGS
  data_dir = pathlib.Path(args.data) if args.data else None
  if data_dir is not None and not data_dir.is_dir():
    raise errors.InputError(
      f'no data in {data_dir}: make them there with python -m synth.splits '
      f'--config=... --workdir={data_dir}, or leave --data out'
    )
  return train_and_evaluate(args.config, cli.workdir(), data_dir)


if __name__ == '__main__':
  define_flags()
  cli.run(main)
