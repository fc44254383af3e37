"""Bottom-up enumeration of a grammar up to observational equivalence.

For each size and nonterminal, all applications of a production to classes of
smaller size are formed; those equal to a known class of that nonterminal are
dropped, the rest become new classes. All ways to form a new class at its
minimal size are kept as *alternatives* (production and argument classes): every
minimal program is made of minimal programs, so the alternatives generate
exactly the minimal programs of each class (methods: A0).

Time: candidates * K modular operations and one sort a size. Memory: 26 bytes a
candidate of the largest size.
"""

from collections.abc import Callable
from collections.abc import Iterator
import dataclasses
import functools
import itertools

import numpy as np

from synth import errors
from synth.language import grammar as grammar_lib
from synth.language import operators
from synth.language import program as program_lib
from synth.universe import identity

_BLOCK = 1 << 20  # candidates evaluated at once: fits the cache hierarchy
_COLUMNS = 2048  # of the last argument, so that reciprocals are shared

Report = Callable[[int, str], None]


@dataclasses.dataclass
class Forest:
  """Classes and their alternatives, as flat arrays.

  N nodes: a node is a semantic class of one nonterminal, in the order of
  (size, nonterminal, key). M alternatives, grouped by node. A = max arity.

  Attributes:
    size_N: Minimal size of the class.
    nonterminal_N: Index of its nonterminal.
    key_N, rest_N: Exact identity (`identity.pack`).
    residue_KxN: Residues at the identity points.
    first_N1: First alternative of each node; N + 1 entries.
    production_M: Index of the production.
    arg_MxA: Argument nodes; -1 beyond the arity.
    upto_M: Inclusive running number of minimal programs within the node.
  """

  size_N: np.ndarray
  nonterminal_N: np.ndarray
  key_N: np.ndarray
  rest_N: np.ndarray
  residue_KxN: np.ndarray
  first_N1: np.ndarray
  production_M: np.ndarray
  arg_MxA: np.ndarray
  upto_M: np.ndarray


@dataclasses.dataclass
class _Candidates:
  """Candidates of one nonterminal and size, indexed alike."""

  key: np.ndarray
  rest: np.ndarray
  production: np.ndarray
  args: np.ndarray  # [candidates, max arity]; -1 beyond the arity


def enumerate_classes(
  grammar: grammar_lib.Grammar,
  max_size: int,
  points: identity.IdentityPoints,
  report: Report = lambda size, note: None,
) -> Forest:
  """All semantic classes with a program of at most `max_size` nodes.

  Args:
    grammar: Any grammar over the field operators.
    max_size: Largest size, in nodes.
    points: Where classes are told apart.
    report: Called with (size, note) after each size.

  Raises:
    identity.UnluckyPoints: draw other points and call again.
    InputError: if a number of programs exceeds 53 bits.
  """
  return _Enumeration(grammar, points).run(max_size, report)


