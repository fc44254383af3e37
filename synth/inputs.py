"""The inputs of training: universe, spaces and split of one config.

    DIR/universe        every semantic class
    DIR/spaces          its places in both spaces, and what a model sees
    DIR/restricted/...  universes without a held-out structure
    DIR/splits/...      arms, tests and certificate, of one split each

Each is built if it is not there, and refused if it is there with other
settings.
"""

from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Any

import ml_collections
import numpy as np

from synth import errors
from synth import locks
from synth import runs
from synth import settings as settings_lib
from synth import store
from synth.language import grammar as grammar_lib
from synth.language import serialization as serialization_lib
from synth.language import tokens
from synth.spaces import space as space_lib
from synth.spaces import specification
from synth.splits import certificate
from synth.splits import context as context_lib
from synth.splits import holdout as holdout_lib
from synth.splits import kinds
from synth.splits import split as split_lib
from synth.universe import build as build_lib
from synth.universe import universe as universe_lib

_RESTRICTED = 'restricted'
DRAWN, FIXED = 'drawn', 'fixed'  # data.programs


@dataclasses.dataclass(frozen=True)
class Inputs:
  """What training and evaluation read.

  Attributes:
    universe, spaces, split: As stored.
    context: What the split was made from.
    spec_CxF: What a model sees of each class.
    serialization: The order in which a model writes programs.
    fixed: Whether of each class one minimal program is shown, always the same.
    sha256: Name -> hash of each stored manifest.
  """

  universe: universe_lib.Universe
  spaces: space_lib.Spaces
  split: split_lib.Split
  context: context_lib.Context
  spec_CxF: np.ndarray
  serialization: serialization_lib.Serialization
  fixed: bool
  sha256: dict[str, str]

  @property
  def holdout(self) -> holdout_lib.Holdout | None:
    """The held-out structure of a support split."""
    return self.context.holdout

  def programs_at(
    self, class_P: np.ndarray, uniform_PxL: np.ndarray
  ) -> np.ndarray:
    """The training law: a random minimal program of each class.

    With a held-out structure it is avoided wherever the class allows it
    (`Holdout.programs_at`), so that a class that both arms share is shown in
    the same way in both. Where a class stands for one program it is that one
    (`Context.of_programs`).

    Args:
      class_P: The classes.
      uniform_PxL: Numbers in [0, 1) that choose the program, unless it is
        `fixed`.

    Returns:
      tok_PxL.
    """
    if self.fixed:
      uniform_PxL = _numbers_of(class_P, uniform_PxL.shape[1])
    if self.holdout is not None:
      return self.holdout.programs_at(class_P, uniform_PxL)
    if self.context.of_programs:
      return self.context.tok_CxL[class_P]
    return self.universe.programs_at(self.universe.node_C[class_P], uniform_PxL)

  def shown(self, arm: str, tok_PxL: np.ndarray) -> np.ndarray:
    """Whether the training law of an arm shows a program, sooner or later.

    Args:
      arm: Of the split.
      tok_PxL: Token rows in prefix order, programs or not.

    Returns:
      bool_P: whether the row is a minimal program of a class of the arm that
      `programs_at` can give.
    """
    class_P = self.universe.minimal_classes(tok_PxL)
    shown_P = np.isin(class_P, self.split.arms[arm])
    (row,) = np.nonzero(shown_P)
    # As wide as what is shown: all beyond a program is padding.
    length = self.universe.max_size
    tok_RxL = np.zeros((len(row), length), tokens.DTYPE)
    width = min(length, tok_PxL.shape[1])
    tok_RxL[:, :width] = tokens.without_eos(tok_PxL[row, :width])
    if self.holdout is not None:
      any_R = self.holdout.any_C[class_P[row]]
      shown_P[row] = any_R | ~self.holdout.has(tok_RxL)
    elif self.context.of_programs:
      wanted_RxL = self.context.tok_CxL[class_P[row]]
      shown_P[row] = (tok_RxL == wanted_RxL).all(axis=1)
    if self.fixed:
      wanted_RxL = self.programs_at(class_P[row], np.empty(tok_RxL.shape))
      shown_P[row] &= (tok_RxL == wanted_RxL).all(axis=1)
    return shown_P

  def shown_nodes(
    self, arm: str
  ) -> list[tuple[universe_lib.Universe, np.ndarray]]:
    """Universes and nodes whose minimal programs `programs_at` gives.

    Where a class stands for one program, or programs are fixed, it gives less:
    one of each.
    """
    class_N = self.split.arms[arm]
    if self.holdout is None:
      return [(self.universe, self.universe.node_C[class_N])]
    return self.holdout.shown_nodes(class_N)


