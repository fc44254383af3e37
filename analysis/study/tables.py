"""The tables of the study's page, as HTML, generated from its records."""

from collections.abc import Sequence
import html
import math
from typing import Any

from analysis.study import cells as cells_lib
from analysis.study import claims
from analysis.study import effect_figures
from analysis.study import effects
from analysis.study import study as study_lib
from analysis.study import support as support_lib
from synth import records
from synth.splits import support as support_split
from synth.statistics import components
from synth.statistics.design import Interval

_CONTRASTS = {
  'novel': support_lib.DROP,
  'control': support_lib.PRICE,
  'difference': support_lib.GAP,
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """An HTML table; cells are HTML already."""
  lines = ['<tr>' + ''.join(f'<th>{cell}</th>' for cell in head) + '</tr>']
  lines += [
    '<tr>' + ''.join(f'<td>{cell}</td>' for cell in row) + '</tr>'
    for row in rows
  ]
  return '<div class="wide"><table>' + '\n'.join(lines) + '</table></div>'


def verdicts(rows: Sequence[claims.Row]) -> str:
  """T8: a row a claim."""
  shown = []
  for number, row in enumerate(rows, 1):
    estimate = counts = p = '&ndash;'
    note = html.escape(row.reason)
    if row.measured:
      one = row.measured
      estimate = _interval(one.interval, row.unit)
      counts = f'{one.splits} &times; {one.seeds} &times; {one.items:,}'
      p = '&ndash;' if one.p is None else f'{one.p:.2g}'
      note = html.escape(one.note)
    css = row.verdict.value.replace(' ', '-')
    shown.append(
      [
        str(number),
        html.escape(row.sentence),
        html.escape(row.quantity),
        estimate,
        counts,
        p,
        f'<span class="verdict {css}">{row.verdict.value}</span>'
        f'<br><small>{note}</small>',
      ]
    )
  head = ['', 'claim', 'what is estimated', 'estimate [95 %]',
          'splits &times; seeds &times; tasks', 'p (Holm)',
          'verdict']  # fmt: skip
  return table(head, shown)


def rules(rows: Sequence[claims.Row]) -> str:
  """By what rule each claim is judged."""
  found: dict[str, list[str]] = {}
  for number, row in enumerate(rows, 1):
    found.setdefault(row.rule, []).append(str(number))
  return table(
    ['rows', 'rule'],
    [[', '.join(who), html.escape(rule)] for rule, who in found.items()],
  )


def support(study: study_lib.Study) -> str:
  """Every hold-out's contrasts, together and by split."""
  rows = []
  for name, what in effect_figures.HELD_OUT.items():
    if name not in study.contrasts:
      continue
    try:
      found = claims.held_out(study, name)
    except cells_lib.NotMeasured as error:
      rows.append([what, '', f'not measured: {html.escape(str(error))}', ''])
      continue
    for (label, weights), effect in zip(
      _CONTRASTS.items(), found[:3], strict=True
    ):
      resampled = effects.bootstrap(study.grid(name), weights)
      rows.append([what, label, *_effect(effect, resampled)])
      rows += [
        ['', f'{label}, split {part.split}',
         _interval(part.interval, 'points'), f'{part.p:.2g}', '', '']
        for part in effect.parts if effect.splits > 1
      ]  # fmt: skip
    rows.append([what, 'novel, as a share', _interval(found.relative, '%')])
    rows.append([what, 'novel, log-odds', _plain(found.log_odds)])
  head = ['held out', 'contrast', 'seen less unseen [95 %]', 'p',
          'bootstrap [95 %]', '90 % interval within 3 points']  # fmt: skip
  return table(head, rows) if rows else lack('no support contrast')


def variance(study: study_lib.Study) -> str:
  """T3: where the variance of pass@1 comes from."""
  rows = []
  for name in effect_figures.HELD_OUT:
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
  return table(head, rows) if rows else lack('no support contrast')


def configurations(study: study_lib.Study) -> str:
  """T2: every configuration that was run."""
  rows: dict[tuple[str, ...], list[records.Record]] = {}
  for contrast, found in study.contrasts.items():
    for record in found:
      rows.setdefault(_configuration(contrast, record), []).append(record)
  head = ['contrast', 'layers, width, heads, MLP', 'precision', 'parameters',
          'batch', 'steps', 'peak rate, b2, warm-up, schedule', 'samples, '
          'temperature', 'FLOPs a model', 'runs', 'seeds', 'seconds to train, '
          'a run', 'device']  # fmt: skip
  return table(
    head,
    [
      [*map(html.escape, key[:-1]), *_cost(found), html.escape(key[-1])]
      for key, found in rows.items()
    ],
  )


def _configuration(contrast: str, record: records.Record) -> tuple[str, ...]:
  facts = record.facts
  config = facts['config']
  model, opt, sampling = config['model'], config['opt'], config['eval']
  return (
    contrast,
    f'{model["N"]}, {model["D"]}, {model["H"]}, {model["F"]}',
    str(model['dtype']),
    f'{facts["params"]["total"]:,}',
    str(config['data']['batch_size']),
    f'{facts["step"]:,}',
    f'{opt["lr"]:g}, {opt["b2"]:g}, {opt["warmup_share"]:g}, {opt["schedule"]}',
    f'{facts["samples"]:,}, {sampling["temperature"]:g}',
    f'{facts["flops"]:.2e}',
    _device(facts['device']),
  )


def _device(device: Any) -> str:
  if isinstance(device, dict):
    return ', '.join(str(value) for value in device.values())
  return str(device)


def _cost(found: Sequence[records.Record]) -> list[str]:
  seconds = [r.facts['seconds'].get('train') for r in found]
  known = [value for value in seconds if value is not None]
  spent = f'{sum(known) / len(known):,.0f}' if known else 'not measured'
  seeds = sum(len(record.facts['seeds']) for record in found)
  return [str(len(found)), str(seeds), spent]


def certificates(study: study_lib.Study) -> str:
  """T1: the splits, their checks and hashes."""
  rows: dict[tuple[str, str], list[str]] = {}
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
      sets = ', '.join(
        f'{name} {len(tasks.class_I):,}' for name, tasks in record.tests.items()
      )
      rows[contrast, sha] = [
        contrast,
        str(settings['seed']),
        html.escape(told),
        sets,
        html.escape('FAILS: ' + ', '.join(failed))
        if failed
        else f'{len(checks)} checks hold',
        f'<code>{html.escape(sha[:16])}</code>',
      ]
  head = ['contrast', 'split seed', 'settings', 'tasks', 'certificate',
          'sha256']  # fmt: skip
  return table(head, list(rows.values()))


def lack(reason: str) -> str:
  """Says that there is nothing, and why."""
  return f'<p class="note">Not measured: {html.escape(reason)}.</p>'


def _effect(effect: effects.Effect, resampled: Interval) -> list[str]:
  inner = effect.equivalence
  within = 'yes' if inner.equivalent else 'no'
  return [
    _interval(effect.interval, 'points'),
    f'{effect.p:.2g}',
    _bounds(resampled, 100),
    f'{within}: {_bounds(inner.interval, 100)}',
  ]


def _interval(interval: Interval, unit: str) -> str:
  """An estimate with its interval, where it has one."""
  text = f'<b>{100 * interval.estimate:.1f}</b>&nbsp;{unit}'
  if math.isnan(interval.low):
    return text
  return f'{text} {_bounds(interval, 100)}'


def _plain(interval: Interval) -> str:
  if math.isnan(interval.estimate):
    return 'infinite'
  return f'{interval.estimate:.2f} {_bounds(interval, 1)}'


def _bounds(interval: Interval, scale: float) -> str:
  digits = 1 if scale > 1 else 2
  low, high = (f'{scale * v:.{digits}f}' for v in (interval.low, interval.high))
  return f'[{low},&nbsp;{high}]'


def _component(value: float) -> str:
  return '&ndash;' if math.isnan(value) else f'{value:.4f}'
