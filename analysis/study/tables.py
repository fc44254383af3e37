"""The tables of the study's page, as HTML, generated from its records."""

from collections.abc import Mapping
from collections.abc import Sequence
import html
import math

import numpy as np

from analysis import webpage
from analysis.study import baselines
from analysis.study import cells as cells_lib
from analysis.study import claims
from analysis.study import contrasts
from analysis.study import density
from analysis.study import effects
from analysis.study import power
from analysis.study import study as study_lib
from analysis.study import support as support_lib
from analysis.study.verdicts import Verdict
from synth import records as records_lib
from synth.splits import density as density_split
from synth.splits import support as support_split
from synth.statistics import components
from synth.statistics.design import Interval

_AROUND = ('region', 'buffer', 'exchanged')
_SEEDS = 3  # from which on a split is told on its own
_CONTRASTS = {
  'novel': support_lib.DROP,
  'control': support_lib.PRICE,
  'difference': support_lib.GAP,
}


def verdicts(rows: Sequence[claims.Row]) -> str:
  """T8: a row a claim."""
  shown = []
  for number, row in enumerate(rows, 1):
    estimate = counts = p = '&ndash;'
    note = html.escape(row.reason)
    if row.measured:
      one = row.measured
      estimate = _interval(one.interval, row.unit)
      counts = _design(one.splits, one.seeds, one.items)
      p = '&ndash;' if one.p is None else f'{one.p:.2g}'
      note = html.escape(one.told)
    shown.append(
      [
        str(number),
        html.escape(row.sentence),
        html.escape(row.quantity),
        estimate,
        counts,
        p,
        row.written,
        f'{_verdict(row.verdict)}<br><small>{note}</small>',
      ]
    )
  head = ['', 'claim', 'what is estimated', 'estimate [95 %]',
          'splits &times; seeds &times; tasks', 'p (Holm)', 'rule written',
          'verdict']  # fmt: skip
  return webpage.table(head, shown)


def rules(rows: Sequence[claims.Row]) -> str:
  """By what rule each claim is judged."""
  found: dict[str, list[str]] = {}
  for number, row in enumerate(rows, 1):
    found.setdefault(row.rule, []).append(str(number))
  return webpage.table(
    ['rows', 'rule'],
    [[', '.join(who), html.escape(rule)] for rule, who in found.items()],
  )


def support(study: study_lib.Study) -> str:
  """Every hold-out's contrasts, together and by split, beside baselines."""
  rows = []
  for name, what in contrasts.HELD_OUT.items():
    if name not in study.contrasts:
      continue
    try:
      found = contrasts.held_out(study, name)
    except cells_lib.NotMeasured as error:
      rows.append([what, '', f'not measured: {html.escape(str(error))}', ''])
      continue
    grid = study.grid(name)
    for (label, weights), effect in zip(
      _CONTRASTS.items(), found[:3], strict=True
    ):
      resampled = effects.bootstrap(grid, weights)
      cells = _effect(effect, resampled)
      # No drop can be told from none where there is nothing to lose.
      if label != 'control' and found.seen <= effects.MARGIN:
        cells[-1] = f'nothing to lose: {found.seen:.1%} when seen'
      rows.append([what, label, *cells, *_beside(study, name, grid, label)])
      rows += [
        ['', f'{label}, split {part.split}',
         _interval(part.interval, 'points'), f'{part.p:.2g}', '', '',
         *_beside(study, name, grid.of(part.split), label)]
        for part in effect.parts
        if effect.splits > 1 and effect.seeds >= _SEEDS
      ]  # fmt: skip
    for part in (study_lib.FORCED, study_lib.AVOIDABLE):
      try:
        alone = effects.effect(grid, support_lib.drop_on(part))
      except cells_lib.NotMeasured:  # a split has none, or no edge is held out
        continue
      row = [f'{part} ({alone.items:,})', _interval(alone.interval, 'points')]
      row += [f'{alone.p:.2g}', '', '']
      rows.append([what, *row, *_beside(study, name, grid, part)])
    share = _interval(found.relative, '%')
    if found.relative.low < -1:
      share = 'too little was solved to be relative to'
    rows.append([what, 'novel, as a share', share])
    rows.append([what, 'novel, log-odds', _plain(found.log_odds)])
  if not rows:
    return lack('no support contrast')
  ks = ' / '.join(map(str, baselines.KS))
  head = ['held out', 'contrast', 'seen less unseen [95 %]', 'p',
          'bootstrap [95 %]', '90 % interval within 3 points',
          f'models solve: by {ks}',
          *(f'{name}: by {ks}' for name in baselines.NAMES)]  # fmt: skip
  return webpage.table(head, rows) + (
    '<p class="note">The last columns: share of the same tests that is solved '
    f'by {" and by ".join(map(str, baselines.KS))} samples of a model, and by '
    'as many candidates of what needs no model; of what learns from training '
    'by arm, where arms differ. Means over splits (and seeds). Not measured: '
    'the records do not hold it.</p>'
  )


