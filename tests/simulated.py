"""Result records with planted effects, as a study would have left them."""

import json

import numpy as np
import scipy.special

from analysis.study import cells
from analysis.study import plan
from analysis.study import study as study_lib
from configs import support as recipe
from synth import packing
from synth import record_tasks
from synth import records
from synth import settings

SAMPLES = 16
CERTIFICATE = {
  'checks': {'classes_disjoint': True},
  'measurements': {'forced_share_of_novel': {'+0': 1.0, '+2': 0.4}},
  'bounds': {
    'syntactic': {'near': 0.3, 'far': 0.4},
    'semantic': {'near': 0.3, 'far': 0.4},
  },
  'facts': {},
}


def write(
  root,
  contrast,
  arm,
  rates,
  rng,
  *,
  split=0,
  seeds=8,
  items=120,
  kind='support',
  samples=SAMPLES,
  flops=1e12,
  seed_sd=0.2,
  item_sd=0.5,
  zero=0.0,
  measurements=None,
  run=None,
  of_distance=0.0,
  lr=3e-3,
  dev_loss=0.3,
  functions=8000,
  parameters=100_000,
  forced=None,
  search=None,
  subgoals=None,
):
  """Writes one record.

  Args:
    root: Directory of the tier.
    contrast: Of the study.
    arm: Training arm.
    rates: Test set -> mean success of one sample.
    rng: Of this record's noise.
    split: Seed of the split; its tasks are its own.
    seeds: Training seeds.
    items: Tasks of a test set.
    kind: Of the split.
    samples: A task.
    flops: Of training.
    seed_sd: Spread of seeds, in logits.
    item_sd: Spread of tasks, in logits; tasks are equally hard in all arms.
    zero: Share of tasks that are never solved.
    measurements: Of the certificate, besides.
    run: Its name.
    of_distance: Slope of the logit in the syntactic distance (0.2 to 0.8).
    lr: Learning rate.
    dev_loss: At the end of training, of all seeds or of each.
    functions: In an arm, of the kinds of split that have that setting.
    parameters: Of the model.
    forced: Test set -> mean success on its tasks that force the structure,
      every other one; as on the rest where it names none.
    search: Source of sketches -> share of tasks it solves, within 100 look-ups.
    subgoals: Who is asked for them -> share of tasks solved.
  """
  tests, found = {}, {}
  for place, (name, rate) in enumerate(rates.items()):
    tasks = np.random.default_rng([split, place])  # the same in every arm
    hard_I = item_sd * tasks.standard_normal(items)
    distance_2xI = 0.2 + 0.6 * tasks.random((2, items))
    rate_I = np.full(items, float(rate))
    rate_I[::2] = (forced or {}).get(name, rate)
    logit_SxI = scipy.special.logit(np.clip(rate_I, 1e-6, 1 - 1e-6)) + hard_I
    logit_SxI = logit_SxI + of_distance * (distance_2xI[0] - 0.5)
    logit_SxI = logit_SxI + seed_sd * rng.standard_normal((seeds, 1))
    rate_SxI = scipy.special.expit(logit_SxI)
    rate_SxI[:, tasks.random(items) < zero] = 0
    correct_SxI = rng.binomial(samples, rate_SxI)
    wrong_SxI = samples - correct_SxI
    arrays = {
      'class_I': np.arange(items) + 10_000 * place + 1000 * split,
      'correct_SxI': correct_SxI,
      'distance_2xI': distance_2xI,
      'size_I': np.where(tasks.random(items) < 0.5, 7, 9),
      'minimal_I': tasks.random(items),
      'programs_I': 3 * tasks.random(items),
      'derivation_I': -3 * tasks.random(items),
      # On every fourth task half of what is wrong fits the specification;
      # the farther a task is, the more is copied.
      'fits_only_SxI': wrong_SxI // 2 * (np.arange(items) % 4 == 0),
      'copied_SxI': np.rint(wrong_SxI * distance_2xI[0] / 2),
    }
    # Confident 0.2 wherever they are.
    arrays |= {
      'answer_SxI': np.full((seeds, items), np.log(0.2)),
      'answer_right_SxI': tasks.random((seeds, items)) < rate_SxI,
      'stratum_2xI': np.digitize(distance_2xI, [0.4, 0.7]),
    }
    found |= {
      (name, key): value for key, value in _of_samples(arrays, samples).items()
    }
    if kind == 'support':
      arrays['with_edge_SxI'] = correct_SxI // 2
      arrays['free_size_I'] = np.where(np.arange(items) % 2, 9, 11)
    tests[name] = {
      key: packing.pack(array, record_tasks.DTYPES[key])
      for key, array in arrays.items()
    }
  copied = {
    name: {'subtrees': {'outputs': [0.75] * seeds, 'tasks': 0.5 + 0.1 * split}}
    for name in rates
  }
  shares = {'correct': 0.5, 'grid_only': 0.1, 'wrong': 0.4}
  name = run or f'{arm}-split{split}'
  config = settings.plain(recipe.get_config('small'))
  config['split'] = {
    **{key: config['split'].get(key, '') for key in settings.SPLITS[kind]},
    **{'kind': kind, 'seed': split, 'num_test': items},
  }
  if 'num_arm' in config['split']:
    config['split']['num_arm'] = functions
  config['data']['arm'] = arm
  config['opt'] |= {'lr': lr, 'num_steps': 1000}
  config['eval']['num_samples'] = samples
  of_samples = {
    key: {test: found[test, key] for test in rates}
    for key in ('errors', 'copies', 'with_structure', 'calibration')
  }
  facts = {
    **of_samples,
    'format': records.FORMAT,
    'tier': root.name,
    'contrast': contrast,
    'run': name,
    'arm': arm,
    'seeds': [100 * split + seed for seed in range(seeds)],
    'step': 1000,
    'config': config,
    'versions': {'jax': 'x', 'synth': 'y'},
    'device': {'kind': 'cpu'},
    'diverged': {},
    'inputs_sha256': {'universe': 'u', 'spaces': 's', 'split': f'{split}'},
    'class_sha256': {f'arm_{arm}': 'a'},
    'classes': {f'arm_{arm}': 14_221},
    'params': {
      'total': parameters,
      'decoder': parameters - 10_000,
      'embedding': 10_000,
    },
    'flops': flops,
    'seconds': {'train': 10.0, 'evaluate': 2.0},
    'loss': 0.1,
    'dev_loss': [
      [500, np.broadcast_to(np.fmax(dev_loss, 0.4), seeds).tolist()],
      [1000, np.broadcast_to(dev_loss, seeds).tolist()],
    ],
    'samples': samples,
    'pass': {},
    'outcomes': {test: shares for test in rates},
    'retrieval': copied,
    'without_model': {
      'enumeration': {
        'preparation': {},
        'tests': {
          test: {'solved': {'1': 0.25 + 0.125 * split, '16': 0.5, '256': 1.0}}
          for test in rates
        },
      }
    },
    'novelty': {},
    'baselines': {},
    'strata': {},
    'split': {
      **CERTIFICATE,
      'measurements': {
        **CERTIFICATE['measurements'],
        **(measurements or {}),
      },
    },
    'tests': tests,
  }
  if search:
    facts['search'] = {
      'bank_functions': {'5': 281},
      'tests': {
        test: {'5': _searches(search, (seeds, items), rng)} for test in rates
      },
    }
    if subgoals:
      facts['search']['subgoals'] = {
        test: {'3x1': _subgoals(subgoals, (seeds, items), rng)}
        for test in rates
      }
  path = root / contrast / f'{name}.json'
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(facts))
  return path


