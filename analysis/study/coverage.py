"""What more samples buy: coverage, and the tasks that none would solve."""

from typing import NamedTuple

import numpy as np
import scipy.stats

from analysis.study import cells as cells_lib
from synth.statistics import coverage
from synth.statistics import passk
from synth.statistics.design import Interval


class Coverage(NamedTuple):
  """Coverage of one arm on one test set.

  Attributes:
    k_K: Powers of two, up to the samples there are.
    rate_RxK: pass@k of every run.
    unsolved: Share of tasks that no sample solved: mean and interval.
    zero: Mass at zero of the law of success rates; None where a run solved
      nothing, for then it is any.
    tail: Tail exponent a of that law, likewise.
    laws: Of each run that solved something.
    runs: How many.
    samples: A task.
    items: Tasks of a split.
  """

  k_K: np.ndarray
  rate_RxK: np.ndarray
  unsolved: Interval
  zero: Interval | None
  tail: Interval | None
  laws: list[coverage.Law]
  runs: int
  samples: int
  items: int

  def band(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over runs with pointwise 95 % ends: mean_K, low_K, high_K."""
    ends = [over_runs(rate_R) for rate_R in self.rate_RxK.T]
    mean_K, low_K, high_K = (np.array(a) for a in zip(*ends, strict=True))
    return mean_K, np.maximum(low_K, 0), np.minimum(high_K, 1)


def measure(grid: cells_lib.Grid, arm: str, test: str) -> Coverage:
  """Coverage with a law of the tasks' success rates fitted to every run.

  Intervals are Student's over runs (splits and seeds together): for these
  tasks and splits.

  Raises:
    NotMeasured: if a split lacks the arm or the test, or splits differ in
      samples.
  """
  cells = [grid.get(split, arm, test) for split in grid.splits]
  samples = {cell.samples for cell in cells}
  if len(samples) != 1:
    raise cells_lib.NotMeasured('splits have different numbers of samples')
  number = samples.pop()
  k_K = 2 ** np.arange(int(np.log2(number)) + 1)
  runs = [correct_I for cell in cells for correct_I in cell.correct_SxI]
  if len(runs) < 2:
    raise cells_lib.NotMeasured('one run has no error bar')
  laws = [coverage.fit(c_I, number) for c_I in runs if c_I.any()]
  whole = len(laws) == len(runs)
  return Coverage(
    k_K,
    np.array([passk.coverage(c_I, number)[k_K - 1] for c_I in runs]),
    over_runs(np.array([np.mean(c_I == 0) for c_I in runs])),
    over_runs(np.array([law.zero for law in laws])) if whole else None,
    over_runs(np.array([law.a for law in laws])) if whole else None,
    laws,
    len(runs),
    number,
    cells[0].correct_SxI.shape[1],
  )


def added_zero(
  grid: cells_lib.Grid, first: tuple[str, str], second: tuple[str, str]
) -> Interval:
  """Mass at zero of one (arm, test) less another's, paired by run.

  Raises:
    NotMeasured: if one of them lacks records or a run solved nothing.
  """
  found = [measure(grid, *key) for key in (first, second)]
  if any(one.zero is None for one in found):
    raise cells_lib.NotMeasured('a run solved nothing: its law is not known')
  zero = [np.array([law.zero for law in one.laws]) for one in found]
  if len(zero[0]) != len(zero[1]):
    raise cells_lib.NotMeasured('arms have different runs')
  return over_runs(zero[0] - zero[1])


def over_runs(value_R: np.ndarray) -> Interval:
  """Mean and Student's 95 % interval over runs."""
  mean = float(np.mean(value_R))
  error = float(np.std(value_R, ddof=1)) / len(value_R) ** 0.5
  half = float(scipy.stats.t.ppf(0.975, len(value_R) - 1)) * error
  return Interval(mean, mean - half, mean + half)
