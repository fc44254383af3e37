"""One model beside the same one in PyTorch."""

import statistics
from typing import Any
from unittest import mock

from absl import flags
import jax
import ml_collections
import numpy as np

from benchmarks.training import ours as ours_lib
from benchmarks.training import turns
from synth import attention
from synth import flops
from synth import model as model_lib
from synth.training import optimizer

try:
  from benchmarks import plain_torch
except ImportError:  # PyTorch is not required
  plain_torch = None  # type: ignore[assignment]


_CHECKED = 10  # first steps whose losses are compared
# Largest difference of logits and losses, relative to 1 + their size.
_TOLERANCE = {'float32': 1e-3, 'bfloat16': 0.1}


def measure(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Beside PyTorch; `benchmarks.training` says more."""
  args = flags.FLAGS
  config.train.num_seeds = 1
  ours = ours_lib.Ours(config)
  contestants: dict[str, turns.Steps] = {'synth': ours.steps}
  differences: dict[str, dict[str, float]] = {}
  failed: dict[str, str] = {}
  params_S = jax.device_get(ours.state['params'])  # the step donates them
  logits = _logits(ours)
  first: dict[str, float] = {}
  first['synth'] = turns.seconds(lambda: ours.steps(_CHECKED))
  losses = [float(loss[0]) for loss in ours.losses]
  shape = ours.trainer.shape
  kernel = attention.implementation(
    shape.compute_dtype, shape.head_width, shape.prefix + shape.length
  )
  if kernel != 'xla':
    # Whether the kernel is worth it at so few positions.
    with mock.patch.object(attention, 'implementation', lambda *_: 'xla'):
      products = ours_lib.Ours(config)
      first['xla_attention'] = turns.seconds(lambda: products.steps(_CHECKED))
    contestants['xla_attention'] = products.steps
  for name in ('eager', 'compile'):
    if plain_torch is None or name in args.skip:
      continue
    # Whatever becomes of it: what ours takes is worth knowing.
    try:
      theirs = plain_torch.Trainer(
        params_S,
        shape,
        config.opt,
        np.asarray(
          optimizer.make_schedule(config.opt)(np.arange(config.opt.num_steps))
        ),
        'cuda' if jax.default_backend() == 'gpu' else 'cpu',
        compiled=name == 'compile',
      )
      batches = [theirs.host(batch) for batch in ours.batches]
      found = {'logits': _difference(logits, theirs.logits(batches[0]))}
      said: list[float] = []

      def check(
        theirs: Any = theirs, batches: Any = batches, said: Any = said
      ) -> None:
        for step in range(_CHECKED):
          said.append(float(theirs.step(batches[step % ours_lib.BATCHES])))

      first[name] = turns.seconds(check)
    except Exception as error:
      failed[name] = ' '.join(str(error).split())[:300]
      continue
    found['losses'] = _difference(np.array(losses), np.array(said))
    differences[name] = found
    if not max(found.values()) <= _TOLERANCE[shape.dtype]:
      failed[name] = f'it is not the same model: it differs by {found}'
      continue

    def steps(count: int, theirs: Any = theirs, batches: Any = batches) -> None:
      for step in range(count):
        theirs.step(batches[step % ours_lib.BATCHES])
      theirs.wait()

    contestants[name] = steps
  seconds = turns.alternate(contestants, args.steps, args.rounds)
  operations = config.data.batch_size * flops.training(shape)
  rate = {
    name: args.steps / statistics.median(s['wall'])
    for name, s in seconds.items()
  }
  peak = flops.peak()
  return {
    'speed_of_synth_over': {
      name: turns.ratios(seconds, name, 'synth')
      for name in contestants
      if name != 'synth'
    },
    'tokens_per_second': {
      name: r * ours.tokens(config) for name, r in rate.items()
    },
    'operations_per_second': {name: r * operations for name, r in rate.items()},
    'mfu': {name: peak and r * operations / peak for name, r in rate.items()},
    'attention': kernel,
    'parameters': sum(model_lib.count_by_group(shape).values()),
    'largest_relative_difference': differences,
    'failed': failed,
    'seconds_first_steps_and_compilation': first,
    'seconds': seconds,
    'torch': plain_torch and plain_torch.VERSION,
  }


def _logits(ours: ours_lib.Ours) -> np.ndarray:
  """Of the first model for the first batch."""
  batch = ours.batches[0]

  def forward(params: Any) -> jax.Array:
    model = model_lib.merge(ours.trainer.graph, params)
    return model(batch['spec'][0], batch['input'][0])

  found = jax.jit(jax.vmap(forward))(ours.state['params'])
  return np.asarray(found[0])


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
  return float((np.abs(ours - theirs) / (1 + np.abs(ours))).max())
