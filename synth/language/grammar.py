"""Grammar files: a regular-tree grammar in a text file.

    # comment
    expr ::= x | 1 | 2 | 3
           | expr + expr | expr - expr | expr * expr | expr / expr

One rule a nonterminal, the first rule is the start. A name defined on the left
is a nonterminal; any other bare name is an input variable; a number is a
constant; `f(a, b)` applies an operator; infix `+ - * / <` are `add sub mul div
lt`.
Arguments may nest (`x * (expr + 1)`): inner parts become nonterminals of their
own. A bare nonterminal as an alternative stands for all its alternatives.

Every program must have one derivation, so that counting derivations counts
programs: an ambiguous grammar is refused with a witness. (A regular-tree
grammar can always be rewritten without ambiguity.)
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import fractions
import functools
import hashlib
import itertools
import pathlib
from typing import Any

import lark

from synth import errors
from synth.language import constants
from synth.language import operators
from synth.language import program as program_lib

_SYNTAX = (
  r"""
start: rule+
rule: NAME "::=" expression ("|" expression)*
COMMENT: /#[^\n]*/
%ignore COMMENT
"""
  + program_lib.EXPRESSION_SYNTAX
)
_PARSER = lark.Lark(_SYNTAX, parser='lalr', propagate_positions=True)


class GrammarError(errors.InputError):
  """A grammar file that cannot be used; names file, line and symbol."""


@dataclasses.dataclass(frozen=True, order=True)
class Production:
  """`nonterminal ::= symbol(args...)`, the arguments being nonterminals."""

  nonterminal: str
  symbol: str
  args: tuple[str, ...] = ()
  line: int = dataclasses.field(default=0, compare=False)

  @property
  def symmetric(self) -> bool:
    """Whether exchanging the two arguments gives a program of equal value."""
    operator = operators.OPERATORS.get(self.symbol)
    return (
      operator is not None
      and operator.commutative
      and self.args[0] == self.args[1]
    )

  def __str__(self) -> str:
    inner = f'({", ".join(self.args)})' if self.args else ''
    return f'{self.nonterminal} ::= {self.symbol}{inner}'


@dataclasses.dataclass(frozen=True)
class Grammar:
  """A reduced, unambiguous regular-tree grammar without unit productions.

  Attributes:
    name: Where it came from, for messages.
    start: The start nonterminal.
    productions: All productions, grouped by nonterminal in file order.
  """

  name: str
  start: str
  productions: tuple[Production, ...]

  def __post_init__(self) -> None:
    _check_productive(self)
    _check_reachable(self)
    _check_unambiguous(self)

  @functools.cached_property
  def by_nonterminal(self) -> dict[str, tuple[Production, ...]]:
    """Nonterminal -> its productions, in order."""
    table: dict[str, list[Production]] = {}
    for production in self.productions:
      table.setdefault(production.nonterminal, []).append(production)
    return {name: tuple(rules) for name, rules in table.items()}

  def place(self, nonterminal: str) -> str:
    """`file:line` of a nonterminal's first alternative, for messages."""
    line = self.by_nonterminal[nonterminal][0].line
    return f'{self.name}:{line}'

  @property
  def nonterminals(self) -> tuple[str, ...]:
    """All nonterminals in order."""
    return tuple(self.by_nonterminal)

  @functools.cached_property
  def symbols(self) -> tuple[str, ...]:
    """The terminal symbols: operators, then variables, then constants."""
    return self.operators + self.variables + self.constants

  @functools.cached_property
  def operators(self) -> tuple[str, ...]:
    """Names of the operators, in the order of `operators.OPERATORS`."""
    used = {p.symbol for p in self.productions if p.args}
    return tuple(name for name in operators.OPERATORS if name in used)

  @functools.cached_property
  def variables(self) -> tuple[str, ...]:
    """Names of the input variables, sorted."""
    leaves = {p.symbol for p in self.productions if not p.args}
    return tuple(sorted(s for s in leaves if constants.value(s) is None))

  @functools.cached_property
  def constants(self) -> tuple[str, ...]:
    """The constant symbols, by value."""
    leaves = {p.symbol for p in self.productions if not p.args}
    return tuple(
      sorted(
        (s for s in leaves if constants.value(s) is not None),
        key=fractions.Fraction,
      )
    )

  @functools.cached_property
  def sha256(self) -> str:
    """Hash of the productions: equal for files that mean the same grammar."""
    text = '\n'.join([self.start, *map(str, sorted(self.productions))])
    return hashlib.sha256(text.encode()).hexdigest()

  def to_json(self) -> dict[str, Any]:
    """The grammar in its normal form, for manifests."""
    return {
      # Without its folder, so that equal grammars give equal manifests.
      'name': pathlib.PurePath(self.name).name,
      'start': self.start,
      'productions': [
        [p.nonterminal, p.symbol, list(p.args)] for p in self.productions
      ],
    }

  @classmethod
  def from_json(cls, data: Mapping[str, Any]) -> 'Grammar':
    """The inverse of `to_json`."""
    productions = (
      Production(nonterminal, symbol, tuple(args))
      for nonterminal, symbol, args in data['productions']
    )
    return cls(data['name'], data['start'], tuple(productions))

  def derives(self, program: program_lib.Node) -> bool:
    """Whether the start nonterminal derives `program`."""
    return self.start in self._types(program)

  def production(
    self, nonterminal: str, program: program_lib.Node
  ) -> Production:
    """The production by which `nonterminal` derives `program`.

    Raises:
      KeyError: if it does not derive it.
    """
    types = [self._types(arg) for arg in program.args]
    for p in self.by_nonterminal[nonterminal]:
      if p.symbol == program.symbol and all(
        arg in t for arg, t in zip(p.args, types, strict=True)
      ):
        return p
    raise KeyError(program_lib.to_infix(program))

  def _types(self, program: program_lib.Node) -> frozenset[str]:
    """The nonterminals that derive `program` (a bottom-up tree automaton)."""
    types = [self._types(arg) for arg in program.args]
    return frozenset(
      p.nonterminal
      for p in self._by_symbol.get(program.symbol, ())
      if len(p.args) == len(types)
      and all(arg in t for arg, t in zip(p.args, types, strict=True))
    )

  @functools.cached_property
  def _by_symbol(self) -> dict[str, list[Production]]:
    table: dict[str, list[Production]] = {}
    for production in self.productions:
      table.setdefault(production.symbol, []).append(production)
    return table


