"""Tables as Markdown: the claims for README, designs for docs/study.md."""

from collections.abc import Sequence
import math

from analysis.study import claims
from analysis.study import extent
from analysis.study import study as study_lib
from synth.splits import split as split_lib

_HEAD = (
  '| claim | estimate [95 %] | splits x seeds x tasks | rule written '
  '| verdict |'
)
_RULE = '|---|---|---|---|---|'
_DESIGN = (
  'contrast', 'splits x seeds', 'steps', 'functions in training',
  'tasks of a test', 'of train_c from what is held out', 'pass@1 on dev',
)  # fmt: skip


def table(rows: Sequence[claims.Row]) -> str:
  """A line a claim; reasons and notes are on the page."""
  lines = [_HEAD, _RULE]
  for row in rows:
    cells = [row.short, '', '', row.written, row.verdict.value]
    if row.measured:
      one = row.measured
      digits = claims.digits(one.interval)
      mean, low, high = (f'{100 * v:.{digits}f}' for v in one.interval)
      cells[1] = f'{mean} {row.unit}'
      if not math.isnan(one.interval.low):
        cells[1] += f' [{low}, {high}]'
      if one.remark:
        cells[4] += f' ({one.remark})'
      cells[2] = f'{one.splits} x {one.seeds} x {one.items:,}'
    lines.append('| ' + ' | '.join(cells) + ' |')
  return '\n'.join(lines) + '\n'


def designs(study: study_lib.Study) -> str:
  """A line a contrast: how its models were trained and tested."""
  lines = [f'| {" | ".join(_DESIGN)} |', '|---' * len(_DESIGN) + '|']
  for name, found in study.contrasts.items():
    splits = len({study_lib.split_seed(record) for record in found})
    tests = [(test, record) for record in found for test in record.tests]
    dev = [
      float(record.pass_at_k(split_lib.DEV, 1).mean())
      for record in found
      if split_lib.DEV in record.tests
    ]
    seeds = extent.extent(len(record.facts['seeds']) for record in found)
    cells = [
      name,
      f'{splits} x {seeds}',
      extent.extent(record.facts['step'] for record in found),
      extent.extent(
        record.facts['classes'][f'arm_{record.facts["arm"]}']
        for record in found
      ),
      extent.extent(
        len(record.tests[test].class_I)
        for test, record in tests
        if test != split_lib.DEV
      ),
      extent.extent(study_lib.doses(found), '.1%'),
      extent.extent(dev, '.1%'),
    ]
    lines.append('| ' + ' | '.join(cells) + ' |')
  return '\n'.join(lines) + '\n'
