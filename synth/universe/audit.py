"""Audits of a universe by means other than those that built it.

fresh primes   all alternatives of every class agree, and no two classes of
               a nonterminal do, at new points in new prime fields
merged         programs of one class are equal in sympy's field of rational
               functions (exact), for random pairs
unmerged       classes with the nearest outputs are not equal there
"""

import dataclasses
from typing import Any

import numpy as np
import scipy.spatial

from synth import progress
from synth import seeding
from synth.language import arithmetic
from synth.language import reference
from synth.universe import field as field_lib
from synth.universe import universe as universe_lib

_ATTEMPT = 2_000_003  # of drawing points: no enumeration gets there


@dataclasses.dataclass(frozen=True)
class Audit:
  """What was compared and how often it disagreed (0 everywhere is right)."""

  classes: int
  alternatives: int
  unequal_alternatives: int
  equal_classes: int
  merged_pairs: int
  merged_pairs_unequal: int
  unmerged_pairs: int
  unmerged_pairs_equal: int

  @property
  def passed(self) -> bool:
    """Whether nothing disagreed."""
    return not (
      self.unequal_alternatives
      or self.equal_classes
      or self.merged_pairs_unequal
      or self.unmerged_pairs_equal
    )

  def to_json(self) -> dict[str, Any]:
    """For reports."""
    return {**dataclasses.asdict(self), 'passed': self.passed}


def audit(universe: universe_lib.Universe, pairs: int, seed: int) -> Audit:
  """Runs all audits.

  Args:
    universe: What to audit.
    pairs: Number of merged and of unmerged pairs given to sympy.
    seed: Of points and pairs.
  """
  unequal_alternatives, equal_classes = _fresh_primes(universe, seed)
  rng = seeding.generator(seed, 'audit')
  bar = progress.Progress('audit with sympy', 2 * pairs, 'pairs')
  functions = reference.RationalFunctions(universe.grammar.variables)

  def function(tok_L: np.ndarray) -> object:
    return functions(universe.vocabulary.decode(tok_L))

  several = np.flatnonzero(universe.count_N[universe.node_C] > 1)
  merged = rng.choice(several, pairs) if len(several) else several
  node_P = universe.node_C[merged]
  unequal = 0
  first_PxL = universe.sample_programs(node_P, rng)
  second_PxL = universe.sample_programs(node_P, rng)
  for i, (a, b) in enumerate(zip(first_PxL, second_PxL, strict=True)):
    unequal += function(a) != function(b)
    bar.update(i + 1)
  left, right = _nearest(universe, pairs)
  equal = 0
  for i, (a, b) in enumerate(zip(left, right, strict=True)):
    equal += function(universe.representative_CxL[a]) == function(
      universe.representative_CxL[b]
    )
    bar.update(pairs + i + 1)
  return Audit(
    classes=len(universe.forest.size_N),
    alternatives=len(universe.forest.production_M),
    unequal_alternatives=unequal_alternatives,
    equal_classes=equal_classes,
    merged_pairs=len(merged),
    merged_pairs_unequal=int(unequal),
    unmerged_pairs=len(left),
    unmerged_pairs_equal=int(equal),
  )


def _fresh_primes(
  universe: universe_lib.Universe, seed: int
) -> tuple[int, int]:
  """Numbers of alternatives unlike their class and of classes alike."""
  forest = universe.forest
  points = field_lib.Field.draw(universe.grammar.variables, seed, _ATTEMPT)
  differs_M = np.zeros(len(forest.production_M), bool)
  residue_KxN = np.zeros((field_lib.NUM_POINTS, len(forest.size_N)), np.uint64)
  node_M = np.repeat(np.arange(len(forest.size_N)), np.diff(forest.first_N1))
  for k, field in enumerate(points.fields):
    inputs = {
      name: np.array(residues[k : k + 1], np.uint64)
      for name, residues in points.residues.items()
    }
    residue_KxN[k] = universe.evaluate_nodes(field, inputs)[0][:, 0]
    for number, rule in enumerate(universe.grammar.productions):
      rows = np.flatnonzero(forest.production_M == number)
      if rule.args and len(rows):
        args = forest.arg_MxA[rows, : len(rule.args)].T
        value, _ = field.apply(
          rule.symbol, *((residue_KxN[k, a], np.True_) for a in args)
        )
        differs_M[rows] |= value != residue_KxN[k, node_M[rows]]
  labelled = np.concatenate(
    [residue_KxN, forest.nonterminal_N[None].astype(np.uint64)]
  )
  distinct = np.unique(labelled, axis=1).shape[1]
  return int(differs_M.sum()), len(forest.size_N) - distinct


def _nearest(
  universe: universe_lib.Universe, pairs: int
) -> tuple[np.ndarray, np.ndarray]:
  """The pairs of classes whose outputs are nearest but not the same class."""
  rng = seeding.generator(0, 'audit grid')
  inputs = {name: rng.uniform(-5, 5, 8) for name in universe.grammar.variables}
  value_CxE, ok_CxE = universe.evaluate(arithmetic.Real(np, np.float64), inputs)
  point_CxE = np.where(ok_CxE, np.arcsinh(value_CxE), 100.0)
  if len(point_CxE) < 2:
    return np.zeros(0, np.int64), np.zeros(0, np.int64)
  distance, neighbour = scipy.spatial.cKDTree(point_CxE).query(point_CxE, k=2)
  other_C = np.where(
    neighbour[:, 0] == np.arange(len(point_CxE)),
    neighbour[:, 1],
    neighbour[:, 0],
  )
  closest = np.argsort(distance[:, 1], kind='stable')[:pairs]
  return closest, other_C[closest]
