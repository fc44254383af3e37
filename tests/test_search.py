"""Search on a run's samples: who is asked, what counts, what is refused."""

import copy

import numpy as np
import pytest

from analysis.runs import results as run_results
from analysis.runs import searches
from synth import errors
from synth import packing
from synth import runs
from synth.baselines import nearest_neighbour
from synth.evaluation.verify import Outcome
from synth.inversion import bank as bank_lib
from synth.inversion import one_level
from synth.language import tokens
from synth.search import __main__ as search
from synth.search import results as search_results
from synth.search import sketches
from synth.spaces import grids
from synth.universe import build as build_lib
from tests import sampled_run


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """A run of two models whose samples are programs of known classes."""
  return sampled_run.write(tmp_path_factory.mktemp('run'))


@pytest.fixture(scope='module')
def found(workdir):
  return search.run(workdir, (1, 3), ())


def _lookups(found, name, size, source):
  packed = found['tests'][name][str(size)][source]['lookup_SxI']
  return packing.unpack(packed)


def test_what_a_sample_solves_its_completions_solve_at_no_more_samples(
  workdir, found
):
  arrays = runs.read_arrays(workdir / runs.SAMPLES)
  some = 0
  for name, told in found['tests'].items():
    right_SxIxn = arrays[f'{name}_outcome'] == Outcome.CORRECT
    for bank in told.values():
      sample_SxI = packing.unpack(bank['own']['sample_SxI'])
      solved_SxI = right_SxIxn.any(axis=2)
      first_SxI = right_SxIxn.argmax(axis=2) + 1
      assert (sample_SxI[solved_SxI] > 0).all()
      assert (sample_SxI <= first_SxI)[solved_SxI].all()
      some += solved_SxI.sum()
      assert (sample_SxI > 0).mean() == bank['own']['solved']
      lookup_SxI = packing.unpack(bank['own']['lookup_SxI'])
      assert ((lookup_SxI > 0) == (sample_SxI > 0)).all()
  assert some > 4


def test_a_larger_bank_solves_no_less(found):
  more = 0
  for name in found['tests']:
    for source in ('own', 'others', 'grammar', 'training'):
      small, large = (_lookups(found, name, size, source) for size in (1, 3))
      assert (large > 0)[small > 0].all()
      # The same look-ups are made: what is found sooner is found no later.
      assert (large <= small)[small > 0].all()
      more += (large > 0).sum() - (small > 0).sum()
  assert more > 0


def test_meet_in_the_middle_answers_within_the_largest_size(workdir, found):
  inputs, config = sampled_run.inputs(workdir)
  universe = inputs.universe
  grid = grids.specification(list(config.spaces.grid), ('x',), 0)
  bank = bank_lib.Bank(universe, *bank_lib.on_grid(universe, grid), 3)
  level = one_level.OneLevel(bank)
  arrays = runs.read_arrays(workdir / runs.SAMPLES)
  refused = 0
  for name in found['tests']:
    class_I = arrays[f'{name}_class']
    hits = level.find(universe.node_C[class_I])
    tok_HxL = level.programs(hits, np.arange(len(hits.task_H)))
    fits_H = (tok_HxL != tokens.PAD).sum(axis=1) <= universe.max_size
    refused += (~fits_H).sum()
    lookup_1xI = _lookups(found, name, 3, 'meet_in_the_middle')
    for task, lookup in enumerate(lookup_1xI[0].tolist()):
      mine_H = fits_H & (hits.task_H == task)
      assert lookup == min(hits.lookup_H[mine_H], default=0)
  assert refused


def test_sketches_of_others_are_of_tasks_of_about_the_same_size():
  size_I = np.random.default_rng(0).integers(3, 6, 50)
  other_I = sketches.others(size_I, 'novel')
  assert sorted(other_I.tolist()) == list(range(50))
  assert (other_I != np.arange(50)).all()
  assert (size_I[other_I] != size_I).sum() <= 3  # once a size
  assert (other_I != sketches.others(size_I, 'control')).any()


def test_a_task_on_its_own_has_no_samples_of_others():
  tok_SxIxnxL = np.arange(1, 25, dtype=tokens.DTYPE).reshape(2, 3, 2, 2)
  other_I = sketches.others(np.array([5, 5, 7]), 'novel')
  several = sketches.of_others(tok_SxIxnxL, other_I)
  np.testing.assert_array_equal(several, tok_SxIxnxL[:, other_I])
  alone = sketches.of_others(
    tok_SxIxnxL[:, :1], sketches.others(np.array([5]), 'novel')
  )
  assert alone.shape == (2, 1, 2, 2) and (alone == tokens.PAD).all()


