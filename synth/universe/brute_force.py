"""All programs one by one, never merged: what an enumeration must agree with.

Every program of a nonterminal and size is evaluated from its own arguments by
the universe's policy, and programs are grouped by identity at the end. Nothing
is shared with `enumerate` but the policy's operators.
"""

import numpy as np

from synth.language import counting
from synth.language import grammar as grammar_lib
from synth.universe import identity
from synth.universe import universe as universe_lib

_MAX_BYTES = 2**30  # of values


def reach(universe: universe_lib.Universe, max_size: int) -> int:
  """The largest size whose programs can all be formed."""
  counts = counting.Counts(universe.grammar)
  size, total = 0, 0
  width = sum(column.nbytes for column in universe.policy.columns)
  while size < min(max_size, universe.max_size):
    total += sum(
      counts.count(name, size + 1) for name in universe.grammar.nonterminals
    )
    if total * width > _MAX_BYTES:
      break
    size += 1
  return size


def disagreements(universe: universe_lib.Universe, max_size: int) -> int:
  """How many (class, size) have another number of programs than counted.

  Args:
    universe: What to check.
    max_size: All programs up to this size are formed.

  Returns:
    The number, counting classes that are only in one of the two; 0 is right.
  """
  found = _programs(universe.grammar, universe.policy, max_size)
  wrong = 0
  for size in range(1, max_size + 1):
    key, rest = universe.policy.pack(found[universe.grammar.start, size])
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


def _programs(
  grammar: grammar_lib.Grammar, policy: identity.Policy, max_size: int
) -> dict[tuple[str, int], identity.Values]:
  """(nonterminal, size) -> values of all its programs that have semantics."""
  table: dict[tuple[str, int], identity.Values] = {}
  for size in range(1, max_size + 1):
    for name in grammar.nonterminals:
      parts = [
        _apply(
          policy,
          rule.symbol,
          [table[p] for p in zip(rule.args, sizes, strict=True)],
        )
        for rule in grammar.by_nonterminal[name]
        for sizes in grammar_lib.argument_sizes(size, len(rule.args))
      ]
      empty = tuple(
        np.zeros((0, *column.shape), column.dtype) for column in policy.columns
      )
      table[name, size] = tuple(
        np.concatenate(columns) for columns in zip(empty, *parts, strict=True)
      )
  return table


def _apply(
  policy: identity.Policy, symbol: str, args: list[identity.Values]
) -> identity.Values:
  """Values of all applications of a symbol to programs."""
  if not args:
    return policy.leaf(symbol)
  lengths = [len(arg[0]) for arg in args]
  if 0 in lengths:
    return tuple(column[:0] for column in args[0])
  places = np.indices(lengths).reshape(len(args), -1)
  parts = []
  for start in range(0, places.shape[1], 1 << 16):
    part = places[:, start : start + (1 << 16)]
    chosen = tuple(
      tuple(column[rows] for column in arg)
      for arg, rows in zip(args, part, strict=True)
    )
    values, keep = policy.value(symbol, chosen, identity.undecided)
    kept = slice(None) if keep is None else np.broadcast_to(keep, part.shape[1])
    parts.append(tuple(column[kept] for column in values))
  return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
