"""Tree edit distance of programs, by libraries: the check of another distance.

Unit costs (Zhang and Shasha, SIAM J. Comput. 18(6) 1989; APTED: Pawlik and
Augsten, Inf. Syst. 56, 2016). It takes a thousandth of the pq-gram distance's
speed, so it is for samples. Needs the extra `trees`: apted or zss.
"""

from collections.abc import Callable
from collections.abc import Sequence
import importlib.util
from typing import Any

import numpy as np

from synth import errors
from synth import progress
from synth.language import program as program_lib
from synth.language import tokens
from synth.spaces import syntactic


class _UnitCosts:
  """What `apted` asks of a configuration."""

  valuecls = int

  def delete(self, node: program_lib.Node) -> int:
    return 1

  def insert(self, node: program_lib.Node) -> int:
    return 1

  def rename(self, a: program_lib.Node, b: program_lib.Node) -> int:
    return int(a.symbol != b.symbol)

  def children(self, node: program_lib.Node) -> list[program_lib.Node]:
    return list(node.args)


def _apted(library: Any, a: program_lib.Node, b: program_lib.Node) -> int:
  return int(library.APTED(a, b, _UnitCosts()).compute_edit_distance())


def _zss(library: Any, a: program_lib.Node, b: program_lib.Node) -> int:
  return int(
    library.simple_distance(
      a,
      b,
      get_children=lambda node: node.args,
      get_label=lambda node: node.symbol,
      label_dist=lambda a, b: int(a != b),  # not the letters of the names
    )
  )


LIBRARIES: dict[
  str, Callable[[Any, program_lib.Node, program_lib.Node], int]
] = {'apted': _apted, 'zss': _zss}


def installed() -> list[str]:
  """Those of the libraries that are installed."""
  return [name for name in LIBRARIES if importlib.util.find_spec(name)]


def distances(
  first: Sequence[program_lib.Node],
  second: Sequence[program_lib.Node],
  library: str,
) -> np.ndarray:
  """Pair by pair, the least number of nodes to insert, delete or relabel.

  Args:
    first: Programs.
    second: As many others.
    library: One of `installed()`.

  Returns:
    int_P.
  """
  module = importlib.import_module(library)
  bar = progress.Progress('tree edit distances', len(first), 'pairs')
  distance_P = np.zeros(len(first), np.int64)
  for i, pair in enumerate(zip(first, second, strict=True)):
    distance_P[i] = LIBRARIES[library](module, *pair)
    bar.update(i + 1)
  return distance_P


def compare(
  tok_PxL: np.ndarray,
  vocabulary: tokens.Vocabulary,
  p: int,
  q: int,
  trees: str,
  pairs: int,
  rng: np.random.Generator,
) -> dict[str, Any]:
  """How the pq-gram distance ranks pairs of programs beside the edit distance.

  Args:
    tok_PxL: Programs in prefix order.
    vocabulary: What their tokens mean.
    p, q, trees: Settings of the pq-gram distance (`syntactic.profile`).
    pairs: How many random pairs are compared.
    rng: Draws them.

  Returns:
    The library, the number of pairs and Spearman's coefficients of the tree
    edit distance with the normalized and with the absolute pq-gram distance
    |A| + |B| - 2 I.

  Raises:
    InputError: if no library is installed.
  """
  found = installed()
  if not found:
    raise errors.InputError(
      f'tree edit distances need {" or ".join(LIBRARIES)}: pip install '
      "'synth[trees]'"
    )
  row_2xP = rng.integers(0, len(tok_PxL), (2, pairs))
  tok_QxL = syntactic.as_trees(tok_PxL[row_2xP.ravel()], vocabulary, trees)
  programs = [vocabulary.decode(tok_L) for tok_L in tok_QxL]
  edit_P = distances(programs[:pairs], programs[pairs:], found[0])
  profiles = syntactic.profile(tok_QxL, vocabulary, p, q)
  a, b = (profiles.take(rows) for rows in np.arange(2 * pairs).reshape(2, -1))
  apart_P = abs(a.count_PxG - b.count_PxG).sum(axis=1)
  return {
    'library': found[0],
    'pairs': pairs,
    'rank_correlation': _spearman(edit_P, syntactic.distance(a, b)),
    'rank_correlation_absolute': _spearman(edit_P, np.ravel(apart_P)),
  }


def _spearman(first_P: np.ndarray, second_P: np.ndarray) -> float:
  import scipy.stats  # here, for it loads slowly

  return round(float(scipy.stats.spearmanr(first_P, second_P).statistic), 4)
