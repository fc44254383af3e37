"""F4: are training and test matched?

Standardized mean differences (mean of the test set less mean of the arm, over
the root of the mean of their variances) of every nuisance, for both arms and
both test sets; atom and compound divergence beside their zero point, the same
divergence of a random part of the arm from the rest of it; and how far test
classes are from the nearest training class, beside training classes that were
left out.
"""

from collections.abc import Mapping
from typing import Any

from matplotlib import figure as figure_lib
from matplotlib import ticker
import numpy as np
import scipy.spatial

from analysis import picture
from analysis.data import stored as stored_lib
from synth import seeding
from synth.language import operators
from synth.language import structure
from synth.language import tokens
from synth.spaces import neighbours
from synth.spaces import syntactic
from synth.splits import divergence

LARGE = 0.1  # |SMD| that counts as a mismatch
_ZERO_DRAWS = 20
_SAMPLE = 1000  # classes whose nearest training class is searched
_QUANTILES = 201  # with which a distribution is drawn
_AXES = 3  # of the semantic space
_LEFT_OUT = 'left out of training'


def _pair(arm: str, test: str) -> str:
  """The name of a cell; an arm and a test may have one name."""
  return f'{arm} -> {stored_lib.TEST}{test}'


def _between(tests: list[str]) -> str:
  """The name of the contrast of the two tests."""
  return _pair(f'{stored_lib.TEST}{tests[0]}', tests[-1])


def nuisances(stored: stored_lib.Stored) -> dict[str, np.ndarray]:
  """Name -> value of each class: float_C."""
  universe, tok_CxL = stored.universe, stored.tok_CxL
  found = {
    'size': np.asarray(universe.size_C, float),
    'depth': depth(tok_CxL, universe.vocabulary).astype(float),
  }
  for token in range(len(tokens.SPECIALS), len(universe.vocabulary)):
    symbol = universe.vocabulary.symbols[token]
    operator = operators.OPERATORS.get(symbol)
    shown = symbol if operator is None else operator.infix or symbol
    found[f'number of {shown}'] = (tok_CxL == token).sum(axis=1).astype(float)
  found['log minimal programs'] = np.log10(
    universe.count_N[universe.node_C].astype(float)
  )
  if universe.manifest['multiplicities']:
    sizes = range(1, universe.max_size + 1)
    total_C = sum(universe.multiplicity(size).astype(float) for size in sizes)
    found['log all programs'] = np.log10(total_C)
  semantic_CxD = np.asarray(stored.spaces.semantic_CxD, float)
  for axis in range(min(_AXES, semantic_CxD.shape[1])):
    found[f'semantic axis {axis + 1}'] = semantic_CxD[:, axis]
  return found


def depth(tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary) -> np.ndarray:
  """Nodes on the longest way from the root: int_P."""
  parent_PxL = structure.parents(structure.children(tok_PxL, vocabulary))
  depth_PxL = np.zeros(tok_PxL.shape, np.int64)
  rows = np.arange(len(tok_PxL))
  for position in range(tok_PxL.shape[1]):  # a parent precedes its children
    parent_P = parent_PxL[:, position]
    above_P = depth_PxL[rows, np.maximum(parent_P, 0)]
    depth_PxL[:, position] = np.where(parent_P >= 0, above_P, 0) + 1
  depth_PxL[tok_PxL == tokens.PAD] = 0
  return depth_PxL.max(axis=1)


def smd(test: np.ndarray, train: np.ndarray) -> float:
  """Standardized mean difference; 0 if both are one and the same constant."""
  difference = test.mean() - train.mean()
  spread = np.sqrt((test.var() + train.var()) / 2)
  if spread > 0:
    return float(difference / spread)
  return 0.0 if difference == 0 else float(np.copysign(np.inf, difference))


def measure(stored: stored_lib.Stored, seed: int) -> dict[str, Any]:
  """Everything that is drawn."""
  arms = {arm: stored.split.arms[arm] for arm in stored.arms}
  tests = {name: stored.split.tests[name] for name in stored.tests}
  pairs = {
    _pair(arm, name): (train, test)
    for arm, train in arms.items()
    for name, test in tests.items()
  }
  if len(tests) == 2:
    first, second = tests.values()
    pairs[_between(list(tests))] = first, second
  values = nuisances(stored)
  differences = {
    pair: {
      name: smd(value_C[b], value_C[a]) for name, value_C in values.items()
    }
    for pair, (a, b) in pairs.items()
  }
  profiles = stored.context.profiles
  return {
    'arms': {name: len(classes) for name, classes in arms.items()},
    'tests': {name: len(classes) for name, classes in tests.items()},
    'standardized_mean_differences': differences,
    **_divergences(stored, profiles, arms, tests, seed),
    'nearest': {
      'arm': stored.arms[0],
      'quantiles_of': np.linspace(0, 1, _QUANTILES).tolist(),
      **_nearest(stored, profiles, arms[stored.arms[0]], tests, seed),
    },
  }


