"""Holes of programs are filled with what brute force says fits there."""

import numpy as np
import pytest

from synth.inversion import answers
from synth.inversion import bank as bank_lib
from synth.inversion import completion
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.language import tokens
from synth.spaces import grids
from synth.universe import build as build_lib
from tests import programs as programs_lib

_TYPED = (
  's ::= x | 2 | s + d | d - s | s / d | neg(s) | inv(d)\n'
  'd ::= 1 | x | d * s | d + s'
)
_GRID = [2, 4, 7, 14, 26, 49, 93, 175]


@pytest.fixture(scope='module')
def universe5(arithmetic, tmp_path_factory):
  """The universe of `arithmetic` to size 5."""
  directory = tmp_path_factory.mktemp('universe5') / 'universe'
  return build_lib.build(directory, arithmetic, 5, seed=0)


@pytest.fixture(scope='module')
def typed(tmp_path_factory):
  """A universe of two nonterminals with unary operators."""
  directory = tmp_path_factory.mktemp('typed') / 'universe'
  return build_lib.build(directory, grammar_lib.parse(_TYPED), 5, seed=0)


def _bank(universe, size):
  grid = grids.specification(_GRID, universe.grammar.variables, 0)
  policy, values = bank_lib.on_grid(universe, grid)
  return bank_lib.Bank(universe, policy, values, size)


def _rows(universe, sketches, length):
  vocabulary = universe.vocabulary
  return np.stack([vocabulary.encode(sketch, length) for sketch in sketches])


def _with_hole(program, position, fill):
  """The program with `fill` for the subtree at a position of the preorder."""
  if not position:
    return fill
  args, start = list(program.args), 1
  for place, arg in enumerate(args):
    if start <= position < start + arg.size:
      args[place] = _with_hole(arg, position - start, fill)
    start += arg.size
  return program_lib.Node(program.symbol, tuple(args))


@pytest.mark.parametrize('which', ['universe5', 'typed'])
def test_a_hole_is_filled_by_the_one_function_that_fits(
  which, universe5, typed
):
  universe = universe5 if which == 'universe5' else typed
  grammar, bank = universe.grammar, _bank(universe, 3)
  rng = np.random.default_rng(0)
  every = [
    program
    for program in programs_lib.all_programs(grammar, 5)
    if program.size > 2
  ]
  sketches = [every[i] for i in rng.permutation(len(every))[:12]]
  fills = {
    name: [
      universe.vocabulary.decode(tok_L) for tok_L in bank.programs(nodes)[0]
    ]
    for name, nodes in bank.nodes.items()
  }
  # Every sketch for every class that one of its completions has.
  pairs, wanted = [], {}
  for number, sketch in enumerate(sketches):
    for position in range(sketch.size):
      fitting = {}
      for name in grammar.nonterminals:
        for fill in fills[name]:
          whole = _with_hole(sketch, position, fill)
          # The hole is of the nonterminal that stood there.
          if _nonterminal(grammar, sketch, position) != name:
            continue
          if whole.size <= 5 and universe.class_of(whole) is not None:
            fitting.setdefault(universe.class_of(whole), []).append(whole)
      for task, whole in fitting.items():
        if len(whole) == 1:  # 0 * ? is 0 whatever stands there
          wanted[number, task, position] = whole[0]
        pairs.append((number, task))
  pairs = sorted(set(pairs))
  tok_PxL = _rows(universe, [sketches[number] for number, _ in pairs], 6)
  hits = completion.complete(
    bank,
    tok_PxL,
    np.arange(len(pairs)),
    universe.node_C[[task for _, task in pairs]],
    5,
  )
  found_HxL = completion.programs(
    bank, tok_PxL, hits, np.arange(len(hits.task_H))
  )
  found = {
    (*pairs[task], hole): universe.vocabulary.decode(tok_L)
    for task, hole, tok_L in zip(
      hits.sketch_H.tolist(), hits.hole_H.tolist(), found_HxL, strict=True
    )
  }
  assert len(wanted) > 100
  assert {key: found.get(key) for key in wanted} == wanted
  for (_, task, _), program in found.items():
    assert grammar.derives(program) and program.size <= 5
    assert universe.class_of(program) == task


def _nonterminal(grammar, program, position):
  """The nonterminal that derives the node at a position of the preorder."""
  name, node = grammar.start, program
  while position:
    rule, start = grammar.production(name, node), 1
    for arg, kind in zip(node.args, rule.args, strict=True):
      if start <= position < start + arg.size:
        name, node, position = kind, arg, position - start
        break
      start += arg.size
  return name