def spaces_of(
  config: ml_collections.ConfigDict, directory: pathlib.Path
) -> tuple[universe_lib.Universe, space_lib.Spaces]:
  """Opens universe and spaces of `config`, building what is missing.

  Raises:
    InputError: for impossible settings or a directory of other settings.
  """
  settings_lib.check(config, 'universe', 'spaces')
  universe = build_lib.load_or_build(
    directory / universe_lib.KIND,
    grammar_lib.load(grammar_lib.find(config.universe.grammar)),
    config.universe.max_size,
    config.universe.seed,
  )
  spaces = space_lib.load_or_build(
    directory / space_lib.KIND, universe, **config.spaces
  )
  return universe, spaces


def load_or_build(
  config: ml_collections.ConfigDict, directory: pathlib.Path
) -> Inputs:
  """Opens what a config describes, building what is missing.

  Args:
    config: A recipe of `configs/`.
    directory: Where universe, spaces and split are or will be built.

  Raises:
    InputError: for impossible settings or a directory of other settings.
  """
  settings_lib.check(config, 'universe', 'spaces', 'split', 'data')
  # What cannot be is refused before anything is built.
  settings_lib.choose(config.split.kind, kinds.ARMS, 'split.kind')
  grammar = grammar_lib.load(grammar_lib.find(config.universe.grammar))
  serialization_of(config, grammar)
  _is_fixed(config)
  return with_split(config, directory, *spaces_of(config, directory))


def with_split(
  config: ml_collections.ConfigDict,
  directory: pathlib.Path,
  universe: universe_lib.Universe,
  spaces: space_lib.Spaces,
) -> Inputs:
  """`load_or_build` with a universe and spaces that are open already.

  Args:
    config: A recipe of `configs/`.
    directory: Where restricted universes and splits are or will be built.
    universe, spaces: What `spaces_of` gives for the config.

  Raises:
    InputError: for impossible settings or a split of other settings.
  """
  holdout = None
  if config.split.kind in holdout_lib.KINDS:
    holdout = load_holdout(directory / _RESTRICTED, universe, config.split)
  context = context_lib.make(universe, spaces, config.split, holdout)
  wanted = {
    'settings': settings_lib.plain(config.split),
    'spaces': settings_lib.plain(config.spaces),
    **space_lib.made_from(universe),
  }
  if context.placed:  # before, training showed any program of a class
    wanted['programs'] = 'placed'
  split = _split(context, wanted, directory)
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
    spec_CxF = specification.features(
      specification.POINTS, spaces.value_CxE, spaces.ok_CxE
    )
  serialization = serialization_of(config, universe.grammar)
  return Inputs(
    *(universe, spaces, split, context, spec_CxF, serialization),
    *(_is_fixed(config), hashes),
  )


def _is_fixed(config: ml_collections.ConfigDict) -> bool:
  # Runs from before there was a choice drew.
  given = config.data.get('programs', DRAWN)
  table = {DRAWN: False, FIXED: True}
  fixed: bool = settings_lib.choose(given, table, 'data.programs')
  return fixed


def _numbers_of(class_P: np.ndarray, length: int) -> np.ndarray:
  """Numbers in [0, 1) that depend on the class alone (splitmix64): PxL."""
  place_L = np.arange(1, length + 1, dtype=np.uint64)
  word_PxL: np.ndarray = class_P.astype(np.uint64)[:, None] * np.uint64(length)
  word_PxL = (word_PxL + place_L) * np.uint64(0x9E3779B97F4A7C15)
  for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
    word_PxL = (word_PxL ^ (word_PxL >> np.uint64(shift))) * np.uint64(factor)
  word_PxL = word_PxL ^ (word_PxL >> np.uint64(31))
  number_PxL: np.ndarray = (word_PxL >> np.uint64(11)) * 2.0**-53
  return number_PxL


def of_run(workdir: pathlib.Path, config: ml_collections.ConfigDict) -> Inputs:
  """The inputs of a run, as they were when it was trained.

  Args:
    workdir: The run.
    config: Its config.

  Raises:
    InputError: if they are gone or have changed.
  """
  record = runs.read_record(workdir)
  data_dir = workdir / record['data_dir']
  for place in places(config, data_dir):
    if not store.exists(place):
      raise errors.InputError(
        f'the run was made with {place.resolve()}, which is gone: '
        f'{workdir / runs.RECORD} has the path from the run to its data'
      )
  inputs = load_or_build(config, data_dir)
  runs.check_same(workdir / runs.RECORD, record['inputs_sha256'], inputs.sha256)
  return inputs


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


