"""What a split is made from and certified against."""

from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

import numpy as np

from synth import seeding
from synth.spaces import grids
from synth.spaces import space as space_lib
from synth.spaces import syntactic
from synth.splits import holdout as holdout_lib
from synth.universe import universe as universe_lib


@dataclasses.dataclass(frozen=True, eq=False)
class Context:
  """A universe, its spaces and what is wanted of them.

  Attributes:
    universe, spaces: Of all classes.
    usable_C: Classes that may be used (`specification.usable`).
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

  @functools.cached_property
  def grid(self) -> grids.Grid:
    """The specification grid: where a task's outputs are told."""
    return grids.specification(
      self.spaces.manifest['grid'],
      self.universe.grammar.variables,
      self.universe.manifest['seed'],
    )

  @property
  def of_programs(self) -> bool:
    """Whether a class stands for one program, its `tok_CxL`, in training too.

    A place in the syntactic space is a program's, not a function's, and so are
    the edges of a ladder: other programs of a class may have what this one has
    not. Only if none of them is shown is it held out of training.
    """
    return self.settings['kind'] == 'ladder' or self.placed

  @property
  def placed(self) -> bool:
    """Whether it is the one that has the place in the syntactic space.

    So it is where a region of that space is held out.
    """
    kind, space = self.settings['kind'], self.settings.get('space')
    return kind == 'region' and space == 'syntactic'

  def draw(self, class_P: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random minimal program of each class, without what is held out."""
    if self.holdout is not None:
      return self.holdout.sample_programs(class_P, rng)
    return self.universe.sample_programs(self.universe.node_C[class_P], rng)

  @functools.cached_property
  def tok_CxL(self) -> np.ndarray:
    """One program of every class: what cells and distances go by.

    One of `draw`, unless it is `placed`.
    """
    if self.placed:
      return np.asarray(self.universe.representative_CxL)
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
  """The context of a split.

  Args:
    universe, spaces: What is split.
    settings: `config.split`, or what a stored split holds of it.
    holdout: The held-out edges; None for kinds that hold out none.
  """
  return Context(universe, spaces, spaces.usable_C, settings, holdout)
