"""The records of one tier of the study, as grids of cells."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import pathlib

import numpy as np

from analysis.study import cells as cells_lib
from analysis.study import plan
from synth import errors
from synth import records
from synth import runs
from synth import store
from synth.splits import distances
from synth.splits import holdout
from synth.splits import support

# Of the facts of tasks: what `record_tasks.Tasks` calls them.
_FACTS = {
  'size': 'size_I',
  'minimal programs': 'minimal_I',
  'programs': 'programs_I',
  'probability': 'derivation_I',
  'free size': 'free_size_I',
}
SYNTACTIC, SEMANTIC = 'syntactic distance', 'semantic distance'
FORCED, AVOIDABLE = 'novel, forced', 'novel, avoidable'


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
  """All records below a directory.

  Attributes:
    directory: Where they are.
    tier: That they are of.
    contrasts: Contrast -> its records, without those that `states` leaves out.
    declared: The runs that there should be.
    states: Contrast -> what of its declared runs is there.
  """

  directory: pathlib.Path
  tier: str
  contrasts: Mapping[str, Sequence[records.Record]]
  declared: Sequence[plan.Declared]
  states: Mapping[str, plan.State]

  def require(self, contrast: str) -> None:
    """Lets a contrast be judged only if it is whole.

    Raises:
      NotMeasured: if there are no records or a declared run lacks.
    """
    self.of(contrast)
    state = self.states.get(contrast)
    if state and state.lacking:
      raise cells_lib.NotMeasured(f'{contrast} is incomplete: {state}')

  def of(self, contrast: str) -> Sequence[records.Record]:
    """The records of a contrast.

    Raises:
      NotMeasured: if there is none.
    """
    if not self.contrasts.get(contrast):
      raise cells_lib.NotMeasured(f'no records of {contrast}')
    return self.contrasts[contrast]

  def grid(
    self,
    contrast: str,
    chosen: Callable[[records.Record], bool] = lambda record: True,
  ) -> cells_lib.Grid:
    """The cells of a contrast, or of some of its records.

    Raises:
      NotMeasured: if there are no such records.
      InputError: if two records are of one arm and split, or their universes
        differ: then their tasks cannot be told apart.
    """
    found = [record for record in self.of(contrast) if chosen(record)]
    if not found:
      raise cells_lib.NotMeasured(f'no records of {contrast}')
    return _grid(found)

  def together(self, *contrasts: str) -> cells_lib.Grid:
    """The cells of several contrasts: of the seeds that all their arms have.

    Raises:
      NotMeasured: if there are no records, or no seed is everywhere.
      InputError: as `grid`.
    """
    grid = _grid(
      [r for name in contrasts for r in self.contrasts.get(name, ())]
    )
    common: dict[int, set[int]] = {}
    for cell in grid:
      there = common.setdefault(cell.split, set(cell.seeds))
      there &= set(cell.seeds)
    if not common or not all(common.values()):
      raise cells_lib.NotMeasured(f'no seed of all of {", ".join(contrasts)}')
    return cells_lib.Grid(
      cell.without(set(cell.seeds) - common[cell.split]) for cell in grid
    )


def _grid(found: Sequence[records.Record]) -> cells_lib.Grid:
  """The cells of records."""
  seen: dict[tuple[int, str], records.Record] = {}
  for record in found:
    place = split_seed(record), record.facts['arm']
    if place in seen:
      raise errors.InputError(
        f'{record.path} and {seen[place].path} are both of {place[1]}, '
        f'split {place[0]}'
      )
    seen[place] = record
    _same_universe(record, found[0])
  diverged = lost_seeds(found)
  return cells_lib.Grid(
    cell.without(diverged[cell.split])
    for record in found
    for cell in cells(record)
  )


def lost_seeds(found: Sequence[records.Record]) -> dict[int, set[int]]:
  """Seeds of each split that diverged in some arm: left out of all arms.

  Raises:
    TooManyDiverged: if they are more than a quarter of an arm's.
  """
  result: dict[int, set[int]] = {}
  for record in found:
    seeds = {int(seed) for seed in record.facts['diverged']}
    if len(seeds) > len(record.facts['seeds']) / 4:
      raise cells_lib.TooManyDiverged(
        f'{len(seeds)} of {len(record.facts["seeds"])} models of '
        f'{record.facts["run"]} diverged'
      )
    result.setdefault(split_seed(record), set()).update(seeds)
  return result


def load(
  directory: pathlib.Path,
  declared: Callable[[str], Sequence[plan.Declared]] = plan.of,
) -> Study:
  """Opens all records below a directory.

  Args:
    directory: Of one tier's records.
    declared: Tier -> the runs that it should have; none: any are whole.

  Raises:
    InputError: if there is none, one is damaged, two are of one run, or they
      are of several tiers.
  """
  found = records.load(directory)
  tiers = sorted({record.facts['tier'] for record in found})
  if len(tiers) > 1:
    raise errors.InputError(
      f'{directory} has records of tiers {", ".join(tiers)}: report on them '
      'one by one'
    )
  _once(found)
  wanted = declared(tiers[0])
  names = [run.contrast for run in wanted]
  names += [record.facts['contrast'] for record in found]
  contrasts, states = {}, {}
  for name in dict.fromkeys(names):
    there = [record for record in found if record.facts['contrast'] == name]
    if wanted:
      runs_of = [run for run in wanted if run.contrast == name]
      states[name], there = plan.compare(runs_of, there)
    if there:
      contrasts[name] = there
  return Study(directory, tiers[0], contrasts, wanted, states)


def _once(found: Sequence[records.Record]) -> None:
  """Refuses two records of one run: which of them counts, nobody said."""
  seen: dict[tuple[str, str], records.Record] = {}
  for record in found:
    place = record.facts['contrast'], record.facts['run']
    if place in seen:
      raise errors.InputError(
        f'{seen[place].path} and {record.path} are both of the run '
        f'{place[1]} of {place[0]}: keep one'
      )
    seen[place] = record


def is_study(directory: pathlib.Path) -> bool:
  """Whether a directory holds records, not runs' directories or their data."""
  there = next(directory.rglob('*.json'), None)
  return there is not None and not any(
    path
    for name in (runs.RECORD, store.MANIFEST)
    for path in directory.rglob(name)
  )