def places(
  config: ml_collections.ConfigDict, directory: pathlib.Path
) -> list[pathlib.Path]:
  """Where universe, spaces and split of a config are or belong."""
  return [
    directory / universe_lib.KIND,
    directory / space_lib.KIND,
    split_lib.place(directory, settings_lib.plain(config.split)),
  ]


def stored_context(
  directory: pathlib.Path,
) -> tuple[context_lib.Context, split_lib.Split]:
  """A stored split and what it was made from, without its config.

  Args:
    directory: Of the split, in its data directory.

  Raises:
    InputError: if something is missing, damaged or of another universe.
  """
  data = split_lib.data_of(directory)
  split = split_lib.load(directory)
  universe = universe_lib.load(data / universe_lib.KIND)
  spaces = space_lib.load(data / space_lib.KIND)
  same = space_lib.made_from(universe)
  store.check_facts(directory, split.facts, same)
  store.check_facts(data / space_lib.KIND, spaces.manifest, same)
  settings = split.facts['settings']
  holdout = None
  if settings['kind'] in holdout_lib.KINDS:
    holdout = load_holdout(data / _RESTRICTED, universe, settings)
  return context_lib.make(universe, spaces, settings, holdout), split


def load_holdout(
  directory: pathlib.Path,
  universe: universe_lib.Universe,
  settings: Mapping[str, Any],
) -> holdout_lib.Holdout:
  """What a split with held-out edges holds out.

  Args:
    directory: Of all restricted universes; this one has a folder in it, named
      after the settings.
    universe: All programs.
    settings: Of the split: `edges`, `extra_size` and `kind` are read.

  Raises:
    InputError: for edges that the grammar lacks, or a folder of other settings.
  """
  return holdout_lib.load_or_build(
    _without(directory, settings),
    universe,
    settings['edges'],
    settings['extra_size'],
    settings['kind'],
  )


def check_restricted(
  data_dir: pathlib.Path,
  holdout: holdout_lib.Holdout,
  settings: Mapping[str, Any],
) -> None:
  """Compares a stored restricted universe, if there is one, with a new one.

  Args:
    data_dir: Where universe, spaces and splits are.
    holdout: Made anew.
    settings: Of the split, as for `load_holdout`.

  Raises:
    InputError: if it is damaged or not the same.
  """
  place = _without(data_dir / _RESTRICTED, settings)
  if place.exists():
    stored = universe_lib.load(place).manifest['arrays']
    if store.first_difference(stored, holdout.restricted.manifest['arrays']):
      raise errors.InputError(
        f'{place} is not what its settings make: remove it'
      )


def _without(
  directory: pathlib.Path, settings: Mapping[str, Any]
) -> pathlib.Path:
  asked = {key: settings[key] for key in ('edges', 'extra_size')}
  return directory / f'without-{store.content_hash(asked)[:8]}'


def _split(
  context: context_lib.Context, wanted: dict[str, Any], data: pathlib.Path
) -> split_lib.Split:
  """Opens a split, or makes, certifies and stores it."""
  directory = split_lib.place(data, wanted['settings'])
  if not store.exists(directory):
    with locks.building(directory):
      if not store.exists(directory):  # else another process has made it
        _make_split(context, wanted, directory)
  split = split_lib.load(directory)
  store.check_facts(directory, split.facts, wanted)
  return split


def _make_split(
  context: context_lib.Context, wanted: dict[str, Any], directory: pathlib.Path
) -> None:
  made = kinds.make(context)
  for name, classes in made.all_sets().items():
    if not len(classes):
      raise errors.InputError(
        f'split: no class is left for {name!r}: a universe of '
        f'{len(context.usable_C)} classes is too small for these settings'
      )
  hashes = {
    name: split_lib.class_hash(context.universe, classes)
    for name, classes in made.all_sets().items()
  }
  facts = {**made.facts, **wanted, 'class_sha256': hashes}
  made = dataclasses.replace(made, facts=facts)
  found = certificate.certify(context, made)
  certificate.require(directory, found['checks'])
  programs = certificate.certify_programs(context, made)
  certificate.require(directory, programs)
  split_lib.save(directory, dataclasses.replace(made, facts={**facts, **found}))
  store.annotate(directory, split_lib.KIND, 'certificate', programs)
