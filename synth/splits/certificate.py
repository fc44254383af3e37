"""Certificates: what a split claims, checked from the universe alone.

Checks are booleans that must all hold; measurements are numbers to report.
The labels L1, L2, ... are explained in docs/definitions.md.
"""

from collections.abc import Mapping
import itertools
from typing import Any

import numpy as np

from synth import errors
from synth import seeding
from synth.language import edges as edges_lib
from synth.language import operators
from synth.language import reference
from synth.splits import cells
from synth.splits import context as context_lib
from synth.splits import distances
from synth.splits import divergence
from synth.splits import holdout as holdout_lib
from synth.splits import kinds
from synth.splits import ladder
from synth.splits import split as split_lib
from synth.splits import support
from synth.universe import policies

_AUDIT_ATTEMPT = 1_000_003  # of drawing points: no enumeration gets there
_SAMPLE = 200  # novel classes of a ladder whose other programs are searched
_MOST_VARIABLES = 6  # whose 719 renamings are all looked up
_DRAWS = 4  # programs of each training class that are searched for the edge
_DRAWN = 300  # programs of each arm that are looked up


class CertificateError(errors.InputError):
  """A split that does not hold what it claims."""


def require(place: object, checks: Mapping[str, bool]) -> None:
  """Raises CertificateError naming the checks that failed, if any."""
  failed = [name for name, holds in checks.items() if not holds]
  if failed:
    raise CertificateError(
      f'{place}: the split fails its certificate: {", ".join(failed)}'
    )


def certify(
  context: context_lib.Context, split: split_lib.Split
) -> dict[str, dict[str, Any]]:
  """Checks a split against what its settings say.

  Returns:
    {'checks': name -> bool, 'measurements': name -> value}.
  """
  checks: dict[str, bool] = {}
  measurements: dict[str, Any] = {}
  universe, usable_C = context.universe, context.usable_C
  sets = split.evaluation_sets()
  checks['class_numbers_valid'] = all(
    np.issubdtype(classes.dtype, np.integer)
    and len(classes) > 0
    and np.diff(np.sort(classes)).all()
    and classes.min() >= 0
    and classes.max() < len(universe.node_C)
    for classes in (*split.arms.values(), *sets.values())
  )
  if not checks['class_numbers_valid']:
    return {'checks': checks, 'measurements': measurements}
  checks['L1_classes_disjoint'] = _disjoint(context, split)
  checks['L2_specifications_distinct'] = bool(
    usable_C[np.concatenate([*split.arms.values(), *sets.values()])].all()
  )
  checks['class_hashes_match'] = {
    name: split_lib.class_hash(universe, classes)
    for name, classes in split.all_sets().items()
  } == split.facts.get('class_sha256')
  settings = context.settings
  checks['set_sizes_match_settings'] = len(split.dev) == settings[
    'num_dev'
  ] and all(
    len(classes) == settings['num_test'] for classes in split.tests.values()
  )
  defined_C = context.spaces.ok_CxE.all(axis=1)
  measurements['ambiguous_classes'] = int((defined_C & ~usable_C).sum())
  measurements['undefined_classes'] = int((~defined_C).sum())
  region = kinds.region(context)
  if region is not None:
    _certify_region(region, split, checks, measurements)
  if context.placed:
    checks['classes_stand_for_the_programs_that_were_placed'] = bool(
      (context.tok_CxL == universe.representative_CxL).all()
    )
  if context.holdout is not None:
    _certify_edges(context, split, checks, measurements)
  if settings['kind'] == 'ladder':
    _certify_ladder(context, split, checks, measurements)
  if settings['kind'] != 'density':
    measurements.update(_divergences(context, split))
  if 1 < len(universe.grammar.variables) <= _MOST_VARIABLES:
    measurements['L6_share_renamed_in_training'] = _renamed(context, split)
  measurements['distances'] = _distances(split)
  return {'checks': checks, 'measurements': measurements}


