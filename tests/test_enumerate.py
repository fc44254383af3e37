"""The enumeration: any number of workers, any interruption, the same bits."""

import collections
import dataclasses
import gc
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from synth import errors
from synth import store
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.language import reference
from synth.universe import build as build_lib
from synth.universe import candidates as candidates_lib
from synth.universe import columns as columns_lib
from synth.universe import enumerate as enumerate_lib
from synth.universe import equivalence
from synth.universe import executors
from synth.universe import residues as residues_lib
from synth.universe import spill
from synth.universe import tiles as tiles_lib
from synth.universe import universe as universe_lib
from tests import programs as programs_lib

_ZERO_FUNCTION = reference.Undefined.ZERO_FUNCTION
# Symmetric and not, of one and of several types, three arguments deep.
_TYPED = """
s ::= x | 1 | s + s | s - d | d * s
d ::= 2 | y | d * d | neg(s)
"""


@pytest.fixture
def over_disk(monkeypatch):
  """Makes every level large: many tiles, tasks and buckets."""
  monkeypatch.setattr(enumerate_lib, '_AT_ONCE', 10)
  monkeypatch.setattr(enumerate_lib, '_TASK', 500)
  monkeypatch.setattr(enumerate_lib, '_BUCKET_ON_DISK', 300)
  monkeypatch.setattr(candidates_lib, '_STRIP', 8)
  monkeypatch.setattr(candidates_lib, '_PART', 50)  # a strip may be more


def _contents(universe):
  """Names and hashes of all arrays."""
  return {
    name: array['sha256'] for name, array in universe.manifest['arrays'].items()
  }


@pytest.mark.parametrize('executor', ['serial', 'processes:1', 'processes:3'])
def test_any_number_of_threads_finds_the_same_bits(
  arithmetic, universe7, tmp_path, over_disk, monkeypatch, executor
):
  monkeypatch.setattr(enumerate_lib, '_AT_ONCE', 10**9)
  monkeypatch.setattr(build_lib, '_ROWS', 100)
  universe = build_lib.build(tmp_path / 'u', arithmetic, 7, 0, executor)
  assert _contents(universe) == _contents(universe7)


@pytest.mark.parametrize('executor', ['serial', 'processes:1', 'processes:3'])
def test_any_number_of_workers_finds_the_same_bits(
  arithmetic, universe7, tmp_path, over_disk, monkeypatch, executor
):
  monkeypatch.setattr(build_lib, '_ROWS', 100)
  monkeypatch.setattr(build_lib, '_ROWS_AT_ONCE', 10)
  universe = build_lib.build(tmp_path / 'u', arithmetic, 7, 0, executor)
  assert _contents(universe) == _contents(universe7)
  assert os.listdir(tmp_path) == ['u']  # nothing is left beside it


def test_threads_may_be_interrupted_anywhere(
  arithmetic, universe7, tmp_path, monkeypatch
):
  # Collections of garbage that let another thread go on: Python before 3.11.8
  # lost its place in the headers of arrays there.
  monkeypatch.setattr(build_lib, '_ROWS', 20)

  def let_go(*_):
    time.sleep(0)

  threshold = gc.get_threshold()
  gc.callbacks.append(let_go)
  gc.set_threshold(5)
  try:
    universe = build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'processes:3')
  finally:
    gc.set_threshold(*threshold)
    gc.callbacks.remove(let_go)
  assert _contents(universe) == _contents(universe7)


