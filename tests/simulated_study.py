"""A whole small study with planted effects, for the page."""

import itertools

import numpy as np

from synth.splits import density
from tests import simulated


def write(root, seeds=3):
  """Records of every contrast: drops, doses, rungs, coverage, scaling."""
  rng = np.random.default_rng(0)
  options = {'seeds': seeds, 'items': 60, 'rng': rng}
  simulated.support(root, 'support', drop=0.4, price=-0.05, splits=2, **options)
  for name, drop in (('region_semantic', 0.02), ('region_syntactic', 0.2)):
    simulated.support(root, name, drop=drop, splits=2, kind='region', **options)
  dose = {'joint_half': 0.1, 'joint': 0.2, 'semantic_half': 0.05}
  for arm in ('uniform', 'semantic_half', 'semantic', 'syntactic',
              'joint_half', 'joint', 'joint_raked'):  # fmt: skip
    rates = {density.UNIFORM: 0.5, 'dev': 0.5}
    for test in ('semantic_cells', 'syntactic_cells', 'joint_cells'):
      rates[test] = 0.4 + dose.get(arm, 0.0)
    simulated.write(root, 'density', arm, rates, kind='density', **options)
  fewer = {**options, 'seeds': max(seeds - 1, 1)}
  for arm in ('semantic_raked', 'semantic_net_raked'):
    rates = {test: 0.45 for test in rates}
    simulated.write(root, 'density_more', arm, rates, kind='density', **fewer)
  for model, functions in itertools.product((0, 1), (100, 200, 400)):
    simulated.write(
      root, 'data', 'uniform',
      {'uniform': 0.1 * np.log2(functions / 50) * (1 + model / 2), 'dev': 0.5},
      kind='density', functions=functions, parameters=100_000 * (1 + model),
      run=f'model{model}-{functions}', **fewer,
    )  # fmt: skip
  for rung in range(5):
    arm = f'rung_{rung}'
    divergence = {'compound_divergence': {f'{arm} -> novel': 0.2 * rung}}
    simulated.write(
      root, 'ladder', arm, {'novel': 0.6 - 0.1 * rung, 'control': 0.6},
      kind='ladder', measurements=divergence, **options,
    )  # fmt: skip
  for arm, rate in (('train_s', 0.1), ('train_c', 0.4)):
    simulated.write(
      root, 'coverage', arm, {'novel': rate, 'control': 0.4, 'dev': 0.5},
      samples=256, zero=0.3, item_sd=1.5, **options,
    )  # fmt: skip
  for level in range(6):
    simulated.write(
      root, 'scaling', 'train_s',
      {'dev': 0.1 + 0.1 * level, 'novel': 0.02 + 0.02 * level},
      flops=1e11 * 2.5**level, run=f'point{level}',
      dev_loss=(0.2 + 0.5 * 2.5 ** (-0.4 * level))
      * np.exp(0.02 * rng.standard_normal(seeds)), **options,
    )  # fmt: skip
  searched = dict.fromkeys(('others', 'grammar', 'training'), 0.2)
  for arm, rate in (('train_s', 0.02), ('train_c', 0.3)):
    simulated.write(
      root, 'search', arm, {'novel': rate, 'control': 0.4, 'dev': 0.5},
      search={**searched, 'own': 0.6, 'meet_in_the_middle': 0.9},
      subgoals={'model': 0.5, 'training': 0.7}, **options,
    )  # fmt: skip
