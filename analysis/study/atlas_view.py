"""F1 to F4 and the audits T5, T6 of a study's data, from its atlas.json."""

import functools
import html
from typing import Any

import numpy as np

from analysis import webpage
from analysis.data import atlas_record
from analysis.data import leakage as leakage_lib
from analysis.data import maps
from analysis.data import matching as matching_lib
from analysis.data import redundancy as redundancy_lib
from analysis.study import cells as cells_lib
from analysis.study import study as study_lib
from analysis.study import tables
from analysis.study.drawn import Drawn
from synth import errors
from synth import records


@functools.cache
def _atlas(study: study_lib.Study) -> atlas_record.Atlas:
  """The record of the data.

  Raises:
    NotMeasured: if there is none.
    InputError: if it is damaged, or of another universe than all records or
      other splits than those of a contrast.
  """
  path = study.directory / records.ATLAS
  if not path.exists():
    raise cells_lib.NotMeasured(
      'not recorded; python -m analysis.atlas --data=DATA '
      f'--records={study.directory} does, DATA being the directory of the '
      'universe'
    )
  found = atlas_record.read(path)
  ours = {
    record.facts['inputs_sha256']['universe']
    for part in study.contrasts.values()
    for record in part
  }
  if found.facts['sha256']['universe'] not in ours:
    raise errors.InputError(f'{path} is of another universe than the records')
  for contrast, split in found.facts['sha256']['splits'].items():
    part = study.contrasts.get(contrast, ())
    if part and all(r.facts['inputs_sha256']['split'] != split for r in part):
      raise errors.InputError(
        f'{path} is of another split of {contrast} than the records'
      )
  return found


def _caption(found: atlas_record.Atlas, text: str) -> str:
  made = found.facts['made']
  return (
    f'Grammar {made["grammar"]}, {made["functions"]:,} functions. {text} '
    f'Measured by {made["command"]} (seed {made["seed"]}).'
  )


def spaces(study: study_lib.Study) -> Drawn:
  """F1: what the two spaces look like; its numbers hold the points' programs.

  Raises:
    NotMeasured: if the data were not recorded.
  """
  found = _atlas(study)
  drawn = found.maps
  caption = (
    f'A random sample of {drawn.numbers["drawn"]:,} functions and up to '
    f'{maps.TESTS} of each test of the contrast '
    f'{found.facts["split_of_spaces"]}, in exact principal axes. Rank '
    'correlations are with the pq-gram distance of one drawn program of each '
    'function and with the distance of all standardized outputs.'
  )
  programs = {
    gid: [found.text_P[place] for place in places]
    for gid, places in maps.points_by_size(drawn).items()
  }
  return Drawn(
    maps.draw(drawn),
    _caption(found, caption),
    {**drawn.numbers, 'programs': programs},
  )


def redundancy(study: study_lib.Study) -> Drawn:
  """F2: programs against functions.

  Raises:
    NotMeasured: if the data were not recorded, or programs not counted.
  """
  found, numbers = _counted(study, 'redundancy')
  caption = _caption(found, 'Exact counts of all programs.')
  return Drawn(redundancy_lib.draw(numbers), caption, numbers)


def leakage(study: study_lib.Study) -> Drawn:
  """F3: what a naive split leaks.

  Raises:
    NotMeasured: if the data were not recorded, or programs not counted.
  """
  found, numbers = _counted(study, 'leakage')
  caption = _caption(
    found,
    'Expected shares for training sets of n uniform programs, exact from the '
    'counts; the order of operands from a sample of '
    f'{numbers["sampled_for_tree"]:,} programs.',
  )
  return Drawn(leakage_lib.draw(numbers), caption, numbers)


def _counted(
  study: study_lib.Study, key: str
) -> tuple[atlas_record.Atlas, dict[str, Any]]:
  found = _atlas(study)
  if found.facts[key] is None:
    raise cells_lib.NotMeasured('the universe did not count its programs')
  return found, found.facts[key]


def matching(study: study_lib.Study) -> Drawn:
  """F4: whether training and test are matched, of one split.

  Raises:
    NotMeasured: if the data were not recorded.
  """
  found = _atlas(study)
  contrast, numbers = next(iter(found.facts['matching'].items()))
  caption = _caption(
    found,
    f'Contrast {contrast}, its split of least seed; other contrasts with '
    'novel tests and matched controls are in the table of matches. D_A, D_C: '
    'atom and compound divergence.',
  )
  return Drawn(matching_lib.draw(numbers), caption, numbers)