def _divergences(
  stored: stored_lib.Stored,
  profiles: syntactic.Profiles,
  arms: Mapping[str, np.ndarray],
  tests: Mapping[str, np.ndarray],
  seed: int,
) -> dict[str, Any]:
  """D_A and D_C of every arm and test, and of parts of an arm from the rest."""

  def both(train: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    return (
      divergence.atoms(stored.tok_CxL[train], stored.tok_CxL[test]),
      divergence.compounds(profiles.take(train), profiles.take(test)),
    )

  found, zero = {}, {}
  for arm, train in arms.items():
    for name, test in tests.items():
      found[_pair(arm, name)] = both(train, test)
    rng = seeding.generator(seed, 'zero', arm)
    number = min(*map(len, tests.values()), len(train) // 2)
    draws = []
    for _ in range(_ZERO_DRAWS):
      shuffled = rng.permutation(train)
      draws.append(both(shuffled[number:], shuffled[:number]))
    zero[arm] = np.array(draws)
  return {
    kind: {
      'pairs': {pair: values[i] for pair, values in found.items()},
      'zero': {
        arm: {'mean': draws[:, i].mean(), 'max': draws[:, i].max()}
        for arm, draws in zero.items()
      },
    }
    for i, kind in enumerate(('atom_divergence', 'compound_divergence'))
  } | {'zero_draws': _ZERO_DRAWS}


def _nearest(
  stored: stored_lib.Stored,
  profiles: syntactic.Profiles,
  train: np.ndarray,
  tests: Mapping[str, np.ndarray],
  seed: int,
) -> dict[str, Any]:
  """Distances to the nearest class of an arm, in both spaces, as quantiles."""
  rng = seeding.generator(seed, 'nearest')
  shuffled = rng.permutation(train)
  number = min(_SAMPLE, len(train) // 2)
  left_out, rest = shuffled[:number], shuffled[number:]
  queries = {_LEFT_OUT: (left_out, rest)}
  for name, test in tests.items():
    chosen = rng.permutation(test)[:_SAMPLE]
    queries[stored_lib.TEST + name] = (chosen, train)
  point_CxD = np.asarray(stored.spaces.semantic_CxD, float)
  distances = {
    'syntactic': {
      name: neighbours.nearest(profiles.take(query), profiles.take(among))
      for name, (query, among) in queries.items()
    },
    'semantic': {
      name: scipy.spatial.cKDTree(point_CxD[among]).query(point_CxD[query])[0]
      for name, (query, among) in queries.items()
    },
  }
  shares = np.linspace(0, 1, _QUANTILES)
  found: dict[str, Any] = {
    space: {
      name: np.quantile(distance, shares).round(5).tolist()
      for name, distance in of_space.items()
    }
    for space, of_space in distances.items()
  }
  found['searched'] = {name: len(query) for name, (query, _) in queries.items()}
  return found


_COLOURS = (picture.BLUE, picture.VERMILION)  # of the tests
_FILLS = ('full', 'none')  # of the arms
_USUAL_NAME = 26  # letters of a pair's name that the figure has room for


def draw(numbers: dict[str, Any]) -> figure_lib.Figure:
  """A love plot, the divergences, and distances to training."""
  table = numbers['standardized_mean_differences']
  rows = len(next(iter(table.values())))
  # Pairs are named beside an axis, and below another.
  longer = max(0, max(map(len, table)) - _USUAL_NAME)
  fig, axes = picture.mosaic(
    'Are training and test matched?',
    [
      ['love', 'atom_divergence', 'compound_divergence'],
      ['love', 'syntactic', 'semantic'],
    ],
    (13 + 0.4 * longer, max(6.6, 2.6 + 0.33 * rows)),
    width_ratios=(1.35, 1, 1),
  )
  _love(axes['love'], numbers)
  for kind, title in (
    ('atom_divergence', '$D_A$: do symbols differ?'),
    ('compound_divergence', '$D_C$: do pq-grams differ?'),
  ):
    axes[kind].set_title(title)
    _divergence(axes[kind], numbers[kind], _cells(numbers))
    axes[kind].set_xlabel(
      'zero point: a random part of the arm\n'
      f'against its rest (mean of {numbers["zero_draws"]})'
    )
  axes['compound_divergence'].tick_params(labelleft=False)
  arm = numbers['nearest']['arm']
  for space, distance in (
    ('syntactic', 'exact pq-gram distance'),
    ('semantic', 'semantic distance'),
  ):
    end = '\n' if longer else ' '
    axes[space].set_title(f'How far is {arm}?{end}({space})')
    axes[space].set_xlabel(f'{distance} to the nearest')
    _distances(axes[space], numbers['nearest'], space)
  axes['syntactic'].set_ylabel('share of functions at most so far')
  axes['semantic'].legend(loc='lower right', frameon=False)
  return fig


def _cells(
  numbers: Mapping[str, Any],
) -> list[tuple[str, dict[str, Any]]]:
  """Each pair `arm -> test` and its marker: a colour a test, a fill an arm."""
  return [
    (_pair(arm, test), {'marker': 'o', 'color': colour, 'fillstyle': fill})
    for arm, fill in zip(numbers['arms'], _FILLS, strict=False)
    for test, colour in zip(numbers['tests'], _COLOURS, strict=False)
  ]


def _love(axis: Any, numbers: dict[str, Any]) -> None:
  table = numbers['standardized_mean_differences']
  names = list(next(iter(table.values())))
  cells = _cells(numbers)
  between = _between(list(numbers['tests']))
  if between in table:
    cells.append((between, {'marker': 'D', 'color': picture.BLACK}))
  axis.set_title('Standardized mean difference: after the arrow less before')
  axis.axvspan(-LARGE, LARGE, color=picture.FAINTEST, lw=0)
  axis.axvline(0, color=picture.BLACK, lw=0.8)
  for number, (pair, marker) in enumerate(cells):
    shift = (number - (len(cells) - 1) / 2) * 0.16
    axis.plot(
      list(table[pair].values()),
      np.arange(len(names)) + shift,
      **marker,
      linestyle='none',
      ms=4.5,
      label=pair.replace('->', '→'),
    )
  for row in range(len(names) - 1):
    axis.axhline(row + 0.5, color='#e4e4e4', lw=0.5)
  axis.set_yticks(range(len(names)), names)
  axis.set_ylim(len(names) - 0.5, -0.5)
  # What does not vary within sets differs by no number of deviations.
  differences = [v for row in table.values() for v in row.values()]
  reach = max([0.25, *(abs(v) for v in differences if np.isfinite(v))])
  axis.set_xlim(-1.08 * reach, 1.08 * reach)
  axis.set_xlabel(f'standard deviations; grey: below {LARGE}')
  axis.legend(
    loc='upper center',
    bbox_to_anchor=(0.4, -0.07),
    ncols=3 if max(map(len, table)) <= _USUAL_NAME else 2,
    frameon=False,
  )


def _divergence(
  axis: Any, facts: dict[str, Any], cells: list[tuple[str, dict[str, Any]]]
) -> None:
  arms = list(facts['zero'])
  largest = max(
    *facts['pairs'].values(), *(zero['max'] for zero in facts['zero'].values())
  )
  names = []
  for row, (pair, marker) in enumerate(cells):
    value = facts['pairs'][pair]
    axis.plot([0, value], [row, row], color=picture.PALE, lw=1, zorder=0)
    axis.plot(value, row, **marker, ms=7)
    axis.annotate(
      _short(value), (value, row), xytext=(7, 0), textcoords='offset points',
      va='center', fontsize=8.5,
    )  # fmt: skip
    names.append(pair.replace('->', '→'))
  for row, arm in enumerate(arms, len(cells)):
    zero = facts['zero'][arm]
    axis.plot(zero['mean'], row, '|', color=picture.BLACK, ms=12, mew=2)
    axis.annotate(
      _short(zero['mean']), (zero['mean'], row), xytext=(7, 0),
      textcoords='offset points', va='center', fontsize=8.5,
    )  # fmt: skip
    names.append(f'zero point of {arm}')
  axis.set_yticks(range(len(names)), names)
  axis.set_ylim(len(names) - 0.5, -0.5)
  axis.set_xlim(0, 1.35 * largest)
  axis.xaxis.set_major_locator(ticker.MaxNLocator(4))


def _short(value: float) -> str:
  return f'{value:.4f}' if value >= 0.0001 else f'{value:.0e}'


def _distances(axis: Any, facts: dict[str, Any], space: str) -> None:
  shares = np.array(facts['quantiles_of'])
  for (name, distance), colour in zip(
    facts[space].items(), (picture.GREY, *_COLOURS), strict=False
  ):
    label = f'{name} ({facts["searched"][name]:,})'
    axis.plot(distance, shares, color=colour, lw=2, label=label)
  largest = max(np.quantile(d, 0.99) for d in facts[space].values())
  axis.set_xlim(0, 1.02 * largest)
  axis.set_ylim(0, 1)
  axis.yaxis.set_major_formatter(ticker.PercentFormatter(1, 0))
  axis.grid(axis='y', color=picture.FAINT, lw=0.6)
