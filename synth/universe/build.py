"""Building a universe: enumerate, draw representatives, store.

Work is done beside the final place (`.NAME-build`) under a lock, so two
processes that want the same universe build it once, an interrupted build
resumes, and the directory appears when it is complete.
"""

from concurrent import futures
import contextlib
import json
import pathlib
import shutil
import sys
from typing import Any

import numpy as np

from synth import __version__
from synth import array_files
from synth import errors
from synth import locks
from synth import progress
from synth import store
from synth.language import counting
from synth.language import grammar as grammar_lib
from synth.language import tokens
from synth.universe import draws
from synth.universe import enumerate as enumerate_lib
from synth.universe import executors
from synth.universe import identity
from synth.universe import policies
from synth.universe import universe as universe_lib

_ATTEMPTS = 20
_ROWS = 1 << 16  # representatives of a task
_ROWS_AT_ONCE = 1 << 22  # up to here by threads, beyond by workers
_MAX_MULTIPLICITY = 2**63
_SETTINGS = 'build.json'
_NODES = 'node_C.npy'


def load_or_build(
  directory: pathlib.Path,
  grammar: grammar_lib.Grammar,
  max_size: int,
  seed: int,
  executor: str = executors.PROCESSES,
  multiplicities: bool = True,
  policy: identity.Policy | None = None,
) -> universe_lib.Universe:
  """Opens `directory`, building it first (see `build`) if it is not there.

  Raises:
    InputError: if it holds a universe of another grammar, size or seed.
  """
  if not store.exists(directory):
    return build(
      directory, grammar, max_size, seed, executor, multiplicities, policy
    )
  universe = universe_lib.load(directory)
  store.check_facts(
    directory,
    universe.manifest,
    {
      'grammar_sha256': grammar.sha256,
      'max_size': max_size,
      'seed': seed,
    },
  )
  return universe


def build(
  directory: pathlib.Path,
  grammar: grammar_lib.Grammar,
  max_size: int,
  seed: int,
  executor: str = executors.PROCESSES,
  multiplicities: bool = True,
  policy: identity.Policy | None = None,
) -> universe_lib.Universe:
  """Enumerates a universe and stores it in `directory`.

  Args:
    directory: Must not exist yet.
    grammar: What to enumerate.
    max_size: Largest program size, in nodes.
    seed: Of the identity points and the representatives.
    executor: See `executors.open_executor`; the result does not depend on it.
    multiplicities: Whether to count all programs of each class and size; left
      out where a number could exceed 63 bits.
    policy: How classes are told apart; drawn with the seed if not given.

  Raises:
    InputError: for limits without a program, overflow or a failed write.
  """
  if max_size > np.iinfo(np.uint8).max:
    raise errors.InputError(
      f'{grammar.name}: max_size={max_size} is more than '
      f'{np.iinfo(np.uint8).max}'
    )
  counts = counting.Counts(grammar)
  programs = counts.by_size(max_size)
  if not programs:
    raise errors.InputError(
      f'{grammar.name}: no program of at most {max_size} nodes'
    )
  vocabulary = tokens.Vocabulary.of(grammar)
  multiplicities = multiplicities and all(
    counts.count(name, size) < _MAX_MULTIPLICITY
    for name in grammar.nonterminals
    for size in range(1, max_size + 1)
  )
  settings = {
    'version': __version__,
    'grammar': grammar.to_json(),
    'grammar_sha256': grammar.sha256,
    'max_size': max_size,
    'seed': seed,
    'multiplicities': multiplicities,
    'numpy': np.__version__,
  }
  scratch = directory.with_name(f'.{directory.name}-build')
  with locks.building(directory), executors.open_executor(executor) as workers:
    if store.exists(directory):  # another process was building it
      return load_or_build(directory, grammar, max_size, seed)
    policy, found = _enumerate(scratch, grammar, settings, workers, policy)
    facts = {
      **settings,
      'identity': policy.to_json(),
      'programs_by_size': {str(size): n for size, n in programs.items()},
      'levels': [
        [*level, *place.new, *place.again, place.candidates]
        for level, place in found.levels.items()
      ],
    }
    facts['classes_by_size'] = _describe(scratch, grammar, found)
    if not facts['classes_by_size']:
      shutil.rmtree(scratch)
      raise errors.InputError(
        f'{grammar.name}: every program of at most {max_size} nodes divides by '
        'the zero function'
      )
    _draw(scratch, grammar, vocabulary, max_size, seed, workers)
    for name in found.columns.columns:  # what only the enumeration needed
      if name == 'count_N' or name.startswith('value_'):
        (scratch / 'columns' / f'{name}.npy').unlink()
    (scratch / 'columns' / enumerate_lib.STATE).unlink()
    store.seal(scratch / 'columns', directory, universe_lib.KIND, facts)
    shutil.rmtree(scratch)
  return universe_lib.load(directory, sealed=True)


