"""The tiers of the study: how large each of its contrasts is.

`toy` runs every kind of run in minutes and learns nothing, `cpu` is for two
cores and some hours, `gpu` for one H200, `paper` for eight GPUs and a day.
`configs/study.py` makes the runs of a tier from its table.
"""

from typing import Any

_DENSITY = (
  'uniform',
  'joint',
  'joint_raked',
  'semantic',
  'syntactic',
  'joint_half',
  'semantic_half',
  'syntactic_half',
  'programs',
)
_REST = (  # of the arms of `synth.splits.density`
  'derivations',
  'semantic_raked',
  'syntactic_raked',
  'programs_raked',
  'derivations_raked',
  *(f'{space}_half_raked' for space in ('semantic', 'syntactic', 'joint')),
  *(
    f'{space}_{way}{raked}'
    for space in ('semantic', 'syntactic')
    for way in ('binned', 'kmeans', 'net')
    for raked in ('', '_raked')
  ),
)
# Models of the scaling contrast, beside those of `configs/base.py`.
_D16 = {'D': 16, 'H': 2, 'N': 1, 'F': 64, 'W': 128, 'M': 1}
_D32 = {'D': 32, 'H': 2, 'N': 2, 'F': 128, 'W': 256, 'M': 1}
_D64 = {'D': 64, 'H': 4, 'N': 2, 'F': 256, 'W': 512, 'M': 1}
_D128 = {'D': 128, 'H': 4, 'N': 4, 'F': 512, 'W': 512, 'M': 1}
_D192 = {'D': 192, 'H': 6, 'N': 6, 'F': 768, 'W': 768, 'M': 1}
_D320 = {'D': 320, 'H': 10, 'N': 8, 'F': 1280, 'W': 1280, 'M': 2}
# 4.5e11 operations a model, times 2.15 from each to the next.
_LADDER_OF_COMPUTE = (
  (_D32, 680),
  (_D32, 1_460),
  (_D64, 850),
  (_D64, 1_830),
  (_D64, 3_940),
  (_D128, 1_280),
  (_D128, 2_750),
  (_D192, 1_790),
  (_D192, 3_850),
  (_D192, 8_280),
)

