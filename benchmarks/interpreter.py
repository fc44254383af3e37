"""How fast programs are interpreted, beside other interpreters of expressions.

  pip install -e '.[benchmarks]'    # the peers; those missing are left out
  GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python -m benchmarks.interpreter \\
    --out=benchmarks/results/interpreter.json

On a machine with a GPU (`pip install -e '.[cuda12]'`), with its limits from the
data sheet (an H200: 4.8e12 bytes/s and 6.7e13 float32 operations/s):

  python -m benchmarks.interpreter --out=gpu.json \\
    --bytes_per_second=4.8e12 --operations_per_second=6.7e13

Programs of `arithmetic` with 7 to 13 nodes, all distinct, at random points,
float32 (numexpr, deap and sympy work in the precision of their inputs, float32
too). Each plan and each peer computes every program at every point in one run,
in turn, `--rounds` times; the least counts. All nodes count as evaluated,
leaves too. On CPU all run in one thread on one core. Seconds are processor
seconds of that thread's process, so that other work on the machine counts less;
the wall's are in the record as well.

batch            rows as a model writes them: on an accelerator they lie there
corpus           rows to values, the shared subtrees found anew each time
corpus_built     the same, found beforehand
pyoperon         `EvaluateTrees` on trees made beforehand, into one array that
                 is kept; `pyoperon_parse` is the making, from infix text
numexpr, deap, sympy   compiled beforehand, on the first `_FEW` programs; a few
                 that they refuse (no variable, undefined) count as done

Freed memory is kept (`synth.host_memory`): fresh pages cost more than the
arithmetic, for every interpreter that returns a new array. By the variable
above large ones are asked for, as numpy does for the array that pyoperon fills;
it matters for results that exceed the caches.
"""

from collections.abc import Callable
import contextlib
import functools
import importlib
import os
import pathlib
import platform
import time
from typing import Any

from absl import flags
import jax
import matplotlib

matplotlib.use('Agg')

from matplotlib import pyplot as plt
from matplotlib import ticker
import numpy as np

from launch import local
from synth import cli
from synth import host_memory
from synth import progress
from synth import runs
from synth.language import corpora
from synth.language import grammar as grammar_lib
from synth.language import interpreter
from synth.language import program as program_lib
from synth.language import symbolic
from synth.language import tokens

_PROGRAMS = (1_000, 10_000, 100_000, 1_000_000)
_POINTS = (16, 64, 256, 1024, 4096)
_SIZES = (7, 9, 11, 13)
_FEW = 200  # programs for peers that take milliseconds to compile one
_PEERS = ('pyoperon', 'numexpr', 'deap', 'sympy')
_NUMPY = {
  'add': np.add,
  'sub': np.subtract,
  'mul': np.multiply,
  'div': np.divide,
}
_PLANS = {
  'corpus': 'corpus, built each time',
  'corpus_built': 'corpus, built before',
  'batch': 'generated batches',
}


def random_rows(
  number: int, vocabulary: tokens.Vocabulary, rng: np.random.Generator
) -> np.ndarray:
  """Distinct programs, uniform among those of a size: tok_PxL.

  Every operator must have two arguments. Binary trees are drawn node by node:
  with n operators to come and k subtrees open, n (k + 1) / (k (2 n + k - 1)) of
  the ways to go on begin with an operator (the ballot numbers).
  """
  operators = np.flatnonzero(vocabulary.arity_V == 2)
  leaves = np.flatnonzero(vocabulary.arity_V == 0)
  found = np.zeros((0, max(_SIZES)), tokens.DTYPE)
  while len(found) < number:
    n = (rng.choice(_SIZES, number) - 1) // 2
    k = np.ones(number, int)
    tok_PxL = np.zeros((number, max(_SIZES)), tokens.DTYPE)
    for position in range(max(_SIZES)):
      ways = np.maximum(k * (2 * n + k - 1), 1)
      internal = rng.random(number) * ways < n * (k + 1)
      chosen = np.where(
        internal, rng.choice(operators, number), rng.choice(leaves, number)
      )
      tok_PxL[:, position] = np.where(k > 0, chosen, tokens.PAD)
      n, k = n - internal, np.where(k > 0, k + 2 * internal - 1, 0)
    found = np.unique(np.concatenate([found, tok_PxL]), axis=0)
  return rng.permutation(found)[:number]


