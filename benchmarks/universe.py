"""How fast a universe is enumerated, beside a plain numpy enumerator.

  python -m benchmarks.universe --out=benchmarks/results/universe.json
  python -m benchmarks.universe --max_size=15 --out=FILE   # 5 GB of disk

Two questions, each answered by ratios within one run, the best of `--rounds`:

speedup    `arithmetic` to size 13, all of it (alternatives, multiplicities,
           representatives, hashed store) on all cores, against
           `benchmarks.plain_numpy`, which finds the classes alone on one core
growth     seconds a candidate against the number of classes, from size 9 on

The counts of both enumerators must agree. Writes one JSON file and, beside it,
a picture of the second.
"""

import json
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any

from absl import flags
import matplotlib

matplotlib.use('Agg')

from matplotlib import pyplot as plt

from synth import cli
from synth import runs
from synth.language import grammar as grammar_lib
from synth.universe import build as build_lib
from synth.universe import executors

_PEER_SIZE = 13


def measure(max_size: int, executor: str) -> dict[str, Any]:
  """Builds `arithmetic` in a fresh directory.

  Returns:
    Seconds, candidates, classes, the last level's share of them and their
    cumulative number by size.
  """
  grammar = grammar_lib.load(
    grammar_lib.find('configs/grammars/arithmetic.bnf')
  )
  directory = pathlib.Path(tempfile.mkdtemp(prefix='universe-'))
  try:
    start = time.perf_counter()
    universe = build_lib.build(directory / 'u', grammar, max_size, 0, executor)
    seconds = time.perf_counter() - start
    return {
      'max_size': max_size,
      'seconds': seconds,
      'candidates': sum(level[-1] for level in universe.manifest['levels']),
      'classes': len(universe.node_C),
      'by_size': list(universe.classes_by_size().values()),
      'bytes': sum(
        array['bytes'] for array in universe.manifest['arrays'].values()
      ),
    }
  finally:
    shutil.rmtree(directory)


def measure_peer() -> dict[str, Any]:
  """The plain enumerator, in a process of its own."""
  code = (
    'import json, resource, time; from benchmarks import plain_numpy as peer\n'
    'start = time.perf_counter()\n'
    f'classes, formed = peer.enumerate_arithmetic({_PEER_SIZE})\n'
    'print(json.dumps({"seconds": time.perf_counter() - start, "by_size": '
    'classes, "candidates": formed, "peak_bytes": 1024 * '
    'resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, check=True, text=True
  )
  found: dict[str, Any] = json.loads(done.stdout)
  return found


def picture(path: pathlib.Path, growth: list[dict[str, Any]]) -> None:
  """Seconds a candidate against classes."""
  figure, axes = plt.subplots(figsize=(5, 3), layout='constrained')
  cost = [1e9 * row['seconds'] / row['candidates'] for row in growth]
  axes.plot([row['classes'] for row in growth], cost, 'o-')
  for row, nanoseconds in zip(growth, cost, strict=True):
    axes.annotate(
      f'size {row["max_size"]}',
      (row['classes'], nanoseconds),
      xytext=(0, 7),
      textcoords='offset points',
      ha='center',
    )
  axes.set(
    xscale='log',
    ylim=(0, 1.25 * max(cost)),
    xlabel='classes',
    ylabel='ns a candidate, all cores',
    title='Does a candidate cost more in a larger universe?',
  )
  axes.margins(x=0.1)  # room for the names
  figure.savefig(path, dpi=150)
  plt.close(figure)


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('out', None, 'Where to write the record.', required=True)
  flags.DEFINE_integer('rounds', 3, 'Measurements of each.', lower_bound=1)
  flags.DEFINE_integer('max_size', 13, 'Largest size of the growth curve.')
  flags.DEFINE_string('executor', executors.PROCESSES, 'As in synth.universe.')


def main() -> dict[str, Any]:
  """Measures, writes the record and the picture."""
  args = flags.FLAGS
  ours, peers = [], []
  for _ in range(args.rounds):  # alternating: the machine's mood hits both
    peers.append(measure_peer())
    ours.append(measure(_PEER_SIZE, args.executor))
  if any(one['by_size'] != peers[0]['by_size'] for one in ours):
    raise SystemExit('the two enumerators disagree')
  best = min(ours, key=lambda row: row['seconds'])
  peer = min(peers, key=lambda row: row['seconds'])
  growth = [
    best
    if size == _PEER_SIZE
    else min(
      (
        measure(size, args.executor)
        for _ in range(args.rounds if size < _PEER_SIZE else 1)
      ),
      key=lambda row: row['seconds'],
    )
    for size in range(9, args.max_size + 1, 2)
  ]
  record = {
    'ratio_of_seconds': best['seconds'] / peer['seconds'],
    'all_ratios': [
      a['seconds'] / b['seconds'] for a, b in zip(ours, peers, strict=True)
    ],
    'ours': best,
    'plain_numpy': peer,
    'growth': growth,
    'executor': args.executor,
    'cores': executors.cores(),
    'machine': platform.processor() or platform.machine(),
    'versions': runs.versions(),
    'rounds': args.rounds,
  }
  path = pathlib.Path(args.out)
  runs.write_json(path, record)
  picture(path.with_suffix('.png'), growth)
  return record


if __name__ == '__main__':
  define_flags()
  cli.run(main)
