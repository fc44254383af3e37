"""What a record of a run keeps of single tasks.

Per-task successes, what kinds of programs the samples are, and what predicts
success: enough for the crossed bootstrap and for every figure.
"""

from collections.abc import Mapping
import dataclasses

import numpy as np

from synth import inputs as inputs_lib
from synth.evaluation import confidence
from synth.evaluation.verify import Outcome
from synth.language import pcfg
from synth.language import tokens
from synth.splits import distances
from synth.splits import kinds
from synth.splits import laws
from synth.statistics import passk
from synth.universe import universe as universe_lib

# Fields of records.npz that say how many samples copy training, of how many,
# and which is the answer.
OF_PROGRAMS = ('seed', 'item', 'count', 'exact', 'minimal', 'shown', 'first',
                'logprob')  # fmt: skip
# As stored: as few bytes as the use allows.
DTYPES = {
  'class_I': '<i4',
  'correct_SxI': '<u2',
  'with_edge_SxI': '<u2',
  'distance_2xI': '<f2',
  'size_I': '<u1',
  'minimal_I': '<f2',
  'programs_I': '<f2',
  'derivation_I': '<f2',
  'free_size_I': '<u1',
  'fits_only_SxI': '<u2',
  'copied_SxI': '<u2',
  'wrong_minimal_SxI': '<u2',
  'answer_SxI': '<f2',
  'answer_right_SxI': '<u1',
  'stratum_2xI': '<u1',
  'cell_I': '<i4',
}


@dataclasses.dataclass(frozen=True)
class Tasks:
  """The tasks of one test set (or `dev`), and how often each was solved.

  Attributes:
    class_I: Their classes, numbered as in the universe: equal numbers in
      records of one `inputs_sha256['universe']` are one task.
    correct_SxI: Right programs of each model, of `samples`.
    with_edge_SxI: Those of them that have a held-out edge; None if the split
      holds out no edges.
    distance_2xI: To the training arm: syntactic (pq-grams), semantic.
    size_I: Nodes of a minimal program.
    minimal_I: log10 of the number of minimal programs.
    programs_I: log10 of the number of programs to the universe's largest size;
      None if the universe did not count them.
    derivation_I: log10 of the probability of its programs under the critical
      probabilistic grammar, up to a constant; None like `programs_I`.
    free_size_I: Nodes of the smallest program without the held-out edges, 0 if
      none was found to `split.extra_size` above the largest size; None if the
      split holds out no edges.
    fits_only_SxI: Programs, of `samples`, that fit the specification and are
      another function.
    copied_SxI: Programs, of `samples`, that training shows; none of them is
      right, and each is minimal for its function.
    wrong_minimal_SxI: Wrong programs that are minimal for their functions: what
      copies are to be compared with. None in older records.
    answer_SxI: Log-probability of each model's answer, the most probable of its
      samples, at temperature 1 (`synth.evaluation.confidence`); NaN: it has
      none. None in older records, as are the next two.
    answer_right_SxI: Whether that answer is right.
    stratum_2xI: Place in `distances.STRATA`: near to the training arm or far
      from it, by the distances with all their digits.
    cell_I: Number of the cell that novel and control tests are matched in:
      cluster of the bootstrap; None if the split has no cells.
  """

  class_I: np.ndarray
  correct_SxI: np.ndarray
  distance_2xI: np.ndarray
  size_I: np.ndarray
  minimal_I: np.ndarray
  with_edge_SxI: np.ndarray | None = None
  programs_I: np.ndarray | None = None
  derivation_I: np.ndarray | None = None
  free_size_I: np.ndarray | None = None
  fits_only_SxI: np.ndarray | None = None
  copied_SxI: np.ndarray | None = None
  wrong_minimal_SxI: np.ndarray | None = None
  answer_SxI: np.ndarray | None = None
  answer_right_SxI: np.ndarray | None = None
  stratum_2xI: np.ndarray | None = None
  cell_I: np.ndarray | None = None

  def pass_at_k(self, samples: int, k: int) -> np.ndarray:
    """Unbiased pass@k of every model and task: value_SxI."""
    return passk.pass_at_k(self.correct_SxI.astype(np.int64), samples, k)


def of_tests(
  inputs: inputs_lib.Inputs,
  arm: str,
  arrays: Mapping[str, np.ndarray],
  programs: Mapping[str, np.ndarray],
  names: list[str],
) -> dict[str, Tasks]:
  """The tasks of each test set.

  Args:
    inputs: Universe, spaces and split of the run.
    arm: Its training arm.
    arrays: Its samples.npz.
    programs: Its records.npz.
    names: Of the test sets.
  """
  holdout, universe = inputs.holdout, inputs.universe
  counts = _program_counts(universe)
  region = kinds.region(inputs.context)
  bounds = inputs.split.facts['distance_bounds'][arm]
  found = {}
  for name in names:
    class_I = arrays[f'{name}_class']
    outcome_SxIxn = arrays[f'{name}_outcome']
    correct_SxIxn = outcome_SxIxn == Outcome.CORRECT
    copied_SxI, wrong_minimal_SxI = np.zeros(
      (2, *correct_SxIxn.shape[:2]), np.int64
    )
    fields = {field: programs[f'{name}_{field}'] for field in OF_PROGRAMS}
    task = fields['seed'], fields['item']
    np.add.at(copied_SxI, task, fields['count'] * fields['shown'])
    wrong_R = fields['minimal'] & ~fields['exact']
    np.add.at(wrong_minimal_SxI, task, fields['count'] * wrong_R)
    answer_SxI, right_SxI = confidence.of_tasks(fields, *copied_SxI.shape)
    distance_2xI = arrays[f'{name}_distance']
    optional: dict[str, np.ndarray] = {
      key: value_C[class_I] for key, value_C in counts.items()
    }
    if holdout is not None:
      tok_SxIxnxT = arrays[f'{name}_tok']
      tok_PxT = tok_SxIxnxT[correct_SxIxn]
      with_edge = np.zeros(correct_SxIxn.shape, bool)
      with_edge[correct_SxIxn] = holdout.has(tokens.without_eos(tok_PxT))
      optional['with_edge_SxI'] = with_edge.sum(axis=2)
      optional['free_size_I'] = holdout.free_size_C[class_I]
    if region is not None:
      optional['cell_I'] = region.cell_C[class_I]
    found[name] = Tasks(
      class_I=class_I,
      correct_SxI=correct_SxIxn.sum(axis=2),
      distance_2xI=distance_2xI,
      size_I=universe.size_C[class_I],
      minimal_I=np.log10(universe.count_N[universe.node_C[class_I]]),
      fits_only_SxI=(outcome_SxIxn == Outcome.GRID_ONLY).sum(axis=2),
      copied_SxI=copied_SxI,
      wrong_minimal_SxI=wrong_minimal_SxI,
      answer_SxI=answer_SxI,
      answer_right_SxI=right_SxI,
      stratum_2xI=np.stack(
        list(distances.strata(distance_2xI, bounds).values())
      ),
      **optional,
    )
  return found


def _program_counts(universe: universe_lib.Universe) -> dict[str, np.ndarray]:
  """How many programs, and how probable ones, each class has."""
  if not universe.manifest['multiplicities']:
    return {}
  size_S = np.arange(1, universe.max_size + 1)
  count_SxC = np.stack([universe.multiplicity(s) for s in size_S.tolist()])
  weight = pcfg.critical_weight(universe.grammar)
  return {
    'programs_I': laws.programs(count_SxC) / np.log(10),
    'derivation_I': laws.derivations(count_SxC, size_S, weight) / np.log(10),
  }
