"""Arrays on a full disk: all of them is written, or an error is raised."""

import io
import resource

import numpy as np
import pytest

from synth import array_files
from synth import store
from synth.universe import candidates as candidates_lib
from synth.universe import columns as columns_lib
from synth.universe import spill

_LIMIT = 8192  # a whole number of blocks, so that only an end is missing
_ARRAYS = [
  np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
  np.asfortranarray(np.arange(6.0).reshape(2, 3)),
  np.arange(20, dtype=np.int64)[::3],
  np.zeros((0, 4), np.float32),
  np.array(3, np.int16),
]


@pytest.fixture
def full_disk():
  """No file grows beyond some blocks."""
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (_LIMIT, limits[1]))
  yield
  resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize('array', _ARRAYS)
def test_the_bytes_are_those_of_numpy(tmp_path, array):
  array_files.save(tmp_path / 'ours.npy', array)
  np.save(tmp_path / 'theirs.npy', array)
  ours, theirs = (
    (tmp_path / f'{name}.npy').read_bytes() for name in ('ours', 'theirs')
  )
  assert ours == theirs
  file = io.BytesIO()
  array_files.append(file, array)
  assert file.getvalue() == array.tobytes()


def _append(directory):
  with array_files.opened(directory / 'file', 'wb') as file:
    array_files.append(file, np.arange(1100))


def _save(directory):
  array_files.save(directory / 'file.npy', np.arange(1020))


def _column(directory):
  columns = columns_lib.Columns(directory, {'a': columns_lib.Column('<i8')})
  columns.create()
  columns.append('a', np.arange(1020))


def _spill(directory):
  number = np.arange(500, dtype=np.uint64)
  found = candidates_lib.Candidates(
    number,
    number,
    number.astype(candidates_lib.WAYS),
    number.astype(candidates_lib.ORDINAL),
  )
  spill.write(spill.pieces_of([found], 0), directory / '0.spill')


def _store(directory):
  store.write(directory / 'box', 'box', {'a': np.arange(1020)}, {})


@pytest.mark.parametrize('write', [_append, _save, _column, _spill, _store])
def test_an_end_that_the_disk_does_not_hold_is_an_error(
  tmp_path, full_disk, write
):
  with pytest.raises((OSError, store.StoreError), match='File too large'):
    write(tmp_path)
  assert not (tmp_path / '0.spill').exists()
  assert not (tmp_path / 'box').exists()


def test_the_error_names_the_file(tmp_path, full_disk):
  with pytest.raises(OSError) as caught:
    _append(tmp_path)
  assert caught.value.filename == str(tmp_path / 'file')


def test_a_column_whose_header_was_not_written_is_made_again(tmp_path):
  columns = columns_lib.Columns(tmp_path, {'a': columns_lib.Column('<i8')})
  (tmp_path / 'a.npy').touch()
  columns.create()
  columns.append('a', np.arange(3))
  assert np.load(tmp_path / 'a.npy').tolist() == [0, 1, 2]


def test_two_who_write_one_file_do_not_get_in_each_others_way(tmp_path):
  path = tmp_path / 'a.part'
  with array_files.whole(path) as one, array_files.whole(path) as other:
    for file in (one, other):
      array_files.append(file, np.arange(1000))
    assert not path.exists()
  np.testing.assert_array_equal(np.fromfile(path, np.int64), np.arange(1000))
  with pytest.raises(KeyError), array_files.whole(path) as file:
    array_files.append(file, np.zeros(3))
    raise KeyError
  assert [file.name for file in tmp_path.iterdir()] == ['a.part']
  assert path.stat().st_size == 8000