def split_seed(record: records.Record) -> int:
  """The seed of a record's split."""
  seed: int = record.facts['config']['split']['seed']
  return seed


def cells(record: records.Record) -> list[cells_lib.Cell]:
  """A record's cells: its test sets, and the two parts of `novel`.

  `FORCED` are the novel tasks that no program that a model may write computes
  without the held-out structure, `AVOIDABLE` the others.
  """
  found = []
  for name, tasks in record.tests.items():
    facts = {
      label: getattr(tasks, attribute)
      for label, attribute in _FACTS.items()
      if getattr(tasks, attribute) is not None
    }
    facts |= dict(
      zip((SYNTACTIC, SEMANTIC), tasks.distance_2xI.astype(float), strict=True)
    )
    if tasks.stratum_2xI is not None:
      facts |= {
        stratum(space): stratum_I
        for space, stratum_I in zip(
          distances.ROWS, tasks.stratum_2xI, strict=True
        )
      }
    by_seed = (
      tasks.with_edge_SxI,
      tasks.fits_only_SxI,
      tasks.copied_SxI,
      tasks.wrong_minimal_SxI,
      tasks.answer_SxI,
      tasks.answer_right_SxI,
    )
    for label, fact_SxI in zip(cells_lib.BY_SEED, by_seed, strict=True):
      if fact_SxI is not None:
        facts[label] = fact_SxI.T  # tasks first, as in all facts
    cell = cells_lib.Cell(
      split_seed(record),
      record.facts['arm'],
      name,
      tuple(record.facts['seeds']),
      tasks.correct_SxI.astype(np.int64),
      record.samples,
      tasks.class_I,
      tasks.class_I if tasks.cell_I is None else tasks.cell_I,
      facts,
    )
    found.append(cell)
    if name == support.NOVEL and 'free size' in facts:
      most = record.facts['config']['universe']['max_size']
      forced_I = holdout.forced(facts['free size'], most)
      for part, chosen_I in ((FORCED, forced_I), (AVOIDABLE, ~forced_I)):
        if chosen_I.any():
          found.append(dataclasses.replace(cell.where(chosen_I), test=part))
  return found


