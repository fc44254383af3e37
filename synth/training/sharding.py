"""The device mesh and which array is cut along which of its axes.

Mesh axes: `data` (rows of the batch), `fsdp` (rows too, and parameters are cut
along it between uses), `tensor` (columns of parameters). One device is the
trivial case. All parameters have a leading axis M of models, and stacked layers
one of layers after it; neither is ever cut.
"""

import re
from typing import Any

import jax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec
import numpy as np

from synth import errors

AXES = ('data', 'fsdp', 'tensor')
_BATCH = PartitionSpec(None, ('data', 'fsdp'))
_ROWS = PartitionSpec(None, 'fsdp', 'tensor')
_COLUMNS = PartitionSpec(None, 'tensor', 'fsdp')
_STACKED_ROWS = PartitionSpec(None, None, 'fsdp', 'tensor')
_STACKED_COLUMNS = PartitionSpec(None, None, 'tensor', 'fsdp')

# (pattern of the path, spec); the first that matches the end of a path wins.
RULES = (
  (r'(^|/)blocks/(qkv|up|gate)/kernel$', _STACKED_ROWS),
  (r'(^|/)blocks/(out|down)/kernel$', _STACKED_COLUMNS),
  (r'(^|/)blocks/\d+/(qkv|up|gate)/kernel$', _ROWS),
  (r'(^|/)blocks/\d+/(out|down)/kernel$', _COLUMNS),
  (r'(^|/)blocks/(up|gate)/bias$', PartitionSpec(None, None, 'tensor')),
  (r'(^|/)blocks/\d+/(up|gate)/bias$', PartitionSpec(None, 'tensor')),
  # As many rows as features, which may be any number.
  (r'(^|/)encoder/embed/kernel$', PartitionSpec(None, None, 'tensor')),
  (r'(^|/)encoder/layers/\d+/kernel$', _ROWS),
  (r'(^|/)encoder/out/kernel$', _COLUMNS),
  (r'(^|/)encoder/(embed|layers/\d+)/bias$', PartitionSpec(None, 'tensor')),
  (r'(^|/)encoder/(norms/\d+|norm)/scale$', PartitionSpec(None, 'tensor')),
  (r'(^|/)head/kernel$', PartitionSpec(None, 'fsdp')),
  (r'(^|/)(embed|position|scale|bias)$', PartitionSpec()),
  (r'(^|/)(count|step|diverged)$', PartitionSpec()),
)


def make_mesh(data: int, fsdp: int, tensor: int) -> jax.sharding.Mesh:
  """The mesh of the given axis lengths over all devices.

  Args:
    data, fsdp, tensor: The lengths; of `data` 0: what the others leave.

  Raises:
    InputError: if the lengths do not multiply to the number of devices.
  """
  devices = jax.device_count()
  data = data or max(devices // (fsdp * tensor), 1)
  if data * fsdp * tensor != devices:
    raise errors.InputError(
      f'config.mesh: data={data} * fsdp={fsdp} * tensor={tensor} is not the '
      f'number of devices, {devices}'
    )
  return jax.make_mesh(
    (data, fsdp, tensor), AXES, axis_types=(jax.sharding.AxisType.Auto,) * 3
  )


def of_state(mesh: jax.sharding.Mesh, state: Any) -> Any:
  """The sharding of every leaf of a training state, by `RULES`.

  Raises:
    ValueError: names a leaf that no rule matches.
  """

  def sharding(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
    name = '/'.join(_name(part) for part in path)
    for pattern, spec in RULES:
      if re.search(pattern, name):
        _check_divides(name, leaf.shape, spec, mesh)
        return NamedSharding(mesh, spec)
    raise ValueError(f'no sharding rule for {name!r}')

  return jax.tree_util.tree_map_with_path(sharding, state)


def of_batch(mesh: jax.sharding.Mesh) -> NamedSharding:
  """The sharding of every array of a batch, M x B x ..."""
  return NamedSharding(mesh, _BATCH)


def whole(mesh: jax.sharding.Mesh) -> NamedSharding:
  """The sharding of an array that every device holds whole."""
  return NamedSharding(mesh, PartitionSpec())


def local_rows(
  mesh: jax.sharding.Mesh, batch_size: int, accumulation: int = 1
) -> np.ndarray:
  """The rows of a batch that the devices of this process hold, ascending.

  Args:
    mesh: Of the devices.
    batch_size: Rows of the whole batch.
    accumulation: Parts in which a device takes its rows.

  Raises:
    InputError: if the batch cannot be cut into equal parts.
  """
  ways = mesh.shape['data'] * mesh.shape['fsdp']
  if batch_size % (ways * accumulation):
    raise errors.InputError(
      f'data.batch_size={batch_size} cannot be cut into '
      f'{ways * accumulation} parts (config.mesh and opt.accumulation)'
    )
  places = of_batch(mesh).addressable_devices_indices_map((1, batch_size))
  rows = np.arange(batch_size)
  return np.unique(np.concatenate([rows[i[1]] for i in places.values()]))


def _name(part: Any) -> str:
  for attribute in ('key', 'name', 'idx'):
    if hasattr(part, attribute):
      return str(getattr(part, attribute))
  return str(part)


def _check_divides(
  name: str,
  shape: tuple[int, ...],
  spec: PartitionSpec,
  mesh: jax.sharding.Mesh,
) -> None:
  for length, axis in zip(shape, spec, strict=False):
    if axis is not None and length % mesh.shape[axis]:
      raise errors.InputError(
        f'parameter {name} of shape {shape} cannot be cut into '
        f'{mesh.shape[axis]} along {axis!r}'
      )
