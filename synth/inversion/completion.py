"""Programs with one subtree left open, and the functions that fit there.

A sketch is a program; each of its nodes in turn is made a hole. What must stand
in the hole, so that the whole computes the task, follows from the root down:
one operator after the other is inverted, its other argument being known. That
function is looked up in a bank of small functions, so one look-up tries as many
programs as the bank has functions. Sketch and bank halve the depth that each
must reach.

Everything is exact modulo primes at four points of the specification grid; what
is found is still to be executed and judged like any answer.

Letters: I tasks, P sketches, L their length, Q holes of all sketches, U of
these each context once a task, H hits, A arguments, N nonterminals.
"""

import dataclasses

import numpy as np

from synth.inversion import arguments
from synth.inversion import bank as bank_lib
from synth.language import grammar as grammar_lib
from synth.language import structure
from synth.language import tokens
from synth.universe import identity

_ROWS = 1 << 14  # sketches at once


@dataclasses.dataclass(frozen=True)
class Hits:
  """H completions found, sorted by task and look-up.

  Attributes:
    task_H: The task, 0..I-1.
    sketch_H: Row of the sketch that is completed.
    hole_H: Position of the hole in it.
    node_H: Node of the bank that fits there.
    lookup_H: How many look-ups of the task it took, from 1.
    lookups_I: Look-ups of each task in all, hits or not.
  """

  task_H: np.ndarray
  sketch_H: np.ndarray
  hole_H: np.ndarray
  node_H: np.ndarray
  lookup_H: np.ndarray
  lookups_I: np.ndarray


def complete(
  bank: bank_lib.Bank,
  tok_PxL: np.ndarray,
  task_P: np.ndarray,
  node_I: np.ndarray,
  max_size: int,
) -> Hits:
  """Completes sketches, each hole by at most one function.

  A sketch with its hole (a context) is looked up once for each task, even if
  several of the task's sketches have it.

  Args:
    bank: The functions that may fill holes.
    tok_PxL: The sketches in prefix order, PAD beyond their end. A row that the
      grammar does not derive, or of PAD alone, has no holes. A task's sketches
      are tried in the order of their rows, the holes of each from the left.
    task_P: The task of each sketch, 0..I-1.
    node_I: The node of each task; only its outputs are used.
    max_size: Nodes that a completed program may have; larger ones are no hits,
      but their look-ups count.
  """
  vocabulary = bank.universe.vocabulary
  # Of equal sketches of a task the first; holes are opened in that alone.
  _, once_P = np.unique(_words(task_P, tok_PxL), return_index=True)
  once_P.sort()
  tok_PxL, task_P = tok_PxL[once_P], task_P[once_P]
  parts = [
    _holes(bank, tok_PxL[low : low + _ROWS], task_P[low : low + _ROWS], node_I)
    for low in range(0, len(tok_PxL), _ROWS)
  ]
  row_Q, hole_Q, node_Q = (
    np.concatenate(column) for column in zip(*parts, strict=True)
  )
  row_Q += np.repeat(
    np.arange(len(parts)) * _ROWS, [len(part[0]) for part in parts]
  )
  size_Q = structure.subtree_sizes(tok_PxL, vocabulary)[row_Q, hole_Q]
  # One token, which no program has, for each subtree that is left open.
  open_Qx1 = np.full((len(hole_Q), 1), tokens.BOS, tokens.DTYPE)
  context_QxL = structure.replaced(
    tok_PxL[row_Q], hole_Q, size_Q, open_Qx1, np.ones_like(hole_Q)
  )
  # The first of equal ones; `row` and `hole` ascend.
  _, first_U = np.unique(_words(task_P[row_Q], context_QxL), return_index=True)
  first_U = first_U[np.lexsort((first_U, task_P[row_Q[first_U]]))]
  row_U, hole_U, node_U = row_Q[first_U], hole_Q[first_U], node_Q[first_U]
  task_U = task_P[row_U]
  lookups_I = np.bincount(task_U, minlength=len(node_I))
  lookup_U = np.arange(len(task_U)) - (np.cumsum(lookups_I) - lookups_I)[task_U]
  whole_U = (context_QxL[first_U] != tokens.PAD).sum(axis=1) - 1
  whole_U += np.where(node_U >= 0, bank.universe.forest.size_N[node_U], 0)
  (kept,) = np.nonzero((node_U >= 0) & (whole_U <= max_size))
  return Hits(
    task_U[kept],
    once_P[row_U[kept]],
    hole_U[kept],
    node_U[kept],
    lookup_U[kept] + 1,
    lookups_I,
  )