def argument_sizes(size: int, arity: int) -> list[tuple[int, ...]]:
  """All ways to give `arity` arguments positive sizes that sum to size - 1."""
  if arity == 0:
    return [()] if size == 1 else []
  if arity == 1:
    return [(size - 1,)] if size > 1 else []
  return [
    (first, *rest)
    for first in range(1, size - arity + 1)
    for rest in argument_sizes(size - first, arity - 1)
  ]


def find(path: str) -> pathlib.Path:
  """A grammar file by its path here, else beside the installed recipes."""
  here = pathlib.Path(path)
  installed = pathlib.Path(__file__).parents[2] / path
  return installed if not here.exists() and installed.exists() else here


def load(path: str | pathlib.Path) -> Grammar:
  """Reads a grammar file.

  Raises:
    GrammarError: names file, line and symbol.
  """
  try:
    # Some editors put a byte order mark before the text.
    text = pathlib.Path(path).read_text(encoding='utf-8-sig')
  except (OSError, UnicodeDecodeError) as error:
    reason = getattr(error, 'strerror', None) or 'not a text file'
    raise GrammarError(f'cannot read grammar file {path}: {reason}') from None
  return parse(text, name=str(path))


def parse(text: str, name: str = '<grammar>') -> Grammar:
  """Parses the text of a grammar file; `name` appears in messages."""

  def fail(message: str, place: Any) -> GrammarError:
    line = getattr(getattr(place, 'meta', place), 'line', '?')
    return GrammarError(f'{name}:{line}: {message}')

  try:
    tree = _PARSER.parse(text)
  except lark.exceptions.UnexpectedInput as error:
    message = program_lib.describe_syntax_error(error)
    raise fail(message, error) from None
  rules: dict[str, list[tuple[program_lib.Node, int]]] = {}
  for rule in tree.children:
    left, *alternatives = rule.children
    if str(left) in rules:
      raise fail(f'nonterminal {str(left)!r} has a second rule', left)
    if str(left) in operators.OPERATORS:
      raise fail(f'{str(left)!r} is an operator, not a nonterminal', left)
    rules[str(left)] = [
      (program_lib.tree_from_lark(alternative, fail), alternative.meta.line)
      for alternative in alternatives
    ]
  return _normalize(name, rules)


def _normalize(
  name: str, rules: Mapping[str, Sequence[tuple[program_lib.Node, int]]]
) -> Grammar:
  """Splits nested arguments, expands unit alternatives, refuses duplicates."""
  bodies: dict[str, list[tuple[program_lib.Node, int]]]
  bodies = {left: [] for left in rules}
  spelled: dict[fractions.Fraction, str] = {}

  def nonterminal_of(tree: program_lib.Node, line: int) -> str:
    """The nonterminal that derives exactly `tree` (an argument of a rule)."""
    if not tree.args and tree.symbol in rules:
      return tree.symbol
    inner = '<' + program_lib.to_infix(tree) + '>'
    if inner not in bodies:
      bodies[inner] = [(flatten(tree, line), line)]
    return inner

  def flatten(tree: program_lib.Node, line: int) -> program_lib.Node:
    args = (program_lib.Node(nonterminal_of(arg, line)) for arg in tree.args)
    return program_lib.Node(_canonical(tree.symbol, spelled), tuple(args))

  for left, alternatives in rules.items():
    seen = set()
    for tree, line in alternatives:
      body = flatten(tree, line)
      if body in seen:
        text = program_lib.to_infix(tree)
        raise GrammarError(f'{name}:{line}: duplicate rule {left} ::= {text}')
      seen.add(body)
      bodies[left].append((body, line))
  start = next(iter(rules))
  _check_used(name, start, bodies)
  productions = []
  for left in bodies:
    productions += _expand(name, left, bodies)
  # Nonterminals used only as bare alternatives have been replaced.
  return Grammar(name, start, reachable(start, productions))


