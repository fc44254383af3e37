"""Batches: a function of (seed, step), whoever asks, in whatever order."""

import collections
import dataclasses
import itertools
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from configs import density as density_config
from configs import support as support_config
from synth import data
from synth import errors
from synth import inputs as inputs_lib
from synth.language import edges as edges_lib
from synth.language import reference
from synth.language import serialization
from synth.language import tokens
from synth.spaces import specification
from tests import programs as programs_lib

_BATCH = 32
_STEPS = 40


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
  config = support_config.get_config('tiny')
  config.universe.max_size = 5
  config.split.num_test, config.split.num_dev = 4, 6
  return inputs_lib.load_or_build(config, tmp_path_factory.mktemp('data'))


def _source(inputs, seeds=(0, 1), batch=_BATCH, rows=None, arm='train_s'):
  return data.BatchSource(inputs, (arm,), seeds, batch, _STEPS, rows)


@pytest.fixture(scope='module')
def class_of(inputs):
  """Rational function -> class."""
  function = reference.RationalFunctions(inputs.universe.grammar.variables)
  decode = inputs.universe.vocabulary.decode
  table = {
    function(decode(tok_L)): number
    for number, tok_L in enumerate(inputs.universe.representative_CxL)
  }
  return lambda tok_T: table[function(decode(tok_T))]


def _equal(a, b):
  return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_a_batch_depends_on_its_step_alone(inputs):
  forward = _source(inputs)
  steps = [0, 1, 6, 7, 8, 23, 39]
  wanted = {step: forward[step] for step in steps}
  other = _source(inputs)
  for step in [39, 0, 8, 7, 23, 1, 6, 39]:
    assert _equal(other[step], wanted[step])
  assert _equal(_source(inputs)[np.int64(23)], wanted[23])


def test_consecutive_batches_differ(inputs):
  source = _source(inputs)
  per_epoch = len(inputs.split.arms['train_s']) // _BATCH
  for other in (1, per_epoch, 2 * per_epoch):
    assert not np.array_equal(source[0]['target'], source[other]['target'])


@pytest.mark.parametrize('count', [2, 4])
def test_processes_share_the_batch_of_one(inputs, count):
  whole = _source(inputs)
  shares = np.split(np.arange(_BATCH), count)
  parts = [_source(inputs, rows=rows) for rows in shares]
  for step in (0, 3, 7, 20):
    pieces = [part[step] for part in parts]
    together = {
      name: np.concatenate([p[name] for p in pieces], axis=1)
      for name in pieces[0]
    }
    assert _equal(together, whole[step])


def test_models_trained_together_see_what_each_sees_alone(inputs):
  together = _source(inputs, (3, 0, 7))
  for place, seed in enumerate((3, 0, 7)):
    alone = _source(inputs, (seed,))
    for step in (0, 9, 30):
      part = {k: v[place : place + 1] for k, v in together[step].items()}
      assert _equal(part, alone[step])


def test_seeds_have_orders_and_programs_of_their_own(inputs):
  source = _source(inputs, (0, 1, 2))
  for step in (0, 7):
    spec = source[step]['spec']
    for a, b in itertools.combinations(range(3), 2):
      # Not even the same set of classes.
      rows = {tuple(row) for row in spec[a]} & {tuple(row) for row in spec[b]}
      assert len(rows) < _BATCH / 2


@pytest.mark.parametrize('batch', [32, 50, 231])
def test_an_epoch_visits_each_class_at_most_once(inputs, batch, class_of):
  class_N = inputs.split.arms['train_s']
  source = _source(inputs, (0,), batch)
  per_epoch = len(class_N) // batch
  orders = []
  for epoch in range(2):
    seen = []
    for step in range(epoch * per_epoch, (epoch + 1) * per_epoch):
      seen += [class_of(tok_T) for tok_T in source[step]['target'][0]]
    assert len(set(seen)) == len(seen) == per_epoch * batch
    assert len(class_N) - len(seen) < batch
    assert set(seen) <= set(class_N.tolist())
    orders.append(seen)
  assert orders[0] != orders[1]  # each epoch has an order of its own


def test_all_classes_are_visited_in_the_long_run(inputs, class_of):
  # What one epoch leaves over is not the same in the next.
  class_N = inputs.split.arms['train_s']
  source = _source(inputs, (0,), 64)
  left_over = [
    set(class_N.tolist())
    - {
      class_of(tok_T)
      for step in range(3 * epoch, 3 * epoch + 3)
      for tok_T in source[step]['target'][0]
    }
    for epoch in range(5)
  ]
  assert all(len(left) == len(class_N) - 3 * 64 for left in left_over)
  assert not set.intersection(*left_over)


def test_a_program_belongs_to_the_class_of_its_specification(inputs, class_of):
  source = _source(inputs)
  spec_CxF = inputs.spaces.spec_CxF
  for step in (0, 5):
    batch = source[step]
    for model in range(2):
      for spec_F, tok_T in zip(
        batch['spec'][model], batch['target'][model], strict=True
      ):
        number = class_of(tok_T)
        np.testing.assert_array_equal(spec_F, spec_CxF[number])
        # A minimal program of it.
        assert (tok_T > tokens.EOS).sum() == inputs.universe.size_C[number]


