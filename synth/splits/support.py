"""Support splits: hold out a region of the universe, match everything else.

The region is a set of classes: those that need a local structure (here), or a
part of a space (`synth.splits.regions`). Its classes (*novel*) are paired one
to one with classes outside (*control*) inside cells of equal nuisances (of a
structure: the size and the histogram of all symbols). Some pairs become the two
test sets. Two training arms see the same number of programs with the same
nuisances: `train_s` never saw the region; in `train_c` some of the matched
controls are replaced by their novel partners.
"""

import dataclasses
import itertools
from typing import Any

import numpy as np

from synth import errors
from synth import seeding
from synth import settings as settings_lib
from synth.spaces import neighbours
from synth.splits import cells
from synth.splits import context as context_lib
from synth.splits import holdout as holdout_lib
from synth.splits import split as split_lib

ARMS = WITHOUT, WITH = 'train_s', 'train_c'
TESTS = CONTROL, NOVEL = 'control', 'novel'
_MAX_SWAP = 0.2  # largest share of an arm that is replaced
_CONTROLS = 500  # whose minimal distances are measured, for comparison
_QUANTILES = (0.0, 0.05, 0.5, 0.95, 0.999)
_PROGRAMS = 16  # minimal programs of a class whose distances are taken


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


def of_edges(context: context_lib.Context) -> Region:
  """The classes that need one of the held-out edges (S3, S6), or can have it.

  Cells are of equal size and symbols, by one random minimal program of each
  class, without the edges where the class allows it: what training would show
  of it. With the setting `match='arities'` operators of one arity count alike,
  for hold-outs that some operators cannot do without. With
  `match='symbols,multiplicity'` cells are also of equal numbers of minimal
  programs, up to half a power of two: novel classes have fewer, and it tells
  how hard a class is to write.

  Raises:
    InputError: for an unknown `match`.
  """
  assert context.holdout is not None
  universe, novel_C = context.universe, context.holdout.novel_C
  verb = 'need' if context.holdout.kind == holdout_lib.NEEDED else 'can have'
  of_settings = {  # whether operators are told apart, and multiplicities
    'symbols': (True, False),
    'symbols,multiplicity': (True, True),
    'arities': (False, False),
  }
  told_apart, multiplicity = settings_lib.choose(
    context.settings['match'], of_settings, 'split.match'
  )
  cell_C = cells.by_symbols(
    context.tok_CxL, universe.vocabulary, tell_operators_apart=told_apart
  )
  if multiplicity:
    number_C = universe.count_N[universe.node_C]
    cell_C = cells.combine([cell_C, cells.by_number(number_C)])
  return Region(
    novel_C,
    context.holdout.buffer_C,
    cell_C,
    f"{verb} '{context.holdout.pattern}'",
  )


