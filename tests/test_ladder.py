"""The ladder: more and more compounds unseen, atoms and tests the same."""

import collections
import itertools

import numpy as np
import pytest

from configs import ladder as ladder_config
from synth import errors
from synth import inputs as inputs_lib
from synth.evaluation import retrieval
from synth.splits import __main__ as splits_main
from synth.splits import certificate
from synth.splits import ladder
from synth.splits import support
from tests import programs as programs_lib

_ARMS = [ladder.arm(rung) for rung in range(ladder.RUNGS + 1)]


def _config(**overrides):
  config = ladder_config.get_config('tiny')
  config.universe.max_size = 7
  config.split.update(num_test=10, num_arm=40, num_dev=20, **overrides)
  return config


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  return tmp_path_factory.mktemp('ladder')


@pytest.fixture(scope='module')
def inputs(data):
  return inputs_lib.load_or_build(_config(), data)


def _edges(inputs, classes):
  """(parent, child) operators of each program, by walking over it."""
  vocabulary = inputs.universe.vocabulary

  def walk(node):
    for arg in node.args:
      if arg.args:
        yield node.symbol, arg.symbol
      yield from walk(arg)

  tok_PxL = inputs.context.tok_CxL[classes]
  return [set(walk(vocabulary.decode(tok_L))) for tok_L in tok_PxL]


def test_arms_avoid_what_their_rung_holds_out(inputs):
  split = inputs.split
  held_out = {
    arm: {tuple(edge.split(' > ')) for edge in split.facts['held_out'][arm]}
    for arm in _ARMS
  }
  assert list(split.arms) == _ARMS == list(ladder.ARMS)
  assert held_out['rung_0'] == set()
  for lower, upper in itertools.pairwise(_ARMS):
    assert held_out[lower] < held_out[upper]
  for arm in _ARMS:
    for edges in _edges(inputs, split.arms[arm]):
      assert edges and not edges & held_out[arm]
  for edges in _edges(inputs, split.tests['novel']):
    assert edges and edges <= held_out['rung_4']
  for edges in _edges(inputs, split.tests['control']):
    assert not edges & held_out['rung_4']


def test_symbols_are_equally_frequent_everywhere(inputs):
  def histogram(classes):
    return collections.Counter(
      tuple(np.bincount(tok_L, minlength=20))
      for tok_L in inputs.context.tok_CxL[classes]
    )

  split = inputs.split
  wanted = histogram(split.tests['novel'])
  assert histogram(split.tests['control']) == wanted
  for arm in _ARMS:
    found = histogram(split.arms[arm])
    assert found == {cell: 4 * number for cell, number in wanted.items()}
  told = split.facts['measurements']
  assert max(told['atom_divergence'].values()) < 1e-9


def test_compound_divergence_rises_from_rung_to_rung(inputs):
  told = inputs.split.facts['measurements']['compound_divergence']
  found = [told[f'{arm} -> novel'] for arm in _ARMS]
  assert found == sorted(found)
  assert found[-1] > 0.6 and found[-1] > found[0] + 0.2


def test_a_class_is_always_shown_by_the_program_it_stands_for(inputs):
  classes = inputs.split.arms['rung_4']
  for seed in (0, 1):
    uniform = np.random.default_rng(seed).random((len(classes), 7))
    tok_PxL = inputs.programs_at(classes, uniform)
    assert np.array_equal(tok_PxL, inputs.context.tok_CxL[classes])
  assert inputs.shown('rung_4', tok_PxL).all()
  assert inputs.shown('rung_4', programs_lib.with_eos(tok_PxL)).all()


def test_a_ladder_verifies_and_a_forged_rung_does_not(data, inputs):
  assert splits_main.verify_all(data)['splits'][0]['checks']
  split = inputs.split
  facts = {**split.facts, 'held_out': {**split.facts['held_out']}}
  facts['held_out']['rung_0'] = facts['held_out']['rung_4']
  forged = split.__class__(
    split.arms, split.tests, split.dev, split.distances, facts
  )
  checks = certificate.certify(inputs.context, forged)['checks']
  failed = [name for name, holds in checks.items() if not holds]
  assert failed == ['no_program_of_an_arm_has_its_held_out_edges']


@pytest.mark.parametrize(
  'overrides, named',
  [
    ({'num_arm': 41}, 'not a multiple of num_test=10'),
    ({'num_arm': 4000}, 'too few for num_test=10 and num_arm=4000'),
    ({'num_dev': 5000}, 'num_dev=5000'),
    ({'num_test': 1, 'num_arm': 1}, "arm 'rung_0' would have 1 of the"),
  ],
)
def test_impossible_ladders_are_refused(data, overrides, named):
  config = _config()
  config.split.update(overrides)
  with pytest.raises(errors.InputError, match=named):
    inputs_lib.load_or_build(config, data)


def test_a_ladder_shows_one_program_of_each_class(inputs):
  decode = inputs.universe.vocabulary.decode

  def subtrees(node):
    if node.args:
      yield programs_lib.to_prefix(node)
    for arg in node.args:
      yield from subtrees(arg)

  arm = ladder.arm(4)
  tok_NxL = inputs.context.tok_CxL[inputs.split.arms[arm]]
  known = {text for tok_L in tok_NxL for text in subtrees(decode(tok_L))}
  classes = inputs.split.tests[support.NOVEL]
  tok_PxL = np.concatenate([inputs.context.tok_CxL[classes], tok_NxL[:5]])
  number_P, copied_P = retrieval.Training(inputs, arm).subtrees(tok_PxL)
  wanted = [list(subtrees(decode(tok_L))) for tok_L in tok_PxL]
  assert number_P.tolist() == [len(texts) for texts in wanted]
  assert copied_P.tolist() == [sum(t in known for t in w) for w in wanted]
  assert (copied_P[-5:] == number_P[-5:]).all()
  assert copied_P[:-5].sum() < number_P[:-5].sum()