def certify_programs(
  context: context_lib.Context, split: split_lib.Split
) -> dict[str, bool]:
  """Checks that what arms show are minimal programs of their classes.

  Of some hundred random classes of each arm. Manifests have it among their
  notes: their hashes, which tell splits apart, go by the checks of `certify`.

  Returns:
    name -> bool.
  """
  holds = True
  for arm, classes in split.arms.items():
    rng = seeding.generator(context.seed, 'certificate', arm)
    class_P = rng.choice(classes, min(_DRAWN, len(classes)), replace=False)
    tok_PxL = context.draw(class_P, rng)
    holds &= np.array_equal(context.universe.minimal_classes(tok_PxL), class_P)
  return {'drawn_programs_are_of_their_class': holds}


def _disjoint(context: context_lib.Context, split: split_lib.Split) -> bool:
  """L1 by other means than enumeration: other primes, fresh points.

  Two functions of an order can differ only between those points, as `9` and
  `max(9, 1 / x)` where 0 < x < 1/9. Exact values on the specification grid say
  whether they do. Transcendental ones have none: alike is equal.
  """
  universe = context.universe
  policy = policies.draw(universe.grammar, context.seed, _AUDIT_ATTEMPT)
  word_NxW = np.stack(policy.pack(universe.values_under(policy)), axis=1)
  word_CxW = word_NxW[universe.node_C]
  order = np.lexsort(word_CxW.T)
  differs = (word_CxW[order[1:]] != word_CxW[order[:-1]]).any(axis=1)
  identity_C = np.zeros(len(order), np.int64)
  identity_C[order[1:]] = np.cumsum(differs)
  sets = list(split.evaluation_sets().values())
  if operators.TRANSCENDENTAL not in operators.kinds(
    universe.grammar.operators
  ):
    used = np.unique(np.concatenate([*split.arms.values(), *sets]))
    _, group_U, number = np.unique(
      identity_C[used], return_inverse=True, return_counts=True
    )
    names: dict[tuple[int, tuple[Any, ...]], int] = {}
    for alike in used[number[group_U] > 1].tolist():
      name = int(identity_C[alike]), _exact_values(context, alike)
      identity_C[alike] = len(order) + names.setdefault(name, len(names))
  tested = np.concatenate([identity_C[classes] for classes in sets])
  trained = [identity_C[classes] for classes in split.arms.values()]
  return len(np.unique(tested)) == len(tested) and not any(
    np.isin(tested, train).any() for train in trained
  )


def _exact_values(context: context_lib.Context, number: int) -> tuple[Any, ...]:
  """What a class is on the specification grid, by its representative."""
  universe = context.universe
  program = universe.vocabulary.decode(universe.representative_CxL[number])
  return tuple(
    reference.evaluate(program, dict(zip(context.grid, point, strict=True)))
    for point in zip(*context.grid.values(), strict=True)
  )


def _certify_region(
  region: support.Region,
  split: split_lib.Split,
  checks: dict[str, bool],
  measurements: dict[str, Any],
) -> None:
  """The claims of a split with two arms, whatever is held out."""
  without, with_ = split.arms[support.WITHOUT], split.arms[support.WITH]
  novel, control = split.tests[support.NOVEL], split.tests[support.CONTROL]
  near_C = region.novel_C | region.buffer_C
  checks['novel_lies_in_the_region'] = bool(region.novel_C[novel].all())
  checks['nothing_else_is_in_or_near_it'] = not np.any(
    near_C[np.concatenate([without, control, split.dev])]
  ) and not np.any(region.buffer_C[with_])
  checks['test_sets_have_equal_cells'] = _equal_counts(
    region.cell_C[novel], region.cell_C[control]
  )
  checks['arms_have_equal_cells'] = _equal_counts(
    region.cell_C[without], region.cell_C[with_]
  )
  measurements['classes_in_the_region'] = int(region.novel_C.sum())
  measurements['classes_in_the_buffer'] = int(region.buffer_C.sum())
  measurements['swapped_classes'] = int((~np.isin(with_, without)).sum())
  measurements['region_share_of_train_c'] = float(region.novel_C[with_].mean())
  measurements['classes_outside_in_cells_of_tests'] = {
    arm: _left_in_cells(
      region.cell_C, classes[~region.novel_C[classes]], control
    )
    for arm, classes in split.arms.items()
  }