def _beside(
  study: study_lib.Study, name: str, grid: cells_lib.Grid, test: str
) -> list[str]:
  """What models and baselines solve of a test; nothing of a difference."""
  if test not in grid.tests:
    return ['&ndash;'] * (1 + len(baselines.SHOWN))
  found = [
    record
    for record in study.of(name)
    if study_lib.split_seed(record) in grid.splits
  ]
  shown = baselines.models(grid, support_split.ARMS, test)
  return [shown, *baselines.cells(found, test)]


def density_by_law(study: study_lib.Study) -> str:
  """Every density arm less uniform training, by test set and k.

  Beside it what is solved without a model, by as many candidates.
  """
  rows = []
  names = (contrasts.DENSITY, contrasts.MORE)
  records = [r for name in names for r in study.contrasts.get(name, ())]
  tests: list[str] = []
  try:
    for grid in contrasts.density_grids(study):
      seeds = f'{min(len(cell.seeds) for cell in grid)}'
      tests = grid.tests
      # What the others are told against comes first.
      for arm in sorted(grid.arms, key=lambda a: a != density_split.UNIFORM):
        for k in sorted({1, min(cell.samples for cell in grid)}):
          if arm == density_split.UNIFORM:
            cells = [f'{_solved(grid, arm, t, k):.1%}' for t in tests]
          else:
            cells = [
              _estimate(effects.effect(grid, gain, k).interval)
              for gain in (
                density.gain((arm, density_split.UNIFORM), [test])
                for test in tests
              )
            ]
          beside = _by_test(records, arm, tests, k)
          rows.append([arm, seeds, f'{k}', *cells, *beside])
  except cells_lib.NotMeasured as error:
    return lack(str(error))
  head = ['arm', 'seeds', 'k', *tests, *baselines.NAMES]
  return webpage.table(head, rows) + (
    '<p class="note">Of <i>uniform</i> pass@k; of the others pass@k less that '
    'of the arm uniform, same seeds, points [95 %], each cell alone, not '
    'adjusted; beyond pass@1 exploratory. The last columns: share of the same '
    f'tests, in the order {html.escape(", ".join(tests))}, that is solved by k '
    'candidates of what needs no model; of what learns from training, by '
    'learning from that arm. Not measured: the records do not hold it.</p>'
  )


def _solved(grid: cells_lib.Grid, arm: str, test: str, k: int) -> float:
  values = [grid.get(s, arm, test).value(k).mean() for s in grid.splits]
  return float(np.mean(values))


def _by_test(
  found: Sequence[records_lib.Record], arm: str, tests: Sequence[str], k: int
) -> list[str]:
  """A cell for each baseline: what it solves of every test."""
  of_arm = [record for record in found if record.facts['arm'] == arm]
  result = []
  for name in baselines.SHOWN:
    source = of_arm if name in baselines.LEARNERS else found
    shares = [baselines.mean(source, name, test, k) for test in tests]
    result.append(baselines.listed(shares))
  return result


def variance(study: study_lib.Study) -> str:
  """T3: where the variance of pass@1 comes from."""
  rows = []
  for name in contrasts.HELD_OUT:
    if name not in study.contrasts:
      continue
    grid = study.grid(name)
    for arm, test in (
      (support_split.WITHOUT, support_split.NOVEL),
      (support_split.WITH, support_split.NOVEL),
    ):
      try:
        cells = [grid.get(split, arm, test) for split in grid.splits]
      except cells_lib.NotMeasured:
        continue
      found = components.components(
        [cell.correct_SxI for cell in cells], cells[0].samples
      )
      rows.append([name, arm, test, *(_component(value) for value in found)])
  head = ['contrast', 'arm', 'tests', 'split', 'seed', 'task', 'seed &times; '
          'task', 'sample']  # fmt: skip
  return webpage.table(head, rows) if rows else lack('no support contrast')


