"""Streams are named, and stay what they are."""

import pytest

from synth import seeding


def _first(*names):
  return int(seeding.generator(3, *names).integers(0, 1 << 62))


def test_a_stream_is_the_same_everywhere():
  # Stored universes and splits depend on it.
  assert _first('primes') == 2986665777175939259


def test_names_tell_streams_apart():
  names = [('x',), ('y',), ('x', 'y'), ('y', 'x'), ('x', 1), ('x', 0, 1)]
  names += [('x', 'y', 'z'), ('x', 'y', 'z', 0)]
  assert len({_first(*name) for name in names}) == len(names)


@pytest.mark.parametrize('name', [('x',), ('x', 'y')])
def test_zeros_at_the_end_up_to_the_third_name_say_nothing(name):
  assert _first(*name) == _first(*name, 0)
