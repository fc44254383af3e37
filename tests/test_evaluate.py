"""Evaluation: results that agree with what was written, and refusals."""

import itertools
import json
import shutil
import types

import ml_collections
import numpy as np
import pytest

from configs import support as support_config
from synth import errors
from synth import evaluate
from synth import inputs as inputs_lib
from synth import locks
from synth import runs
from synth import seeding
from synth import train
from synth.evaluation import decode
from synth.evaluation import parts
from synth.evaluation import summary as summary_lib
from synth.evaluation import verify
from synth.evaluation import writing
from synth.evaluation.verify import Outcome
from synth.language import program as program_lib
from synth.language import reference
from synth.language import tokens
from synth.search import writer as writer_lib
from synth.spaces import syntactic
from synth.splits import kinds
from synth.splits import split as split_lib
from synth.statistics import design
from synth.statistics import interval
from synth.statistics import passk

_SETS = ('control', 'novel', 'dev')


def _config(**overrides):
  """The config of `test_train`, so that both share their compiled steps."""
  config = support_config.get_config('tiny')
  config.update_from_flattened_dict(
    {
      'universe.max_size': 5,
      'split.num_test': 4,
      'split.num_dev': 6,
      'data.batch_size': 32,
      'opt.num_steps': 120,
      'train.log_every_steps': 40,
      'train.dev_every_steps': 120,
      'train.checkpoint_every_steps': 120,
      'eval.num_samples': 4,
      'eval.batch_size': 6,
      'eval.temperature': 0.8,  # some of the few samples are right
      'eval.seed': 2,
      **overrides,
    }
  )
  return config


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A trained and evaluated run: its directory and the result."""
  workdir = tmp_path_factory.mktemp('run')
  train.train_and_evaluate(_config(), workdir)
  return workdir, evaluate.evaluate(workdir)


@pytest.fixture(scope='module')
def samples(run):
  with np.load(run[0] / runs.SAMPLES) as arrays:
    return dict(arrays)


def test_models_asked_for_outputs_write_what_they_wrote_for_tasks(
  run, tmp_path
):
  workdir = _copy(run[0], tmp_path / 'run')
  result = evaluate.evaluate(workdir, {'num_samples': 1, 'temperature': 0.0})
  config = ml_collections.ConfigDict(result['config'])
  inputs = inputs_lib.of_run(workdir, config)
  ask = writer_lib.Writer(workdir, config, inputs, result['step'])
  with np.load(workdir / runs.SAMPLES) as arrays:
    class_I, tok_SxIxT = arrays['novel_class'], arrays['novel_tok'][:, :, 0]
  found_SxIxT = ask(inputs.spaces.value_CxE[class_I])
  assert ask.models == len(found_SxIxT) == len(tok_SxIxT)
  wanted_SxIxT = np.where(tok_SxIxT == tokens.EOS, tokens.PAD, tok_SxIxT)
  np.testing.assert_array_equal(found_SxIxT, wanted_SxIxT)
  with pytest.raises(errors.InputError, match='was evaluated at step 1,'):
    writer_lib.Writer(workdir, config, inputs, 1)
  later = result['step'] + 1
  with pytest.raises(errors.InputError, match='train it to the end and'):
    writer_lib.Writer(workdir, config, inputs, later)


def _copy(workdir, target, **config):
  """A copy of a run whose recorded config is changed."""
  shutil.copytree(workdir, target)
  record = runs.read_json(target / runs.RECORD)
  changed = ml_collections.ConfigDict(record['config'])
  changed.update_from_flattened_dict(config)
  record['config'] = changed.to_dict()
  runs.write_json(target / runs.RECORD, record)
  return target


def test_the_result_has_all_its_keys_and_is_what_is_stored(run):
  workdir, result = run
  stored = runs.read_json(workdir / runs.RESULT)
  assert json.loads(json.dumps(result)) == stored
  assert {
    'step', 'arm', 'config', 'inputs_sha256', 'versions', 'params', 'seeds',
    'pass@1', 'pass@1_by_seed', 'outcomes', 'items', 'novelty', 'baselines',
    'strata', 'best_of_task', 'errors', 'copies', 'with_structure',
    'task_sizes', 'calibration', 'calibration_strata', 'reliability', 'tail',
    'retrieval', 'best_by_forced',
  } <= stored.keys()  # fmt: skip
  assert 'pass@16' not in stored  # of four samples
  assert stored['step'] == 120 and stored['seeds'] == [0, 1]
  assert stored['items'] == {'control': 4, 'novel': 4, 'dev': 6}
  for key in ('pass@1', 'pass@1_by_seed', 'outcomes', 'novelty', 'baselines'):
    assert stored[key].keys() == set(_SETS)
  text = (workdir / runs.RESULT).read_text()
  assert 'NaN' not in text and 'Infinity' not in text


def test_tasks_are_resampled_by_the_cells_of_the_split(run, samples):
  inputs = inputs_lib.of_run(run[0], _config())
  cell_C = kinds.region(inputs.context).cell_C
  for name in _SETS:
    np.testing.assert_array_equal(
      samples[f'{name}_cluster'], cell_C[samples[f'{name}_class']]
    )
    value_SxI = passk.pass_at_k(
      (samples[f'{name}_outcome'] == Outcome.CORRECT).sum(axis=2), 4, 1
    )
    term = design.Term(value_SxI, cluster_I=samples[f'{name}_cluster'])
    rng = seeding.generator(2, 'bootstrap', name)
    assert run[1]['pass@1'][name] == interval.share([[term]], rng)


def test_success_is_told_at_every_k(run, samples):
  for name, curve_Sxn in run[1]['pass@k_by_seed'].items():
    correct_SxIxn = samples[f'{name}_outcome'] == verify.Outcome.CORRECT
    for correct_Ixn, curve_n in zip(correct_SxIxn, curve_Sxn, strict=True):
      # By hand: the share of all choices of k samples in which one is right.
      wanted_n = [
        np.mean(
          [
            np.mean([any(few) for few in itertools.combinations(right_n, k)])
            for right_n in correct_Ixn
          ]
        )
        for k in (1, 2, 3, 4)
      ]
      assert curve_n == pytest.approx(wanted_n, abs=1e-6)
  assert 0 < np.mean(curve_Sxn) < 1  # of dev: some, not all


def test_strata_go_by_the_distances_of_the_split(run, samples):
  inputs = inputs_lib.load_or_build(_config(), run[0])
  bounds = inputs.split.facts['distance_bounds']['train_s']['syntactic']
  for name in _SETS:
    # By hand: distances of single programs, in Python.
    profiles = inputs.context.profiles
    train = profiles.take(inputs.split.arms['train_s'])
    classes = samples[f'{name}_class']
    wanted = [
      min(
        syntactic.distance(
          profiles.take(np.full(train.count_PxG.shape[0], number)), train
        )
      )
      for number in classes
    ]
    assert samples[f'{name}_distance'][0] == pytest.approx(wanted, abs=1e-6)
    right = samples[f'{name}_outcome'] == Outcome.CORRECT
    near = np.array(wanted) <= bounds['near'] + 1e-6
    told = run[1]['strata'][name]['syntactic']
    assert sum(s['items'] for s in told.values()) == len(classes)
    if near.any():
      assert told['near']['items'] == near.sum()
      assert told['near']['solved@1'] == pytest.approx(right[:, near].mean())


def test_success_by_size_is_that_of_the_tasks_of_each_size(run, samples):
  universe = inputs_lib.load_or_build(_config(), run[0]).universe
  for name in _SETS:
    told = run[1]['task_sizes'][name]
    right = samples[f'{name}_outcome'] == Outcome.CORRECT
    size = np.array(
      [
        next(iter(universe.minimal_programs(node))).size
        for node in universe.node_C[samples[f'{name}_class']]
      ]
    )
    assert {int(n) for n in told} == set(size.tolist())
    for nodes, one in told.items():
      of_size = size == int(nodes)
      assert one['items'] == of_size.sum()
      assert one['solved@1'] == pytest.approx(right[:, of_size].mean())


def test_intervals_hold_their_means(run):
  for mean, low, high in run[1]['pass@1'].values():
    assert 0 <= low <= mean <= high <= 1


def test_shares_sum_to_one(run):
  for kind in ('outcomes', 'novelty'):
    for shares in run[1][kind].values():
      assert sum(shares.values()) == pytest.approx(1)
      assert all(share >= 0 for share in shares.values())


def test_the_result_follows_from_the_samples(run, samples):
  result = run[1]
  for name in _SETS:
    outcome_SxIxn = samples[f'{name}_outcome']
    items = result['items'][name]
    assert outcome_SxIxn.shape == (2, items, 4)
    assert samples[f'{name}_logprob'].shape == (2, items, 4)
    assert samples[f'{name}_tok'].shape == (2, items, 4, 6)
    by_seed = (outcome_SxIxn == Outcome.CORRECT).mean(axis=(1, 2))
    assert result['pass@1_by_seed'][name] == pytest.approx(by_seed.tolist())
    assert result['pass@1'][name][0] == pytest.approx(by_seed.mean())
    for outcome in Outcome:
      share = (outcome_SxIxn == outcome).mean()
      assert result['outcomes'][name][outcome.name.lower()] == (
        pytest.approx(share)
      )
    novelty = result['novelty'][name]
    assert 1 - novelty['unsolved'] == pytest.approx(by_seed.mean())


def test_outcomes_follow_from_what_was_written(run, samples):
  """By the exact reference semantics, one sample after the other."""
  inputs = inputs_lib.load_or_build(_config(), run[0])
  vocabulary = inputs.universe.vocabulary
  function = reference.RationalFunctions(('x',))
  seen = set()
  for name, classes in inputs.split.evaluation_sets().items():
    np.testing.assert_array_equal(samples[f'{name}_class'], classes)
    for target_L, number in zip(
      samples[f'{name}_target'], classes, strict=True
    ):
      wanted = vocabulary.decode(inputs.universe.representative_CxL[number])
      assert function(vocabulary.decode(target_L)) == function(wanted)
    seen |= set(samples[f'{name}_outcome'].ravel().tolist())
    for index in np.ndindex(samples[f'{name}_outcome'].shape):
      item, outcome = index[1], samples[f'{name}_outcome'][index]
      representative_L = inputs.universe.representative_CxL[classes[item]]
      target = vocabulary.decode(representative_L)
      try:
        value = function(vocabulary.decode(samples[f'{name}_tok'][index]))
      except program_lib.ProgramError:
        assert outcome == Outcome.UNPARSED
        continue
      if value is reference.Undefined.ZERO_FUNCTION:
        assert outcome == Outcome.UNDEFINED
      else:
        assert (outcome == Outcome.CORRECT) == (value == function(target))
  assert {Outcome.WRONG, Outcome.CORRECT} <= seen


def test_records_are_those_of_the_samples(run, samples):
  with np.load(run[0] / runs.RECORDS) as arrays:
    records = dict(arrays)
  for name in _SETS:
    place = tuple(
      records[f'{name}_{field}'] for field in ('seed', 'item', 'first')
    )
    count = records[f'{name}_count']
    outcome = samples[f'{name}_outcome']
    assert count.sum() == outcome.size
    np.testing.assert_array_equal(
      records[f'{name}_exact'], outcome[place] == Outcome.CORRECT
    )
    np.testing.assert_array_equal(
      records[f'{name}_logprob'], samples[f'{name}_logprob'][place]
    )
    # What the result says of tasks and samples, from either file.
    best = run[1]['best_of_task'][name]
    solved = np.add(best['with_structure'], best['without_structure'])
    np.testing.assert_allclose(
      solved, (outcome == Outcome.CORRECT).any(axis=2).mean(axis=1)
    )
    right = np.bincount(place[0], count * records[f'{name}_exact'], 2)
    np.testing.assert_allclose(
      right / outcome[0].size, run[1]['pass@1_by_seed'][name]
    )


def test_answers_are_calibrated_by_test_set_and_seed(run, samples):
  for name in _SETS:
    for seed, found in enumerate(run[1]['calibration'][name]):
      logprob = samples[f'{name}_logprob'][seed]
      # The most probable sample of each task, all in one bin of so few.
      best = logprob.max(axis=1)
      assert found['confidence_B'] == [pytest.approx(np.exp(best).mean())]
      assert found['count_B'] == [len(best)]


def test_answers_are_calibrated_in_the_strata_that_success_is_told_of(
  run, samples
):
  for name in _SETS:
    best_SxI = np.exp(samples[f'{name}_logprob'].max(axis=2))
    for space, strata in run[1]['calibration_strata'][name].items():
      items = {
        stratum: told['items']
        for stratum, told in run[1]['strata'][name][space].items()
      }
      assert strata.keys() == items.keys()
      for seed, best_I in enumerate(best_SxI):
        told = {stratum: by_seed[seed] for stratum, by_seed in strata.items()}
        for stratum, found in told.items():
          assert (found is None) == (items[stratum] == 1)
          assert found is None or found['count_B'] == [items[stratum]]
        if None not in told.values():
          total = sum(items[s] * told[s]['confidence_B'][0] for s in told)
          assert total == pytest.approx(best_I.sum())


def test_minimal_programs_are_as_probable_as_samples_of_them(run):
  _check_minimal(*run)


def _check_minimal(workdir, result):
  """Both are under the law that the samples were drawn from."""
  samples = runs.read_arrays(workdir / runs.SAMPLES)
  records = runs.read_arrays(workdir / runs.RECORDS)
  inputs = inputs_lib.of_run(workdir, _config())
  alone = 0  # tasks whose one minimal program was sampled
  for name in _SETS:
    best_SxI = samples[f'{name}_minimal_logprob']
    classes = samples[f'{name}_class']
    node_I = inputs.universe.node_C[classes]
    (row,) = np.nonzero(
      records[f'{name}_exact']
      & (
        records[f'{name}_size']
        == inputs.universe.size_C[classes][records[f'{name}_item']]
      )
      & (inputs.universe.count_N[node_I][records[f'{name}_item']] == 1)
    )
    place = records[f'{name}_seed'][row], records[f'{name}_item'][row]
    np.testing.assert_allclose(
      best_SxI[place], records[f'{name}_logprob'][row], atol=1e-4
    )
    alone += len(row)
    tail = result['tail'][name]
    assert tail['minimal'] == (best_SxI > -np.log(4)).mean(axis=1).tolist()
    assert np.all(np.array(tail['any']) >= tail['minimal'])
  assert alone


def test_what_is_retrieved_follows_from_the_records(run):
  with np.load(run[0] / runs.RECORDS) as archive:
    records = dict(archive)
  for name in _SETS:
    told = run[1]['retrieval'][name]
    fields = {
      key.removeprefix(f'{name}_'): array
      for key, array in records.items()
      if key.startswith(f'{name}_')
    }
    # A copy has no subtree that training has not.
    whole = fields['subtrees'] == fields['copied_subtrees']
    assert whole[fields['shown']].all()
    assert not fields['subtrees'][~fields['parses']].any()
    for seed in range(2):
      mine = fields['seed'] == seed
      number, copied = (
        fields['count'][mine] @ fields[key][mine]
        for key in ('subtrees', 'copied_subtrees')
      )
      assert told['subtrees']['outputs'][seed] == copied / number
      searched = fields['nearest'][mine & np.isfinite(fields['nearest'])]
      assert len(searched) == len(
        np.unique(fields['item'][mine & fields['parses']])
      )
      assert told['nearest']['outputs'][seed] == pytest.approx(
        searched.astype(float).mean()
      )
    copies = fields['shown'] & np.isfinite(fields['nearest'])
    assert (fields['nearest'][copies] < 1).all()


def test_log_probabilities_are_log_probabilities(samples):
  for name in _SETS:
    logprob = samples[f'{name}_logprob']
    assert np.isfinite(logprob).all() and (logprob <= 0).all()
  # Low temperature: what is written often is probable.
  assert np.mean(samples['dev_logprob']) > -12


def test_evaluating_again_gives_the_same(run, samples):
  workdir, result = run
  assert evaluate.evaluate(workdir) == result
  with np.load(workdir / runs.SAMPLES) as again:
    for name, array in samples.items():
      np.testing.assert_array_equal(again[name], array)


class _Killed(Exception):
  """Stands for the end of the process."""


def _counting(monkeypatch, most=None):
  """Batches decoded from now on; the one after `most` is the last attempt."""
  done = []
  decoded = decode.decode

  def counted(*args, **kwargs):
    if len(done) == most:
      raise _Killed
    found = decoded(*args, **kwargs)
    done.append(1)
    return found

  monkeypatch.setattr(writing.decode, 'decode', counted)
  return done


def test_who_is_killed_while_writing_leaves_no_result_of_other_samples(
  run, tmp_path, monkeypatch
):
  workdir = _copy(run[0], tmp_path / 'run')
  write = runs.write_arrays

  def killed(path, arrays):
    write(path, arrays)
    if path.name == runs.SAMPLES:
      raise _Killed

  with monkeypatch.context() as patch:
    patch.setattr(runs, 'write_arrays', killed)
    with pytest.raises(_Killed):
      evaluate.evaluate(workdir, {'num_samples': 2, 'temperature': 0.0})
  assert not (workdir / runs.RESULT).exists()
  assert not runs.is_evaluated(workdir)
  done = _counting(monkeypatch)
  assert evaluate.evaluate(workdir) == run[1]
  assert len(done) == 3 and runs.is_evaluated(workdir)


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_with_the_same_bits(
  run, tmp_path, monkeypatch
):
  batches = {'eval.batch_size': 5}  # 4, 4 and 6 tasks: four batches
  straight = _copy(run[0], tmp_path / 'straight', **batches)
  wanted = evaluate.evaluate(straight)
  workdir = _copy(run[0], tmp_path / 'killed', **batches)
  for _ in range(3):
    with monkeypatch.context() as patch:
      done = _counting(patch, most=1)
      with pytest.raises(_Killed):
        evaluate.evaluate(workdir)
    assert len(done) == 1
  # A file cut short is a batch to be done again.
  last = max((workdir / runs.PARTS).glob('*.npz'))
  last.write_bytes(last.read_bytes()[:-30])
  with monkeypatch.context() as patch:
    done = _counting(patch)
    assert evaluate.evaluate(workdir) == wanted
  assert len(done) == 2
  for name in (runs.SAMPLES, runs.RECORDS):
    with np.load(straight / name) as one, np.load(workdir / name) as other:
      assert one.files == other.files
      for field in one.files:
        np.testing.assert_array_equal(one[field], other[field])
  assert not (workdir / runs.PARTS).exists()


def test_what_was_done_with_other_settings_is_not_used(
  run, tmp_path, monkeypatch
):
  workdir = _copy(run[0], tmp_path / 'run')
  with monkeypatch.context() as patch:
    done = _counting(patch, most=2)
    with pytest.raises(_Killed):
      evaluate.evaluate(workdir, {'temperature': 0.0})
  done = _counting(monkeypatch)
  result = evaluate.evaluate(workdir)
  assert len(done) == 3
  assert result == run[1]


def test_the_padding_of_the_last_batch_does_not_matter(run, tmp_path):
  workdir, _ = run
  results, written = [], []
  for size in (6, 5):  # 4 and 6 tasks: 5 divides neither
    copy = _copy(
      workdir,
      tmp_path / str(size),
      **{'eval.temperature': 0.0, 'eval.batch_size': size},
    )
    results.append(evaluate.evaluate(copy))
    with np.load(copy / runs.SAMPLES) as arrays:
      written.append(dict(arrays))
  assert results[0]['outcomes'] == results[1]['outcomes']
  assert results[0]['pass@1'] == results[1]['pass@1']
  for name in _SETS:
    for field in ('class', 'tok', 'outcome'):
      np.testing.assert_array_equal(
        written[0][f'{name}_{field}'], written[1][f'{name}_{field}']
      )
    # Greedy: all samples of a task are the same.
    tok = written[0][f'{name}_tok']
    np.testing.assert_array_equal(tok, np.repeat(tok[:, :, :1], 4, axis=2))


def _made_up(rng, samples, shares=(0.4, 0.1, 0.3, 0.1, 0.1)):
  shape = (2, 30, samples)
  outcome = rng.choice(5, shape, p=shares).astype(np.int8)
  logprob = np.zeros(shape, np.float32)
  return {
    'class': np.arange(30),
    'cluster': np.arange(30),
    'outcome': outcome,
    'logprob': logprob,
  }


def test_made_up_outcomes_are_summarized_as_by_hand():
  config = _config(**{'eval.num_samples': 16})
  rng = np.random.default_rng(0)
  written = {'novel': _made_up(rng, 16), 'dev': _made_up(rng, 16)}
  summary = summary_lib.success(config, written)
  for name, fields in written.items():
    correct_SxI = (fields['outcome'] == 0).sum(axis=2)
    solved = (correct_SxI > 0).mean()
    assert summary['pass@1'][name][0] == pytest.approx(correct_SxI.mean() / 16)
    assert summary['pass@16'][name][0] == pytest.approx(solved)
    value = passk.pass_at_k(correct_SxI, 16, 1)
    assert summary['pass@1_by_seed'][name] == pytest.approx(
      value.mean(axis=1).tolist()
    )
    for outcome in verify.Outcome:
      share = (fields['outcome'] == outcome).mean()
      assert summary['outcomes'][name][outcome.name.lower()] == (
        pytest.approx(share)
      )


def test_candidates_that_are_not_independent_are_covered_in_order():
  config = _config(**{'eval.num_samples': 16, 'eval.method': 'beam'})
  fields = _made_up(np.random.default_rng(0), 16)
  # Of the first task of each model only three programs exist.
  fields['logprob'][:, 0, 3:] = -np.inf
  fields['outcome'][:, 0, 3:] = verify.Outcome.UNPARSED
  summary = summary_lib.success(config, {'novel': fields})
  assert summary['measure'] == 'coverage'
  assert not any(key.startswith('pass@') for key in summary)
  right = fields['outcome'] == verify.Outcome.CORRECT
  for k in (1, 16):
    by_seed = right[..., :k].any(axis=2).mean(axis=1)
    assert summary[f'coverage@{k}_by_seed']['novel'] == by_seed.tolist()
  assert summary['candidates']['novel'] == pytest.approx(16 - 13 / 30)
  # Shares are of the programs that exist.
  assert summary['outcomes']['novel']['correct'] == pytest.approx(
    right.sum() / (2 * 30 * 16 - 2 * 13)
  )


def test_solutions_are_told_apart_by_the_held_out_edge(run):
  inputs = inputs_lib.load_or_build(_config(), run[0])
  vocabulary = inputs.universe.vocabulary
  programs = ['x - 1 / x', 'x * x - 1', 'x - 2 / x', '1 + x']
  tok_SxIxnxT = np.zeros((1, 2, 2, 6), np.int8)
  for row, text in zip(tok_SxIxnxT.reshape(4, 6), programs, strict=True):
    program = program_lib.parse(text)
    row[:] = vocabulary.encode(program, 6)
    row[program.size] = 2  # EOS
  outcome = np.array([[[0, 0], [2, 0]]], np.int8)  # the third is wrong
  found = summary_lib.novelty(
    {
      'novel': {
        'tok': tok_SxIxnxT,
        'outcome': outcome,
        'logprob': np.zeros(outcome.shape),
      }
    },
    inputs,
  )
  assert found['novel'] == {
    'solved_with_held_out_edge': 0.25,
    'solved_without_it': 0.5,
    'unsolved': 0.25,
  }


def test_baselines_are_chance_of_retrieval(run):
  for name, baseline in run[1]['baselines'].items():
    # No training class equals a test class.
    assert baseline['nearest_neighbour'] == 0
    assert 0 <= baseline['nearest_neighbour_on_grid'] <= 1
    assert baseline['best_constant'] == 1 / run[1]['items'][name]


# Refusals.


def test_two_evaluations_of_one_run_are_refused(run):
  with locks.exclusive(run[0] / '.evaluate.lock', '', wait=False):
    assert _refusal(run[0]) == f'another process is evaluating {run[0]}'


def _refusal(workdir):
  with pytest.raises(errors.InputError) as caught:
    evaluate.evaluate(workdir)
  message = str(caught.value)
  assert message and '\n' not in message
  return message


def test_a_run_without_a_checkpoint_is_refused(run, tmp_path):
  copy = _copy(run[0], tmp_path / 'copy')
  shutil.rmtree(copy / 'checkpoints')
  assert _refusal(copy) == f'{copy} holds no checkpoint: train it first'


def test_a_checkpoint_that_is_truncated_is_refused(run, tmp_path):
  copy = _copy(run[0], tmp_path / 'copy')
  for path in (copy / 'checkpoints' / '120').rglob('*'):
    if path.is_file():
      path.write_bytes(path.read_bytes()[:10])
  assert str(copy / 'checkpoints' / '120') in _refusal(copy)


@pytest.mark.parametrize('content', [None, 'x', '{"config": {"model'])
def test_a_directory_that_is_no_run_is_refused(tmp_path, content):
  if content is not None:
    (tmp_path / runs.RECORD).write_text(content)
  message = _refusal(tmp_path)
  assert runs.RECORD in message and str(tmp_path) in message


def test_inputs_of_another_split_are_refused(run, tmp_path):
  copy = _copy(run[0], tmp_path / 'copy', **{'split.seed': 1})
  # What is not there is not silently made.
  message = _refusal(copy)
  assert f'{copy / "splits"}' in message and 'which is gone' in message
  assert len(split_lib.stored(copy)) == 1


def test_settings_of_evaluation_can_be_changed_afterwards(run, tmp_path):
  workdir = _copy(run[0], tmp_path / 'run')
  result = evaluate.evaluate(workdir, {'num_samples': 16, 'temperature': 1.0})
  assert result['config']['eval']['num_samples'] == 16
  assert result['config']['eval']['temperature'] == 1.0
  assert 'pass@16' in result
  with np.load(workdir / runs.SAMPLES) as arrays:
    assert arrays['dev_tok'].shape[:3] == (2, 6, 16)
  # Training goes on where it was: these are not its settings.
  assert runs.read_record(workdir)['config']['eval']['num_samples'] == 4
  train.train_and_evaluate(_config(), workdir)
  with pytest.raises(errors.InputError, match='num_samples=0 must be positive'):
    evaluate.evaluate(workdir, {'num_samples': 0})


def test_dev_chooses_among_temperatures(run, tmp_path):
  alone = {
    temperature: evaluate.evaluate(
      _copy(run[0], tmp_path / str(temperature)), temperatures=[temperature]
    )
    for temperature in (0.0, 0.8, 3.0)
  }
  solved = {
    temperature: np.mean(result['pass@1_by_seed']['dev'])
    for temperature, result in alone.items()
  }
  best = max(solved, key=solved.get)
  assert solved[best] > solved[0.8]
  assert alone[0.8] == run[1]  # that of the config
  workdir = _copy(run[0], tmp_path / 'all')
  result = evaluate.evaluate(workdir, temperatures=[0.8, best, 3.0])
  rates, envelope = result.pop('temperatures'), result.pop('envelope')
  assert result == alone[best]
  assert list(envelope) == ['1', '2', '4']  # of four samples
  for k, found in envelope.items():
    at_k = {
      temperature: np.array(one['pass@k_by_seed']['dev'])[:, int(k) - 1].mean()
      for temperature, one in alone.items()
    }
    assert at_k[found['temperature']] == max(at_k.values())
    curve_Sxn = np.array(alone[found['temperature']]['pass@k_by_seed']['novel'])
    assert found['by_seed']['novel'] == curve_Sxn[:, int(k) - 1].tolist()
  for rate, temperature in zip(rates, (0.8, best, 3.0), strict=True):
    assert rate['temperature'] == temperature
    for key in ('pass@1', 'pass@1_by_seed'):
      assert rate[key] == alone[temperature][key]


def test_exact_match_is_of_the_one_program_that_was_drawn(run):
  with np.load(run[0] / runs.SAMPLES, allow_pickle=False) as archive:
    samples = dict(archive)
  for name, share_S in run[1]['exact_match'].items():
    tok = samples[f'{name}_tok']
    tok = np.where(tok == tokens.EOS, tokens.PAD, tok)
    target = samples[f'{name}_target']
    wanted_S = [
      np.mean(
        [
          row[row > 0].tolist() == target[i][target[i] > 0].tolist()
          for i, rows in enumerate(of_seed)
          for row in rows
        ]
      )
      for of_seed in tok
    ]
    np.testing.assert_allclose(share_S, wanted_S)
    correct_S = (samples[f'{name}_outcome'] == 0).mean(axis=(1, 2))
    assert np.all(share_S <= correct_S)


def test_strata_are_told_of_each_seed(run):
  for spaces in run[1]['strata'].values():
    for strata in spaces.values():
      for found in strata.values():
        by_seed = found['solved@1_by_seed']
        assert len(by_seed) == 2
        assert found['solved@1'] == pytest.approx(np.mean(by_seed))


def test_some_test_sets_are_evaluated_as_among_all(run, tmp_path):
  workdir = _copy(run[0], tmp_path / 'run')
  result = evaluate.evaluate(workdir, tests=['novel'])
  assert result['pass@1'] == {'novel': run[1]['pass@1']['novel']}
  assert result['retrieval']['novel'] == run[1]['retrieval']['novel']
  # It is not taken for a whole one.
  with pytest.raises(errors.InputError, match='is of novel alone'):
    runs.read_result(workdir)
  for settings, error in (
    ({'tests': ['novl']}, "did you mean 'novel'"),
    ({'tests': ['novel'], 'temperatures': [0.1, 0.2]}, 'lacks dev'),
    ({'tests': ['dev', 'dev']}, "--tests has 'dev' more than once"),
    ({'temperatures': [0.2, 0.2]}, '--temperatures has 0.2 more than once'),
    ({'temperatures': [float('nan')]}, 'temperature=nan must be finite'),
    (
      {'overrides': {'method': 'beam'}, 'temperatures': [0.2, 0.4]},
      "'beam' has no temperature",
    ),
    ({'temperatures': [1e300]}, 'at most 1e\\+06'),
    # The first of several, too: it would solve nothing, and so be compared.
    (
      {'overrides': {'method': 'unique'}, 'temperatures': [0, 0.4]},
      'temperature=0 leaves',
    ),
  ):
    with pytest.raises(errors.InputError, match=error):
      evaluate.evaluate(workdir, **settings)


@pytest.mark.parametrize(
  'settings, error',
  [
    ({'method': 'uniqe'}, "did you mean 'unique'"),
    ({'method': 'beam', 'top_k': 3}, 'top_k=3'),
    ({'method': 'unique', 'temperature': 0.0}, 'temperature=0 leaves'),
    ({'top_p': 1.5}, 'top_p=1.5 must be at most 1'),
    ({'top_k': -1}, 'top_k=-1 must be at least 0'),
  ],
)
def test_ways_of_decoding_that_make_no_sense_are_refused(run, settings, error):
  with pytest.raises(errors.InputError, match=error):
    evaluate.evaluate(run[0], settings)


def test_a_beam_has_no_temperature(run, tmp_path, capsys):
  for temperatures in ([0.5], [0.5, 1.0]):
    with pytest.raises(errors.InputError, match='leave out --temperatures'):
      evaluate.evaluate(run[0], {'method': 'beam'}, temperatures)
  workdir = _copy(run[0], tmp_path / 'run')
  result = evaluate.evaluate(workdir, {'method': 'beam', 'num_tasks': 2})
  assert result['temperature'] is None
  assert ' at 0.8' not in capsys.readouterr().err


def test_a_run_from_before_a_setting_asks_for_it(run, tmp_path):
  copy = _copy(run[0], tmp_path / 'copy')
  record = runs.read_json(copy / runs.RECORD)
  del record['config']['eval']['method']
  runs.write_json(copy / runs.RECORD, record)
  assert _refusal(copy).endswith('eval.method: give --method')
  assert evaluate.evaluate(copy, {'method': 'sample'})['measure'] == 'pass'


def test_an_unfinished_run_is_evaluated_with_a_warning(run, tmp_path, capsys):
  workdir = _copy(run[0], tmp_path / 'run', **{'opt.num_steps': 999})
  result = evaluate.evaluate(workdir)
  assert 'trained for 120 of 999 steps' in capsys.readouterr().err
  assert not runs.is_evaluated(workdir)
  with pytest.raises(runs.RunError, match='is of step 120 of 999: evaluate'):
    runs.check_final(workdir, result)


def test_constrained_evaluation_writes_programs_only(run, tmp_path):
  workdir = _copy(run[0], tmp_path / 'run')
  free = sum(shares['unparsed'] for shares in run[1]['outcomes'].values())
  # Distinct ones: independent samples are no different in this respect.
  result = evaluate.evaluate(
    workdir, {'constrained': True, 'method': 'unique', 'temperature': 1.0}
  )
  assert free > 0
  with np.load(workdir / runs.SAMPLES) as arrays:
    for rows in arrays['dev_tok'].reshape(-1, 4, 6):
      assert len(np.unique(rows, axis=0)) == 4
    correct_SxIxn = arrays['dev_outcome'] == verify.Outcome.CORRECT
  curve_Sxn = result['coverage@k_by_seed']['dev']
  for k in (1, 2, 3, 4):
    wanted_S = correct_SxIxn[:, :, :k].any(axis=2).mean(axis=1)
    assert np.array(curve_Sxn)[:, k - 1] == pytest.approx(wanted_S, abs=1e-6)
  assert 'coverage@1' in result and 'pass@1' not in result
  for shares in result['outcomes'].values():
    assert shares['unparsed'] == 0
  assert result['config']['eval']['constrained'] is True
  _check_minimal(workdir, result)


@pytest.mark.parametrize('order', ['postfix', 'infix'])
def test_other_orders_are_judged_as_the_programs_they_are(
  run, order, monkeypatch, tmp_path
):
  config = _config(**{'data.order': order})
  inputs = inputs_lib.load_or_build(config, run[0])
  classes = inputs.split.evaluation_sets()['dev']
  target = inputs.universe.representative_CxL[classes]
  length = inputs.serialization.length + 1

  def written(params, spec_BxF, *args, **kwargs):
    """The first sample is the target, the second not even a program."""
    tok_BxT = np.pad(inputs.serialization.write(target), ((0, 0), (0, 1)))
    wrong_BxT = np.full_like(tok_BxT, inputs.serialization.num_tokens - 1)
    assert tok_BxT.shape == (len(spec_BxF), length) == (6, kwargs['length'])
    return np.stack([tok_BxT, wrong_BxT], axis=1)[None], np.zeros((1, 6, 2))

  def scored(params, spec_BxF, *args, **kwargs):
    return np.zeros((1, len(spec_BxF)))

  monkeypatch.setattr(writing.decode, 'decode', written)
  monkeypatch.setattr(writing.scoring, 'log_probability', scored)
  trainer = types.SimpleNamespace(
    seeds=(0,), graph=None, shape=types.SimpleNamespace(length=length)
  )
  verifier = verify.Verifier(
    inputs.universe.vocabulary, ('x',), list(config.spaces.grid), 0, 0
  )
  method = decode.Method()
  arguments = (
    trainer, {'params': {}}, inputs, verifier, method,
    parts.Parts(tmp_path / order, {}), 'dev', classes,
  )  # fmt: skip
  found = writing.write_and_judge(config, *arguments)
  assert (found['outcome'][0, :, 0] == Outcome.CORRECT).all()
  assert (found['outcome'][0, :, 1] == Outcome.UNPARSED).all()
  tok = found['tok'][0, :, 0]
  np.testing.assert_array_equal(np.where(tok == tokens.EOS, 0, tok)[:, :-1],
                                target)  # fmt: skip
  config.eval.constrained = True
  with pytest.raises(errors.InputError, match=f"data.order='{order}'"):
    writing.write_and_judge(config, *arguments)


def test_exact_match_is_among_the_programs_that_there_are():
  target_IxL = np.array([[3, 4, 5]])
  tok_SxIxnxT = np.zeros((1, 1, 4, 4), int)
  tok_SxIxnxT[0, 0, 0] = [3, 4, 5, tokens.EOS]
  logprob = np.array([[[-1.0, -np.inf, -np.inf, -np.inf]]])
  fields = {'tok': tok_SxIxnxT, 'target': target_IxL, 'logprob': logprob}
  assert summary_lib.exact_match({'novel': fields}) == {'novel': [1.0]}
  # Of a model that diverged; not a number would be no JSON.
  fields['logprob'] = np.full_like(logprob, np.nan)
  assert summary_lib.exact_match({'novel': fields}) == {'novel': [0.0]}
