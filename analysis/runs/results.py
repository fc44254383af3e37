"""The finished runs under a directory, and their effects with intervals."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import pathlib
import sys
from typing import Any

import numpy as np

from synth import errors
from synth import runs
from synth import seeding
from synth.evaluation import summary
from synth.evaluation import verify
from synth.splits import support
from synth.statistics import design
from synth.statistics import interval

# Of every result, with a value for each test set.
_OF_TESTS = (
  'outcomes',
  'baselines',
  'task_sizes',
  'best_of_task',
  'errors',
  'copies',
  'strata',
)


@dataclasses.dataclass(frozen=True)
class Run:
  """One evaluated run.

  Attributes:
    path: Its directory.
    result: result.json.
    samples: Arrays of samples.npz.
    metrics: Lines of metrics.jsonl.
    data_dir: Where its universe, spaces and split are.
    label: Its arm, and its directory's name where two runs have one arm.
  """

  path: pathlib.Path
  result: Mapping[str, Any]
  samples: Mapping[str, np.ndarray]
  metrics: list[dict[str, Any]]
  data_dir: pathlib.Path
  label: str

  @property
  def samples_a_task(self) -> int:
    """Programs written for each task."""
    number: int = self.result['config']['eval']['num_samples']
    return number

  @property
  def arm(self) -> str:
    """The training arm."""
    return self.result['arm']

  @property
  def measure(self) -> str:
    """`pass` or `coverage`: what success at k is."""
    measure: str = self.result['measure']
    return measure

  def solved_at_k(self, name: str, k: int) -> np.ndarray:
    """Success of every seed and item of a test set: value_SxI."""
    outcome_SxIxn = self.samples[f'{name}_outcome']
    return summary.solved_at_k(outcome_SxIxn, k, self.measure)

  def cluster(self, name: str) -> np.ndarray:
    """Labels of the tasks of a test set that are resampled together."""
    return self.samples[f'{name}_cluster']


def load(*directories: pathlib.Path) -> list[Run]:
  """All evaluated runs below some directories; says which are not evaluated.

  Raises:
    InputError: if there is none, one of them lacks a file, or two of them have
      different tests or were not made on the same split.
  """
  found: list[Run] = []
  records = {p for d in directories for p in d.rglob(runs.RECORD)}
  for parent in sorted(path.parent for path in records):
    path = parent / runs.RESULT
    if not path.exists():
      print(f'warning: {parent} is not evaluated: left out', file=sys.stderr)
      continue
    record, result = runs.read_record(parent), runs.read_result(parent)
    found.append(
      Run(
        parent,
        result,
        runs.read_written(parent, runs.SAMPLES, result),
        runs.read_metrics(parent),
        (parent / record['data_dir']).resolve(),
        '',
      )
    )
  if not found:
    places = ', '.join(map(str, directories))
    raise errors.InputError(f'no {runs.RESULT} below {places}')
  for run in found:
    path = run.path / runs.RESULT
    written = {f'{name}_cluster' for name in run.result['items']}
    if not (
      {'measure', 'best_of_task', 'task_sizes', 'inputs_sha256'}
      <= run.result.keys()
      and written <= run.samples.keys()
    ):
      raise runs.RunError(f'{path} is of an older version: evaluate again')
    try:
      _check_parts(run.result)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
      raise runs.RunError(
        f'{path} is damaged: {error!r}: evaluate again'
      ) from None
    if run.result['items'].keys() != found[0].result['items'].keys():
      raise errors.InputError(
        f'{run.path} and {found[0].path} have different test sets: report on '
        'them one by one'
      )
    _check_data(run, found[0])
    _check_tasks(run, found[0])
    if run.measure != found[0].measure:
      raise errors.InputError(
        f'{run.path} measures {run.measure}@k and {found[0].path} '
        f'{found[0].measure}@k: report on them one by one'
      )
  arms = [run.arm for run in found]
  found = [
    dataclasses.replace(
      run,
      label=run.arm
      if arms.count(run.arm) == 1
      else f'{run.arm} ({run.path.name})',
    )
    for run in found
  ]
  # The arm without the structure first, then by path.
  return sorted(found, key=lambda run: (run.arm != support.WITHOUT, run.path))


def _check_parts(result: Mapping[str, Any]) -> None:
  """Raises something if a part of every result lacks what the page shows."""
  hash(result['arm'])
  result['inputs_sha256'].keys()
  samples = result['config']['eval']['num_samples']
  of_k = [f'{result["measure"]}@{k}' for k in summary.HEADLINE if k <= samples]
  for key in (*_OF_TESTS, *of_k):
    if result[key].keys() != result['items'].keys():
      raise ValueError(f'{key} of {", ".join(result[key])}')
  for key in of_k:
    for name, interval_3 in result[key].items():
      if len(list(map(float, interval_3))) != 3:
        raise ValueError(f'{key} of {name}')
  for name, items in result['items'].items():
    outcomes, beside = result['outcomes'][name], result['baselines'][name]
    numbers = [items, beside['nearest_neighbour'], beside['best_constant']]
    numbers += [outcomes[outcome.name.lower()] for outcome in verify.Outcome]
    for size, told in result['task_sizes'][name].items():
      numbers += [int(size), told['items'], told['solved@1']]
    for number in numbers:
      float(number)
    for told in result['strata'][name].values():
      told.keys()
    for key in ('best_of_task', 'errors'):
      for share_S in result[key][name].values():
        _check_shares(share_S)
    _check_shares(result['copies'][name])


def _check_shares(share_S: Sequence[float | None]) -> None:
  """Raises something unless these are shares, of some seeds none."""
  if not share_S:
    raise ValueError('no shares')
  for share in share_S:
    if share is not None:
      float(share)


def _check_data(run: Run, other: Run) -> None:
  """Refuses two runs on different data: a page shows one split.

  The arms of a split are all in its manifest, so runs of them have one hash.
  """
  here, there = (r.result['inputs_sha256'] for r in (run, other))
  differ = [name for name in here | there if here.get(name) != there.get(name)]
  if differ:
    raise errors.InputError(
      f'{run.path} and {other.path} were not made on the same data (another '
      f'{" and another ".join(differ)}): report on them one by one'
    )


def _check_tasks(run: Run, other: Run) -> None:
  """Refuses two runs that were asked for other tasks: they are compared."""
  for name in run.result['items']:
    here, there = (r.samples[f'{name}_class'] for r in (run, other))
    if not np.array_equal(here, there):
      raise errors.InputError(
        f'{run.path} was evaluated on {len(here)} tasks of {name!r} and '
        f'{other.path} on {len(there)}, not all the same: evaluate both alike '
        '(--tasks), or report on them one by one'
      )


@dataclasses.dataclass(frozen=True)
class Effect:
  """A contrast of the two support arms, in shares of tasks solved."""

  name: str
  k: int
  estimate: float
  low: float
  high: float


def support_effects(found: list[Run], k: int) -> list[Effect]:
  """What never seeing the structure costs: novel, control, and their gap.

  Empty unless there is exactly one run of each support arm. Differences are
  paired by item and by the position of the seed.
  """
  arms = {run.arm: run for run in found}
  if len(found) != 2 or set(arms) != {support.WITHOUT, support.WITH}:
    return []
  without, with_ = arms[support.WITHOUT], arms[support.WITH]
  novel, control = (
    design.Term(
      with_.solved_at_k(name, k) - without.solved_at_k(name, k),
      cluster_I=without.cluster(name),
    )
    for name in (support.NOVEL, support.CONTROL)
  )
  terms = {
    'novel': [novel],
    'control': [control],
    'gap': [novel, dataclasses.replace(control, weight=-1.0)],
  }
  return [
    Effect(
      name,
      k,
      *interval.crossed([parts], seeding.generator(0, 'effect', name, k)),
    )
    for name, parts in terms.items()
  ]


def headline(found: Sequence[Run]) -> tuple[int, ...]:
  """The k of pass@k (or coverage@k) that all runs have."""
  samples = min(run.samples_a_task for run in found)
  return tuple(k for k in summary.HEADLINE if k <= samples)


def table(found: list[Run]) -> str:
  """The results as a table for the terminal: tests, baselines, effects."""
  ks = headline(found)
  measure = found[0].measure
  columns = ''.join(f'{f"{measure}@{k}":>24}' for k in ks)
  lines = [f'{"":18} {"tests":10}{columns}']
  for run in found:
    for name in run.result['items']:
      cells = ''.join(
        _cell(run.result[f'{measure}@{k}'][name], '%') for k in ks
      )
      lines.append(f'{run.label:18} {name:10}{cells}')
  for name, values in found[0].result['baselines'].items():
    for label in ('nearest_neighbour', 'best_constant'):
      text = label.replace('_', ' ')
      lines.append(f'{text:18} {name:10}{100 * values[label]:8.1f}%')
  for effect in (e for k in ks for e in support_effects(found, k)):
    what = {
      'novel': f'{support.WITH} - {support.WITHOUT} on novel',
      'control': f'{support.WITH} - {support.WITHOUT} on control',
      'gap': 'gap: the first less the second',
    }[effect.name]
    cell = _cell((effect.estimate, effect.low, effect.high), ' points')
    lines.append(f'{measure}@{effect.k:<3} {what:29}{cell}')
  lines.append('in brackets: 95 % intervals over seeds and tasks')
  return '\n'.join(lines)


def _cell(interval: Sequence[float], unit: str) -> str:
  mean, low, high = (100 * value for value in interval)
  return f'{mean:8.1f}{unit} [{low:5.1f}, {high:5.1f}]'