def test_visits_of_a_class_draw_its_minimal_programs_afresh(inputs, class_of):
  universe = inputs.universe
  source = _source(inputs, (0,))
  seen = collections.defaultdict(set)
  for step in range(_STEPS):
    for tok_T in source[step]['target'][0]:
      seen[class_of(tok_T)].add(tuple(tok_T))
  many = [c for c in seen if universe.count_N[universe.node_C[c]] >= 4]
  assert len(many) > 20
  assert np.mean([len(seen[c]) > 1 for c in many]) > 0.8


def test_every_step_and_seed_draws_random_numbers_of_its_own(
  inputs, monkeypatch
):
  drawn = []

  def record(_, class_B, uniform_BxL):
    drawn.append(uniform_BxL)
    return {'class': class_B}

  monkeypatch.setattr(data, 'make_batch', record)
  source = _source(inputs, (0, 1))
  for step in (0, 1, 2):
    assert source[step]['class'].shape == (2, _BATCH)
  number_Nx = np.concatenate(drawn)
  assert len(np.unique(number_Nx)) == number_Nx.size == 6 * _BATCH * 5
  assert number_Nx.min() >= 0 and number_Nx.max() < 1


def test_input_is_the_target_shifted_behind_bos(inputs):
  batch = _source(inputs)[4]
  length = inputs.universe.max_size + 1
  assert batch['input'].shape == batch['target'].shape == (2, _BATCH, length)
  assert batch['input'].dtype == batch['target'].dtype == np.int32
  assert batch['spec'].dtype == np.float32
  for read_T, target_T in zip(
    batch['input'].reshape(-1, length),
    batch['target'].reshape(-1, length),
    strict=True,
  ):
    end = int(np.flatnonzero(target_T == tokens.EOS)[0])
    assert read_T[0] == tokens.BOS
    assert read_T[1 : end + 1].tolist() == target_T[:end].tolist()
    assert (target_T[:end] > tokens.EOS).all()
    assert (target_T[end + 1 :] == tokens.PAD).all()
    assert (read_T[end + 1 :] == tokens.PAD).all()
    assert not np.isin(read_T[1:], [tokens.BOS, tokens.EOS]).any()


def test_programs_of_every_size_end_with_eos(inputs):
  # The longest fill the row: EOS is its last token.
  batch = data.make_batch(
    inputs,
    np.arange(len(inputs.universe.node_C)),
    np.random.default_rng(0).random((len(inputs.universe.node_C), 5)),
  )
  size_C = inputs.universe.size_C
  assert {1, 3, 5} == set(size_C.tolist())
  ends = (batch['target'] == tokens.EOS).argmax(axis=1)
  assert ends.tolist() == size_C.tolist()
  assert (batch['target'] == tokens.EOS).sum() == len(size_C)


@pytest.mark.parametrize('order', ['postfix', 'infix'])
def test_other_orders_show_the_same_programs(inputs, order):
  serial = serialization.Serialization(order, inputs.universe.vocabulary, 5)
  other = dataclasses.replace(inputs, serialization=serial)
  classes = np.arange(len(inputs.universe.node_C))
  uniform = np.random.default_rng(0).random((len(classes), 5))
  wanted = data.make_batch(inputs, classes, uniform)
  found = data.make_batch(other, classes, uniform)
  assert found['target'].shape[1] == serial.length + 1
  np.testing.assert_array_equal(serial.read(found['target']), wanted['target'])
  assert (found['input'][:, 0] == tokens.BOS).all()
  np.testing.assert_array_equal(
    found['input'][:, 1:],
    np.where(found['target'] == tokens.EOS, 0, found['target'])[:, :-1],
  )
  source = _source(other)
  assert source.step_tokens == source[0]['target'].size


def test_one_token_a_point_has_the_features_of_its_point(inputs):
  spaces = inputs.spaces
  spec = specification.features(
    specification.POINTS, spaces.value_CxE, spaces.ok_CxE
  )
  spec_CxExI = spec.reshape(*spaces.value_CxE.shape, -1)
  for point in (0, 5, 31):
    value_C = np.where(spaces.ok_CxE, spaces.value_CxE, 0)[:, point]
    raw_C = np.arcsinh(value_C)
    z_C = np.clip((raw_C - raw_C.mean()) / raw_C.std(), -6, 6)
    np.testing.assert_allclose(spec_CxExI[:, point, 0], z_C, atol=1e-4)


def test_arms_differ_only_where_their_classes_do(inputs):
  arms = inputs.split.arms
  shared = np.intersect1d(arms['train_s'], arms['train_c'])
  uniform = np.random.default_rng(0).random((len(shared), 5))
  tok_PxL = inputs.programs_at(shared, uniform)
  edges = inputs.holdout.has(tok_PxL)
  assert not edges.any()
  batches = [_source(inputs, (0,), arm=arm)[0] for arm in sorted(arms)]
  assert not _equal(*batches)