@pytest.mark.parametrize(
  ('name', 'max_size'), [('arithmetic', 7), ('conditional', 6), ('typed', 7)]
)
def test_tiles_formed_together_are_those_formed_alone(
  tmp_path, monkeypatch, name, max_size
):
  if name == 'typed':
    grammar = grammar_lib.parse(_TYPED)
  else:
    path = grammar_lib.find(f'configs/grammars/{name}.bnf')
    grammar = grammar_lib.load(path)
  monkeypatch.setattr(tiles_lib, '_COLUMNS', 4)  # many neighbours
  blocks = collections.Counter()
  of_tile = candidates_lib._strips

  def strips(bench, band):
    blocks[band.blocks > 1, band.tile.size > 16] += 1
    return of_tile(bench, band)

  monkeypatch.setattr(candidates_lib, '_strips', strips)
  found = []
  for together in (1 << 19, 0):
    monkeypatch.setattr(candidates_lib, '_BAND', together)
    directory = tmp_path / str(together)
    universe = build_lib.build(directory, grammar, max_size, 0, 'serial')
    found.append(_contents(universe))
    if together:  # neighbours in the last argument, and in the first
      assert blocks[True, True] and blocks[False, True]
      blocks.clear()
  assert not blocks[True, True] + blocks[True, False]
  assert found[0] == found[1]


def test_levels_over_the_disk_are_those_in_memory(tmp_path, monkeypatch):
  grammar = grammar_lib.parse(_TYPED)
  whole = build_lib.build(tmp_path / 'whole', grammar, 7, 0, 'serial')
  monkeypatch.setattr(enumerate_lib, '_AT_ONCE', 1)
  monkeypatch.setattr(enumerate_lib, '_TASK', 7)
  monkeypatch.setattr(enumerate_lib, '_BUCKET_ON_DISK', 3)
  cut = build_lib.build(tmp_path / 'cut', grammar, 7, 0, 'serial')
  assert _contents(cut) == _contents(whole)


def _stopping(tasks):
  """An executor that stops after some tasks, as a full disk would."""

  class Stopping(executors.Serial):
    left = tasks

    def submit(self, fn, /, *args, **kwargs):
      if not self.left:
        raise OSError(28, 'No space left on device', 'level')
      self.left -= 1
      return super().submit(fn, *args, **kwargs)

  return Stopping


@pytest.mark.parametrize('tasks', [0, 1, 3, 8, 20])
def test_an_interrupted_build_resumes_where_it_was(
  arithmetic, universe7, tmp_path, over_disk, monkeypatch, tasks
):
  done = []
  for name in ('write_spill', 'write_part'):
    work = getattr(enumerate_lib.tasks_lib, name)

    def noted(*args, work=work):
      if not args[-1].exists():
        done.append(args[-1])
      work(*args)

    monkeypatch.setattr(enumerate_lib.tasks_lib, name, noted)
  with monkeypatch.context() as context:
    context.setattr(executors, 'Serial', _stopping(tasks))
    with pytest.raises(OSError, match='No space left'):
      build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  assert not (tmp_path / 'u').exists()
  universe = build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  assert _contents(universe) == _contents(universe7)
  assert len(done) == len(set(done)) > 20  # no task was done twice


@pytest.mark.parametrize('appends', [12, 40, 61, 90])
def test_a_level_that_was_half_appended_is_appended_again(
  arithmetic, universe7, tmp_path, over_disk, monkeypatch, appends
):
  append, left = columns_lib.Columns.append, [appends]

  def stops(self, name, *parts):
    written = parts[: left[0]]
    left[0] -= len(written)
    append(self, name, *written)
    if len(written) < len(parts):
      raise OSError(28, 'No space left on device', name)

  with monkeypatch.context() as context:
    context.setattr(columns_lib.Columns, 'append', stops)
    with pytest.raises(OSError, match='No space left'):
      build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  universe = build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  assert _contents(universe) == _contents(universe7)


def test_a_damaged_rest_of_a_build_is_named(arithmetic, tmp_path, over_disk):
  with pytest.MonkeyPatch.context() as context:
    context.setattr(executors, 'Serial', _stopping(20))
    with pytest.raises(OSError, match='No space left'):
      build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  (column,) = tmp_path.glob('.u-build/columns/arg_MxA.npy')
  whole = column.read_bytes()
  column.write_bytes(whole[:200])
  with pytest.raises(errors.InputError, match=r'damaged.*remove it'):
    build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  column.write_bytes(whole[:200] + bytes(len(whole) - 200))  # empty pages
  with pytest.raises(errors.InputError, match=r'arg_MxA\.npy is not what was'):
    build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  column.write_bytes(whole)
  build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')


