"""pq-gram profiles, distances, neighbours and both embeddings.

Oracles: hand counts of the worked example, a slow implementation straight from
the definition, a published distance, numpy's SVD, scipy.
"""

import collections
import dataclasses
import shutil

import numpy as np
import pytest
import scipy.sparse
import scipy.spatial

from synth import errors
from synth import store
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.language import structure
from synth.language import tokens
from synth.spaces import blocks
from synth.spaces import dimension
from synth.spaces import edit_distance
from synth.spaces import grids
from synth.spaces import neighbours
from synth.spaces import pca
from synth.spaces import points
from synth.spaces import semantic
from synth.spaces import space as space_lib
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
def mixed(tmp_path):
  """A grammar with operators of one, two and three arguments."""
  path = tmp_path / 'mixed.bnf'
  path.write_text(
    'e ::= x | y | 1 | neg(e) | e + e | e - e | max(e, e) | if(e, e, e)\n'
  )
  return grammar_lib.load(path)


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


def _streaming_profile(symbols, arity, p, q):
  """The same in one pass over the preorder, with a register of the last q.

  As Augsten et al. compute it: nothing is kept but the path to the root and the
  window of each node on it.
  """
  bag = collections.Counter()
  path = []  # (label, window, children still to come)
  for symbol in symbols:
    if path:
      path[-1][1].append(symbol)
      path[-1][2] -= 1
      stem = [label for label, _, _ in path]
      bag[_gram(stem, path[-1][1][-q:], p)] += 1
    path.append([symbol, ['.'] * q, arity[symbol]])
    while path and not path[-1][2]:
      label, window, _ = path.pop()
      stem = [above for above, _, _ in path] + [label]
      for _ in range(q - 1 if arity[label] else 1):
        window.append('.')
        bag[_gram(stem, window[-q:], p)] += 1
  return bag


def _gram(stem, base, p):
  return (*(['.'] * (p - 1) + stem)[-p:], *base)


@pytest.mark.parametrize('p, q', [(2, 3), (3, 2), (1, 1), (4, 2)])
@pytest.mark.parametrize('grammar', ['arithmetic', 'mixed'])
def test_profiles_equal_the_definition_on_random_trees(request, grammar, p, q):
  grammar = request.getfixturevalue(grammar)
  vocabulary = tokens.Vocabulary.of(grammar)
  rng = np.random.default_rng(p * 10 + q)
  programs = [
    programs_lib.random_program(grammar, int(size), rng)
    for size in rng.choice([1, 3, 5, 7, 9, 11], 200)
  ]
  profiles = _profiles(vocabulary, programs, p, q)
  arity = dict(
    zip(vocabulary.symbols, vocabulary.arity_V.tolist(), strict=True)
  )
  slow = [_slow_profile(_tree(program), p, q) for program in programs]
  assert slow == [
    _streaming_profile(program_lib.preorder(program), arity, p, q)
    for program in programs
  ]
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


@pytest.mark.parametrize(
  'written, wanted',
  [
    # Operators come before variables, and those before constants.
    ('add x mul x 1', 'add mul x 1 x'),
    ('add x mul 1 x', 'add mul x 1 x'),
    ('add mul x 1 x', 'add mul x 1 x'),
    ('sub x mul 1 x', 'sub x mul x 1'),  # a difference stays as it is
    ('add 1 x', 'add x 1'),
    ('div mul 1 x add 2 x', 'div mul x 1 add x 2'),
    # Equal down to the last symbols, and only once those are sorted.
    ('mul add x 2 add 1 x', 'mul add x 1 add x 2'),
    ('add mul x x mul x 1', 'add mul x x mul x 1'),
    ('add sub x 3 sub x 2', 'add sub x 2 sub x 3'),
    ('x', 'x'),
  ],
)
def test_sorted_trees_by_hand(vocabulary, written, wanted):
  tok_PxL = np.stack(
    [
      vocabulary.encode(program_lib.from_preorder(text.split()), 8)
      for text in (written, wanted)
    ]
  )
  found = structure.sort_commutative(tok_PxL, vocabulary)
  assert found.tolist() == [tok_PxL[1].tolist()] * 2


