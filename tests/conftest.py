"""Test set-up: a compilation cache, parsed flags, and the CPU.

`JAX_PLATFORMS=cuda,cpu python -m pytest -n 8` runs them on a GPU (callbacks
need the CPU, too).
"""

import gc
from importlib import metadata
import os
import pathlib

# What is imported stays: searching it for garbage took 2 s of the 7 s of CPU
# that collecting the tests takes, and more while they run.
gc.disable()
os.environ.setdefault('JAX_PLATFORMS', 'cpu')
if os.environ['JAX_PLATFORMS'] == 'cpu':
  # Compiles sooner: without a cache, the tests of decoding and of the optimizer
  # took 48 s of CPU, not 77. The commands of README and the demonstration are
  # compiled in full.
  os.environ.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')
  # So do plain loops in one part: half the CPU of compiling a training step.
  xla_flags = ['--xla_cpu_parallel_codegen_split_count=1']
  if metadata.version('jaxlib').startswith('0.10.'):
    # Later ones end the process at the word, which they do not know.
    xla_flags.append('--xla_cpu_use_fusion_emitters=false')
  os.environ.setdefault('XLA_FLAGS', ' '.join(xla_flags))
else:
  # Tests share the device; they compare float32 products and bits.
  os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
  os.environ.setdefault('JAX_DEFAULT_MATMUL_PRECISION', 'highest')
  os.environ.setdefault('XLA_FLAGS', '--xla_gpu_deterministic_ops=true')
_CACHE = pathlib.Path(__file__).parents[1] / '.pytest_cache' / 'jax'
os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', str(_CACHE))
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0.2')

from absl import flags  # noqa: E402
import pytest  # noqa: E402

from synth.language import grammar as grammar_lib  # noqa: E402
from synth.universe import build as build_lib  # noqa: E402
from synth.universe import universe as universe_lib  # noqa: E402

GRAMMARS = pathlib.Path(__file__).parents[1] / 'configs' / 'grammars'


def pytest_configure() -> None:
  # Grain reads absl flags; without a main() nobody has parsed them.
  flags.FLAGS.mark_as_parsed()


def pytest_collection_finish() -> None:
  gc.freeze()
  gc.enable()


@pytest.fixture(scope='session')
def arithmetic() -> grammar_lib.Grammar:
  """The one-variable arithmetic grammar."""
  return grammar_lib.load(GRAMMARS / 'arithmetic.bnf')


@pytest.fixture(scope='session')
def universe7(
  arithmetic: grammar_lib.Grammar, tmp_path_factory: pytest.TempPathFactory
) -> universe_lib.Universe:
  """The universe of `arithmetic` to size 7: 2,516 classes."""
  directory = tmp_path_factory.mktemp('universe7') / 'universe'
  return build_lib.build(directory, arithmetic, max_size=7, seed=0)
