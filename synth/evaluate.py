"""Evaluation: every test set and dev, per seed, by executing what was written.

  python -m synth.evaluate --workdir=DIR [--samples=256] [--constrained]

reads DIR/run.json and the newest checkpoint, writes DIR/result.json (pass@k
with intervals, outcomes, baselines) and DIR/samples.npz (what was written).
The headline is exact success: the same rational function as the target.
"""

from collections.abc import Mapping
import pathlib
import sys
from typing import Any

from absl import flags
import jax
import ml_collections
import numpy as np
import scipy.spatial

from synth import checkpoint
from synth import cli
from synth import decode
from synth import errors
from synth import freezing
from synth import inputs as inputs_lib
from synth import progress
from synth import runs
from synth import seeding
from synth import store
from synth import train
from synth import verify
from synth.language import prefixes
from synth.language import serialization
from synth.language import tokens
from synth.statistics import bootstrap
from synth.statistics import design
from synth.statistics import passk

HEADLINE = (1, 16)


def evaluate(
  workdir: pathlib.Path, overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
  """Evaluates the newest checkpoint of a run.

  Args:
    workdir: The run.
    overrides: Values for the config's `eval`, in place of the run's.

  Returns:
    What is written to result.json.

  Raises:
    InputError: if the directory is no run, its inputs have changed or it has
      no checkpoint.
  """
  record = runs.read_record(workdir)
  config = ml_collections.ConfigDict(record['config'])
  config.eval.update(overrides or {})
  cli.check_numbers(config)
  data_dir = workdir / record['data_dir']
  for place in inputs_lib.places(config, data_dir):
    if not store.exists(place):
      raise errors.InputError(
        f'the run was made with {place.resolve()}, which is gone: '
        f'{workdir / runs.RECORD} has the path from the run to its data'
      )
  inputs = inputs_lib.load_or_build(config, data_dir)
  runs.check_same(workdir / runs.RECORD, record['inputs_sha256'], inputs.sha256)
  trainer = train.Trainer(config, inputs)
  with checkpoint.Checkpoints(workdir) as checkpoints:
    restored = checkpoints.restore_newest(trainer.abstract_state)
  if restored is None:
    raise errors.InputError(f'{workdir} holds no checkpoint: train it first')
  step, state, _ = restored
  if step < config.opt.num_steps:
    print(
      f'warning: {workdir} was trained for {step} of {config.opt.num_steps} '
      'steps: the result says so and is replaced by evaluating again',
      file=sys.stderr,
    )
  diverged = freezing.Divergences(trainer.seeds, checkpoints.latest).report(
    state['diverged']
  )
  for seed, when in diverged.items():
    print(
      f'warning: the model of seed {seed} diverged at step {when}: the result '
      'counts it as it was then',
      file=sys.stderr,
    )
  verifier = verify.Verifier(
    inputs.universe.vocabulary,
    inputs.universe.grammar.variables,
    list(config.spaces.grid),
    config.universe.seed,
    config.eval.seed,
  )
  sets = inputs.split.evaluation_sets()
  written = {
    name: _write_and_judge(
      config, trainer, state, inputs, verifier, name, classes
    )
    for name, classes in sets.items()
  }
  result = {
    'step': step,
    'arm': config.data.arm,
    'config': cli.plain(config),
    'inputs_sha256': inputs.sha256,
    'versions': runs.versions(),
    'params': record['params'],
    'seeds': list(trainer.seeds),
    'diverged': diverged,
    **_summarize(config, written),
    'novelty': _novelty(written, inputs),
    'baselines': _baselines(config.data.arm, sets, inputs, verifier),
  }
  arrays = {
    f'{name}_{field}': array
    for name, fields in written.items()
    for field, array in fields.items()
  }
  _write_samples(workdir / runs.SAMPLES, arrays)
  runs.write_json(workdir / runs.RESULT, result)
  return result


def _write_and_judge(
  config: ml_collections.ConfigDict,
  trainer: train.Trainer,
  state: train.State,
  inputs: inputs_lib.Inputs,
  verifier: verify.Verifier,
  name: str,
  classes: np.ndarray,
) -> dict[str, np.ndarray]:
  """Samples of every model on one set of tasks.

  Returns:
    class_I, target_IxL (a program of each), tok_SxIxnxT (in prefix order),
    logprob_SxIxn and outcome_SxIxn (`verify.Outcome`), under the names before
    the underscore.
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
      inputs.universe.grammar, inputs.universe.vocabulary
    )
  starts = range(0, len(classes), batch)
  # One program of each target, as training would show it.
  rng = seeding.generator(config.eval.seed, 'target', name)
  target_IxL = inputs.programs_at(
    classes, rng.random((len(classes), inputs.universe.max_size))
  )
  bar = progress.Progress(
    f'evaluate {name}', len(trainer.seeds) * len(starts), 'batches'
  )
  by_seed = []
  for index, seed in enumerate(trainer.seeds):
    params = jax.tree.map(lambda x, i=index: x[i], state['params'])
    key = jax.random.fold_in(jax.random.key(config.eval.seed), seed)
    parts = []
    for number, start in enumerate(starts):
      # One shape for all batches: the last one is filled up, then cut.
      number_of_tasks = min(batch, len(classes) - start)
      filled = (start + np.arange(batch)) % len(classes)
      tok_BxnxT, logprob_Bxn = decode.sample(
        params,
        inputs.spec_CxF[classes[filled]],
        jax.random.fold_in(key, start),
        config.eval.temperature,
        tables,
        graph=trainer.graph,
        num_samples=config.eval.num_samples,
        length=trainer.shape.length,
      )
      tok_BxnxT = _in_prefix_order(tok_BxnxT, inputs)
      outcome_Bxn = verifier.outcomes(tok_BxnxT, target_IxL[filled])
      part = (
        np.asarray(tok_BxnxT, tokens.DTYPE),
        np.asarray(logprob_Bxn, np.float32),
        outcome_Bxn,
      )
      parts.append([array[:number_of_tasks] for array in part])
      bar.update(index * len(starts) + number + 1)
    by_seed.append([np.concatenate(p) for p in zip(*parts, strict=True)])
  tok, logprob, outcome = (np.stack(a) for a in zip(*by_seed, strict=True))
  return {
    'class': classes,
    'target': target_IxL,
    'tok': tok,
    'logprob': logprob,
    'outcome': outcome,
  }


def _in_prefix_order(
  tok_BxnxT: jax.Array, inputs: inputs_lib.Inputs
) -> np.ndarray:
  tok_RxT = np.asarray(tok_BxnxT).reshape(-1, tok_BxnxT.shape[-1])
  tok_RxT = inputs.serialization.read(tok_RxT)
  return tok_RxT.reshape(*tok_BxnxT.shape[:2], -1)


def _summarize(
  config: ml_collections.ConfigDict, written: Mapping[str, Any]
) -> dict[str, Any]:
  """pass@k with intervals, per seed, and shares of outcomes."""
  samples = config.eval.num_samples
  summary: dict[str, Any] = {}
  for k in (k for k in HEADLINE if k <= samples):
    means, per_seed = {}, {}
    for name, fields in written.items():
      correct_SxI = (fields['outcome'] == verify.Outcome.CORRECT).sum(axis=2)
      value_SxI = passk.pass_at_k(correct_SxI, samples, k)
      rng = seeding.generator(config.eval.seed, 'bootstrap', name)
      means[name] = bootstrap.crossed([[design.Term(value_SxI)]], rng)
      per_seed[name] = value_SxI.mean(axis=1).tolist()
    summary[f'pass@{k}'] = means
    summary[f'pass@{k}_by_seed'] = per_seed
  summary['outcomes'] = {
    name: {
      outcome.name.lower(): float((fields['outcome'] == outcome).mean())
      for outcome in verify.Outcome
    }
    for name, fields in written.items()
  }
  summary['items'] = {
    name: len(fields['class']) for name, fields in written.items()
  }
  return summary


def _novelty(
  written: Mapping[str, Any], inputs: inputs_lib.Inputs
) -> dict[str, Any]:
  """How correct samples were written: with the held-out edge or without."""
  holdout = inputs.holdout
  if holdout is None:
    return {}
  shares = {}
  for name, fields in written.items():
    correct = fields['outcome'] == verify.Outcome.CORRECT
    tok_PxT = fields['tok'][correct]
    tok_PxT = np.where(tok_PxT == tokens.EOS, tokens.PAD, tok_PxT)
    with_edge = holdout.has(tok_PxT)
    total = correct.size
    shares[name] = {
      'solved_with_held_out_edge': float(with_edge.sum() / total),
      'solved_without_it': float((~with_edge).sum() / total),
      'unsolved': float(1 - correct.mean()),
    }
  return shares


def _baselines(
  arm: str,
  sets: Mapping[str, np.ndarray],
  inputs: inputs_lib.Inputs,
  verifier: verify.Verifier,
) -> dict[str, Any]:
  """What needs no model, judged by the same code on the same tasks.

  `nearest_neighbour` answers with the program of the training class nearest in
  the semantic space. `best_constant` answers every task with one and the same
  program: test classes are distinct functions, so even the best such program
  solves one of them. Training classes are disjoint from test classes, so
  retrieval can succeed on the grid only.
  """
  train_N = inputs.split.arms[arm]
  rng = seeding.generator(0, 'baseline')
  shape = (len(train_N), inputs.universe.max_size)
  tok_NxL = inputs.programs_at(train_N, rng.random(shape))
  tree = scipy.spatial.cKDTree(inputs.spaces.semantic_CxD[train_N])
  result: dict[str, Any] = {}
  for name, classes in sets.items():
    target_IxL = inputs.universe.representative_CxL[classes]
    _, nearest_I = tree.query(inputs.spaces.semantic_CxD[classes])
    outcome_I = verifier.outcomes(tok_NxL[nearest_I][:, None], target_IxL)[:, 0]
    result[name] = {
      'nearest_neighbour': float((outcome_I == verify.Outcome.CORRECT).mean()),
      'nearest_neighbour_on_grid': float(
        (outcome_I <= verify.Outcome.GRID_ONLY).mean()
      ),
      'best_constant': 1 / len(classes),
    }
  return result


def _write_samples(
  path: pathlib.Path, arrays: Mapping[str, np.ndarray]
) -> None:
  """Writes an .npz whole or not at all."""
  scratch = path.with_name(f'.{path.stem}.tmp.npz')
  try:
    np.savez_compressed(scratch, allow_pickle=False, **arrays)
    scratch.replace(path)
  except OSError as error:
    raise runs.RunError(f'cannot write {path}: {error.strerror}') from None


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string(
    'workdir', None, 'Directory of a trained run.', required=True
  )
  flags.DEFINE_integer(
    'samples', None, 'Programs for each task, in place of eval.num_samples.'
  )
  flags.DEFINE_float(
    'temperature', None, 'Of sampling, in place of eval.temperature.'
  )
  flags.DEFINE_bool(
    'constrained',
    None,
    'Whether only programs of the grammar can be written, in place of '
    'eval.constrained.',
  )


def main() -> dict[str, Any]:
  """Evaluates; the last line is the result without its configuration."""
  args = flags.FLAGS
  given = {
    'num_samples': args.samples,
    'temperature': args.temperature,
    'constrained': args.constrained,
  }
  overrides = {key: value for key, value in given.items() if value is not None}
  result = evaluate(pathlib.Path(args.workdir), overrides)
  hidden = ('config', 'versions', 'inputs_sha256')
  return {name: value for name, value in result.items() if name not in hidden}


if __name__ == '__main__':
  define_flags()
  cli.run(main)
