"""What a run did on one test set: the unit that all of the study is made of."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses

import numpy as np

from synth.statistics import passk

# Of facts, task x seed: right programs that have a held-out edge; programs that
# fit the specification only; programs that training shows; wrong programs that
# are minimal for their functions; log-probability of the answer, and whether it
# is right.
WITH_EDGE, FITS_ONLY, COPIED, WRONG_MINIMAL, ANSWER, ANSWER_RIGHT = (
  'with edge',
  'fits only',
  'copied',
  'wrong minimal',
  'answer',
  'answer right',
)
BY_SEED = (
  WITH_EDGE, FITS_ONLY, COPIED, WRONG_MINIMAL, ANSWER, ANSWER_RIGHT,
)  # fmt: skip


class NotMeasured(Exception):
  """The records do not hold what is asked for; the message says what lacks."""


class TooManyDiverged(NotMeasured):
  """More than a quarter of an arm's models diverged: nothing is decided."""


@dataclasses.dataclass(frozen=True)
class Cell:
  """The seeds of one arm of one split on one test set.

  Attributes:
    split: Seed of the split.
    arm: The training arm.
    test: The test set.
    seeds: Of training, one a row.
    correct_SxI: How many of a task's samples are right.
    samples: Independent samples a task.
    item_I: What the tasks are, equal wherever they are tested.
    cluster_I: Tasks of one label are resampled together.
    facts: Of the tasks (name -> fact_I): distances to training, size, ...;
      those of `BY_SEED` fact_IxS.
  """

  split: int
  arm: str
  test: str
  seeds: tuple[int, ...]
  correct_SxI: np.ndarray
  samples: int
  item_I: np.ndarray
  cluster_I: np.ndarray
  facts: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

  def value(self, k: int) -> np.ndarray:
    """Unbiased pass@k: value_SxI."""
    return passk.pass_at_k(self.correct_SxI, self.samples, k)

  def without(self, seeds: set[int]) -> 'Cell':
    """The other training seeds."""
    kept_S = np.array([seed not in seeds for seed in self.seeds])
    facts = {
      name: fact[:, kept_S] if name in BY_SEED else fact
      for name, fact in self.facts.items()
    }
    return dataclasses.replace(
      self,
      seeds=tuple(seed for seed in self.seeds if seed not in seeds),
      correct_SxI=self.correct_SxI[kept_S],
      facts=facts,
    )

  def where(self, chosen_I: np.ndarray) -> 'Cell':
    """Some of the tasks."""
    return dataclasses.replace(
      self,
      correct_SxI=self.correct_SxI[:, chosen_I],
      item_I=self.item_I[chosen_I],
      cluster_I=self.cluster_I[chosen_I],
      facts={name: fact_I[chosen_I] for name, fact_I in self.facts.items()},
    )


class Grid:
  """The cells of one contrast of the study, by split, arm and test set."""

  def __init__(self, cells: Iterable[Cell]):
    self._cells = {(cell.split, cell.arm, cell.test): cell for cell in cells}
    self.splits = sorted({split for split, _, _ in self._cells})
    self.arms = list(dict.fromkeys(arm for _, arm, _ in self._cells))
    self.tests = list(dict.fromkeys(test for _, _, test in self._cells))

  def __iter__(self) -> Iterator[Cell]:
    return iter(self._cells.values())

  def get(self, split: int, arm: str, test: str) -> Cell:
    """One cell.

    Raises:
      NotMeasured: if there is no record of it.
    """
    if (split, arm, test) not in self._cells:
      raise NotMeasured(f'no record of {arm} on {test}, split {split}')
    return self._cells[split, arm, test]

  def only(self, arms: Iterable[str]) -> 'Grid':
    """The cells of some arms."""
    kept = set(arms)
    return Grid(cell for cell in self if cell.arm in kept)

  def of(self, split: int) -> 'Grid':
    """The cells of one split."""
    return Grid(cell for cell in self if cell.split == split)