def _seconds(call: Callable[[], Any]) -> dict[str, float]:
  wall, cpu = time.perf_counter(), time.process_time()
  result = jax.block_until_ready(call())
  seconds = {
    'cpu': time.process_time() - cpu,
    'wall': time.perf_counter() - wall,
  }
  del result
  return seconds


def _ours(
  tok_PxL: np.ndarray, x_E: np.ndarray, vocabulary: tokens.Vocabulary
) -> dict[str, Callable[[], Any]]:
  numbers = interpreter.number_system(interpreter.FLOAT)
  chunks = list(corpora.build(tok_PxL, vocabulary))
  written: jax.Array | np.ndarray = tok_PxL
  if jax.default_backend() != 'cpu':
    written = jax.device_put(tok_PxL)

  def run(rows: jax.Array | np.ndarray, plan: str) -> Any:
    return interpreter.run(
      rows, {'x': x_E}, vocabulary, interpreter.FLOAT, plan
    )

  def built() -> Any:
    leaf_VxE = interpreter.leaves({'x': x_E}, vocabulary, numbers)
    found = corpora.run(chunks, len(tok_PxL), leaf_VxE, vocabulary, numbers)
    return interpreter.Result(*found)

  return {
    'batch': lambda: run(written, interpreter.BATCH),
    'corpus': lambda: run(tok_PxL, interpreter.CORPUS),
    'corpus_built': built,
  }


def compile_peers(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary, peers: dict[str, Any]
) -> dict[str, Callable[[np.ndarray, np.ndarray], Any]]:
  """For each peer a function of the points and of an array for the values.

  That of pyoperon, of all programs, fills the array; the others return a list.
  `pyoperon_parse` makes the trees anew.
  """
  few = [vocabulary.decode(tok_L) for tok_L in tok_PxL[:_FEW]]
  calls: dict[str, list[Callable[..., Any]]] = {}
  if 'numexpr' in peers:
    numexpr = peers['numexpr']
    numexpr.set_num_threads(1)
    calls['numexpr'] = []
    for program in few:
      text = program_lib.to_infix(program)
      # It folds constants, and refuses arguments that are not used.
      with contextlib.suppress(ZeroDivisionError, ValueError):
        calls['numexpr'].append(numexpr.NumExpr(text, [('x', float)]))
  if 'sympy' in peers:
    sympy = peers['sympy']
    expressions = [symbolic.to_sympy(program) for program in few]
    calls['sympy'] = [
      sympy.lambdify('x', expression, 'numpy')
      for expression in expressions
      if not expression.has(sympy.zoo, sympy.nan)
    ]
  if 'deap' in peers:
    gp = importlib.import_module('deap.gp')
    primitives = gp.PrimitiveSet('main', 1)
    primitives.renameArguments(ARG0='x')
    for name, function in _NUMPY.items():
      primitives.addPrimitive(function, 2, name=name)
    calls['deap'] = [gp.compile(_call_text(p), primitives) for p in few]

  def of_points(mine: list[Callable[..., Any]]) -> Callable[..., Any]:
    return lambda x_E, value_PxE: [call(x_E) for call in mine]

  found = {name: of_points(mine) for name, mine in calls.items()}
  if 'pyoperon' in peers:
    found |= _pyoperon(peers['pyoperon'], tok_PxL, vocabulary)
  return found


def _pyoperon(
  peer: Any, tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary
) -> dict[str, Callable[[np.ndarray, np.ndarray], Any]]:
  """EvaluateTrees on one thread, and the making of the trees."""
  names = {'x': peer.Dataset(np.zeros((1, 2), np.float32)).Variables[0].Hash}
  texts = [program_lib.to_infix(vocabulary.decode(tok_L)) for tok_L in tok_PxL]

  def parse() -> Any:
    return [peer.InfixParser.Parse(text, names) for text in texts]

  trees = parse()

  def evaluate(x_E: np.ndarray, value_PxE: np.ndarray) -> None:
    dataset = peer.Dataset(np.stack([x_E, x_E], axis=1))
    peer.EvaluateTrees(trees, dataset, peer.Range(0, len(x_E)), value_PxE, 1)

  return {'pyoperon': evaluate, 'pyoperon_parse': lambda *_: parse()}


