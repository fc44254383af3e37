"""Certificates: what a split claims, checked from the universe alone.

Checks are booleans that must all hold; measurements are numbers to report.
The labels L1, L2, ... are those of the leakage certificate in methods 1.5.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.spatial

from synth import errors
from synth import seeding
from synth.language import structure
from synth.spaces import neighbours
from synth.spaces import space as space_lib
from synth.spaces import syntactic
from synth.splits import divergence
from synth.splits import holdout as holdout_lib
from synth.splits import regions
from synth.splits import split as split_lib
from synth.splits import support
from synth.universe import policies
from synth.universe import universe as universe_lib

_AUDIT_ATTEMPT = 1_000_003  # of drawing points: no enumeration gets there
_SAMPLE = 1000  # test programs whose nearest training program is searched
_DRAWS = 4  # programs of each training class that are searched for the edge
_QUANTILES = (0.05, 0.5, 0.95, 0.999)


class CertificateError(errors.InputError):
  """A split that does not hold what it claims."""


def require(place: object, checks: Mapping[str, bool]) -> None:
  """Raises CertificateError naming the checks that failed, if any."""
  failed = [name for name, holds in checks.items() if not holds]
  if failed:
    raise CertificateError(
      f'{place}: the split fails its certificate: {", ".join(failed)}'
    )


def usable(value_CxE: np.ndarray, ok_CxE: np.ndarray) -> np.ndarray:
  """Classes whose specification is theirs alone and fully defined: bool_C.

  Two classes with equal float32 outputs on the grid would be one ambiguous
  task (L2).
  """
  visible_CxE = np.where(ok_CxE, value_CxE, 0.0).astype(np.float32)
  visible_CxE += np.float32(0)  # -0 equals 0
  _, index_C, count = np.unique(
    visible_CxE.view(np.uint32), axis=0, return_inverse=True, return_counts=True
  )
  return (count[index_C] == 1) & ok_CxE.all(axis=1)


def certify(
  universe: universe_lib.Universe,
  usable_C: np.ndarray,
  split: split_lib.Split,
  holdout: holdout_lib.Holdout | None,
  spaces: space_lib.Spaces | None,
  seed: int,
) -> dict[str, dict[str, Any]]:
  """Checks a split.

  Args:
    universe: Its universe.
    usable_C: What `usable` says of the universe.
    split: The split.
    holdout: The held-out structure of a support split, else None.
    spaces: The universe's spaces, for a split by a region.
    seed: The split's seed (for cells and draws).

  Returns:
    {'checks': name -> bool, 'measurements': name -> value}.
  """
  checks: dict[str, bool] = {}
  measurements: dict[str, Any] = {}
  sets = split.evaluation_sets()
  checks['class_numbers_valid'] = all(
    np.issubdtype(classes.dtype, np.integer)
    and len(np.unique(classes)) == len(classes) > 0
    and classes.min() >= 0
    and classes.max() < len(universe.node_C)
    for classes in (*split.arms.values(), *sets.values())
  )
  if not checks['class_numbers_valid']:
    return {'checks': checks, 'measurements': measurements}
  checks['L1_classes_disjoint'] = _disjoint(universe, split, seed)
  checks['L2_specifications_distinct'] = bool(
    usable_C[np.concatenate([*split.arms.values(), *sets.values()])].all()
  )
  checks['class_hashes_match'] = {
    name: split_lib.class_hash(universe, classes)
    for name, classes in split.all_sets().items()
  } == split.facts.get('class_sha256')
  settings = split.facts['settings']
  checks['set_sizes_match_settings'] = len(split.dev) == settings[
    'num_dev'
  ] and all(
    len(classes) == settings['num_test'] for classes in split.tests.values()
  )
  measurements['ambiguous_classes'] = int((~usable_C).sum())
  if holdout is not None:
    _certify_support(split, holdout, seed, checks, measurements)
  if spaces is not None and settings['kind'] == 'region':
    _certify_region(universe, split, spaces, seed, checks, measurements)
  return {'checks': checks, 'measurements': measurements}


def _disjoint(
  universe: universe_lib.Universe, split: split_lib.Split, seed: int
) -> bool:
  """L1 by other means than enumeration: other primes, fresh points."""
  policy = policies.draw(universe.grammar, seed, _AUDIT_ATTEMPT)
  word_N = np.stack(policy.pack(universe.values_under(policy)), axis=1)
  _, identity_C = np.unique(
    word_N[universe.node_C], axis=0, return_inverse=True
  )
  sets = list(split.evaluation_sets().values())
  tested = np.concatenate([identity_C[classes] for classes in sets])
  trained = [identity_C[classes] for classes in split.arms.values()]
  return len(np.unique(tested)) == len(tested) and not any(
    np.isin(tested, train).any() for train in trained
  )


def _certify_support(
  split: split_lib.Split,
  holdout: holdout_lib.Holdout,
  seed: int,
  checks: dict[str, bool],
  measurements: dict[str, Any],
) -> None:
  """The claims of split S3."""
  universe = holdout.universe
  without, with_ = split.arms[support.WITHOUT], split.arms[support.WITH]
  novel, control = split.tests[support.NOVEL], split.tests[support.CONTROL]
  rng = seeding.generator(seed, 'certificate')

  def draw(classes: np.ndarray) -> np.ndarray:
    return holdout.sample_programs(classes, rng)

  def edge(tok_PxL: np.ndarray) -> np.ndarray:
    return structure.has_edge(
      tok_PxL, universe.vocabulary, holdout.parent, holdout.child
    )

  checks['L5_no_training_program_has_the_edge'] = not edge(
    draw(np.repeat(without, _DRAWS))
  ).any()
  checks['every_minimal_program_of_a_novel_class_has_the_edge'] = bool(
    holdout.forced_C(0)[novel].all()
    # The same, not by the restricted grammar but by the forest's programs.
    and edge(draw(np.repeat(novel, _DRAWS))).all()
  )
  checks['control_and_dev_do_not_need_the_edge'] = not np.any(
    holdout.novel_C[np.concatenate([control, split.dev])]
  )
  cell_C, tok_CxL = support.cells(holdout, seed)
  checks['test_sets_have_equal_cells'] = _equal_counts(
    cell_C[novel], cell_C[control]
  )
  checks['arms_have_equal_cells'] = _equal_counts(
    cell_C[without], cell_C[with_]
  )
  reach = holdout.restricted.max_size - universe.max_size
  measurements['forced_share_of_novel'] = {
    f'+{extra}': float(holdout.forced_C(extra)[novel].mean())
    for extra in range(0, reach + 1, 2)
  }
  measurements['novel_classes'] = int(holdout.novel_C.sum())
  measurements['swapped_classes'] = len(np.setdiff1d(with_, without))
  measurements['classes_without_edge_in_cells_of_tests'] = {
    arm: _left_in_cells(cell_C, classes[~holdout.novel_C[classes]], control)
    for arm, classes in ((support.WITHOUT, without), (support.WITH, with_))
  }
  measurements['with_edge_share_of_train_c'] = float(
    holdout.novel_C[with_].mean()
  )
  profiles = syntactic.profile(tok_CxL, universe.vocabulary)
  measurements.update(
    _divergences(
      tok_CxL,
      profiles,
      {support.WITHOUT: without, support.WITH: with_},
      {support.CONTROL: control, support.NOVEL: novel},
      rng,
    )
  )
  measurements['distance_to_train_s'] = {
    name: _quantiles(
      neighbours.nearest(
        profiles.take(classes[:_SAMPLE]), profiles.take(without)
      )[0]
    )
    for name, classes in (
      (support.CONTROL, control),
      (support.NOVEL, novel),
    )
  }


def _certify_region(
  universe: universe_lib.Universe,
  split: split_lib.Split,
  spaces: space_lib.Spaces,
  seed: int,
  checks: dict[str, bool],
  measurements: dict[str, Any],
) -> None:
  """The claims of splits S1 and S2; how far tests lie in both spaces."""
  settings = split.facts['settings']
  region = regions.make(
    universe, spaces, settings['space'], settings['shape'], seed
  )
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
  measurements['swapped_classes'] = len(np.setdiff1d(with_, without))
  measurements['classes_outside_in_cells_of_tests'] = {
    arm: _left_in_cells(
      region.cell_C, classes[~region.novel_C[classes]], control
    )
    for arm, classes in ((support.WITHOUT, without), (support.WITH, with_))
  }
  profiles = syntactic.profile(universe.representative_CxL, universe.vocabulary)
  tests = {support.CONTROL: control, support.NOVEL: novel}
  measurements['distance_to_train_s'] = {
    name: _quantiles(
      neighbours.nearest(
        profiles.take(classes[:_SAMPLE]), profiles.take(without)
      )[0]
    )
    for name, classes in tests.items()
  }
  tree = scipy.spatial.cKDTree(spaces.semantic_CxD[without])
  measurements['semantic_distance_to_train_s'] = {
    name: _quantiles(tree.query(spaces.semantic_CxD[classes])[0])
    for name, classes in tests.items()
  }


def _quantiles(distance_P: np.ndarray) -> dict[str, float]:
  """Some quantiles of distances, by their share."""
  values = np.quantile(distance_P, _QUANTILES).round(4).tolist()
  return dict(zip(map(str, _QUANTILES), values, strict=True))


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
  tok_CxL: np.ndarray,
  profiles: syntactic.Profiles,
  arms: Mapping[str, np.ndarray],
  tests: Mapping[str, np.ndarray],
  rng: np.random.Generator,
) -> dict[str, dict[str, float]]:
  """D_A and D_C of every arm and test set, with D_C's zero point.

  The zero point is the D_C of a random part of the arm, as large as the test
  set, against the rest: D_C is biased upwards in finite samples.
  """
  result: dict[str, dict[str, float]] = {
    'atom_divergence': {},
    'compound_divergence': {},
  }
  for arm, train in arms.items():
    for name, test in tests.items():
      pair = f'{arm} -> {name}'
      result['atom_divergence'][pair] = divergence.atoms(
        tok_CxL[train], tok_CxL[test]
      )
      result['compound_divergence'][pair] = divergence.compounds(
        profiles.take(train), profiles.take(test)
      )
    shuffled = rng.permutation(train)
    number = min(len(next(iter(tests.values()))), len(train) // 2)
    result['compound_divergence'][f'{arm} -> random part of itself'] = (
      divergence.compounds(
        profiles.take(shuffled[number:]), profiles.take(shuffled[:number])
      )
    )
  return {
    kind: {pair: round(value, 5) for pair, value in table.items()}
    for kind, table in result.items()
  }


def _equal_counts(a: np.ndarray, b: np.ndarray) -> bool:
  """Whether two lists hold the same values equally often."""
  return np.array_equal(np.sort(a), np.sort(b))
