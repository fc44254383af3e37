"""How far each evaluated class is from each training arm, in both spaces.

Syntactic: the exact pq-gram distance to the nearest training program, on one
program of each class (`Context.tok_CxL`). Semantic: the distance to the nearest
training class in the projected space.

An arm's own nearest-neighbour distances say what is far: `near` is up to their
95 % quantile, `far` from their 99.9 % quantile on (methods: 1.2 D2).
"""

import numpy as np
import scipy.spatial

from synth import progress
from synth import seeding
from synth.spaces import neighbours
from synth.splits import context as context_lib
from synth.splits import split as split_lib

SPACES = ('syntactic', 'semantic')
_NEAR, _FAR = 0.95, 0.999
_SAMPLE = 1000  # classes of an arm whose own neighbours are searched
_SHARE = 0.1  # of the arm, at most


def measure(
  context: context_lib.Context, split: split_lib.Split
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, dict[str, float]]]]:
  """Distances of all evaluated classes to each arm, and what is near and far.

  Returns:
    arm -> distance_2xI (rows as `SPACES`, I the classes of
    `evaluation_sets()` one set after the other), and
    arm -> space -> {'near': ..., 'far': ...}.
  """
  class_I = np.concatenate(list(split.evaluation_sets().values()))
  query = context.profiles.take(class_I)
  point_CxD = context.spaces.semantic_CxD
  found, bounds = {}, {}
  bar = progress.Progress('measure distances', len(split.arms), 'arms')
  for done, (arm, class_N) in enumerate(split.arms.items()):
    rng = seeding.generator(context.seed, 'distances', arm)
    number = min(_SAMPLE, max(1, int(_SHARE * len(class_N))))
    own = rng.permutation(len(class_N))[:number]
    rest = context.profiles.take(np.delete(class_N, own))
    syntactic_S, _ = neighbours.nearest(
      context.profiles.take(class_N[own]), rest
    )
    syntactic_I, _ = neighbours.nearest(query, context.profiles.take(class_N))
    tree = scipy.spatial.cKDTree(point_CxD[class_N])
    semantic_S = tree.query(point_CxD[class_N[own]], 2)[0][:, 1]
    semantic_I = tree.query(point_CxD[class_I])[0]
    found[arm] = np.stack([syntactic_I, semantic_I]).astype(np.float32)
    bounds[arm] = {
      space: {
        'near': round(float(np.quantile(distance_S, _NEAR)), 5),
        'far': round(float(np.quantile(distance_S, _FAR)), 5),
      }
      for space, distance_S in (
        ('syntactic', syntactic_S),
        ('semantic', semantic_S),
      )
    }
    bar.update(done + 1)
  return found, bounds
