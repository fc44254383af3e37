"""Stored directories: all or nothing, and any damage is named."""

import json
import pathlib
import re

import numpy as np
import pytest

from synth import errors
from synth import store
from synth.language import grammar as grammar_lib
from synth.universe import build as build_lib
from synth.universe import universe as universe_lib

_ARRAYS = {
  'number_N': np.arange(5, dtype=np.int64) ** 3,
  'mask_NxM': np.eye(3, dtype=bool),
  'empty_0x4': np.zeros((0, 4), np.float32),
}


@pytest.fixture
def stored(tmp_path):
  """A directory with three arrays."""
  directory = tmp_path / 'thing'
  store.write(directory, 'box', _ARRAYS, {'seed': 3, 'name': 'a'})
  return directory


def _refusal(directory, kind='box'):
  """The message with which `read` refuses a directory: one sentence."""
  with pytest.raises(store.StoreError) as caught:
    store.read(directory, kind)
  assert isinstance(caught.value, errors.InputError)
  message = str(caught.value)
  assert '\n' not in message
  assert str(directory) in message
  return message


def _edit_manifest(directory, **changes):
  path = directory / store.MANIFEST
  manifest = json.loads(path.read_text())
  path.write_text(json.dumps({**manifest, **changes}))


def test_reading_gives_back_what_was_written(stored):
  manifest, arrays = store.read(stored, 'box')
  assert manifest['seed'] == 3
  assert manifest['name'] == 'a'
  assert set(arrays) == set(_ARRAYS)
  for name, array in _ARRAYS.items():
    assert arrays[name].dtype == array.dtype
    assert arrays[name].shape == array.shape
    assert np.array_equal(arrays[name], array)
  assert store.exists(stored)
  assert store.read_manifest(stored, 'box') == manifest


def test_large_arrays_are_mapped_read_only(stored):
  _, arrays = store.read(stored, 'box')
  assert isinstance(arrays['number_N'], np.memmap)
  with pytest.raises(ValueError, match='read-only'):
    arrays['number_N'][0] = 1


def test_the_same_content_is_the_same_bytes(stored, tmp_path):
  again = tmp_path / 'again'
  store.write(again, 'box', _ARRAYS, {'seed': 3, 'name': 'a'})
  for path in stored.iterdir():
    assert (again / path.name).read_bytes() == path.read_bytes()
    assert store.sha256_of_file(path) == store.sha256_of_file(again / path.name)


def test_parents_are_made_and_others_may_read(tmp_path):
  directory = tmp_path / 'a' / 'b' / 'c'
  store.write(directory, 'box', _ARRAYS, {})
  assert directory.stat().st_mode & 0o777 == 0o755
  assert [p.name for p in directory.parent.iterdir()] == ['c']


def test_a_truncated_file_is_named(stored):
  path = stored / 'number_N.npy'
  path.write_bytes(path.read_bytes()[:-1])
  message = _refusal(stored)
  assert 'number_N.npy' in message
  size = path.stat().st_size
  assert str(size) in message
  assert str(size + 1) in message


@pytest.mark.parametrize('name', sorted(_ARRAYS))
@pytest.mark.parametrize('place', [0, 10, -1])
def test_an_edited_byte_anywhere_is_noticed(stored, name, place):
  path = stored / f'{name}.npy'
  data = bytearray(path.read_bytes())
  data[place] ^= 1
  path.write_bytes(data)
  assert f'{name}.npy' in _refusal(stored)


def test_a_missing_file_is_named(stored):
  (stored / 'mask_NxM.npy').unlink()
  assert 'mask_NxM.npy' in _refusal(stored)


def test_a_missing_directory_is_named(tmp_path):
  directory = tmp_path / 'nowhere'
  assert store.MANIFEST in _refusal(directory)
  assert not store.exists(directory)
  assert not directory.exists()


def test_a_directory_of_another_kind_is_refused_with_both_kinds(stored):
  message = _refusal(stored, 'universe')
  assert 'universe' in message
  assert "'box'" in message


def test_another_format_is_refused_with_both_numbers(stored):
  _edit_manifest(stored, format=99)
  message = _refusal(stored)
  assert '99' in message
  assert str(store.FORMAT) in message


@pytest.mark.parametrize(
  'content',
  [
    b'',
    b'not json',
    b'{"kind": "box"',
    b'\xff\xfe\x00',
    b'[]',
    b'"box"',
    b'null',
    b'{}',
    b'{"kind": "box", "format": 1}',
    b'{"kind": "box", "format": 1, "arrays": []}',
    b'{"kind": "box", "format": 1, "arrays": {"number_N": {}}}',
    b'{"kind": "box", "format": 1, "arrays": {"number_N": 3}}',
  ],
)
def test_a_manifest_that_is_not_one_is_refused(stored, content):
  (stored / store.MANIFEST).write_bytes(content)
  _refusal(stored)


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
  path = tmp_path / 'file'
  path.write_text('hello')
  _refusal(path)


class _Unwritable(dict):
  """Arrays of which the second cannot be produced."""

  def items(self):
    yield 'first', np.arange(1000)
    raise RuntimeError('out of luck')


