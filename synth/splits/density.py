"""Density arms: training laws over one support, tests shared by all.

All classes that are in no test and not in dev are a pool; every arm is a sample
of one size from it, under its own law:

    uniform              every class alike
    programs             by the number of programs that compute it
    derivations          by the chance that a random derivation computes it
    semantic, syntactic  against density in that space; `_half`: square root
    joint, joint_half    in both
    ..._binned           the same share of every bin of the space's first axes
    ..._kmeans           the same share of every cluster
    ..._net              no two near each other

`ARM_raked`: the same, but with the sizes, operators and constants of `uniform`,
so that what is left of its effect is not one of these. A net has no weights to
rake: its raked arm is a net in each cell of equal sizes, operators and
constants, of the cell's share. All arms but the nets use the same random
numbers, so they overlap as much as their laws do.

Tests are drawn uniformly from the classes, and uniformly from the cells of each
space and of both (then from the classes of a cell): the same for all arms.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

import numpy as np

from synth import errors
from synth import progress
from synth import seeding
from synth.language import operators
from synth.language import pcfg
from synth.language import tokens
from synth.spaces import points as points_lib
from synth.splits import context as context_lib
from synth.splits import laws
from synth.splits import sampling
from synth.splits import split as split_lib
from synth.universe import universe as universe_lib

UNIFORM = 'uniform'
SPACES = ('semantic', 'syntactic')
_LAWS = (
  'programs',
  'derivations',
  *(name + half for name in (*SPACES, 'joint') for half in ('', '_half')),
  *(name + cells for name in SPACES for cells in ('_binned', '_kmeans')),
)
ARMS = (
  UNIFORM,
  *(law + raked for law in _LAWS for raked in ('', '_raked')),
  *(f'{name}_net{raked}' for name in SPACES for raked in ('', '_raked')),
)
TESTS = (UNIFORM, *(f'{name}_cells' for name in (*SPACES, 'joint')))
_CELLS_A_TEST = 4  # classes of a test that a cell gets, about


def make(context: context_lib.Context) -> split_lib.Split:
  """Tests, dev and all arms.

  Settings: `num_test` classes in each test set, `num_dev` in dev, `num_arm` in
  each arm.

  Raises:
    InputError: if there are too few classes.
  """
  universe, points, seed = context.universe, context.points, context.seed
  num_test, num_dev, num_arm = (
    context.settings[key] for key in ('num_test', 'num_dev', 'num_arm')
  )
  if num_arm < 2:
    raise errors.InputError(
      f'split.num_arm={num_arm}: near and far go by how far the classes of an '
      'arm are from each other, which takes two'
    )
  rng = seeding.generator(seed, 'density')
  usable = np.flatnonzero(context.usable_C)
  cell_C = _test_cells(points, num_test)
  need = (len(cell_C) + 1) * num_test + num_dev + num_arm
  if need > len(usable):
    raise errors.InputError(
      f'split: {len(cell_C) + 1} tests of num_test={num_test}, '
      f'num_dev={num_dev} and arms of num_arm={num_arm} need {need} classes, '
      f'and the universe has {len(usable)} that the specification grid tells '
      'apart and that are defined on it'
    )
  classes = rng.permutation(usable)
  tests = {UNIFORM: classes[:num_test]}
  left = classes[num_test:]
  for name, cells in cell_C.items():
    weight = laws.even(cells)[left]
    probability = sampling.inclusion(weight, num_test)
    chosen = sampling.draw(probability, num_test, rng.random(len(left)))
    tests[f'{name}_cells'] = left[chosen]
    left = np.delete(left, chosen)
  dev, pool = left[:num_dev], np.sort(left[num_dev:])
  uniform_N = seeding.generator(seed, 'arms').random(len(pool))
  arms, probabilities, facts = {}, {}, {}
  margins = margins_of(universe, pool)
  for name, weight_N in _weights(universe, points, pool, num_arm, seed).items():
    probability = sampling.inclusion(weight_N, num_arm)
    raked, error = sampling.rake(probability, margins)
    for arm, law in ((name, probability), (f'{name}_raked', raked)):
      if arm == f'{UNIFORM}_raked':
        continue  # it is its own target
      arms[arm] = pool[sampling.draw(law, num_arm, uniform_N)]
      probabilities[arm] = law
      facts[arm] = {'raking_error': error} if law is raked else {}
  _, equal_N = np.unique(np.stack(margins), axis=1, return_inverse=True)
  bar = progress.Progress('draw arms', 4 * len(SPACES) + len(arms), 'arms')
  for done, name in enumerate(SPACES):
    point_NxD = points[name][pool]
    rng = seeding.generator(seed, 'net', name)
    arms[f'{name}_net'] = pool[laws.net(point_NxD, num_arm, rng)]
    bar.update(2 * done + 1)
    rng = seeding.generator(seed, 'nets', name)
    chosen = laws.nets(point_NxD, equal_N, num_arm, rng)
    arms[f'{name}_net_raked'] = pool[chosen]
    bar.update(2 * done + 2)
  split = split_lib.Split(
    arms={name: np.sort(members) for name, members in arms.items()},
    tests={name: np.sort(members) for name, members in tests.items()},
    dev=np.sort(dev),
  )
  targets = _targets(cell_C, pool)
  report = {}
  for done, (arm, members) in enumerate(split.arms.items()):
    report[arm] = {
      **facts.get(arm, {}),
      **describe(
        context, points, members, seeding.generator(seed, 'describe', arm)
      ),
    }
    if arm in probabilities:
      report[arm]['effective_size'] = {
        test: effective_size(probabilities[arm], target)
        for test, target in targets.items()
      }
    bar.update(2 * len(SPACES) + done + 1)
  return dataclasses.replace(split, facts={'arms': report})


def _test_cells(
  points: Mapping[str, np.ndarray], num_test: int
) -> dict[str, np.ndarray]:
  """The cells of each space and of both, for drawing tests."""
  number = max(2, num_test // _CELLS_A_TEST)
  cells = {name: laws.bins(points[name], number) for name in SPACES}
  coarse = [laws.bins(points[name], round(number**0.5)) for name in SPACES]
  pair_C = coarse[0] * (coarse[1].max() + 1) + coarse[1]
  cells['joint'] = np.unique(pair_C, return_inverse=True)[1]
  return cells


def _weights(
  universe: universe_lib.Universe,
  points: Mapping[str, np.ndarray],
  pool: np.ndarray,
  num_arm: int,
  seed: int,
) -> dict[str, np.ndarray]:
  """Arm -> log-weight of each class of the pool."""
  found = {UNIFORM: np.zeros(len(pool))}
  if universe.manifest['multiplicities']:
    size_S = np.arange(1, universe.max_size + 1)
    count_SxN = np.stack(
      [universe.multiplicity(size)[pool] for size in size_S.tolist()]
    )
    found['programs'] = laws.programs(count_SxN)
    found['derivations'] = laws.derivations(
      count_SxN, size_S, pcfg.critical_weight(universe.grammar)
    )
  sparse = {}
  for name in SPACES:
    rng = seeding.generator(seed, 'sparsity', name)
    sparse[name] = laws.sparsity(points[name][pool], rng)[0]
  sparse['joint'] = laws.joint(*(sparse[name] for name in SPACES))
  for name, weight_N in sparse.items():
    found[name] = weight_N
    found[f'{name}_half'] = weight_N / 2
  for name in SPACES:
    bins_N = laws.bins(points[name][pool], max(2, num_arm // 8))
    found[f'{name}_binned'] = laws.even(bins_N)
    rng = seeding.generator(seed, 'kmeans', name)
    number = int(np.ceil(num_arm**0.5))
    found[f'{name}_kmeans'] = laws.even(
      laws.clusters(points[name][pool], number, rng)
    )
  return found


def margins_of(
  universe: universe_lib.Universe, classes: np.ndarray
) -> list[np.ndarray]:
  """The margins that raked arms share: cells of each class, one row a margin.

  Size, the number of each operator and the number of constants in the class's
  representative.
  """
  tok_NxL = universe.representative_CxL[classes]
  symbols = universe.vocabulary.symbols
  margins = [np.asarray(universe.size_C[classes], np.int64)]
  constants = np.zeros(len(classes), np.int64)
  for token in range(len(tokens.SPECIALS), len(symbols)):
    count = (tok_NxL == token).sum(axis=1)
    if symbols[token] in operators.OPERATORS:
      margins.append(count)
    elif symbols[token] in universe.grammar.constants:
      constants += count
  return [*margins, constants]


def _targets(
  cell_C: Mapping[str, np.ndarray], pool: np.ndarray
) -> dict[str, np.ndarray]:
  """Each test law as a distribution over the pool."""
  targets = {UNIFORM: np.full(len(pool), 1 / len(pool))}
  for name, cells in cell_C.items():
    weight = np.exp(laws.even(cells)[pool])
    targets[f'{name}_cells'] = weight / weight.sum()
  return targets


def effective_size(probability_N: np.ndarray, target_N: np.ndarray) -> float:
  """How many draws from the target an arm is worth.

  n / E[w^2] with w the ratio of the target law to the arm's.

  Args:
    probability_N: Inclusion probabilities, which sum to n.
    target_N: A distribution over the same classes.
  """
  number = probability_N.sum()
  law_N = np.maximum(probability_N / number, 1e-300)
  return float(number / np.sum(target_N**2 / law_N))


def describe(
  context: context_lib.Context,
  points: Mapping[str, np.ndarray],
  classes: np.ndarray,
  rng: np.random.Generator,
) -> dict[str, Any]:
  """What an arm looks like: sizes, symbols, coverage of both spaces.

  `..._neighbour`: from its classes to its others; `..._cover`: from all classes
  to it. Of many classes a sample is measured (`sampling.some`).
  """
  universe = context.universe
  tok_NxL = universe.representative_CxL[classes]
  sizes, counts = np.unique(universe.size_C[classes], return_counts=True)
  grams = context.profile(tok_NxL)
  facts: dict[str, Any] = {
    'classes': len(classes),
    'sizes': {str(s): int(n) for s, n in zip(sizes, counts, strict=True)},
    'symbols_a_program': {
      symbol: round(float((tok_NxL == token).sum(axis=1).mean()), 4)
      for token, symbol in enumerate(universe.vocabulary.symbols)
      if token >= len(tokens.SPECIALS)
    },
    'grams_seen': len(grams.gram_G),
    'minimal_programs_log10': round(
      float(np.log10(universe.count_N[universe.node_C[classes]]).mean()), 4
    ),
  }
  own_classes = classes[sampling.some(len(classes), rng)]
  all_classes = sampling.some(len(universe.node_C), rng)
  for name in SPACES:
    point_NxD = points[name][classes]
    own_Rx2 = points_lib.nearest(points[name][own_classes], point_NxD, 2)
    cover_Rx1 = points_lib.nearest(points[name][all_classes], point_NxD, 1)
    facts[f'{name}_neighbour'] = _quantiles(own_Rx2[:, 1])
    facts[f'{name}_cover'] = _quantiles(cover_Rx1[:, 0])
  return facts


def _quantiles(distance: np.ndarray) -> dict[str, float]:
  """Mean, 95 % quantile and maximum of distances in a projected space."""
  return {
    'mean': round(float(distance.mean()), 5),
    '0.95': round(float(np.quantile(distance, 0.95)), 5),
    'max': round(float(distance.max()), 5),
  }
