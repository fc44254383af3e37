"""Records of samples, against programs looked at one by one."""

import itertools

import numpy as np
import pytest

from configs import support as support_config
from synth import data
from synth import inputs as inputs_lib
from synth.evaluation import sample_records
from synth.evaluation import verify
from synth.evaluation.sample_records import Best
from synth.evaluation.verify import Outcome
from synth.language import program as program_lib
from synth.language import tokens
from synth.splits import support
from tests import programs as programs_lib

_ARM = support.WITHOUT


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
  config = support_config.get_config('tiny')
  config.universe.max_size = 5
  config.split.num_test, config.split.num_dev = 4, 6
  return inputs_lib.load_or_build(config, tmp_path_factory.mktemp('data'))


def _shown(inputs, arm):
  """All programs that training can show, one by one, as texts."""
  found = set()
  for number in inputs.split.arms[arm].tolist():
    node = int(inputs.universe.node_C[number])
    programs = list(inputs.universe.minimal_programs(node))
    free = [
      program for program in programs if not programs_lib.has_sub_div(program)
    ]
    found |= set(map(programs_lib.to_prefix, free or programs))
  return found


def _minimal(inputs):
  """All minimal programs of all functions, as texts."""
  return {
    programs_lib.to_prefix(program)
    for node in inputs.universe.node_C.tolist()
    for program in inputs.universe.minimal_programs(node)
  }


@pytest.mark.parametrize('arm', [support.WITHOUT, support.WITH])
def test_what_training_shows_is_what_its_law_can_draw(inputs, arm):
  wanted = _shown(inputs, arm)
  vocabulary = inputs.universe.vocabulary
  # Every minimal program of every class, and what batches really had.
  texts = _minimal(inputs)
  rows = np.stack(
    [
      vocabulary.encode(program_lib.from_preorder(text.split()), 6)
      for text in sorted(texts)
    ]
  )
  shown = inputs.shown(arm, rows)
  assert {t for t, s in zip(sorted(texts), shown, strict=True) if s} == wanted
  assert 0 < len(wanted) < len(texts)
  source = data.BatchSource(inputs, (arm,), (0, 1), 64, 20)
  for step in range(20):
    tok_BxT = source[step]['target'].reshape(-1, 6).astype(tokens.DTYPE)
    tok_BxT[tok_BxT == tokens.EOS] = tokens.PAD
    assert inputs.shown(arm, tok_BxT).all()


@pytest.fixture(scope='module')
def samples(inputs):
  """Two models' samples for four tasks, their targets among them."""
  rng = np.random.default_rng(0)
  classes = inputs.split.tests[support.NOVEL]
  vocabulary = inputs.universe.vocabulary
  shape = (2, len(classes), 12, 6)
  tok = rng.integers(tokens.EOS, len(vocabulary), shape).astype(tokens.DTYPE)
  train = inputs.split.arms[_ARM]
  for index in np.ndindex(shape[:2]):
    for place, number in (
      (2, classes[index[1]]),
      (5, classes[index[1]]),
      (7, rng.choice(train)),
      (8, rng.choice(train)),
    ):
      program = inputs.universe.representative_CxL[number]
      tok[*index, place] = np.append(program, tokens.PAD)
  # A task whose second sample is the first again, and one without its last.
  tok[0, 0, 1] = tok[0, 0, 0]
  ended = np.cumsum(tok == tokens.EOS, axis=-1) > 0
  after = ended & ~((tok == tokens.EOS) & (np.cumsum(ended, axis=-1) == 1))
  tok[after] = tokens.PAD
  logprob = -rng.random(shape[:3]).astype(np.float32)
  logprob[1, 1, 11] = -np.inf
  tok[1, 1, 11] = tokens.PAD
  verifier = verify.Verifier(vocabulary, ('x',), [5, -7, 300, 1001], 0, 0)
  target = inputs.universe.representative_CxL[classes]
  outcome = np.stack([verifier.outcomes(t, target) for t in tok])
  return tok, logprob, outcome


@pytest.fixture(scope='module')
def records(inputs, samples):
  return sample_records.of(*samples, inputs, _ARM)