class _Enumeration:
  """The growing state of one enumeration."""

  def __init__(
    self, grammar: grammar_lib.Grammar, points: identity.IdentityPoints
  ):
    self._grammar = grammar
    self._points = points
    self._arity = max(len(p.args) for p in grammar.productions)
    # (nonterminal, size) -> (first node, end node): levels are contiguous.
    self._levels: dict[tuple[str, int], tuple[int, int]] = {}
    # nonterminal -> key and rest of its classes so far, sorted by key.
    empty = np.zeros(0, np.uint64)
    self._known = {name: (empty, empty) for name in grammar.nonterminals}
    self._residue_KxN = np.zeros((identity.NUM_POINTS, 0), np.uint64)
    self._count_N = np.zeros(0, np.int64)  # minimal programs of each node
    self._parts: dict[str, list[np.ndarray]] = {}
    self._num_alternatives = 0

  def run(self, max_size: int, report: Report) -> Forest:
    """Enumerates size by size."""
    for size in range(1, max_size + 1):
      before = len(self._count_N)
      for index, name in enumerate(self._grammar.nonterminals):
        self._add_level(name, index, size)
      now = len(self._count_N)
      report(size, f'{now - before:,} new classes, {now:,} in all')
    arrays = {name: np.concatenate(p) for name, p in self._parts.items()}
    arrays['first_N1'] = np.append(arrays['first_N1'], self._num_alternatives)
    return Forest(residue_KxN=self._residue_KxN, **arrays)

  def _add_level(self, name: str, index: int, size: int) -> None:
    """Adds the classes of a nonterminal whose minimal size is `size`."""
    start = len(self._count_N)
    blocks = [
      block
      for number, production in enumerate(self._grammar.productions)
      if production.nonterminal == name
      for sizes in grammar_lib.argument_sizes(size, len(production.args))
      for block in self._apply(number, production, sizes)
    ]
    if blocks:
      found = _Candidates(
        *(
          np.concatenate([getattr(block, f.name) for block in blocks])
          for f in dataclasses.fields(_Candidates)
        )
      )
      del blocks
      self._add_classes(name, index, size, found)
    self._levels[name, size] = (start, len(self._count_N))

  def _add_classes(
    self, name: str, index: int, size: int, found: _Candidates
  ) -> None:
    if not len(found.key):
      return  # every candidate divides by the zero function
    # Stable, so that alternatives keep the order of the candidates.
    order = np.argsort(found.key, kind='stable')
    key, rest = found.key[order], found.rest[order]
    leader = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
    group = np.repeat(
      np.arange(len(leader)), np.diff(np.append(leader, len(key)))
    )
    key_G, rest_G = key[leader], rest[leader]
    if not np.array_equal(rest, rest_G[group]):
      raise identity.UnluckyPoints('two classes share a 64-bit key')
    new_G = self._is_new(name, key_G, rest_G)
    if not new_G.any():
      return
    kept = new_G[group]
    self._add_alternatives(found, order[kept], group[kept])
    key_G, rest_G = key_G[new_G], rest_G[new_G]
    self._add_residues(found, order[leader[new_G]])
    self._append(
      size_N=np.full(len(key_G), size, np.uint8),
      nonterminal_N=np.full(len(key_G), index, np.uint16),
      key_N=key_G,
      rest_N=rest_G,
    )
    known, known_rest = self._known[name]
    merged = np.concatenate([known, key_G])
    order = np.argsort(merged, kind='stable')
    self._known[name] = (
      merged[order],
      np.concatenate([known_rest, rest_G])[order],
    )

  def _append(self, **arrays: np.ndarray) -> None:
    for name, array in arrays.items():
      self._parts.setdefault(name, []).append(array)

  def _is_new(
    self, name: str, key_G: np.ndarray, rest_G: np.ndarray
  ) -> np.ndarray:
    """Which of the sorted, distinct keys are no class of `name` yet."""
    known, known_rest = self._known[name]
    if not len(known):
      return np.ones(len(key_G), bool)
    place = np.minimum(np.searchsorted(known, key_G), len(known) - 1)
    same = known[place] == key_G
    if not np.array_equal(known_rest[place[same]], rest_G[same]):
      raise identity.UnluckyPoints('two classes share a 64-bit key')
    return ~same

  def _add_alternatives(
    self, found: _Candidates, chosen: np.ndarray, group: np.ndarray
  ) -> None:
    """Stores the candidates `chosen`, sorted by their class `group`."""
    production, args = found.production[chosen], found.args[chosen]
    # Commutative applications were formed in one order: store both.
    symmetric = np.array([_is_symmetric(p) for p in self._grammar.productions])
    twice = symmetric[production]
    if twice.any():  # else there may be no second argument
      twice[twice] = args[twice, 0] != args[twice, 1]
    row = np.repeat(np.arange(len(chosen)), 1 + twice)
    again = np.append(False, row[1:] == row[:-1])
    production, args, group = production[row], args[row], group[row]
    if again.any():
      args[again, :2] = args[again, 1::-1]
    ways = np.ones(len(args), np.int64)
    for column in range(self._arity):
      used = args[:, column] >= 0
      ways[used] *= self._count_N[args[used, column]]
    self._check_overflow(args)
    first = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    first = first[: len(group)]  # nothing chosen: no groups
    count = np.add.reduceat(ways, first) if len(first) else ways
    upto = np.cumsum(ways)
    before = np.cumsum(count) - count
    upto -= np.repeat(before, np.diff(np.append(first, len(group))))
    self._append(
      first_N1=first + self._num_alternatives,
      production_M=production,
      arg_MxA=args,
      upto_M=upto,
    )
    self._num_alternatives += len(args)
    self._count_N = np.concatenate([self._count_N, count])

  def _check_overflow(self, args: np.ndarray) -> None:
    """All programs of a level together must fit the 53 bits of the draws."""
    count_N = self._count_N.astype(float)
    total = np.where(
      args >= 0, count_N[args] if len(count_N) else 1.0, 1.0
    ).prod(axis=1)
    if total.sum() > 2.0**53:
      raise errors.InputError(
        f'{self._grammar.name}: more than 2**53 minimal programs of one size; '
        'choose a smaller max_size'
      )

  def _add_residues(self, found: _Candidates, leader: np.ndarray) -> None:
    """Recomputes and stores the residues of the candidates `leader`."""
    production, args = found.production[leader], found.args[leader]
    residue_KxN = np.zeros((identity.NUM_POINTS, len(leader)), np.uint64)
    for number in np.unique(production):
      rows = np.flatnonzero(production == number)
      rule = self._grammar.productions[number]
      values = [
        self._residue_KxN[:, args[rows, column]]
        for column in range(len(rule.args))
      ]
      residue_KxN[:, rows] = self._value(rule, values)[0]
    zero_KxN = residue_KxN == 0
    if np.any(zero_KxN.any(axis=0) & ~zero_KxN.all(axis=0)):
      raise identity.UnluckyPoints('a class vanishes at an identity point')
    self._residue_KxN = np.concatenate([self._residue_KxN, residue_KxN], axis=1)

  def _value(
    self, rule: grammar_lib.Production, values: list[np.ndarray]
  ) -> tuple[np.ndarray, np.ndarray]:
    """Applies a production's symbol to residues [K, ...] of its arguments.

    Returns:
      Residues [K, ...] and whether they are defined in all fields [...].
    """
    fields = self._points.fields
    if rule.args:
      results = [
        field.apply(rule.symbol, *((value[k], np.True_) for value in values))
        for k, field in enumerate(fields)
      ]
      defined = functools.reduce(np.logical_and, (ok for _, ok in results))
      return np.stack([number for number, _ in results]), defined
    constant = program_lib.constant_value(rule.symbol)
    if constant is None:
      residues = self._points.residues[rule.symbol]
    else:
      residues = [int(field.constant(constant)) for field in fields]
    return np.array(residues, np.uint64)[:, None], np.array(True)

  def _apply(
    self,
    number: int,
    rule: grammar_lib.Production,
    sizes: tuple[int, ...],
  ) -> Iterator[_Candidates]:
    """All applications of a production to classes of the given sizes."""
    levels = [self._levels[pair] for pair in zip(rule.args, sizes, strict=True)]
    symmetric = _is_symmetric(rule)
    if symmetric and sizes[0] > sizes[1]:
      return  # formed with the sizes exchanged
    triangle = symmetric and sizes[0] == sizes[1]
    for ranges in _blocks(levels):
      if triangle and ranges[0][0] >= ranges[1][1]:
        continue  # wholly below the diagonal
      # One axis an argument; numpy broadcasts them against each other.
      nodes = np.ix_(*(np.arange(*r, dtype=np.int32) for r in ranges))
      values = [self._residue_KxN[:, node] for node in nodes]
      residue, ok = self._value(rule, values)
      shape = np.broadcast_shapes(*(node.shape for node in nodes), (1,))
      residue = np.broadcast_to(residue, (identity.NUM_POINTS, *shape))
      residue = residue.reshape(identity.NUM_POINTS, -1)
      keep = np.broadcast_to(ok, shape).reshape(-1)
      if triangle:
        keep = np.logical_and(keep, (nodes[0] <= nodes[1]).reshape(-1))
      args = np.full((residue.shape[1], self._arity), -1, np.int32)
      for column, node in enumerate(nodes):
        args[:, column] = np.broadcast_to(node, shape).reshape(-1)
      key, rest = identity.pack(residue)
      production = np.full(len(args), number, np.uint16)
      if keep.all():
        yield _Candidates(key, rest, production, args)
      else:
        yield _Candidates(key[keep], rest[keep], production[keep], args[keep])


def _is_symmetric(rule: grammar_lib.Production) -> bool:
  """Whether exchanging the two arguments gives a program of equal value."""
  operator = operators.OPERATORS.get(rule.symbol)
  return (
    operator is not None
    and operator.commutative
    and rule.args[0] == rule.args[1]
  )


def _blocks(
  levels: list[tuple[int, int]],
) -> Iterator[tuple[tuple[int, int], ...]]:
  """Cuts the product of node ranges into blocks of at most `_BLOCK`."""
  steps, budget = [], _BLOCK
  for start, end in reversed(levels):
    step = max(1, min(end - start, budget, _COLUMNS))
    steps.append(step)
    budget //= step
  cuts = [
    [(low, min(low + step, end)) for low in range(start, end, step)]
    for (start, end), step in zip(levels, reversed(steps), strict=True)
  ]
  yield from itertools.product(*cuts)