def _call_text(program: program_lib.Node) -> str:
  """Function-call notation, `add(x, 1)`."""
  inner = ', '.join(map(_call_text, program.args))
  return f'{program.symbol}({inner})' if program.args else program.symbol


def measure(
  tok_PxL: np.ndarray,
  points: int,
  peers: dict[str, Callable[[np.ndarray, np.ndarray], Any]],
  rounds: int,
) -> dict[str, Any]:
  """Seconds of every interpreter at one size.

  Raises:
    SystemExit: if pyoperon and we disagree.
  """
  vocabulary = tokens.Vocabulary.of(_grammar())
  x_E = np.random.default_rng(1).uniform(-3, 3, points).astype(np.float32)
  nodes = int((tok_PxL != tokens.PAD).sum())
  value_PxE = np.zeros((len(tok_PxL), points), np.float32)
  calls = _ours(tok_PxL, x_E, vocabulary) | {
    name: functools.partial(peer, x_E, value_PxE)
    for name, peer in peers.items()
    if name != 'pyoperon_parse'
  }
  times: dict[str, list[dict[str, float]]] = {name: [] for name in calls}
  with np.errstate(all='ignore'):
    # Compiles; and twice, there and back, as they will be called: what they
    # free and fill in turn is then theirs, and no page is fresh any more.
    for name in (*calls, *reversed(calls)) * 2:
      jax.block_until_ready(calls[name]())
    for number in range(rounds):
      # There and back: none is always the one after the same other, whose
      # memory the kernel may have to tidy up first.
      for name in list(calls)[:: 1 if number % 2 == 0 else -1]:
        times[name].append(_seconds(calls[name]))
    if 'pyoperon_parse' in peers:
      parse = functools.partial(peers['pyoperon_parse'], x_E, value_PxE)
      times['pyoperon_parse'] = [_seconds(parse)]
  few = peers.keys() - {'pyoperon', 'pyoperon_parse'}
  if 'pyoperon' in peers:
    found = calls['corpus']()
    agree = np.isclose(found.value, value_PxE, 1e-3, 1e-3)[found.ok].mean()
    if agree < 0.999:
      raise SystemExit(f'pyoperon disagrees on {1 - agree:.2%} of the values')
  best = {
    name: {clock: min(t[clock] for t in rows) for clock in ('cpu', 'wall')}
    for name, rows in times.items()
  }
  few_nodes = int((tok_PxL[:_FEW] != tokens.PAD).sum())
  clock = 'cpu' if jax.default_backend() == 'cpu' else 'wall'
  return {
    'programs': len(tok_PxL),
    'points': points,
    'nodes': nodes,
    'seconds': best,
    'node_evaluations_per_second': {
      name: (few_nodes if name in few else nodes) * points / seconds[clock]
      for name, seconds in best.items()
      if name != 'pyoperon_parse'
    },
    'ratio_to_pyoperon': {
      name: best['pyoperon'][clock] / best[name][clock]
      for name in ('batch', 'corpus', 'corpus_built')
    }
    if 'pyoperon' in peers
    else {},
  }


def bound(
  row: dict[str, Any], bytes_per_second: float, operations_per_second: float
) -> dict[str, Any]:
  """The share of a device's limits that the batch plan achieves.

  A node that is no leaf is one operation and writes a number (4 bytes), which
  the node above reads, or, of a whole program, what writes it as the program's
  value (8 bytes). Leaves are a few numbers that stay in the cache, as all does
  of a small batch, whose share may exceed 1.
  """
  operators = (row['nodes'] - row['programs']) / 2
  rate = row['points'] / row['seconds']['batch']['wall']
  shares = {
    'memory bandwidth': (8 * operators + 4 * row['programs'])
    * rate
    / bytes_per_second,
    'arithmetic': operators * rate / operations_per_second,
  }
  binding = max(shares, key=lambda name: shares[name])
  return {'binding': binding, 'share': shares[binding]}