def test_every_distinct_sample_has_its_record(inputs, samples, records):
  tok, logprob, outcome = samples
  vocabulary, shown = inputs.universe.vocabulary, _shown(inputs, _ARM)
  minimal = _minimal(inputs)
  index, kinds = 0, set()
  for seed, item in itertools.product(range(2), range(4)):
    seen = {}
    for place in range(12):
      if np.isfinite(logprob[seed, item, place]):
        symbols = tuple(vocabulary.row_symbols(tok[seed, item, place]))
        seen.setdefault(symbols, []).append(place)
    for symbols, places in seen.items():
      found = {key: array[index] for key, array in records.items()}
      judged = outcome[seed, item, places[0]]
      try:
        program = program_lib.from_preorder(list(symbols))
      except program_lib.ProgramError:
        program = None
      wanted = {
        'seed': seed,
        'item': item,
        'first': places[0],
        'count': len(places),
        'size': len(symbols),
        'logprob': logprob[seed, item, places[0]],
        'parses': program is not None,
        'defined': program is not None and judged != Outcome.UNDEFINED,
        'fits': judged in (Outcome.CORRECT, Outcome.GRID_ONLY),
        'exact': judged == Outcome.CORRECT,
        'minimal': ' '.join(symbols) in minimal,
        'shown': ' '.join(symbols) in shown,
        'structure': program is not None and programs_lib.has_sub_div(program),
      }
      assert found == wanted
      kinds.add((wanted['parses'], wanted['exact'], wanted['shown']))
      index += 1
  assert index == len(records['seed'])
  assert {(False,) * 3, (True, True, False), (True, False, True)} <= kinds


def test_a_right_answer_is_never_a_copy(records):
  # No test function is in training.
  assert not (records['exact'] & records['shown']).any()


def _made_up(rows):
  """Records of (seed, item, count, exact, structure, fits, parses, shown)."""
  names = ('seed', 'item', 'count', 'exact', 'structure', 'fits', 'parses')
  columns = [np.array(column) for column in zip(*rows, strict=True)]
  found = dict(zip((*names, 'shown'), columns, strict=True))
  flags = {key: found[key].astype(bool) for key in (*names[3:], 'shown')}
  return {**found, **flags, 'defined': flags['parses']}


def test_the_best_sample_of_a_task_counts():
  records = _made_up(
    [
      (0, 0, 5, 0, 1, 0, 1, 0),  # has the structure, but is wrong
      (0, 0, 1, 1, 0, 1, 1, 0),  # solved without it ...
      (0, 0, 1, 1, 1, 1, 1, 0),  # ... and with it
      (0, 1, 1, 1, 0, 1, 1, 0),
      (0, 1, 9, 0, 1, 1, 1, 0),
      (0, 2, 2, 0, 0, 1, 1, 0),
      (0, 2, 2, 0, 0, 0, 0, 0),
      (1, 0, 7, 0, 0, 0, 1, 1),
      (1, 0, 1, 0, 0, 0, 0, 0),
    ]
  )
  best = sample_records.best_of_tasks(records, 3, 4)
  none = [Best.UNSOLVED] * 4
  assert best.tolist() == [
    [Best.WITH_STRUCTURE, Best.WITHOUT_STRUCTURE, Best.FITS_ONLY,
     Best.UNSOLVED],
    none,
    none,
  ]  # fmt: skip
  found = sample_records.summary({'novel': records}, 3, {'novel': 4})
  assert found['best_of_task']['novel'] == {
    'with_structure': [0.25, 0, 0],
    'without_structure': [0.25, 0, 0],
    'fits_only': [0.25, 0, 0],
    'unsolved': [0.25, 1, 1],
  }
  # Samples count, not distinct ones; the third model wrote nothing.
  assert found['copies']['novel'] == [0, 7 / 8, None]
  assert found['with_structure']['novel'] == [15 / 21, 0, None]
  assert found['errors']['novel'] == {
    'unparsed': [2 / 18, 1 / 8, None],
    'undefined': [0, 0, None],
    'wrong_function': [5 / 18, 7 / 8, None],
    'fits_only': [11 / 18, 0, None],
  }


def test_tasks_that_cannot_be_dodged_are_told_apart():
  rows = [
    (0, 0, 1, 1, 1, 1, 1, 0),
    (0, 1, 1, 1, 0, 1, 1, 0),
    (1, 2, 1, 1, 1, 1, 1, 0),
  ]
  forced = {'novel': np.array([True, False, True, True])}
  found = sample_records.best_by_forced({'novel': _made_up(rows)}, 2, forced)
  told = found['novel']
  assert told['forced']['tasks'] == 3 and told['avoidable']['tasks'] == 1
  assert told['forced']['with_structure'] == [1 / 3, 1 / 3]
  assert told['forced']['unsolved'] == [2 / 3, 2 / 3]
  assert told['avoidable']['without_structure'] == [1, 0]
  forced = {'novel': np.zeros(4, bool)}
  found = sample_records.best_by_forced({'novel': _made_up(rows)}, 2, forced)
  assert found['novel'].keys() == {'avoidable'}