def test_sorted_trees_are_one_for_all_orders_of_arguments(mixed):
  vocabulary = tokens.Vocabulary.of(mixed)
  rng = np.random.default_rng(0)

  def shuffled(program):
    args = [shuffled(arg) for arg in program.args]
    if program.symbol in ('add', 'max') and rng.random() < 0.5:
      args.reverse()
    return program_lib.Node(program.symbol, tuple(args))

  def unordered(program):
    args = [unordered(arg) for arg in program.args]
    if program.symbol in ('add', 'max'):
      args.sort()
    return (program.symbol, *args)

  programs = [
    programs_lib.random_program(mixed, int(size), rng)
    for size in rng.choice([5, 7, 9, 11], 300)
  ]
  rows = [
    structure.sort_commutative(
      np.stack([vocabulary.encode(program, 11) for program in some]), vocabulary
    )
    for some in (programs, list(map(shuffled, programs)))
  ]
  np.testing.assert_array_equal(*rows)
  for program, row in zip(programs, rows[0], strict=True):
    assert unordered(vocabulary.decode(row)) == unordered(program)


def test_sorted_profiles_do_not_see_the_order_of_arguments(vocabulary):
  programs = [program_lib.from_preorder(text.split()) for text in _T.values()]
  tok_PxL = np.stack([vocabulary.encode(program, 5) for program in programs])
  profiles = syntactic.profile(tok_PxL, vocabulary, trees=syntactic.SORTED)
  first = profiles.take(np.zeros(5, int))
  apart = syntactic.distance(first, profiles)
  assert (apart == 0).tolist() == [True, True, False, True, False]


def test_grams_that_cannot_be_coded_are_refused(vocabulary):
  row = np.zeros((1, 1), np.int8)
  for settings in ({'p': 0}, {'q': 17, 'p': 9}, {'trees': 'unordered'}):
    with pytest.raises(errors.InputError):
      syntactic.profile(row, vocabulary, **settings)


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
  distance_P = neighbours.nearest(query, among)
  for i in range(0, 300, 17):
    repeated = query.take(np.full(600, i))
    brute = syntactic.distance(repeated, among)
    assert distance_P[i] == brute.min()


def test_nearest_in_subsets_equals_brute_force(universe7):
  profiles = syntactic.profile(
    universe7.representative_CxL, universe7.vocabulary
  )
  rng = np.random.default_rng(0)
  number = profiles.count_PxG.shape[0]
  # Two overlapping subsets, one within the first rows; queries are programs of
  # theirs or not.
  member_AxT = np.stack(
    [np.arange(number) < 300, rng.random(number) < 0.5, np.ones(number, bool)]
  )
  query = rng.permutation(number)[:60]
  index = neighbours.Index(profiles, member_AxT=member_AxT)
  distance_AxP = index.nearest(profiles.take(query), query)
  for place, row in enumerate(query):
    repeated = profiles.take(np.full(number, row))
    brute = syntactic.distance(repeated, profiles)
    brute[row] = np.inf  # not its own neighbour
    for subset, member_T in enumerate(member_AxT):
      assert distance_AxP[subset, place] == brute[member_T].min()
  with pytest.raises(ValueError, match='nothing to be near to'):
    neighbours.Index(profiles, member_AxT=np.zeros((1, number), bool))


def test_nearest_of_any_program_of_an_owner_equals_brute_force(universe7):
  profiles = syntactic.profile(
    universe7.representative_CxL, universe7.vocabulary
  )
  rng = np.random.default_rng(1)
  rows = rng.permutation(len(universe7.node_C))
  query, among = profiles.take(rows[:400]), profiles.take(rows[400:])
  owner_P = np.sort(rng.integers(0, 160, 400))  # more than one block of owners
  owner_P = np.unique(owner_P, return_inverse=True)[1]
  (found_O,) = neighbours.Index(among).nearest(query, owner_P=owner_P)
  alone_P = neighbours.nearest(query, among)
  np.testing.assert_array_equal(
    found_O, [alone_P[owner_P == o].min() for o in range(len(found_O))]
  )


def test_nearest_of_programs_profiled_by_themselves(universe7):
  vocabulary, tok_CxL = universe7.vocabulary, universe7.representative_CxL
  together = syntactic.profile(tok_CxL, vocabulary)
  # The two have grams that the other has not.
  query = syntactic.profile(tok_CxL[:40], vocabulary)
  among = syntactic.profile(tok_CxL[300:900], vocabulary)
  assert np.setdiff1d(query.gram_G, among.gram_G).size
  np.testing.assert_array_equal(
    neighbours.nearest(query, among),
    neighbours.nearest(
      together.take(np.arange(40)), together.take(np.arange(300, 900))
    ),
  )
  other = syntactic.profile(tok_CxL[:40], vocabulary, q=2)
  with pytest.raises(ValueError, match='different grams'):
    neighbours.nearest(other, among)


