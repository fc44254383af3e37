"""pq-gram profiles, distances, neighbours and both embeddings.

Oracles: hand counts of the worked example, a slow implementation straight from
the definition, a published distance, numpy's SVD, scipy.
"""

import collections

import numpy as np
import pytest

from synth import errors
from synth.language import program as program_lib
from synth.language import structure
from synth.language import tokens
from synth.spaces import grids
from synth.spaces import neighbours
from synth.spaces import semantic
from synth.spaces import syntactic
from tests import programs as programs_lib

_T = {
  't1': 'add x mul x 1',
  't2': 'add x mul 1 x',
  't3': 'add x mul x x',
  't4': 'add mul x 1 x',
  't5': 'add x x',
}


def _slow_profile(tree, p, q):
  """The bag of pq-grams by the definition; a tree is (label, *children)."""
  bag = collections.Counter()

  def visit(node, ancestors):
    stem = (*ancestors, node[0])[-p:]
    labels = [child[0] for child in node[1:]]
    pad = ['.'] * (q - 1)
    bases = pad + labels + pad if labels else ['.'] * q
    for i in range(len(bases) - q + 1):
      bag[(*stem, *bases[i : i + q])] += 1
    for child in node[1:]:
      visit(child, (*ancestors, node[0]))

  visit(tree, ('.',) * (p - 1))
  return bag


def _slow_distance(a, b):
  shared = (a & b).total()
  return 1 - shared / (a.total() + b.total() - shared)


def _tree(program):
  return (program.symbol, *(_tree(arg) for arg in program.args))


def _profiles(vocabulary, programs, p=2, q=3):
  length = max(program.size for program in programs)
  tok_PxL = np.stack([vocabulary.encode(x, length) for x in programs])
  return syntactic.profile(tok_PxL, vocabulary, p, q)


@pytest.fixture
def vocabulary(arithmetic):
  return tokens.Vocabulary.of(arithmetic)


def test_the_slow_definition_gives_the_published_distance():
  # Augsten et al., VLDB 2005: the Dice distance of these trees is 4/13.
  e, b, c, x = ('e',), ('b',), ('c',), ('x',)
  one = _slow_profile(('a', ('a', e, b), b, c), 2, 3)
  two = _slow_profile(('a', ('a', e, b), b, x), 2, 3)
  dice = 1 - 2 * (one & two).total() / (one.total() + two.total())
  assert dice == pytest.approx(0.3076923076923077, abs=1e-15)


def test_worked_example_grams(vocabulary):
  program = program_lib.from_preorder(_T['t1'].split())
  profiles = _profiles(vocabulary, [program])
  names = ['.', *vocabulary.symbols[1:]]
  found = {
    ' '.join(names[i] for i in row)
    for row, n in zip(
      profiles.labels(), profiles.count_PxG.toarray()[0], strict=True
    )
    if n
  }
  assert profiles.count_PxG.sum() == 11
  assert found == {
    '. add . . x', '. add . x mul', '. add x mul .', '. add mul . .',
    'add x . . .', 'add mul . . x', 'add mul . x 1', 'add mul x 1 .',
    'add mul 1 . .', 'mul x . . .', 'mul 1 . . .',
  }  # fmt: skip


@pytest.mark.parametrize(
  'p, q, number', [(2, 3, 11), (2, 2, 9), (1, 2, 9), (2, 1, 7), (1, 1, 7)]
)
def test_worked_example_sizes(vocabulary, p, q, number):
  program = program_lib.from_preorder(_T['t1'].split())
  assert _profiles(vocabulary, [program], p, q).count_PxG.sum() == number


@pytest.mark.parametrize(
  'other, size, shared, wanted',
  [
    ('t2', 11, 7, 8 / 15),
    ('t3', 11, 7, 8 / 15),
    ('t4', 11, 7, 8 / 15),
    ('t5', 6, 2, 13 / 15),
  ],
)
def test_worked_example_distances(vocabulary, other, size, shared, wanted):
  programs = [program_lib.from_preorder(_T[t].split()) for t in ('t1', other)]
  profiles = _profiles(vocabulary, programs)
  a, b = profiles.take([0]), profiles.take([1])
  assert b.count_PxG.sum() == size
  assert a.count_PxG.minimum(b.count_PxG).sum() == shared
  assert syntactic.distance(a, b)[0] == pytest.approx(wanted, abs=1e-15)


@pytest.mark.parametrize('p, q', [(2, 3), (3, 2), (1, 1), (4, 2)])
def test_profiles_equal_the_definition_on_random_trees(arithmetic, p, q):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  rng = np.random.default_rng(p * 10 + q)
  programs = [
    programs_lib.random_program(arithmetic, int(size), rng)
    for size in rng.choice([1, 3, 5, 7, 9, 11], 300)
  ]
  profiles = _profiles(vocabulary, programs, p, q)
  slow = [_slow_profile(_tree(program), p, q) for program in programs]
  names = ['.', *vocabulary.symbols[1:]]
  labels = [tuple(names[i] for i in row) for row in profiles.labels()]
  for row, bag in zip(profiles.count_PxG, slow, strict=True):
    dense = row.toarray()[0]
    assert {labels[g]: int(dense[g]) for g in np.flatnonzero(dense)} == bag
  half = len(programs) // 2
  index = np.arange(half)
  fast = syntactic.distance(profiles.take(index), profiles.take(half + index))
  wanted = [_slow_distance(slow[i], slow[half + i]) for i in index]
  np.testing.assert_allclose(fast, wanted, atol=1e-12)


