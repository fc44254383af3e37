"""The inputs of training: universe, spaces and split of one config.

    DIR/universe    every semantic class
    DIR/spaces      its places in both spaces, and what a model sees
    DIR/restricted  the universe without the held-out structure (support only)
    DIR/split       arms, tests and certificate

Each is built if it is not there, and refused if it is there with other
settings.
"""

from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Any

import ml_collections
import numpy as np

from synth import cli
from synth import errors
from synth import store
from synth.language import grammar as grammar_lib
from synth.language import serialization as serialization_lib
from synth.language import tokens
from synth.spaces import space as space_lib
from synth.spaces import specification
from synth.splits import certificate
from synth.splits import density
from synth.splits import holdout as holdout_lib
from synth.splits import regions
from synth.splits import split as split_lib
from synth.splits import support
from synth.universe import build as build_lib
from synth.universe import universe as universe_lib

RESTRICTED = 'restricted'


@dataclasses.dataclass(frozen=True)
class Inputs:
  """What training and evaluation read.

  Attributes:
    universe, spaces, split: As stored.
    holdout: The held-out structure of a support split, else None.
    spec_CxF: What a model sees of each class.
    serialization: The order in which a model writes programs.
    sha256: Name -> hash of each stored manifest.
  """

  universe: universe_lib.Universe
  spaces: space_lib.Spaces
  split: split_lib.Split
  holdout: holdout_lib.Holdout | None
  spec_CxF: np.ndarray
  serialization: serialization_lib.Serialization
  sha256: dict[str, str]

  def programs_at(
    self, class_P: np.ndarray, uniform_PxL: np.ndarray
  ) -> np.ndarray:
    """The training law: a random minimal program of each class.

    With a held-out structure it is avoided wherever the class allows it
    (`Holdout.programs_at`), so that a class that both arms share is shown in
    the same way in both.
    """
    if self.holdout is not None:
      return self.holdout.programs_at(class_P, uniform_PxL)
    return self.universe.programs_at(self.universe.node_C[class_P], uniform_PxL)


def load_or_build(
  config: ml_collections.ConfigDict, directory: pathlib.Path
) -> Inputs:
  """Opens what `config` describes in `directory`, building what is missing.

  Raises:
    InputError: for impossible settings or a directory of other settings.
  """
  for part in ('universe', 'spaces', 'split'):
    if part not in config:
      raise errors.InputError(f'the config has no {part!r}: is it a recipe?')
  cli.check_numbers(config)
  grammar = grammar_lib.load(grammar_lib.find(config.universe.grammar))
  serialization = serialization_of(config, grammar)
  universe = build_lib.load_or_build(
    directory / universe_lib.KIND,
    grammar,
    config.universe.max_size,
    config.universe.seed,
  )
  spaces = space_lib.load_or_build(
    directory / space_lib.KIND, universe, **config.spaces
  )
  kinds = {kind: kind for kind in ('support', 'region', 'density')}
  kind = cli.choose(config.split.kind, kinds, 'split.kind')
  holdout = None
  if kind == 'support':
    holdout = holdout_lib.load_or_build(
      directory / RESTRICTED,
      universe,
      config.split.parent,
      config.split.child,
      config.split.extra_size,
    )
  split = _split(
    config.split, directory / split_lib.KIND, universe, spaces, holdout
  )
  hashes = {
    name: store.content_hash(manifest)
    for name, manifest in (
      (universe_lib.KIND, universe.manifest),
      (space_lib.KIND, spaces.manifest),
      (split_lib.KIND, split.facts),
    )
  }
  spec_CxF = spaces.spec_CxF
  if config.data.specification == specification.POINTS:
    spec_CxF = specification.by_point(spaces.value_CxE, spaces.ok_CxE)
  return Inputs(
    universe, spaces, split, holdout, spec_CxF, serialization, hashes
  )


def serialization_of(
  config: ml_collections.ConfigDict, grammar: grammar_lib.Grammar
) -> serialization_lib.Serialization:
  """The order in which models of a config write programs of its grammar.

  Raises:
    InputError: for an unknown order.
  """
  return serialization_lib.Serialization(
    config.data.order, tokens.Vocabulary.of(grammar), config.universe.max_size
  )


def make_split(
  settings: Mapping[str, Any],
  universe: universe_lib.Universe,
  spaces: space_lib.Spaces,
  usable_C: np.ndarray,
  holdout: holdout_lib.Holdout | None,
) -> split_lib.Split:
  """The classes of a split: a function of its arguments alone.

  Raises:
    InputError: for settings that the universe cannot meet.
  """
  keys = ['num_test', 'num_dev', 'seed']
  if holdout is not None:
    given = {key: settings[key] for key in keys}
    region = support.of_edge(holdout, settings['seed'])
    return support.make(region, usable_C, **given)
  if settings['kind'] == 'region':
    given = {key: settings[key] for key in keys}
    region = regions.make(
      universe, spaces, settings['space'], settings['shape'], settings['seed']
    )
    return support.make(region, usable_C, **given)
  given = {key: settings[key] for key in [*keys, 'num_arm']}
  return density.make(universe, spaces, usable_C, **given)


def _split(
  settings: ml_collections.ConfigDict,
  directory: pathlib.Path,
  universe: universe_lib.Universe,
  spaces: space_lib.Spaces,
  holdout: holdout_lib.Holdout | None,
) -> split_lib.Split:
  """Opens a split, or makes, certifies and stores it."""
  wanted: dict[str, Any] = {
    'settings': cli.plain(settings),
    'universe_sha256': store.content_hash(universe.manifest),
    'grid': spaces.manifest['grid'],
  }
  if not store.exists(directory):
    usable_C = certificate.usable(spaces.value_CxE, spaces.ok_CxE)
    made = make_split(settings, universe, spaces, usable_C, holdout)
    for name, classes in made.all_sets().items():
      if not len(classes):
        raise errors.InputError(
          f'split: no class is left for {name!r}: a universe of '
          f'{len(usable_C)} classes is too small for these settings'
        )
    hashes = {
      name: split_lib.class_hash(universe, classes)
      for name, classes in made.all_sets().items()
    }
    facts = {
      **made.facts,
      **wanted,
      'class_sha256': hashes,
    }
    made = dataclasses.replace(made, facts=facts)
    found = certificate.certify(
      universe, usable_C, made, holdout, spaces, settings.seed
    )
    certificate.require(directory, found['checks'])
    split_lib.save(
      directory, dataclasses.replace(made, facts={**facts, **found})
    )
  split = split_lib.load(directory)
  store.check_facts(directory, split.facts, wanted)
  return split