def test_a_program_alone_has_no_neighbour(universe7):
  profiles = syntactic.profile(
    universe7.representative_CxL[:3], universe7.vocabulary
  )
  index = neighbours.Index(profiles, member_AxT=np.eye(3, dtype=bool))
  found = index.nearest(profiles, np.arange(3))
  assert np.isinf(np.diag(found)).all()
  assert np.isfinite(found[~np.eye(3, dtype=bool)]).all()


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


def test_streamed_moments_are_those_of_the_whole(monkeypatch):
  monkeypatch.setattr(blocks, 'ROWS', 7)
  data_PxG = np.random.default_rng(0).normal(size=(100, 5)) + 3
  for data in (data_PxG, scipy.sparse.csr_matrix(data_PxG)):
    mean_G, covariance_GxG = pca.moments(100, data.__getitem__, '')
    np.testing.assert_allclose(mean_G, data_PxG.mean(axis=0))
    wanted = np.cov(data_PxG.T, bias=True)
    np.testing.assert_allclose(covariance_GxG, wanted, atol=1e-12)


@pytest.mark.parametrize('wanted', [1, 2, 4])
def test_levina_bickel_finds_the_dimension_that_was_made(wanted):
  rng = np.random.default_rng(wanted)
  inside_PxD = rng.random((4000, wanted))
  # Turned into ten dimensions, which changes no distance.
  turn, _ = np.linalg.qr(rng.normal(size=(10, 10)))
  points = np.pad(inside_PxD, ((0, 0), (0, 10 - wanted))) @ turn
  distance_PxK, _ = scipy.spatial.cKDTree(points).query(points[:1000], 17)
  found = dimension.levina_bickel(distance_PxK[:, 1:])
  assert found == pytest.approx(wanted, rel=0.1)


def test_levina_bickel_by_hand():
  # 1 / d = mean of log 4/1, log 4/2.
  wanted = 2 / (np.log(4) + np.log(2))
  one = np.array([[1.0, 2.0, 4.0]])
  assert dimension.levina_bickel(one) == pytest.approx(wanted)
  assert dimension.levina_bickel(np.zeros((3, 2))) == 0
  assert dimension.levina_bickel(np.ones((3, 2))) == float('inf')


@pytest.mark.parametrize('library', ['apted', 'zss'])
@pytest.mark.parametrize(
  'one, other, wanted',
  [
    ('add x mul x 1', 'add x mul 1 x', 2),  # two relabelled
    ('add x mul x 1', 'add x mul x x', 1),
    ('add x mul x 1', 'add mul x 1 x', 2),
    ('add x x', 'add x mul x 1', 2),
    ('add x x', 'sub x x', 1),  # one node, whatever its name's letters
    ('x', 'add x x', 2),
    ('x', 'x', 0),
  ],
)
def test_edit_distances_by_hand(library, one, other, wanted):
  pytest.importorskip(library)  # of `.[dev]` and `.[trees]`
  programs = [program_lib.from_preorder(t.split()) for t in (one, other)]
  there = edit_distance.distances(programs, programs[::-1], library)
  assert there.tolist() == [wanted, wanted]


def test_undefined_values_do_not_disturb_the_standardization():
  value = np.array([[1.0, 5.0], [2.0, 0.0], [3.0, 7.0]])
  ok = np.array([[True, True], [True, False], [True, True]])
  z = semantic.standardize(value, ok)
  assert z[1, 1] == 0
  np.testing.assert_allclose(z[[0, 2], 1], [-1, 1])


def test_the_holdout_grid_is_fresh():
  numerators = list(range(1, 90, 2))
  variables = ('x', 'y')
  seen = grids.specification(numerators, variables, 0)
  fresh = grids.holdout(numerators, variables, 0)
  assert fresh == grids.holdout(numerators, variables, 0)
  assert fresh != grids.holdout(numerators, variables, 1)
  assert fresh['x'] != fresh['y']
  for name in variables:
    assert len(set(fresh[name])) == grids.HOLDOUT_POINTS
    assert not set(fresh[name]) & set(seen[name])
    assert all(abs(x) <= 4 and x.denominator == 97 for x in fresh[name])


def test_an_interrupted_build_goes_on(universe7, tmp_path, monkeypatch):
  settings = {'grid': [2, 5, 61], 'p': 2, 'q': 3, 'trees': syntactic.ORDERED,
              'syntactic_dimensions': 4}  # fmt: skip
  whole = space_lib.load_or_build(tmp_path / 'a', universe7, **settings)

  def killed(*_):
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(syntactic, 'embed', killed)
    with pytest.raises(KeyboardInterrupt):
      space_lib.load_or_build(tmp_path / 'b', universe7, **settings)
  assert not (tmp_path / 'b').exists()
  with monkeypatch.context() as patch:
    patch.setattr(semantic, 'values', killed)  # is not computed again
    again = space_lib.load_or_build(tmp_path / 'b', universe7, **settings)
  assert again.manifest == whole.manifest
  assert sorted(path.name for path in tmp_path.iterdir()) == ['a', 'b']


