"""Where the points of grids lie when there are several variables."""

import fractions
import itertools
import shutil

import numpy as np
import pytest

from configs import base
from configs import region
from synth import errors
from synth import inputs as inputs_lib
from synth.language import grammar as grammar_lib
from synth.spaces import grids
from synth.spaces import semantic
from synth.spaces import specification
from synth.splits import __main__ as splits_main
from synth.universe import build as build_lib
from tests.conftest import GRAMMARS


@pytest.mark.parametrize('make', [grids.specification, grids.holdout])
@pytest.mark.parametrize('seed', [0, 1])
def test_sums_of_variables_are_whole_at_no_point(make, seed):
  grid = make(base.specification_grid(), tuple('abcd'), seed)
  column_VxE = np.array(list(grid.values()))
  for sign_V in itertools.product((-1, 0, 1), repeat=4):
    if any(sign_V):
      assert all(total.denominator > 1 for total in sign_V @ column_VxE)


@pytest.mark.parametrize('make', [grids.specification, grids.holdout])
def test_another_variable_moves_none_of_the_points_of_the_first(make):
  numerators = base.specification_grid()
  one, two = (make(numerators, tuple(names), 3) for names in ('x', 'xy'))
  assert one['x'] == two['x']
  assert sorted(two['x']) != two['y'] != two['x']
  if make is grids.specification:
    assert one['x'] == [fractions.Fraction(k, 97) for k in numerators]
    assert sorted(two['y']) == sorted(two['x'])


def test_points_that_must_meet_are_laid_out_all_the_same():
  grid = grids.specification([5, -5], ('x', 'y', 'z'), 0)
  assert {frozenset(column) for column in grid.values()} == {
    frozenset([fractions.Fraction(5, 97), fractions.Fraction(-5, 97)])
  }
  assert not grids.specification([5, -5], (), 0)  # a grammar of constants


@pytest.mark.parametrize('name, size', [('countdown', 7), ('arithmetic3', 5)])
def test_no_small_function_of_several_variables_is_undefined(
  tmp_path, name, size
):
  grammar = grammar_lib.load(GRAMMARS / f'{name}.bnf')
  universe = build_lib.build(tmp_path / 'universe', grammar, size, 0)
  for make in (grids.specification, grids.holdout):
    grid = make(base.specification_grid(), grammar.variables, 0)
    value_CxE, ok_CxE = semantic.values(universe, grid)
    assert ok_CxE.all()
    assert specification.usable(value_CxE, ok_CxE).all()


@pytest.mark.parametrize('variables', ['x', 'x | y'])
def test_spaces_and_splits_of_another_layout_are_refused(
  tmp_path, monkeypatch, variables
):
  path = tmp_path / 'own.bnf'
  path.write_text(f'e ::= {variables} | 1 | 2 | 3 | e + e | e - e | e / e')
  config = region.get_config('tiny')
  config.universe.grammar, config.universe.max_size = str(path), 5
  config.split.num_test = config.split.num_dev = 2
  with monkeypatch.context() as patch:
    patch.setattr(grids, '_LAYOUT', 'another')
    inputs_lib.load_or_build(config, tmp_path)
  if variables == 'x':  # there is nothing to lay out
    inputs_lib.load_or_build(config, tmp_path)
    assert splits_main.verify_all(tmp_path)
    return
  told = "built with grid_layout='another', not 'no whole sums'"
  with pytest.raises(errors.InputError, match=f'spaces was {told}'):
    inputs_lib.load_or_build(config, tmp_path)
  shutil.rmtree(tmp_path / 'spaces')  # as it says
  with pytest.raises(errors.InputError, match=f'region-.* was {told}'):
    inputs_lib.load_or_build(config, tmp_path)
  with pytest.raises(errors.InputError, match=f'region-.* was {told}'):
    splits_main.verify_all(tmp_path)
