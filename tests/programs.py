"""Ways to make programs for tests: all up to a size, or random ones."""

from collections.abc import Iterator
import functools
import itertools
import math

import numpy as np

from synth.language import grammar as grammar_lib
from synth.language import pcfg as pcfg_lib
from synth.language import program as program_lib
from synth.language import tokens


def all_programs(
  grammar: grammar_lib.Grammar, max_size: int
) -> list[program_lib.Node]:
  """Every program of at most `max_size` nodes, by brute force."""
  table: dict[tuple[str, int], list[program_lib.Node]] = {}
  for size in range(1, max_size + 1):
    for name in grammar.nonterminals:
      table[name, size] = list(_of_size(grammar, table, name, size))
  return [
    program
    for size in range(1, max_size + 1)
    for program in table[grammar.start, size]
  ]


def has_sub_div(program: program_lib.Node) -> bool:
  """Whether a quotient stands directly under a difference."""
  here = program.symbol == 'sub' and any(
    arg.symbol == 'div' for arg in program.args
  )
  return here or any(map(has_sub_div, program.args))


def to_prefix(program: program_lib.Node) -> str:
  """The symbols in pre-order, separated by blanks."""
  return ' '.join(program_lib.preorder(program))


def log_prob(pcfg: pcfg_lib.Pcfg, program: program_lib.Node) -> float:
  """Natural logarithm of a program's probability: a product over its nodes."""

  def of(name: str, node: program_lib.Node) -> float:
    rule = pcfg.grammar.production(name, node)
    below = map(of, rule.args, node.args)
    return math.log(pcfg.probability[rule]) + sum(below)

  return of(pcfg.grammar.start, program)


def with_eos(tok_PxL: np.ndarray) -> np.ndarray:
  """Rows as models write them: EOS after the program, then PAD."""
  out_PxT = np.pad(tok_PxL, ((0, 0), (0, 1)))
  size_P = (tok_PxL != tokens.PAD).sum(axis=1)
  out_PxT[np.arange(len(tok_PxL)), size_P] = tokens.EOS
  return out_PxT


def _of_size(
  grammar: grammar_lib.Grammar,
  table: dict[tuple[str, int], list[program_lib.Node]],
  name: str,
  size: int,
) -> Iterator[program_lib.Node]:
  for rule in grammar.by_nonterminal[name]:
    for sizes in grammar_lib.argument_sizes(size, len(rule.args)):
      choices = [table[pair] for pair in zip(rule.args, sizes, strict=True)]
      for args in itertools.product(*choices):
        yield program_lib.Node(rule.symbol, args)


def random_program(
  grammar: grammar_lib.Grammar, size: int, rng: np.random.Generator
) -> program_lib.Node:
  """A random program of exactly `size` nodes of a one-nonterminal grammar."""
  splits = {
    rule: [
      sizes
      for sizes in grammar_lib.argument_sizes(size, len(rule.args))
      if all(_exists(grammar, s) for s in sizes)
    ]
    for rule in grammar.productions
  }
  rules = [rule for rule in grammar.productions if splits[rule]]
  rule = rules[rng.integers(len(rules))]
  sizes = splits[rule][rng.integers(len(splits[rule]))]
  args = tuple(random_program(grammar, s, rng) for s in sizes)
  return program_lib.Node(rule.symbol, args)


@functools.cache
def _exists(grammar: grammar_lib.Grammar, size: int) -> bool:
  """Whether a one-nonterminal grammar has programs of a size."""
  return any(
    all(_exists(grammar, s) for s in sizes)
    for rule in grammar.productions
    for sizes in grammar_lib.argument_sizes(size, len(rule.args))
  )