@pytest.mark.parametrize(
  'name, end',
  [
    ('arrays/spec_CxF.npy', None),
    ('arrays/value_CxE.npy', 500),
    ('arrays/semantic_CxD.npy', -1),
    ('semantic.json', 0),
    ('semantic.json', -1),
    ('arrays', None),
  ],
)
def test_what_a_crash_left_of_a_build_is_made_again(
  universe7, tmp_path, monkeypatch, name, end
):
  settings = {'grid': [2, 5, 61], 'p': 2, 'q': 3, 'trees': syntactic.ORDERED,
              'syntactic_dimensions': 4}  # fmt: skip
  whole = space_lib.load_or_build(tmp_path / 'a', universe7, **settings)
  with monkeypatch.context() as patch:
    patch.delattr(syntactic, 'embed')
    with pytest.raises(AttributeError):
      space_lib.load_or_build(tmp_path / 'b', universe7, **settings)
  path = tmp_path / '.b-build' / name
  if path.is_dir():
    shutil.rmtree(path)
  elif end is None:
    path.unlink()
  else:
    path.write_bytes(path.read_bytes()[:end])
  again = space_lib.load_or_build(tmp_path / 'b', universe7, **settings)
  assert again.manifest == whole.manifest


@pytest.mark.parametrize('change', ['less', 'more'])
def test_spaces_with_other_arrays_are_refused(tmp_path, change):
  names = {field.name for field in dataclasses.fields(space_lib.Spaces)}
  names -= {'manifest'}
  names ^= {'spec_CxF' if change == 'less' else 'other'}
  store.write(
    tmp_path / 'spaces', space_lib.KIND, dict.fromkeys(names, np.ones(2)), {}
  )
  named = 'spec_CxF' if change == 'less' else 'other'
  with pytest.raises(store.StoreError, match=f'has others: {named}'):
    space_lib.load(tmp_path / 'spaces')


def test_the_record_says_what_a_projection_shows(universe7, tmp_path):
  # Of arithmetic functions of one variable, outputs fill about 3 dimensions.
  spaces = space_lib.load_or_build(
    tmp_path / 'spaces',
    universe7,
    grid=[-433, -98, 5, 61, 204, 480],
    p=2,
    q=3,
    trees=syntactic.ORDERED,
    syntactic_dimensions=200,
  )
  facts = spaces.manifest
  for space, least in (('semantic', 0.95), ('syntactic', 0.6)):
    assert least <= sum(facts[f'{space}_explained']) <= 1
    assert facts[f'{space}_rank_correlation'] > 0.6
    assert (
      facts[f'{space}_rank_correlation_2d'] < facts[f'{space}_rank_correlation']
    )
  assert 2 < facts['semantic_dimension'] < 4
  assert facts['undefined_share'] == 0


def test_grid_refuses_points_where_programs_have_poles():
  with pytest.raises(errors.InputError, match='194'):
    grids.specification([5, 194], ('x',), 0)
  with pytest.raises(errors.InputError, match='repeat'):
    grids.specification([5, 5], ('x',), 0)


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


@pytest.mark.parametrize('dimensions', [1, 6, 11])
@pytest.mark.parametrize('among', [5, 40, 700])
def test_nearest_points_are_those_of_a_tree(dimensions, among):
  rng = np.random.default_rng(among)
  # Far from 0, some twice: where float32 alone would take the wrong ones.
  among_SxD = rng.normal(size=(among, dimensions)) + 1000
  among_SxD[1::2] = among_SxD[::2][: among // 2] + 1e-5
  point_PxD = np.concatenate(
    [among_SxD[:3], rng.normal(size=(300, dimensions)) + 1000]
  )
  wanted, _ = scipy.spatial.cKDTree(among_SxD).query(point_PxD, range(1, 6))
  for nearest in (points.nearest, points.by_products):
    np.testing.assert_allclose(
      nearest(point_PxD, among_SxD, 5), wanted, rtol=1e-12
    )


@pytest.mark.parametrize('p, q', [(10**10, 3), (2, 10**10), (0, 3), (17, 1)])
def test_grams_that_do_not_fit_are_refused_at_once(universe7, p, q):
  with pytest.raises(errors.InputError, match='fit 63 bits'):
    syntactic.check(universe7.vocabulary, p, q, syntactic.ORDERED)