def matched(study: study_lib.Study) -> str:
  """Every contrast's largest mismatch and divergences."""
  try:
    found = _atlas(study)
  except cells_lib.NotMeasured as lack:
    return tables.lack(str(lack))
  rows = []
  for contrast, numbers in found.facts['matching'].items():
    for pair, by_name in numbers['standardized_mean_differences'].items():
      largest, worst = max((abs(v), name) for name, v in by_name.items())
      large = sum(abs(v) > matching_lib.LARGE for v in by_name.values())
      rows.append(
        [
          html.escape(contrast),
          html.escape(pair),
          f'{largest:.2f} ({html.escape(worst)})',
          f'{large} of {len(by_name)}',
          *(
            _divergence(numbers[kind], pair)
            for kind in ('atom_divergence', 'compound_divergence')
          ),
        ]
      )
  head = ['contrast', 'pair', 'largest |SMD|', f'above {matching_lib.LARGE}',
          'D_A (zero point)', 'D_C (zero point)']  # fmt: skip
  return webpage.table(head, rows)


def _divergence(facts: dict[str, Any], pair: str) -> str:
  """Of an arm from a test, beside that of a part of the arm from its rest."""
  if pair not in facts['pairs']:
    return '&ndash;'
  arm = pair.partition(' -> ')[0]
  return f'{facts["pairs"][pair]:.4f} ({facts["zero"][arm]["mean"]:.4f})'


def identity(study: study_lib.Study) -> str:
  """T5: the audit of the identity of functions."""
  try:
    found = _atlas(study)
  except cells_lib.NotMeasured as lack:
    return tables.lack(str(lack))
  facts = found.facts['identity']
  audit = facts['audit']
  if audit is None:
    return tables.lack(
      'the universe was not audited (python -m synth.universe --audit=500 '
      '--workdir=DATA, then the atlas again)'
    )
  size = audit['brute_force_size']
  rows = [
    [
      f'programs to size {size}, formed one by one: classes and sizes with a '
      'wrong count',
      f'{audit["brute_force_disagreements"]:,}',
    ],
    [
      'alternatives unlike their class at fresh points (false merges)',
      _of(audit['unequal_alternatives'], audit['alternatives']),
    ],
    [
      'classes like another one at fresh points (false splits)',
      _of(audit['equal_classes'], audit['classes']),
    ],
    [
      'random pairs of programs of one class, unequal by the reference (false '
      'merges)',
      _of_sample(audit['merged_pairs_unequal'], audit['merged_pairs']),
    ],
    [
      'nearest pairs of two classes, equal by the reference (false splits)',
      _of(audit['unmerged_pairs_equal'], audit['unmerged_pairs']),
    ],
  ]
  if audit['congruent_classes'] is not None:
    rows.append(
      [
        'classes that share a congruence with another (false splits)',
        _of(audit['congruent_classes'], audit['classes']),
      ]
    )
  verdict = 'passes' if audit['passed'] else 'FAILS'
  note = (
    f'<p class="note">Identity policy {html.escape(facts["policy"])}; the '
    f'audit {verdict}. "At most": upper end of a 95 % interval (Clopper and '
    'Pearson), said of random pairs alone. Alternatives and classes are all '
    'there are; of pairs of two classes those with the nearest outputs were '
    'compared, which are no sample.</p>'
  )
  return webpage.table(['check', 'found'], rows) + note


def _of(number: int, whole: int) -> str:
  """A count of what was compared."""
  if not whole:
    return 'none compared'
  text = f'{number:,} of {whole:,}'
  return f'{text} ({number / whole:.2%})' if number else text


def _of_sample(number: int, whole: int) -> str:
  """A count of a random sample, and what rate none of it is compatible with."""
  text = _of(number, whole)
  if number or not whole:
    return text
  return f'{text} (at most {1 - 0.025 ** (1 / whole):.2g})'


def metric(study: study_lib.Study) -> str:
  """T6: what the distances and their projections are worth."""
  try:
    found = _atlas(study)
  except cells_lib.NotMeasured as lack:
    return tables.lack(str(lack))
  facts = found.facts['metric']
  rows = []
  for space, true in (
    ('syntactic', f'pq-grams ({facts["p"]}, {facts["q"]})'),
    ('semantic', 'standardized outputs'),
  ):
    explained = facts[f'{space}_explained']
    for axes, key in ((2, '_2d'), (len(explained), '')):
      correlation = facts.get(f'{space}_rank_correlation{key}')
      shown = '&ndash;' if correlation is None else f'{correlation:.3f}'
      share = np.sum(explained[:axes])
      rows.append([f'{space}: {true}', f'{axes} axes', f'{share:.1%}', shown])
  edit = facts['edit_distance']
  if edit is None:
    note = (
      'Tree edit distance: not compared (python -m synth.spaces --audit=2000 '
      '--workdir=DATA, then the atlas again).'
    )
  else:
    rows.append(
      ['pq-grams against tree edit distance', f'{edit["pairs"]:,} pairs',
       '&ndash;', f'{edit["rank_correlation"]:.3f}']
    )  # fmt: skip
    note = f'Tree edit distance by {edit["library"]}.'
  head = ['distance', 'with', 'variance', 'rank correlation with the truth']
  return webpage.table(head, rows) + f'<p class="note">{html.escape(note)}</p>'
