"""A ladder of compound divergence at fixed atom divergence.

After CFQ (Keysers et al., ICLR 2020, arXiv 1912.09713). Compounds are edges
between operators of the syntax tree (on which argument does not matter). Half
of the kinds that occur, H, are drawn; the novel test has programs all of whose
operator edges are in H. The arms hold out more and more of H:

    rung_0     nothing
    rung_1     a quarter of H, ...
    rung_4     all of H: training and test share no operator edge

All arms and both tests have equal numbers of programs in every cell of equal
size and symbols, so atoms are equally frequent everywhere; the arms are
compared on the same tests, where separate splits of rising divergence would
change the tests along with the training. Of twenty random H the one is taken
that leaves most programs.

A class stands for one random minimal program, in training too: another minimal
program of it may have other edges. Its tests count as solved by any program.
"""

import numpy as np

from synth import errors
from synth import seeding
from synth.language import structure
from synth.language import tokens
from synth.splits import cells
from synth.splits import context as context_lib
from synth.splits import split as split_lib
from synth.splits import support

RUNGS = 4  # above the one that holds out nothing
_DRAWS = 20  # of H


def arm(rung: int) -> str:
  """The name of the arm of a rung."""
  return f'rung_{rung}'


ARMS = tuple(arm(rung) for rung in range(RUNGS + 1))


def make(context: context_lib.Context) -> split_lib.Split:
  """Makes the split.

  Settings: `num_test` classes in each of the two tests, `num_arm` in each arm
  (a multiple of it), `num_dev` without edges in H.

  Returns:
    The split; its facts name the edges that each rung holds out.

  Raises:
    InputError: if no H leaves enough programs.
  """
  settings = context.settings
  num_test, num_arm = settings['num_test'], settings['num_arm']
  if num_arm % num_test:
    raise errors.InputError(
      f'split.num_arm={num_arm} is not a multiple of num_test={num_test}'
    )
  ratio = num_arm // num_test
  edge_CxK, names = operator_edges(context)
  cell_C = cells.by_symbols(context.tok_CxL, context.universe.vocabulary)
  usable_C = context.usable_C & edge_CxK.any(axis=1)
  rng = seeding.generator(context.seed, 'ladder')
  held, capacity_G = _choose(edge_CxK, cell_C, usable_C, ratio, rng)
  if capacity_G.sum() < num_test:
    raise errors.InputError(
      f'split: at most {int(capacity_G.sum())} programs have only held-out '
      f'edges and {ratio + 1} others of equal symbols each: too few for '
      f'num_test={num_test} and num_arm={num_arm}'
    )
  within_C = ~edge_CxK[:, np.setdiff1d(np.arange(len(names)), held)].any(axis=1)
  without_C = ~edge_CxK[:, held].any(axis=1)
  place_T = rng.permutation(np.repeat(np.arange(len(capacity_G)), capacity_G))
  test_G = np.bincount(place_T[:num_test], minlength=len(capacity_G))
  taken_C = ~usable_C
  tests = {}
  for name, member_C in (
    (support.NOVEL, within_C),
    (support.CONTROL, without_C),
  ):
    tests[name] = _pick(member_C & ~taken_C, cell_C, test_G, rng)
    taken_C[tests[name]] = True
  # All arms prefer the same classes, so that they differ as little as they can.
  order_C = rng.permutation(len(cell_C))
  arms, facts = {}, {}
  for rung in range(RUNGS, -1, -1):
    out = held[: len(held) * rung // RUNGS]
    member_C = ~edge_CxK[:, out].any(axis=1) & ~taken_C
    arms[arm(rung)] = _pick(member_C, cell_C, ratio * test_G, rng, order_C)
    facts[arm(rung)] = [' > '.join(names[kind]) for kind in out]
  taken_C[np.concatenate(list(arms.values()))] = True
  spare = rng.permutation(np.flatnonzero(without_C & ~taken_C))
  if len(spare) < settings['num_dev']:
    raise errors.InputError(
      f'split: only {len(spare)} classes are left for '
      f'num_dev={settings["num_dev"]}'
    )
  return split_lib.Split(
    arms=dict(sorted(arms.items())),
    tests=dict(sorted(tests.items())),
    dev=np.sort(spare[: settings['num_dev']]),
    facts={'held_out': facts},
  )


def operator_edges(
  context: context_lib.Context,
) -> tuple[np.ndarray, list[tuple[str, str]]]:
  """Which operator edges the program of each class has.

  Returns:
    edge_CxK and the (parent, child) of each kind that occurs.
  """
  tok_CxL, vocabulary = context.tok_CxL, context.universe.vocabulary
  parent_CxL = structure.parents(structure.children(tok_CxL, vocabulary))
  above_CxL = np.take_along_axis(tok_CxL, np.maximum(parent_CxL, 0), axis=1)
  above_CxL = np.where(parent_CxL == structure.NONE, tokens.PAD, above_CxL)
  operators = context.universe.grammar.operators
  columns, names = [], []
  for parent in operators:
    for child in operators:
      column_C = np.any(
        (above_CxL == vocabulary.index[parent])
        & (tok_CxL == vocabulary.index[child]),
        axis=1,
      )
      if column_C.any():
        columns.append(column_C)
        names.append((parent, child))
  if len(names) < 2 * RUNGS:
    raise errors.InputError(
      f'split: {len(names)} kinds of operator edges are too few for a ladder'
    )
  return np.stack(columns, axis=1), names


def _choose(
  edge_CxK: np.ndarray,
  cell_C: np.ndarray,
  usable_C: np.ndarray,
  ratio: int,
  rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
  """The best of some random H, and how many tests each cell can have.

  Returns:
    Kinds of edges in random order, and capacity_G of the G cells.
  """
  kinds = edge_CxK.shape[1]
  # Programs with equal edges are alike: count them by cell.
  pattern_U = cells.combine(edge_CxK[usable_C].T)
  _, first = np.unique(pattern_U, return_index=True)
  edge_PxK = edge_CxK[usable_C][first]
  groups = int(cell_C.max()) + 1
  pair_N, count_N = np.unique(
    pattern_U * groups + cell_C[usable_C], return_counts=True
  )
  pattern_N, group_N = pair_N // groups, pair_N % groups

  def number_G(member_P: np.ndarray) -> np.ndarray:
    return np.bincount(
      group_N, count_N * member_P[pattern_N], minlength=groups
    ).astype(np.int64)

  best = np.zeros(0, np.int64), np.zeros(groups, np.int64)
  for _ in range(_DRAWS):
    order = rng.permutation(kinds)
    held, rest = order[: kinds // 2], order[kinds // 2 :]
    within_G = number_G(~edge_PxK[:, rest].any(axis=1))
    without_G = number_G(~edge_PxK[:, held].any(axis=1))
    capacity_G = np.minimum(within_G, without_G // (ratio + 1))
    if not len(best[0]) or capacity_G.sum() > best[1].sum():
      best = held, capacity_G
  return best


def _pick(
  member_C: np.ndarray,
  cell_C: np.ndarray,
  number_G: np.ndarray,
  rng: np.random.Generator,
  order_C: np.ndarray | None = None,
) -> np.ndarray:
  """So many members of each cell: in a random order, or by `order_C`."""
  member = np.flatnonzero(member_C)
  key = rng.permutation(len(member)) if order_C is None else order_C[member]
  member = member[np.lexsort((key, cell_C[member]))]
  start_G = np.searchsorted(cell_C[member], np.arange(len(number_G)))
  rank = np.arange(len(member)) - start_G[cell_C[member]]
  return np.sort(member[rank < number_G[cell_C[member]]])
