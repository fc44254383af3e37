"""The contrasts of the study that claims are judged on, measured once.

Whoever draws or judges a contrast asks here, so that figures and verdicts show
the same numbers.
"""

from collections.abc import Callable
import functools

import numpy as np

from analysis.study import cells as cells_lib
from analysis.study import density
from analysis.study import effects
from analysis.study import ladder
from analysis.study import study as study_lib
from analysis.study import support
from synth.splits import density as density_split
from synth.splits import support as support_split
from synth.statistics import hypotheses

# Names of contrasts among the runs.
SYNTACTIC, SEMANTIC = 'support', 'region_semantic'
REGION = 'region_syntactic'
AVOIDABLE = 'avoidable'
DENSITY, LADDER, SCALING = 'density', 'ladder', 'scaling'
# Arms that `density` lacks, and models trained on fewer and more functions.
MORE, DATA = 'density_more', 'data'

# Contrast -> what is held out, in the words of a row.
HELD_OUT = {
  SYNTACTIC: 'a structure (S3)',
  SEMANTIC: 'a half-space, semantic (S2)',
  REGION: 'a half-space, syntactic (S2)',
  'length': 'the largest size (S5)',
  'order': 'an order of operators (S6)',
  'operator': 'an operator in larger programs (S6)',
  'role': 'a constant in one place (S6)',
  AVOIDABLE: 'a structure that need not be written (negative control)',
  'cluster_semantic': 'a cluster, semantic (S1)',
  'cluster_syntactic': 'a cluster, syntactic (S1)',
  'shell_semantic': 'the outermost, semantic (S2)',
  'shell_syntactic': 'the outermost, syntactic (S2)',
  'core_semantic': 'the innermost, semantic (S2)',
  'core_syntactic': 'the innermost, syntactic (S2)',
  'div_sub': 'another structure, div > sub (S3)',
  'conditional': 'the structure of S3, in conditional',
  'arithmetic3': 'the structure of S3, in arithmetic3',
  'conditional_semantic': 'a half-space, semantic, in conditional',
  'arithmetic3_semantic': 'a half-space, semantic, in arithmetic3',
}
# Contrasts that hold out edges of programs -> what.
EDGES = {
  SYNTACTIC: 'S3',
  'order': 'S6 order',
  'operator': 'S6 operator',
  'role': 'S6 role',
  AVOIDABLE: 'negative control',
  'div_sub': 'S3 div > sub',
  'conditional': 'S3 in conditional',
  'arithmetic3': 'S3 in arithmetic3',
}

# Arms diverse in both spaces.
JOINT, RAKED = 'joint', f'joint{density.RAKED}'


@functools.cache
def diverse(study: study_lib.Study, arm: str) -> effects.Effect:
  """An arm less uniform sampling, mean of the tests under other laws.

  Raises:
    NotMeasured: if records lack.
  """
  grid = study.grid(DENSITY)
  weights = density.gain((arm, density_split.UNIFORM), density.shifted(grid))
  return effects.effect(grid, weights)


@functools.cache
def manifolds(study: study_lib.Study) -> dict[str, effects.Effect]:
  """Sampling diverse in both spaces less diverse in one: by the one.

  Raises:
    NotMeasured: if records lack.
  """
  grid = study.grid(DENSITY)
  tests = density.shifted(grid)
  return {
    space: effects.effect(grid, density.gain((JOINT, space), tests))
    for space in density_split.SPACES
  }


def density_grids(study: study_lib.Study) -> list[cells_lib.Grid]:
  """The arms of `density`, and those beside them, each with `uniform`.

  The latter have fewer models; their `uniform` has those of the same seeds.

  Raises:
    NotMeasured: if records of `density` lack.
  """
  grid = study.grid(DENSITY)
  if not study.contrasts.get(MORE):
    return [grid]
  whole = study.together(DENSITY, MORE)
  others = [arm for arm in whole.arms if arm not in grid.arms]
  return [grid, whole.only([density_split.UNIFORM, *others])]


@functools.cache
def held_out(study: study_lib.Study, contrast: str) -> support.Support:
  """The support contrasts.

  Raises:
    NotMeasured: if records lack.
  """
  return support.measure(study.grid(contrast))


@functools.cache
def rungs(study: study_lib.Study) -> effects.Effect:
  """What the whole ladder of compound divergence costs, on its novel test.

  Raises:
    NotMeasured: if records lack.
  """
  return ladder.cost(study.grid(LADDER), rung_divergence(study))


def lowest_rung(study: study_lib.Study) -> float:
  """pass@1 on the ladder's novel test of the arm that diverges least.

  Raises:
    NotMeasured: if records lack.
  """
  grid, by_split = study.grid(LADDER), rung_divergence(study)
  cells = [
    grid.get(split, min(by_split[split], key=by_split[split].__getitem__),
             support_split.NOVEL)
    for split in grid.splits
  ]  # fmt: skip
  return float(np.mean([cell.value(1).mean() for cell in cells]))


def rung_divergence(study: study_lib.Study) -> dict[int, dict[str, float]]:
  """Compound divergence of the ladder's novel test: split -> rung -> D_C.

  Raises:
    NotMeasured: if records lack.
  """
  return study_lib.divergence(study.of(LADDER), support_split.NOVEL)


def family(study: study_lib.Study) -> dict[str, float]:
  """p of the five tests of docs/preregistration.md, adjusted by Holm.

  A test that lacks its records counts as p = 1, so that a half-run study is
  judged no more leniently than a whole one.
  """
  tests: dict[str, tuple[str, Callable[[], float]]] = {
    'C2': (DENSITY, lambda: diverse(study, JOINT).p),
    'C3': (DENSITY, lambda: diverse(study, RAKED).p),
    'C4': (DENSITY, lambda: max(e.p for e in manifolds(study).values())),
    'C1': (SYNTACTIC, lambda: held_out(study, SYNTACTIC).gap.p),
    'C5': (LADDER, lambda: rungs(study).p),
  }
  raw = [_or_one(study, *test) for test in tests.values()]
  adjusted = hypotheses.holm(np.array(raw))
  return dict(zip(tests, adjusted.tolist(), strict=True))


def _or_one(
  study: study_lib.Study, contrast: str, test: Callable[[], float]
) -> float:
  try:
    study.require(contrast)
    return test()
  except cells_lib.NotMeasured:
    return 1.0
