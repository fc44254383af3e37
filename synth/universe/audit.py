"""Audits of a universe by means other than those that built it.

brute force    every program up to size 7, formed one by one, is in the class
               and counted in the multiplicities that the universe says
fresh points   all alternatives of every class agree, and no two classes of a
               nonterminal do, at points (and primes) drawn anew
merged         programs of one class are equal by a reference, for random pairs
unmerged       classes with the nearest outputs are not

The reference is sympy's field of rational functions where that decides, exact
rationals at fresh points for piecewise functions, and sixty digits at fresh
points for the rest. The policy `field` must pass without any disagreement. The
others are observational: what disagrees at fresh points are false merges, and
the audit measures their rate; it fails if an exact part disagrees.
"""

from collections.abc import Callable
import dataclasses
import fractions
from typing import Any

import numpy as np
import scipy.spatial

from synth import progress
from synth import seeding
from synth.language import arithmetic
from synth.language import multiprecision
from synth.language import program as program_lib
from synth.language import reference
from synth.universe import brute_force
from synth.universe import field
from synth.universe import identity
from synth.universe import policies
from synth.universe import rounded
from synth.universe import universe as universe_lib

_ATTEMPT = 2_000_003  # of drawing points: no enumeration gets there
_BRUTE_FORCE_SIZE = 7
_DIGITS = 60
_FRESH = 100  # points at which the reference compares, if it needs any

Function = Callable[[program_lib.Node], object]


@dataclasses.dataclass(frozen=True)
class Audit:
  """What was compared and how often it disagreed.

  Attributes:
    policy: The identity policy.
    brute_force_size: All programs up to this size were formed.
    brute_force_disagreements: Classes and sizes with a wrong count.
    classes, alternatives: Numbers of what was evaluated at fresh points.
    unequal_alternatives: Alternatives unlike their class there.
    equal_classes: Classes like another one there.
    merged_pairs, merged_pairs_unequal: Programs of one class; false merges.
    unmerged_pairs, unmerged_pairs_equal: Of two classes, the nearest distinct
      pairs; false splits.
    congruent_classes: Classes that share a congruence with another one: false
      splits for certain; None where the policy has no congruence.
  """

  policy: str
  brute_force_size: int
  brute_force_disagreements: int
  classes: int
  alternatives: int
  unequal_alternatives: int
  equal_classes: int
  merged_pairs: int
  merged_pairs_unequal: int
  unmerged_pairs: int
  unmerged_pairs_equal: int
  congruent_classes: int | None

  @property
  def passed(self) -> bool:
    """Whether nothing disagreed that the policy promises."""
    disagreements = {
      'rounded': [],
      'ordered': [self.brute_force_disagreements],
      'field': [
        self.brute_force_disagreements,
        self.unequal_alternatives,
        self.equal_classes,
        self.merged_pairs_unequal,
        self.unmerged_pairs_equal,
      ],
    }
    return not any(disagreements[self.policy])

  def to_json(self) -> dict[str, Any]:
    """For reports."""
    return {**dataclasses.asdict(self), 'passed': self.passed}


def audit(universe: universe_lib.Universe, pairs: int, seed: int) -> Audit:
  """Runs all audits.

  Args:
    universe: What to audit.
    pairs: Number of merged and of unmerged pairs given to the reference.
    seed: Of points and pairs.
  """
  size = 0
  if universe.manifest['multiplicities']:
    size = brute_force.reach(universe, _BRUTE_FORCE_SIZE)
  size, wrong = _brute_force(universe, size)
  unequal_alternatives, equal_classes = _fresh_points(universe, seed)
  rng = seeding.generator(seed, 'audit')
  bar = progress.Progress('audit pairs', 2 * pairs, 'pairs')
  function = _reference(universe, seed)
  several = np.flatnonzero(universe.count_N[universe.node_C] > 1)
  merged = rng.choice(several, pairs) if len(several) else several
  node_P = universe.node_C[merged]
  unequal = 0
  first_PxL = universe.sample_programs(node_P, rng)
  second_PxL = universe.sample_programs(node_P, rng)
  for i, (a, b) in enumerate(zip(first_PxL, second_PxL, strict=True)):
    one, other = map(universe.vocabulary.decode, (a, b))
    unequal += function(one) != function(other)
    bar.update(i + 1)
  left, right = _nearest(universe, pairs)
  equal = 0
  for i, rows in enumerate(zip(left, right, strict=True)):
    one, other = (
      universe.vocabulary.decode(universe.representative_CxL[c]) for c in rows
    )
    equal += function(one) == function(other)
    bar.update(pairs + i + 1)
  return Audit(
    policy=universe.policy.name,
    brute_force_size=size,
    brute_force_disagreements=wrong,
    classes=len(universe.forest.size_N),
    alternatives=len(universe.forest.production_M),
    unequal_alternatives=unequal_alternatives,
    equal_classes=equal_classes,
    merged_pairs=len(merged),
    merged_pairs_unequal=int(unequal),
    unmerged_pairs=len(left),
    unmerged_pairs_equal=int(equal),
    congruent_classes=_congruent(universe),
  )


