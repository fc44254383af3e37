"""Files of a run: what is damaged is refused."""

import numpy as np

from synth import runs


def test_arrays_that_are_not_whole_are_refused_wherever_they_are_damaged(
  tmp_path,
):
  path = tmp_path / 'a.npz'
  rng = np.random.default_rng(0)
  arrays = {'one': rng.integers(0, 9, 200), 'two': rng.random((3, 4))}
  runs.write_arrays(path, arrays)
  whole = path.read_bytes()
  refused = 0
  for number in range(400):
    data = bytearray(whole)
    start = int(rng.integers(len(data)))
    if number % 3 == 0:
      data = data[:start]
    else:
      data[start : start + int(rng.integers(1, 60))] = rng.bytes(8)
    path.write_bytes(data)
    try:
      runs.read_arrays(path)  # not all bytes matter
    except runs.RunError as error:
      refused += 1
      assert str(path) in str(error) and '\n' not in str(error)
  assert refused > 300
