"""How much of what models write is taken from training, and how near it is.

Copied whole: a sample is a program that training shows (`sample_records`).

Copied subtrees: a subtree of at least `LEAST` nodes (the whole program is one)
that is also a subtree of a program which training on the arm shows, sooner or
later. Small subtrees are common to all programs, so this share is told beside
that of the tasks' own programs, one minimal program of each: what is beyond it
is reproduction (Sato and Sato 2025, arXiv 2505.22081), not commonness.

Nearest: the exact pq-gram distance of a sample to the nearest training program
(one of each class, as in `synth.splits.distances`), beside the distance of the
task. Of `TASKS` random tasks of a test set one random sample of each model is
searched for.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import functools
import itertools
from typing import Any

import numpy as np

from synth import inputs as inputs_lib
from synth import seeding
from synth.evaluation import sample_records
from synth.language import structure
from synth.language import tokens
from synth.spaces import neighbours
from synth.statistics import design
from synth.statistics import interval
from synth.universe import forest as forest_lib
from synth.universe import recognition

LEAST = 3  # nodes of a subtree that counts
TASKS = 200  # of a test set, whose samples' nearest neighbours are searched
_BINS = 10  # of distance, from 0 to 1
_QUANTILES = (0.1, 0.5, 0.9)


class Training:
  """The programs that training on an arm shows.

  Args:
    inputs: Universe and split.
    arm: Of the split.
  """

  def __init__(self, inputs: inputs_lib.Inputs, arm: str):
    self._inputs = inputs
    self._class_N = inputs.split.arms[arm]
    self._vocabulary = inputs.universe.vocabulary
    # What recognizes minimal programs, and which nodes' are subtrees of what is
    # shown; or the subtrees themselves.
    self._nodes: list[tuple[recognition.Recognizer, np.ndarray]] = []
    self._known_QxL = np.zeros((0, inputs.universe.max_size), tokens.DTYPE)
    if inputs.context.of_programs:
      tok_NxL = inputs.context.tok_CxL[self._class_N]
      _, self._known_QxL = _subtrees(tok_NxL, self._vocabulary)
    else:
      for universe, node_N in inputs.shown_nodes(arm):
        if len(node_N):
          # Restricted universes reach farther than training does.
          forest = universe.forest.upto(inputs.universe.max_size)
          recognizer = (
            universe.recognizer
            if universe is inputs.universe
            else recognition.Recognizer(
              universe.grammar, forest, universe.vocabulary
            )
          )
          self._nodes.append((recognizer, _below(forest, node_N)))

  def subtrees(self, tok_PxL: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Subtrees of each program, and how many of them training shows.

    Args:
      tok_PxL: Well-formed programs in prefix order.

    Returns:
      number_P and copied_P, int16.
    """
    program_Q, tok_QxL = _subtrees(tok_PxL, self._vocabulary)
    tok_UxL, place_Q = tokens.distinct(tok_QxL)
    copied_Q = self._shows(tok_UxL)[place_Q]
    count = (
      np.bincount(program_Q, copied, len(tok_PxL))
      for copied in (np.ones(len(program_Q)), copied_Q)
    )
    number_P, copied_P = (c.astype(np.int16) for c in count)
    return number_P, copied_P

  def _shows(self, tok_UxL: np.ndarray) -> np.ndarray:
    """Whether each distinct program is a subtree of what training shows."""
    shown_U = np.zeros(len(tok_UxL), bool)
    for recognizer, below_N in self._nodes:
      node_JxU = recognizer.nodes_by_nonterminal(tok_UxL)
      found_JxU = below_N[node_JxU] & (node_JxU != recognition.NONE)
      shown_U |= found_JxU.any(axis=0)
    if len(self._known_QxL):
      length = max(tok_UxL.shape[1], self._known_QxL.shape[1])
      both = [_wide(tok, length) for tok in (tok_UxL, self._known_QxL)]
      tok_WxL, place = tokens.distinct(np.concatenate(both))
      known_W = np.zeros(len(tok_WxL), bool)
      known_W[place[len(tok_UxL) :]] = True
      shown_U |= known_W[place[: len(tok_UxL)]]
    return shown_U

  def nearest(self, tok_PxL: np.ndarray) -> np.ndarray:
    """pq-gram distance of programs to the nearest training program."""
    tok_UxL, place_P = tokens.distinct(tok_PxL)
    profiles = self._inputs.context.profile(tok_UxL)
    distance_1xU = self._programs.nearest(profiles)
    nearest_P: np.ndarray = distance_1xU[0, place_P]
    return nearest_P

  @functools.cached_property
  def _programs(self) -> neighbours.Index:
    """One program of each class, as in `synth.splits.distances`."""
    context = self._inputs.context
    return neighbours.Index(context.profile(context.tok_CxL[self._class_N]))


