"""The audit passes a true universe and finds planted merges and splits."""

import numpy as np

from synth.language import grammar as grammar_lib
from synth.universe import audit
from synth.universe import build as build_lib
from synth.universe import forest as forest_lib
from synth.universe import universe as universe_lib


def _rebuild(tmp_path, arithmetic):
  directory = tmp_path / 'universe'
  universe = build_lib.build(directory, arithmetic, 5, seed=3)
  writable = {
    name: np.array(value) for name, value in vars(universe.forest).items()
  }
  return universe_lib.Universe(
    universe.grammar,
    forest_lib.Forest(**writable),
    universe.representative_CxL,
    universe.manifest,
  )


def test_a_true_universe_passes(universe7):
  found = audit.audit(universe7, pairs=200, seed=1)
  assert found.passed
  assert found.classes == 2516
  assert found.merged_pairs == found.unmerged_pairs == 200
  assert found.alternatives == len(universe7.forest.production_M)


def test_nearest_pairs_are_distinct_and_as_many_as_there_are(
  tmp_path, arithmetic, universe7
):
  for pairs in (500, 4000):  # with one neighbour each there are 1,864
    left_P, right_P = audit._nearest(universe7, pairs)
    assert len(left_P) == pairs
    assert (left_P < right_P).all()
    assert len(np.unique([left_P, right_P], axis=1).T) == pairs
  small = build_lib.build(tmp_path / 'u', arithmetic, 3, seed=0)
  classes = len(small.node_C)
  every = audit._nearest(small, 10_000)
  assert len(every[0]) == classes * (classes - 1) // 2


def test_a_typed_universe_passes(tmp_path):
  grammar = grammar_lib.parse('s ::= x | s + p\np ::= 2 | p * x | neg(s)')
  universe = build_lib.build(tmp_path / 'u', grammar, 7, seed=0)
  assert audit.audit(universe, pairs=50, seed=1).passed


def test_a_class_given_a_foreign_program_is_found(tmp_path, arithmetic):
  universe = _rebuild(tmp_path, arithmetic)
  forest = universe.forest
  # The last alternative of some class becomes an alternative of another.
  forest.arg_MxA[-1] = forest.arg_MxA[-1][::-1] + np.array([1, 0])
  found = audit.audit(universe, pairs=20, seed=1)
  assert not found.passed
  assert found.unequal_alternatives + found.equal_classes > 0


def test_a_class_that_is_there_twice_is_found(tmp_path, arithmetic):
  universe = _rebuild(tmp_path, arithmetic)
  forest = universe.forest
  # The last class computes what the one before it computes.
  first = forest.first_N1
  forest.production_M[first[-2]] = forest.production_M[first[-3]]
  forest.arg_MxA[first[-2]] = forest.arg_MxA[first[-3]]
  found = audit.audit(universe, pairs=20, seed=1)
  assert found.equal_classes == 1
  assert not found.passed


def test_wrongly_merged_programs_are_found_by_sympy(tmp_path, arithmetic):
  universe = _rebuild(tmp_path, arithmetic)
  forest = universe.forest
  # Every class shows the programs of the next one as well.
  several = np.flatnonzero(np.diff(forest.first_N1) > 1)
  last = forest.first_N1[several + 1] - 1
  forest.production_M[last] = np.roll(forest.production_M[last], 1)
  forest.arg_MxA[last] = np.roll(forest.arg_MxA[last], 1, axis=0)
  found = audit.audit(universe, pairs=300, seed=1)
  assert found.merged_pairs_unequal > 0
