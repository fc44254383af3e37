"""The syntactic space: pq-gram profiles, their distance and their PCA.

Profile (Augsten, Boehlen, Gamper, VLDB 2005): extend the tree by p - 1 dummy
ancestors of the root, q - 1 dummies before the first and after the last child
of every inner node and q dummy children under every leaf. A pq-gram is an
anchor node with its p - 1 ancestors and q consecutive children; the profile is
the bag of their labels. A tree with l leaves and i inner nodes has
2l + qi - 1 of them if every inner node is binary.

Distance (TODS 35(1) 2010): with I the size of the bag intersection,
(|A| + |B| - 2 I) / (|A| + |B| - I), the Tanimoto distance of bags, a
pseudo-metric in [0, 1]: distinct trees may have distance 0.

Trees are taken as they are written, `ordered`, or `sorted`: the arguments of
commutative operators in a canonical order (`structure.sort_commutative`), so
that `1 + x` and `x + 1` have distance 0.
"""

import dataclasses

import numpy as np
import scipy.sparse

from synth import errors
from synth import settings
from synth.language import structure
from synth.language import tokens
from synth.spaces import blocks
from synth.spaces import pca

ORDERED, SORTED = 'ordered', 'sorted'


@dataclasses.dataclass(frozen=True)
class Profiles:
  """pq-gram profiles of P programs.

  Attributes:
    count_PxG: Occurrences of each gram, int32 CSR.
    around_PxS: Inner nodes of each kind (`profile`), int32 CSR, a factor of it.
    gram_SxG: The grams of each kind, the other factor.
    gram_G: The grams, ascending codes: the p + q labels (dummy 0, else token
      id) read as digits in base V.
    base: V.
    p: Length of the stem.
    q: Length of the base.
  """

  count_PxG: scipy.sparse.csr_matrix
  around_PxS: scipy.sparse.csr_matrix
  gram_SxG: scipy.sparse.csr_matrix
  gram_G: np.ndarray
  base: int
  p: int
  q: int

  @property
  def size_P(self) -> np.ndarray:
    """How many grams each program has, with repeats."""
    size_S = np.asarray(self.gram_SxG.sum(axis=1), np.int32).ravel()
    return np.asarray(self.around_PxS @ size_S)

  def total_G(self) -> np.ndarray:
    """How often each gram occurs in all programs together."""
    around = self.around_PxS
    number_S = np.bincount(around.indices, around.data, around.shape[1])
    return number_S @ self.gram_SxG

  def labels(self) -> np.ndarray:
    """The labels of each gram: int_Gx(p+q)."""
    return _digits(self.gram_G, self.base, self.p + self.q)

  def counts_of(self, other: 'Profiles') -> scipy.sparse.csr_matrix:
    """count_PxH of the H grams that the profiles of other programs list.

    Raises:
      ValueError: if these are other grams: of another p, q or vocabulary.
    """
    if (self.p, self.q, self.base) != (other.p, other.q, other.base):
      raise ValueError('profiles of different grams')
    if np.array_equal(self.gram_G, other.gram_G):
      return self.count_PxG
    place_G = np.searchsorted(other.gram_G, self.gram_G)
    place_G[place_G == len(other.gram_G)] = 0
    (known,) = np.nonzero(other.gram_G[place_G] == self.gram_G)
    shape = (len(self.gram_G), len(other.gram_G))
    ones = np.ones(len(known), np.int32)
    return self.count_PxG @ scipy.sparse.csr_matrix(
      (ones, (known, place_G[known])), shape
    )

  def take(self, rows: np.ndarray) -> 'Profiles':
    """The profiles of some of the programs."""
    return dataclasses.replace(
      self, count_PxG=self.count_PxG[rows], around_PxS=self.around_PxS[rows]
    )


def check(vocabulary: tokens.Vocabulary, p: int, q: int, trees: str) -> None:
  """Refuses what cannot be profiled.

  Raises:
    InputError: for other trees than `ordered` and `sorted`, or grams that do
      not fit 63 bits.
  """
  settings.choose(trees, dict.fromkeys((ORDERED, SORTED)), 'spaces.trees')
  labels = p + max(q, vocabulary.max_arity)
  # The power of very many labels would take forever.
  if min(p, q) < 1 or len(vocabulary) ** min(labels, 63) >= 2**63:
    raise errors.InputError(
      f'pq-grams of p={p} and q={q} over {len(vocabulary)} labels: p and q '
      'must be positive and grams fit 63 bits'
    )


