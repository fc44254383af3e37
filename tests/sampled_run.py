"""The directory of an evaluated run whose samples nobody had to train for."""

import functools
import pathlib

import ml_collections
import numpy as np

from configs import support as support_config
from synth import inputs as inputs_lib
from synth import runs
from synth import settings
from synth.evaluation import verify
from synth.language import grammar as grammar_lib
from synth.language import tokens
from tests.conftest import GRAMMARS

SAMPLES, MODELS = 6, 2


def write(workdir: pathlib.Path) -> pathlib.Path:
  """Samples of two models: a few right, most of training, some no programs."""
  config = support_config.get_config('tiny')
  config.update_from_flattened_dict(
    {
      'universe.max_size': 5,
      'split.num_test': 6,
      'split.num_dev': 8,
      'eval.num_samples': SAMPLES,
    }
  )
  found = inputs_lib.load_or_build(config, workdir / 'data')
  universe, rng = found.universe, np.random.default_rng(0)
  numerators = list(config.spaces.grid)
  verifier = verify.Verifier(universe.vocabulary, ('x',), numerators, 0, 0)
  arrays, train_N = {}, found.split.arms[config.data.arm]
  for name, class_I in found.split.evaluation_sets().items():
    shape = (MODELS, len(class_I), SAMPLES)
    class_SxIxn = rng.choice(train_N, shape)
    right_SxIxn = rng.random(shape) < 0.1
    class_SxIxn = np.where(right_SxIxn, class_I[:, None], class_SxIxn)
    tok = np.zeros((*shape, universe.max_size + 1), tokens.DTYPE)
    tok[..., :-1] = universe.representative_CxL[class_SxIxn]
    size = (tok != tokens.PAD).sum(axis=-1, keepdims=True)
    np.put_along_axis(tok, size, tokens.EOS, axis=-1)
    broken = rng.random(shape) < 0.1
    tok[broken, 0] = universe.vocabulary.index['add']
    target_IxL = universe.representative_CxL[class_I]
    arrays |= {
      f'{name}_class': class_I,
      f'{name}_cluster': class_I,
      f'{name}_target': target_IxL,
      f'{name}_tok': tok,
      f'{name}_outcome': np.stack(
        [verifier.outcomes(one, target_IxL) for one in tok]
      ),
    }
  runs.write_arrays(workdir / runs.SAMPLES, arrays)
  told = {
    'config': settings.plain(config),
    'inputs_sha256': found.sha256,
    'params': {'total': 1},
  }
  runs.write_json(workdir / runs.RECORD, {**told, 'data_dir': 'data'})
  sizes = {n: len(c) for n, c in found.split.evaluation_sets().items()}
  runs.write_json(
    workdir / runs.RESULT,
    {
      **told,
      'arm': config.data.arm,
      'seeds': list(range(MODELS)),
      'step': config.opt.num_steps,
      'versions': runs.versions(),
      'measure': 'pass',
      'items': sizes,
    },
  )
  return workdir


@functools.cache
def inputs(
  workdir: pathlib.Path,
) -> tuple[inputs_lib.Inputs, ml_collections.ConfigDict]:
  """What the run was made of, and its config."""
  config = ml_collections.ConfigDict(runs.read_record(workdir)['config'])
  return inputs_lib.of_run(workdir, config), config


def conditional() -> grammar_lib.Grammar:
  """A grammar with operators that have no inverse."""
  return grammar_lib.load(GRAMMARS / 'conditional.bnf')
