"""Meshes of several devices compute what one device computes."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from configs import support as support_config
from synth import data
from synth import errors
from synth import inputs as inputs_lib
from synth.training import sharding
from synth.training import trainer as trainer_lib

_ROOT = pathlib.Path(__file__).parents[1]
_OVERRIDES = {
  'universe.max_size': 5,
  'split.num_test': 4,
  'split.num_dev': 6,
  'data.batch_size': 32,
  'train.num_seeds': 1,
  'opt.num_steps': 120,
}
_STEPS = 2
# What is not the default, and changes no more than rounding between meshes.
OTHERS = {
  'data.specification': 'points',
  'model.positions': 'rope',
  'model.mlp': 'swiglu',
  'model.tied': True,
  'model.remat': True,
  'model.scan': True,
  'opt.schedule': 'wsd',
  'opt.mup': True,
  'opt.base_width': 16,
}

# Runs on four devices: prints one JSON object.
_SCRIPT = """
import json, pathlib, sys
from absl import flags
flags.FLAGS.mark_as_parsed()
import jax
from benchmarks.training import collectives
from synth import errors, train
from synth.training import sharding
from tests import test_sharding
directory = pathlib.Path(sys.argv[1])
result = {'devices': jax.device_count()}
for mesh in ((2, 1, 2), (2, 2, 1)):
  losses, state, program = test_sharding.losses(directory, mesh)
  kernel = state['params']['blocks'][0]['qkv']['kernel']
  result[str(mesh)] = {
    'losses': losses,
    'local': kernel.addressable_shards[0].data.shape,
    'whole': kernel.shape,
    'collectives': collectives.count(program),
  }
losses, state, _ = test_sharding.losses(
  directory, (1, 2, 2), **{**test_sharding.OTHERS, 'opt.accumulation': 2}
)
kernel = state['params']['blocks']['gate']['kernel']
result['others'] = {
  'losses': losses,
  'local': kernel.addressable_shards[0].data.shape,
  'whole': kernel.shape,
}
def refusal(**overrides):
  config = test_sharding.config(**overrides)
  try:
    train.train_and_evaluate(config, directory / 'run', directory)
  except errors.InputError as error:
    return str(error)
