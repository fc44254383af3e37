"""The claim table as Markdown, for README: each claim in a few words."""

from collections.abc import Sequence
import math

from analysis.study import claims

_HEAD = '| claim | estimate [95 %] | splits x seeds x tasks | verdict |'
_RULE = '|---|---|---|---|'


def table(rows: Sequence[claims.Row]) -> str:
  """A line a claim; reasons and notes are on the page."""
  lines = [_HEAD, _RULE]
  for row in rows:
    cells = [row.short, '', '', row.verdict.value]
    if row.measured:
      one = row.measured
      digits = claims.digits(one.interval)
      mean, low, high = (f'{100 * v:.{digits}f}' for v in one.interval)
      cells[1] = f'{mean} {row.unit}'
      if not math.isnan(one.interval.low):
        cells[1] += f' [{low}, {high}]'
      if one.remark:
        cells[3] += f' ({one.remark})'
      cells[2] = f'{one.splits} x {one.seeds} x {one.items:,}'
    lines.append('| ' + ' | '.join(cells) + ' |')
  return '\n'.join(lines) + '\n'