@pytest.mark.parametrize(
  'arrays, facts, error',
  [
    (_Unwritable(), {}, RuntimeError),
    ({'a': np.arange(9), 'b': np.array([object()])}, {}, ValueError),
    ({'a': np.arange(9)}, {'unserializable': object()}, TypeError),
  ],
)
def test_a_write_that_fails_leaves_nothing_behind(stored, arrays, facts, error):
  before = {p.name: p.read_bytes() for p in stored.iterdir()}
  with pytest.raises(error):
    store.write(stored.parent / 'new', 'box', arrays, facts)
  assert [p.name for p in stored.parent.iterdir()] == ['thing']
  assert {p.name: p.read_bytes() for p in stored.iterdir()} == before


def test_nothing_is_visible_until_all_is_written(tmp_path):
  seen = []

  class Arrays(dict):
    def items(self):
      for name, array in _ARRAYS.items():
        seen.append((tmp_path / 'late').exists())
        yield name, array

  store.write(tmp_path / 'late', 'box', Arrays(), {})
  assert seen == [False] * len(_ARRAYS)
  assert store.exists(tmp_path / 'late')


def test_a_directory_in_use_is_neither_overwritten_nor_mixed(stored):
  before = {p.name: p.read_bytes() for p in stored.iterdir()}
  with pytest.raises(store.StoreError, match=re.escape(str(stored))):
    store.write(stored, 'box', {'other': np.arange(3)}, {})
  assert {p.name: p.read_bytes() for p in stored.iterdir()} == before
  assert [p.name for p in stored.parent.iterdir()] == ['thing']


def test_a_place_that_cannot_be_written_is_a_store_error(tmp_path):
  (tmp_path / 'file').write_text('in the way')
  directory = tmp_path / 'file' / 'thing'
  with pytest.raises(store.StoreError, match=re.escape(str(directory))):
    store.write(directory, 'box', _ARRAYS, {})


@pytest.mark.parametrize(
  'occupy', [pathlib.Path.touch, lambda path: path.symlink_to('nowhere')]
)
def test_a_file_where_a_store_belongs_is_named(tmp_path, occupy):
  occupy(tmp_path / 'thing')
  with pytest.raises(store.StoreError, match='thing is in the way'):
    store.exists(tmp_path / 'thing')


def test_check_facts_names_the_setting_and_both_values(tmp_path):
  manifest = {'seed': 3, 'max_size': 7}
  store.check_facts(tmp_path, manifest, {'seed': 3})
  store.check_facts(tmp_path, manifest, {})
  for wanted, value in (({'seed': 3, 'max_size': 9}, 9), ({'depth': 2}, 2)):
    with pytest.raises(store.StoreError) as caught:
      store.check_facts(tmp_path, manifest, wanted)
    message = str(caught.value)
    name = list(wanted)[-1]
    assert f'{name}={manifest.get(name)!r}' in message
    assert f'not {value!r}' in message
    assert str(tmp_path) in message
    assert '\n' not in message


_GRAMMAR = 'e ::= x | 1 | e + e | e / e'


def test_load_or_build_builds_once_and_then_loads(tmp_path):
  grammar = grammar_lib.parse(_GRAMMAR)
  directory = tmp_path / 'universe'
  built = build_lib.load_or_build(directory, grammar, 5, 0)
  inode = (directory / store.MANIFEST).stat().st_ino
  # The same grammar in another layout is the same grammar.
  same = grammar_lib.parse('e ::= e / e | e + e # ...\n | 1 | x')
  loaded = build_lib.load_or_build(directory, same, 5, 0)
  assert (directory / store.MANIFEST).stat().st_ino == inode
  assert loaded.manifest == built.manifest
  assert np.array_equal(loaded.representative_CxL, built.representative_CxL)


@pytest.mark.parametrize(
  'text, max_size, seed, setting, values',
  [
    (_GRAMMAR, 7, 0, 'max_size', ('5', '7')),
    (_GRAMMAR, 5, 1, 'seed', ('0', '1')),
    (_GRAMMAR + ' | 2', 5, 0, 'grammar_sha256', ()),
  ],
)
def test_load_or_build_refuses_other_settings(
  tmp_path, text, max_size, seed, setting, values
):
  directory = tmp_path / 'universe'
  build_lib.build(directory, grammar_lib.parse(_GRAMMAR), 5, 0)
  with pytest.raises(store.StoreError) as caught:
    build_lib.load_or_build(directory, grammar_lib.parse(text), max_size, seed)
  message = str(caught.value)
  assert setting in message
  assert str(directory) in message
  for value in values:
    assert value in message.partition(setting)[2]


def test_a_universe_whose_grammar_was_edited_is_refused(tmp_path):
  directory = tmp_path / 'universe'
  grammar = grammar_lib.parse(_GRAMMAR)
  build_lib.build(directory, grammar, 3, 0)
  data = grammar.to_json()
  data['productions'][0][1] = 'y'
  _edit_manifest(directory, grammar=data)
  with pytest.raises(store.StoreError, match=re.escape(str(directory))):
    universe_lib.load(directory)


def test_a_damaged_universe_is_refused_not_rebuilt(tmp_path):
  directory = tmp_path / 'universe'
  grammar = grammar_lib.parse(_GRAMMAR)
  build_lib.build(directory, grammar, 3, 0)
  path = directory / 'arg_MxA.npy'
  path.write_bytes(path.read_bytes()[:-4])
  with pytest.raises(store.StoreError, match=re.escape('arg_MxA.npy')):
    build_lib.load_or_build(directory, grammar, 3, 0)
