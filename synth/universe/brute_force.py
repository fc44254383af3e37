"""All programs one by one, never merged: what an enumeration must agree with.

Every program of a nonterminal and size is evaluated from its own arguments by
the universe's policy, and programs are grouped by identity at the end. Nothing
is shared with `enumerate` but the policy's operators.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import math

import numpy as np

from synth.language import counting
from synth.language import grammar as grammar_lib
from synth.universe import identity
from synth.universe import universe as universe_lib

_MAX_BYTES = 2**30
_WORD_BYTES = 64  # a program of the largest size, while it is looked up
_CHUNK = 1 << 16  # programs formed at once


def reach(universe: universe_lib.Universe, max_size: int) -> int:
  """The largest size whose programs can all be formed."""
  counts = counting.Counts(universe.grammar)
  width = sum(column.nbytes for column in universe.policy.columns)
  size, smaller, packed = 0, 0, 0
  while size < min(max_size, universe.max_size):
    packed += counts.count(universe.grammar.start, size + 1)
    if smaller * width + packed * _WORD_BYTES > _MAX_BYTES:
      break
    size += 1
    smaller += sum(
      counts.count(name, size) for name in universe.grammar.nonterminals
    )
  return size


def disagreements(universe: universe_lib.Universe, max_size: int) -> int:
  """How many (class, size) have another number of programs than counted.

  Args:
    universe: What to check.
    max_size: All programs up to this size are formed.

  Returns:
    The number, counting classes that are only in one of the two; 0 is right.
  """
  wrong = 0
  words = _words(universe.grammar, universe.policy, max_size)
  for size, (key, rest) in enumerate(words, 1):
    pair = np.zeros(len(key), universe.key_C.dtype)
    pair['key'], pair['rest'] = key, rest
    place = universe.find(pair)
    wrong += len(np.unique(pair[place < 0]))
    counted = np.bincount(place[place >= 0], minlength=len(universe.node_C))
    small = universe.size_C <= max_size
    wrong += int(np.sum((counted != universe.multiplicity(size)) & small))
    # A class of this minimal size has a program of this size.
    wrong += int(np.sum((counted == 0) & (universe.size_C == size)))
  return wrong


def _words(
  grammar: grammar_lib.Grammar, policy: identity.Policy, max_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """The packed identities of all programs, size by size from 1 on.

  Of the largest size they are all that is kept: no program is made of them.
  """
  table: dict[tuple[str, int], identity.Values] = {}
  for size in range(1, max_size + 1):
    if size == max_size:
      last = _programs(grammar, policy, table, grammar.start, size)
      words = map(policy.pack, (_none(policy), *last))
      key, rest = map(np.concatenate, zip(*words, strict=True))
      yield key, rest
      return
    for name in grammar.nonterminals:
      parts = _programs(grammar, policy, table, name, size)
      table[name, size] = tuple(
        np.concatenate(columns)
        for columns in zip(_none(policy), *parts, strict=True)
      )
    yield policy.pack(table[grammar.start, size])


def _none(policy: identity.Policy) -> identity.Values:
  return tuple(
    np.zeros((0, *column.shape), column.dtype) for column in policy.columns
  )


def _programs(
  grammar: grammar_lib.Grammar,
  policy: identity.Policy,
  table: Mapping[tuple[str, int], identity.Values],
  name: str,
  size: int,
) -> Iterator[identity.Values]:
  """Values of all programs of a nonterminal and size that have semantics.

  Args:
    grammar: The grammar.
    policy: Its operators.
    table: (nonterminal, size) -> values of all smaller programs.
    name: Of the nonterminal.
    size: Of the programs.
  """
  for rule in grammar.by_nonterminal[name]:
    for sizes in grammar_lib.argument_sizes(size, len(rule.args)):
      args = [table[pair] for pair in zip(rule.args, sizes, strict=True)]
      yield from _apply(policy, rule.symbol, args)


def _apply(
  policy: identity.Policy, symbol: str, args: list[identity.Values]
) -> Iterator[identity.Values]:
  """Values of all applications of a symbol to programs."""
  if not args:
    yield policy.leaf(symbol)
    return
  lengths = [len(arg[0]) for arg in args]
  total = math.prod(lengths)
  for start in range(0, total, _CHUNK):
    number = np.arange(start, min(start + _CHUNK, total))
    chosen = tuple(
      tuple(column[rows] for column in arg)
      for arg, rows in zip(args, np.unravel_index(number, lengths), strict=True)
    )
    values, keep = policy.value(symbol, chosen, identity.undecided)
    kept = slice(None) if keep is None else np.broadcast_to(keep, len(number))
    yield tuple(column[kept] for column in values)
