"""F1: what are the two spaces?

Both projections of a random sample of the classes, coloured by size, by density
and by set. What a picture of two axes is worth is printed on it: their share
of the variance, and the rank correlation (Spearman) of distances on them with
the true distance: of pq-gram profiles, exact, or of the standardized outputs.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

from matplotlib import colors
from matplotlib import figure as figure_lib
from matplotlib import pyplot as plt
from matplotlib import ticker
import numpy as np
import scipy.spatial

from analysis import picture
from analysis.data import stored as stored_lib
from synth import seeding
from synth.splits import laws

SPACES = {
  'syntactic': 'Syntactic space: pq-grams',
  'semantic': 'Semantic space: outputs',
}
_POINTS = 4000  # drawn, uniformly
TESTS = 300  # classes of each test set that are drawn, though it be small
_AXES = 2  # drawn
_CUT = (0.01, 0.99)  # quantiles between which densities have colours


def points(stored: stored_lib.Stored) -> dict[str, np.ndarray]:
  """Space -> coordinates of every class, float_CxD, D at least two."""
  found = {}
  for space in SPACES:
    point_CxD = np.asarray(getattr(stored.spaces, f'{space}_CxD'), float)
    missing = max(_AXES - point_CxD.shape[1], 0)
    found[space] = np.pad(point_CxD, ((0, 0), (0, missing)))
  return found


def sparsity(point_CxD: np.ndarray, classes: np.ndarray) -> np.ndarray:
  """Distance of some classes to their 16th nearest class: float_P."""
  neighbours = min(laws.NEIGHBOURS, len(point_CxD) - 1)
  distance, _ = scipy.spatial.cKDTree(point_CxD).query(
    point_CxD[classes], [neighbours + 1], workers=-1
  )
  return distance[:, 0]


def faithfulness(stored: stored_lib.Stored) -> dict[str, dict[str, Any]]:
  """Of each space: variance on its axes, rank correlation with the truth.

  Both are those that were stored with the space: of the trees and the distance
  that it was made with.
  """
  facts = stored.spaces.manifest
  found = {}
  for space, point_CxD in points(stored).items():
    explained = facts[f'{space}_explained']
    # An axis that a small space lacks explains nothing.
    explained = explained + [0.0] * (_AXES - len(explained))
    found[space] = {
      'explained': explained,
      'axes': point_CxD.shape[1],
      'explained_by_drawn': float(sum(explained[:_AXES])),
      'explained_by_all': float(sum(explained)),
      'rank_correlation_of_drawn': facts[f'{space}_rank_correlation_2d'],
      'rank_correlation_of_all': facts[f'{space}_rank_correlation'],
    }
  return found


@dataclasses.dataclass(frozen=True)
class Maps:
  """What is drawn: P points, a uniform sample of the classes and the tests.

  Attributes:
    class_P: The classes.
    point: Space -> their first two coordinates, float_Px2.
    place_U: Places among them of the uniform sample.
    size_U: Its minimal sizes.
    sparsity: Space -> its distances to the 16th nearest class, float_U.
    sets: Name of a set -> places of classes of it.
    numbers: What is printed on the figure.
  """

  class_P: np.ndarray
  point: Mapping[str, np.ndarray]
  place_U: np.ndarray
  size_U: np.ndarray
  sparsity: Mapping[str, np.ndarray]
  sets: Mapping[str, np.ndarray]
  numbers: Mapping[str, Any]


def measure(
  stored: stored_lib.Stored, seed: int, points_drawn: int = _POINTS
) -> Maps:
  """Draws the sample and measures the spaces."""
  number = len(stored.universe.node_C)
  order = seeding.generator(seed, 'maps').permutation(number)
  class_U = order[:points_drawn]
  members = stored.sets()
  sets = {
    name: order[member_C[order]][:TESTS]
    if name.startswith(stored_lib.TEST)
    else class_U[member_C[class_U]]
    for name, member_C in members.items()
  }
  sparse = {
    space: sparsity(point_CxD, class_U)
    for space, point_CxD in points(stored).items()
  }
  size_U = np.asarray(stored.universe.size_C[class_U])
  sizes, counts = np.unique(size_U, return_counts=True)
  class_P = np.unique(np.concatenate([class_U, *sets.values()]))
  return Maps(
    class_P,
    {s: point_CxD[class_P, :_AXES] for s, point_CxD in points(stored).items()},
    np.searchsorted(class_P, class_U),
    size_U,
    sparse,
    {name: np.searchsorted(class_P, some) for name, some in sets.items()},
    {
      'classes': number,
      'drawn': len(class_U),
      'drawn_of_size': dict(
        zip(map(str, sizes.tolist()), counts.tolist(), strict=True)
      ),
      'drawn_of_set': {name: len(some) for name, some in sets.items()},
      'classes_of_set': {n: int(m.sum()) for n, m in members.items()},
      'sparsity_quantiles': {
        space: np.quantile(values, (0, *_CUT, 1)).tolist()
        for space, values in sparse.items()
      },
      'spaces': faithfulness(stored),
    },
  )


def set_colours(names: list[str]) -> dict[str, str]:
  """A colour for each set of `Stored.sets`: blue control, orange novel."""
  strong = iter((picture.BLUE, picture.VERMILION))
  weak = iter((picture.SKY, picture.ORANGE))
  fixed = {'neither': picture.FAINT, 'both arms': picture.GREY}
  return {
    name: fixed[name]
    if name in fixed
    else next(strong)
    if name.startswith(stored_lib.TEST)
    else next(weak)
    for name in names
  }


def draw(maps: Maps) -> figure_lib.Figure:
  """Both spaces side by side; below each other: size, density, sets."""
  rows = ('size', 'density', 'sets')
  fig, axes = picture.mosaic(
    'What do the two spaces look like?',
    [[*(f'{row} {space}' for space in SPACES), f'key {row}'] for row in rows],
    (10.5, 12),
    width_ratios=(1, 1, 0.36),
  )
  shades = {}
  for space, title in SPACES.items():
    facts = maps.numbers['spaces'][space]
    axes[f'size {space}'].set_title(
      f'{title}\n'
      f'the 2 axes drawn: {facts["explained_by_drawn"]:.0%} of the variance, '
      f'ρ = {facts["rank_correlation_of_drawn"]:.3f}\n'
      f'all {facts["axes"]} axes: {facts["explained_by_all"]:.0%}, '
      f'ρ = {facts["rank_correlation_of_all"]:.3f}',
      fontsize=9.5,
    )
    _sizes(axes[f'size {space}'], maps, space)
    shades[space] = _density(axes[f'density {space}'], maps, space)
    _sets(axes[f'sets {space}'], maps, space)
    for row in rows:
      axis = axes[f'{row} {space}']
      axis.set_ylabel(f'axis 2 ({facts["explained"][1]:.1%})')
      axis.xaxis.set_major_locator(ticker.MaxNLocator(6))
    axis.set_xlabel(f'axis 1 ({facts["explained"][0]:.1%} of the variance)')
  for row, title in (
    ('size', 'by minimal size\n(functions drawn)'),
    ('sets', 'by training and test\n(drawn of all)'),
  ):
    handles, labels = axes[f'{row} semantic'].get_legend_handles_labels()
    axes[f'key {row}'].legend(
      handles[::-1], labels[::-1], title=title, frameon=False, alignment='left',
      loc='center left', borderaxespad=0, markerscale=2.5,
    )  # fmt: skip
  axes['key size'].set_title(
    'ρ: rank correlation\nwith the true\ndistance', fontsize=8.5
  )
  axes['key density'].text(
    0, 0.62, f'by density: distance\nto the {laws.NEIGHBOURS}th nearest\n'
    'function', va='bottom',
  )  # fmt: skip
  for place, space in enumerate(SPACES):
    bar = axes['key density'].inset_axes((0, 0.48 - 0.2 * place, 0.9, 0.035))
    fig.colorbar(
      shades[space], cax=bar, orientation='horizontal', extend='both'
    )
    bar.set_title(space, fontsize=8.5)
    bar.tick_params(labelsize=7.5)
  for row in rows:
    axes[f'key {row}'].axis('off')
  return fig


def _scatter(axis: Any, point_Px2: np.ndarray, label: str, colour: Any) -> Any:
  return axis.scatter(
    point_Px2[:, 0], point_Px2[:, 1], c=colour, label=label, s=5, linewidths=0,
    rasterized=True,
  )  # fmt: skip


def size_colours(sizes: list[int]) -> dict[int, str]:
  """Grey for the largest size, which most classes have; darker the smaller."""
  ramp = plt.get_cmap('viridis')(np.linspace(0, 0.85, max(len(sizes) - 1, 1)))
  found = dict(zip(sorted(sizes), map(colors.to_hex, ramp), strict=False))
  return {**found, max(sizes): picture.PALE}


def points_by_size(maps: Maps) -> dict[str, np.ndarray]:
  """Gid of each collection of the panels by size -> places of its points."""
  return {
    _gid(space, size): maps.place_U[maps.size_U == size]
    for space in SPACES
    for size in np.unique(maps.size_U).tolist()
  }


def _gid(space: str, size: int) -> str:
  return f'points-{space}-{size}'


def _sizes(axis: Any, maps: Maps, space: str) -> None:
  colour = size_colours(np.unique(maps.size_U).tolist())
  groups = points_by_size(maps)
  for size in sorted(colour, reverse=True):  # the few small ones on top
    chosen = groups[_gid(space, size)]
    label = f'{size} ({len(chosen):,})'
    drawn = _scatter(axis, maps.point[space][chosen], label, colour[size])
    drawn.set_gid(_gid(space, size))


def _density(axis: Any, maps: Maps, space: str) -> Any:
  value_P = maps.sparsity[space]
  low, high = np.quantile(value_P, _CUT)
  return axis.scatter(
    *maps.point[space][maps.place_U].T, c=value_P, s=5, linewidths=0,
    cmap='viridis_r', norm=colors.Normalize(low, high), rasterized=True,
  )  # fmt: skip


def _sets(axis: Any, maps: Maps, space: str) -> None:
  colour = set_colours(list(maps.sets))
  for name in reversed(list(maps.sets)):  # the tests on top
    all_ = maps.numbers['classes_of_set'][name]
    label = f'{name}\n({len(maps.sets[name]):,} of {all_:,})'
    _scatter(axis, maps.point[space][maps.sets[name]], label, colour[name])
