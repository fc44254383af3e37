"""Every compiled program of a run lowers for a GPU and for a TPU, on neither.

JAX's own checks and rules for these platforms are met here; what the compilers
behind them do with it, only such a device can tell.
"""

import functools

import jax
import jax.numpy as jnp
import pytest

from configs import support as support_config
from synth import attention
from synth import model as model_lib
from synth import model_config
from synth.evaluation import decode
from synth.language import batches
from synth.language import grammar as grammar_lib
from synth.language import interpreter
from synth.language import prefixes
from synth.language import tokens
from synth.training import optimizer
from synth.training import trainer as trainer_lib

pytestmark = pytest.mark.parametrize('platform', ['cuda', 'tpu'])

_TASKS, _MODELS = 8, 2


@pytest.fixture(autouse=True)
def fused(monkeypatch, platform):
  """Kernels are chosen as on a device of the platform."""
  kernel = pytest.importorskip('jax._src.cudnn.fused_attention_stablehlo')
  monkeypatch.setattr(kernel, 'check_cudnn_version', lambda: 91000)
  monkeypatch.setattr(
    attention,
    'implementation',
    lambda dtype, *_: (
      'cudnn' if platform == 'cuda' and dtype == jnp.bfloat16 else 'xla'
    ),
  )


def _lower(function, platform, *args):
  traced = jax.jit(function).trace(*args)
  return traced.lower(lowering_platforms=(platform,)).as_text()


def _like(*shape, dtype=jnp.float32):
  return jax.ShapeDtypeStruct(shape, dtype)


def _model(size):
  """A recipe's config in bfloat16, its grammar and the shape of its model."""
  config = support_config.get_config(size)
  config.model.dtype = 'bfloat16'
  grammar = grammar_lib.load(grammar_lib.find(config.universe.grammar))
  return config, grammar, model_config.of(config, grammar)


# Layers as they are; layers in a loop, computed anew going backward.
@pytest.mark.parametrize(
  'size', ['small', pytest.param('xl', marks=pytest.mark.slow)]
)
def test_a_step_of_training(platform, size):
  config, _, shape = _model(size)
  tx = optimizer.make(config.opt, shape.width_ratio)
  state = jax.eval_shape(
    functools.partial(trainer_lib.init_state, shape, tx),
    _like(_MODELS, dtype=jnp.uint32),
  )
  rows = _MODELS, _TASKS
  tok_MxBxT = _like(*rows, shape.length, dtype=jnp.int32)
  batch = {
    'spec': _like(*rows, shape.features),
    'input': tok_MxBxT,
    'target': tok_MxBxT,
  }
  step = functools.partial(
    trainer_lib.train_step,
    graph=model_lib.split(shape),
    tx=tx,
    accumulation=2,
  )
  text = _lower(step, platform, state, batch)
  assert ('cudnn$fmhaSoftmaxBackward' in text) == (platform == 'cuda')


@pytest.mark.parametrize('constrained', [False, True])
@pytest.mark.parametrize('name', decode.METHODS)
def test_decoding(platform, name, constrained):
  config, grammar, shape = _model('tiny')
  params_S = jax.eval_shape(
    jax.vmap(lambda s: model_lib.init(shape, jax.random.key(s))),
    _like(_MODELS, dtype=jnp.uint32),
  )
  tables = None
  if constrained:
    vocabulary = tokens.Vocabulary.of(grammar)
    tables = prefixes.tables(grammar, vocabulary, config.universe.max_size)
  run = functools.partial(
    decode.decode.__wrapped__,
    graph=model_lib.split(shape),
    method=decode.Method(name, 0 if name == decode.BEAM else 2),
    num_programs=4,
    length=shape.length,
  )
  assert _lower(
    run,
    platform,
    params_S,
    _like(_TASKS, shape.features),
    jax.eval_shape(lambda: jax.random.key(0)),
    0.4,
    tables,
  )


@pytest.mark.parametrize('system', [interpreter.FLOAT, interpreter.MODULAR])
def test_the_interpreter(platform, system):
  numbers = interpreter.number_system(system)
  _, grammar, shape = _model('tiny')
  symbols = tokens.Vocabulary.of(grammar).symbols
  assert _lower(
    functools.partial(batches.run, symbols=symbols, numbers=numbers),
    platform,
    _like(_TASKS, shape.length, dtype=jnp.int32),
    _like(len(symbols), 32, dtype=numbers.constant(0).dtype),
  )