def _check_used(
  name: str,
  start: str,
  bodies: Mapping[str, Sequence[tuple[program_lib.Node, int]]],
) -> None:
  """Refuses a rule that the start does not refer to, even indirectly."""
  used = {start}
  queue = [start]
  while queue:
    for body, _ in bodies[queue.pop()]:
      names = {arg.symbol for arg in body.args} or {body.symbol} & set(bodies)
      queue += names - used
      used |= names
  for left, alternatives in bodies.items():
    if left not in used:
      raise GrammarError(
        f'{name}:{alternatives[0][1]}: nonterminal {left!r} is unreachable '
        f'from {start!r}'
      )


def _canonical(symbol: str, spelled: dict[fractions.Fraction, str]) -> str:
  """One spelling a constant: `0.50` is the `0.5` met before."""
  value = constants.value(symbol)
  return symbol if value is None else spelled.setdefault(value, symbol)


def _expand(
  name: str,
  left: str,
  bodies: Mapping[str, Sequence[tuple[program_lib.Node, int]]],
) -> list[Production]:
  """The productions of `left`, its unit alternatives replaced by theirs."""
  found: list[Production] = []

  def visit(current: str, path: tuple[str, ...]) -> None:
    for body, line in bodies[current]:
      if not body.args and body.symbol in bodies:
        if body.symbol in path:
          cycle = ' ::= '.join((*path, body.symbol))
          raise GrammarError(f'{name}:{line}: rules refer in a circle: {cycle}')
        visit(body.symbol, (*path, body.symbol))
        continue
      args = tuple(arg.symbol for arg in body.args)
      production = Production(left, body.symbol, args, line)
      if production in found:
        raise GrammarError(
          f'{name}:{line}: duplicate rule {production} (by way of {current!r})'
        )
      found.append(production)

  visit(left, (left,))
  return found


def productive(productions: Sequence[Production]) -> set[str]:
  """The nonterminals from which some finite program derives."""
  found: set[str] = set()
  while True:
    new = {
      p.nonterminal
      for p in productions
      if p.nonterminal not in found and found.issuperset(p.args)
    }
    if not new:
      return found
    found |= new


def reachable(
  start: str, productions: Sequence[Production]
) -> tuple[Production, ...]:
  """The productions of nonterminals that `start` can reach, in order."""
  reached = {start}
  while True:
    new = {
      arg
      for p in productions
      if p.nonterminal in reached
      for arg in p.args
      if arg not in reached
    }
    if not new:
      return tuple(p for p in productions if p.nonterminal in reached)
    reached |= new


def _check_productive(grammar: Grammar) -> None:
  found = productive(grammar.productions)
  for name in grammar.nonterminals:
    if name not in found:
      raise GrammarError(
        f'{grammar.place(name)}: nonterminal {name!r} is unproductive: no '
        'finite program derives from it'
      )


def _check_reachable(grammar: Grammar) -> None:
  kept = reachable(grammar.start, grammar.productions)
  found = {p.nonterminal for p in kept}
  for name in grammar.nonterminals:
    if name not in found:
      raise GrammarError(
        f'{grammar.place(name)}: nonterminal {name!r} is unreachable from '
        f'{grammar.start!r}'
      )


def _check_unambiguous(grammar: Grammar) -> None:
  """Refuses a grammar in which some program has two derivations.

  Two nonterminals meet if some program derives from both. A nonterminal is
  ambiguous iff two of its productions share a symbol and all argument pairs
  meet; that is decidable for regular-tree grammars by this fixed point.
  """
  meet: dict[tuple[str, str], program_lib.Node] = {}

  def common(a: Production, b: Production) -> program_lib.Node | None:
    if a.symbol != b.symbol or len(a.args) != len(b.args):
      return None
    pairs = list(zip(a.args, b.args, strict=True))
    if any(pair not in meet for pair in pairs):
      return None
    return program_lib.Node(a.symbol, tuple(meet[pair] for pair in pairs))

  changed = True
  while changed:
    changed = False
    for a, b in itertools.product(grammar.productions, repeat=2):
      pair = (a.nonterminal, b.nonterminal)
      witness = common(a, b) if pair not in meet else None
      if witness is not None:
        meet[pair] = witness
        changed = True
  for rules in grammar.by_nonterminal.values():
    for a, b in itertools.combinations(rules, 2):
      witness = common(a, b)
      if witness is not None:
        raise GrammarError(
          f'{grammar.name}:{b.line}: ambiguous: '
          f'{program_lib.to_infix(witness)!r} derives both by {a} and by {b}'
        )