def test_a_sketch_with_its_hole_is_looked_up_once_a_task(universe5):
  bank = _bank(universe5, 1)
  written = [program_lib.parse(text) for text in ('x + x', 'x + 1', 'x + x')]
  tok_PxL = _rows(universe5, written, 5)
  node_I = universe5.node_C[
    [universe5.class_of(program_lib.parse(text)) for text in ('x + 3', 'x / 3')]
  ]
  hits = completion.complete(
    bank,
    np.concatenate([tok_PxL, tok_PxL[:1], np.zeros_like(tok_PxL[:1])]),
    np.array([0, 0, 0, 1, 1]),
    node_I,
    5,
  )
  # ?, ? + x, x + ? of the first; ? + 1 of the second; the third repeats.
  assert hits.lookups_I.tolist() == [4, 3]
  # x + 3 by ? + x and by x + ?; nothing of x + x makes a third of x.
  assert hits.task_H.tolist() == [0, 0]
  assert hits.lookup_H.tolist() == [2, 3]
  assert hits.sketch_H.tolist() == [0, 0] and hits.hole_H.tolist() == [1, 2]
  told = [
    program_lib.to_infix(universe5.vocabulary.decode(tok_L))
    for tok_L in completion.programs(bank, tok_PxL, hits, np.arange(2))
  ]
  assert told == ['3 + x', 'x + 3']


def test_beside_what_is_undefined_nothing_fits(universe7):
  bank = _bank(universe7, 3)
  sketch = program_lib.parse('x + 1 / (2 - 2)')
  hits = completion.complete(
    bank,
    _rows(universe7, [sketch], 7),
    np.array([0]),
    universe7.node_C[[universe7.class_of(program_lib.parse('x + 1'))]],
    99,
  )
  # The whole, the quotient and what is under it; not x, nor 1.
  assert hits.hole_H.tolist() == [0, 2, 4, 5, 6]


def test_answers_are_no_larger_than_allowed(universe7):
  bank = _bank(universe7, 5)
  rng = np.random.default_rng(0)
  task_P = rng.integers(len(universe7.node_C), size=500)
  sketch_P = rng.integers(len(universe7.node_C), size=500)
  tok_PxL = universe7.representative_CxL[sketch_P]
  arguments = bank, tok_PxL, np.arange(500), universe7.node_C[task_P]
  every = completion.complete(*arguments, max_size=99)
  size_H = (
    completion.programs(bank, tok_PxL, every, np.arange(len(every.task_H)))
    != tokens.PAD
  ).sum(axis=1)
  assert (size_H > 7).any() and (size_H <= 7).any()
  some = completion.complete(*arguments, max_size=7)
  np.testing.assert_array_equal(some.task_H, every.task_H[size_H <= 7])
  np.testing.assert_array_equal(some.lookup_H, every.lookup_H[size_H <= 7])


def test_sketches_in_parts_are_those_in_one(universe7, monkeypatch):
  bank = _bank(universe7, 3)
  rng = np.random.default_rng(1)
  task_P = np.sort(rng.integers(40, size=300))
  sketch_P = rng.integers(len(universe7.node_C), size=300)
  tok_PxL = universe7.representative_CxL[sketch_P]
  node_I = universe7.node_C[rng.integers(len(universe7.node_C), size=40)]
  whole = completion.complete(bank, tok_PxL, task_P, node_I, 9)
  monkeypatch.setattr(completion, '_ROWS', 7)
  parts = completion.complete(bank, tok_PxL, task_P, node_I, 9)
  assert len(whole.task_H)
  for field in ('task_H', 'sketch_H', 'hole_H', 'node_H', 'lookup_H'):
    np.testing.assert_array_equal(getattr(parts, field), getattr(whole, field))


def test_hits_are_executed_until_one_is_right():
  asked = []

  def programs(rows):
    asked.extend(rows.tolist())
    return rows[:, None].astype(tokens.DTYPE) + 1  # one token: its row

  # Of tasks 0, 0, 0, 2, 2 the second and the last are right.
  row_I, executed_I = answers.first_right(
    np.array([0, 0, 0, 2, 2]),
    3,
    programs,
    lambda tok_IxL: np.isin(tok_IxL[:, 0], [2, 5]),
  )
  assert row_I.tolist() == [1, -1, 4]
  assert executed_I.tolist() == [2, 0, 2]
  assert sorted(asked) == [0, 1, 3, 4]


def test_a_grammar_may_have_any_number_of_nonterminals(tmp_path):
  rules = (f'n{i} ::= x | {i + 1} | n{(i + 1) % 70} + n{i}' for i in range(70))
  grammar = grammar_lib.parse('\n'.join(rules))
  universe = build_lib.build(tmp_path / 'universe', grammar, 3, seed=0)
  # No rule derives the last: 3 is not of n1.
  sketches = map(program_lib.parse, ('2 + 1', 'x + x', '3 + x'))
  task = universe.class_of(program_lib.parse('x + 1'))
  hits = completion.complete(
    _bank(universe, 1),
    _rows(universe, sketches, 3),
    np.arange(3),
    universe.node_C[[task] * 3],
    3,
  )
  assert hits.lookups_I.tolist() == [3, 3, 0]
  # x + 1 by x for 2, and by 1 for the second x.
  assert list(zip(hits.task_H, hits.hole_H, strict=True)) == [(0, 1), (1, 2)]
