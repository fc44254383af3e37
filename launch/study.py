"""A study: runs of several recipes, in the order in which they matter.

`configs/study.py` lists them; `launch.sweep --config=configs/study.py:TIER`
runs them. A run is trained and evaluated, some are searched (`synth.search`),
then its record (`synth.records`) is written: with that it is finished. Runs
with the same settings of training share it, runs of the same universe share
their data. At last the tests of every arm of every split are given to what
needs no model (`synth.baselines`), and what it comes to is added to the record
of a run.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import itertools
import pathlib
import sys
from typing import Any
from typing import NamedTuple

import ml_collections

from configs import run as run_lib
from launch import local
from synth import errors
from synth import flops
from synth import model_config
from synth import progress
from synth import records
from synth import runs
from synth.language import grammar as grammar_lib
from synth.splits import kinds
from synth.splits import split as split_lib


class Work(NamedTuple):
  """Floating-point operations, or seconds, of a run."""

  train: float
  evaluate: float


class Study:
  """The runs of a tier and the places of what they leave.

  Args:
    config: Of `configs/study.py`.
    out: Directory of data and runs.
    results: Directory of records.

  Raises:
    InputError: if two runs have one name, or a record is of other settings.
  """

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    out: pathlib.Path,
    results: pathlib.Path,
  ):
    self.tier: str = config.tier
    self.slice_s: float = config.slice_s
    self.at_once: int = config.at_once
    self.runs: tuple[run_lib.Run, ...] = config.runs
    if not all(isinstance(run, run_lib.Run) for run in self.runs):
      raise errors.InputError('the runs of a study are those of its tier')
    if self.at_once < 1 or self.slice_s <= 0:
      raise errors.InputError(
        f'at_once={self.at_once} and slice_s={self.slice_s} must be positive'
      )
    self._rate = config.rate
    self._out = out
    self._results = results / config.tier
    names = [(run.contrast, run.name) for run in self.runs]
    if len(set(names)) < len(names):
      raise errors.InputError('the study has two runs of one name')
    for run in self.runs:
      path = self.record(run)
      if path.exists():
        old = {'config': _filled(self._read(run)['config'], run.defaults)}
        runs.check_resumable(path, old, {'config': run.plain})

  def record(self, run: run_lib.Run) -> pathlib.Path:
    """The record of a run: it is finished if this exists."""
    return self._results / run.contrast / f'{run.name}.json'

  def _read(self, run: run_lib.Run) -> dict[str, Any]:
    """The record of a finished run.

    Raises:
      RunError: if it cannot be read or is something else.
    """
    path = self.record(run)
    facts = runs.read_json(path)
    if not isinstance(facts, dict) or not isinstance(facts.get('config'), dict):
      raise runs.RunError(f'{path} is not the record of a run of a study')
    return facts

  def left(self) -> list[run_lib.Run]:
    """The runs that are not finished."""
    return [run for run in self.runs if not self.record(run).exists()]

  def without_baselines(self) -> list[run_lib.Run]:
    """The finished runs whose records lack what needs no model."""
    return [
      run
      for run in self.runs
      if run.baselines
      and self.record(run).exists()
      and 'without_model' not in runs.read_json(self.record(run))
    ]

  def estimates(self) -> dict[run_lib.Run, Work]:
    """Seconds of training and evaluation of every run, were it alone.

    Making data, writing the record and baselines are not in them.
    Of finished runs what they took; of the others their operations at the
    tier's rates, corrected by how those runs kept to them.
    """
    first: dict[str, run_lib.Run] = {}
    for run in self.runs:
      first.setdefault(run.training, run)
    planned = {
      run: self._planned(run, trains=first[run.training] is run)
      for run in self.runs
    }
    took = {r: self._took(r) for r in self.runs if self.record(r).exists()}

    def pace(part: int) -> float:
      both = [(took[run][part], planned[run][part]) for run in took]
      both = [(t, p) for t, p in both if t and p]
      return sum(t for t, _ in both) / sum(p for _, p in both) if both else 1.0

    train, evaluate = pace(0), pace(1)
    return {
      run: took.get(run)
      or Work(planned[run].train * train, planned[run].evaluate * evaluate)
      for run in self.runs
    }

  def _planned(self, run: run_lib.Run, trains: bool) -> Work:
    work, rate = operations(run), self._rate
    return Work(
      rate.start_s + work.train / rate.train if trains else 0.0,
      rate.start_s + work.evaluate / rate.evaluate,
    )

  def _took(self, run: run_lib.Run) -> Work:
    seconds = self._read(run).get('seconds', {})
    return Work(seconds.get('train', 0.0), seconds.get('evaluate', 0.0))

  def data_jobs(self, todo: Sequence[run_lib.Run]) -> list[local.Job]:
    """Makes the inputs of runs, each once."""
    found = {}
    for run in todo:
      directory = self._out / run.data
      split = split_lib.place(directory, run.plain['split'])
      if not split.exists():
        shaping = {
          key: value
          for key, value in run.settings.items()
          if key.partition('.')[0] in ('universe', 'spaces', 'split')
        }
        command = [sys.executable, '-m', 'synth.splits', *_flags(run, shaping)]
        found[split] = local.Job(
          str(split),
          [[*command, f'--workdir={directory}']],
          self._out / f'{run.data}.log',
        )
    return list(found.values())

  def job(self, run: run_lib.Run) -> local.Job:
    """Trains a run, evaluates it and writes its record."""
    workdir = self._out / run.training
    python = [sys.executable, '-m']
    commands = [
      [*python, 'synth.evaluate', f'--workdir={workdir}',
       *(f'--{flag}={value}' for flag, value in run.evaluation.items())],
      [*python, 'synth.records', f'--workdir={workdir}', f'--tier={self.tier}',
       f'--contrast={run.contrast}', f'--run={run.name}',
       f'--out={self.record(run)}'],
    ]  # fmt: skip
    if run.search:
      commands.insert(1, [*python, 'synth.search', f'--workdir={workdir}'])
    if not (workdir / runs.TRAINED).exists():
      places = [f'--workdir={workdir}', f'--data={self._out / run.data}']
      training = local.training([*_flags(run, run.settings), *places])
      commands.insert(0, training)
    return local.Job(
      f'{run.contrast}/{run.name}',
      commands,
      workdir.with_suffix('.log'),
      times=records.times(workdir, run.contrast, run.name),
    )

  def baselines_job(self, run: run_lib.Run) -> local.Job:
    """Adds what needs no model to the record of a finished run."""
    workdir = self._out / f'{run.contrast}-{run.name}'
    command = [
      sys.executable, '-m', 'synth.baselines', *_flags(run, run.settings),
      f'--data={self._out / run.data}', f'--workdir={workdir}',
      f'--record={self.record(run)}',
    ]  # fmt: skip
    return local.Job(
      f'baselines of {run.contrast}/{run.name}',
      [command],
      workdir.with_suffix('.log'),
    )

  def sweep(self, at_once: int, stop: Callable[[], bool]) -> dict[str, Any]:
    """Finishes runs, one contrast after the other, until `stop` says so.

    Then come the baselines.

    Args:
      at_once: Runs at a time.
      stop: Asked often; running ones are told to save and end.

    Returns:
      How many runs there are, are finished and are left, and whether it is
      done.

    Raises:
      InputError: if inputs could not be made or runs failed; all others ran.
    """
    failed: list[local.Job] = []

    def tell(job: local.Job) -> None:
      state = f'exit code {job.code}: see {job.log}' if job.code else 'ended'
      estimates = self.estimates()
      seconds = sum(sum(estimates[run]) for run in self.left())
      print(
        f'study: {job.name} {state}; {len(self.left())} of {len(self.runs)} '
        f'runs left, about {progress.duration(seconds / at_once)}, and the '
        f'baselines of {len(self.without_baselines())} finished ones',
        file=sys.stderr,
        flush=True,
      )
      if job.code:
        failed.append(job)

    for _, group in itertools.groupby(self.left(), lambda run: run.contrast):
      todo = list(group)
      local.run_all(self.data_jobs(todo), 1, stop, tell)
      jobs = [self.job(run) for run in todo if not self.data_jobs([run])]
      local.run_all(jobs, at_once, stop, tell)
      if stop():
        break
    lacking = self.without_baselines()
    local.run_all(self.data_jobs(lacking), 1, stop, tell)
    jobs = [self.baselines_job(r) for r in lacking if not self.data_jobs([r])]
    local.run_all(jobs, at_once, stop, tell)
    if failed:
      raise errors.InputError(
        f'{len(failed)} failed, first {failed[0].name}: see {failed[0].log}'
      )
    left, lacking = len(self.left()), self.without_baselines()
    return {
      'runs': len(self.runs),
      'finished': len(self.runs) - left,
      'left': left,
      'without_baselines': len(lacking),
      'done': not left and not lacking,
    }


def operations(run: run_lib.Run) -> Work:
  """Exact floating-point operations of training, and of decoding at most.

  Decoding is counted as if every program were as long as can be.
  """
  config = run.config
  shape = model_config.of(config, _grammar(config.universe.grammar))
  seeds, split = config.train.num_seeds, config.split
  most = config.eval.num_tasks or max(split.num_test, split.num_dev)
  sets = len(kinds.TESTS[split.kind])
  tasks = sets * min(split.num_test, most) + min(split.num_dev, most)
  return Work(
    seeds
    * config.opt.num_steps
    * config.data.batch_size
    * flops.training(shape),
    seeds
    * tasks
    * config.eval.num_samples
    * sum(flops.forward(shape).values()),
  )


@functools.cache
def _grammar(name: str) -> grammar_lib.Grammar:
  return grammar_lib.load(grammar_lib.find(name))


def slices(
  study: Study, todo: Sequence[run_lib.Run], at_once: int, budget_s: float
) -> list[list[run_lib.Run]]:
  """Runs in order, cut so that each part takes about the budget at most.

  A run that takes longer is a part of its own: it is stopped and resumed.
  """
  estimates, spent = study.estimates(), budget_s
  found: list[list[run_lib.Run]] = []
  for run in todo:
    seconds = sum(estimates[run]) / at_once
    if spent + seconds > budget_s:
      found.append([])
      spent = 0.0
    found[-1].append(run)
    spent += seconds
  return found


def describe(study: Study, at_once: int, budget_s: float) -> str:
  """The slices with estimated times, as a table for the terminal."""
  estimates, lines = study.estimates(), []
  parts = slices(study, study.left(), at_once, budget_s)
  for number, part in enumerate(parts):
    seconds = sum(sum(estimates[run]) for run in part) / at_once
    lines.append(f'slice {number + 1}: about {progress.duration(seconds)}')
    for run in part:
      work, took = operations(run), estimates[run]
      lines.append(
        f'  {f"{run.contrast}/{run.name}":34} {work.train:8.2e} FLOP to train'
        f' {progress.duration(took.train):>12}, to evaluate '
        f'{progress.duration(took.evaluate):>12}'
      )
  return '\n'.join(lines)


def _filled(
  config: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
  """A config in which keys that it is older than have the recipe's values.

  A key that is added to recipes has a default that changes nothing.
  """
  found = {**defaults, **config}
  for key, value in defaults.items():
    if isinstance(value, dict) and key in config:
      found[key] = _filled(config[key], value)
  return found


def _flags(run: run_lib.Run, settings: Mapping[str, Any]) -> list[str]:
  overrides = [f'--config.{key}={value}' for key, value in settings.items()]
  return [f'--config={run.recipe}', *overrides]
