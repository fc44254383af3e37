"""The base of all training recipes: every key, with its default.

Recipes (`configs/support.py`, `configs/density.py`) fill in the universe, the
split and a size. No key exists that is not listed here or there.
"""

import ml_collections

from configs import universe as universe_config
from synth import settings

# D width, H heads, N layers, F hidden width of the decoder;
# W width, M layers of the specification's encoder.
SIZES = {
  'tiny': {'D': 32, 'H': 2, 'N': 1, 'F': 64, 'W': 128, 'M': 1},
  'small': {'D': 64, 'H': 4, 'N': 2, 'F': 256, 'W': 512, 'M': 1},
  'medium': {'D': 192, 'H': 6, 'N': 6, 'F': 768, 'W': 768, 'M': 1},
  'base': {'D': 320, 'H': 10, 'N': 8, 'F': 1280, 'W': 1280, 'M': 2},
  'large': {'D': 768, 'H': 12, 'N': 12, 'F': 3072, 'W': 3072, 'M': 2},
  'xl': {'D': 2048, 'H': 16, 'N': 19, 'F': 8192, 'W': 4096, 'M': 2},
}
_DEEP = ('xl',)  # sizes whose layers are one loop, computed anew going backward

# Largest program size, steps, classes in each test set and in dev.
SCALES = {
  'tiny': (7, 200, 100, 100),
  'small': (9, 12_000, 1000, 500),
  'medium': (11, 20_000, 2000, 500),
  'base': (11, 50_000, 2000, 500),
  'large': (11, 100_000, 2000, 500),
  'xl': (11, 100_000, 2000, 500),
}


def specification_grid() -> list[int]:
  """Numerators k of 32 points k/97, symmetric, spaced by ratios.

  From 2/97 to 300: the outputs near 0 and far out show constants, poles and
  degree of a rational function, which equal spacing hides.
  """
  ratio = (300 * 97 / 2) ** (1 / 15)
  positive = [round(2 * ratio**i) for i in range(16)]
  positive = [k + 1 if k % 97 == 0 else k for k in positive]
  return [-k for k in reversed(positive)] + positive


def get_config(size: str) -> ml_collections.ConfigDict:
  """The base config at a size of `SIZES`; split and arm are to be filled in."""
  shape = settings.choose(size, SIZES, 'variant')
  max_size, num_steps, num_test, num_dev = SCALES[size]
  config = ml_collections.ConfigDict()
  config.universe = universe_config.get_universe('arithmetic', max_size)
  config.spaces = {
    'grid': specification_grid(),
    'p': 2,
    'q': 3,
    'trees': 'ordered',  # or sorted: arguments of commutative operators
    'syntactic_dimensions': 16,
  }
  config.split = {
    'kind': '',
    'num_test': num_test,
    'num_dev': num_dev,
    'seed': 0,
  }
  config.data = {
    'arm': '',
    'batch_size': 64,
    'specification': 'whitened',  # one token; or points: one a grid point
    'order': 'prefix',  # of a program's tokens; or postfix, infix
    # Of a class' minimal programs one is drawn at each visit; or fixed: the
    # same at every visit.
    'programs': 'drawn',
  }
  config.model = {
    **shape,
    'positions': 'learned',  # or rope
    'mlp': 'relu',  # or gelu, swiglu
    'tied': False,  # the head to the embedding
    'dtype': 'float32',  # or bfloat16: activations; parameters are float32
    'remat': size in _DEEP,  # computes layers anew going backward
    'scan': size in _DEEP,  # layers are one loop over stacked parameters
  }
  config.opt = {
    'schedule': 'cosine',  # or wsd: warmup, stable, decay
    'lr': 3e-3,
    'warmup_share': 0.05,  # of all steps
    'decay_share': 0.2,  # of all steps, at the end; for wsd
    'accumulation': 1,  # parts of a batch that are in memory one at a time
    'mup': False,  # scales learning rates from a model of these widths:
    'base_width': SIZES['small']['D'],
    'base_head_width': SIZES['small']['D'] // SIZES['small']['H'],
    'b2': 0.98,
    'weight_decay': 0.05,
    'clip_norm': 1.0,
    'num_steps': num_steps,
  }
  config.train = {
    'num_seeds': 2,
    'seed': 0,  # of the first model; the others follow
    'log_every_steps': 50,
    'dev_every_steps': max(num_steps // 20, 1),
    'checkpoint_every_steps': max(num_steps // 10, 1),
  }
  # Ways in which rows of the batch, parameters between uses and columns of
  # parameters are cut over the devices; data 0: what they leave.
  config.mesh = {'data': 0, 'fsdp': 1, 'tensor': 1}
  config.eval = {
    'num_samples': 32,  # programs written for each task
    'num_tasks': 0,  # of each set, at random; 0: all
    # Independently; else beam or unique (synth.evaluation.decode).
    'method': 'sample',
    'temperature': 0.4,  # of sample and unique; 0 is greedy
    'top_k': 0,  # tokens that they draw from; 0: all
    'top_p': 1.0,  # probability of those tokens together; 1: all
    'constrained': False,  # to programs of the grammar
    'batch_size': 50,  # tasks decoded at once
    'seed': 0,
  }
  return config
