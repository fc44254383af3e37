"""Collective operations of a compiled program."""

import re

import numpy as np

_COLLECTIVE = re.compile(
  r' = (?P<shapes>\(.*?\)|\S+) (?P<name>all-reduce|all-gather|reduce-scatter'
  r'|all-to-all|collective-permute)\('
)
_SHAPE = re.compile(r'[a-z]+(?P<bits>\d+)\[(?P<lengths>[\d,]*)\]')


def count(program: str) -> dict[str, dict[str, int]]:
  """Collective operations of a compiled program (HLO text).

  Returns:
    By name: how many there are, each of a loop counted once, and how many bytes
    a device holds of their results.
  """
  found: dict[str, dict[str, int]] = {}
  for match in _COLLECTIVE.finditer(program):
    entry = found.setdefault(match['name'], {'count': 0, 'bytes': 0})
    entry['count'] += 1
    for shape in _SHAPE.finditer(match['shapes']):
      lengths = [int(n) for n in shape['lengths'].split(',') if n]
      entry['bytes'] += int(np.prod(lengths)) * int(shape['bits']) // 8
  return dict(sorted(found.items()))
