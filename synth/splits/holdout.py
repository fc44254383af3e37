"""A held-out local structure: which classes need it, and programs without it.

The structure is a set of edges of the AST (`language.edges`). The programs that
avoid them all form a grammar of their own; its universe, the *restricted*
universe, says for each class the smallest program that avoids the edges and
generates all smallest ones. A class is *novel* if every one of its minimal
programs has one of the edges, and it is *forced* within a budget if every
program up to that size has.

The negative control holds out what need not be written: there a class is novel
if some of its minimal programs have one of the edges and others have none.
"""

import functools
import pathlib

import numpy as np

from synth import errors
from synth.language import edges as edges_lib
from synth.language import tokens
from synth.universe import build as build_lib
from synth.universe import universe as universe_lib

NEEDED, AVOIDABLE = 'support', 'avoidable'  # `split.kind`
KINDS = (NEEDED, AVOIDABLE)


class Holdout:
  """Edges held out of a universe.

  Attributes:
    universe: All programs.
    restricted: The programs without the edges, to size
      `universe.max_size + extra_size`, in the universe's vocabulary.
    pattern: Names the edges (`language.edges`).
    kind: One of `KINDS`: which classes are novel.
    edges: The edges.
  """

  def __init__(
    self,
    universe: universe_lib.Universe,
    restricted: universe_lib.Universe,
    pattern: str,
    kind: str = NEEDED,
  ):
    self.universe = universe
    # It may lack symbols, and would then number the others differently.
    self.restricted = restricted.written_in(universe.vocabulary)
    self.pattern = pattern
    self.kind = kind
    self.edges = edges_lib.parse(pattern, universe.grammar)

  @functools.cached_property
  def _free_class_C(self) -> np.ndarray:
    """The restricted universe's number of each class, -1 if it has none."""
    return self.restricted.find(self.universe.key_C)

  @functools.cached_property
  def free_size_C(self) -> np.ndarray:
    """Size of the smallest program without the edges; 0 if there is none."""
    size = self.restricted.size_C[np.maximum(self._free_class_C, 0)]
    return np.where(self._free_class_C >= 0, size, 0)

  @functools.cached_property
  def needed_C(self) -> np.ndarray:
    """Whether every minimal program of the class has one of the edges."""
    return self.free_size_C != self.universe.size_C

  @functools.cached_property
  def avoidable_C(self) -> np.ndarray:
    """Whether some minimal programs have one of the edges, and others none."""
    node_C = self.restricted.node_C[np.maximum(self._free_class_C, 0)]
    all_C = self.universe.count_N[self.universe.node_C]
    return ~self.needed_C & (self.restricted.count_N[node_C] != all_C)

  @property
  def novel_C(self) -> np.ndarray:
    """The classes that are held out."""
    return self.needed_C if self.kind == NEEDED else self.avoidable_C

  @property
  def buffer_C(self) -> np.ndarray:
    """The classes that are in no set."""
    if self.kind == AVOIDABLE:
      return self.needed_C
    return np.zeros(len(self.needed_C), bool)

  @property
  def any_C(self) -> np.ndarray:
    """The classes that training may show any minimal program of."""
    return self.novel_C | self.needed_C

  def forced_C(self, extra_size: int) -> np.ndarray:
    """Whether every program up to `extra_size` above minimal has an edge.

    Raises:
      ValueError: if the restricted universe does not reach that far.
    """
    reach = self.restricted.max_size - self.universe.max_size
    if extra_size > reach:
      raise ValueError(
        f'restricted universe reaches +{reach}, not +{extra_size}'
      )
    size_C = self.universe.size_C.astype(np.int64)
    return forced(self.free_size_C, size_C + extra_size)

  def sample_programs(
    self, class_P: np.ndarray, rng: np.random.Generator
  ) -> np.ndarray:
    """A random minimal program of each class; see `programs_at`."""
    uniform_PxL = rng.random((len(class_P), self.universe.max_size))
    return self.programs_at(class_P, uniform_PxL)

  def programs_at(
    self, class_P: np.ndarray, uniform_PxL: np.ndarray
  ) -> np.ndarray:
    """A random minimal program of each class, as training shows it.

    Classes of `any_C` give any of their minimal programs, others one of those
    without the edges, uniformly. The randomness is that of
    `Universe.programs_at`.

    Returns:
      tok_PxL, L = the universe's max_size.
    """
    any_P = self.any_C[class_P]
    tok_PxL = np.zeros(uniform_PxL.shape, tokens.DTYPE)
    for (universe, node), here_P in zip(
      self.shown_nodes(class_P), (any_P, ~any_P), strict=True
    ):
      if len(node) == len(class_P):  # most often, and nothing to be copied
        return universe.programs_at(node, uniform_PxL)
      tok_PxL[here_P] = universe.programs_at(node, uniform_PxL[here_P])
    return tok_PxL

  def shown_nodes(
    self, class_P: np.ndarray
  ) -> list[tuple[universe_lib.Universe, np.ndarray]]:
    """Universes and nodes whose minimal programs `programs_at` draws from.

    First those of `any_C`, then those of the others, in order.
    """
    any_P = self.any_C[class_P]
    free_P = self._free_class_C[class_P[~any_P]]
    return [
      (self.universe, self.universe.node_C[class_P[any_P]]),
      (self.restricted, self.restricted.node_C[free_P]),
    ]

  def has(self, tok_PxL: np.ndarray) -> np.ndarray:
    """Whether each program (well-formed rows) has one of the edges."""
    return edges_lib.has(tok_PxL, self.universe.vocabulary, self.edges)


def forced(free_size: np.ndarray, most: int | np.ndarray) -> np.ndarray:
  """Whether no program of at most `most` nodes avoids the held-out edges.

  Args:
    free_size: Nodes of the smallest program without the edges, 0 if there is
      none (`Holdout.free_size_C`); of any shape.
    most: Nodes that a program may have: one number, or one for each.
  """
  return (free_size == 0) | (free_size > most)


def load_or_build(
  directory: pathlib.Path,
  universe: universe_lib.Universe,
  pattern: str,
  extra_size: int,
  kind: str = NEEDED,
) -> Holdout:
  """The hold-out of edges, its restricted universe built if it is not there.

  Args:
    directory: Where the restricted universe is or belongs.
    universe: All programs.
    pattern: Names the edges (`language.edges`).
    extra_size: Nodes by which the largest restricted programs exceed the
      universe's.
    kind: One of `KINDS`: which classes are novel.

  Raises:
    InputError: for a pattern the grammar cannot have or a foreign directory.
  """
  edges = edges_lib.parse(pattern, universe.grammar)
  restricted = build_lib.load_or_build(
    directory,
    edges_lib.forbid(universe.grammar, edges),
    universe.max_size + extra_size,
    universe.manifest['seed'],
    multiplicities=False,
    # The same, though it may lack variables and operators.
    policy=universe.policy,
  )
  if restricted.manifest['identity'] != universe.manifest['identity']:
    raise errors.InputError(
      f'{directory} was enumerated at other identity points than its universe: '
      'remove it'
    )
  return Holdout(universe, restricted, pattern, kind)