def states(study: study_lib.Study) -> str:
  """What of every contrast is there: runs lacking, left out, diverged."""
  rows = []
  for contrast, state in study.states.items():
    diverged = [
      f'{run}: seed {seed} at step {step:,}'
      for run, seed, step in state.diverged
    ]
    share = f'{len(diverged)} of {state.models}' if state.models else '&ndash;'
    rows.append(
      [
        contrast,
        f'{state.finished} of {state.declared}',
        _listed(state.lacking),
        _listed(state.left_out),
        '<br>'.join([share, *map(html.escape, diverged)]),
      ]
    )
  head = ['contrast', 'runs', 'lacking', 'there, but left out',
          'models that diverged']  # fmt: skip
  return webpage.table(head, rows)


def _listed(names: Sequence[str]) -> str:
  return ', '.join(map(html.escape, names)) or 'none'


def errors(study: study_lib.Study) -> str:
  """T4: planned and realised standard errors, in points."""
  rows = []
  for contrast in power.pilots():
    wanted = power.planned(contrast, study.declared)
    try:
      found = contrasts.held_out(study, contrast)
      parts = dict(zip(_CONTRASTS, found[:3], strict=True))
    except cells_lib.NotMeasured:
      parts = {}
    for label in _CONTRASTS:
      cells = [contrast, label, '&ndash;', '&ndash;', 'not measured']
      if wanted:
        cells[2] = _design(wanted.splits, wanted.seeds, wanted.items)
        cells[3] = f'{100 * wanted.error[label]:.2f}'
      if label in parts:
        one = parts[label]
        cells[4:] = [_design(one.splits, one.seeds, one.items)]
        cells += _two_errors(one)
      rows.append(cells)
  for contrast, label, measure in (
    (contrasts.DENSITY, 'joint less uniform (C2)',
     lambda: contrasts.diverse(study, 'joint')),
    (contrasts.LADDER, 'cost of the ladder (C5)',
     lambda: contrasts.rungs(study)),
  ):  # fmt: skip
    cells = [contrast, label, '&ndash;', 'no pilot']
    try:
      one = measure()
    except cells_lib.NotMeasured:
      rows.append([*cells, 'not measured'])
    else:
      design = _design(one.splits, one.seeds, one.items)
      rows.append([*cells, design, *_two_errors(one)])
  head = ['contrast', 'of', 'planned splits &times; seeds &times; tasks',
          'planned', 'realised splits &times; seeds &times; tasks in all',
          'realised, these splits', 'realised, new splits too (degrees of '
          'freedom)']  # fmt: skip
  return webpage.table(head, rows)


def _design(splits: int, seeds: int, items: int) -> str:
  return f'{splits} &times; {seeds} &times; {items:,}'


def _two_errors(effect: effects.Effect) -> list[str]:
  """For these splits, and for new ones where there are several."""
  new = 'one split'
  if effect.splits > 1:
    new = f'{100 * effect.error:.2f} ({effect.degrees:.1f})'
  these = effect.these_splits_error
  return ['&ndash;' if math.isnan(these) else f'{100 * these:.2f}', new]


def negative(rows: Sequence[claims.Row]) -> str:
  """T7: what was not reproduced, and what stayed undecided."""
  shown = [
    [
      str(number),
      html.escape(row.sentence),
      _verdict(row.verdict),
      _interval(row.measured.interval, row.unit) if row.measured else '&ndash;',
      html.escape(row.measured.told) if row.measured else '',
    ]
    for number, row in enumerate(rows, 1)
    if row.verdict in (Verdict.NOT_REPRODUCED, Verdict.UNDECIDED)
  ]
  head = ['row', 'claim', 'verdict', 'estimate [95 %]', '']
  if not any(row.measured for row in rows):
    return '<p>No claim has been measured yet.</p>'
  if not shown:
    return '<p>All claims that were measured came out.</p>'
  return webpage.table(head, shown)


def _verdict(verdict: Verdict) -> str:
  css = verdict.value.replace(' ', '-')
  return f'<span class="verdict {css}">{verdict.value}</span>'


