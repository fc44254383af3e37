"""Searches with the models of an evaluated run, beside searches without one.

  python -m synth.search --workdir=DIR [--bank_sizes=1,3,5 --subgoals=1x1,3x1]

reads DIR/samples.npz and writes DIR/search.json: of each set of tasks, bank and
source of sketches the share of tasks solved (and solved with a held-out edge),
look-ups, and of each task the look-up and the sample that solved it. Sources:

    own                  the samples the model wrote for the task
    others               those it wrote for another task of the same size
    grammar              as many draws of a grammar fitted to the training arm
    training             as many training programs, nearest in outputs
    meet_in_the_middle   none: an operator between two functions of the bank

By subgoals (`--subgoals=BANKxDEPTH,...`) the outermost operators of a task are
given, with known arguments of at most BANK nodes, DEPTH of them one in another,
and the models write programs for what is left: one, greedily, for each subgoal.
Beside it each subgoal is looked up among the functions of training.

Answers have at most as many nodes as the universe's programs, so that search
may write nothing that a model may not. A look-up counts once for each sketch
with its hole; what must stand there is exact on the specification grid, and
every answer is judged as samples are.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import pathlib
import sys
import time
from typing import Any

from absl import flags
import jax
import ml_collections
import numpy as np

from synth import cli
from synth import errors
from synth import inputs as inputs_lib
from synth import packing
from synth import runs
from synth.baselines import nearest_neighbour
from synth.baselines import pcfg
from synth.evaluation import verify
from synth.inversion import answers
from synth.inversion import bank as bank_lib
from synth.inversion import completion
from synth.inversion import one_level
from synth.search import by_subgoals as by_subgoals_lib
from synth.search import results
from synth.search import sketches
from synth.search import writer as writer_lib
from synth.universe import field

BANK_SIZES = (1, 3, 5)
SUBGOALS = ((1, 1), (3, 1), (1, 2))  # nodes of known arguments, depth
_HEAD = ('arm', 'seeds', 'step', 'config', 'inputs_sha256', 'versions')


@dataclasses.dataclass(frozen=True)
class _Tasks:
  """A set of I tasks.

  Attributes:
    node_I: Their nodes.
    target_IxL: A program of each, to judge answers by.
    sketches: Source -> n sketches for each model and task, tok_SxIxnxL; S is 1
      for sources that do not depend on the model.
  """

  node_I: np.ndarray
  target_IxL: np.ndarray
  sketches: Mapping[str, np.ndarray]


class _Search:
  """What all searches of a run share.

  Raises:
    InputError: if the grammar has operators without an inverse, or the grid
      does not tell functions apart.
  """

  def __init__(
    self, config: ml_collections.ConfigDict, inputs: inputs_lib.Inputs
  ):
    universe = self._universe = inputs.universe
    if not isinstance(universe.policy, field.Field):
      raise errors.InputError(
        f'{universe.grammar.name} has operators that cannot be inverted: '
        'search is for grammars of + - * /, neg and inv'
      )
    try:
      self._policy, self._values = bank_lib.on_grid(
        universe, inputs.context.grid
      )
    except bank_lib.NoPoints as reason:
      raise errors.InputError(f'{universe.grammar.name}: {reason}') from None
    self.verifier = verify.Verifier.of(config, universe)
    self._has = inputs.holdout.has if inputs.holdout is not None else None
    arm = config.data.arm
    self._retriever = nearest_neighbour.Retriever(inputs, arm)
    self._sampler = pcfg.fit(inputs, arm)

  def bank(self, size: int) -> bank_lib.Bank:
    """All functions of at most so many nodes."""
    return bank_lib.Bank(self._universe, self._policy, self._values, size)

  def tasks(self, name: str, arrays: Mapping[str, np.ndarray]) -> _Tasks:
    """A set of tasks with its sketches."""
    class_I = arrays[f'{name}_class']
    longest = self._universe.max_size
    own_SxIxnxL = sketches.of_samples(
      arrays[f'{name}_tok'], arrays[f'{name}_outcome']
    )[..., :longest]
    _, items, number, _ = own_SxIxnxL.shape
    other_I = sketches.others(self._universe.size_C[class_I], name)
    grammar_IxnxL = sketches.of_grammar(
      self._sampler, self._universe.vocabulary, name, (items, number, longest)
    )
    return _Tasks(
      self._universe.node_C[class_I],
      arrays[f'{name}_target'],
      {
        results.OWN: own_SxIxnxL,
        results.OTHERS: sketches.of_others(own_SxIxnxL, other_I),
        results.GRAMMAR: grammar_IxnxL[None],
        results.TRAINING: self._retriever.nearest(class_I, number)[None],
      },
    )

  def complete(
    self, bank: bank_lib.Bank, tasks: _Tasks, source: str
  ) -> dict[str, Any]:
    """What completions of one source's sketches solve, for search.json.

    Each model's tasks are tasks of their own here: J = S * I in all.
    """
    start = time.monotonic()
    tok_SxIxnxL = tasks.sketches[source]
    models, items, number, length = tok_SxIxnxL.shape
    tok_PxL = tok_SxIxnxL.reshape(-1, length)
    hits = completion.complete(
      bank,
      tok_PxL,
      np.repeat(np.arange(models * items), number),
      np.tile(tasks.node_I, models),
      self._universe.max_size,
    )

    def programs(rows: np.ndarray) -> np.ndarray:
      found_PxL = completion.programs(bank, tok_PxL, hits, rows)
      return found_PxL[:, : self._universe.max_size]

    row_J = self._first(hits.task_H, programs, tasks, models)
    sample_J = _at(hits.sketch_H % number + 1, row_J)
    return {
      **self._told(row_J, hits.lookup_H, programs, models),
      'lookups': float(hits.lookups_I.mean()),
      'sample_SxI': packing.pack(sample_J.reshape(models, -1), '<u2'),
      'seconds': round(time.monotonic() - start, 2),
    }

  def meet(self, bank: bank_lib.Bank, tasks: _Tasks) -> dict[str, Any]:
    """What an operator between two functions of the bank solves, likewise."""
    start = time.monotonic()
    search = one_level.OneLevel(bank)
    hits = search.find(tasks.node_I)
    size_N = np.append(self._universe.forest.size_N, 0)  # of no node
    size_H = (hits.rule_H >= 0) + size_N[hits.node_Hx2].sum(axis=1)
    (kept,) = np.nonzero(size_H <= self._universe.max_size)

    def programs(rows: np.ndarray) -> np.ndarray:
      found_PxL = search.programs(hits, kept[rows])
      return found_PxL[:, : self._universe.max_size]

    row_I = self._first(hits.task_H[kept], programs, tasks, 1)
    return {
      **self._told(row_I, hits.lookup_H[kept], programs, 1),
      'lookups': search.lookups,
      'seconds': round(time.monotonic() - start, 2),
    }

  def _first(
    self,
    task_H: np.ndarray,
    programs: Callable[[np.ndarray], np.ndarray],
    tasks: _Tasks,
    models: int,
  ) -> np.ndarray:
    """The first right hit of each task of each model, -1 if none: row_J.

    Args:
      task_H: The task of each hit, 0..J-1, in the order in which they are
        tried.
      programs: Rows of hits -> their programs.
      tasks: The set.
      models: S; J = S * I.
    """
    target_JxL = np.tile(tasks.target_IxL, (models, 1))

    def correct(tok_JxL: np.ndarray) -> np.ndarray:
      found_Jx1 = self.verifier.outcomes(tok_JxL[:, None], target_JxL)
      return found_Jx1[:, 0] == verify.Outcome.CORRECT

    row_J, _ = answers.first_right(task_H, len(target_JxL), programs, correct)
    return row_J

  def _told(
    self,
    row_J: np.ndarray,
    lookup_H: np.ndarray,
    programs: Callable[[np.ndarray], np.ndarray],
    models: int,
  ) -> dict[str, Any]:
    """The share of tasks solved and the look-up that did, for search.json."""
    solved_J = row_J >= 0
    told: dict[str, Any] = {'solved': float(solved_J.mean())}
    if self._has is not None:
      with_J = np.zeros(len(row_J), bool)
      with_J[solved_J] = self._has(programs(row_J[solved_J]))
      told['solved_with_structure'] = float(with_J.mean())
    lookup_SxI = _at(lookup_H, row_J).reshape(models, -1)
    return {**told, 'lookup_SxI': packing.pack(lookup_SxI, '<u4')}


def _at(value_H: np.ndarray, row_J: np.ndarray) -> np.ndarray:
  """The value of each task's hit; 0 for a task without one (row -1)."""
  return np.append(value_H, 0)[row_J]