def _brute_force(universe: universe_lib.Universe, size: int) -> tuple[int, int]:
  """The size that could be formed, and the disagreements up to it."""
  while size:
    try:
      return size, brute_force.disagreements(universe, size)
    except identity.UnluckyPoints:  # values that floats alone cannot order
      size -= 1
  return 0, 0


def _reference(universe: universe_lib.Universe, seed: int) -> Function:
  """What a program computes, as something to compare."""
  if universe.policy.name == field.Field.name:
    return reference.RationalFunctions(universe.grammar.variables)
  span = 6
  system: arithmetic.Rational | multiprecision.Multiprecision
  system = arithmetic.Rational()
  if isinstance(universe.policy, rounded.Rounded):
    span, system = 4, multiprecision.Multiprecision(_DIGITS)
  rng = seeding.generator(seed, 'audit points')
  # Where the policy looks too: farther out, exp(exp(x)) is undefined.
  points = [
    {
      name: fractions.Fraction(int(rng.integers(-101, 101)) * 2 + 1, 202) * span
      for name in universe.grammar.variables
    }
    for _ in range(_FRESH)
  ]

  def function(program: program_lib.Node) -> object:
    values = [reference.evaluate(program, point, system) for point in points]
    if isinstance(system, arithmetic.Rational):
      return values
    return [
      value if isinstance(value, reference.Undefined) else system.digits(value)
      for value in values
    ]

  return function


def _fresh_points(
  universe: universe_lib.Universe, seed: int
) -> tuple[int, int]:
  """Numbers of alternatives unlike their class and of classes alike."""
  forest = universe.forest
  policy = policies.draw(universe.grammar, seed, _ATTEMPT)
  values = universe.values_under(policy)
  word_N = policy.pack(values)
  node_M = np.repeat(np.arange(len(forest.size_N)), np.diff(forest.first_N1))
  unequal = 0
  for number, rule in enumerate(universe.grammar.productions):
    rows = np.flatnonzero(forest.production_M == number)
    if not rule.args or not len(rows):
      continue
    for start in range(0, len(rows), 1 << 16):
      part = rows[start : start + (1 << 16)]
      found = policy.of_nodes(
        rule.symbol,
        forest.arg_MxA[part, : len(rule.args)],
        values,
        universe.exact_under(policy),
      )
      own = policy.pack(found)
      differs = [
        mine != word[node_M[part]]
        for mine, word in zip(own, word_N, strict=True)
      ]
      unequal += int(np.logical_or(*differs).sum())
  labelled = np.stack([*word_N, forest.nonterminal_N.astype(np.uint64)])
  distinct = np.unique(labelled, axis=1).shape[1]
  return unequal, len(forest.size_N) - distinct


def _congruent(universe: universe_lib.Universe) -> int | None:
  """Classes congruent to another class of their nonterminal."""
  policy = universe.policy
  if not isinstance(policy, rounded.Rounded):
    return None
  residues = universe.values_under(policy)[1:]
  words = policy.congruence.pack(residues)
  labelled = np.stack([*words, universe.forest.nonterminal_N.astype(np.uint64)])
  distinct = np.unique(labelled, axis=1).shape[1]
  return int(labelled.shape[1] - distinct)


def _nearest(
  universe: universe_lib.Universe, pairs: int
) -> tuple[np.ndarray, np.ndarray]:
  """The distinct pairs of classes whose outputs are nearest.

  Each class with its nearest other, or with as many of them as it takes to have
  so many pairs. Nearest first, in each pair the class of lower number.
  """
  rng = seeding.generator(0, 'audit grid')
  inputs = {name: rng.uniform(-5, 5, 8) for name in universe.grammar.variables}
  value_CxE, ok_CxE = universe.evaluate(arithmetic.Real(np, np.float64), inputs)
  point_CxE = np.where(ok_CxE, np.arcsinh(value_CxE), 100.0)
  classes = len(point_CxE)
  if classes < 2:
    return np.zeros(0, np.int64), np.zeros(0, np.int64)
  tree = scipy.spatial.cKDTree(point_CxE)
  near = 2  # a class itself and another
  left_P, right_P = _pairs_of(tree, near)
  while len(left_P) < pairs and near < classes:
    near = min(2 * near, classes)
    left_P, right_P = _pairs_of(tree, near)
  return left_P[:pairs], right_P[:pairs]


def _pairs_of(
  tree: scipy.spatial.cKDTree, near: int
) -> tuple[np.ndarray, np.ndarray]:
  """Distinct pairs of points, each with those nearest to it, nearest first."""
  distance_CxK, other_CxK = tree.query(tree.data, k=near)
  own_CxK = np.broadcast_to(np.arange(tree.n)[:, None], other_CxK.shape)
  apart_CxK = own_CxK != other_CxK
  pair_Px2 = np.sort(
    np.stack([own_CxK[apart_CxK], other_CxK[apart_CxK]], axis=1), axis=1
  )
  # A pair that both its points name is one.
  pair_Px2, first_P = np.unique(pair_Px2, axis=0, return_index=True)
  order_P = np.argsort(distance_CxK[apart_CxK][first_P], kind='stable')
  left_P, right_P = pair_Px2[order_P].T
  return left_P, right_P