def certificates(study: study_lib.Study) -> str:
  """T1: the splits, their checks and hashes."""
  rows: dict[tuple[str, str], list[str]] = {}
  arms: dict[tuple[str, str], dict[str, int]] = {}
  for contrast, found in study.contrasts.items():
    for record in found:
      facts = record.facts
      checks = facts['split']['checks']
      failed = [name for name, holds in checks.items() if not holds]
      settings = facts['config']['split']
      told = ', '.join(
        f'{key} {value}' for key, value in settings.items() if key != 'seed'
      )
      sha = facts['inputs_sha256']['split']
      there = arms.setdefault((contrast, sha), {})
      there[facts['arm']] = facts['classes'][f'arm_{facts["arm"]}']
      measured = facts['split']['measurements']
      for label in _AROUND[:2]:
        if f'classes_in_the_{label}' in measured:
          there[label] = measured[f'classes_in_the_{label}']
      if 'swapped_classes' in measured:
        there['exchanged'] = measured['swapped_classes']
      rows[contrast, sha] = [
        contrast,
        str(settings['seed']),
        html.escape(told),
        # R and its buffer after the arms.
        _numbers(
          dict(sorted(there.items(), key=lambda one: one[0] in _AROUND))
        ),
        _numbers({n: len(t.class_I) for n, t in record.tests.items()}),
        html.escape('FAILS: ' + ', '.join(failed))
        if failed
        else f'{len(checks)} checks hold',
        f'<code class="hash">{html.escape(sha)}</code>',
      ]
  head = ['contrast', 'split seed', 'settings',
          'functions of the arms, of R and its buffer, exchanged', 'tasks',
          'certificate', 'sha256']  # fmt: skip
  return webpage.table(head, list(rows.values())) + (
    '<p class="note">What is checked, by kind of split: '
    f'{"; ".join(_checks(study))}. The hash is that of the manifest, which '
    'holds those of all sets: where arms were added later, another one for the '
    'same tests. Arms are compared task by task, on tasks that both '
    'records have.</p>'
  )


def _checks(study: study_lib.Study) -> list[str]:
  """The names of the checks of each kind of split."""
  named: dict[str, list[str]] = {}
  for found in study.contrasts.values():
    for record in found:
      kind = record.facts['config']['split']['kind']
      named[kind] = list(record.facts['split']['checks'])
  return [
    f'<b>{kind}</b> {html.escape(", ".join(names)).replace("_", " ")}'
    for kind, names in named.items()
  ]


def _numbers(of: Mapping[str, int]) -> str:
  return ', '.join(f'{name} {number:,}' for name, number in of.items())


def lack(reason: str) -> str:
  """Says that there is nothing, and why."""
  return f'<p class="note">Not measured: {html.escape(reason)}.</p>'


def _effect(effect: effects.Effect, resampled: Interval) -> list[str]:
  inner = effect.equivalence
  within = 'yes' if inner.equivalent else 'no'
  return [
    _interval(effect.interval, 'points'),
    f'{effect.p:.2g}' + (' (least)' if effect.p <= effect.least else ''),
    _bounds(resampled, 100),
    f'{within}: {_bounds(inner.interval, 100)}',
  ]


def _interval(interval: Interval, unit: str) -> str:
  """An estimate with its interval, where it has one."""
  digits = claims.digits(interval)
  text = f'<b>{100 * interval.estimate:.{digits}f}</b>&nbsp;{unit}'
  if math.isnan(interval.low):
    return text
  return f'{text} {_bounds(interval, 100, digits)}'


def _plain(interval: Interval) -> str:
  if math.isnan(interval.estimate):
    return 'infinite'
  return f'{interval.estimate:.2f} {_bounds(interval, 1, 2)}'


def _bounds(interval: Interval, scale: float, digits: int = 1) -> str:
  low, high = (f'{scale * v:.{digits}f}' for v in (interval.low, interval.high))
  return f'[{low},&nbsp;{high}]'


def _estimate(interval: Interval) -> str:
  return f'{100 * interval.estimate:+.1f} {_bounds(interval, 100)}'


def _component(value: float) -> str:
  # Adding 0 makes a rounded -0 a 0.
  return '&ndash;' if math.isnan(value) else f'{round(value, 4) + 0.0:.4f}'
