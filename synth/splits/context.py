"""What a split is made from and certified against."""

from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

import numpy as np

from synth import seeding
from synth.spaces import space as space_lib
from synth.spaces import syntactic
from synth.splits import holdout as holdout_lib
from synth.universe import universe as universe_lib


@dataclasses.dataclass(frozen=True)
class Context:
  """A universe, its spaces and what is wanted of them.

  Attributes:
    universe, spaces: Of all classes.
    usable_C: Classes that may be used (their specification is unambiguous).
    settings: The config's `split`.
    holdout: The held-out structure of a support split, else None.
  """

  universe: universe_lib.Universe
  spaces: space_lib.Spaces
  usable_C: np.ndarray
  settings: Mapping[str, Any]
  holdout: holdout_lib.Holdout | None

  @property
  def seed(self) -> int:
    """Of all random choices."""
    return int(self.settings['seed'])

  def draw(self, class_P: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random minimal program of each class, as training would show it."""
    if self.holdout is not None:
      return self.holdout.sample_programs(class_P, rng)
    return self.universe.sample_programs(self.universe.node_C[class_P], rng)

  @functools.cached_property
  def tok_CxL(self) -> np.ndarray:
    """One such program of every class: what cells and distances go by."""
    rng = seeding.generator(self.seed, 'cells')
    return self.draw(np.arange(len(self.universe.node_C)), rng)

  @functools.cached_property
  def profiles(self) -> syntactic.Profiles:
    """The pq-gram profiles of these programs."""
    return self.profile(self.tok_CxL)

  def profile(self, tok_PxL: np.ndarray) -> syntactic.Profiles:
    """Profiles of any programs, by the settings of the syntactic space."""
    p, q, trees = (self.spaces.manifest[key] for key in ('p', 'q', 'trees'))
    return syntactic.profile(tok_PxL, self.universe.vocabulary, p, q, trees)

  @property
  def points(self) -> dict[str, np.ndarray]:
    """Coordinates of all classes in each space, float64."""
    return {
      'semantic': np.asarray(self.spaces.semantic_CxD, np.float64),
      'syntactic': np.asarray(self.spaces.syntactic_CxD, np.float64),
    }


def make(
  universe: universe_lib.Universe,
  spaces: space_lib.Spaces,
  settings: Mapping[str, Any],
  holdout: holdout_lib.Holdout | None,
) -> Context:
  """The context of a split's settings."""
  usable_C = usable(spaces.value_CxE, spaces.ok_CxE)
  return Context(universe, spaces, usable_C, settings, holdout)


def usable(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """Classes whose specification is theirs alone and fully defined: bool_C.

  Two classes with equal float32 outputs on the grid would be one ambiguous
  task (L2).
  """
  visible_CxE = np.where(ok_CxE, value_CxE, 0.0).astype(np.float32)
  visible_CxE += np.float32(0)  # -0 equals 0
  word_CxE = visible_CxE.view(np.uint32)
  # Rows of unequal sums are unequal: few are left to be compared as they are.
  factor_E = seeding.generator(0, 'rows').integers(
    2**64, size=word_CxE.shape[1], dtype=np.uint64
  )
  _, index_C, count = np.unique(
    word_CxE @ factor_E, return_inverse=True, return_counts=True
  )
  (alike,) = np.nonzero(count[index_C] > 1)
  _, index_A, count = np.unique(
    word_CxE[alike], axis=0, return_inverse=True, return_counts=True
  )
  distinct_C = np.ones(len(word_CxE), bool)
  distinct_C[alike] = count[index_A] == 1
  return distinct_C & ok_CxE.all(axis=1)
