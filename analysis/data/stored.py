"""What the pictures of a data directory are drawn from: its stored files."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import pathlib

import numpy as np

from synth import errors
from synth import inputs
from synth import settings
from synth.language import program as program_lib
from synth.spaces import space as space_lib
from synth.splits import context as context_lib
from synth.splits import density
from synth.splits import ladder
from synth.splits import split as split_lib
from synth.splits import support
from synth.universe import universe as universe_lib

# What is compared unless something else is asked for.
_ARMS = (
  support.WITHOUT,
  support.WITH,
  ladder.arm(0),
  ladder.arm(ladder.RUNGS),
  density.UNIFORM,
  'joint',
)
_TESTS = (support.CONTROL, support.NOVEL, density.UNIFORM, 'joint_cells')


TEST = 'test '  # begins the name of a test's set


@dataclasses.dataclass(frozen=True)
class Stored:
  """A universe with its spaces and a split.

  Attributes:
    context: What the split was made from.
    split: As stored.
    arms: One or two training arms to show.
    tests: One or two test sets to show.
  """

  context: context_lib.Context
  split: split_lib.Split
  arms: tuple[str, ...]
  tests: tuple[str, ...]

  @property
  def universe(self) -> universe_lib.Universe:
    """All classes."""
    return self.context.universe

  @property
  def spaces(self) -> space_lib.Spaces:
    """Their places."""
    return self.context.spaces

  @property
  def tok_CxL(self) -> np.ndarray:
    """The minimal program of each class by which the split matched it."""
    return self.context.tok_CxL

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


def load(
  data: pathlib.Path, arms: Sequence[str] = (), name: str = ''
) -> Stored:
  """Opens what `synth.splits` or `synth.train` stored in a directory.

  Args:
    data: Holds universe/, spaces/, splits/ and, for a held-out structure,
      restricted/.
    arms: One or two arms to show; by default those that the split is about.
    name: Of the split in splits/; needed if there are several.

  Raises:
    InputError: if something is missing, damaged or of another universe, or if
      the split has no such arm.
  """
  there = {directory.name: directory for directory in split_lib.stored(data)}
  if not there:
    raise errors.InputError(f'no split in {data}')
  if not name and len(there) > 1:
    raise errors.InputError(
      f'{data} has several splits: give --split, one of {", ".join(there)}'
    )
  directory = settings.choose(name or next(iter(there)), there, 'split')
  context, split = inputs.stored_context(directory)
  if len(set(arms)) != len(arms) or len(arms) > 2:
    raise errors.InputError(
      f'arms {", ".join(arms)}: give one arm, or two different ones'
    )
  for arm in arms:
    settings.choose(arm, split.arms, 'arm')
  return Stored(
    context,
    split,
    tuple(arms) or _usual(split.arms, _ARMS),
    _usual(split.tests, _TESTS),
  )


def _usual(
  there: Mapping[str, np.ndarray], usual: Sequence[str]
) -> tuple[str, ...]:
  """Two of the names that are there, the usual ones first."""
  names = [name for name in usual if name in there]
  names += [name for name in there if name not in usual]
  return tuple(names[:2])
