"""Support splits: hold out a region of the universe, match everything else.

methods: section 1.4. The region is a set of classes: those that need a local
structure (S3, here), or a part of a space (S1 and S2, `synth.splits.regions`).
Its classes (*novel*) are paired one to one with classes outside (*control*)
inside cells of equal nuisances (for S3 the size and the histogram of all
symbols). Some pairs become the two test sets.
Two training arms see the same number of programs with the same nuisances:
`train_s` never saw the region; in `train_c` some of the matched controls are
replaced by their novel partners.
"""

import dataclasses
import itertools

import numpy as np

from synth import errors
from synth import seeding
from synth.splits import holdout as holdout_lib
from synth.splits import split as split_lib

WITHOUT, WITH = 'train_s', 'train_c'
CONTROL, NOVEL = 'control', 'novel'
_MAX_SWAP = 0.2  # largest share of an arm that is replaced


def cells(
  holdout: holdout_lib.Holdout, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """The nuisance cell of each class and the program that decides it.

  The program is one random minimal program of the class, without the edge
  where the class allows it: what training would show of the class.

  Returns:
    cell_C, an arbitrary number for (size, symbol histogram), and tok_CxL.
  """
  universe = holdout.universe
  rng = seeding.generator(seed, 'cells')
  tok_CxL = holdout.sample_programs(np.arange(len(universe.node_C)), rng)
  histogram_CxV = np.stack(
    [
      (tok_CxL == token).sum(axis=1)
      for token in range(len(universe.vocabulary))
    ],
    axis=1,
  )
  _, cell_C = np.unique(histogram_CxV, axis=0, return_inverse=True)
  return cell_C, tok_CxL


@dataclasses.dataclass(frozen=True)
class Region:
  """What is held out, and what is equal to it in all else.

  Attributes:
    novel_C: Whether each class is in the region.
    buffer_C: Whether it is too near the region to be in any set.
    cell_C: A number for its nuisances.
    what: What novel classes do, for messages.
  """

  novel_C: np.ndarray
  buffer_C: np.ndarray
  cell_C: np.ndarray
  what: str


def of_edge(holdout: holdout_lib.Holdout, seed: int) -> Region:
  """The classes that need an edge (S3)."""
  return Region(
    holdout.novel_C,
    np.zeros(len(holdout.novel_C), bool),
    cells(holdout, seed)[0],
    f"need '{holdout.parent} > {holdout.child}'",
  )


def match(
  cell_C: np.ndarray,
  novel_C: np.ndarray,
  usable_C: np.ndarray,
  rng: np.random.Generator,
) -> np.ndarray:
  """Pairs every novel class it can with a control of the same cell.

  Returns:
    pair_Px2: (novel, control) classes, in random order.
  """
  pairs = []
  order = rng.permutation(len(cell_C))
  order = order[np.argsort(cell_C[order], kind='stable')]
  bounds = np.flatnonzero(np.diff(cell_C[order], prepend=-1, append=-1))
  for start, end in itertools.pairwise(bounds):
    members = order[start:end]
    members = members[usable_C[members]]
    is_novel = novel_C[members]
    number = min(is_novel.sum(), (~is_novel).sum())
    pairs.append(
      np.stack(
        [members[is_novel][:number], members[~is_novel][:number]], axis=1
      )
    )
  return rng.permutation(np.concatenate(pairs))


def make(
  region: Region,
  usable_C: np.ndarray,
  *,
  num_test: int,
  num_dev: int,
  seed: int,
) -> split_lib.Split:
  """Makes the split.

  Args:
    region: What is held out.
    usable_C: Classes that may be used (their specification is unambiguous).
    num_test: Classes in each of the two test sets.
    num_dev: Dev classes, drawn from those without the structure.
    seed: Of all random choices.

  Raises:
    InputError: if fewer than `num_test` pairs can be matched.
  """
  rng = seeding.generator(seed, 'support')
  usable_C = usable_C & ~region.buffer_C
  novel_C = region.novel_C
  pair_Px2 = match(region.cell_C, novel_C, usable_C, rng)
  if len(pair_Px2) < 2 * num_test:
    raise errors.InputError(
      f'only {len(pair_Px2)} classes that {region.what} have a matched '
      f'control: too few for num_test={num_test} and as many for training'
    )
  test_Px2, rest_Px2 = pair_Px2[:num_test], pair_Px2[num_test:]
  plain = np.setdiff1d(np.flatnonzero(usable_C & ~novel_C), test_Px2[:, 1])
  unpaired = rng.permutation(np.setdiff1d(plain, rest_Px2[:, 1]))
  if len(unpaired) < num_dev:
    raise errors.InputError(
      f'only {len(unpaired)} unmatched classes do not {region.what}: too few '
      f'for num_dev={num_dev}'
    )
  dev = unpaired[:num_dev]
  without = np.setdiff1d(plain, dev)
  swap_Px2 = rest_Px2[: int(_MAX_SWAP * len(without))]
  with_ = np.union1d(np.setdiff1d(without, swap_Px2[:, 1]), swap_Px2[:, 0])
  return split_lib.Split(
    arms={WITHOUT: without, WITH: with_},
    tests={
      CONTROL: np.sort(test_Px2[:, 1]),
      NOVEL: np.sort(test_Px2[:, 0]),
    },
    dev=np.sort(dev),
    facts={},
  )
