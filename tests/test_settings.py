"""What is refused of a config: what is missing, unread or out of bounds."""

import json

import pytest

from configs import density as density_config
from configs import ladder as ladder_config
from configs import region as region_config
from configs import study as study_config
from configs import support as support_config
from configs import tiers
from configs import universe as universe_config
from synth import errors
from synth import runs
from synth import settings


def _support():
  return support_config.get_config('tiny')


@pytest.mark.parametrize(
  'recipe', [density_config, ladder_config, region_config, support_config]
)
def test_the_recipes_have_what_is_known_and_nothing_else(recipe):
  config = recipe.get_config('tiny')
  settings.check(config, *settings.PARTS)
  known = {**settings.PARTS, 'split': settings.SPLITS[config.split.kind]}
  assert {part: set(keys) for part, keys in known.items()} == {
    part: set(keys) for part, keys in config.to_dict().items()
  }


@pytest.mark.parametrize('tier', tiers.TIERS)
def test_all_runs_of_the_study_pass(tier):
  for run in study_config.get_config(tier).runs:
    settings.check(run.config, *settings.PARTS)


def test_a_universe_alone_is_a_config_of_one_part():
  settings.check(universe_config.get_config(), 'universe')
  with pytest.raises(errors.InputError, match="no 'split': is it a recipe"):
    settings.check(universe_config.get_config(), 'universe', 'split')


@pytest.mark.parametrize(
  'key, value, error',
  [
    ('opt.learning_rate', 1e-3, 'nothing reads opt.learning_rate of the conf'),
    ('opt.weigth_decay', 0.1, r'opt.weigth_decay .*mean opt.weight_decay\?'),
    ('split.num_arm', 10, 'nothing reads split.num_arm'),
    ('optimizer', {'lr': 1e-3}, 'nothing reads optimizer of the config'),
    ('opt', 3, 'opt=3 must be a part of a config'),
    ('opt.lr', '3e-3', "opt.lr='3e-3' must be a number"),
    ('opt.lr', float('inf'), 'opt.lr=inf must be finite'),
    ('opt.lr', 0, 'opt.lr=0 must be positive'),
    ('opt.weight_decay', -0.1, 'opt.weight_decay=-0.1 must be at least 0'),
    ('opt.warmup_share', 1.5, 'opt.warmup_share=1.5 must be at most 1'),
    ('opt.b2', 1.0, 'opt.b2=1.0 must be below 1'),
    ('opt.num_steps', 1e3, 'opt.num_steps=1000.0 must be an integer'),
    ('opt.num_steps', True, 'opt.num_steps=True must be an integer'),
    ('opt.num_steps', 2**31, 'opt.num_steps=2147483648 must be at most 1.07'),
    ('opt.mup', 1, 'opt.mup=1 must be True or False'),
    ('model.mlp', None, 'model.mlp=None must be a text'),
    ('spaces.grid', [1, 0.5], r'spaces.grid=\[1, 0.5\] must be a list of int'),
    ('split.kind', 3, 'split.kind=3 must be a text'),
  ],
)
def test_odd_values_and_keys_are_named(key, value, error):
  config = _support().to_dict()
  part, _, last = key.partition('.')
  if last:
    config[part][last] = value
  else:
    config[part] = value
  with pytest.raises(errors.InputError, match=error):
    settings.check(config)


def test_what_is_missing_is_named():
  config = _support()
  del config.opt.clip_norm
  with pytest.raises(errors.InputError, match=r'the config has no opt\.clip_n'):
    settings.check(config)
  config = _support()
  del config.split.edges, config.split.match
  with pytest.raises(
    errors.InputError,
    match=r"kind='support' needs split\.edges, split\.match: begin with",
  ):
    settings.check(config)


def test_runs_from_before_a_setting_are_still_read():
  config = _support()
  del config.data.programs, config.eval.top_p
  settings.check(config, *settings.PARTS)


def test_a_damaged_record_is_named_with_its_place(tmp_path):
  config = json.loads(_support().to_json())
  config['eval']['num_saoples'] = config['eval'].pop('num_samples')
  record = {
    **{'config': config, 'inputs_sha256': {}, 'params': {}},
    'data_dir': '.',
  }
  (tmp_path / runs.RECORD).write_text(json.dumps(record))
  with pytest.raises(
    errors.InputError, match=r'run\.json: the config has no eval.num_samples'
  ):
    runs.read_record(tmp_path)
