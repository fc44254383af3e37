"""What the pictures of a data directory are drawn from: its stored files."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import pathlib

import numpy as np

from synth import cli
from synth import errors
from synth import inputs
from synth import store
from synth.language import program as program_lib
from synth.spaces import space as space_lib
from synth.splits import density
from synth.splits import holdout as holdout_lib
from synth.splits import split as split_lib
from synth.splits import support
from synth.universe import universe as universe_lib

# What is compared unless something else is asked for.
_ARMS = (support.WITHOUT, support.WITH, density.UNIFORM, 'joint')
_TESTS = (support.CONTROL, support.NOVEL, density.UNIFORM, 'joint_cells')


TEST = 'test '  # begins the name of a test's set


@dataclasses.dataclass(frozen=True)
class Stored:
  """A universe with its spaces and a split.

  Attributes:
    universe, spaces, split: As stored.
    arms: One or two training arms to show.
    tests: One or two test sets to show.
    tok_CxL: A minimal program of each class: the one by which the split matched
      it, which for a held-out structure is one without it wherever there is
      one, else the representative.
  """

  universe: universe_lib.Universe
  spaces: space_lib.Spaces
  split: split_lib.Split
  arms: tuple[str, ...]
  tests: tuple[str, ...]
  tok_CxL: np.ndarray

  def sets(self) -> dict[str, np.ndarray]:
    """Disjoint sets that cover all classes, by name: bool_C.

    The tests; what is in only one arm and in both; and the rest: dev, other
    tests, classes that were left out.
    """
    found = {
      TEST + name: self._member(self.split.tests[name]) for name in self.tests
    }
    members = [self._member(self.split.arms[arm]) for arm in self.arms]
    if len(members) == 1:
      found[f'arm {self.arms[0]}'] = members[0]
    else:
      first_C, second_C = members
      found[f'only {self.arms[0]}'] = first_C & ~second_C
      found[f'only {self.arms[1]}'] = second_C & ~first_C
      found['both arms'] = first_C & second_C
    found['neither'] = ~np.any(list(found.values()), axis=0)
    return found

  def _member(self, classes: np.ndarray) -> np.ndarray:
    member_C = np.zeros(len(self.universe.node_C), bool)
    member_C[classes] = True
    return member_C

  def text(self, number: int) -> str:
    """The representative of a class, infix."""
    tok_L = self.universe.representative_CxL[number]
    return program_lib.to_infix(self.universe.vocabulary.decode(tok_L))


def load(directory: pathlib.Path, arms: Sequence[str] = ()) -> Stored:
  """Opens what `synth.splits` or `synth.train` stored in a directory.

  Args:
    directory: Holds universe/, spaces/, split/ and, for a held-out structure,
      restricted/.
    arms: One or two arms to show; by default those that the split is about.

  Raises:
    InputError: if something is missing, damaged or of another universe, or if
      the split has no such arm.
  """
  universe = universe_lib.load(directory / universe_lib.KIND)
  spaces = space_lib.load(directory / space_lib.KIND)
  split = split_lib.load(directory / split_lib.KIND)
  same = {'universe_sha256': store.content_hash(universe.manifest)}
  store.check_facts(directory / space_lib.KIND, spaces.manifest, same)
  store.check_facts(directory / split_lib.KIND, split.facts, same)
  if len(set(arms)) != len(arms) or len(arms) > 2:
    raise errors.InputError(
      f'arms {", ".join(arms)}: give one arm, or two different ones'
    )
  for arm in arms:
    cli.choose(arm, split.arms, 'arm')
  settings = split.facts['settings']
  tok_CxL = universe.representative_CxL
  if settings['kind'] == 'support':
    restricted = universe_lib.load(directory / inputs.RESTRICTED)
    holdout = holdout_lib.Holdout(
      universe, restricted, settings['parent'], settings['child']
    )
    tok_CxL = support.cells(holdout, settings['seed'])[1]
  return Stored(
    universe,
    spaces,
    split,
    tuple(arms) or _usual(split.arms, _ARMS),
    _usual(split.tests, _TESTS),
    tok_CxL,
  )


def _usual(
  there: Mapping[str, np.ndarray], usual: Sequence[str]
) -> tuple[str, ...]:
  """Two of the names that are there, the usual ones first."""
  names = [name for name in usual if name in there]
  names += [name for name in there if name not in usual]
  return tuple(names[:2])
