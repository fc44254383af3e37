"""Which symbols may come next in a program written from left to right.

A prefix of a program in prefix order leaves nonterminals still to be written: a
stack of them, or, where two alternatives begin with one symbol, a set of
stacks, one a derivation. All stacks of a set are equally high, since a symbol
has one arity, so that the set can be determinized as it is for visibly pushdown
automata (Alur and Madhusudan, STOC 2004): one stack of *cells*. A cell holds
the nonterminals that may be next at its height; each is linked to those of the
cell below that it can stand on, and knows the fewest nodes that finish the
program if it is chosen. A symbol may come next if what it leaves can be
finished in the length that is left; then every prefix can be completed, and
every program of the grammar up to that length can be written.

The tables are arrays, so the stacks of thousands of programs are kept on the
device (`synth.evaluation.decode`). A grammar whose symbols determine their
alternatives has one cell a nonterminal.
"""

from collections.abc import Iterable
from collections.abc import Mapping
import itertools
from typing import NamedTuple

import numpy as np

from synth.language import grammar as grammar_lib
from synth.language import tokens

NOTHING = -1  # no cell; no links
NEVER = np.iinfo(np.int32).max // 2  # more nodes than there is room for
_MOST_CELLS = 1 << 13  # up to half a minute of compilation


class Tables(NamedTuple):
  """What may be written: C cells on top of a stack, B below it, V tokens.

  Links are sets of choices of the cell below, I of them.

  Attributes:
    least: Fewest nodes of a program.
    start: The cell on top before the first token.
    bottom: The cell below it.
    extra_CxV: Fewest nodes of a program that goes on with the token, beyond the
      fewest of one that goes on at all; NEVER where the token cannot come.
    top_CxV: The cell on top after a token that has arguments (or after EOS);
      NOTHING after one that has none.
    below_CxVxA: The cells that a token puts below, the lowest first.
    links_CxV: On which choices of the cell below a token without arguments
      leaves the program.
    exposed_BxI: The cell on top when the one above has been finished.
  """

  least: np.ndarray
  start: np.ndarray
  bottom: np.ndarray
  extra_CxV: np.ndarray
  top_CxV: np.ndarray
  below_CxVxA: np.ndarray
  links_CxV: np.ndarray
  exposed_BxI: np.ndarray


class _Choice(NamedTuple):
  """A nonterminal that may be next at the height of a cell.

  Attributes:
    nonterminal: Its number.
    links: The choices of the cell below that it can stand on.
    extra: Fewest nodes that finish the program, beyond the cell's fewest.
  """

  nonterminal: int
  links: tuple[int, ...]
  extra: int


class _Cell(NamedTuple):
  """Choices in order, so that equal cells are equal tuples.

  On top each nonterminal occurs once; below it may occur with several links,
  since what stands on it must not go on as another derivation would.
  """

  on_top: bool
  choices: tuple[_Choice, ...]


class _Move(NamedTuple):
  """What a token makes of the cell on top.

  Attributes:
    extra: Fewest nodes of a program that goes on so, beyond the cell's fewest.
    cells: What takes the cell's place, the new top last; none for a token
      without arguments.
    links: The choices of the cell below that such a token leads to.
  """

  extra: int
  cells: tuple[_Cell, ...]
  links: tuple[int, ...]


