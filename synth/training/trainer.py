"""What a run trains: loss, step and models, ready on their devices."""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
from typing import Any

from flax import nnx
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from synth import compilation
from synth import errors
from synth import inputs as inputs_lib
from synth import model as model_lib
from synth import model_config
from synth.language import tokens
from synth.training import accumulation as accumulation_lib
from synth.training import checkpoint
from synth.training import freezing
from synth.training import optimizer
from synth.training import sharding

# params, opt, diverged, step; leading axis M of models but for step
State = dict[str, Any]
Batch = Mapping[str, jax.Array]


def init_state(
  shape: model_lib.Config, tx: optax.GradientTransformation, seed_M: jax.Array
) -> State:
  """The state of models before their first step.

  Args:
    shape: Of all models.
    tx: The optimizer.
    seed_M: Seed of each model's parameters, uint32.

  Returns:
    Parameters, optimizer state and `diverged`, with a leading axis M, and the
    step, 0.
  """
  params = jax.vmap(lambda s: model_lib.init(shape, jax.random.key(s)))(seed_M)
  return {
    'params': params,
    'opt': jax.vmap(tx.init)(params),
    'diverged': jnp.zeros(len(seed_M), jnp.int32),  # see training.freezing
    'step': jnp.zeros((), jnp.int32),
  }


def count_tokens(batch: Batch) -> jax.Array:
  """Tokens that a model is asked for: all but PAD."""
  return jnp.sum(batch['target'] != tokens.PAD)


def loss_fn(params: Any, batch: Batch, graph: nnx.GraphDef) -> jax.Array:
  """Mean cross-entropy of one model, in nats a token; PAD does not count.

  Args:
    params: Parameters of the model.
    batch: spec_BxF, input_BxT and target_BxT (`data.make_batch`).
    graph: The static half of the model.
  """
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
  """One optimizer step of every model that has not diverged.

  Args:
    state: Parameters, optimizer state and step.
    batch: Arrays M x B x ..., each model's own.
    graph: The static half of the models.
    tx: The optimizer.
    accumulation: Parts of a batch that are in memory one at a time.

  Returns:
    The new state and loss_M, grad_norm_M, diverged_M.
  """
  step = state['step'] + 1

  def one(
    params: Any, opt: Any, diverged: jax.Array, batch: Batch
  ) -> tuple[Any, ...]:
    loss, grads = accumulation_lib.value_and_grad(
      functools.partial(loss_fn, graph=graph),
      count_tokens,
      params,
      batch,
      accumulation,
    )
    norm = optax.tree.norm(grads)
    diverged = freezing.note(diverged, step, loss, norm)
    updates, new_opt = tx.update(grads, opt, params)
    new = optax.apply_updates(params, updates), new_opt
    return *freezing.keep(diverged, new, (params, opt)), diverged, loss, norm

  params, opt, diverged_M, loss_M, norm_M = jax.vmap(one)(
    state['params'], state['opt'], state['diverged'], batch
  )
  new = {'params': params, 'opt': opt, 'diverged': diverged_M, 'step': step}
  values = {'loss': loss_M, 'grad_norm': norm_M, 'diverged': diverged_M}
  return new, values


def _cut(state: State, arms: int) -> list[State]:
  """The states of each arm's models; all have the step."""
  step, of_models = state['step'], dict(state)
  del of_models['step']
  seeds = len(state['diverged']) // arms
  return [
    {
      **jax.tree.map(
        lambda leaf, k=k: leaf[k * seeds : (k + 1) * seeds], of_models
      ),
      'step': step,
    }
    for k in range(arms)
  ]


def _join(states: Sequence[State]) -> State:
  """The state of all arms' models, arm by arm."""
  step, of_models = states[0]['step'], [dict(state) for state in states]
  for part in of_models:
    del part['step']
  return {
    **jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *of_models),
    'step': step,
  }


class Trainer:
  """Everything that is made once for a config: graph, mesh, jitted steps.

  Args:
    config: Of the run, or of one of several that differ in their arm.
    inputs: Universe, spaces and split.
    arms: How many arms are trained together. The M models of a state are those
      of the first arm, one for each seed, then those of the next.

  Raises:
    InputError: for settings that are no model, mesh or seed.
  """

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    inputs: inputs_lib.Inputs,
    arms: int = 1,
  ):
    self.seeds = tuple(
      config.train.seed + i for i in range(config.train.num_seeds)
    )
    self.shape = model_config.of(config, inputs.universe.grammar)
    self.graph = model_lib.split(self.shape)
    self.mesh = sharding.make_mesh(**config.mesh)
    tx = optimizer.make(config.opt, self.shape.width_ratio)
    self.accumulation = config.opt.accumulation
    init = functools.partial(init_state, self.shape, tx)
    if self.seeds[-1] >= 2**32:
      raise errors.InputError(
        f'train.seed={config.train.seed} with train.num_seeds='
        f'{config.train.num_seeds} goes beyond 2**32 - 1'
      )
    seed_M = jnp.array(self.seeds * arms, jnp.uint32)
    like = jax.eval_shape(init, seed_M[: len(self.seeds)])
    state_sharding = sharding.of_state(self.mesh, like)
    self.abstract_state = checkpoint.abstract(like, state_sharding)
    self._init = functools.partial(
      jax.jit(init, out_shardings=state_sharding), seed_M
    )
    self._arms = arms
    self.models = arms * len(self.seeds)
    self._cut = jax.jit(
      functools.partial(_cut, arms=arms), out_shardings=[state_sharding] * arms
    )
    self._join = jax.jit(_join, out_shardings=state_sharding)
    self._batch_size = config.data.batch_size
    self._batch_sharding = sharding.of_batch(self.mesh)
    whole = sharding.whole(self.mesh)
    step = functools.partial(
      train_step, graph=self.graph, tx=tx, accumulation=self.accumulation
    )
    self.step = compilation.jit(
      step, donate_argnums=0, out_shardings=(state_sharding, whole)
    )
    self.losses = compilation.jit(
      jax.vmap(functools.partial(loss_fn, graph=self.graph), in_axes=(0, None)),
      out_shardings=whole,
    )

  def init(self) -> State:
    """The state before the first step; no parameter is ever unsharded."""
    return self._init()

  def cut(self, state: State) -> list[State]:
    """The states of each arm's models: of each as if it were trained alone."""
    return [state] if self._arms == 1 else self._cut(state)

  def join(self, states: Sequence[State]) -> State:
    """The inverse of `cut`."""
    return states[0] if self._arms == 1 else self._join(states)

  def put(self, batch: Mapping[str, np.ndarray]) -> Batch:
    """This process's rows of a batch as global arrays on the devices.

    One device gets them with the step, which costs the host less time.
    """
    if self.mesh.size == 1:
      return dict(batch)
    return {
      name: jax.make_array_from_process_local_data(
        self._batch_sharding,
        array,
        (array.shape[0], self._batch_size, *array.shape[2:]),
      )
      for name, array in batch.items()
    }
