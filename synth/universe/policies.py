"""The identity policy of a grammar, by the operators it uses."""

from collections.abc import Mapping
from typing import Any

from synth.language import grammar as grammar_lib
from synth.language import operators
from synth.universe import field
from synth.universe import identity
from synth.universe import ordered
from synth.universe import rounded

# From the most exact to the most general.
_POLICIES: dict[
  str, type[field.Field] | type[ordered.Ordered] | type[rounded.Rounded]
] = {
  policy.name: policy
  for policy in (field.Field, ordered.Ordered, rounded.Rounded)
}


def draw(
  grammar: grammar_lib.Grammar, seed: int, attempt: int = 0
) -> identity.Policy:
  """The grammar's policy, its points drawn with a seed.

  Args:
    grammar: The grammar.
    seed: Of the points.
    attempt: Raised when points proved unlucky.
  """
  kinds = operators.kinds(grammar.operators)
  policy = next(p for p in _POLICIES.values() if p.kinds >= kinds)
  return policy.draw(grammar.variables, seed, attempt)


def from_json(data: Mapping[str, Any]) -> identity.Policy:
  """The policy that a manifest describes."""
  return _POLICIES[data['policy']].from_json(data)