def _enumerate(
  scratch: pathlib.Path,
  grammar: grammar_lib.Grammar,
  settings: dict[str, Any],
  workers: futures.Executor,
  given: identity.Policy | None,
) -> tuple[identity.Policy, enumerate_lib.Found]:
  """Enumerates, drawing other identity points when they prove unlucky."""
  reason = ''
  for attempt in range(1 if given else _ATTEMPTS):
    policy = given or policies.draw(grammar, settings['seed'], attempt)
    facts = {**settings, 'identity': policy.to_json()}
    # What an interrupted build left is of use if it was the same build.
    path = scratch / _SETTINGS
    wanted = json.dumps(facts, sort_keys=True)
    if not path.exists() or path.read_text() != wanted:
      shutil.rmtree(scratch, ignore_errors=True)
      scratch.mkdir(parents=True)
      path.write_text(wanted)
    bar = progress.Progress(
      f'enumerate {scratch.name[1:].removesuffix("-build")}',
      settings['max_size'],
      'size',
    )
    try:
      return policy, enumerate_lib.enumerate_classes(
        grammar,
        settings['max_size'],
        policy,
        scratch / 'columns',
        workers,
        settings['multiplicities'],
        bar.update,
      )
    except identity.UnluckyPoints as unlucky:
      reason = str(unlucky)
      print(f'identity points are unlucky: {reason}', file=sys.stderr)
  shutil.rmtree(scratch)
  if given:
    raise errors.InputError(
      f'{grammar.name}: the identity points of another universe do not tell '
      'its classes apart: choose another universe.seed'
    )
  raise errors.InputError(
    f'{grammar.name}: none of {_ATTEMPTS} sets of identity points tells its '
    f'classes apart: {reason}'
  )


def _describe(
  scratch: pathlib.Path,
  grammar: grammar_lib.Grammar,
  found: enumerate_lib.Found,
) -> dict[str, int]:
  """Writes size and nonterminal of each node, and the start's nodes.

  Returns:
    Size -> new classes of the start nonterminal.
  """
  level_L = list(found.levels)
  count_L = [level.new[1] - level.new[0] for level in found.levels.values()]
  size_N = np.repeat(np.array([s for s, _ in level_L], np.uint8), count_L)
  nonterminal_N = np.repeat(
    np.array([index for _, index in level_L], np.uint16), count_L
  )
  columns = scratch / 'columns'
  array_files.save(columns / 'size_N.npy', size_N)
  array_files.save(columns / 'nonterminal_N.npy', nonterminal_N)
  start = grammar.nonterminals.index(grammar.start)
  array_files.save(scratch / _NODES, np.flatnonzero(nonterminal_N == start))
  return {
    str(size): count
    for (size, index), count in zip(level_L, count_L, strict=True)
    if index == start and count
  }


def _draw(
  scratch: pathlib.Path,
  grammar: grammar_lib.Grammar,
  vocabulary: tokens.Vocabulary,
  max_size: int,
  seed: int,
  workers: futures.Executor,
) -> None:
  """A representative of each class, drawn uniformly."""
  nodes = scratch / _NODES
  number = len(np.load(nodes, mmap_mode='r'))
  path = scratch / 'columns' / 'representative_CxL.npy'
  np.lib.format.open_memmap(path, 'w+', tokens.DTYPE, (number, max_size))
  token_Q = np.array(
    [vocabulary.index[p.symbol] for p in grammar.productions], tokens.DTYPE
  )
  with contextlib.ExitStack() as stack:
    if number <= _ROWS_AT_ONCE:  # threads start faster than processes
      threads = futures.ThreadPoolExecutor(executors.width(workers))
      workers = stack.enter_context(threads)
    running = [
      workers.submit(
        draws.write_representatives,
        *(scratch / 'columns', path, nodes, token_Q),
        universe_lib.symmetric(grammar),
        seed,
        (low, min(low + _ROWS, number)),
      )
      for low in range(0, number, _ROWS)
    ]
    bar = progress.Progress('draw representatives', number, 'classes')
    for done, future in enumerate(futures.as_completed(running)):
      future.result()
      if number > _ROWS:
        bar.update(min((done + 1) * _ROWS, number))