def _certify_edges(
  context: context_lib.Context,
  split: split_lib.Split,
  checks: dict[str, bool],
  measurements: dict[str, Any],
) -> None:
  """The claims of splits S3 and S6, and of their negative control."""
  holdout = context.holdout
  assert holdout is not None
  without, novel = split.arms[support.WITHOUT], split.tests[support.NOVEL]
  rng = seeding.generator(context.seed, 'certificate')

  def draw(classes: np.ndarray) -> np.ndarray:
    return context.draw(np.repeat(classes, _DRAWS), rng)

  checks['L5_no_training_program_has_the_edge'] = not holdout.has(
    draw(without)
  ).any()
  has_P = holdout.has(draw(novel))
  if holdout.kind == holdout_lib.NEEDED:
    checks['every_minimal_program_of_a_novel_class_has_the_edge'] = bool(
      holdout.forced_C(0)[novel].all()
      # The same, not by the restricted grammar but by the forest's programs.
      and has_P.all()
    )
  else:
    checks['novel_classes_have_the_edge_and_need_not'] = bool(
      not holdout.forced_C(0)[novel].any() and has_P.any() and not has_P.all()
    )
    measurements['share_of_novel_programs_with_the_edge'] = float(has_P.mean())
  reach = holdout.restricted.max_size - holdout.universe.max_size
  measurements['forced_share_of_novel'] = {
    f'+{extra}': float(holdout.forced_C(extra)[novel].mean())
    for extra in range(0, reach + 1, 2)
  }
  told = split.facts.get('minimal_distance', {}).get(support.NOVEL, {})
  checks['L4_novel_programs_keep_their_distance'] = (
    told.get('0.0', 0.0) >= context.settings['min_distance']
  )


def _certify_ladder(
  context: context_lib.Context,
  split: split_lib.Split,
  checks: dict[str, bool],
  measurements: dict[str, Any],
) -> None:
  """The claims of split S4."""
  edge_CxK, names = ladder.operator_edges(context)
  number = {' > '.join(name): kind for kind, name in enumerate(names)}
  held_out = {
    arm: [number[name] for name in told]
    for arm, told in split.facts['held_out'].items()
  }
  top = held_out[ladder.arm(ladder.RUNGS)]
  rest = np.setdiff1d(np.arange(len(names)), top)
  novel, control = split.tests[support.NOVEL], split.tests[support.CONTROL]
  checks['no_program_of_an_arm_has_its_held_out_edges'] = not any(
    edge_CxK[classes][:, held_out[arm]].any()
    for arm, classes in split.arms.items()
  )
  checks['novel_programs_have_held_out_edges_only'] = bool(
    edge_CxK[novel][:, top].any(axis=1).all()
    and not edge_CxK[novel][:, rest].any()
  )
  checks['control_programs_have_none'] = not edge_CxK[control][:, top].any()
  cell_C = cells.by_symbols(context.tok_CxL, context.universe.vocabulary)
  ratio = context.settings['num_arm'] // context.settings['num_test']
  wanted = np.repeat(cell_C[novel], ratio)
  checks['test_sets_have_equal_cells'] = _equal_counts(
    cell_C[novel], cell_C[control]
  )
  checks['arms_have_the_cells_of_the_tests'] = all(
    _equal_counts(wanted, cell_C[classes]) for classes in split.arms.values()
  )
  sample = novel[:_SAMPLE]
  vocabulary = context.universe.vocabulary
  edges = {
    edges_lib.Edge(names[kind][0], argument, names[kind][1])
    for kind in top
    for argument in range(operators.OPERATORS[names[kind][0]].arity)
  }
  tok_QxL, owner_Q = support.minimal_rows(context, sample)
  without_Q = ~edges_lib.has(tok_QxL, vocabulary, edges)
  measurements['share_of_novel_without_other_minimal_programs'] = float(
    np.mean(np.bincount(owner_Q, without_Q) == 0)
  )


