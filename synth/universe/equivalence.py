"""Candidates to classes: which are new, and all ways to form each of them.

Candidates are sorted by identity together with the classes known before, so one
pass tells groups apart, finds those that are known and collects what belongs
together. It works on any part of the candidates that holds whole groups: the
enumeration cuts them by leading bits of the key.
"""

import dataclasses
import io
import pathlib
from typing import BinaryIO

import numpy as np

from synth import array_files
from synth.universe import candidates as candidates_lib
from synth.universe import identity
from synth.universe import tiles as tiles_lib


@dataclasses.dataclass
class Known:
  """Classes of the nonterminal found at smaller sizes, indexed alike."""

  key: np.ndarray
  rest: np.ndarray
  node: np.ndarray


@dataclasses.dataclass
class Part:
  """What a part of the candidates holds.

  G new classes in order of their key, M alternatives grouped by class (ways to
  form it at its minimal size: `forest.Forest`), R known classes found again.

  Attributes:
    key_G, rest_G: Identity.
    count_G: Number of minimal programs.
    first_G: Each class's first alternative.
    production_M, arg_MxA: Production and argument nodes.
    upto_M: Inclusive running number of minimal programs within the class.
    again_node_R, again_ways_R: Known classes and their programs of this size.
  """

  key_G: np.ndarray
  rest_G: np.ndarray
  count_G: np.ndarray
  first_G: np.ndarray
  production_M: np.ndarray
  arg_MxA: np.ndarray
  upto_M: np.ndarray
  again_node_R: np.ndarray
  again_ways_R: np.ndarray

  def save(self, path: pathlib.Path) -> None:
    """Writes the part; the file appears whole or not at all."""
    buffer = io.BytesIO()
    for field in dataclasses.fields(self):
      array_files.save(buffer, getattr(self, field.name))
    written = np.frombuffer(buffer.getbuffer(), np.uint8)
    checksum = array_files.checksum(written)
    with array_files.whole(path) as file:
      array_files.append(file, np.array([checksum], np.uint64))
      array_files.append(file, written)

  @classmethod
  def load(cls, path: pathlib.Path) -> 'Part':
    """The inverse of `save`.

    Raises:
      InputError: if the file is not what was written.
    """
    with path.open('rb') as file:
      checksum = np.fromfile(file, np.uint64, 1)
      written = np.fromfile(file, np.uint8)
    if not len(checksum) or checksum[0] != array_files.checksum(written):
      raise array_files.damaged(path)
    buffer = io.BytesIO(written.data)
    try:
      return cls(*(_load(buffer) for _ in dataclasses.fields(cls)))
    except (ValueError, EOFError):  # nothing, or zeros
      raise array_files.damaged(path) from None


def _load(file: BinaryIO) -> np.ndarray:
  array: np.ndarray = np.load(file, allow_pickle=False)
  return array


def classes_of(
  found: candidates_lib.Candidates, plan: tiles_lib.Plan, known: Known
) -> Part:
  """Groups candidates into classes.

  Args:
    found: Candidates of one nonterminal and size: all of any class they touch,
      in order of their ordinals.
    plan: What the ordinals mean.
    known: All known classes they can belong to.

  Raises:
    UnluckyPoints: if two classes share a key.
  """
  num_known = len(known.key)
  key = np.concatenate([known.key, found.key])
  rest = np.concatenate([known.rest, found.rest])
  order = _sorted(key)
  key, rest = key.take(order), rest.take(order)
  leads = np.append(True, key[1:] != key[:-1])[: len(key)]
  if np.any((rest[1:] != rest[:-1]) & ~leads[1:]):
    raise identity.UnluckyPoints('two classes share a 64-bit key')
  leader = np.flatnonzero(leads)
  # Known classes were put first and the order is stable, so they lead.
  new_G = order.take(leader) >= num_known
  none = np.zeros(num_known, candidates_lib.WAYS)
  ways = np.append(none, found.ways).take(order)
  upto = np.cumsum(ways)
  before_G = upto.take(leader) - ways.take(leader)
  ways_G = np.diff(np.append(before_G, upto[-1:]))
  again_G = ~new_G & (ways_G > 0)
  group = np.cumsum(leads) - 1  # np.repeat would hold up the other threads
  place = np.flatnonzero(new_G.take(group))
  group = group.take(place)
  chosen = order.take(place) - num_known
  tile = plan.tiles_of(found.ordinal).take(chosen)
  if not plan.minimal_T.take(tile).all():
    raise identity.UnluckyPoints('a program of a known class is in none')
  size_G = np.diff(np.append(leader, len(key)))[new_G]
  return Part(
    key[leader[new_G]],
    rest[leader[new_G]],
    ways_G[new_G],
    np.cumsum(size_G) - size_G,
    plan.production_T.take(tile),
    plan.arguments(found.ordinal.take(chosen), tile),
    upto.take(place) - before_G.take(group),
    known.node[order[leader[again_G]]],
    ways_G[again_G],
  )


def _sorted(key: np.ndarray) -> np.ndarray:
  """A stable order by key.

  The bits from the first that differ, the last of them replaced by the place:
  numbers are sorted several times as fast as their places, and then say them.
  What is left are the few keys that differ in the replaced bits alone.
  """
  if not len(key):
    return np.zeros(0, np.int64)
  bits = np.uint64(len(key).bit_length())
  differ = int(key.min() ^ key.max())
  word = key << np.uint64(min(64 - differ.bit_length(), 63))
  word >>= bits
  word <<= bits
  word |= np.arange(len(key), dtype=np.uint64)
  word.sort()
  order = (word & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
  ordered = key.take(order)
  wrong = np.flatnonzero(ordered[1:] < ordered[:-1])
  if len(wrong):
    word >>= bits
    for cell in np.unique(word[wrong]):
      low = np.searchsorted(word, cell, 'left')
      stop = np.searchsorted(word, cell, 'right')
      place = order[low:stop]
      order[low:stop] = place[np.argsort(key[place], kind='stable')]
  return order