class _Determinizer:
  """The moves of a grammar's cells."""

  def __init__(
    self,
    grammar: grammar_lib.Grammar,
    vocabulary: tokens.Vocabulary,
    max_size: int,
  ):
    index = {name: k for k, name in enumerate(grammar.nonterminals)}
    least = _least_sizes(grammar)
    end = len(index)  # one more nonterminal, below all others
    self._least = [*(least[name] for name in index), 0]
    self._max_size = max_size
    # (nonterminal, token) -> the arguments of each alternative.
    self._rules: dict[tuple[int, int], list[tuple[int, ...]]] = {}
    for rule in grammar.productions:
      key = index[rule.nonterminal], vocabulary.index[rule.symbol]
      args = tuple(index[arg] for arg in rule.args)
      self._rules.setdefault(key, []).append(args)
    self.bottom = self._cell(False, {(end, ()): 0})
    self.start = self._cell(True, {(index[grammar.start], (0,)): 0})
    self.end = self.expose(self.bottom, (0,))

  def _cell(
    self, on_top: bool, size: Mapping[tuple[int, tuple[int, ...]], int]
  ) -> _Cell:
    """A cell from the sizes of its choices, those too large left out."""
    fewest = min(size.values())
    return _Cell(
      on_top,
      tuple(
        _Choice(*choice, nodes - fewest)
        for choice, nodes in sorted(size.items())
        if nodes - fewest < self._max_size
      ),
    )

  def _top(self, found: Iterable[_Choice]) -> _Cell:
    """A cell on top: choices of one nonterminal become one."""
    links: dict[int, set[int]] = {}
    size: dict[int, int] = {}
    for k, own, extra in found:
      links.setdefault(k, set()).update(own)
      size[k] = min(extra, size.get(k, extra))
    return self._cell(
      True, {(k, tuple(sorted(links[k]))): size[k] for k in links}
    )

  def expose(self, below: _Cell, links: tuple[int, ...]) -> _Cell:
    """The top when all above `below` is written and has led to `links`."""
    return self._top(below.choices[link] for link in links)

  def follow(self, top: _Cell, token: int) -> _Move | None:
    """What comes of a token; None if it cannot come."""
    # One item an alternative: (arguments, links of the lowest, size).
    items = [
      (args, links, extra - self._least[k])
      for k, links, extra in top.choices
      for args in self._rules.get((k, token), ())
    ]
    if not items:
      return None
    extra = 1 + min(
      size + sum(self._least[arg] for arg in args) for args, _, size in items
    )
    if not items[0][0]:
      links = sorted({link for _, own, _ in items for link in own})
      return _Move(extra, (), tuple(links))
    cells = []
    for place in reversed(range(1, len(items[0][0]))):
      # The last argument is the lowest. Each item stands on its own choice.
      items = [
        (args, links, size + self._least[args[place]])
        for args, links, size in items
      ]
      cell = self._cell(
        False, {(args[place], links): size for args, links, size in items}
      )
      cells.append(cell)
      position = {choice[:2]: i for i, choice in enumerate(cell.choices)}
      items = [
        (args, (position[args[place], links],), size)
        for args, links, size in items
        if (args[place], links) in position
      ]
    top = self._top(
      _Choice(args[0], links, size + self._least[args[0]])
      for args, links, size in items
    )
    return _Move(extra, (*cells, top), ())


class _Reachable:
  """All cells that can occur, numbered, and all their moves.

  What can lie below a cell is a least fixed point: what lies below a cell lies
  also below the one that takes its place.
  """

  def __init__(self, machine: _Determinizer, num_tokens: int, name: str):
    self.numbers: dict[bool, dict[_Cell, int]] = {True: {}, False: {}}
    self.moves: dict[_Cell, dict[int, _Move]] = {}
    self.exposed: dict[tuple[_Cell, tuple[int, ...]], _Cell] = {}
    self._below: dict[_Cell, set[_Cell]] = {}
    self._heirs: dict[_Cell, set[_Cell]] = {}
    self._queue: list[tuple[_Cell, _Cell]] = []
    self._put(machine.start, machine.bottom)
    while self._queue:
      cell, below = self._queue.pop()
      if cell.on_top and cell not in self.moves:
        found = {v: machine.follow(cell, v) for v in range(num_tokens)}
        self.moves[cell] = {v: move for v, move in found.items() if move}
        for move in self.moves[cell].values():
          for lower, upper in itertools.pairwise(move.cells):
            self._put(upper, lower)
          if move.cells:
            self._inherit(cell, move.cells[0])
      for move in self.moves[cell].values() if cell.on_top else ():
        if not move.cells:
          top = machine.expose(below, move.links)
          self.exposed[below, move.links] = top
          self._inherit(below, top)
      for heir in self._heirs.get(cell, ()):
        self._put(heir, below)
      if sum(map(len, self.numbers.values())) > _MOST_CELLS:
        raise grammar_lib.GrammarError(
          f'{name}: programs cannot be constrained from left to right: more '
          f'than {_MOST_CELLS} sets of alternatives have to be told apart'
        )

  def _number(self, cell: _Cell) -> None:
    numbers = self.numbers[cell.on_top]
    numbers.setdefault(cell, len(numbers))

  def _put(self, cell: _Cell, below: _Cell) -> None:
    """Notes that `below` can lie below `cell`."""
    known = self._below.setdefault(cell, set())
    if below not in known:
      known.add(below)
      self._number(cell)
      self._number(below)
      self._queue.append((cell, below))

  def _inherit(self, cell: _Cell, heir: _Cell) -> None:
    """Notes that `heir` can stand wherever `cell` can."""
    self._number(heir)
    if heir not in self._heirs.setdefault(cell, set()):
      self._heirs[cell].add(heir)
      for below in tuple(self._below.get(cell, ())):
        self._put(heir, below)


