"""How fast programs are written, beside decoding without a cache and PyTorch.

  taskset -c 0 python -m benchmarks.decoding --out=FILE    # one core

On an accelerator, a million programs by a model of 3 million parameters (not
measured yet; the goal is 20 seconds for `cached`):

  python -m benchmarks.decoding --size=3m --seeds=1 --tasks=1000 --batch=50 \\
    --programs=1000 --rounds=3 --peers=pytorch --out=FILE

Programs of `--length` tokens, written by untrained models that never end one
early, so that all peers write equally many tokens. (Only `constrained` ones end
when they are complete; they count as if they did not.) Ratios are of the best
of `--rounds` in one run; rounds alternate between the peers, and compilation is
not counted.

cached     `synth.evaluation.decode`, `sample` at temperature 1
beam, unique, constrained   its other ways, `--programs` a task
uncached   the same draws, each token by a full forward pass over all before it
pytorch    the same model with the same parameters and a key-value cache in
           PyTorch (`benchmarks.plain_torch`), if it can be imported; its logits
           are compared with ours first
"""

from collections.abc import Callable
import functools
import json
import pathlib
import time
from typing import Any

from absl import flags
from flax import nnx
import jax
import jax.numpy as jnp
import numpy as np

from synth import cli
from synth import compilation
from synth import errors
from synth import model as model_lib
from synth import runs
from synth import settings
from synth.evaluation import decode
from synth.language import grammar as grammar_lib
from synth.language import prefixes
from synth.language import tokens
from synth.universe import executors

try:
  from benchmarks import plain_torch
except ImportError:  # PyTorch is not required
  plain_torch = None  # type: ignore[assignment]

# D, H, N, F of the decoder, W, M of the encoder: parameters in all.
_SIZES = {
  'small': {'D': 64, 'H': 4, 'N': 2, 'F': 256, 'W': 512, 'M': 1},
  '3m': {'D': 192, 'H': 6, 'N': 6, 'F': 768, 'W': 512, 'M': 1},
}
_FEATURES = 160


@functools.partial(
  compilation.jit, static_argnames=('graph', 'programs', 'length')
)
def uncached(
  params_S: Any,
  spec_BxF: jax.Array,
  key: jax.Array,
  *,
  graph: nnx.GraphDef,
  programs: int,
  length: int,
) -> jax.Array:
  """Samples at temperature 1, every prefix read anew for each token."""
  models = len(jax.tree.leaves(params_S)[0])
  spec_RxF = jnp.repeat(spec_BxF, programs, axis=0)
  tok_SxRxT = jnp.full((models, len(spec_RxF), length + 1), tokens.BOS)
  forward = jax.vmap(
    lambda params, tok: model_lib.merge(graph, params)(spec_RxF, tok)
  )
  for position in range(length):
    logits_SxRxV = forward(params_S, tok_SxRxT[:, :, : position + 1])[:, :, -1]
    logits_SxRxV = logits_SxRxV.at[..., : tokens.EOS].set(-jnp.inf)
    noise_SxRxV = jax.random.gumbel(
      jax.random.fold_in(key, position), logits_SxRxV.shape
    )
    tok_SxR = jnp.argmax(logits_SxRxV + noise_SxRxV, axis=-1)
    tok_SxRxT = tok_SxRxT.at[:, :, position + 1].set(tok_SxR)
  return tok_SxRxT[:, :, 1:].reshape(models, -1, programs, length)