# variant    size of the recipes: universe, model, tests
# at_once    runs at a time
# slice_s    seconds of a slice in a dry run
# rate       operations a second of one run, seconds to start a command
# settings   of all runs
# the rest   contrasts: steps, seeds and split seeds of a run, and its settings;
#            points are (model, steps); functions are those of an arm
TIERS: dict[str, dict[str, Any]] = {
  'toy': {
    'variant': 'tiny',
    'at_once': 2,
    'slice_s': 600,
    'rate': {'train': 2e9, 'evaluate': 2e9, 'start_s': 12},  # one core
    'settings': {
      'universe.max_size': 5,
      'split.num_test': 4,
      'split.num_dev': 6,
      'data.batch_size': 32,
      'eval.num_samples': 4,
      'eval.batch_size': 6,
    },
    'support': {'steps': 120, 'seeds': 2, 'splits': 1},
    'region_semantic': {'steps': 20, 'seeds': 1, 'splits': 1},
    'region_syntactic': {'steps': 20, 'seeds': 1, 'splits': 1},
    'density': {
      'steps': 20,
      'seeds': 1,
      'splits': 1,
      'arms': ('uniform', 'joint'),
      'settings': {'split.num_arm': 100},
    },
    'density_more': {
      'steps': 20,
      'seeds': 1,
      'splits': 1,
      'arms': ('programs_raked', 'semantic_net_raked'),
      'settings': {'split.num_arm': 100},
    },
    'data': {
      'steps': 20,
      'seeds': 1,
      'models': (_D16,),
      'functions': (50, 100),
    },
    'coverage': {'tasks': 4, 'samples': 16, 'batch_size': 2},
    'search': {'steps': 120, 'seeds': 2, 'splits': 1},
    'search_data': {
      'model': _D16,
      'functions': (50, 100),
      'tasks': 2,
    },
    'scaling': {
      'seeds': 1,
      'rates': (1e-3, 3e-3),
      'points': ((_D16, 10), (_D16, 20)),
    },
    'ladder': {
      'steps': 20,
      'seeds': 1,
      'splits': 1,
      'settings': {
        'split.num_test': 4,
        'split.num_arm': 40,
        'universe.max_size': 7,
      },
    },
    'length': {
      'steps': 20,
      'seeds': 1,
      'splits': 1,
      'settings': {'universe.max_size': 7},
    },
    'forms': {'steps': 20, 'seeds': 1, 'splits': 1},
    'avoidable': {
      'steps': 20,
      'seeds': 1,
      'splits': 1,
      'settings': {'universe.max_size': 7},
    },
    'shapes': {
      'steps': 20,
      'seeds': 1,
      'splits': 1,
      'settings': {'universe.max_size': 7},
    },
    'elsewhere': {
      'steps': 20,
      'seeds': 1,
      'splits': 1,
      'max_size': {'arithmetic': 7, 'conditional': 7, 'arithmetic3': 5},
    },
  },
  'cpu': {
    'variant': 'small',
    'at_once': 2,
    'slice_s': 5400,
    # Of one core of two, width 64 (docs/log.md).
    'rate': {'train': 48e9, 'evaluate': 20e9, 'start_s': 20},
    'settings': {},
    'support': {'steps': 12_000, 'seeds': 8, 'splits': 3},
    'region_semantic': {
      'steps': 12_000,
      'seeds': 2,
      'splits': 4,
      'settings': {'split.num_test': 500},
    },
    'region_syntactic': {
      'steps': 12_000,
      'seeds': 2,
      'splits': 4,
      'settings': {'split.num_test': 500},
    },
    'density': {
      'steps': 6_000,
      'seeds': 8,
      'splits': 1,
      'arms': _DENSITY,
      'settings': {'eval.num_samples': 16},
    },
    'density_more': {
      'steps': 6_000,
      'seeds': 2,
      'splits': 1,
      'arms': _REST,
      'settings': {'eval.num_samples': 16},
    },
    'data': {
      'steps': 6_000,
      'seeds': 2,
      'models': (_D32, _D64, _D16),
      'functions': (1_000, 2_000, 4_000, 8_000, 16_000),
      'settings': {'eval.num_samples': 16},
    },
    'coverage': {'tasks': 50, 'samples': 4096, 'batch_size': 1},
    'search': {'steps': 12_000, 'seeds': 2, 'splits': 3},
    'search_data': {
      'model': _D64,
      'functions': (1_000, 4_000, 16_000),
      'tasks': 300,
    },
    'scaling': {
      'seeds': 3,
      'rates': (1.5e-3, 3e-3, 6e-3),
      # 6.8e10 operations a model, times 2.5 from each to the next.
      'points': (
        (_D16, 2_470),
        (_D16, 6_190),
        (_D32, 2_850),
        (_D32, 7_150),
        (_D64, 4_780),
        (_D64, 12_000),
      ),
    },
    'ladder': {
      'steps': 6_000,
      'seeds': 2,
      'splits': 4,
    },
    'length': {
      'steps': 6_000,
      'seeds': 2,
      'splits': 1,
      'settings': {'split.num_test': 500},
    },
    'forms': {
      'steps': 6_000,
      'seeds': 2,
      'splits': 1,
      'settings': {'split.num_test': 500},
    },
    'avoidable': {'steps': 6_000, 'seeds': 2, 'splits': 2},
    'shapes': {'steps': 6_000, 'seeds': 2, 'splits': 1},
    'elsewhere': {
      'steps': 6_000,
      'seeds': 2,
      'splits': 1,
      'max_size': {'arithmetic': 9, 'conditional': 9, 'arithmetic3': 7},
    },
  },
  'gpu': {
    'variant': 'medium',
    'at_once': 7,
    'slice_s': 540,
    # Guesses, of seven runs that share one H200 and its 16 cores: not measured.
    'rate': {'train': 4.6e12, 'evaluate': 1.1e12, 'start_s': 45},
    'settings': {
      'data.batch_size': 256,
      'model.dtype': 'bfloat16',
      'opt.lr': 1.5e-3,
      'eval.batch_size': 250,
    },
    'support': {'steps': 5_000, 'seeds': 8, 'splits': 3},
    'region_semantic': {'steps': 3_000, 'seeds': 2, 'splits': 4},
    'region_syntactic': {'steps': 3_000, 'seeds': 2, 'splits': 4},
    'density': {
      'steps': 1_500,
      'seeds': 8,
      'splits': 1,
      'arms': _DENSITY,
      'settings': {'split.num_test': 1000, 'eval.num_samples': 16},
    },
    'data': {
      'steps': 1_500,
      'seeds': 2,
      'models': (_D64, _D128, _D32),
      'functions': (10_000, 20_000, 40_000, 80_000, 160_000),
      'settings': {'split.num_test': 1000, 'eval.num_samples': 16},
    },
    'coverage': {'tasks': 50, 'samples': 4096, 'batch_size': 2},
    'search': {'steps': 5_000, 'seeds': 8, 'splits': 3},
    'search_data': {
      'model': _D128,
      'functions': (10_000, 40_000, 160_000),
      'tasks': 300,
    },
    'scaling': {
      'seeds': 3,
      'rates': (1.5e-3, 3e-3, 6e-3),
      'points': _LADDER_OF_COMPUTE,
    },
    'ladder': {
      'steps': 1_500,
      'seeds': 8,
      'splits': 1,
      'settings': {'split.num_test': 1500, 'split.num_arm': 30_000},
    },
    'length': {'steps': 1_500, 'seeds': 2, 'splits': 1},
    'forms': {'steps': 1_500, 'seeds': 2, 'splits': 1},
    'avoidable': {'steps': 1_500, 'seeds': 4, 'splits': 2},
    'shapes': {'steps': 1_500, 'seeds': 2, 'splits': 1},
    'elsewhere': {
      'steps': 5_000,
      'seeds': 2,
      'splits': 1,
      'max_size': {'arithmetic': 11, 'conditional': 9, 'arithmetic3': 7},
    },
  },
  'paper': {
    'variant': 'base',
    'at_once': 8,
    'slice_s': 36_000,
    # A guess, of one H100 or H200 a run: not measured.
    'rate': {'train': 60e12, 'evaluate': 10e12, 'start_s': 120},
    'settings': {
      'data.batch_size': 256,
      'model.dtype': 'bfloat16',
      'opt.lr': 1e-3,
      'eval.batch_size': 100,
    },
    'support': {'steps': 40_000, 'seeds': 8, 'splits': 5},
    'region_semantic': {'steps': 40_000, 'seeds': 4, 'splits': 5},
    'region_syntactic': {'steps': 40_000, 'seeds': 4, 'splits': 5},
    'density': {
      'steps': 20_000,
      'seeds': 4,
      'splits': 3,
      'arms': (*_DENSITY, *_REST),
      'settings': {'split.num_test': 1000},
    },
    'coverage': {'tasks': 1000, 'samples': 4096, 'batch_size': 1},
    'search': {'steps': 40_000, 'seeds': 8, 'splits': 5},
    'search_data': {
      'model': _D128,
      'functions': (10_000, 40_000, 160_000),
      'tasks': 300,
    },
    'scaling': {
      'seeds': 5,
      'rates': (5e-4, 1e-3, 2e-3),
      # The further ones are up to 2.6 times the last.
      'points': (
        *_LADDER_OF_COMPUTE,
        (_D320, 5_500),
        (_D320, 14_000),
        (_D320, 36_000),
      ),
    },
    'ladder': {'steps': 20_000, 'seeds': 4, 'splits': 5},
    'length': {'steps': 20_000, 'seeds': 4, 'splits': 3},
    'forms': {'steps': 20_000, 'seeds': 4, 'splits': 3},
    'avoidable': {'steps': 20_000, 'seeds': 4, 'splits': 3},
    'shapes': {'steps': 20_000, 'seeds': 4, 'splits': 3},
    'elsewhere': {
      'steps': 40_000,
      'seeds': 4,
      'splits': 3,
      'max_size': {'arithmetic': 11, 'conditional': 9, 'arithmetic3': 7},
    },
    'data': {
      'steps': 20_000,
      'seeds': 4,
      'models': (_D64, _D128, _D192),
      'functions': (10_000, 20_000, 40_000, 80_000, 160_000),
      'settings': {'split.num_test': 1000},
    },
  },
}