def _renamed(
  context: context_lib.Context, split: split_lib.Split
) -> dict[str, dict[str, float]]:
  """Of each arm and set the share that is a function of the arm, renamed.

  That is, some permutation of the variables makes it one.
  """
  universe = context.universe
  variables = universe.grammar.variables
  sets = split.evaluation_sets()
  tested = np.concatenate(list(sets.values()))
  node_I = universe.node_C[tested]
  in_arm_AxC = np.zeros((len(split.arms), len(universe.node_C)), bool)
  for in_arm_C, train in zip(in_arm_AxC, split.arms.values(), strict=True):
    in_arm_C[train] = True
  found_AxI = np.zeros((len(split.arms), len(tested)), bool)
  for order in list(itertools.permutations(variables))[1:]:
    policy = universe.policy.renamed(dict(zip(variables, order, strict=True)))
    value = universe.values_under(policy)
    key_I = np.zeros(len(node_I), universe.key_C.dtype)
    key_I['key'], key_I['rest'] = policy.pack(tuple(v[node_I] for v in value))
    class_I = universe.find(key_I)
    found_AxI |= in_arm_AxC[:, class_I] & (class_I >= 0)
  ends = np.cumsum([len(classes) for classes in sets.values()])[:-1]
  return {
    arm: {
      name: float(part_I.mean())
      for name, part_I in zip(sets, np.split(found_I, ends), strict=True)
    }
    for arm, found_I in zip(split.arms, found_AxI, strict=True)
  }


def _distances(split: split_lib.Split) -> dict[str, Any]:
  """Quantiles of the distances to each arm, and how many tests are far."""
  ends = np.cumsum([len(c) for c in split.evaluation_sets().values()])
  found: dict[str, Any] = {}
  for arm, distance_2xI in split.distances.items():
    found[arm] = {}
    parts = np.split(distance_2xI, ends[:-1], axis=1)
    for name, part_2xI in zip(split.evaluation_sets(), parts, strict=True):
      found[arm][name] = {}
      for space, distance_I in zip(distances.ROWS, part_2xI, strict=True):
        bounds = split.facts['distance_bounds'][arm][space]
        found[arm][name][space] = {
          **support.quantiles(distance_I),
          'near': round(float((distance_I <= bounds['near']).mean()), 4),
          'far': round(float((distance_I >= bounds['far']).mean()), 4),
        }
  return found


def _left_in_cells(
  cell_C: np.ndarray, train: np.ndarray, tests: np.ndarray
) -> dict[str, float]:
  """How many of `train` share the cell of a test: mean, and share with none.

  Replacing controls by novel classes thins out the cells that tests come from.
  """
  number_I = np.bincount(cell_C[train], minlength=cell_C.max() + 1)[
    cell_C[tests]
  ]
  return {
    'mean': float(number_I.mean()),
    'share_with_none': float((number_I == 0).mean()),
  }


def _divergences(
  context: context_lib.Context, split: split_lib.Split
) -> dict[str, dict[str, float]]:
  """D_A and D_C of every arm and test set, with D_C's zero point.

  The zero point is the D_C of a random part of the arm, as large as the test
  set, against the rest: D_C is biased upwards in finite samples.
  """
  tok_CxL, profiles = context.tok_CxL, context.profiles
  atom: dict[str, float] = {}
  compound: dict[str, float] = {}
  for arm, train in split.arms.items():
    for name, test in split.tests.items():
      pair = f'{arm} -> {name}'
      atom[pair] = divergence.atoms(tok_CxL[train], tok_CxL[test])
      compound[pair] = divergence.compounds(
        profiles.take(train), profiles.take(test)
      )
    rng = seeding.generator(context.seed, 'divergences', arm)
    shuffled = rng.permutation(train)
    number = min(context.settings['num_test'], len(train) // 2)
    compound[f'{arm} -> random part of itself'] = divergence.compounds(
      profiles.take(shuffled[number:]), profiles.take(shuffled[:number])
    )
  return {
    kind: {pair: round(value, 5) for pair, value in table.items()}
    for kind, table in (
      ('atom_divergence', atom),
      ('compound_divergence', compound),
    )
  }


def _equal_counts(a: np.ndarray, b: np.ndarray) -> bool:
  """Whether two lists hold the same values equally often."""
  return np.array_equal(np.sort(a), np.sort(b))
