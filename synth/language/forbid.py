"""Grammars without a local structure: an edge of the syntax tree forbidden."""

from synth.language import grammar as grammar_lib


def forbid_edge(
  grammar: grammar_lib.Grammar, parent: str, child: str
) -> grammar_lib.Grammar:
  """The grammar of the programs in which no `parent` has a `child` argument.

  Each nonterminal A becomes A (programs of A without the edge) and, where a
  `parent` asks for it, `A!child` (those whose root is not `child` either).
  Enumerating this grammar decides which semantic classes *need* the edge
  (methods: forced novelty, D3).

  Raises:
    grammar_lib.GrammarError: if the grammar lacks one of the operators.
  """
  for name in (parent, child):
    if name not in grammar.operators:
      known = ', '.join(grammar.operators)
      raise grammar_lib.GrammarError(
        f'{grammar.name}: no operator {name!r} to hold out (has: {known})'
      )

  def rootless(nonterminal: str) -> str:
    """`nonterminal` without programs rooted in `child`, if it has any."""
    rules = grammar.by_nonterminal[nonterminal]
    has_child = any(p.symbol == child for p in rules)
    return f'{nonterminal}!{child}' if has_child else nonterminal

  productions = []
  for nonterminal, rules in grammar.by_nonterminal.items():
    for name in dict.fromkeys((nonterminal, rootless(nonterminal))):
      for p in rules:
        if name != nonterminal and p.symbol == child:
          continue
        args = p.args
        if p.symbol == parent:
          args = tuple(rootless(arg) for arg in args)
        productions.append(grammar_lib.Production(name, p.symbol, args, p.line))
  # `A!child` is there already if another edge to `child` was forbidden before.
  productions = list(dict.fromkeys(productions))
  productive = grammar_lib.productive(productions)
  if grammar.start not in productive:
    raise grammar_lib.GrammarError(
      f'{grammar.name}: every program has a {parent!r} with a {child!r} '
      'argument'
    )
  productions = [p for p in productions if productive.issuperset(p.args)]
  return grammar_lib.Grammar(
    f'{grammar.name} without {parent} > {child}',
    grammar.start,
    grammar_lib.reachable(grammar.start, productions),
  )