def run(
  workdir: pathlib.Path,
  bank_sizes: Sequence[int] = BANK_SIZES,
  divisions: Sequence[tuple[int, int]] = SUBGOALS,
) -> dict[str, Any]:
  """Searches for the tasks of an evaluated run.

  Args:
    workdir: The run; gets search.json.
    bank_sizes: Nodes of the largest programs of each bank.
    divisions: Nodes of the largest known arguments and depth of subgoals.

  Returns:
    What is written.

  Raises:
    InputError: if the run is not evaluated by samples, or its grammar has
      operators without an inverse.
  """
  if not bank_sizes:
    raise errors.InputError('bank_sizes is empty: nothing to search with')
  result = runs.read_result(workdir)
  runs.check_final(workdir, result)
  config = ml_collections.ConfigDict(result['config'])
  if result['measure'] != 'pass':
    raise errors.InputError(
      f'{workdir} is evaluated by eval.method={config.eval.method!r}: search '
      'is compared with independent samples'
    )
  _check_sizes(bank_sizes, divisions, config.universe.max_size)
  inputs = inputs_lib.of_run(workdir, config)
  arrays = runs.read_written(workdir, runs.SAMPLES, result)
  search = _Search(config, inputs)
  banks = {size: search.bank(size) for size in dict.fromkeys(bank_sizes)}
  divisions = tuple(dict.fromkeys(divisions))
  found: dict[str, Any] = {}
  divided: dict[str, Any] = {}
  by_subgoals = None
  if divisions:
    writer = writer_lib.Writer(workdir, config, inputs, result['step'])
    by_subgoals = by_subgoals_lib.BySubgoals(
      inputs, config.data.arm, search.verifier, writer
    )
  for name in result['items']:
    tasks = search.tasks(name, arrays)
    found[name] = {}
    for size, bank in banks.items():
      told = {
        source: search.complete(bank, tasks, source)
        for source in tasks.sketches
      }
      told[results.MEET_IN_THE_MIDDLE] = search.meet(bank, tasks)
      found[name][str(size)] = told
      print(
        f'search: {name}, bank of {len(bank):,} functions: '
        + ', '.join(f'{who} {one["solved"]:.1%}' for who, one in told.items()),
        file=sys.stderr,
        flush=True,
      )
    if by_subgoals is None:
      continue
    divided[name] = {
      f'{size}x{depth}': by_subgoals.solve(
        name,
        search.bank(size),
        depth,
        arrays[f'{name}_class'],
        arrays[f'{name}_target'],
      )
      for size, depth in divisions
    }
  written = {
    **{key: result[key] for key in _HEAD},
    'device': jax.devices()[0].device_kind,
    'samples': config.eval.num_samples,
    'bank_functions': {str(size): len(bank) for size, bank in banks.items()},
    'tests': found,
    'subgoals': divided,
  }
  runs.write_sealed(workdir / runs.SEARCH, written)
  return written