def test_more_sketches_than_training_has_are_all_of_training(workdir):
  inputs, config = sampled_run.inputs(workdir)
  retriever = nearest_neighbour.Retriever(inputs, config.data.arm)
  train_N = inputs.split.arms[config.data.arm]
  class_I = inputs.split.arms[config.data.arm][:2]
  tok_IxnxL = retriever.nearest(class_I, len(train_N) + 3)
  for tok_nxL in tok_IxnxL:
    assert len(tok_nxL) == len(np.unique(tok_nxL, axis=0)) == len(train_N)


def test_the_same_again_is_the_same(workdir, found):
  again, found = search.run(workdir, (1, 3), ()), copy.deepcopy(found)
  for one in (again, found):
    for told in one['tests'].values():
      for bank in told.values():
        for source in bank.values():
          source['seconds'] = 0
  assert again == found
  assert runs.read_json(workdir / runs.SEARCH).keys() == found.keys()


def test_the_report_and_records_take_it_from_the_same_samples_only(
  workdir, found
):
  result = runs.read_result(workdir)
  arrays = runs.read_arrays(workdir / runs.SAMPLES)
  run = run_results.Run(workdir, result, arrays, [], workdir, 'train_s')
  title, table, _ = searches.section([run])
  assert title.startswith('<h2>') and table.count('<tr>') == 1 + 3 * 2 * 5
  novel = found['tests']['novel']['3']['own']
  assert f'{novel["solved"]:.1%} [' in table
  told = search_results.read(workdir, result)
  own = told['tests']['novel']['3']['own']
  assert {**own, 'seconds': 0} == {**novel, 'seconds': 0}  # maybe run again
  other = {**result, 'config': {**result['config'], 'eval': {'seed': 9}}}
  with pytest.raises(errors.InputError, match='search again'):
    search_results.read(workdir, other)
  assert search_results.read(workdir / 'data', result) is None


def _lose(found):
  del found['tests']['novel']['3']['own']['lookup_SxI']


def _rename(found):
  sources = found['tests']['novel']['3']
  sources['mine'] = sources.pop('own')


def _cut(found):
  packed = found['tests']['novel']['3']['own']['lookup_SxI']
  packed['data'] = packed['data'][:-5]


def _swap(found):
  novel, dev = (found['tests'][name]['3'] for name in ('novel', 'dev'))
  novel['own']['lookup_SxI'] = dev['own']['lookup_SxI']


def _replace(found):
  found['tests']['novel']['3'] = 3


def _clear(found):
  found['bank_functions'].clear()


def _misname(found):
  one = {'number_SxI': found['tests']['novel']['3']['own']['lookup_SxI']}
  found['subgoals'] = {
    'novel': {'3': dict(subgoals=1, model=one, training=one)}
  }


@pytest.mark.parametrize(
  'harm', [_lose, _rename, _cut, _swap, _replace, _clear, _misname]
)
def test_what_is_damaged_is_refused(workdir, found, tmp_path, harm):
  result = runs.read_result(workdir)
  harmed = copy.deepcopy(found)
  harm(harmed)
  runs.write_json(tmp_path / runs.SEARCH, harmed)
  with pytest.raises(errors.InputError, match=r'search\.json is damaged'):
    search_results.read(tmp_path, result)
  runs.write_json(tmp_path / runs.SEARCH, found)
  assert search_results.read(tmp_path, result)['tests'].keys() == {
    'novel', 'control', 'dev',
  }  # fmt: skip


def test_operators_without_an_inverse_are_refused(workdir, monkeypatch):
  inputs, _ = sampled_run.inputs(workdir)
  universe = build_lib.build(
    workdir / 'conditional', sampled_run.conditional(), 3, seed=0
  )
  monkeypatch.setitem(inputs.__dict__, 'universe', universe)
  monkeypatch.setattr(search.inputs_lib, 'of_run', lambda *_: inputs)
  with pytest.raises(errors.InputError, match=r'conditional.*inverted'):
    search.run(workdir, (3,), ())


def test_banks_and_models_that_there_are_not_are_refused(workdir):
  for banks, divisions, named in (
    ((3, 0), (), 'bank_sizes=0: .* at most 0 nodes, .* have 1 to 5'),
    ((7,), (), 'bank_sizes=7: .* at most 7 nodes'),
    ((3,), ((6, 1),), 'subgoals=6x1: .* at most 6 nodes'),
    ((3,), ((1, 0),), 'subgoals=1x0'),
    ((3,), ((1, 1),), 'no checkpoint'),
  ):
    with pytest.raises(errors.InputError, match=named):
      search.run(workdir, banks, divisions)
  with pytest.raises(errors.InputError, match='bank_sizes is empty'):
    search.run(workdir, (), ())
