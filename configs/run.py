"""One run of a study: a recipe, and what is changed in it.

`configs/study.py` lists the runs of a study, `launch.study` makes them.
"""

from collections.abc import Mapping
import dataclasses
import functools
import hashlib
import importlib
import json
from typing import Any

import ml_collections

from synth import settings as settings_lib

# Key of `eval` -> flag of `synth.evaluate`: runs that differ in these alone
# share their training.
_FLAGS_OF_EVAL = {
  'num_samples': 'samples',
  'num_tasks': 'tasks',
  'batch_size': 'batch_size',
  'temperature': 'temperatures',
}


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
  """One run.

  Attributes:
    contrast: What it is for; runs of one contrast stand together.
    name: Within the contrast.
    recipe: FILE.py:VARIANT of `configs/`.
    settings: Keys of its config -> values.
    baselines: Whether its record gets what needs no model, too.
    search: Whether its samples are completed (`synth.search`).
  """

  contrast: str
  name: str
  recipe: str
  settings: Mapping[str, Any]
  baselines: bool = False
  search: bool = False

  @property
  def defaults(self) -> dict[str, Any]:
    """The recipe as it is, as JSON holds it."""
    return settings_lib.plain(self._recipe())

  def _recipe(self) -> ml_collections.ConfigDict:
    path, _, variant = self.recipe.partition(':')
    module = path.removesuffix('.py').replace('/', '.')
    config: ml_collections.ConfigDict
    config = importlib.import_module(module).get_config(variant)
    return config

  @functools.cached_property
  def config(self) -> ml_collections.ConfigDict:
    """The recipe with these settings."""
    config = self._recipe()
    config.update_from_flattened_dict(dict(self.settings))
    return config

  @functools.cached_property
  def plain(self) -> dict[str, Any]:
    """The config as JSON holds it."""
    return settings_lib.plain(self.config)

  @property
  def evaluation(self) -> dict[str, Any]:
    """Flags of `synth.evaluate` -> their values."""
    given = self.plain['eval']
    return {flag: given[key] for key, flag in _FLAGS_OF_EVAL.items()}

  @functools.cached_property
  def training(self) -> str:
    """Directory of its training: that of all runs that can share it."""
    evaluation = self.plain['eval']
    rest = {key: evaluation[key] for key in evaluation.keys() - _FLAGS_OF_EVAL}
    return f'{self.config.data.arm}-{_hash({**self.plain, "eval": rest})}'

  @functools.cached_property
  def data(self) -> str:
    """Directory of its universe, spaces and splits."""
    return f'data-{_hash([self.plain["universe"], self.plain["spaces"]])}'


def _hash(value: Any) -> str:
  text = json.dumps(value, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:8]
