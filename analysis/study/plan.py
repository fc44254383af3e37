"""What of a tier's declared runs is there: lacking, cut short, diverged.

The runs are declared by `configs/study.py`. A contrast that lacks one is drawn
as incomplete and not tested (docs/preregistration.md, Exclusions).
"""

from collections.abc import Mapping
from collections.abc import Sequence
import math
from typing import Any
from typing import NamedTuple

from configs import study as study_config
from synth import records
from synth import store
from synth.splits import kinds
from synth.splits import split as split_lib

_NAMED = 3  # lacking runs in one line; tables name all
# Settings by which devices share the work, not what a run is.
_FREE = ('mesh',)


class Declared(NamedTuple):
  """A run that the plan wants.

  Attributes:
    contrast: What it is for.
    name: Within the contrast.
    split: Seed of its split.
    tests: Its test sets, dev among them.
    items: Tasks of a test set.
    facts: Facts that its record must have: arm, seeds, step, samples.
    config: Its settings, all of them.
  """

  contrast: str
  name: str
  split: int
  tests: tuple[str, ...]
  items: int
  facts: Mapping[str, Any]
  config: Mapping[str, Any]


class State(NamedTuple):
  """What of a contrast is there.

  Attributes:
    declared: Runs that the plan wants.
    finished: Those with a whole record.
    lacking: What lacks: runs by name, with the reason if there is a record.
    left_out: Runs with a record that nothing is made of, with the reason.
    diverged: (run, seed, step) of models that diverged.
    models: How many models the records are of.
  """

  declared: int
  finished: int
  lacking: tuple[str, ...]
  left_out: tuple[str, ...]
  diverged: tuple[tuple[str, int, int], ...]
  models: int

  def __str__(self) -> str:
    text = f'{self.finished} of {self.declared} runs'
    if self.lacking:
      names = [run.partition(' ')[0] for run in self.lacking[:_NAMED]]
      text += f'; lacking: {", ".join(names)}'
    if len(self.lacking) > _NAMED:
      text += f' and {len(self.lacking) - _NAMED} more'
    return text


def of(tier: str) -> list[Declared]:
  """The runs of a tier.

  Raises:
    InputError: if there is no such tier.
  """
  found = []
  for run in study_config.get_config(tier).runs:
    config = run.plain
    training, split = config['train'], config['split']
    facts = {
      'arm': config['data']['arm'],
      'seeds': [training['seed'] + s for s in range(training['num_seeds'])],
      'step': config['opt']['num_steps'],
      'samples': config['eval']['num_samples'],
    }
    found.append(
      Declared(
        run.contrast,
        run.name,
        split['seed'],
        (*kinds.TESTS[split['kind']], split_lib.DEV),
        min(split['num_test'], config['eval']['num_tasks'] or math.inf),
        facts,
        config,
      )
    )
  return found


def compare(
  declared: Sequence[Declared], found: Sequence[records.Record]
) -> tuple[State, list[records.Record]]:
  """What of one contrast is there, and the records to make something of.

  Undeclared records are left out. Where some splits have all their runs, so
  are those of the other splits: an arm without its partner says nothing.
  """
  run_of = {run.name: run for run in declared}
  lacking, left_out, kept = [], [], []
  there = {record.facts['run']: record for record in found}
  for name, record in there.items():
    if name in run_of:
      kept.append(record)
    else:
      left_out.append(f'{name} (not declared)')
  absent = [run for run in declared if run.name not in there]
  part = {run.split for run in absent}
  if part < {run.split for run in declared}:
    alone = [r for r in kept if run_of[r.facts['run']].split in part]
    left_out += [f'{r.facts["run"]} (its split is not whole)' for r in alone]
    kept = [r for r in kept if r not in alone]
  for run in declared:
    short = _short(run, there[run.name]) if run.name in there else ''
    if run.name not in there or short:
      lacking.append(f'{run.name}{short}')
  state = State(
    len(declared),
    len(declared) - len(lacking),
    tuple(lacking),
    tuple(left_out),
    tuple(
      (record.facts['run'], int(seed), int(step))
      for record in found
      for seed, step in record.facts['diverged'].items()
    ),
    sum(len(record.facts['seeds']) for record in found),
  )
  return state, kept


def _short(run: Declared, record: records.Record) -> str:
  """In what a record falls short of its run, in brackets; else empty."""
  reasons = []
  for key, wanted in run.facts.items():
    value = record.facts[key]
    if value == wanted:
      continue
    if key == 'seeds' and set(value) < set(wanted):
      reasons.append(f'{len(value)} of {len(wanted)} seeds')
    else:
      reasons.append(f'{key} {value}, not {wanted}')
  if not reasons:  # else its config only says the same again
    reasons = _other_settings(run, record)
  for test in run.tests:
    if test not in record.tests:
      reasons.append(f'no test {test}')
    elif test != split_lib.DEV:
      items = len(record.tests[test].class_I)
      if items != run.items:
        reasons.append(f'{items} of {run.items} tasks of {test}')
  return f' ({"; ".join(reasons)})' if reasons else ''


def _other_settings(run: Declared, record: records.Record) -> list[str]:
  """Settings of a record that are not the run's.

  A key that only one of both has is of another version, which had its default,
  and passes.
  """
  there = store.flat(record.facts['config'])
  return [
    f'{key} {there[key]}, not {value}'
    for key, value in store.flat(run.config).items()
    if key.partition('.')[0] not in _FREE
    and key in there
    and there[key] != value
  ]