def stratum(space: str) -> str:
  """Of facts: which tasks are near training and which far from it, in a space.

  Places in `distances.STRATA`.
  """
  return f'{space} stratum'


def divergence(
  found: Sequence[records.Record], test: str
) -> dict[int, dict[str, float]]:
  """Compound divergence of a test from each arm: split -> arm -> D_C.

  Raises:
    NotMeasured: if a certificate does not state it.
  """
  result: dict[int, dict[str, float]] = {}
  for record in found:
    arm = record.facts['arm']
    stated = record.facts['split']['measurements'].get('compound_divergence')
    key = f'{arm} -> {test}'
    if not stated or key not in stated:
      raise cells_lib.NotMeasured(f'{record.path.name} states no divergence')
    result.setdefault(split_seed(record), {})[arm] = stated[key]
  return result


def frontier(
  found: Sequence[records.Record],
) -> dict[float, list[records.Record]]:
  """Training FLOPs of a model -> the runs of the best way to spend them.

  Of several ways (model, steps, classes, learning rate) the one of least loss
  on dev is taken: the tests have no part in finding it.
  """
  ways: dict[float, dict[str, list[records.Record]]] = {}
  for record in found:
    facts = record.facts
    config = facts['config']
    way = repr(
      (
        sorted(config['model'].items()),
        facts['step'],
        config['split'].get('num_arm'),
        config['opt']['lr'],
      )
    )
    level = ways.setdefault(float(facts['flops']), {})
    level.setdefault(way, []).append(record)
  return {
    flops: min(level.values(), key=_dev_loss)
    for flops, level in sorted(ways.items())
  }


def doses(found: Sequence[records.Record]) -> list[float]:
  """Shares that what is held out has of each `train_c`, where certified."""
  key = 'region_share_of_train_c'
  measured = (
    record.facts['split']['measurements']
    for record in found
    if record.facts['arm'] == support.WITH
  )
  return [one[key] for one in measured if key in one]


def learning_rates(
  found: Sequence[records.Record],
) -> dict[float, tuple[float, list[float]]]:
  """Training FLOPs -> the learning rate on the frontier, and all tried."""
  tried: dict[float, set[float]] = {}
  for record in found:
    level = tried.setdefault(float(record.facts['flops']), set())
    level.add(record.facts['config']['opt']['lr'])
  return {
    flops: (part[0].facts['config']['opt']['lr'], sorted(tried[flops]))
    for flops, part in frontier(found).items()
  }


def _dev_loss(found: Sequence[records.Record]) -> float:
  """At the end of training, mean over seeds; infinite if one has diverged."""
  last = [loss for r in found for loss in r.facts['dev_loss'][-1][1]]
  loss_S = np.array(last, float)  # null, of a diverged model, becomes NaN
  return float(loss_S.mean()) if np.isfinite(loss_S).all() else np.inf


def cells_by_compute(
  found: Sequence[records.Record], test: str
) -> dict[float, list[cells_lib.Cell]]:
  """Training FLOPs of a model -> what the frontier's models did on a test.

  Raises:
    TooManyDiverged: if more than a quarter of a run's models diverged.
  """
  result = {}
  for flops, part in frontier(found).items():
    on_test = [c for record in part for c in cells(record) if c.test == test]
    if len(on_test) == len(part):
      lost = lost_seeds(part)
      result[flops] = [cell.without(lost[cell.split]) for cell in on_test]
  return result


def _same_universe(record: records.Record, other: records.Record) -> None:
  here, there = (r.facts['inputs_sha256']['universe'] for r in (record, other))
  if here != there:
    raise errors.InputError(
      f'{record.path} and {other.path} are of different universes'
    )