def programs(
  bank: bank_lib.Bank, tok_PxL: np.ndarray, hits: Hits, rows: np.ndarray
) -> np.ndarray:
  """The programs of some hits, in prefix order.

  Args:
    bank: As given to `complete`.
    tok_PxL: As given to `complete`.
    hits: What it returned.
    rows: Which hits.

  Returns:
    A row for each, PAD beyond its end, as long as a sketch and a program of the
    bank's universe together.
  """
  vocabulary = bank.universe.vocabulary
  sketch_HxL, hole_H = tok_PxL[hits.sketch_H[rows]], hits.hole_H[rows]
  fill_HxM, fill_H = bank.programs(hits.node_H[rows])
  hole_size_H = structure.subtree_sizes(sketch_HxL, vocabulary)[
    np.arange(len(rows)), hole_H
  ]
  return structure.replaced(sketch_HxL, hole_H, hole_size_H, fill_HxM, fill_H)


def _words(task_Q: np.ndarray, context_QxL: np.ndarray) -> np.ndarray:
  """Task and tokens of each row as one word of bytes, for sorting.

  Seven times as fast as sorting rows of numbers.
  """
  task_Qx4 = task_Q.astype('<u4')[:, None].view(np.uint8)
  byte_QxW = np.concatenate([task_Qx4, context_QxL.view(np.uint8)], axis=1)
  word_Q: np.ndarray = byte_QxW.view(f'V{byte_QxW.shape[1]}')[:, 0]
  return word_Q