def match(
  cell_C: np.ndarray,
  novel_C: np.ndarray,
  usable_C: np.ndarray,
  rng: np.random.Generator,
) -> np.ndarray:
  """Pairs every novel class it can with a control of the same cell.

  Args:
    cell_C: The cell of each class.
    novel_C: Whether each class is novel; the others are controls.
    usable_C: Whether each class may be in a pair.
    rng: Draws who is paired with whom, and the order.

  Returns:
    pair_Px2: (novel, control) classes, in random order. In each cell there are
    as many pairs as the fewer of the two kinds; no class is in two pairs.
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


def make(context: context_lib.Context, region: Region) -> split_lib.Split:
  """Makes the split.

  Settings: `num_test` classes in each of the two test sets, `num_dev` in dev
  (drawn from those outside the region), and for held-out edges `min_distance`,
  which every minimal program of a novel test class keeps from every training
  program (`minimal_distance`).

  Raises:
    InputError: if fewer than `num_test` pairs can be matched.
  """
  settings = context.settings
  num_test, num_dev = settings['num_test'], settings['num_dev']
  rng = seeding.generator(context.seed, 'support')
  usable_C = context.usable_C & ~region.buffer_C
  novel_C = region.novel_C
  pair_Px2 = match(region.cell_C, novel_C, usable_C, rng)
  facts: dict[str, Any] = {}
  outside = np.flatnonzero(usable_C & ~novel_C)
  if len(pair_Px2) < 2 * num_test:
    raise errors.InputError(
      f'only {len(pair_Px2)} classes that {region.what} have a matched '
      f'control: too few for num_test={num_test} and as many for training'
    )
  if 'min_distance' in settings:
    pair_Px2, facts['minimal_distance'] = _far_first(context, pair_Px2, outside)
  test_Px2, rest_Px2 = pair_Px2[:num_test], pair_Px2[num_test:]
  plain = _less(outside, test_Px2[:, 1])
  unpaired = rng.permutation(_less(plain, rest_Px2[:, 1]))
  # Partners of novel classes, if need be, but of none that is swapped in.
  swaps = int(_MAX_SWAP * max(len(plain) - num_dev, 0))
  spare = np.concatenate([unpaired, rest_Px2[swaps:, 1]])
  if len(spare) < num_dev:
    raise errors.InputError(
      f'only {len(spare)} classes to spare do not {region.what}: too few for '
      f'num_dev={num_dev}'
    )
  dev = spare[:num_dev]
  without = _less(plain, dev)
  swap_Px2 = rest_Px2[: int(_MAX_SWAP * len(without))]
  kept = _less(without, swap_Px2[:, 1])
  with_ = np.sort(np.concatenate([kept, swap_Px2[:, 0]]))
  return split_lib.Split(
    arms={WITHOUT: without, WITH: with_},
    tests={
      CONTROL: np.sort(test_Px2[:, 1]),
      NOVEL: np.sort(test_Px2[:, 0]),
    },
    dev=np.sort(dev),
    facts=facts,
  )


def _less(classes: np.ndarray, others: np.ndarray) -> np.ndarray:
  """Classes, each named once, that are not among others, in their order."""
  return np.setdiff1d(classes, others, assume_unique=True)


def _far_first(
  context: context_lib.Context, pair_Px2: np.ndarray, outside: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
  """Pairs with those first whose novel class is far enough for a test.

  Only as many are measured as are needed; those found too near go to the end,
  among the pairs for training.

  Returns:
    The pairs, and quantiles of the minimal distances of the tests that follow
    (0: the least) to all other classes outside the region.

  Raises:
    InputError: if too few are far enough.
  """
  wanted = context.settings['num_test']
  index = neighbours.Index(context.profiles, outside)
  far: list[np.ndarray] = []
  measured: list[np.ndarray] = []
  near: list[np.ndarray] = []
  start = 0
  while sum(map(len, far)) < wanted and start < len(pair_Px2):
    block_Px2 = pair_Px2[start : start + max(wanted, 1)]
    novel = block_Px2[:, 0]
    # Of a class of many programs, the one that training would show counts too.
    distance_P = minimal_distance(context, novel, index, context.tok_CxL[novel])
    is_far_P = distance_P >= context.settings['min_distance']
    far.append(block_Px2[is_far_P])
    measured.append(distance_P[is_far_P])
    near.append(block_Px2[~is_far_P])
    start += len(block_Px2)
  if sum(map(len, far)) < wanted:
    raise errors.InputError(
      f'only {sum(map(len, far))} of {len(pair_Px2)} matched novel classes are '
      f'at least split.min_distance={context.settings["min_distance"]} from '
      f'every training program: too few for num_test={wanted}'
    )
  pair_Px2 = np.concatenate([*far, pair_Px2[start:], *near])
  control = pair_Px2[:wanted, 1]
  sample = control[:_CONTROLS]
  others = neighbours.Index(context.profiles, _less(outside, control))
  control_P = minimal_distance(context, sample, others)
  novel_P = np.concatenate(measured)[:wanted]
  return pair_Px2, {
    # The least is not rounded: the certificate asks whether it is far enough.
    NOVEL: {**quantiles(novel_P), '0.0': float(novel_P.min())},
    CONTROL: quantiles(control_P),
    'classes': {NOVEL: wanted, CONTROL: len(sample)},
  }


def quantiles(distance_P: np.ndarray) -> dict[str, float]:
  """Quantiles of distances: share, as text -> distance, to four digits."""
  values = np.quantile(distance_P, _QUANTILES).round(4).tolist()
  return dict(zip(map(str, _QUANTILES), values, strict=True))


def minimal_distance(
  context: context_lib.Context,
  classes: np.ndarray,
  index: neighbours.Index,
  also_PxL: np.ndarray | None = None,
) -> np.ndarray:
  """Exact pq-gram distance of classes to the nearest of the index's programs.

  Over all minimal programs of a class, or 16 random ones of a class that has
  more.

  Args:
    context: Of the classes.
    classes: P of them.
    index: The programs.
    also_PxL: Another program of each class.

  Returns:
    distance_P.
  """
  tok_QxL, owner_Q = minimal_rows(context, classes)
  if also_PxL is not None:
    owner_Q = np.concatenate([owner_Q, np.arange(len(classes))])
    order = np.argsort(owner_Q, kind='stable')
    tok_QxL, owner_Q = (
      np.concatenate([tok_QxL, also_PxL])[order],
      owner_Q[order],
    )
  distance_1xP = index.nearest(context.profile(tok_QxL), owner_P=owner_Q)
  return distance_1xP[0]


def minimal_rows(
  context: context_lib.Context, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """All minimal programs of classes, or 16 random ones of a class with more.

  Returns:
    tok_QxL and owner_Q, the place of each one's class, ascending.
  """
  universe = context.universe
  node_P = universe.node_C[classes]
  (many,) = np.nonzero(universe.count_N[node_P] > _PROGRAMS)
  uniform = [np.zeros((0, universe.max_size))]
  for number in classes[many].tolist():
    rng = seeding.generator(context.seed, 'minimal', number)
    uniform.append(rng.random((_PROGRAMS, universe.max_size)))
  tok = [
    universe.programs_at(
      np.repeat(node_P[many], _PROGRAMS), np.concatenate(uniform)
    )
  ]
  owner = [np.repeat(many, _PROGRAMS)]
  for place in np.flatnonzero(universe.count_N[node_P] <= _PROGRAMS).tolist():
    rows = [
      universe.vocabulary.encode(program, universe.max_size)
      for program in universe.minimal_programs(int(node_P[place]))
    ]
    tok.append(np.stack(rows))
    owner.append(np.full(len(rows), place))
  owner_Q = np.concatenate(owner)
  order = np.argsort(owner_Q, kind='stable')
  return np.concatenate(tok)[order], owner_Q[order]