def _check_sizes(
  bank_sizes: Sequence[int],
  divisions: Sequence[tuple[int, int]],
  largest: int,
) -> None:
  """Refuses banks that there are not."""
  given = [(f'bank_sizes={size}', size) for size in bank_sizes]
  given += [(f'subgoals={size}x{depth}', size) for size, depth in divisions]
  for flag, size in given:
    if not 1 <= size <= largest:
      raise errors.InputError(
        f'{flag}: a bank of functions of at most {size} nodes, but the '
        f"programs of the run's universe have 1 to {largest}"
      )
  for size, depth in divisions:
    if depth < 1:
      raise errors.InputError(
        f'subgoals={size}x{depth}: at least one operator is given'
      )


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('workdir', None, 'An evaluated run.', required=True)
  flags.DEFINE_list(
    'bank_sizes',
    [str(size) for size in BANK_SIZES],
    'Nodes of the largest programs of each bank.',
  )
  flags.DEFINE_list(
    'subgoals',
    [f'{size}x{depth}' for size, depth in SUBGOALS],
    'Nodes of known arguments, and how many operators are given; none: no '
    'search by subgoals.',
  )


def main() -> dict[str, Any]:
  """Searches; the last line has the share of tasks solved."""
  args = flags.FLAGS
  try:
    bank_sizes = [int(size) for size in args.bank_sizes]
  except ValueError:
    raise errors.InputError(
      f'--bank_sizes={",".join(args.bank_sizes)} is not a list of numbers'
    ) from None
  try:
    divisions = [
      (int(size), int(depth))
      for size, depth in (text.split('x') for text in args.subgoals)
    ]
  except ValueError:
    raise errors.InputError(
      f'--subgoals={",".join(args.subgoals)} is not a list like 1x1,3x1'
    ) from None
  found = run(pathlib.Path(args.workdir), bank_sizes, divisions)
  return {
    name: {
      **{
        size: {who: one['solved'] for who, one in told.items()}
        for size, told in banks.items()
      },
      **{
        division: {who: told[who]['solved'] for who in results.BY_SUBGOALS}
        for division, told in found['subgoals'].get(name, {}).items()
      },
    }
    for name, banks in found['tests'].items()
  }


if __name__ == '__main__':
  define_flags()
  cli.run(main)