def _below(forest: forest_lib.Forest, node_N: np.ndarray) -> np.ndarray:
  """Nodes of which some programs are subtrees of the minimal ones of others.

  All minimal programs of a node are: alternatives combine freely.

  Args:
    forest: All nodes.
    node_N: The others; they are among those returned.
  """
  below_N = np.zeros(len(forest.size_N), bool)
  below_N[node_N] = True
  # Arguments are smaller than what they are arguments of.
  bounds = np.searchsorted(forest.size_N, np.arange(forest.size_N[-1] + 2))
  for low, high in reversed(list(itertools.pairwise(bounds.tolist()))):
    number = np.diff(forest.first_N1[low : high + 1])
    rows = slice(forest.first_N1[low], forest.first_N1[high])
    arg = np.asarray(forest.arg_MxA[rows])[np.repeat(below_N[low:high], number)]
    below_N[arg[arg >= 0]] = True
  return below_N


def _subtrees(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary
) -> tuple[np.ndarray, np.ndarray]:
  """Every subtree that counts: its program_Q and itself, tok_QxL."""
  size_PxL = structure.subtree_sizes(tok_PxL, vocabulary)
  program_Q, start_Q = np.nonzero(size_PxL >= LEAST)
  size_Q = size_PxL[program_Q, start_Q]
  length = tok_PxL.shape[1]
  place_QxL = start_Q[:, None] + np.arange(length)
  tok_QxL = tok_PxL[program_Q[:, None], np.minimum(place_QxL, length - 1)]
  inside_QxL = np.arange(length) < size_Q[:, None]
  return program_Q, np.where(inside_QxL, tok_QxL, tokens.PAD)


def _wide(tok_PxL: np.ndarray, length: int) -> np.ndarray:
  """Rows padded to a length."""
  return np.pad(tok_PxL, ((0, 0), (0, length - tok_PxL.shape[1])))


def of(
  records: sample_records.Records,
  tok_SxIxnxT: np.ndarray,
  training: Training,
  rng: np.random.Generator,
) -> dict[str, np.ndarray]:
  """More fields of the records of one test set (`sample_records`).

  Args:
    records: The test set's, as `sample_records.of` gives them.
    tok_SxIxnxT: The samples that they are of.
    training: What the models were trained on.
    rng: Draws the tasks and samples whose nearest programs are searched for.

  Returns:
    subtrees: Subtrees that count; 0 of what is no program.
    copied_subtrees: Those that training shows.
    nearest: pq-gram distance to the nearest training program, float16; NaN
      where it was not searched for.
  """
  seed, item = records['seed'], records['item']
  (program_Q,) = np.nonzero(records['parses'])
  tok_QxT = tok_SxIxnxT[seed, item, records['first']][program_Q]
  tok_QxT = tokens.without_eos(tok_QxT)
  tok_UxT, place_Q = tokens.distinct(tok_QxT)
  found = {
    name: np.zeros(len(seed), np.int16)
    for name in ('subtrees', 'copied_subtrees')
  }
  for name, count_U in zip(found, training.subtrees(tok_UxT), strict=True):
    found[name][program_Q] = count_U[place_Q]
  # Of each chosen task and model one sample: of a record in proportion to its
  # count (Efraimidis and Spirakis 2006).
  chosen_I = rng.permutation(tok_SxIxnxT.shape[1])[:TASKS]
  key_R = rng.random(len(seed)) ** (1 / records['count'])
  (row_Q,) = np.nonzero(records['parses'] & np.isin(item, chosen_I))
  row_Q = row_Q[np.lexsort((-key_R[row_Q], item[row_Q], seed[row_Q]))]
  task_Qx2 = np.stack([seed[row_Q], item[row_Q]], axis=1)
  first_Q = np.ones(len(row_Q), bool)
  first_Q[1:] = (task_Qx2[1:] != task_Qx2[:-1]).any(axis=1)
  row_Q = row_Q[first_Q]
  found['nearest'] = np.full(len(seed), np.nan, np.float16)
  if len(row_Q):
    place_R = np.full(len(seed), -1)
    place_R[program_Q] = place_Q
    distance_Q = training.nearest(tok_UxT[place_R[row_Q]])
    found['nearest'][row_Q] = distance_Q
  return found


def summary(
  records: Mapping[str, sample_records.Records],
  tasks: Mapping[str, Mapping[str, np.ndarray]],
  training: Training,
  seeds: int,
  bootstrap_seed: int,
) -> dict[str, Any]:
  """Shares and distances for JSON; None where there is nothing to measure.

  Args:
    records: Test set -> its records with the fields of `of`.
    tasks: Test set -> target_IxL, a program of each task, distance_2xI
      (`synth.splits.distances`) and cluster_I (`kinds.clusters`), by the names
      before the underscore.
    training: What the models were trained on.
    seeds: Number of models S.
    bootstrap_seed: For intervals.

  Returns:
    test set ->
      subtrees: share of subtrees that training shows, {'outputs': of all
        samples, by model; 'wrong': of those that are not exact, by model;
        'tasks': of the tasks' own programs}.
      nearest: mean distance, {'outputs': of searched samples, by model;
        'tasks': of all tasks}.
      bias: outputs less their tasks, mean over tasks that all models wrote
        programs for, with its interval over seeds and tasks: {'subtrees',
        'nearest'}. A model that retrieves has more copied subtrees than its
        tasks and is nearer to training than they are.
      by_distance: bins of the tasks' distance, all models together: from, to,
        tasks, copies (share of samples that are training programs), subtrees,
        own_subtrees (of the tasks) and nearest, its quantiles 0.1, 0.5, 0.9.
  """
  found = {}
  for name, fields in records.items():
    number_I, copied_I = training.subtrees(tasks[name]['target'])
    rng = seeding.generator(bootstrap_seed, 'retrieval', name)
    found[name] = _of_set(
      fields,
      number_I,
      copied_I,
      tasks[name]['distance'][0],
      tasks[name]['cluster'],
      seeds,
      rng,
    )
  return found


