"""The study: all runs of a tier, in the order in which they matter.

  python -m launch.sweep --config=configs/study.py:cpu --time_budget=5400

A tier is a table of sizes: `toy` runs every kind of run in minutes and learns
nothing, `cpu` is for two cores and some hours, `gpu` for one H200, `paper` for
eight GPUs and a day. docs/preregistration.md says what the contrasts are for.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import json
from typing import Any

import ml_collections

from launch import study
from synth import settings as settings_lib

_ARMS = ('train_s', 'train_c')
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
# The other forms of compositional generalization (S6) that there is room for:
# contrast -> what is held out, and what cells are equal in.
_FORMS = {
  'order': ('mul|div > add|sub', 'symbols'),
  'operator': ('any > div, div > any', 'arities'),
  'role': ('any:1 > 3', 'symbols'),
}
# Another structure than that of S3, the same in other languages, and a semantic
# half-space there: contrast -> recipe, language and what is held out.
_SEMANTIC = {'split.space': 'semantic', 'split.shape': 'halfspace'}
_ELSEWHERE: dict[str, tuple[str, str, dict[str, Any]]] = {
  'conditional': ('support', 'conditional', {}),
  'arithmetic3': ('support', 'arithmetic3', {}),
  'div_sub': ('support', 'arithmetic', {'split.edges': 'div > sub'}),
  'conditional_semantic': ('region', 'conditional', _SEMANTIC),
  'arithmetic3_semantic': ('region', 'arithmetic3', _SEMANTIC),
}
# The temperature at which samples are worth most to search, on dev of tier cpu.
_HOT = 1.2
# Models of the scaling contrast, beside those of `configs/base.py`.
_D16 = {'D': 16, 'H': 2, 'N': 1, 'F': 64, 'W': 128, 'M': 1}
_D32 = {'D': 32, 'H': 2, 'N': 2, 'F': 128, 'W': 256, 'M': 1}
_D64 = {'D': 64, 'H': 4, 'N': 2, 'F': 256, 'W': 512, 'M': 1}
_D128 = {'D': 128, 'H': 4, 'N': 4, 'F': 512, 'W': 512, 'M': 1}
_D192 = {'D': 192, 'H': 6, 'N': 6, 'F': 768, 'W': 768, 'M': 1}
_D320 = {'D': 320, 'H': 10, 'N': 8, 'F': 1280, 'W': 1280, 'M': 2}

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
      # 4.5e11 operations a model, times 2.15 from each to the next.
      'points': (
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
      ),
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
      # 4.5e11 operations a model, times 2.15 to 2.6 from each to the next.
      'points': (
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


def get_config(tier: str = 'cpu') -> ml_collections.ConfigDict:
  """All runs of a tier."""
  table = settings_lib.choose(tier, TIERS, 'tier')
  config = ml_collections.ConfigDict()
  config.tier = tier
  config.slice_s = table['slice_s']
  config.at_once = table['at_once']
  config.rate = table['rate']
  config.runs = tuple(_with_baselines(_runs(table)))
  return config


def _with_baselines(found: Iterable[study.Run]) -> Iterator[study.Run]:
  """What needs no model is the same for all runs of an arm of a split.

  The first of them is told to have it.
  """
  seen = set()
  for run in found:
    data = {key: run.plain[key] for key in ('universe', 'spaces', 'split')}
    key = json.dumps([data, run.config.data.arm], sort_keys=True)
    yield dataclasses.replace(run, baselines=key not in seen)
    seen.add(key)


def _runs(table: Mapping[str, Any]) -> Iterator[study.Run]:
  yield from _arms(table, 'support', 'support', _ARMS)
  for space in ('semantic', 'syntactic'):
    held_out = {'split.space': space, 'split.shape': 'halfspace'}
    yield from _arms(table, f'region_{space}', 'region', _ARMS, held_out)
  yield from _arms(table, 'density', 'density', table['density']['arms'])
  yield from _coverage(table)
  yield from _search(table)
  yield from _scaling(table)
  rungs = [f'rung_{rung}' for rung in (0, 4, 2, 1, 3)]
  yield from _arms(table, 'ladder', 'ladder', rungs)
  held_out = {'split.space': 'size', 'split.shape': 'longest'}
  yield from _arms(table, 'length', 'region', _ARMS, held_out)
  yield from _forms(table, ('order',))
  # The negative control: every function has a program as small without it,
  # which may lie as near to training as it likes.
  need_not: dict[str, Any] = {
    'split.kind': 'avoidable',
    'split.edges': 'div > mul',
    'split.min_distance': 0.1,
  }
  yield from _arms(table, 'avoidable', 'support', _ARMS, need_not)
  yield from _shapes(table, ('cluster',))
  yield from _shapes(table, ('shell', 'core'))
  yield from _forms(table, ('operator', 'role'))
  yield from _data(table)
  yield from _search_data(table)
  yield from _elsewhere(table)
  if 'density_more' in table:
    arms = table['density_more']['arms']
    yield from _arms(table, 'density_more', 'density', arms)


def _forms(
  table: Mapping[str, Any], forms: Iterable[str]
) -> Iterator[study.Run]:
  """Forms of compositional generalization: sets of edges."""
  for form in forms:
    edges, match = _FORMS[form]
    held_out = {'split.edges': edges}
    if match != 'symbols':
      held_out['split.match'] = match
    sizes = {**table, form: table['forms']}
    yield from _arms(sizes, form, 'support', _ARMS, held_out)


def _shapes(
  table: Mapping[str, Any], shapes: Iterable[str]
) -> Iterator[study.Run]:
  """Regions of other shapes than a half-space, in both spaces."""
  for shape in shapes:
    for space in ('semantic', 'syntactic'):
      contrast = f'{shape}_{space}'
      held_out = {'split.space': space, 'split.shape': shape}
      sizes = {**table, contrast: table['shapes']}
      yield from _arms(sizes, contrast, 'region', _ARMS, held_out)


def _elsewhere(table: Mapping[str, Any]) -> Iterator[study.Run]:
  """Hold-outs of other structures and languages; all as the table says."""
  sizes = table['elsewhere']
  for contrast, (recipe, language, held_out) in _ELSEWHERE.items():
    universe = {
      'universe.grammar': f'configs/grammars/{language}.bnf',
      'universe.max_size': sizes['max_size'][language],
    }
    whole = {**table, contrast: sizes}
    yield from _arms(whole, contrast, recipe, _ARMS, {**universe, **held_out})


def _arms(
  table: Mapping[str, Any],
  contrast: str,
  recipe: str,
  arms: Any,
  held_out: Mapping[str, Any] | None = None,
) -> Iterator[study.Run]:
  """Every arm on every split: whole splits first."""
  sizes = table[contrast]
  for split in range(sizes['splits']):
    for arm in arms:
      settings = {
        **table['settings'],
        **sizes.get('settings', {}),
        **(held_out or {}),
        'split.seed': split,
        'data.arm': arm,
        **_training(sizes['steps'], sizes['seeds'], split),
      }
      yield study.Run(
        contrast,
        f'{arm}-split{split}',
        f'configs/{recipe}.py:{table["variant"]}',
        settings,
      )


def _training(steps: int, seeds: int, split: int) -> dict[str, int]:
  """Steps and seeds: those of one split are another's for no other."""
  return {
    'opt.num_steps': steps,
    'train.num_seeds': seeds,
    'train.seed': 100 * split,
    'train.dev_every_steps': max(steps // 20, 1),
    'train.checkpoint_every_steps': max(steps // 10, 1),
  }


def _coverage(table: Mapping[str, Any]) -> Iterator[study.Run]:
  """Many programs for few tasks, by models of the contrasts before."""
  sizes = table['coverage']
  settings = {
    'eval.num_samples': sizes['samples'],
    'eval.num_tasks': sizes['tasks'],
    'eval.batch_size': sizes['batch_size'],
  }
  for contrast, recipe, arms in (
    ('support', 'support', _ARMS),
    ('density', 'density', ('uniform',)),
  ):
    one_split = {**table, contrast: {**table[contrast], 'splits': 1}}
    for run in _arms(one_split, contrast, recipe, arms):
      yield study.Run(
        'coverage',
        f'{contrast}-{run.name}',
        run.recipe,
        {**run.settings, **settings},
      )


def _search(table: Mapping[str, Any]) -> Iterator[study.Run]:
  """With samples as the other contrasts draw them, and more diverse ones."""
  for run in _arms(table, 'search', 'support', _ARMS):
    yield dataclasses.replace(run, search=True)
  hot = {**table, 'search_hot': table['search']}
  warmer = {'eval.temperature': _HOT}
  for run in _arms(hot, 'search_hot', 'support', ('train_s',), warmer):
    yield dataclasses.replace(run, search=True)


def _scaling(table: Mapping[str, Any]) -> Iterator[study.Run]:
  """Every compute point at every learning rate, on one support split."""
  sizes = table['scaling']
  for number, (model, steps) in enumerate(sizes['points']):
    for rate in sizes['rates']:
      settings = {
        **table['settings'],
        **table['support'].get('settings', {}),
        'data.arm': 'train_s',
        **{f'model.{key}': value for key, value in model.items()},
        'opt.lr': rate,
        **_training(steps, sizes['seeds'], 0),
      }
      yield study.Run(
        'scaling',
        f'point{number}-lr{rate:g}',
        f'configs/support.py:{table["variant"]}',
        settings,
      )


def _data(table: Mapping[str, Any]) -> Iterator[study.Run]:
  """Models trained as long on fewer and on more functions, drawn uniformly."""
  for number, model in enumerate(table['data']['models']):
    for functions in table['data']['functions']:
      name = f'model{number}-{functions}'
      yield _shown(table, 'data', name, model, functions)


def _search_data(table: Mapping[str, Any]) -> Iterator[study.Run]:
  """Search with models that were shown fewer functions and more."""
  sizes = table['search_data']
  for functions in sizes['functions']:
    name = f'functions-{functions}'
    run = _shown(table, 'search_data', name, sizes['model'], functions)
    settings = {**run.settings, 'eval.num_tasks': sizes['tasks']}
    yield dataclasses.replace(run, settings=settings, search=True)


def _shown(
  table: Mapping[str, Any],
  contrast: str,
  name: str,
  model: Mapping[str, int],
  functions: int,
) -> study.Run:
  """A model that is shown so many functions, drawn uniformly."""
  sizes = table['data']
  settings = {
    **table['settings'],
    **sizes.get('settings', {}),
    'split.num_arm': functions,
    'data.arm': 'uniform',
    **{f'model.{key}': value for key, value in model.items()},
    **_training(sizes['steps'], sizes['seeds'], 0),
  }
  recipe = f'configs/density.py:{table["variant"]}'
  return study.Run(contrast, name, recipe, settings)