class Peers:
  """What is measured: each writes programs for a batch of tasks.

  Args:
    size: A key of _SIZES.
    seeds: Models that decode together.
    programs: Programs a task.
    length: Tokens of each program.
  """

  def __init__(self, size: str, seeds: int, programs: int, length: int):
    grammar = grammar_lib.load(
      grammar_lib.find('configs/grammars/arithmetic.bnf')
    )
    vocabulary = tokens.Vocabulary.of(grammar)
    shape = model_lib.Config(
      **settings.choose(size, _SIZES, 'size'),
      features=_FEATURES,
      vocabulary=len(vocabulary),
      length=length,
    )
    self.graph = model_lib.split(shape)
    self.params_S = jax.jit(
      jax.vmap(lambda seed: model_lib.init(shape, jax.random.key(seed)))
    )(jnp.arange(seeds))
    # EOS never comes: everyone writes every token of every program.
    bias_SxV = self.params_S['head']['bias'].at[:, tokens.EOS].set(-1e9)
    self.params_S['head']['bias'] = bias_SxV
    self.parameters = sum(
      leaf.size // seeds for leaf in jax.tree.leaves(self.params_S)
    )
    shared = {'graph': self.graph, 'num_programs': programs, 'length': length}
    ways = {
      'cached': (decode.SAMPLE, None),
      'beam': (decode.BEAM, None),
      'unique': (decode.UNIQUE, None),
      'constrained': (
        decode.SAMPLE,
        prefixes.tables(grammar, vocabulary, length - 1),
      ),
    }
    self.all: dict[str, Callable[[np.ndarray, int], Any]] = {
      name: functools.partial(
        self._decode, decode.Method(method), tables, shared
      )
      for name, (method, tables) in ways.items()
    }
    self.all['uncached'] = lambda spec_BxF, seed: uncached(
      self.params_S,
      spec_BxF,
      jax.random.key(seed),
      graph=self.graph,
      programs=programs,
      length=length,
    ).block_until_ready()
    self.difference: float | None = None
    if plain_torch is not None:
      self.all['pytorch'] = self._pytorch(shape, programs, length)

  def _decode(
    self,
    method: decode.Method,
    tables: prefixes.Tables | None,
    shared: dict[str, Any],
    spec_BxF: np.ndarray,
    seed: int,
  ) -> Any:
    tok, _ = decode.decode(
      self.params_S,
      spec_BxF,
      jax.random.key(seed),
      1.0,
      tables,
      method=method,
      **shared,
    )
    return np.asarray(tok)  # on the host, as PyTorch's

  def _pytorch(
    self, shape: model_lib.Config, programs: int, length: int
  ) -> Callable[[np.ndarray, int], Any]:
    models: list[Any] = []  # made, and compared with ours, at the first call

    def write(spec_BxF: np.ndarray, seed: int) -> Any:
      if not models:
        models.append(plain_torch.Model(self.params_S, shape))
        self.difference = self._compare(models[0], length)
      return models[0].sample(spec_BxF, programs, length, seed)

    return write

  def _compare(self, torch_model: Any, length: int) -> float:
    """Largest difference of any logit from PyTorch's, relative to 1 + it."""
    rng = np.random.default_rng(0)
    spec = rng.standard_normal((4, _FEATURES)).astype(np.float32)
    tok = rng.integers(tokens.EOS + 1, 8, (4, length))
    forward = jax.jit(
      jax.vmap(
        lambda params: model_lib.merge(self.graph, params)(
          jnp.asarray(spec), jnp.asarray(tok)
        )
      )
    )
    ours = np.asarray(forward(self.params_S))
    theirs = torch_model.logits(spec, tok)
    return float((np.abs(ours - theirs) / (1 + np.abs(ours))).max())


def measure(
  write: Callable[[np.ndarray, int], Any], tasks: int, batch: int
) -> float:
  """Seconds to write programs for so many tasks, batch by batch."""
  rng = np.random.default_rng(0)
  spec = rng.standard_normal((batch, _FEATURES)).astype(np.float32)
  start = time.perf_counter()
  for number in range(-(-tasks // batch)):
    write(spec, number)
  return time.perf_counter() - start


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('out', None, 'Where to write the record.', required=True)
  flags.DEFINE_string('size', 'small', f'Of the models: {", ".join(_SIZES)}.')
  flags.DEFINE_integer('seeds', 2, 'Models that decode together.', 1)
  flags.DEFINE_integer('tasks', 50, 'Specifications, a multiple of batch.', 1)
  flags.DEFINE_integer('batch', 50, 'Tasks decoded at once.', 1)
  flags.DEFINE_integer('programs', 32, 'Programs a task.', 1)
  flags.DEFINE_integer('length', 14, 'Tokens of a program.', 2)
  flags.DEFINE_integer('rounds', 5, 'Measurements of each.', 1)
  flags.DEFINE_list(
    'peers', [], 'Which are measured (`cached` always is); all if not given.'
  )


def main() -> dict[str, Any]:
  """Measures and writes the record."""
  args = flags.FLAGS
  peers = Peers(args.size, args.seeds, args.programs, args.length)
  names = [
    name
    for name in peers.all
    if name == 'cached' or not args.peers or name in args.peers
  ]
  if 'pytorch' in args.peers and plain_torch is None:
    raise errors.InputError('--peers=pytorch: torch cannot be imported')
  for name in args.peers:
    settings.choose(name, peers.all, 'peer')
  first: dict[str, float] = {}
  failed: dict[str, str] = {}
  for name in list(names):
    try:
      first[name] = measure(peers.all[name], args.batch, args.batch)
    except Exception as error:
      if name == 'cached':
        raise
      # The others are worth measuring without it.
      failed[name] = ' '.join(str(error).split())[:300]
      names.remove(name)
  seconds: dict[str, list[float]] = {name: [] for name in names}
  for _ in range(args.rounds):  # alternating: the machine's mood hits all
    for name in names:
      seconds[name].append(measure(peers.all[name], args.tasks, args.batch))
  batches = -(-args.tasks // args.batch)
  programs = args.seeds * batches * args.batch * args.programs
  best = {name: min(values) for name, values in seconds.items()}
  record = {
    'tokens_per_second': {
      name: programs * args.length / value for name, value in best.items()
    },
    'speedup_of_cached_over': {
      name: value / best['cached'] for name, value in best.items()
    },
    'seconds': seconds,
    'seconds_first_batch_and_compilation': first,
    'failed': failed,
    'programs': programs,
    'largest_relative_difference_from_pytorch': peers.difference,
    'parameters': peers.parameters,
    'settings': {
      name: args[name].value
      for name in ('size', 'seeds', 'tasks', 'batch', 'programs', 'length')
    },
    'device': jax.devices()[0].device_kind,
    'cores': executors.cores(),
    'versions': {
      **runs.versions(),
      'torch': plain_torch and plain_torch.VERSION,
    },
  }
  runs.write_json(pathlib.Path(args.out), record)
  return json.loads(json.dumps(record))


if __name__ == '__main__':
  define_flags()
  cli.run(main)