def picture(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
  """Ratio to pyoperon against points, a line for each number of programs."""
  figure, axes = plt.subplots(
    1, len(_PLANS), figsize=(10, 3), sharey=True, layout='constrained'
  )
  for panel, (plan, title) in zip(axes, _PLANS.items(), strict=True):
    for number in sorted({row['programs'] for row in rows}):
      mine = [row for row in rows if row['programs'] == number]
      panel.plot(
        [row['points'] for row in mine],
        [row['ratio_to_pyoperon'][plan] for row in mine],
        'o-',
        label=f'{number:,} programs',
      )
    panel.axhline(1, color='gray', linewidth=0.8)
    panel.set(xscale='log', yscale='log', xlabel='points', title=title)
    panel.set_yticks([0.5, 1, 2, 4, 8, 16], ['1/2', '1', '2', '4', '8', '16'])
    panel.yaxis.set_minor_formatter(ticker.NullFormatter())
  axes[0].set_ylabel('times as fast as pyoperon')
  axes[2].legend(fontsize='small')
  figure.savefig(path, dpi=150)
  plt.close(figure)


def _grammar() -> grammar_lib.Grammar:
  return grammar_lib.load(grammar_lib.find('configs/grammars/arithmetic.bnf'))


def _importable() -> dict[str, Any]:
  found = {}
  for name in _PEERS:
    try:
      found[name] = importlib.import_module(name)
    except ImportError:
      print(f'{name} is not installed and is left out')
  return found


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('out', None, 'Where to write the record.', required=True)
  flags.DEFINE_integer('rounds', 5, 'Measurements of each.', lower_bound=1)
  flags.DEFINE_integer(
    'max_values', 1 << 30, 'Sizes with more values (4 bytes each) are left out.'
  )
  flags.DEFINE_integer('max_programs', max(_PROGRAMS), 'At most so many.')
  flags.DEFINE_float('bytes_per_second', None, "The device's bandwidth.")
  flags.DEFINE_float('operations_per_second', None, "The device's arithmetic.")


def main() -> dict[str, Any]:
  """Measures, writes the record and the picture."""
  args = flags.FLAGS
  if not local.accelerators():  # which compile by all cores
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-1:])  # before JAX starts its threads
  host_memory.keep_freed()
  peers = _importable()
  vocabulary = tokens.Vocabulary.of(_grammar())
  sizes = [
    (programs, points)
    for programs in _PROGRAMS
    if programs <= args.max_programs
    for points in _POINTS
    if programs * points <= args.max_values
  ]
  tok_PxL = random_rows(sizes[-1][0], vocabulary, np.random.default_rng(0))
  record: dict[str, Any] = {
    'rows': [],
    'device': jax.devices()[0].device_kind,
    'peers': {name: getattr(peers[name], '__version__', '?') for name in peers},
    'missing_peers': [name for name in _PEERS if name not in peers],
    'machine': platform.processor() or platform.machine(),
    'versions': runs.versions(),
    'rounds': args.rounds,
    'GLIBC_TUNABLES': os.environ.get('GLIBC_TUNABLES', ''),
  }
  rows: list[dict[str, Any]] = record['rows']
  path = pathlib.Path(args.out)
  bar = progress.Progress('interpreter', len(sizes), 'sizes')
  for programs, points in sizes:
    if not rows or rows[-1]['programs'] != programs:
      compiled = compile_peers(tok_PxL[:programs], vocabulary, peers)
    row = measure(tok_PxL[:programs], points, compiled, args.rounds)
    if args.bytes_per_second and args.operations_per_second:
      row['bound'] = bound(
        row, args.bytes_per_second, args.operations_per_second
      )
    rows.append(row)
    runs.write_json(path, record)
    bar.update(len(rows))
  if 'pyoperon' in peers:
    picture(path.with_suffix('.png'), rows)
  return record


if __name__ == '__main__':
  define_flags()
  cli.run(main)
