"""Everything that is known about the class of a program."""

import itertools
from typing import Any

from synth.language import program as program_lib
from synth.universe import universe as universe_lib

_SHOWN = 10  # minimal programs


def describe(
  universe: universe_lib.Universe, program: program_lib.Node
) -> dict[str, Any]:
  """What the universe knows about the function that a program computes.

  Args:
    universe: A universe.
    program: Any program over its variables, of any size.

  Returns:
    For JSON: `class` (None, and `why`, if the universe has none for it),
    `minimal_size`, `minimal_programs` (their number), `some` of them, `depends`
    on which variables, and `programs_by_size`: how many programs of each size
    compute it, minimal or not (left out if the universe did not count them).

  Raises:
    ProgramError: if the program has a variable that the universe lacks.
  """
  facts: dict[str, Any] = {'program': program_lib.to_infix(program)}
  found = universe.class_of(program)
  if found is None:
    why = (
      'it divides by the zero function, is defined nowhere, or needs more than '
      f'{universe.max_size} nodes'
    )
    return {**facts, 'class': None, 'why': why}
  node = int(universe.node_C[found])
  some = itertools.islice(universe.minimal_programs(node), _SHOWN)
  facts |= {
    'class': found,
    'minimal_size': int(universe.size_C[found]),
    'minimal_programs': int(universe.count_N[node]),
    'some': [program_lib.to_infix(minimal) for minimal in some],
    'depends': [
      name
      for name, depends in zip(
        universe.grammar.variables, universe.depends_CxW()[found], strict=True
      )
      if depends
    ],
  }
  if universe.manifest['multiplicities']:
    counts = {
      str(size): int(universe.multiplicity(size)[found])
      for size in range(1, universe.max_size + 1)
    }
    facts['programs_by_size'] = {s: n for s, n in counts.items() if n}
  return facts
