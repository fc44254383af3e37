"""Exact counts of programs, and programs by number, without enumeration.

All programs of a nonterminal and size are numbered 0, 1, ... in a fixed order:
by production (in the grammar's order), then by the sizes of the arguments, then
by the arguments' own numbers, the last argument running fastest. `rank` and
`unrank` are inverse to each other; a uniform number is a uniform program (the
recursive method of Nijenhuis and Wilf). Counts are exact integers of any size.
"""

from collections.abc import Iterator
import functools
import math

import numpy as np

from synth import errors
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib


class Counts:
  """Numbers of programs of a grammar, by nonterminal and size.

  Args:
    grammar: Any grammar.
  """

  def __init__(self, grammar: grammar_lib.Grammar):
    self.grammar = grammar
    # Filled size by size, so that no recursion is deeper than one step.
    self._counts: dict[str, list[int]] = {
      name: [0] for name in grammar.nonterminals
    }

  def count(self, nonterminal: str, size: int) -> int:
    """Number of programs of exactly `size` nodes."""
    if size < 1:  # else a place from the end of the table
      return 0
    table = self._counts
    while len(table[nonterminal]) <= size:
      new = len(table[nonterminal])
      for name, rules in self.grammar.by_nonterminal.items():
        table[name].append(
          sum(
            self._ways(rule, sizes)
            for rule in rules
            for sizes in grammar_lib.argument_sizes(new, len(rule.args))
          )
        )
    return table[nonterminal][size]

  def by_size(self, max_size: int) -> dict[int, int]:
    """Size -> number of programs of the start nonterminal, where not 0."""
    start = self.grammar.start
    found = {size: self.count(start, size) for size in range(1, max_size + 1)}
    return {size: number for size, number in found.items() if number}

  def _ways(self, rule: grammar_lib.Production, sizes: tuple[int, ...]) -> int:
    """Number of programs by `rule` with arguments of the given sizes."""
    return math.prod(
      self._counts[name][size]
      for name, size in zip(rule.args, sizes, strict=True)
    )

  def unrank(self, size: int, rank: int) -> program_lib.Node:
    """Program number `rank` of the start nonterminal and size.

    Raises:
      InputError: if there are not so many.
    """
    start = self.grammar.start
    number = self.count(start, size)
    if not 0 <= rank < number:
      raise errors.InputError(
        f'{self.grammar.name}: no program number {rank} of size {size}: there '
        f'are {number}'
      )
    return self._unrank(start, size, rank)

  def _unrank(self, name: str, size: int, rank: int) -> program_lib.Node:
    for rule, sizes in self._choices(name, size):
      ways = self._ways(rule, sizes)
      if rank < ways:
        break
      rank -= ways
    args: list[program_lib.Node] = []
    for arg, arg_size in reversed(list(zip(rule.args, sizes, strict=True))):
      rank, own = divmod(rank, self.count(arg, arg_size))
      args.insert(0, self._unrank(arg, arg_size, own))
    return program_lib.Node(rule.symbol, tuple(args))

  def rank(self, program: program_lib.Node) -> int:
    """The number of a program among those of its size.

    Raises:
      ProgramError: if the grammar does not derive it.
    """
    if not self.grammar.derives(program):
      raise program_lib.ProgramError(
        f'program {program_lib.to_infix(program)!r} does not derive from '
        f'{self.grammar.name}'
      )
    self.count(self.grammar.start, program.size)
    return self._rank(self.grammar.start, program)

  def _rank(self, name: str, program: program_lib.Node) -> int:
    rule = self.grammar.production(name, program)
    own_sizes = tuple(arg.size for arg in program.args)
    rank = 0
    for other, sizes in self._choices(name, program.size):
      if (other, sizes) == (rule, own_sizes):
        break
      rank += self._ways(other, sizes)
    within = 0
    for arg, child in zip(rule.args, program.args, strict=True):
      within = within * self.count(arg, child.size) + self._rank(arg, child)
    return rank + within

  def _choices(
    self, name: str, size: int
  ) -> Iterator[tuple[grammar_lib.Production, tuple[int, ...]]]:
    """Productions and argument sizes, in the order of the numbering."""
    for rule in self.grammar.by_nonterminal[name]:
      for sizes in grammar_lib.argument_sizes(size, len(rule.args)):
        yield rule, sizes

  def programs(self, size: int) -> Iterator[program_lib.Node]:
    """All programs of a size, in the order of their numbers."""
    for rank in range(self.count(self.grammar.start, size)):
      yield self.unrank(size, rank)

  def sample(self, size: int, rng: np.random.Generator) -> program_lib.Node:
    """A uniformly random program of a size.

    Raises:
      InputError: if there is none.
    """
    number = self.count(self.grammar.start, size)
    return self.unrank(size, uniform_below(number, rng))


def uniform_below(number: int, rng: np.random.Generator) -> int:
  """A uniform integer in [0, number), of any size; 0 if number is 0."""
  words = -(-number.bit_length() // 32)
  while number:  # rejection: exact, on average less than two rounds
    draw = functools.reduce(
      lambda high, low: (high << 32) | int(low),
      rng.integers(0, 2**32, words),
      0,
    )
    draw >>= 32 * words - number.bit_length()
    if draw < number:
      return draw
  return 0