def as_trees(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary, trees: str
) -> np.ndarray:
  """Programs as the trees that are compared, `ordered` or `sorted`."""
  if trees == ORDERED:
    return tok_PxL
  return structure.sort_commutative(tok_PxL, vocabulary)


def profile(
  tok_PxL: np.ndarray,
  vocabulary: tokens.Vocabulary,
  p: int = 2,
  q: int = 3,
  trees: str = ORDERED,
) -> Profiles:
  """The pq-gram profiles of programs.

  The grams of an anchor depend on its stem and its children's labels alone, its
  *surroundings*, of which a whole universe has a few thousand. They determine
  the grams of those children that are leaves, too. So a program is the bag of
  its inner nodes' surroundings, and profiles are a sparse product:
  (programs x surroundings) @ (surroundings x grams).

  Args:
    tok_PxL: Well-formed rows in prefix order.
    vocabulary: What their tokens mean.
    p: Length of a gram's stem: the anchor and p - 1 ancestors.
    q: Length of its base: consecutive children.
    trees: `ORDERED`, or `SORTED`: which trees the programs are.

  Raises:
    InputError: for settings that `check` refuses.
  """
  check(vocabulary, p, q, trees)
  base, max_arity = len(vocabulary), vocabulary.max_arity

  def surroundings(
    rows: slice,
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tok = as_trees(np.asarray(tok_PxL[rows]), vocabulary, trees)
    code_PxL = _surroundings(tok, vocabulary, p)
    node_PxL = vocabulary.arity_V[tok] > 0
    node_PxL[:, 0] = True  # a leaf that is a program
    code_S, index = _distinct(code_PxL[node_PxL], base ** (p + max_arity))
    return code_S, index, node_PxL.sum(axis=1)

  found = [
    part
    for _, part in blocks.over(len(tok_PxL), surroundings, 'pq-gram anchors')
  ]
  none = np.zeros(0, np.int64)
  all_S = np.unique(np.concatenate([none, *(part[0] for part in found)]))
  gram_G, gram_SxG = _grams(all_S, vocabulary, p, q)

  def count(
    rows: slice,
  ) -> tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix]:
    code_S, index, size_P = found[rows.start // blocks.ROWS]
    node = np.searchsorted(all_S, code_S)[index]
    end_P1 = np.concatenate([[0], np.cumsum(size_P)])
    around_PxS = scipy.sparse.csr_matrix(
      (np.ones(len(node), np.int32), node, end_P1),
      shape=(len(size_P), len(all_S)),
    )
    count_PxG = around_PxS @ gram_SxG
    count_PxG.sort_indices()
    return count_PxG, around_PxS

  parts = [
    part for _, part in blocks.over(len(tok_PxL), count, 'pq-gram profiles')
  ]
  empty = (
    scipy.sparse.csr_matrix((0, len(gram_G)), dtype=np.int32),
    scipy.sparse.csr_matrix((0, len(all_S)), dtype=np.int32),
  )
  count_PxG, around_PxS = (
    scipy.sparse.vstack(column, 'csr')
    for column in zip(*(parts or [empty]), strict=True)
  )
  return Profiles(count_PxG, around_PxS, gram_SxG, gram_G, base, p, q)


def _surroundings(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary, p: int
) -> np.ndarray:
  """A code of each node's stem and children: int64_PxL, digits in base V."""
  programs, length = tok_PxL.shape
  base = len(vocabulary)
  child_PxLxA = structure.children(tok_PxL, vocabulary)
  stem_PxL = np.zeros(tok_PxL.shape, np.int64)
  stem_PxL[:, 0] = tok_PxL[:, 0]
  code_PxL = np.empty_like(stem_PxL)
  tok, stem = tok_PxL.reshape(-1), stem_PxL.reshape(-1)
  row_P = np.arange(programs) * length
  for position in range(length):  # parents come before their children
    code_P = stem_PxL[:, position].copy()
    for argument in range(child_PxLxA.shape[2]):
      child_P = child_PxLxA[:, position, argument]
      code_P *= base
      (has,) = np.nonzero(child_P != structure.NONE)
      at = row_P[has] + child_P[has]
      label = tok[at].astype(np.int64)
      code_P[has] += label
      stem[at] = stem_PxL[has, position] % base ** (p - 1) * base + label
    code_PxL[:, position] = code_P
  return code_PxL


def _distinct(code: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
  """np.unique with the inverse, by a table where codes are small."""
  if limit > blocks.ROWS * 64:
    return np.unique(code, return_inverse=True)
  seen = np.zeros(limit, bool)
  seen[code] = True
  return np.flatnonzero(seen), (np.cumsum(seen, dtype=np.int32) - 1)[code]


def _grams(
  code_S: np.ndarray, vocabulary: tokens.Vocabulary, p: int, q: int
) -> tuple[np.ndarray, scipy.sparse.csr_matrix]:
  """The grams of each surroundings, those of its leaves too: gram_G, SxG."""
  base, max_arity = len(vocabulary), vocabulary.max_arity
  label_SxN = _digits(code_S, base, p + max_arity)
  stem_S = code_S // base**max_arity
  arity_S = vocabulary.arity_V[label_SxN[:, p - 1]]
  padded = np.pad(label_SxN[:, p:], ((0, 0), (q - 1, q - 1)))
  row, gram = [], []
  for window in range(max_arity + q - 1):
    (has,) = np.nonzero(window < np.where(arity_S == 0, 1, arity_S + q - 1))
    code = stem_S[has]
    for offset in range(q):
      code = code * base + padded[has, window + offset]
    row.append(has)
    gram.append(code)
  for child in range(max_arity):
    label_S = label_SxN[:, p + child]
    (has,) = np.nonzero((child < arity_S) & (vocabulary.arity_V[label_S] == 0))
    row.append(has)
    stem = stem_S[has] % base ** (p - 1) * base + label_S[has]
    gram.append(stem * base**q)
  gram_G, column = np.unique(np.concatenate(gram), return_inverse=True)
  at = (np.concatenate(row), column)
  shape = (len(code_S), len(gram_G))
  ones = np.ones(len(column), np.int32)
  return gram_G, scipy.sparse.csr_matrix((ones, at), shape)


def _digits(code: np.ndarray, base: int, number: int) -> np.ndarray:
  """The digits of codes in base `base`, the most significant first."""
  power = base ** np.arange(number - 1, -1, -1, dtype=np.int64)
  return code[:, None] // power % base


def tanimoto(shared: np.ndarray, total: np.ndarray) -> np.ndarray:
  """The distance from the grams that two bags share and all that they have."""
  return 1 - shared / (total - shared)


def distance(a: Profiles, b: Profiles) -> np.ndarray:
  """Distance of each program of `a` to that of the same row of `b`: float_P.

  Raises:
    ValueError: if the two do not share their list of grams, as parts of one
      `profile` call do.
  """
  if not np.array_equal(a.gram_G, b.gram_G):
    raise ValueError('profiles with different lists of grams')
  shared = a.count_PxG.minimum(b.count_PxG).sum(axis=1)
  return tanimoto(np.asarray(shared).ravel(), a.size_P + b.size_P)


def embed(profiles: Profiles, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
  """Exact centred PCA of the Hellinger profiles (square roots, unit length).

  Returns:
    float32 coordinate_PxD and explained_D, as in `synth.spaces.pca`.
  """
  number = profiles.count_PxG.shape[0]

  def root(rows: slice) -> scipy.sparse.csr_matrix:
    count_PxG = profiles.count_PxG[rows].astype(np.float64)
    norm_P = np.sqrt(np.asarray(count_PxG.sum(axis=1)).ravel())
    return scipy.sparse.diags_array(1 / norm_P) @ count_PxG.sqrt()

  mean_G, covariance_GxG = pca.moments(number, root, 'Gram matrix of profiles')
  axis_GxD, explained_D = pca.axes(covariance_GxG, dimensions)
  coordinate_PxD = pca.coordinates(
    number, root, mean_G, axis_GxD, 'syntactic projection'
  )
  return coordinate_PxD, explained_D