def test_a_fixed_program_is_one_of_those_that_are_drawn(inputs):
  fixed = dataclasses.replace(inputs, fixed=True)
  classes = inputs.split.arms['train_c']
  rng = np.random.default_rng(0)
  first, second = (
    fixed.programs_at(classes, rng.random((len(classes), 5))) for _ in range(2)
  )
  np.testing.assert_array_equal(first, second)
  for rows in (first, programs_lib.with_eos(first)):
    assert fixed.shown('train_c', rows).all()
    assert inputs.shown('train_c', rows).all()
  short = first[(first[:, 3:] == tokens.PAD).all(axis=1), :3]
  assert len(short) and fixed.shown('train_c', short).all()
  drawn = inputs.programs_at(classes, rng.random((len(classes), 5)))
  other = (drawn != first).any(axis=1)
  assert 0.1 < other.mean() < 0.9  # where there are several
  assert not fixed.shown('train_c', drawn[other]).any()
  # Which one is shown is no more often the first than chance has it.
  counts = [0, 0]
  for place in np.flatnonzero(other):
    both = sorted([drawn[place].tolist(), first[place].tolist()])
    counts[both.index(first[place].tolist())] += 1
  assert min(counts) > 0.3 * sum(counts)


def test_an_epoch_of_fixed_programs_is_the_next_in_another_order(inputs):
  source = _source(dataclasses.replace(inputs, fixed=True), (0,), 33)
  steps = len(inputs.split.arms['train_s']) // 33

  def pairs(epoch):
    found = [source[epoch * steps + step] for step in range(steps)]
    return {
      (batch['spec'][0, row].tobytes(), batch['target'][0, row].tobytes())
      for batch in found
      for row in range(33)
    }

  assert pairs(0) == pairs(1)
  assert len(pairs(0)) == steps * 33


@pytest.mark.parametrize('start', [0, 1, 7, 38])
def test_iterating_from_a_step_gives_the_tail(inputs, start):
  source = _source(inputs)
  found = list(itertools.islice(data.iterate(_source(inputs), start), 3))
  assert len(found) == min(3, _STEPS - start)
  for offset, batch in enumerate(found):
    assert _equal(batch, source[start + offset])


def test_iteration_ends_after_the_last_step(inputs):
  assert len(list(data.iterate(_source(inputs), _STEPS - 2))) == 2


@pytest.mark.parametrize('rows', [1, 3 * 2 * _BATCH, 10**6])
def test_batches_made_together_are_those_made_alone(inputs, monkeypatch, rows):
  monkeypatch.setattr(data, '_GROUP', rows)
  source = _source(inputs)
  assert source.group_size == {1: 1, 192: 3}.get(rows, 10**6 // 64)
  found = list(data.iterate(source, 2))
  assert len(found) == _STEPS - 2
  for step, batch in enumerate(found, 2):
    assert _equal(batch, source[step])


@pytest.mark.slow
def test_a_worker_makes_the_batches_of_a_thread(tmp_path):
  # A process of its own: its workers start it anew.
  script = tmp_path / 'iterate.py'
  script.write_text(
    'import hashlib, pathlib\n'
    'from absl import app\n'
    'from configs import support\n'
    'from synth import data, inputs\n'
    'def main(_):\n'
    '  config = support.get_config("tiny")\n'
    '  config.universe.max_size = 5\n'
    '  config.split.num_test, config.split.num_dev = 4, 6\n'
    f'  found = inputs.load_or_build(config, pathlib.Path("{tmp_path}"))\n'
    '  source = data.BatchSource(found, ("train_s",), (0, 1), 32, 150)\n'
    '  for workers in (0, 2):\n'
    '    batches = list(data.iterate(source, 3, workers))\n'
    '    digest = hashlib.sha256()\n'
    '    for batch in batches:\n'
    '      for name in sorted(batch):\n'
    '        digest.update(batch[name].tobytes())\n'
    '    print(len(batches), digest.hexdigest())\n'
    'if __name__ == "__main__":\n'
    '  app.run(main)\n'
  )
  done = subprocess.run(
    [sys.executable, script], capture_output=True, text=True, timeout=120,
    cwd=pathlib.Path(__file__).parents[1],
    env={**os.environ, 'PYTHONPATH': '.'},
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  thread, workers = done.stdout.splitlines()
  assert thread == workers and thread.startswith('147 ')


def test_bad_batch_sizes_are_refused(inputs):
  with pytest.raises(errors.InputError, match=r'batch_size=232 .* 231 classes'):
    data.check_batch_size(inputs, ('train_s',), 232)
  data.check_batch_size(inputs, ('train_s',), 231)


def test_a_density_arm_draws_all_minimal_programs(tmp_path):
  config = density_config.get_config('tiny')
  config.universe.max_size = 5
  config.split.num_test, config.split.num_dev = 4, 6
  config.split.num_arm = 100
  inputs = inputs_lib.load_or_build(config, tmp_path)
  batch = _source(inputs, (0,), 64, arm='uniform')
  tok_PxL = np.concatenate([batch[i]['input'][0, :, 1:] for i in range(20)])
  edge = edges_lib.parse('sub > div', inputs.universe.grammar)
  assert edges_lib.has(tok_PxL, inputs.universe.vocabulary, edge).any()
