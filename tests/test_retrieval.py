"""What is copied from training, against programs taken apart one by one."""

import numpy as np
import pytest

from configs import support as support_config
from synth import inputs as inputs_lib
from synth.evaluation import retrieval
from synth.language import program as program_lib
from synth.spaces import syntactic
from synth.splits import support
from tests import programs as programs_lib


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
  config = support_config.get_config('tiny')
  config.universe.max_size = 5
  config.split.num_test, config.split.num_dev = 4, 6
  return inputs_lib.load_or_build(config, tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def lacking(tmp_path_factory):
  """The same of a grammar whose programs without the edges lack a symbol."""
  directory = tmp_path_factory.mktemp('lacking')
  grammar = directory / 'grammar.bnf'
  grammar.write_text(
    'e ::= x | 2 | 3 | e + e | e - e | e / e | e * t\n'
    't ::= u + u | x | 2\nu ::= 1\n'
  )
  config = support_config.get_config('tiny')
  config.universe.grammar, config.universe.max_size = str(grammar), 5
  config.split.edges = 'sub > div, mul > add'
  config.split.num_test, config.split.num_dev = 4, 6
  return inputs_lib.load_or_build(config, directory)


def _subtrees(program):
  """Texts of all subtrees of at least three nodes, in Python."""
  if program.size >= 3:
    yield programs_lib.to_prefix(program)
  for arg in program.args:
    yield from _subtrees(arg)


def _shown(inputs, arm):
  """All programs that training on an arm can show."""
  for number in inputs.split.arms[arm].tolist():
    node = int(inputs.universe.node_C[number])
    programs = list(inputs.universe.minimal_programs(node))
    rows = np.stack([inputs.universe.vocabulary.encode(p, 5) for p in programs])
    has = inputs.holdout.has(rows)
    yield from [
      p for p, has_p in zip(programs, has, strict=True) if not has_p
    ] or programs


def _of_universe(inputs):
  """All minimal programs, and some that are longer than minimal."""
  vocabulary = inputs.universe.vocabulary
  programs = [
    program
    for node in inputs.universe.node_C.tolist()
    for program in inputs.universe.minimal_programs(node)
  ]
  programs += [
    program_lib.from_preorder(text.split())
    for text in ('sub x sub x x', 'add sub x x x', 'mul 1 div 2 x')
  ]
  return programs, np.stack([vocabulary.encode(p, 6) for p in programs])


@pytest.mark.parametrize('arm', [support.WITHOUT, support.WITH])
@pytest.mark.parametrize('fixture', ['inputs', 'lacking'])
def test_copied_subtrees_are_those_of_programs_that_training_shows(
  fixture, request, arm
):
  inputs = request.getfixturevalue(fixture)
  known = {text for p in _shown(inputs, arm) for text in _subtrees(p)}
  programs, tok_PxL = _of_universe(inputs)
  number_P, copied_P = retrieval.Training(inputs, arm).subtrees(tok_PxL)
  wanted = [list(_subtrees(program)) for program in programs]
  assert number_P.tolist() == [len(texts) for texts in wanted]
  assert copied_P.tolist() == [sum(t in known for t in w) for w in wanted]
  assert 0 < copied_P.sum() < number_P.sum()


def test_the_nearest_is_the_nearest_of_all(inputs):
  training = retrieval.Training(inputs, support.WITHOUT)
  _, tok_PxL = _of_universe(inputs)
  tok_PxL = tok_PxL[:: len(tok_PxL) // 20]
  train_NxL = inputs.context.tok_CxL[inputs.split.arms[support.WITHOUT]]
  rows = np.concatenate([np.pad(train_NxL, ((0, 0), (0, 1))), tok_PxL])
  profiles = inputs.context.profile(rows)
  train = np.arange(len(train_NxL))
  wanted = [
    syntactic.distance(
      profiles.take(np.full(len(train), len(train) + p)), profiles.take(train)
    ).min()
    for p in range(len(tok_PxL))
  ]
  np.testing.assert_allclose(training.nearest(tok_PxL), wanted, atol=1e-12)


class _Planted:
  """Training that has shown half the subtrees of whatever it is asked for."""

  def __init__(self, number_P, copied_P):
    self._found = np.array(number_P), np.array(copied_P)

  def subtrees(self, tok_PxL):
    assert len(tok_PxL) == len(self._found[0])
    return self._found


def test_bias_is_what_outputs_have_beyond_their_tasks():
  # Two models, three tasks; of (seed, item, count, exact, shown, subtrees,
  # copied, nearest). The second writes no program for the last task.
  rows = [
    (0, 0, 3, 0, 1, 2, 2, 0.0),
    (0, 0, 1, 1, 0, 4, 1, np.nan),
    (0, 1, 4, 0, 0, 4, 2, 0.25),
    (0, 2, 4, 0, 0, 1, 0, 0.5),
    (1, 0, 4, 0, 0, 2, 1, 0.5),
    (1, 1, 2, 0, 0, 4, 4, 0.25),
    (1, 2, 4, 0, 0, 0, 0, np.nan),
  ]
  names = ('seed', 'item', 'count', 'exact', 'shown', 'subtrees',
           'copied_subtrees', 'nearest')  # fmt: skip
  columns = map(np.array, zip(*rows, strict=True))
  records = dict(zip(names, columns, strict=True))
  for name in ('exact', 'shown'):
    records[name] = records[name].astype(bool)
  distance_I = np.array([0.31, 0.39, 0.75], np.float32)
  tasks = {
    'target': np.zeros((3, 5)),
    'distance': np.stack([distance_I] * 2),
    'cluster': np.arange(3),
  }
  found = retrieval.summary(
    {'novel': records}, {'novel': tasks}, _Planted([4, 4, 2], [2, 1, 0]), 2, 0
  )['novel']
  # Samples count, not distinct ones.
  assert found['subtrees']['outputs'] == [15 / 30, 12 / 16]
  assert found['subtrees']['wrong'] == [14 / 26, 12 / 16]
  assert found['subtrees']['tasks'] == 3 / 10
  assert found['nearest']['outputs'] == pytest.approx([0.25, 0.375])
  assert found['nearest']['tasks'] == pytest.approx((0.31 + 0.39 + 0.75) / 3)
  # Paired with the task, over the two that both models wrote programs for.
  wanted = np.mean([7 / 10 - 2 / 4, 2 / 4 - 1 / 4, 1 / 2 - 2 / 4, 1 - 1 / 4])
  assert found['bias']['subtrees'][0] == pytest.approx(wanted)
  wanted = np.mean([0 - 0.31, 0.25 - 0.39, 0.5 - 0.31, 0.25 - 0.39])
  assert found['bias']['nearest'][0] == pytest.approx(wanted, abs=1e-6)
  near, far = found['by_distance']
  assert (near['from'], near['to'], near['tasks']) == (0.3, 0.4, 2)
  assert near['copies'] == 3 / 14 and near['own_subtrees'] == 3 / 8
  assert near['subtrees'] == (15 + 12) / (26 + 16)
  assert near['nearest'][1] == 0.25
  assert far['tasks'] == 1 and far['subtrees'] == 0