def _subgoals(subgoals, shape, rng):
  """The subgoal that solves each task, planted."""
  found = {'subgoals': 162.0, 'seconds': 1.0}
  for who, rate in subgoals.items():
    rows = shape if who == 'model' else (1, shape[1])
    number_SxI = rng.integers(1, 162, rows) * (rng.random(rows) < rate)
    found[who] = {
      'solved': float((number_SxI > 0).mean()),
      'number_SxI': packing.pack(number_SxI, '<u4'),
    }
  return found


def _searches(search, shape, rng):
  """Look-ups of planted searches: alike for all models where they have none."""
  found = {}
  for source, rate in search.items():
    rows = shape if source in ('own', 'others') else (1, shape[1])
    lookup_SxI = rng.integers(1, 101, rows) * (rng.random(rows) < rate)
    found[source] = {
      'solved': float((lookup_SxI > 0).mean()),
      'lookups': 100.0,
      'lookup_SxI': packing.pack(lookup_SxI, '<u4'),
      'seconds': 1.0,
    }
  return found


def _of_samples(arrays, samples):
  """What result.json says of the samples of one test set.

  A tenth of what is wrong and does not fit is undefined, a twentieth is no
  program. Of two bins of answers, confident 0.1 and 0.3, the second is right
  twice as often; the first model has no AUROC.
  """
  right_S = arrays['correct_SxI'].mean(axis=1) / samples
  fits_S = arrays['fits_only_SxI'].mean(axis=1) / samples / (1 - right_S)
  seeds, items = arrays['correct_SxI'].shape
  return {
    'errors': {
      'unparsed': (0.05 * (1 - fits_S)).tolist(),
      'undefined': (0.1 * (1 - fits_S)).tolist(),
      'wrong_function': (0.85 * (1 - fits_S)).tolist(),
      'fits_only': fits_S.tolist(),
    },
    'copies': (arrays['copied_SxI'].mean(axis=1) / samples).tolist(),
    'with_structure': [0.02] * seeds,
    'calibration': [
      {
        'confidence_B': [0.1, 0.3],
        'success_B': [2 * right / 3, 4 * right / 3],
        'count_B': [items // 2, items // 2],
        'ece': 0.05 + right / 100,
        'auroc': None if seed == 0 else 0.75,
      }
      for seed, right in enumerate(right_S.tolist())
    ],
  }


def load(root):
  """The study of records that nothing was declared of: all are whole."""
  return study_lib.load(root, lambda tier: [])


def declared(root):
  """The plan that some records fulfil."""
  return [
    plan.Declared(
      record.facts['contrast'],
      record.facts['run'],
      study_lib.split_seed(record),
      tuple(record.tests),
      len(next(iter(record.tests.values())).class_I),
      {key: record.facts[key] for key in ('arm', 'seeds', 'step', 'samples')},
      record.facts['config'],
    )
    for record in records.load(root)
  ]


def support(root, contrast, *, drop, price=0.0, splits=3, rng, **options):
  """Both arms: novel falls by `drop` where it was never seen."""
  for split in range(splits):
    for arm, novel, control in (
      ('train_s', 0.6 - drop, 0.6),
      ('train_c', 0.6, 0.6 + price),
    ):
      rates = {'control': control, 'novel': novel, 'dev': 0.6}
      write(root, contrast, arm, rates, rng, split=split, **options)


def cell(arm, value_SxI):
  """A cell with given shares as its success, without a record."""
  value_SxI = np.asarray(value_SxI)
  seeds, items = value_SxI.shape
  correct_SxI = np.rint(value_SxI * 10_000).astype(int)
  item_I = np.arange(items)
  return cells.Cell(
    0, arm, 't', tuple(range(seeds)), correct_SxI, 10_000, item_I, item_I
  )