def _of_set(
  records: sample_records.Records,
  number_I: np.ndarray,
  copied_I: np.ndarray,
  distance_I: np.ndarray,
  cluster_I: np.ndarray,
  seeds: int,
  rng: np.random.Generator,
) -> dict[str, Any]:
  """What `summary` says of one test set.

  Args:
    records: Of the test set.
    number_I: Subtrees of each task's own program.
    copied_I: Those of them that training shows.
    distance_I: Syntactic distance of each task to training.
    cluster_I: Labels of tasks that are resampled together.
    seeds: Number of models S.
    rng: For intervals.
  """
  shape = (seeds, len(number_I))
  nearest_R = records['nearest'].astype(np.float64)
  searched_R = np.isfinite(nearest_R)

  def total(value_R: np.ndarray) -> np.ndarray:
    """Sums over the records of each model and task: total_SxI."""
    place_R = records['seed'].astype(np.int64) * shape[1] + records['item']
    return np.bincount(place_R, value_R, seeds * shape[1]).reshape(shape)

  count_R = records['count'].astype(np.float64)
  wrong_R = count_R * ~records['exact']
  number_SxI = total(count_R * records['subtrees'])
  copied_SxI = total(count_R * records['copied_subtrees'])
  searched_SxI = total(searched_R)
  nearest_SxI = total(np.where(searched_R, nearest_R, 0.0))
  own_I = _ratio(copied_I, number_I)
  bias = {
    'subtrees': _ratio(copied_SxI, number_SxI) - own_I,
    'nearest': _ratio(nearest_SxI, searched_SxI) - distance_I,
  }
  return {
    'subtrees': {
      'outputs': _known(_ratio(copied_SxI.sum(axis=1), number_SxI.sum(axis=1))),
      'wrong': _known(
        _ratio(
          total(wrong_R * records['copied_subtrees']).sum(axis=1),
          total(wrong_R * records['subtrees']).sum(axis=1),
        )
      ),
      'tasks': _known(_ratio(copied_I.sum(), number_I.sum())),
    },
    'nearest': {
      'outputs': _known(
        _ratio(nearest_SxI.sum(axis=1), searched_SxI.sum(axis=1))
      ),
      'tasks': float(distance_I.mean()),
    },
    'bias': {
      key: _mean(value_SxI, cluster_I, rng) for key, value_SxI in bias.items()
    },
    'by_distance': [
      {
        'from': low / _BINS,
        'to': (low + 1) / _BINS,
        'tasks': int(here_I.sum()),
        'copies': _known(
          _ratio(
            total(count_R * records['shown'])[:, here_I].sum(),
            total(count_R)[:, here_I].sum(),
          )
        ),
        'subtrees': _known(
          _ratio(copied_SxI[:, here_I].sum(), number_SxI[:, here_I].sum())
        ),
        'own_subtrees': _known(
          _ratio(copied_I[here_I].sum(), number_I[here_I].sum())
        ),
        'nearest': _quantiles(nearest_R[searched_R & here_I[records['item']]]),
      }
      for low, here_I in _bins(distance_I)
    ],
  }


def _bins(distance_I: np.ndarray) -> list[tuple[int, np.ndarray]]:
  """The bins that have tasks: the lower end in bins, and which tasks."""
  bin_I = np.minimum((distance_I * _BINS).astype(int), _BINS - 1)
  return [(low, bin_I == low) for low in np.unique(bin_I).tolist()]


def _ratio(part: Any, whole: Any) -> np.ndarray:
  """Part by whole, NaN where the whole is 0."""
  part, whole = np.asarray(part, float), np.asarray(whole, float)
  return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)


def _known(value: np.ndarray) -> Any:
  """JSON has no NaN."""
  if value.ndim:
    return [_known(np.asarray(one)) for one in value]
  return None if np.isnan(value) else float(value)


def _mean(
  value_SxI: np.ndarray, cluster_I: np.ndarray, rng: np.random.Generator
) -> Sequence[float] | None:
  """The mean over tasks that every model has, with its interval."""
  (there,) = np.nonzero(np.isfinite(value_SxI).all(axis=0))
  if not len(there):
    return None
  term = design.Term(value_SxI[:, there], cluster_I=cluster_I[there])
  return interval.crossed([[term]], rng)


def _quantiles(value_N: np.ndarray) -> list[float] | None:
  if not len(value_N):
    return None
  return [round(q, 4) for q in np.quantile(value_N, _QUANTILES).tolist()]
