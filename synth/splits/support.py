"""Support split S3: hold out a local structure, match everything else.

methods: section 1.4. Classes that need the held-out edge (*novel*) are paired
one to one with classes that do not (*control*) inside cells of equal nuisances
(size and the histogram of all symbols). Some pairs become the two test sets.
Two training arms see the same number of programs with the same nuisances:
`train_s` never saw the structure; in `train_c` some of the matched controls are
replaced by their novel partners.
"""

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
  holdout: holdout_lib.Holdout,
  usable_C: np.ndarray,
  *,
  num_test: int,
  num_dev: int,
  seed: int,
) -> split_lib.Split:
  """Makes the split.

  Args:
    holdout: The held-out edge.
    usable_C: Classes that may be used (their specification is unambiguous).
    num_test: Classes in each of the two test sets.
    num_dev: Dev classes, drawn from those without the structure.
    seed: Of all random choices.

  Raises:
    InputError: if fewer than `num_test` pairs can be matched.
  """
  rng = seeding.generator(seed, 'support')
  novel_C = holdout.novel_C
  cell_C, _ = cells(holdout, seed)
  pair_Px2 = match(cell_C, novel_C, usable_C, rng)
  edge = f'{holdout.parent} > {holdout.child}'
  if len(pair_Px2) < 2 * num_test:
    raise errors.InputError(
      f'only {len(pair_Px2)} classes that need {edge!r} have a matched '
      f'control: too few for num_test={num_test} and as many for training'
    )
  test_Px2, rest_Px2 = pair_Px2[:num_test], pair_Px2[num_test:]
  plain = np.setdiff1d(np.flatnonzero(usable_C & ~novel_C), test_Px2[:, 1])
  unpaired = rng.permutation(np.setdiff1d(plain, rest_Px2[:, 1]))
  if len(unpaired) < num_dev:
    raise errors.InputError(
      f'only {len(unpaired)} unmatched classes without {edge!r}: too few for '
      f'num_dev={num_dev}'
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
