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
"""

from collections.abc import Iterator
import dataclasses

import numpy as np
import scipy.sparse

from synth.language import structure
from synth.language import tokens
from synth.spaces import pca

_CHUNK = 100_000  # programs profiled at once


@dataclasses.dataclass(frozen=True)
class Profiles:
  """pq-gram profiles of P programs.

  Attributes:
    count_PxG: Occurrences of each gram, int32 CSR.
    gram_G: The grams, ascending codes: the p + q labels (dummy 0, else token
      id) read as digits in base V.
    base: V.
    p: Length of the stem.
    q: Length of the base.
  """

  count_PxG: scipy.sparse.csr_matrix
  gram_G: np.ndarray
  base: int
  p: int
  q: int

  def labels(self) -> np.ndarray:
    """The labels of each gram: int_Gx(p+q)."""
    powers = self.base ** np.arange(self.p + self.q - 1, -1, -1, dtype=np.int64)
    return self.gram_G[:, None] // powers % self.base

  def take(self, rows: np.ndarray) -> 'Profiles':
    """The profiles of some of the programs."""
    return dataclasses.replace(self, count_PxG=self.count_PxG[rows])


def profile(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary, p: int = 2, q: int = 3
) -> Profiles:
  """The pq-gram profiles of well-formed prefix rows.

  Raises:
    ValueError: if p or q is not positive or grams do not fit 63 bits.
  """
  if p < 1 or q < 1:
    raise ValueError(f'p and q must be positive, not {p} and {q}')
  base = len(vocabulary)
  if base ** (p + q) >= 2**63:
    raise ValueError(f'{p + q} labels of {base} kinds do not fit 63 bits')
  parts = []
  for start in range(0, max(len(tok_PxL), 1), _CHUNK):
    chunk = np.asarray(tok_PxL[start : start + _CHUNK])
    found = list(_grams(chunk, vocabulary, p, q))
    row = np.concatenate([row for row, _ in found])
    gram = np.concatenate([gram for _, gram in found])
    gram_G, column = np.unique(gram, return_inverse=True)
    count = scipy.sparse.csr_matrix(
      (np.ones(len(row), np.int32), (row, column)),
      shape=(len(chunk), len(gram_G)),
    )
    parts.append((gram_G, count))
  all_G = np.unique(np.concatenate([gram_G for gram_G, _ in parts]))
  rows = []
  for gram_G, count in parts:
    column = np.searchsorted(all_G, gram_G)[count.indices]
    rows.append(
      scipy.sparse.csr_matrix(
        (count.data, column, count.indptr), shape=(count.shape[0], len(all_G))
      )
    )
  return Profiles(scipy.sparse.vstack(rows, 'csr'), all_G, base, p, q)


def _grams(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary, p: int, q: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """The (row, gram code) of every gram, window by window."""
  base = len(vocabulary)
  child_PxLxA = structure.children(tok_PxL, vocabulary)
  parent_PxL = structure.parents(child_PxLxA)
  arity_PxL = vocabulary.arity_V[tok_PxL]

  def label_at(position_PxL: np.ndarray) -> np.ndarray:
    label = np.take_along_axis(tok_PxL, np.maximum(position_PxL, 0), axis=1)
    return np.where(position_PxL == structure.NONE, 0, label).astype(np.int64)

  stem_PxL = np.zeros(tok_PxL.shape, np.int64)
  anchor_PxL = np.broadcast_to(np.arange(tok_PxL.shape[1]), tok_PxL.shape)
  for step in range(p):  # the anchor, its parent, its grandparent, ...
    stem_PxL += label_at(anchor_PxL) * base**step
    above = np.take_along_axis(parent_PxL, np.maximum(anchor_PxL, 0), axis=1)
    anchor_PxL = np.where(
      anchor_PxL == structure.NONE, structure.NONE, above
    ).astype(np.int64)
  arguments = child_PxLxA.shape[2]
  label_AxPxL = [
    label_at(child_PxLxA[:, :, a].astype(np.int64)) for a in range(arguments)
  ]
  for window in range(arguments + q - 1):
    code_PxL = stem_PxL
    for offset in range(q):
      argument = window + offset - (q - 1)
      code_PxL = code_PxL * base
      if 0 <= argument < arguments:
        code_PxL = code_PxL + label_AxPxL[argument]
    last_PxL = np.where(arity_PxL == 0, 1, arity_PxL + q - 1)
    row, position = np.nonzero((arity_PxL >= 0) & (window < last_PxL))
    yield row, code_PxL[row, position]


def tanimoto(
  shared: np.ndarray, size_a: np.ndarray, size_b: np.ndarray
) -> np.ndarray:
  """The distance from the sizes of two bags and of their intersection."""
  return 1 - shared / (size_a + size_b - shared)


def distance(a: Profiles, b: Profiles) -> np.ndarray:
  """Row-by-row distance of two equally long sets of profiles: float_P.

  The two must stem from one `profile` call (a shared list of grams).
  """
  if not np.array_equal(a.gram_G, b.gram_G):
    raise ValueError('profiles with different lists of grams')
  shared = a.count_PxG.minimum(b.count_PxG).sum(axis=1)
  return tanimoto(
    np.asarray(shared).ravel(),
    np.asarray(a.count_PxG.sum(axis=1)).ravel(),
    np.asarray(b.count_PxG.sum(axis=1)).ravel(),
  )


def embed(profiles: Profiles, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
  """Exact centred PCA of the Hellinger profiles (square roots, unit length).

  Returns:
    coordinate_PxD and explained_D, as `pca.project` gives them.
  """
  root = profiles.count_PxG.astype(np.float64).sqrt()
  norm_P = np.sqrt(np.asarray(profiles.count_PxG.sum(axis=1)).ravel())
  root = scipy.sparse.diags(1 / norm_P) @ root
  mean_G = np.asarray(root.mean(axis=0)).ravel()
  moment_GxG = (root.T @ root).toarray() / root.shape[0]
  covariance_GxG = moment_GxG - np.outer(mean_G, mean_G)
  return pca.project(
    covariance_GxG, mean_G, lambda axis_GxD: root @ axis_GxD, dimensions
  )