@pytest.mark.parametrize('kind', ['part', 'spill'])
def test_a_flipped_bit_of_a_block_is_named_or_changes_nothing(tmp_path, kind):
  rng, block = np.random.default_rng(0), tmp_path / 'block'
  if kind == 'part':
    fields = dataclasses.fields(equivalence.Part)
    arrays = (rng.integers(0, 2**40, 9, np.uint64) for _ in fields)
    equivalence.Part(*arrays).save(block)
  else:
    key, rest = rng.integers(0, 2**64, (2, 30), np.uint64)
    ordinal = np.arange(30, dtype=np.uint32)
    ways = rng.integers(1, 9, 30)
    found = candidates_lib.Candidates(key, rest, ways, ordinal)
    spill.write(spill.pieces_of([found.slice(0, 20), found], 2), block)

  def contents():
    if kind == 'part':
      read = [equivalence.Part.load(block)]
    else:
      read = [spill.read(block, 2, bucket) for bucket in range(4)]
    arrays = [array for x in read for array in dataclasses.asdict(x).values()]
    return [array.tolist() for array in arrays]

  whole, data = contents(), bytearray(block.read_bytes())
  for bit in rng.choice(len(data) * 8, size=1000, replace=False):
    data[bit // 8] ^= 1 << bit % 8
    block.write_bytes(data)
    data[bit // 8] ^= 1 << bit % 8
    try:
      found = contents()
    except errors.InputError as error:
      assert str(error).startswith(f'{block} is damaged')
    else:
      assert found == whole


@pytest.mark.parametrize('tasks', [12, 23])
@pytest.mark.parametrize('kept', [0, 5, 200, -1])
def test_a_block_without_its_end_is_named(
  arithmetic, universe7, tmp_path, over_disk, tasks, kept
):
  with pytest.MonkeyPatch.context() as context:
    context.setattr(executors, 'Serial', _stopping(tasks))
    with pytest.raises(OSError, match='No space left'):
      build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  last = '*.part' if tasks == 23 else '*.spill'
  block = sorted(tmp_path.glob(f'.u-build/columns/level-*/{last}'))[0]
  block.write_bytes(block.read_bytes()[:kept])
  with pytest.raises(errors.InputError, match=f'{block} is damaged: remove it'):
    build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  block.unlink()
  universe = build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  assert _contents(universe) == _contents(universe7)


def test_what_another_build_left_is_not_used(
  arithmetic, universe7, tmp_path, over_disk
):
  with pytest.MonkeyPatch.context() as context:
    context.setattr(executors, 'Serial', _stopping(20))
    with pytest.raises(OSError, match='No space left'):
      build_lib.build(tmp_path / 'u', arithmetic, 7, 1, 'serial')
  universe = build_lib.build(tmp_path / 'u', arithmetic, 7, 0, 'serial')
  assert _contents(universe) == _contents(universe7)


_BUILD = """
import pathlib, sys
from synth.language import grammar
from synth.universe import build, enumerate
enumerate._AT_ONCE = 1 << 20  # the largest level goes over the disk
if __name__ == '__main__':
  directory, file, size = sys.argv[1:]
  build.load_or_build(
    pathlib.Path(directory), grammar.load(file), int(size), 0, 'processes:2'
  )
"""


def _process(directory, size):
  file = pathlib.Path(__file__).parents[1] / 'configs/grammars/arithmetic.bnf'
  return subprocess.Popen(
    [sys.executable, '-c', _BUILD, directory, file, str(size)],
    stderr=subprocess.PIPE,
    text=True,
    start_new_session=True,
  )


def test_two_processes_that_build_one_universe_build_it_once(
  tmp_path, arithmetic
):
  both = [_process(tmp_path / 'u', 11) for _ in range(2)]
  said = ''.join(process.communicate(timeout=100)[1] for process in both)
  assert [process.returncode for process in both] == [0, 0]
  assert said.count('enumerate u: 11/11') == 1
  assert said.count('waiting for another process') == 1
  assert universe_lib.load(tmp_path / 'u').classes_by_size()['11'] == 226217
  assert os.listdir(tmp_path) == ['u']


def test_a_killed_build_resumes(tmp_path):
  directory = tmp_path / 'u'
  process = _process(directory, 11)
  level = tmp_path / '.u-build' / 'columns' / 'level-11-0'
  deadline = time.monotonic() + 60
  while not list(level.glob('*.spill')):  # in the midst of the largest level
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.002)
  os.killpg(process.pid, signal.SIGKILL)
  process.communicate()
  assert not directory.exists()
  assert _process(directory, 11).wait(timeout=100) == 0
  assert universe_lib.load(directory).classes_by_size()['11'] == 226217


@pytest.mark.parametrize('text', ['', '{"lengths"', '{"levels": []}'])
def test_damage_to_what_a_build_has_noted_is_named(tmp_path, monkeypatch, text):
  grammar = grammar_lib.parse('e ::= x | 1 | e + e')

  def killed(*_):
    raise KeyboardInterrupt

  with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
    patched.setattr(build_lib, '_draw', killed)
    build_lib.build(tmp_path / 'u', grammar, 3, 0, 'serial')
  state = tmp_path / '.u-build' / 'columns' / enumerate_lib.STATE
  assert state.exists()
  state.write_text(text)
  with pytest.raises(errors.InputError, match=r'progress\.json is damaged'):
    build_lib.build(tmp_path / 'u', grammar, 3, 0, 'serial')


@pytest.mark.parametrize(
  'text, max_size',
  [
    ('e ::= x | 1 | 2 | 3 | e + e | e - e | e * e | e / e', 5),
    ('e ::= x | 2 | e + e | e - e | e / e', 7),
    ('e ::= x | y | 0 | neg(e) | e * e | e / e', 5),
    (_TYPED, 6),
  ],
)
def test_multiplicities_are_those_of_brute_force(tmp_path, text, max_size):
  grammar = grammar_lib.parse(text)
  universe = build_lib.build(tmp_path / 'u', grammar, max_size, 0, 'serial')
  functions = reference.RationalFunctions(grammar.variables)
  counted = collections.Counter(
    (functions(program), program.size)
    for program in programs_lib.all_programs(grammar, max_size)
  )
  own = [
    functions(universe.vocabulary.decode(row))
    for row in universe.representative_CxL
  ]
  for size in range(1, max_size + 1):
    assert universe.multiplicity(size).tolist() == [
      counted[function, size] for function in own
    ]


def test_a_dask_cluster_that_loses_a_worker_finds_the_same_bits(
  arithmetic, tmp_path, monkeypatch
):
  distributed = pytest.importorskip('distributed')  # of `.[dev]` and `.[dask]`
  monkeypatch.setattr(enumerate_lib, '_AT_ONCE', 1 << 20)
  here = build_lib.build(tmp_path / 'here', arithmetic, 11, 0, 'serial')
  level = tmp_path / '.there-build' / 'columns' / 'level-11-0'
  with distributed.LocalCluster(
    n_workers=2, threads_per_worker=1, dashboard_address=None
  ) as cluster:
    killed = []

    def kill() -> None:
      deadline = time.monotonic() + 60
      while not list(level.glob('*.spill')) and time.monotonic() < deadline:
        time.sleep(0.002)
      worker = next(iter(cluster.workers.values()))
      os.kill(worker.process.pid, signal.SIGKILL)
      killed.append(worker)

    thread = threading.Thread(target=kill)
    thread.start()
    executor = f'dask:{cluster.scheduler_address}'
    there = build_lib.build(tmp_path / 'there', arithmetic, 11, 0, executor)
    thread.join()
  assert killed
  assert _contents(there) == _contents(here)


def test_a_dask_scheduler_that_is_not_there_is_one_sentence(tmp_path):
  dask = pytest.importorskip('dask')
  with (
    dask.config.set({'distributed.comm.timeouts.connect': '1s'}),
    pytest.raises(errors.InputError, match='no Dask scheduler at'),
    executors.open_executor('dask:tcp://127.0.0.1:9'),
  ):
    pass


def test_multiplicities_too_large_to_count_are_left_out(tmp_path):
  grammar = grammar_lib.parse('e ::= x | inv(e) | e * neg(neg(e))')
  for name, limit in (('with', 2**63), ('without', 3)):
    with pytest.MonkeyPatch.context() as context:
      context.setattr(build_lib, '_MAX_MULTIPLICITY', limit)
      universe = build_lib.build(tmp_path / name, grammar, 6, 0, 'serial')
    assert universe.manifest['multiplicities'] == (name == 'with')
  with pytest.raises(errors.InputError, match='not counted'):
    universe.multiplicity(3)


def test_all_minimal_programs_can_be_listed(universe7):
  rng = np.random.default_rng(0)
  for c in rng.choice(len(universe7.node_C), 200, replace=False):
    node = universe7.node_C[c]
    listed = list(universe7.minimal_programs(node))
    assert len(set(listed)) == len(listed) == universe7.count_N[node]
    assert {universe7.class_of(program) for program in listed} == {c}


def test_the_class_of_a_program_is_that_of_its_function(universe7):
  def class_of(text):
    return universe7.class_of(program_lib.parse(text))

  assert class_of('(x * x - 1) / (x + 1)') == class_of('x - 1')
  assert class_of('x * x - (x + 1) * (x - 1)') == class_of('1')
  assert class_of('x / (x - x)') is None  # no function
  assert class_of('x * x * x * x * x * x') is None  # needs 11 nodes
  with pytest.raises(program_lib.ProgramError, match="'y' is no variable"):
    class_of('x + y')
  for text, symbol in (
    ('sin(x)', 'sin'),
    ('x < 1', 'lt'),
    ('max(x, 1)', 'max'),
  ):
    with pytest.raises(
      program_lib.ProgramError, match=f"'{symbol}' is no oper"
    ):
      class_of(text)
  assert class_of('1 - neg(x)') == class_of('x + 1')  # not of the grammar


def test_classes_depend_on_the_variables_of_their_reduced_form(tmp_path):
  grammar = grammar_lib.parse('e ::= x | y | 2 | e - e | e / e')
  universe = build_lib.build(tmp_path / 'u', grammar, 5, 0, 'serial')
  functions = reference.RationalFunctions(grammar.variables)
  for row, depends_V in zip(
    universe.representative_CxL, universe.depends_CxW(), strict=True
  ):
    function = functions(universe.vocabulary.decode(row))
    generators = function.field.gens
    assert depends_V.tolist() == [bool(function.diff(g)) for g in generators]


@pytest.mark.parametrize('prime', [2**31 - 1, 2**30 + 3, 1999999973])
def test_residues_are_those_of_python_integers(prime):
  field = residues_lib.Residues(prime)
  edge = [0, 1, 2, prime // 2, prime // 2 + 1, prime - 2, prime - 1]
  rng = np.random.default_rng(0)
  number = np.array(edge + rng.integers(0, prime, 10**5).tolist(), np.uint32)
  a, b = (m.ravel() for m in np.meshgrid(number[:7], number[:7]))
  a, b = np.append(a, number), np.append(b, number[::-1])
  pairs = list(zip(a.tolist(), b.tolist(), strict=True))
  assert field.add(a, b).tolist() == [(i + j) % prime for i, j in pairs]
  assert field.sub(a, b).tolist() == [(i - j) % prime for i, j in pairs]
  assert field.mul(a, b).tolist() == [i * j % prime for i, j in pairs]
  assert field.neg(a).tolist() == [-i % prime for i, _ in pairs]
  for count in (1, 7, 999, 1000):
    inverse = field.reciprocal(number[:count]).tolist()
    for i, j in zip(number.tolist(), inverse, strict=False):
      assert i * j % prime == (i != 0)


def test_keys_that_differ_late_are_told_apart():
  rng = np.random.default_rng(0)
  head = rng.integers(0, 50, 3000).astype(np.uint64) << np.uint64(40)
  key = head + rng.integers(0, 4, 3000).astype(np.uint64)
  key[0] = 2**64 - 1  # so that the first bits differ somewhere
  order = equivalence._sorted(key)
  assert np.array_equal(order, np.argsort(key, kind='stable'))


def test_columns_are_arrays_that_grow(tmp_path):
  columns = columns_lib.Columns(
    tmp_path, {'a': columns_lib.Column('<i4', (2,))}
  )
  columns.create()
  entries = np.arange(10, dtype=np.int32).reshape(5, 2)
  columns.append('a', entries)
  columns.append('a', entries + 100)
  assert np.array_equal(
    np.load(tmp_path / 'a.npy'), np.concatenate([entries, entries + 100])
  )
  assert np.array_equal(columns.read('a', 3, 6), [[6, 7], [8, 9], [100, 101]])
  columns.truncate({'a': 4})
  columns.append('a', entries[:1])
  assert np.load(tmp_path / 'a.npy')[:, 0].tolist() == [0, 2, 4, 6, 0]
  with pytest.raises(ValueError, match='holds'):
    columns.append('a', np.zeros((1, 3), np.int32))


def test_a_universe_larger_than_the_disk_is_refused(
  arithmetic, tmp_path, monkeypatch
):
  usage = enumerate_lib.shutil.disk_usage(tmp_path)
  monkeypatch.setattr(
    enumerate_lib.shutil, 'disk_usage', lambda _: usage._replace(free=10**9)
  )
  with pytest.raises(
    errors.InputError, match=r'max_size=15 would .* GiB of disk'
  ):
    build_lib.build(tmp_path / 'u', arithmetic, 15, 0, 'serial')


def test_room_is_estimated_by_the_distance_of_sizes(tmp_path, monkeypatch):
  grammar = grammar_lib.parse(
    'e ::= x | y | 1 | 2 | if(c, e, e)\nc ::= e < e'
  )  # e has programs of 1, 6, 11, ... nodes: 8,000 classes to size 16
  usage = enumerate_lib.shutil.disk_usage(tmp_path)
  monkeypatch.setattr(
    enumerate_lib.shutil, 'disk_usage', lambda _: usage._replace(free=10**9)
  )
  monkeypatch.setattr(enumerate_lib, '_ENOUGH', 100)
  universe = build_lib.build(tmp_path / 'u', grammar, 16, 0, 'serial')
  assert list(universe.classes_by_size()) == ['1', '6', '11', '16']


def test_room_is_estimated_before_the_start_has_a_program(
  tmp_path, monkeypatch
):
  grammar = grammar_lib.parse('s ::= e + (e + e)\ne ::= x | y | 1 | 2')
  monkeypatch.setattr(enumerate_lib, '_ENOUGH', 1)
  universe = build_lib.build(tmp_path / 'u', grammar, 5, 0, 'serial')
  assert list(universe.classes_by_size()) == ['5']


def test_a_changed_block_of_the_store_is_refused(arithmetic, tmp_path):
  build_lib.build(tmp_path / 'u', arithmetic, 5, 0, 'serial')
  path = tmp_path / 'u' / 'arg_MxA.npy'
  data = bytearray(path.read_bytes())
  data[-3] ^= 1
  path.write_bytes(bytes(data))
  with pytest.raises(store.StoreError, match=r'arg_MxA\.npy was changed'):
    universe_lib.load(tmp_path / 'u')


def test_unknown_executors_are_refused(arithmetic, tmp_path):
  with pytest.raises(errors.InputError, match="unknown executor 'threads'"):
    build_lib.build(tmp_path / 'u', arithmetic, 3, 0, 'threads')


def test_a_dead_worker_is_one_sentence(tmp_path):
  with (
    pytest.raises(errors.InputError, match='worker process was killed'),
    executors.open_executor('processes:1') as workers,
  ):
    workers.submit(os._exit, 1).result()


def test_the_manifest_holds_its_levels(universe7):
  levels = universe7.manifest['levels']
  assert [level[:2] for level in levels] == [[s, 0] for s in range(1, 8)]
  assert json.loads(json.dumps(levels)) == levels
