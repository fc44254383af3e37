"""Bottom-up enumeration of a grammar up to observational equivalence.

For each size and nonterminal, all applications of a production to classes of
smaller size are formed; those equal to a known class of that nonterminal are
dropped, the rest become new classes. All ways to form a new class at its
minimal size are kept as *alternatives* (production and argument classes): every
minimal program is made of minimal programs, so the alternatives generate
exactly the minimal programs of each class.

A level is cut up: candidates are formed task by task and put into buckets of
leading key bits (`spill`), then grouped bucket by bucket (`equivalence`). Up to
some tens of millions of candidates this is done in memory by threads; beyond,
workers exchange files, so that memory is bounded by a task a worker. The result
does not depend on either, nor on the number of workers. What a level found is
appended to columns (`columns`) and noted in `progress.json`; an interrupted
enumeration resumes at the level, and over the disk at the task, where it was.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent import futures
import dataclasses
import itertools
import json
import pathlib
import shutil

import numpy as np

from synth import errors
from synth import progress
from synth import store
from synth.language import grammar as grammar_lib
from synth.universe import candidates as candidates_lib
from synth.universe import columns as columns_lib
from synth.universe import equivalence
from synth.universe import executors
from synth.universe import identity
from synth.universe import tasks as tasks_lib
from synth.universe import tiles as tiles_lib

_AT_ONCE = 1 << 25  # candidates of a level that is done in memory
_TASK = 1 << 20  # candidates of a task at least
_TASKS = 256  # of a level, about, when it is large
_BUCKET = 1 << 17  # candidates of a bucket in memory, about
_BUCKET_ON_DISK = 1 << 19  # where each costs a read from every task's file
_MAX_BITS = 12
_ENOUGH = 10_000  # classes whose growth says something
_PARTS = 8  # of a level, written at once
# Columns that a part names by its groups.
_FIELDS = {'key_N': 'key_G', 'rest_N': 'rest_G', 'count_N': 'count_G'}
_CHUNK = 1 << 18  # classes whose values are computed at once
_CANDIDATE_BYTES = 24  # of one that goes over the disk
_MAX_WAYS = 2**53  # programs of a level: random numbers have 53 bits
STATE = 'progress.json'

Report = Callable[[int, str], None]


@dataclasses.dataclass(frozen=True)
class Found:
  """What an enumeration found.

  Attributes:
    columns: Its arrays, on disk in the working directory. Of N nodes: `key_N`,
      `rest_N`, `count_N` (minimal programs) and `first_N1`; of M alternatives:
      `production_M`, `arg_MxA`, `upto_M`; of R classes found again at a larger
      size: `again_node_R`, `again_ways_R` (`forest.Forest` says what they
      mean); and a column a value (`candidates.value_name`), which lacks the
      nodes of the largest size.
    levels: (size, index of the nonterminal) -> its ranges of nodes and of
      classes found again, in the order of enumeration.
  """

  columns: columns_lib.Columns
  levels: dict[tuple[int, int], tiles_lib.Level]


def enumerate_classes(
  grammar: grammar_lib.Grammar,
  max_size: int,
  policy: identity.Policy,
  directory: pathlib.Path,
  executor: futures.Executor,
  multiplicities: bool = False,
  report: Report = lambda size, note: None,
) -> Found:
  """All semantic classes with a program of at most `max_size` nodes.

  Args:
    grammar: Any grammar over the operators that the policy knows.
    max_size: Largest size, in nodes.
    policy: How classes are told apart.
    directory: Where to work; what an interrupted call left there is used, so
      it must have been one with the same arguments.
    executor: Who does the work of large levels.
    multiplicities: Whether to count all programs of each class and size, not
      only minimal ones.
    report: Called with (size, note) after each size.

  Raises:
    identity.UnluckyPoints: draw other points and call again, elsewhere.
    InputError: if a number of programs exceeds 53 bits, or the disk is too
      small.
  """
  return _Enumeration(grammar, policy, directory, executor, multiplicities).run(
    max_size, report
  )


@dataclasses.dataclass(frozen=True)
class _Cut:
  """The work on one level, cut up.

  Attributes:
    total: Candidates.
    tasks: Consecutive tiles that are formed together.
    starts: Ordinal of each task's first candidate.
    bits: There are 2**bits buckets.
    plan: All tiles.
    known: Node ranges of the classes known before.
  """

  total: int
  tasks: list[list[tiles_lib.Tile]]
  starts: list[int]
  bits: int
  plan: tiles_lib.Plan
  known: list[tuple[int, int]]


class _Enumeration:
  """The growing state of one enumeration."""

  def __init__(
    self,
    grammar: grammar_lib.Grammar,
    policy: identity.Policy,
    directory: pathlib.Path,
    executor: futures.Executor,
    multiplicities: bool,
  ):
    self._grammar = grammar
    self._executor = executor
    self._multiplicities = multiplicities
    self._bench = candidates_lib.Workbench(
      directory,
      policy,
      rules_of(grammar),
      max(1, *(len(p.args) for p in grammar.productions)),
    )
    self._columns = self._bench.columns
    self._levels: dict[tuple[int, int], tiles_lib.Level] = {}

  def run(self, max_size: int, report: Report) -> Found:
    """Enumerates level by level."""
    self._resume()
    for size in range(1, max_size + 1):
      before = self._columns.length('key_N')
      for index in range(len(self._grammar.nonterminals)):
        if (size, index) not in self._levels:
          self._add_level(size, index, last=size == max_size)
          self._note()
      now = self._columns.length('key_N')
      report(size, f'{now - before:,} new classes, {now:,} in all')
      if now > before:
        self._check_room(size, max_size)
    if self._columns.length('first_N1') == self._columns.length('key_N'):
      total = self._columns.length('production_M')
      self._columns.append('first_N1', np.array([total]))
    return Found(self._columns, self._levels)

  def _resume(self) -> None:
    """Goes back to the last level that was finished."""
    path = self._bench.directory / STATE
    self._columns.create()
    lengths = checksums = dict.fromkeys(self._columns.columns, 0)
    if path.exists():
      try:
        state = json.loads(path.read_text())
        if state.pop('sha256') != store.content_hash(state):
          raise ValueError
        lengths, checksums = state['lengths'], state['checksums']
        self._levels = {
          (size, index): tiles_lib.Level(tuple(new), tuple(again), total)
          for size, index, new, again, total in state['levels']
        }
      except (ValueError, KeyError, TypeError, AttributeError):
        raise errors.InputError(
          f'{path} is damaged: remove {self._bench.directory} and build again'
        ) from None
    have = self._columns.lengths()
    if any(have[name] < length for name, length in lengths.items()):
      raise errors.InputError(
        f'{self._bench.directory} is damaged: it holds less than {path.name} '
        'says; remove it and build again'
      )
    self._columns.truncate(lengths)
    for name, checksum in self._columns.checksums().items():
      if checksum != checksums[name]:
        raise errors.InputError(
          f'{self._bench.directory} is damaged: {name}.npy is not what was '
          'written; remove it and build again'
        )

  def _note(self) -> None:
    """Writes down that a level is finished."""
    state = {
      'lengths': self._columns.lengths(),
      'checksums': self._columns.checksums(),
      'levels': [
        [size, index, level.new, level.again, level.candidates]
        for (size, index), level in self._levels.items()
      ],
    }
    state['sha256'] = store.content_hash(state)
    path = self._bench.directory / STATE
    scratch = path.with_suffix('.tmp')
    scratch.write_text(json.dumps(state))
    scratch.replace(path)

  def _add_level(self, size: int, index: int, last: bool) -> None:
    """Adds the programs of a nonterminal and size."""
    tiles = self._tiles(size, index)
    total = sum(tile.size for tile in tiles)
    known = [
      self._levels[smaller, index].new
      for smaller in range(1, size)
      if (smaller, index) in self._levels
    ]
    nodes = self._columns.length('key_N')
    again = self._columns.length('again_node_R')
    if tiles:
      cut = self._cut(tiles, total, known)
      self._append(
        self._in_memory(cut)
        if total <= _AT_ONCE
        else self._over_disk(cut, f'level-{size}-{index}')
      )
    level = tiles_lib.Level(
      (nodes, self._columns.length('key_N')),
      (again, self._columns.length('again_node_R')),
      total,
    )
    if level.new[1] > np.iinfo(tiles_lib.NODE).max:
      raise errors.InputError(
        f'{self._grammar.name}: {level.new[1]:,} classes are more than a '
        'universe can number; choose a smaller max_size'
      )
    self._levels[size, index] = level
    if not last:
      self._append_values(*level.new)

  def _tiles(self, size: int, index: int) -> list[tiles_lib.Tile]:
    """All tiles of a nonterminal and size, those of minimal programs first."""
    found: list[tiles_lib.Tile] = []
    for rule, production in zip(
      self._bench.rules, self._grammar.productions, strict=True
    ):
      if production.nonterminal != self._grammar.nonterminals[index]:
        continue
      for sizes in grammar_lib.argument_sizes(size, len(rule.args)):
        if rule.symmetric and sizes[0] > sizes[1]:
          continue  # formed with the sizes exchanged
        levels = [
          self._levels[pair] for pair in zip(sizes, rule.args, strict=True)
        ]
        found += tiles_lib.of_production(
          rule, levels, self._multiplicities, len(set(sizes)) == 1
        )
    return sorted(found, key=lambda tile: not tile.minimal)

  def _cut(
    self,
    tiles: list[tiles_lib.Tile],
    total: int,
    known: list[tuple[int, int]],
  ) -> '_Cut':
    """Cuts the work on a level into tasks and buckets."""
    bucket = _BUCKET if total <= _AT_ONCE else _BUCKET_ON_DISK
    bits = min((total // bucket).bit_length(), _MAX_BITS)
    tasks = _tasks(tiles, max(_TASK, total // _TASKS))
    sizes = [sum(tile.size for tile in task) for task in tasks]
    plan = tiles_lib.Plan.of(tiles, self._bench.arity)
    starts = [0, *itertools.accumulate(sizes)][:-1]
    return _Cut(total, tasks, starts, bits, plan, known)

  def _in_memory(self, cut: '_Cut') -> Iterator[equivalence.Part]:
    """A level that fits memory: threads, since numpy lets go of Python."""
    with futures.ThreadPoolExecutor(executors.width(self._executor)) as threads:
      spills = list(
        threads.map(
          lambda task: tasks_lib.form_spill(self._bench, task, cut.bits),
          cut.tasks,
        )
      )

      def group(bucket: int) -> equivalence.Part:
        found = [
          (start, piece.bucket(bucket))
          for start, pieces in zip(cut.starts, spills, strict=True)
          for piece in pieces
        ]
        return tasks_lib.group(
          *(self._bench, cut.plan, cut.known), found, *(cut.bits, bucket)
        )

      yield from threads.map(group, range(2**cut.bits))

  def _over_disk(self, cut: '_Cut', name: str) -> Iterator[equivalence.Part]:
    """A level that does not fit memory: workers exchange files."""
    directory = self._bench.directory / name
    directory.mkdir(exist_ok=True)
    spills = [directory / f'{i}.spill' for i in range(len(cut.tasks))]
    parts = [directory / f'{bucket}.part' for bucket in range(2**cut.bits)]
    bar = progress.Progress(
      f'{name}: {cut.total:,} candidates', len(spills) + len(parts), 'blocks'
    )
    written = self._all(
      (tasks_lib.write_spill, self._bench, task, cut.bits, path)
      for task, path in zip(cut.tasks, spills, strict=True)
    )
    for done, _ in enumerate(written):
      bar.update(done + 1)
    files = list(zip(cut.starts, spills, strict=True))
    shared = (self._bench, cut.plan, cut.known, files, cut.bits)
    grouped = self._all(
      (tasks_lib.write_part, *shared, *part) for part in enumerate(parts)
    )
    for path, (done, _) in zip(parts, enumerate(grouped), strict=True):
      bar.update(len(spills) + done + 1)
      yield equivalence.Part.load(path)
    shutil.rmtree(directory)

  def _all(self, calls: Iterable[tuple]) -> Iterator[None]:
    """Runs the calls; yields as each of them is done, in their order."""
    running = [self._executor.submit(*call) for call in calls]
    try:
      for future in running:
        future.result()
        yield
    finally:
      for future in running:
        future.cancel()

  def _append(self, parts: Iterable[equivalence.Part]) -> None:
    """Appends what the parts of a level hold, in order."""
    ways = 0.0
    parts = iter(parts)
    while group := list(itertools.islice(parts, _PARTS)):
      ways += sum(float(part.count_G.sum()) for part in group)
      offset = self._columns.length('production_M')
      first = []
      for part in group:
        first.append(part.first_G + offset)
        offset += len(part.production_M)
      self._columns.append('first_N1', *first)
      names = [*_FIELDS, 'production_M', 'arg_MxA', 'upto_M']
      if self._multiplicities:
        names += ['again_node_R', 'again_ways_R']
      for name in names:
        field = _FIELDS.get(name, name)
        self._columns.append(name, *(getattr(part, field) for part in group))
    if ways > _MAX_WAYS:
      raise errors.InputError(
        f'{self._grammar.name}: more than 2**53 minimal programs of one size; '
        'choose a smaller max_size'
      )

  def _append_values(self, low: int, high: int) -> None:
    """Values of new classes, each by its first alternative."""
    for start in range(low, high, _CHUNK):
      values = tasks_lib.values_of(
        self._bench, start, min(start + _CHUNK, high)
      )
      self._bench.policy.check(values)
      for k, value in enumerate(values):
        self._columns.append(candidates_lib.value_name(k), value)

  def _check_room(self, size: int, max_size: int) -> None:
    """Refuses early what the disk cannot hold, by the growth seen so far."""
    start = self._grammar.nonterminals.index(self._grammar.start)
    sizes = [
      s
      for (s, i), level in self._levels.items()
      if i == start and level.candidates
    ]
    # In a grammar of binary operators every other size has no program, where
    # all branch as `if(a < b, c, d)` four of five have none.
    period = max(2, int(np.gcd.reduce(np.diff(np.array(sizes, int)))))
    found_Sx2 = np.zeros((size + 1, 2))  # classes and candidates
    for (s, _), level in self._levels.items():
      found_Sx2[s] += level.new[1] - level.new[0], level.candidates
    total_Sx2 = np.cumsum(found_Sx2, axis=0)
    now, _ = total_Sx2[size]
    if size <= period or size == max_size or now < _ENOUGH:
      return
    growth_2 = total_Sx2[size] / total_Sx2[size - period]
    classes, candidates = total_Sx2[size] * growth_2 ** (
      (max_size - size) / period
    )
    stored = sum(
      length * self._columns.columns[name].nbytes
      for name, length in self._columns.lengths().items()
    )
    need = classes * stored / now
    if candidates > _AT_ONCE:  # they are written, and what is stored is twice
      need += candidates * _CANDIDATE_BYTES + need
    free = shutil.disk_usage(self._bench.directory).free
    if need > free:
      raise errors.InputError(
        f'{self._grammar.name}: max_size={max_size} would give about '
        f'{classes:.1e} classes and need {need / 2**30:,.1f} GiB of disk in '
        f'{self._bench.directory.parent}, which has {free / 2**30:,.1f}'
      )


def rules_of(grammar: grammar_lib.Grammar) -> tuple[tiles_lib.Rule, ...]:
  """The productions of a grammar in numbers."""
  index = {name: i for i, name in enumerate(grammar.nonterminals)}
  return tuple(
    tiles_lib.Rule(
      number,
      production.symbol,
      tuple(index[arg] for arg in production.args),
      production.symmetric,
    )
    for number, production in enumerate(grammar.productions)
  )


def _tasks(
  tiles: Iterable[tiles_lib.Tile], least: int
) -> list[list[tiles_lib.Tile]]:
  """Consecutive tiles of one kind, `least` candidates together if possible."""
  found = []
  for _, kind in itertools.groupby(tiles, key=lambda tile: tile.minimal):
    task: list[tiles_lib.Tile] = []
    size = 0
    for tile in kind:
      task.append(tile)
      size += tile.size
      if size >= least:
        found.append(task)
        task, size = [], 0
    if task:
      found.append(task)
  return found
