"""The identity policy of a grammar, by the operators it uses."""

from collections.abc import Mapping
from typing import Any

from synth.language import grammar as grammar_lib
from synth.universe import field
from synth.universe import identity


def draw(
  grammar: grammar_lib.Grammar, seed: int, attempt: int = 0
) -> identity.Policy:
  """The grammar's policy, its points drawn with a seed.

  Args:
    grammar: The grammar.
    seed: Of the points.
    attempt: Raised when points proved unlucky.
  """
  return field.Field.draw(grammar.variables, seed, attempt)


def from_json(data: Mapping[str, Any]) -> identity.Policy:
  """The policy that a manifest describes."""
  return field.Field.from_json(data)
