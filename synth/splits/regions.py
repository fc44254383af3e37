"""Regions of a space to hold out: clusters, shells, cores and half-spaces.

Training and test are matched in everything but the region: a region of the
semantic space is held out among programs of equal size and symbols, one of the
syntactic space among classes of equal size and nearby outputs. Between the
region and what is trained on lies a buffer that is in no set (methods: 1.2 D2,
1.4 S1 and S2).

    cluster    one of 20 clusters by k-means, the seed says which
    shell      the tenth of the classes farthest from the centre; training
               lies inside the nearest eight tenths
    core       the nearest tenth; training lies outside the nearest fifth
    halfspace  the tenth at one end of one of the first three axes
"""

from collections.abc import Callable

import numpy as np
import scipy.cluster
import scipy.spatial

from synth import cli
from synth import seeding
from synth.language import tokens
from synth.spaces import space as space_lib
from synth.splits import laws
from synth.splits import support
from synth.universe import universe as universe_lib

_CLUSTERS = 20
_IN, _BUFFER = 0.1, 0.2  # shares of the classes: in the region, and near it
_AXES = 3
_SEMANTIC_CELLS = 300  # that stand for equal outputs
_NEAR = 0.95  # quantile of the distance to the nearest other class

Membership = tuple[np.ndarray, np.ndarray]  # in the region, in the buffer


def make(
  universe: universe_lib.Universe,
  spaces: space_lib.Spaces,
  space: str,
  shape: str,
  seed: int,
) -> support.Region:
  """The region of a space, and the cells in which it is matched.

  Args:
    universe: The universe.
    spaces: Its spaces.
    space: `semantic` or `syntactic`.
    shape: See above.
    seed: Says which cluster or axis.

  Raises:
    InputError: for an unknown space or shape.
  """
  points = {
    'semantic': np.asarray(spaces.semantic_CxD, np.float64),
    'syntactic': np.asarray(spaces.syntactic_CxD, np.float64),
  }
  point_CxD = cli.choose(space, points, 'split.space')
  member = cli.choose(shape, _SHAPES, 'split.shape')
  rng = seeding.generator(seed, 'region', space, shape)
  inside_C, buffer_C = member(point_CxD, rng)
  if space == 'semantic':
    cell_C = symbol_cells(universe.representative_CxL)
  else:
    near_C = laws.bins(points['semantic'], _SEMANTIC_CELLS)
    cell_C = near_C * 256 + universe.size_C
  return support.Region(
    inside_C,
    buffer_C,
    np.unique(cell_C, return_inverse=True)[1],
    f'lie in the {shape} of the {space} space',
  )


def symbol_cells(tok_CxL: np.ndarray) -> np.ndarray:
  """A number for the size and the histogram of symbols of each program."""
  histogram_CxV = np.stack(
    [(tok_CxL == t).sum(axis=1) for t in range(int(tok_CxL.max()) + 1)], axis=1
  )
  histogram_CxV[:, tokens.PAD] = 0
  return np.unique(histogram_CxV, axis=0, return_inverse=True)[1]


def _cluster(point_CxD: np.ndarray, rng: np.random.Generator) -> Membership:
  label_C = laws.clusters(point_CxD, _CLUSTERS, rng)
  inside_C = label_C == rng.integers(label_C.max() + 1)
  # Outside, but nearer to the region than classes usually are to each other.
  own, _ = scipy.spatial.cKDTree(point_CxD).query(point_CxD, 2)
  distance, _ = scipy.spatial.cKDTree(point_CxD[inside_C]).query(point_CxD)
  near_C = distance <= np.quantile(own[:, 1], _NEAR)
  return inside_C, near_C & ~inside_C


def _radius(point_CxD: np.ndarray) -> np.ndarray:
  """The rank of each class by Mahalanobis distance to the centre, in [0, 1]."""
  centred = point_CxD - point_CxD.mean(axis=0)
  covariance = centred.T @ centred / len(centred)
  scaled = centred @ np.linalg.pinv(covariance)
  return _rank((centred * scaled).sum(axis=1))


def _rank(value_C: np.ndarray) -> np.ndarray:
  order = np.argsort(np.argsort(value_C, kind='stable'), kind='stable')
  return (order + 0.5) / len(value_C)


def _end(rank_C: np.ndarray) -> Membership:
  """The upper end of a ranking, and what is next to it."""
  inside_C = rank_C > 1 - _IN
  return inside_C, ~inside_C & (rank_C > 1 - _BUFFER)


def _shell(point_CxD: np.ndarray, rng: np.random.Generator) -> Membership:
  del rng
  return _end(_radius(point_CxD))


def _core(point_CxD: np.ndarray, rng: np.random.Generator) -> Membership:
  del rng
  return _end(1 - _radius(point_CxD))


def _halfspace(point_CxD: np.ndarray, rng: np.random.Generator) -> Membership:
  axis = rng.integers(min(_AXES, point_CxD.shape[1]))
  sign = rng.choice([-1, 1])
  return _end(_rank(sign * point_CxD[:, axis]))


_SHAPES: dict[str, Callable[[np.ndarray, np.random.Generator], Membership]] = {
  'cluster': _cluster,
  'shell': _shell,
  'core': _core,
  'halfspace': _halfspace,
}
