"""A held-out local structure: which classes need it, and programs without it.

The structure is an edge `parent > child` of the AST. The programs that avoid
it form a grammar of their own (`language.forbid`); its universe, the
*restricted* universe, says for each class the smallest program that avoids the
edge and generates all smallest ones. A class is *novel* if every one of its
minimal programs has the edge, and it is *forced* within a budget if every
program up to that size has (methods: D3).
"""

import functools
import pathlib

import numpy as np

from synth import errors
from synth.language import forbid
from synth.language import tokens
from synth.universe import build as build_lib
from synth.universe import universe as universe_lib


class Holdout:
  """An edge held out of a universe.

  Attributes:
    universe: All programs.
    restricted: The programs without the edge, to size
      `universe.max_size + extra_size`.
    parent, child: The edge's operators.
  """

  def __init__(
    self,
    universe: universe_lib.Universe,
    restricted: universe_lib.Universe,
    parent: str,
    child: str,
  ):
    self.universe = universe
    self.restricted = restricted
    self.parent = parent
    self.child = child

  @functools.cached_property
  def _free_class_C(self) -> np.ndarray:
    """The restricted universe's number of each class, -1 if it has none."""
    return self.restricted.find(self.universe.key_C)

  @functools.cached_property
  def free_size_C(self) -> np.ndarray:
    """Size of the smallest program without the edge; 0 if there is none."""
    size = self.restricted.size_C[np.maximum(self._free_class_C, 0)]
    return np.where(self._free_class_C >= 0, size, 0)

  @functools.cached_property
  def novel_C(self) -> np.ndarray:
    """Whether every minimal program of the class has the edge."""
    return self.free_size_C != self.universe.size_C

  def forced_C(self, extra_size: int) -> np.ndarray:
    """Whether every program up to `extra_size` above minimal has the edge.

    Raises:
      ValueError: if the restricted universe does not reach that far.
    """
    reach = self.restricted.max_size - self.universe.max_size
    if extra_size > reach:
      raise ValueError(
        f'restricted universe reaches +{reach}, not +{extra_size}'
      )
    size_C = self.universe.size_C.astype(np.int64)
    return (self.free_size_C == 0) | (self.free_size_C > size_C + extra_size)

  def sample_programs(
    self, class_P: np.ndarray, rng: np.random.Generator
  ) -> np.ndarray:
    """A random minimal program of each class; see `programs_at`."""
    uniform_PxL = rng.random((len(class_P), self.universe.max_size))
    return self.programs_at(class_P, uniform_PxL)

  def programs_at(
    self, class_P: np.ndarray, uniform_PxL: np.ndarray
  ) -> np.ndarray:
    """A random minimal program of each class, without the edge if it can be.

    Novel classes give any of their minimal programs (all have the edge),
    others one of their minimal programs without the edge, uniformly. The
    randomness is that of `Universe.programs_at`.

    Returns:
      tok_PxL, L = the universe's max_size.
    """
    novel_P = self.novel_C[class_P]
    tok_PxL = np.zeros(uniform_PxL.shape, tokens.DTYPE)
    tok_PxL[novel_P] = self.universe.programs_at(
      self.universe.node_C[class_P[novel_P]], uniform_PxL[novel_P]
    )
    node_P = self.restricted.node_C[self._free_class_C[class_P[~novel_P]]]
    tok_PxL[~novel_P] = self.restricted.programs_at(
      node_P, uniform_PxL[~novel_P]
    )
    return tok_PxL


def load_or_build(
  directory: pathlib.Path,
  universe: universe_lib.Universe,
  parent: str,
  child: str,
  extra_size: int,
) -> Holdout:
  """The hold-out of an edge; its restricted universe lies in `directory`.

  Raises:
    InputError: for an operator the grammar lacks or a foreign directory.
  """
  restricted = build_lib.load_or_build(
    directory,
    forbid.forbid_edge(universe.grammar, parent, child),
    universe.max_size + extra_size,
    universe.manifest['seed'],
    multiplicities=False,
  )
  if restricted.manifest['identity'] != universe.manifest['identity']:
    raise errors.InputError(
      f'{directory} was enumerated at other identity points than its universe '
      'because one of them proved unlucky: choose another universe.seed'
    )
  return Holdout(universe, restricted, parent, child)