result['rows'] = refusal(**{'mesh.data': 4, 'data.batch_size': 30})
result['width'] = refusal(**{'mesh.tensor': 4, 'model.D': 30})
result['product'] = refusal(**{'mesh.data': 1})
result['left'] = sharding.make_mesh(0, 1, 2).shape
print(json.dumps(result))
"""


def config(**overrides):
  config = support_config.get_config('tiny')
  config.update_from_flattened_dict({**_OVERRIDES, **overrides})
  return config


def losses(directory, mesh, **overrides):
  """Losses of the first steps on a mesh, the state after them, the program."""
  names = ('mesh.data', 'mesh.fsdp', 'mesh.tensor')
  settings = config(**dict(zip(names, mesh, strict=True)), **overrides)
  inputs = inputs_lib.load_or_build(settings, directory)
  trainer = trainer_lib.Trainer(settings, inputs)
  source = data.BatchSource(inputs, ('train_s',), trainer.seeds, 32, _STEPS)
  state, found = trainer.init(), []
  program = trainer.step.lower(state, trainer.put(source[0])).compile()
  for step in range(_STEPS):
    state, values = program(state, trainer.put(source[step]))
    found.append(float(values['loss'][0]))
    found.append(float(values['grad_norm'][0]))
  return found, state, program.as_text()


@pytest.fixture(scope='module')
def on_four(tmp_path_factory):
  """What `_SCRIPT` prints, and losses on one device of both models."""
  directory = tmp_path_factory.mktemp('sharding')
  alone, *_ = losses(directory, (1, 1, 1))
  others, *_ = losses(directory, (1, 1, 1), **OTHERS)
  return _printed(_SCRIPT, 4, directory), alone, others


def _printed(script, devices, directory):
  """The last line that a script prints on so many simulated devices."""
  process = subprocess.run(
    [sys.executable, '-c', script, str(directory)],
    cwd=_ROOT,
    env={
      **os.environ,
      'JAX_PLATFORMS': 'cpu',
      'JAX_DISABLE_MOST_OPTIMIZATIONS': '1',  # compiles in half the time
      'XLA_FLAGS': (
        f'{os.environ["XLA_FLAGS"]} '
        f'--xla_force_host_platform_device_count={devices}'
      ),
    },
    capture_output=True,
    text=True,
    check=False,
  )
  assert process.returncode == 0, process.stderr
  return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize('mesh', ['(2, 1, 2)', '(2, 2, 1)'])
def test_a_mesh_of_four_computes_what_one_device_does(on_four, mesh):
  found, alone, _ = on_four
  assert found['devices'] == 4
  np.testing.assert_allclose(found[mesh]['losses'], alone, atol=1e-5)
  assert len(set(alone)) == len(alone)


def test_so_does_a_model_of_stacked_layers_and_batches_in_parts(on_four):
  found, _, others = on_four
  np.testing.assert_allclose(found['others']['losses'], others, atol=1e-5)
  models, layers, rows, columns = found['others']['whole']
  cut = [models, layers, rows // 2, columns // 2]
  assert found['others']['local'] == cut


def test_parameters_are_cut_along_their_axes(on_four):
  found, *_ = on_four
  for mesh, fsdp, tensor in (('(2, 1, 2)', 1, 2), ('(2, 2, 1)', 2, 1)):
    models, rows, columns = found[mesh]['whole']
    assert found[mesh]['local'] == [models, rows // fsdp, columns // tensor]


def test_no_residual_stream_is_gathered_for_a_cut_matrix(on_four):
  found, *_ = on_four
  shape = config().model
  rows = 32 // 2  # of a device
  length = int(config().universe.max_size) + 2  # prefix, BOS, tokens
  stream = 4 * rows * length * shape.D
  gathered = found['(2, 1, 2)']['collectives'].get('all-gather', {'bytes': 0})
  assert gathered['bytes'] < stream
  # Products of rows are summed: attention and MLP, forward and back.
  assert found['(2, 1, 2)']['collectives']['all-reduce']['bytes'] > 4 * stream


def test_rows_are_cut_over_the_devices_that_are_left(on_four):
  assert on_four[0]['left'] == {'data': 2, 'fsdp': 1, 'tensor': 2}


@pytest.mark.slow
@pytest.mark.parametrize(
  'mesh', [(2, 1, 1), (1, 2, 1), (1, 1, 2), (8, 1, 1), (2, 2, 2), (1, 4, 2)]
)
def test_two_and_eight_devices_compute_what_one_does(on_four, mesh, tmp_path):
  script = (
    'import json, pathlib, sys\n'
    'from absl import flags\n'
    'flags.FLAGS.mark_as_parsed()\n'
    'from tests import test_sharding\n'
    'place = pathlib.Path(sys.argv[1])\n'
    f'print(json.dumps(test_sharding.losses(place, {mesh})[0]))\n'
  )
  found = _printed(script, int(np.prod(mesh)), tmp_path)
  np.testing.assert_allclose(found, on_four[1], atol=1e-5)


def test_lengths_that_a_mesh_does_not_divide_are_refused(on_four):
  found, *_ = on_four
  assert 'batch_size=30 cannot be cut into 4' in found['rows']
  assert "cannot be cut into 4 along 'tensor'" in found['width']
  assert 'number of devices, 4' in found['product']


def test_a_mesh_of_another_number_of_devices_is_refused():
  with pytest.raises(errors.InputError, match=r'data=2 .* devices, 1'):
    sharding.make_mesh(2, 1, 1)


def test_a_parameter_without_a_rule_is_named():
  mesh = sharding.make_mesh(1, 1, 1)
  leaf = jax.ShapeDtypeStruct((1, 4, 4), np.float32)
  state = {'params': {'blocks': [{'mystery': {'kernel': leaf}}]}}
  with pytest.raises(ValueError, match='params/blocks/0/mystery/kernel'):
    sharding.of_state(mesh, state)


def test_rows_are_cut_along_data_and_fsdp():
  mesh = sharding.make_mesh(1, 1, 1)
  assert list(sharding.local_rows(mesh, 3)) == [0, 1, 2]
  assert sharding.of_batch(mesh).spec[1] == ('data', 'fsdp')