def _holes(
  bank: bank_lib.Bank,
  tok_PxL: np.ndarray,
  task_P: np.ndarray,
  node_I: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Every hole of some sketches.

  Returns:
    row_Q, hole_Q (its position) and node_Q (what fits there, -1 if nothing in
    the bank does), sorted by row and position.
  """
  grammar = bank.universe.grammar
  child_PxLxA = structure.children(tok_PxL, bank.universe.vocabulary)
  type_PxL, derived_P = _nonterminals(bank, tok_PxL, child_PxLxA)
  wanted, keep_PxL = _wanted(bank, tok_PxL, child_PxLxA, task_P, node_I)
  there_PxL = derived_P[:, None] & keep_PxL & (type_PxL >= 0)
  row_Q, hole_Q = np.nonzero(there_PxL)
  node_Q = np.full(len(row_Q), -1)
  type_Q = type_PxL[row_Q, hole_Q]
  for number, name in enumerate(grammar.nonterminals):
    (some,) = np.nonzero(type_Q == number)
    values = tuple(column[row_Q[some], hole_Q[some]] for column in wanted)
    node_Q[some] = bank.find(name, values, None)
  return row_Q, hole_Q, node_Q


def _wanted(
  bank: bank_lib.Bank,
  tok_PxL: np.ndarray,
  child_PxLxA: np.ndarray,
  task_P: np.ndarray,
  node_I: np.ndarray,
) -> tuple[identity.Values, np.ndarray]:
  """What each node must compute so that the whole computes the task.

  Returns:
    Values of shape PxL at each of the policy's points, and keep_PxL: whether
    there is such a function. Other values mean nothing.
  """
  policy, vocabulary = bank.policy, bank.universe.vocabulary
  shape = tok_PxL.shape
  width = len(bank.values(node_I[:0]))
  value = tuple(np.zeros(shape, np.uint32) for _ in range(width))
  wanted = tuple(np.zeros(shape, np.uint32) for _ in range(width))
  defined_PxL, keep_PxL = np.zeros(shape, bool), np.zeros(shape, bool)

  def at(
    columns: identity.Values, row_R: np.ndarray, place: np.ndarray | int
  ) -> identity.Values:
    return tuple(column[row_R, place] for column in columns)

  def put(
    columns: identity.Values,
    values: identity.Values,
    row_R: np.ndarray,
    place: np.ndarray | int,
  ) -> None:
    for column, part in zip(columns, values, strict=True):
      column[row_R, place] = part

  symbols = [
    (number, symbol, int(arity))
    for number, (symbol, arity) in enumerate(
      zip(vocabulary.symbols, vocabulary.arity_V, strict=True)
    )
    if arity >= 0
  ]
  for position in range(shape[1] - 1, -1, -1):  # from the leaves up
    for number, symbol, arity in symbols:
      (row,) = np.nonzero(tok_PxL[:, position] == number)
      if not len(row):
        continue
      if not arity:
        put(value, policy.leaf(symbol), row, position)
        defined_PxL[row, position] = True
        continue
      children = child_PxLxA[row, position, :arity].T
      args = tuple(
        policy.ready(symbol, place, at(value, row, child))
        for place, child in enumerate(children)
      )
      found, keep = policy.apply(symbol, args, identity.undecided)
      put(value, found, row, position)
      defined_PxL[row, position] = (True if keep is None else keep) & np.all(
        [defined_PxL[row, child] for child in children], axis=0
      )
  put(wanted, bank.values(node_I[task_P]), np.arange(shape[0]), 0)
  keep_PxL[:, 0] = True
  for position in range(shape[1]):  # from the root down
    for number, symbol, arity in symbols:
      if not arity or not arguments.invertible(symbol, arity):
        continue
      (row,) = np.nonzero(
        (tok_PxL[:, position] == number) & keep_PxL[:, position]
      )
      if not len(row):
        continue
      whole = at(wanted, row, position)
      children = child_PxLxA[row, position, :arity].T
      for place, child in enumerate(children):
        if arity == 1:
          found, keep = arguments.only_argument(policy, symbol, whole)
          known_R = np.ones(len(row), bool)
        else:
          other = children[1 - place]
          found, keep = arguments.other_argument(
            policy, symbol, 1 - place, whole, at(value, row, other)
          )
          known_R = defined_PxL[row, other]
        put(wanted, found, row, child)
        keep_PxL[row, child] = known_R & (True if keep is None else keep)
  return wanted, keep_PxL


def _nonterminals(
  bank: bank_lib.Bank, tok_PxL: np.ndarray, child_PxLxA: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Which nonterminal derives each node, in the derivation from the start.

  A grammar is unambiguous: at most one rule of a nonterminal fits a node.

  Returns:
    type_PxL, numbers of nonterminals, -1 where there is none; and derived_P,
    whether the start derives the row. In other rows types mean nothing.
  """
  grammar, vocabulary = bank.universe.grammar, bank.universe.vocabulary
  number_of = {name: n for n, name in enumerate(grammar.nonterminals)}
  derives_PxLxN = np.zeros((*tok_PxL.shape, len(number_of)), bool)
  row_P = np.arange(len(tok_PxL))

  def fits(rule: grammar_lib.Production, position: int) -> np.ndarray:
    fits_P = tok_PxL[:, position] == vocabulary.index[rule.symbol]
    for place, name in enumerate(rule.args):
      child_P = child_PxLxA[:, position, place]
      fits_P &= derives_PxLxN[row_P, child_P, number_of[name]]
    return fits_P

  for position in range(tok_PxL.shape[1] - 1, -1, -1):
    for rule in grammar.productions:
      fits_P = fits(rule, position)
      derives_PxLxN[fits_P, position, number_of[rule.nonterminal]] = True
  type_PxL = np.full(tok_PxL.shape, -1)
  start = number_of[grammar.start]
  derived_P = derives_PxLxN[:, 0, start]
  type_PxL[:, 0] = start
  for position in range(tok_PxL.shape[1]):
    for rule in grammar.productions:
      if not rule.args:
        continue
      mine_P = type_PxL[:, position] == number_of[rule.nonterminal]
      (row,) = np.nonzero(mine_P & fits(rule, position))
      for place, name in enumerate(rule.args):
        type_PxL[row, child_PxLxA[row, position, place]] = number_of[name]
  return type_PxL, derived_P
