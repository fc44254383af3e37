"""What models write for one set of tasks, judged: by batches that are kept."""

import jax
import ml_collections
import numpy as np

from synth import data
from synth import errors
from synth import inputs as inputs_lib
from synth import progress
from synth import seeding
from synth import settings
from synth.evaluation import decode
from synth.evaluation import parts as parts_lib
from synth.evaluation import scoring
from synth.evaluation import verify
from synth.language import prefixes
from synth.language import serialization
from synth.language import tokens
from synth.training import trainer as trainer_lib

FIELDS = ('tok', 'logprob', 'outcome', 'minimal_logprob')
_MINIMAL = 2  # minimal programs of each task whose probability is asked


def method_of(config: ml_collections.ConfigDict) -> decode.Method:
  """How the config wants programs to be chosen.

  Raises:
    InputError: if there is no such way, or a setting would have no effect.
  """
  for key in ('method', 'top_k', 'top_p', 'num_tasks'):
    if key not in config.eval:
      raise errors.InputError(
        f'the run was made before there was an eval.{key}: give --{key}'
      )
  settings.choose(config.eval.method, decode.METHODS, 'eval.method')
  if config.eval.method == decode.UNIQUE and not config.eval.temperature:
    raise errors.InputError(
      'eval.temperature=0 leaves eval.method=unique one program to draw: raise '
      'it or take eval.method=beam'
    )
  return decode.Method(config.eval.method, config.eval.top_k, config.eval.top_p)


def write_and_judge(
  config: ml_collections.ConfigDict,
  trainer: trainer_lib.Trainer,
  state: trainer_lib.State,
  inputs: inputs_lib.Inputs,
  verifier: verify.Verifier,
  method: decode.Method,
  parts: parts_lib.Parts,
  name: str,
  classes: np.ndarray,
) -> dict[str, np.ndarray]:
  """Has every model write programs for one set of tasks, and judges them.

  It works batch by batch; those in `parts` are not computed again.

  Args:
    config: Of the run, with the settings of this evaluation.
    trainer: The run's.
    state: Its models.
    inputs: Its universe, spaces and split.
    verifier: Judges programs.
    method: How programs are chosen (`method_of`).
    parts: Gets every batch that is done.
    name: Of the set.
    classes: Its tasks, class_I.

  Returns:
    class_I, target_IxL (a program of each), tok_SxIxnxT (in prefix order),
    logprob_SxIxn (-inf: there is no such program), outcome_SxIxn
    (`verify.Outcome`) and minimal_logprob_SxI (the log-probability of the most
    probable of two random minimal programs, each as training would show it,
    among what the sampler could write), under the names before the last
    underscore.
  """
  batch = config.eval.batch_size
  tables = None
  if config.eval.constrained:
    order = inputs.serialization.order
    if order != serialization.PREFIX:
      raise errors.InputError(
        'programs can be constrained in prefix order only, but '
        f'data.order={order!r}'
      )
    tables = prefixes.tables(
      inputs.universe.grammar,
      inputs.universe.vocabulary,
      inputs.universe.max_size,
    )
  starts = range(0, len(classes), batch)
  # One program of each target, as training would show it.
  rng = seeding.generator(config.eval.seed, 'target', name)
  target_IxL = inputs.programs_at(
    classes, rng.random((len(classes), inputs.universe.max_size))
  )
  stream = seeding.generator(config.eval.seed, 'write', name, trainer.seeds[0])
  key = jax.random.key(stream.integers(2**32))

  def write(start: int) -> dict[str, np.ndarray]:
    # One shape for all batches: the last one is filled up, then cut.
    filled = (start + np.arange(batch)) % len(classes)
    tok_SxBxnxT, logprob_SxBxn = decode.decode(
      state['params'],
      inputs.spec_CxF[classes[filled]],
      jax.random.fold_in(key, start),
      config.eval.temperature,
      tables,
      graph=trainer.graph,
      method=method,
      num_programs=config.eval.num_samples,
      length=trainer.shape.length,
    )
    tok_SxBxnxT = in_prefix_order(tok_SxBxnxT, inputs)
    outcome_SxBxn = np.stack(
      [verifier.outcomes(tok, target_IxL[filled]) for tok in tok_SxBxnxT]
    )
    number_of_tasks = len(classes) - start
    return {
      'tok': np.asarray(tok_SxBxnxT, tokens.DTYPE)[:, :number_of_tasks],
      'logprob': np.asarray(logprob_SxBxn, np.float32)[:, :number_of_tasks],
      'outcome': outcome_SxBxn[:, :number_of_tasks],
      'minimal_logprob': _score(
        trainer, state, inputs, name, classes, filled, tables, config.eval.seed
      )[:, :number_of_tasks],
    }

  temperature = config.eval.temperature
  stem = f'{name}-{temperature}'
  kept = {start: parts.get(f'{stem}-{start}') for start in starts}
  done = {start: part for start, part in kept.items() if part is not None}
  title = f'evaluate {name}'
  if method.name != decode.BEAM:
    title += f' at {temperature:g}'
  bar = progress.Progress(title, len(starts), 'batches')
  bar.update(len(done))
  for start in starts:
    if start not in done:
      done[start] = write(start)
      parts.put(f'{stem}-{start}', done[start])
      bar.update(len(done))
  return {
    'class': classes,
    'target': target_IxL,
    **{
      field: np.concatenate([done[start][field] for start in starts], axis=1)
      for field in FIELDS
    },
  }


def _score(
  trainer: trainer_lib.Trainer,
  state: trainer_lib.State,
  inputs: inputs_lib.Inputs,
  name: str,
  classes: np.ndarray,
  row_B: np.ndarray,
  tables: prefixes.Tables | None,
  seed: int,
) -> np.ndarray:
  """minimal_logprob_SxB of some rows of a test set's classes."""
  shape = (len(row_B), _MINIMAL, inputs.universe.max_size)
  rng = seeding.generator(seed, 'minimal', name, int(row_B[0]))
  batch = data.make_batch(
    inputs,
    np.repeat(classes[row_B], _MINIMAL),
    rng.random(shape).reshape(-1, shape[2]),
  )
  logprob_SxR = scoring.log_probability(
    state['params'],
    batch['spec'],
    batch['input'],
    batch['target'],
    tables,
    graph=trainer.graph,
  )
  logprob_SxBxM = np.asarray(logprob_SxR, np.float32).reshape(-1, *shape[:2])
  return logprob_SxBxM.max(axis=2)


def in_prefix_order(
  tok_SxBxnxT: jax.Array, inputs: inputs_lib.Inputs
) -> np.ndarray:
  """What models wrote, read in the order in which they write."""
  tok_RxT = np.asarray(tok_SxBxnxT).reshape(-1, tok_SxBxnxT.shape[-1])
  tok_RxT = inputs.serialization.read(tok_RxT)
  return tok_RxT.reshape(*tok_SxBxnxT.shape[:3], -1)