def test_triangle_inequality_on_random_triples(universe7):
  profiles = syntactic.profile(
    universe7.representative_CxL, universe7.vocabulary
  )
  rng = np.random.default_rng(0)
  a, b, c = (profiles.take(rng.integers(0, 2516, 20_000)) for _ in range(3))
  through = syntactic.distance(a, b) + syntactic.distance(b, c)
  assert np.all(syntactic.distance(a, c) <= through + 1e-12)


def test_nearest_equals_brute_force(universe7):
  profiles = syntactic.profile(
    universe7.representative_CxL, universe7.vocabulary
  )
  rng = np.random.default_rng(0)
  rows = rng.permutation(len(universe7.node_C))
  query, among = profiles.take(rows[:300]), profiles.take(rows[300:900])
  distance_P, index_P = neighbours.nearest(query, among)
  for i in range(0, 300, 17):
    repeated = query.take(np.full(600, i))
    brute = syntactic.distance(repeated, among)
    assert distance_P[i] == pytest.approx(brute.min(), abs=1e-6)
    assert brute[index_P[i]] == pytest.approx(brute.min(), abs=1e-6)


def test_syntactic_pca_equals_numpy_svd(universe7):
  profiles = syntactic.profile(
    universe7.representative_CxL[:500], universe7.vocabulary
  )
  coordinate, explained = syntactic.embed(profiles, 8)
  root = np.sqrt(profiles.count_PxG.toarray().astype(float))
  root /= np.linalg.norm(root, axis=1, keepdims=True)
  root -= root.mean(axis=0)
  _, singular, axes = np.linalg.svd(root, full_matrices=False)
  wanted = root @ axes[:8].T
  np.testing.assert_allclose(np.abs(coordinate), np.abs(wanted), atol=1e-6)
  np.testing.assert_allclose(
    explained, (singular**2 / (singular**2).sum())[:8], atol=1e-9
  )


def test_semantic_space_is_standardized_and_keeps_its_variance(universe7):
  points = grids.specification([-433, -98, 5, 61, 204, 480], ('x',), 0)
  value_CxE, ok_CxE = semantic.values(universe7, points)
  assert ok_CxE.all()
  z_CxE = semantic.standardize(value_CxE, ok_CxE)
  np.testing.assert_allclose(z_CxE.mean(axis=0), 0, atol=1e-9)
  np.testing.assert_allclose(z_CxE.std(axis=0), 1, atol=1e-9)
  coordinate, explained = semantic.embed(z_CxE)
  assert 0.95 <= explained.sum() <= 1 + 1e-9
  np.testing.assert_allclose(
    coordinate.astype(float).var(axis=0) / z_CxE.var(axis=0).sum(),
    explained,
    atol=1e-6,
  )


def test_undefined_values_do_not_disturb_the_standardization():
  value = np.array([[1.0, 5.0], [2.0, 0.0], [3.0, 7.0]])
  ok = np.array([[True, True], [True, False], [True, True]])
  z = semantic.standardize(value, ok)
  assert z[1, 1] == 0
  np.testing.assert_allclose(z[[0, 2], 1], [-1, 1])


def test_grid_refuses_points_where_programs_have_poles():
  with pytest.raises(errors.InputError, match='194'):
    grids.specification([5, 194], ('x',), 0)
  with pytest.raises(errors.InputError, match='repeat'):
    grids.specification([5, 5], ('x',), 0)


def test_edges_are_found_where_the_tree_has_them(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  programs = programs_lib.all_programs(arithmetic, 5)
  tok_PxL = np.stack([vocabulary.encode(p, 5) for p in programs])

  def slow(node, parent, child):
    return (
      node.symbol == parent and any(a.symbol == child for a in node.args)
    ) or any(slow(a, parent, child) for a in node.args)

  for parent, child in (('sub', 'div'), ('div', 'div'), ('add', 'mul')):
    fast = structure.has_edge(tok_PxL, vocabulary, parent, child)
    assert fast.tolist() == [slow(p, parent, child) for p in programs]
    assert 0 < fast.sum() < len(programs)


def test_values_come_from_the_right_points(universe7):
  points = grids.specification([5, -61], ('x',), 0)
  value_CxE, _ = semantic.values(universe7, points)
  x_class = int(np.flatnonzero(
    (universe7.size_C == 1)
    & (
      universe7.representative_CxL[:, 0] == universe7.vocabulary.index['x']
    )
  )[0])  # fmt: skip
  np.testing.assert_allclose(value_CxE[x_class], [5 / 97, -61 / 97])
