"""The study: all runs of a tier, in the order in which they matter.

  python -m launch.sweep --config=configs/study.py:cpu --time_budget=5400

`configs/tiers.py` has the sizes of each tier; docs/preregistration.md says what
the contrasts are for.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import json
from typing import Any

import ml_collections

from configs import run as run_lib
from configs import tiers
from synth import settings as settings_lib

_ARMS = ('train_s', 'train_c')
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


def get_config(tier: str = 'cpu') -> ml_collections.ConfigDict:
  """All runs of a tier."""
  table = settings_lib.choose(tier, tiers.TIERS, 'tier')
  config = ml_collections.ConfigDict()
  config.tier = tier
  config.slice_s = table['slice_s']
  config.at_once = table['at_once']
  config.rate = table['rate']
  config.runs = tuple(_with_baselines(_runs(table)))
  return config


def _with_baselines(found: Iterable[run_lib.Run]) -> Iterator[run_lib.Run]:
  """What needs no model is the same for all runs of an arm of a split.

  The first of them is told to have it.
  """
  seen = set()
  for run in found:
    data = {key: run.plain[key] for key in ('universe', 'spaces', 'split')}
    key = json.dumps([data, run.config.data.arm], sort_keys=True)
    yield dataclasses.replace(run, baselines=key not in seen)
    seen.add(key)


def _runs(table: Mapping[str, Any]) -> Iterator[run_lib.Run]:
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
) -> Iterator[run_lib.Run]:
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
) -> Iterator[run_lib.Run]:
  """Regions of other shapes than a half-space, in both spaces."""
  for shape in shapes:
    for space in ('semantic', 'syntactic'):
      contrast = f'{shape}_{space}'
      held_out = {'split.space': space, 'split.shape': shape}
      sizes = {**table, contrast: table['shapes']}
      yield from _arms(sizes, contrast, 'region', _ARMS, held_out)


def _elsewhere(table: Mapping[str, Any]) -> Iterator[run_lib.Run]:
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
) -> Iterator[run_lib.Run]:
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
      yield run_lib.Run(
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


def _coverage(table: Mapping[str, Any]) -> Iterator[run_lib.Run]:
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
      yield run_lib.Run(
        'coverage',
        f'{contrast}-{run.name}',
        run.recipe,
        {**run.settings, **settings},
      )


def _search(table: Mapping[str, Any]) -> Iterator[run_lib.Run]:
  """With samples as the other contrasts draw them, and more diverse ones."""
  for run in _arms(table, 'search', 'support', _ARMS):
    yield dataclasses.replace(run, search=True)
  hot = {**table, 'search_hot': table['search']}
  warmer = {'eval.temperature': _HOT}
  for run in _arms(hot, 'search_hot', 'support', ('train_s',), warmer):
    yield dataclasses.replace(run, search=True)


def _scaling(table: Mapping[str, Any]) -> Iterator[run_lib.Run]:
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
      yield run_lib.Run(
        'scaling',
        f'point{number}-lr{rate:g}',
        f'configs/support.py:{table["variant"]}',
        settings,
      )


def _data(table: Mapping[str, Any]) -> Iterator[run_lib.Run]:
  """Models trained as long on fewer and on more functions, drawn uniformly."""
  for number, model in enumerate(table['data']['models']):
    for functions in table['data']['functions']:
      name = f'model{number}-{functions}'
      yield _shown(table, 'data', name, model, functions)


def _search_data(table: Mapping[str, Any]) -> Iterator[run_lib.Run]:
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
) -> run_lib.Run:
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
  return run_lib.Run(contrast, name, recipe, settings)
