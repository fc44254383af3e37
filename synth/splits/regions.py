"""Regions of a space to hold out: clusters, shells, cores and half-spaces.

Training and test are matched in everything but the region: a region of the
semantic space is held out among programs of equal size and symbols, one of the
syntactic space among classes of equal size and nearby outputs. Between the
region and what is trained on lies a buffer that is in no set.

    cluster    one of 20 clusters by k-means, the seed says which
    shell      the tenth of the classes farthest from the centre; training
               lies inside the nearest eight tenths
    core       the nearest tenth; training lies outside the nearest fifth
    halfspace  the tenth at one end of one of the first three axes; seeds
               0 to 5 have another end each, and so on

A place in the syntactic space is a program's: there a class stands for the one
program that was placed, in training too (`context.Context.of_programs`).

Program size is a third "space" (S5), matched in outputs:

    longest    the largest size: extrapolation
    between    the size before it, with smaller and larger ones in training
"""

from collections.abc import Callable

import numpy as np
import scipy.cluster
import scipy.spatial

from synth import seeding
from synth import settings
from synth.splits import cells
from synth.splits import context as context_lib
from synth.splits import laws
from synth.splits import sampling
from synth.splits import support

_CLUSTERS = 20
_IN, _BUFFER = 0.1, 0.2  # shares of the classes: in the region, and near it
_AXES = 3
_SEMANTIC_CELLS = 300  # that stand for equal outputs
_NEAR = 0.95  # quantile of the distance to the nearest other class
_ROUNDING = 1 + 1e-9

Membership = tuple[np.ndarray, np.ndarray]  # in the region, in the buffer
_Stream = Callable[[int], np.random.Generator]  # of a seed


def make(context: context_lib.Context) -> support.Region:
  """The region of a space, and the cells in which it is matched.

  The settings `space` and `shape` say what it is (see above), the seed which
  cluster or axis.

  Raises:
    InputError: for an unknown space or shape.
  """
  space, shape = context.settings['space'], context.settings['shape']
  size_C = context.universe.size_C.astype(np.int64)
  points = {**context.points, 'size': size_C[:, None]}
  point_CxD = settings.choose(space, points, 'split.space')
  shapes = _SIZES if space == 'size' else _SHAPES
  member = settings.choose(shape, shapes, f'split.shape of the {space} space')
  inside_C, buffer_C = member(
    point_CxD,
    lambda seed: seeding.generator(seed, 'region', space, shape),
    context.seed,
  )
  if space == 'semantic':
    cell_C = cells.by_symbols(context.tok_CxL, context.universe.vocabulary)
  else:
    near_C = laws.bins(points['semantic'], _SEMANTIC_CELLS)
    cell_C = cells.combine([near_C] if space == 'size' else [near_C, size_C])
  return support.Region(
    inside_C, buffer_C, cell_C, f'lie in the {shape} of the {space} space'
  )


def _cluster(point_CxD: np.ndarray, stream: _Stream, seed: int) -> Membership:
  """One of the clusters, and what lies near it outside.

  Near: nearer than 95 % of the classes are to the nearest other class. Of many
  classes that quantile is estimated from a sample (`sampling.some`), whose
  neighbours are sought among all; every class is compared with it exactly.
  """
  rng = stream(seed)
  label_C = laws.clusters(point_CxD, _CLUSTERS, rng)
  inside_C = label_C == rng.integers(label_C.max() + 1)
  some = sampling.some(len(point_CxD), rng)
  own, _ = _tree(point_CxD).query(point_CxD[some], 2, workers=-1)
  near = np.quantile(own[:, 1], _NEAR)
  # Most are too far by their place between the centres.
  close_C = ~inside_C & (_gap(point_CxD, label_C, inside_C) <= near * _ROUNDING)
  distance, _ = _tree(point_CxD[inside_C]).query(
    point_CxD[close_C],
    distance_upper_bound=np.nextafter(near, np.inf),
    workers=-1,
  )
  buffer_C = np.zeros(len(point_CxD), bool)
  buffer_C[close_C] = distance <= near
  return inside_C, buffer_C


def _tree(point_CxD: np.ndarray) -> scipy.spatial.cKDTree:
  # Splits at the middle of a box find the same, and are faster to make.
  return scipy.spatial.cKDTree(point_CxD, balanced_tree=False)


def _gap(
  point_CxD: np.ndarray, label_C: np.ndarray, inside_C: np.ndarray
) -> np.ndarray:
  """No more than the distance of each class to those inside a cluster.

  On each line from another cluster's centre to its own: how far a class lies
  before the first of those inside.
  """
  others = np.delete(np.arange(label_C.max() + 1), label_C[np.argmax(inside_C)])
  centre_D = point_CxD[inside_C].mean(axis=0)
  normal_KxD = np.stack(
    [centre_D - point_CxD[label_C == label].mean(axis=0) for label in others]
  )
  normal_KxD /= np.linalg.norm(normal_KxD, axis=1, keepdims=True)
  along_CxK = point_CxD @ normal_KxD.T
  return (along_CxK[inside_C].min(axis=0) - along_CxK).max(axis=1)


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


def _shell(point_CxD: np.ndarray, stream: _Stream, seed: int) -> Membership:
  del stream, seed
  return _end(_radius(point_CxD))


def _core(point_CxD: np.ndarray, stream: _Stream, seed: int) -> Membership:
  del stream, seed
  return _end(1 - _radius(point_CxD))


def _halfspace(point_CxD: np.ndarray, stream: _Stream, seed: int) -> Membership:
  axes = min(_AXES, point_CxD.shape[1])
  axis, sign = _ends(axes, stream, seed)[-1]
  return _end(_rank(sign * point_CxD[:, axis]))


def _ends(axes: int, stream: _Stream, seed: int) -> list[tuple[int, int]]:
  """Axis and end of this seed and of those before it in its group.

  There are 2 * axes ends, as many seeds in a group, and each seed of a group
  has another one: splits of equal regions would tell one thing twice.
  """
  found: list[tuple[int, int]] = []
  for before in range(seed - seed % (2 * axes), seed + 1):
    rng = stream(before)
    while True:
      end = int(rng.integers(axes)), int(rng.choice([-1, 1]))
      if end not in found:
        break
    found.append(end)
  return found


def _longest(size_Cx1: np.ndarray, stream: _Stream, seed: int) -> Membership:
  del stream, seed
  return _of_size(size_Cx1, -1)


def _between(size_Cx1: np.ndarray, stream: _Stream, seed: int) -> Membership:
  del stream, seed
  return _of_size(size_Cx1, -2)


def _of_size(size_Cx1: np.ndarray, place: int) -> Membership:
  """The classes of one of the sizes there are; sizes need no buffer."""
  sizes = np.unique(size_Cx1)
  inside_C = size_Cx1[:, 0] == sizes[max(place, -len(sizes))]
  return inside_C, np.zeros(len(inside_C), bool)


_Shape = Callable[[np.ndarray, _Stream, int], Membership]
_SIZES: dict[str, _Shape] = {'longest': _longest, 'between': _between}
_SHAPES: dict[str, _Shape] = {
  'cluster': _cluster,
  'shell': _shell,
  'core': _core,
  'halfspace': _halfspace,
}
