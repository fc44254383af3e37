"""How far each evaluated class is from each training arm, in both spaces.

Syntactic: the pq-gram distance to the nearest training program, between one
drawn program of each class (`Context.tok_CxL`): exact for these, an upper bound
for the nearest two of all their programs. Semantic: the distance to the nearest
training class in the projected space.

An arm's own nearest-neighbour distances (each class to the others) say what is
far: `near` is up to their 95 % quantile, `far` from their 99.9 % quantile on.
"""

from collections.abc import Mapping

import numpy as np
import scipy.spatial

from synth import seeding
from synth.spaces import neighbours
from synth.splits import context as context_lib
from synth.splits import split as split_lib

ROWS = 'syntactic', 'semantic'  # of distance_2xI
STRATA = ('near', 'between', 'far')
_NEAR, _FAR = 0.95, 0.999
_SAMPLE = 1000  # classes of an arm whose own neighbours are searched


def measure(
  context: context_lib.Context, split: split_lib.Split
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, dict[str, float]]]]:
  """Distances of all evaluated classes to each arm, and what is near and far.

  Returns:
    arm -> distance_2xI (rows as `ROWS`, I the classes of
    `evaluation_sets()` one set after the other), and
    arm -> space -> {'near': ..., 'far': ...}.
  """
  class_I = np.concatenate(list(split.evaluation_sets().values()))
  arms = list(split.arms.values())
  # All arms at once: they overlap, and a search costs more than its reduction.
  class_T = np.flatnonzero(
    np.bincount(np.concatenate(arms), minlength=len(context.usable_C))
  )
  index = neighbours.Index(
    context.profiles,
    class_T,
    np.stack([np.isin(class_T, classes) for classes in arms]),
  )
  syntactic_AxI = index.nearest(context.profiles.take(class_I))
  point_CxD = context.spaces.semantic_CxD
  found, bounds = {}, {}
  for (arm, class_N), syntactic_I in zip(
    split.arms.items(), syntactic_AxI, strict=True
  ):
    class_S = _own(context, arm, class_N)
    syntactic_S = _to_others(context, class_S, class_N)
    tree = scipy.spatial.cKDTree(point_CxD[class_N], balanced_tree=False)
    semantic_S = tree.query(point_CxD[class_S], 2, workers=-1)[0][:, 1]
    semantic_I = tree.query(point_CxD[class_I], workers=-1)[0]
    found[arm] = np.stack([syntactic_I, semantic_I]).astype(np.float32)
    bounds[arm] = {
      space: {
        'near': _bound(distance_S, _NEAR),
        'far': _bound(distance_S, _FAR),
      }
      for space, distance_S in (
        ('syntactic', syntactic_S),
        ('semantic', semantic_S),
      )
    }
  return found, bounds


def _bound(distance_S: np.ndarray, share: float) -> float:
  """A quantile, in the precision in which distances are stored.

  Many distances are equal to it: rounded otherwise they would be beyond it.
  """
  return float(np.quantile(distance_S, share).astype(np.float32))


def strata(
  distance_2xI: np.ndarray, bounds: Mapping[str, Mapping[str, float]]
) -> dict[str, np.ndarray]:
  """What is near and far to an arm, and the buffer between the two.

  Args:
    distance_2xI: Of some classes, as `measure` has it: with fewer digits those
      at a bound, of which there are many, would be on its other side.
    bounds: Of the arm, by space.

  Returns:
    Space -> places in `STRATA`, int8_I.
  """
  found = {}
  for space, distance_I in zip(ROWS, distance_2xI, strict=True):
    near_I = distance_I <= bounds[space]['near']
    far_I = ~near_I & (distance_I >= bounds[space]['far'])
    found[space] = np.select([near_I, far_I], [0, 2], 1).astype(np.int8)
  return found


def _own(
  context: context_lib.Context, arm: str, class_N: np.ndarray
) -> np.ndarray:
  """Some classes of an arm, whose own neighbours are searched."""
  rng = seeding.generator(context.seed, 'distances', arm)
  return rng.permutation(class_N)[:_SAMPLE]


def _to_others(
  context: context_lib.Context, class_S: np.ndarray, class_N: np.ndarray
) -> np.ndarray:
  """Syntactic distance of some classes of an arm to its nearest other class."""
  index = neighbours.Index(context.profiles, class_N)
  distance_1xS = index.nearest(
    context.profiles.take(class_S), np.searchsorted(class_N, class_S)
  )
  return distance_1xS[0]
