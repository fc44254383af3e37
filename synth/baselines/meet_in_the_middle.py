"""Meet in the middle: an operator between two functions of a bank.

The bank holds every function with a program of at most b nodes. For a task t
and a function a of the bank the other argument follows, from t = a + b that it
is t - a, and is looked up in the bank. Inverting and looking up is done with
exact outputs at four points of the specification grid, modulo a prime each;
what is found is executed and judged like any answer.

A task is solved iff it is in the bank or is op(a, b) for some a and b in it.
So with binary operators alone every task of minimal size up to b + 2 is solved
(the smaller argument of its root has at least one node, the larger at most b),
none beyond 2 b + 1, and in between those of which some program, minimal or
not, has two arguments with programs of at most b nodes.
"""

import time

import numpy as np

from synth.baselines import charges
from synth.baselines import enumeration
from synth.inversion import answers
from synth.inversion import bank as bank_lib
from synth.inversion import one_level
from synth.language import tokens
from synth.universe import field


def solve(tasks: charges.Tasks) -> charges.Charged:
  """One level, from a bank of all functions of at most `bank_size` nodes.

  Raises:
    Inapplicable: if the grammar has operators that cannot be inverted.
  """
  universe = tasks.inputs.universe
  if not isinstance(universe.policy, field.Field):
    raise charges.Inapplicable(
      f'{universe.grammar.name} has operators that cannot be inverted'
    )
  try:
    policy, values = bank_lib.on_grid(universe, tasks.grid)
  except bank_lib.NoPoints as reason:
    raise charges.Inapplicable(str(reason)) from None
  bank_size = min(tasks.bank_size, universe.max_size)
  cost = enumeration.measure(universe.grammar, bank_size, policy)
  start = time.monotonic()
  bank = bank_lib.Bank(universe, policy, values, bank_size)
  search = one_level.OneLevel(bank)
  preparation = float(cost.seconds_S[-1]) + time.monotonic() - start
  attempts = {}
  for name, class_I in tasks.sets.items():
    nothing = np.zeros((len(class_I), 1 + 2 * universe.max_size), tokens.DTYPE)
    tasks.correct(name, nothing)  # draws, compiles
    start = time.monotonic()
    first_I, executed_I = _first(tasks, search, name)
    seconds = (time.monotonic() - start) / len(class_I)
    limit = min(tasks.budget, search.lookups)
    stop_I = np.where(first_I > 0, first_I, limit)
    attempts[name] = charges.Attempt(
      charges.solved_at(first_I, tasks.budgets),
      stop_I,
      stop_I * enumeration.numbers(policy) + executed_I * tasks.points,
      seconds,
    )
  facts = {
    'bank_size': bank_size,
    'bank': len(bank),
    'lookups': search.lookups,
  }
  return charges.Charged(
    float(cost.operations_S[-1]), preparation, attempts, facts
  )


def _first(
  tasks: charges.Tasks, search: one_level.OneLevel, name: str
) -> tuple[np.ndarray, np.ndarray]:
  """The look-up that solves each task (0: none); nodes executed for it."""
  class_I = tasks.sets[name]
  hits = search.find(tasks.inputs.universe.node_C[class_I])
  (kept,) = np.nonzero(hits.lookup_H <= tasks.budget)
  row_I, executed_I = answers.first_right(
    hits.task_H[kept],
    len(class_I),
    lambda rows: search.programs(hits, kept[rows]),
    lambda tok_IxL: tasks.correct(name, tok_IxL),
  )
  first_I = np.zeros(len(class_I), np.int64)
  solved_I = row_I >= 0
  first_I[solved_I] = hits.lookup_H[kept[row_I[solved_I]]]
  return first_I, executed_I
