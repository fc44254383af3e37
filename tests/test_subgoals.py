"""Subgoals of tasks are what brute force says is left of them."""

import numpy as np
import pytest

from synth import runs
from synth.evaluation import verify
from synth.evaluation.verify import Outcome
from synth.inversion import bank as bank_lib
from synth.inversion import subgoals
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.language import reference
from synth.language import tokens
from synth.search import by_subgoals
from synth.spaces import grids
from synth.universe import build as build_lib
from tests import programs as programs_lib
from tests import sampled_run

_GRID = [-49, 2, 4, 7, 14, 26, 93, 175]
_TYPED = (
  's ::= x | 2 | s + d | d - s | s / d | neg(s) | d * s\nd ::= 1 | x | d + s'
)


@pytest.fixture(scope='module', params=['arithmetic', 'typed'])
def universe(request, arithmetic, tmp_path_factory):
  """To size 5, of one or two nonterminals."""
  grammar = arithmetic
  if request.param == 'typed':
    grammar = grammar_lib.parse(_TYPED)
  directory = tmp_path_factory.mktemp(request.param) / 'universe'
  return build_lib.build(directory, grammar, 5, seed=0)


def _some(universe):
  """About 50 classes, or all if there are few."""
  return np.arange(0, len(universe.node_C), max(len(universe.node_C) // 50, 1))


def _of(universe, class_I, size, depth, max_size=5):
  """The bank, and the subgoals of some classes with known arguments of it."""
  grid = grids.specification(_GRID, universe.grammar.variables, 0)
  policy, values = bank_lib.on_grid(universe, grid)
  bank = bank_lib.Bank(universe, policy, values, size)
  tok_IxL = universe.representative_CxL[class_I]
  value_IxE = np.array([_floats(universe, tok_L, grid) for tok_L in tok_IxL])
  divider = subgoals.Divider(bank, grids.floats(grid, np.float64), max_size)
  goals = divider.subgoals(universe.node_C[class_I], value_IxE, depth)
  return bank, goals


def _floats(universe, tok_L, grid):
  """By exact arithmetic; NaN where it is undefined."""
  program = universe.vocabulary.decode(tok_L)
  (name,) = grid
  exact = [reference.evaluate(program, {name: value}) for value in grid[name]]
  return [
    np.nan if value is reference.Undefined.AT_POINT else float(value)
    for value in exact
  ]


def _left(grammar, program, size, depth):
  """Subprograms below at most so many operators with small arguments."""
  yield program
  if not depth or not program.args:
    return
  rule = grammar.production(grammar.start, program)
  for place, arg in enumerate(program.args):
    others = [a for i, a in enumerate(program.args) if i != place]
    if rule.args[place] == grammar.start and all(
      other.size <= size for other in others
    ):
      yield from _left(grammar, arg, size, depth - 1)


@pytest.mark.parametrize('size, depth', [(1, 1), (3, 1), (1, 2)])
def test_every_way_to_divide_a_program_is_a_subgoal(universe, size, depth):
  class_I = _some(universe)
  bank, goals = _of(universe, class_I, size, depth)
  found = {
    (task, *values)
    for task, *values in zip(goals.task_Q.tolist(), *goals.values, strict=True)
  }
  assert len(found) == len(goals)  # each once
  row_C = {int(c): row for row, c in enumerate(class_I)}
  wanted = set()
  for program in programs_lib.all_programs(universe.grammar, 5):
    row = row_C.get(universe.class_of(program))
    if row is None:
      continue
    for rest in _left(universe.grammar, program, size, depth):
      node = universe.node_C[[universe.class_of(rest)]]
      wanted.add((row, *(column[0] for column in bank.values(node))))
  assert len(wanted) > 80
  assert wanted <= found


@pytest.mark.parametrize('size, depth', [(1, 1), (3, 1), (1, 2)])
def test_what_computes_a_subgoal_makes_its_context_the_task(
  universe, size, depth
):
  class_I = _some(universe)
  bank, goals = _of(universe, class_I, size, depth)
  whole = bank_lib.Bank(universe, bank.policy, bank._values, universe.max_size)
  node_Q = whole.find(universe.grammar.start, goals.values, None)
  (rows,) = np.nonzero(node_Q >= 0)
  tok_RxL, size_R = whole.programs(node_Q[rows])
  answer_RxL = goals.answers(rows, tok_RxL, 5)
  fits_R = (answer_RxL != tokens.PAD).any(axis=1)
  np.testing.assert_array_equal(fits_R, goals.size_Q[rows] + size_R <= 5)
  grid = grids.specification(_GRID, universe.grammar.variables, 0)
  checked = 0
  for row, tok_L, answer_L, fits in zip(
    rows, tok_RxL, answer_RxL, fits_R, strict=True
  ):
    value_E = _floats(universe, tok_L, grid)
    np.testing.assert_allclose(
      goals.value_QxE[row], value_E, rtol=1e-6, atol=1e-9
    )
    if fits:
      program = universe.vocabulary.decode(answer_L)
      assert universe.grammar.derives(program) and program.size <= 5
      assert universe.class_of(program) == class_I[goals.task_Q[row]]
      checked += 1
  assert checked > 80


def test_small_contexts_come_first_and_none_is_too_large(universe):
  class_I = _some(universe)
  _, goals = _of(universe, class_I, 3, 2)
  assert goals.task_Q.tolist() == sorted(goals.task_Q.tolist())
  for task in range(len(class_I)):
    mine = goals.task_Q == task
    assert goals.number_Q[mine].tolist() == list(range(1, mine.sum() + 1))
    size_Q = goals.size_Q[mine]
    assert size_Q[0] == 0 and (np.diff(size_Q) >= 0).all()
    assert size_Q.max() <= 4  # a leaf at least has room
  assert ((goals.context_QxL == tokens.BOS).sum(axis=1) == 1).all()
  nodes_Q = (goals.context_QxL != tokens.PAD).sum(axis=1) - 1
  np.testing.assert_array_equal(nodes_Q, goals.size_Q)


def test_depth_ends_where_all_nodes_are_given(universe):
  class_I = _some(universe)
  _, deepest = _of(universe, class_I, 1, 4)  # of five nodes
  _, beyond = _of(universe, class_I, 1, 10**20)
  np.testing.assert_array_equal(beyond.context_QxL, deepest.context_QxL)


def test_subgoals_by_hand(arithmetic, tmp_path):
  universe = build_lib.build(tmp_path / 'universe', arithmetic, 3, seed=0)
  task = universe.class_of(program_lib.parse('x + 2'))
  _, goals = _of(universe, np.array([task]), 1, 1, max_size=9)
  symbols = universe.vocabulary.symbols
  told = {
    ' '.join('?' if t == tokens.BOS else symbols[t] for t in tok_L if t): value
    for tok_L, value in zip(goals.context_QxL, goals.value_QxE, strict=True)
  }
  # 4 leaves with + and *, and on either side of - and /; not x + 2 - (x + 2).
  assert len(told) == len(goals) <= 1 + 4 * 6
  x = told['?'] - 2
  for context, wanted in {
    'sub ? 3': x + 5,
    'sub 3 ?': 1 - x,
    'add 1 ?': x + 1,
    'mul x ?': (x + 2) / x,
    'div x ?': x / (x + 2),
    'div ? 2': 2 * x + 4,
  }.items():
    np.testing.assert_allclose(told[context], wanted)


class _Oracle:
  """Writes a minimal program of what it knows, and nothing else."""

  models = 2

  def __init__(self, universe, goals_of):
    self._universe, self._goals_of = universe, goals_of

  def __call__(self, value_QxE):
    return self._goals_of(value_QxE)


def test_a_task_is_solved_by_the_first_subgoal_that_is(tmp_path, monkeypatch):
  workdir = sampled_run.write(tmp_path)
  inputs, config = sampled_run.inputs(workdir)
  universe = inputs.universe
  arrays = runs.read_arrays(workdir / runs.SAMPLES)
  known = {
    tuple(np.round(inputs.spaces.value_CxE[c], 6)): c
    for c in range(len(universe.node_C))
    if universe.size_C[c] <= 3
  }

  def write(value_QxE):
    tok_SxQxL = np.zeros(
      (2, len(value_QxE), universe.max_size + 1), tokens.DTYPE
    )
    for row, value_E in enumerate(np.round(value_QxE, 6)):
      if (c := known.get(tuple(value_E))) is not None:
        tok_SxQxL[0, row, :-1] = universe.representative_CxL[c]
    tok_SxQxL[1, :, 0] = universe.vocabulary.index['add']  # no program
    return tok_SxQxL

  grid = inputs.context.grid
  bank = bank_lib.Bank(universe, *bank_lib.on_grid(universe, grid), 1)
  search = by_subgoals.BySubgoals(
    inputs,
    config.data.arm,
    verify.Verifier.of(config, universe),
    _Oracle(universe, write),
  )
  class_I, target_IxL = arrays['control_class'], arrays['control_target']
  told = search.solve('control', bank, 1, class_I, target_IxL)
  # However many are made at once.
  monkeypatch.setattr(by_subgoals, '_VALUES', 5000)
  parts = search.solve('control', bank, 1, class_I, target_IxL)
  assert {**parts, 'seconds': 0} == {**told, 'seconds': 0}
  number_SxI = by_subgoals.packing.unpack(told['model']['number_SxI'])
  assert not number_SxI[1].any() and number_SxI[0].any()
  assert told['model']['solved'] == (number_SxI > 0).mean()
  points = grids.floats(grid, np.float64)
  goals = subgoals.Divider(bank, points, universe.max_size).subgoals(
    universe.node_C[class_I], inputs.spaces.value_CxE[class_I], 1
  )
  assert told['subgoals'] == len(goals) / len(class_I)
  # x + 1 with the operator in the middle is no program, not even before the 3
  # of `sub ? 3`, where it would complete one: x - (1 + 3).
  task = universe.class_of(program_lib.parse('x - (1 + 3)'))
  target_1xL = universe.representative_CxL[[task]]
  symbols = [universe.vocabulary.index[s] for s in ('x', 'add', '1')]

  def infix(value_QxE):
    tok_SxQxL = write(value_QxE) * 0
    tok_SxQxL[:, :, :3] = symbols
    return tok_SxQxL

  verifier = verify.Verifier.of(config, universe)
  none = by_subgoals.BySubgoals(
    inputs, config.data.arm, verifier, _Oracle(universe, infix)
  ).solve('control', bank, 1, np.array([task]), target_1xL)
  assert none['model']['solved'] == 0
  # By hand: the first of a task's subgoals that is known and leaves room.
  wanted_I = np.zeros(len(class_I), int)
  for row in range(len(goals)):
    task = goals.task_Q[row]
    c = known.get(tuple(np.round(goals.value_QxE[row], 6)))
    if wanted_I[task] or c is None:
      continue
    answer_1xL = goals.answers(
      np.array([row]), universe.representative_CxL[[c]], universe.max_size
    )
    outcome = verifier.outcomes(answer_1xL[None], target_IxL[[task]])
    if outcome == Outcome.CORRECT:
      wanted_I[task] = goals.number_Q[row]
  np.testing.assert_array_equal(number_SxI[0], wanted_I)
  # And of what training shows, which never is the task itself.
  number_1xI = by_subgoals.packing.unpack(told['training']['number_SxI'])
  assert number_1xI.shape == (1, len(class_I)) and (number_1xI != 1).all()