def tables(
  grammar: grammar_lib.Grammar, vocabulary: tokens.Vocabulary, max_size: int
) -> Tables:
  """The tables of a grammar for programs of at most `max_size` nodes.

  Raises:
    GrammarError: if no program is so small, or if too many sets of alternatives
      have to be told apart for the tables to be of use.
  """
  least = _least_sizes(grammar)[grammar.start]
  if least > max_size:
    raise grammar_lib.GrammarError(
      f'{grammar.name}: no program has at most {max_size} nodes: the smallest '
      f'has {least}'
    )
  machine = _Determinizer(grammar, vocabulary, max_size)
  found = _Reachable(machine, len(vocabulary), grammar.name)
  top, below = found.numbers[True], found.numbers[False]
  links: dict[tuple[int, ...], int] = {}
  for _, own in found.exposed:
    links.setdefault(own, len(links))
  shape = len(top), len(vocabulary)
  arity = int(vocabulary.arity_V.max())
  extra_CxV = np.full(shape, NEVER, np.int32)
  top_CxV = np.full(shape, NOTHING, np.int32)
  links_CxV = np.full(shape, NOTHING, np.int32)
  below_CxVxA = np.full((*shape, max(arity - 1, 0)), NOTHING, np.int32)
  for cell, moves in found.moves.items():
    for v, move in moves.items():
      place = top[cell], v
      extra_CxV[place] = move.extra
      if move.cells:
        top_CxV[place] = top[move.cells[-1]]
        for a, lower in enumerate(move.cells[:-1]):
          below_CxVxA[(*place, a)] = below[lower]
      else:
        links_CxV[place] = links[move.links]
  end = top[machine.end]
  extra_CxV[end, tokens.EOS], top_CxV[end, tokens.EOS] = 0, end
  exposed_BxI = np.full((len(below), len(links)), NOTHING, np.int32)
  for (lower, own), cell in found.exposed.items():
    exposed_BxI[below[lower], links[own]] = top[cell]
  return Tables(
    np.array(least, np.int32),
    np.array(top[machine.start], np.int32),
    np.array(below[machine.bottom], np.int32),
    extra_CxV,
    top_CxV,
    below_CxVxA,
    links_CxV,
    exposed_BxI,
  )


def _least_sizes(grammar: grammar_lib.Grammar) -> dict[str, int]:
  """Fewest nodes of a program of each nonterminal."""
  least: dict[str, int] = {}
  while True:
    found = dict(least)
    for rule in grammar.productions:
      if all(arg in least for arg in rule.args):
        size = 1 + sum(least[arg] for arg in rule.args)
        found[rule.nonterminal] = min(size, found.get(rule.nonterminal, size))
    if found == least:
      return least
    least = found
