"""Which symbols may come next in a program written from left to right.

A prefix of a program in prefix order leaves a stack of nonterminals still to be
written. The symbol at the top must be one that its nonterminal derives, and
small enough that everything on the stack still fits the length that is left;
then every prefix can be finished, and every program of the grammar up to that
length can be written. The tables are arrays, so the stacks of thousands of
programs are kept on the device (`synth.decode`).
"""

from typing import NamedTuple

import numpy as np

from synth.language import grammar as grammar_lib
from synth.language import tokens

NOTHING = -1  # in place of a nonterminal


class Tables(NamedTuple):
  """What may be written, by nonterminal and token: K nonterminals, V tokens.

  Attributes:
    start: The start nonterminal.
    least_KxV: Fewest nodes of a program of the nonterminal that begins with the
      token; 0 if none does.
    least_K: Fewest nodes of a program of the nonterminal.
    args_KxVxA: The nonterminals that follow, the first argument's first.
  """

  start: np.ndarray
  least_KxV: np.ndarray
  least_K: np.ndarray
  args_KxVxA: np.ndarray


def tables(
  grammar: grammar_lib.Grammar, vocabulary: tokens.Vocabulary
) -> Tables:
  """The tables of a grammar.

  Raises:
    GrammarError: if two productions of a nonterminal have one symbol: the
      symbol alone does not say what must follow.
  """
  index = {name: k for k, name in enumerate(grammar.nonterminals)}
  arity = max(1, *(len(p.args) for p in grammar.productions))
  least = _least_sizes(grammar)
  least_KxV = np.zeros((len(index), len(vocabulary)), np.int32)
  args_KxVxA = np.full((*least_KxV.shape, arity), NOTHING, np.int32)
  for rule in grammar.productions:
    k, v = index[rule.nonterminal], vocabulary.index[rule.symbol]
    if least_KxV[k, v]:
      raise grammar_lib.GrammarError(
        f'{grammar.name}:{rule.line}: two alternatives of {rule.nonterminal!r} '
        f'begin with {rule.symbol!r}: programs cannot be constrained from left '
        'to right'
      )
    least_KxV[k, v] = 1 + sum(least[arg] for arg in rule.args)
    args_KxVxA[k, v, : len(rule.args)] = [index[arg] for arg in rule.args]
  return Tables(
    np.array(index[grammar.start], np.int32),
    least_KxV,
    np.array([least[name] for name in grammar.nonterminals], np.int32),
    args_KxVxA,
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
