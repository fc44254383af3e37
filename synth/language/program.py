"""Programs as trees: parse, print, size.

Notation. Infix: `x + 1 * 2` with the usual precedence, left-associative,
parentheses where needed, `f(a, b)` for operators without an infix symbol.
Prefix: the symbols in pre-order separated by blanks, `add x mul 1 2`; arities
are fixed, so this needs no parentheses.
Size = number of nodes of the tree (a binary tree with n leaves has 2n - 1).
"""

from collections.abc import Callable
import dataclasses
import fractions
import sys
from typing import Any

import lark

from synth import errors
from synth.language import operators

# One expression syntax for programs and for the alternatives of grammar files
# (`synth.language.grammar`), with the terminals that both import.
EXPRESSION_SYNTAX = r"""
?expression: sum
  | sum "<" sum -> lt
?sum: product
  | sum "+" product -> add
  | sum "-" product -> sub
?product: unary
  | product "*" unary -> mul
  | product "/" unary -> div
?unary: atom
  | "-" unary -> neg
?atom: NAME -> name
  | NUMBER -> number
  | NAME "(" [expression ("," expression)*] ")" -> call
  | "(" expression ")"
NAME: /[A-Za-z_][A-Za-z_0-9]*/
NUMBER: /[0-9]+(\.[0-9]+)?/
%ignore /[ \t\r\n]+/
"""

_SHOWN = 60  # characters of a program in a message
_MOST_DIGITS = 1000  # of a constant; Python reads 4300
_PARSER = lark.Lark(
  EXPRESSION_SYNTAX, start='expression', parser='lalr', propagate_positions=True
)
_INFIX_PRECEDENCE = {'lt': 0, 'add': 1, 'sub': 1, 'mul': 2, 'div': 2}
_ATOM_PRECEDENCE = 3
# Programs are handled by recursion: deeper ones would exhaust Python's stack.
MAX_DEPTH = 128


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
  """A program: a symbol (operator, variable or constant) and its arguments."""

  symbol: str
  args: tuple['Node', ...] = ()

  @property
  def size(self) -> int:
    """Number of nodes."""
    return 1 + sum(arg.size for arg in self.args)


class ProgramError(errors.InputError):
  """A text or token sequence that is not a program of the language."""


def tree_from_lark(
  tree: lark.Tree, fail: Callable[[str, Any], Exception], depth: int = 1
) -> Node:
  """Turns a parsed expression into a tree; numbers and names become leaves.

  Args:
    tree: A tree of `EXPRESSION_SYNTAX`.
    fail: Makes the exception for (what is wrong, where: a token or tree).
    depth: Depth of `tree` in the whole expression.
  """
  if depth > MAX_DEPTH:
    raise fail(f'nested more than {MAX_DEPTH} deep', tree)
  kind = tree.data
  if kind in ('name', 'number'):
    name = str(tree.children[0])
    if name in operators.OPERATORS:
      arity = operators.OPERATORS[name].arity
      raise fail(f'operator {name!r} needs {arity} argument(s)', tree)
    if kind == 'number' and len(name) > _MOST_DIGITS:
      raise fail(
        f'constant {_clip(name)} is longer than {_MOST_DIGITS} digits', tree
      )
    if kind == 'number' and fractions.Fraction(name) > sys.float_info.max:
      raise fail(f'constant {_clip(name)} is larger than any float', tree)
    return Node(name)
  if kind == 'call':
    token, *rest = tree.children
    args = [child for child in rest if child is not None]
    name = str(token)
  else:
    name, args = str(kind), list(tree.children)
  if name not in operators.OPERATORS:
    known = ', '.join(operators.OPERATORS)
    raise fail(f'undefined operator {name!r} (known: {known})', tree)
  arity = operators.OPERATORS[name].arity
  if len(args) != arity:
    raise fail(
      f'operator {name!r} takes {arity} argument(s), not {len(args)}', tree
    )
  return Node(name, tuple(tree_from_lark(arg, fail, depth + 1) for arg in args))


def describe_syntax_error(error: lark.exceptions.UnexpectedInput) -> str:
  """One phrase for what the parser met."""
  if isinstance(error, lark.exceptions.UnexpectedCharacters):
    return f'unexpected character {error.char!r}'
  token = getattr(error, 'token', None)
  if token is None or token.type == '$END':
    return 'unexpected end of text'
  return f'unexpected {str(token)!r}'


def parse(text: str) -> Node:
  """Parses one infix program.

  Raises:
    ProgramError: names the column and the symbol.
  """

  def fail(message: str, place: Any) -> ProgramError:
    column = getattr(getattr(place, 'meta', place), 'column', '?')
    return ProgramError(f'program {_clip(text)}, column {column}: {message}')

  try:
    return tree_from_lark(_PARSER.parse(text), fail)
  except lark.exceptions.UnexpectedInput as error:
    raise fail(describe_syntax_error(error), error) from None


def _clip(text: str) -> str:
  return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + '...')


def to_infix(program: Node) -> str:
  """Infix text with the fewest parentheses that `parse` reads back."""
  return _infix(program)[0]


def _infix(node: Node) -> tuple[str, int]:
  """The text of `node` and its precedence."""
  operator = operators.OPERATORS.get(node.symbol)
  if operator is None:
    return node.symbol, _ATOM_PRECEDENCE
  texts = [_infix(arg) for arg in node.args]
  if operator.infix is None:
    inner = ', '.join(text for text, _ in texts)
    return f'{operator.name}({inner})', _ATOM_PRECEDENCE
  precedence = _INFIX_PRECEDENCE[operator.name]
  (left, left_precedence), (right, right_precedence) = texts
  # Infix operators are left-associative; `<` is not associative at all.
  if left_precedence < precedence or left_precedence == 0:
    left = f'({left})'
  if right_precedence <= precedence:
    right = f'({right})'
  return f'{left} {operator.infix} {right}', precedence


def preorder(program: Node) -> list[str]:
  """The symbols in pre-order."""
  return [program.symbol] + [s for arg in program.args for s in preorder(arg)]


def from_preorder(symbols: list[str]) -> Node:
  """The inverse of `preorder`.

  Raises:
    ProgramError: if the symbols are not exactly one complete program.
  """
  stack: list[Node] = []
  for symbol in reversed(symbols):
    operator = operators.OPERATORS.get(symbol)
    arity = operator.arity if operator else 0
    if len(stack) < arity:
      raise ProgramError(
        f'prefix program {_clip(" ".join(symbols))}: {symbol!r} lacks arguments'
      )
    args = tuple(stack.pop() for _ in range(arity))
    stack.append(Node(symbol, args))
  if len(stack) != 1:
    raise ProgramError(
      f'prefix program {_clip(" ".join(symbols))} holds {len(stack)} programs'
    )
  return stack[0]
