"""Edges of syntax trees: patterns of them, and grammars without them.

An edge is a parent, one of its argument positions, and the symbol that stands
there. A pattern names a set of edges:

    sub > div                  a quotient directly under a difference
    mul|div > add|sub          any of four kinds
    any > div, div > any       any operator over a quotient, or under it
    any:1 > 3                  3 as the first argument of any operator

`any` is every operator of the grammar; `PARENT:n` is only its n-th argument.
"""

from collections.abc import Collection
from collections.abc import Sequence
import re
from typing import NamedTuple

import numpy as np

from synth.language import grammar as grammar_lib
from synth.language import operators
from synth.language import structure
from synth.language import tokens

ANY = 'any'
_PART = re.compile(r'\s*([^\s:>]+)(?::(\d+))?\s*>\s*([^\s:>]+)\s*')


class Edge(NamedTuple):
  """A symbol `child` as argument number `argument` (from 0) of `parent`."""

  parent: str
  argument: int
  child: str

  def __str__(self) -> str:
    return f'{self.parent}:{self.argument + 1} > {self.child}'


def parse(pattern: str, grammar: grammar_lib.Grammar) -> frozenset[Edge]:
  """The edges that a pattern names.

  Raises:
    grammar_lib.GrammarError: if it is no pattern, or has a symbol or an
      argument that the grammar lacks.
  """
  found = set()
  for part in pattern.split(','):
    match = _PART.fullmatch(part)
    if not match:
      raise grammar_lib.GrammarError(
        f'{part.strip()!r} in {pattern!r} is no edge: write PARENT > CHILD, '
        'as in sub > div'
      )
    parents = _symbols(match[1], grammar, grammar.operators)
    children = _symbols(match[3], grammar, grammar.symbols)
    for parent in parents:
      arity = operators.OPERATORS[parent].arity
      places: Sequence[int] = range(arity)
      if match[2]:
        places = [int(match[2]) - 1]
        if not 0 <= places[0] < arity:
          raise grammar_lib.GrammarError(
            f'{part.strip()!r}: {parent} has arguments 1 to {arity}'
          )
      found |= {Edge(parent, a, child) for a in places for child in children}
  return frozenset(found)


def _symbols(
  names: str, grammar: grammar_lib.Grammar, known: Sequence[str]
) -> list[str]:
  """The symbols that one side of a pattern names."""
  found: list[str] = []
  for name in names.split('|'):
    if name == ANY:
      found += grammar.operators
    elif name in known:
      found.append(name)
    else:
      kind = 'operator' if known == grammar.operators else 'symbol'
      raise grammar_lib.GrammarError(
        f'{grammar.name}: no {kind} {name!r} to hold out (has: '
        f'{", ".join(known)})'
      )
  return found


def forbid(
  grammar: grammar_lib.Grammar, edges: Collection[Edge]
) -> grammar_lib.Grammar:
  """The grammar of the programs that have none of the edges.

  Each nonterminal A becomes A (its programs without the edges) and, where a
  parent asks for it, `A!f|g` (those whose root is neither f nor g). Enumerating
  this grammar decides which semantic classes *need* one of the edges.

  Raises:
    grammar_lib.GrammarError: if no program is left.
  """

  def without(nonterminal: str, symbols: Collection[str]) -> str:
    """`nonterminal` less the programs rooted in some symbols."""
    roots = {p.symbol for p in grammar.by_nonterminal[nonterminal]}
    banned = sorted(roots.intersection(symbols))
    return f'{nonterminal}!{"|".join(banned)}' if banned else nonterminal

  def argument(p: grammar_lib.Production, place: int) -> str:
    banned = {e.child for e in edges if e[:2] == (p.symbol, place)}
    return without(p.args[place], banned)

  bans = [
    {e.child for e in edges if e[:2] == place}
    for place in {e[:2] for e in edges}
  ]
  productions = []
  for nonterminal, rules in grammar.by_nonterminal.items():
    names = {nonterminal: set[str]()}
    for banned in bans:
      names.setdefault(without(nonterminal, banned), banned)
    for name in sorted(names):
      productions += [
        grammar_lib.Production(
          name,
          p.symbol,
          tuple(argument(p, place) for place in range(len(p.args))),
          p.line,
        )
        for p in rules
        if p.symbol not in names[name]
      ]
  productive = grammar_lib.productive(productions)
  if grammar.start not in productive:
    raise grammar_lib.GrammarError(
      f'{grammar.name}: every program has one of the edges to hold out'
    )
  productions = [p for p in productions if productive.issuperset(p.args)]
  return grammar_lib.Grammar(
    f'{grammar.name} without {", ".join(sorted(map(str, edges)))}',
    grammar.start,
    grammar_lib.reachable(grammar.start, productions),
  )


def has(
  tok_PxL: np.ndarray,
  vocabulary: tokens.Vocabulary,
  edges: Collection[Edge],
) -> np.ndarray:
  """Whether each program (well-formed prefix rows) has one of the edges."""
  child_PxLxA = structure.children(tok_PxL, vocabulary)
  # Token 0 is padding: it is the "child" beyond the arity, and never an edge.
  edge_VxAxV = np.zeros(
    (len(vocabulary), child_PxLxA.shape[2], len(vocabulary)), bool
  )
  for parent, argument, child in edges:
    edge_VxAxV[vocabulary.index[parent], argument, vocabulary.index[child]] = 1
  found_P = np.zeros(len(tok_PxL), bool)
  for argument in range(child_PxLxA.shape[2]):
    at_PxL = child_PxLxA[:, :, argument].astype(np.int64)
    below_PxL = np.take_along_axis(tok_PxL, np.maximum(at_PxL, 0), axis=1)
    below_PxL = np.where(at_PxL == structure.NONE, tokens.PAD, below_PxL)
    found_P |= edge_VxAxV[tok_PxL, argument, below_PxL].any(axis=1)
  return found_P
