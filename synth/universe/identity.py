"""Identity: when two programs are one class. Policies share this interface.

A policy evaluates programs at points of its own and packs what it found into
128 bits; two programs are one class iff those are equal. Values are tuples of
arrays with the same leading axes, one entry a program, so that a production is
applied to whole blocks of argument classes at once.

    field    rational functions, exact (`synth.universe.field`)
    ordered  piecewise rational ones, exact at points (`synth.universe.ordered`)
    rounded  real ones, ten digits at points (`synth.universe.rounded`)
"""

import abc
from collections.abc import Callable
from collections.abc import Mapping
import fractions
from typing import Any

import numpy as np

from synth.universe import columns

Values = tuple[np.ndarray, ...]
# (argument, index of a result, point) -> the argument's exact value there.
ExactArgument = Callable[[int, tuple[int, ...], int], fractions.Fraction]


def undecided(
  argument: int, index: tuple[int, ...], place: int
) -> fractions.Fraction:
  """An `ExactArgument` where there is none to ask.

  Raises:
    UnluckyPoints: always.
  """
  raise UnluckyPoints(
    f'argument {argument} of result {index} is too close to order at point '
    f'{place}'
  )


class UnluckyPoints(Exception):
  """The points drawn cannot tell classes apart; others will do."""


class Policy(abc.ABC):
  """How classes are told apart.

  Attributes:
    name: Of the policy, for manifests.
    kinds: Of the operators that it can apply (`operators.Operator.kind`).
    columns: What is kept of a class's values: one column each.
    attempt: How often unlucky points were replaced.
  """

  name: str
  kinds: frozenset[str]
  columns: tuple[columns.Column, ...]
  attempt: int

  @abc.abstractmethod
  def leaf(self, symbol: str) -> Values:
    """Values of a variable or constant, leading axis 1."""

  def ready(self, symbol: str, place: int, values: Values) -> Values:
    """Prepares an argument of an operator for `apply`, once for many uses.

    Args:
      symbol: The operator.
      place: Which argument it is, from 0.
      values: The argument's values.
    """
    del symbol, place
    return values

  @abc.abstractmethod
  def apply(
    self, symbol: str, args: tuple[Values, ...], exact: ExactArgument
  ) -> tuple[Values, np.ndarray | None]:
    """Values of an operator on `ready` arguments, which are broadcast.

    Args:
      symbol: The operator.
      args: Values of its arguments.
      exact: What to ask where these do not decide.

    Returns:
      The values and a mask of the results that have semantics (any shape that
      broadcasts; None: all have).
    """

  @abc.abstractmethod
  def pack(self, values: Values) -> tuple[np.ndarray, np.ndarray]:
    """Two 64-bit words a program; equal iff the programs are one class."""

  def value(
    self, symbol: str, args: tuple[Values, ...], exact: ExactArgument
  ) -> tuple[Values, np.ndarray | None]:
    """`leaf` or `apply`, with the arguments made ready first; see these."""
    if not args:
      return self.leaf(symbol), None
    ready = (self.ready(symbol, i, value) for i, value in enumerate(args))
    return self.apply(symbol, tuple(ready), exact)

  def of_nodes(
    self,
    symbol: str,
    nodes_PxA: np.ndarray,
    so_far: Values,
    exact_value: Callable[[int, int], fractions.Fraction],
  ) -> Values:
    """Values of a symbol on argument nodes.

    Args:
      symbol: A variable or constant (A = 0), or an operator.
      nodes_PxA: Its arguments.
      so_far: Values of nodes, indexed by them.
      exact_value: (node, point) -> the node's exact value there.
    """

    def exact(
      argument: int, index: tuple[int, ...], place: int
    ) -> fractions.Fraction:
      return exact_value(int(nodes_PxA[*index, argument]), place)

    args = tuple(
      tuple(column[nodes] for column in so_far) for nodes in nodes_PxA.T
    )
    return self.value(symbol, args, exact)[0]

  def point(self, variable: str, place: int) -> fractions.Fraction:
    """The exact value of a variable at a point, for policies that ask."""
    raise NotImplementedError(f'{self.name} has no exact points')

  @abc.abstractmethod
  def moved(self, variable: str) -> 'Policy':
    """The same policy where one variable has other values."""

  @abc.abstractmethod
  def renamed(self, other: Mapping[str, str]) -> 'Policy':
    """The same policy where each variable has the values of another."""

  def check(self, values: Values) -> None:
    """Looks at the values of new classes.

    Raises:
      UnluckyPoints: if the points should be replaced.
    """
    del values

  @abc.abstractmethod
  def to_json(self) -> dict[str, Any]:
    """Everything that determines the policy's decisions, for manifests."""
