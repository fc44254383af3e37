"""F20: how the loss on dev fell while the models were trained.

What a model that learns too little is limited by: its curve still falls
(steps), it rises while training goes on (functions), or it lies higher than
that of a larger model (parameters).
"""

from collections.abc import Mapping
import itertools
from typing import Any

from matplotlib import axes as axes_lib
from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis.study import cells as cells_lib
from analysis.study import contrasts
from analysis.study import drawn
from analysis.study import study as study_lib
from synth import records as records_lib
from synth.splits import split as split_lib
from synth.splits import support as support_split

_COLOURS = (
  picture.BLUE,
  picture.VERMILION,
  picture.GREEN,
  picture.PURPLE,
  picture.ORANGE,
  picture.SKY,
  picture.BLACK,
)
_STYLES = ('-', '--', ':', '-.')
_TITLES = {
  contrasts.SYNTACTIC: 'by arm (S3, first split)',
  contrasts.SCALING: 'by parameters (train_s)',
  contrasts.DATA: 'by functions in training (largest model)',
}


def draw(study: study_lib.Study) -> drawn.Drawn:
  """F20.

  Raises:
    NotMeasured: if there are no records of these contrasts.
  """
  panels = {name: lines for name in _TITLES if (lines := _lines(study, name))}
  if not panels:
    raise cells_lib.NotMeasured(f'no records of {", ".join(_TITLES)}')
  fig, axes = picture.mosaic(
    'What do the models learn, and what limits it?',
    [list(panels)],
    (4.6 * len(panels), 5),
    sharey=True,
  )
  numbers: dict[str, Any] = {}
  for name, lines in panels.items():
    axes[name].set_title(_TITLES[name])
    # Every colour solid, then every colour dashed, and so on.
    ways = itertools.cycle(itertools.product(_STYLES, _COLOURS))
    for (label, record), way in zip(lines.items(), ways, strict=False):
      numbers[f'{name}, {label}'] = _line(axes[name], label, record, *way)
    axes[name].set_xscale('log')
    axes[name].xaxis.set_minor_formatter(ticker.NullFormatter())
    axes[name].set_xlabel('steps')
    axes[name].legend(
      frameon=False, fontsize=8, title='pass@1 on dev, loss in training',
      title_fontsize=8, ncols=2, loc='upper left', bbox_to_anchor=(0, -0.16),
    )  # fmt: skip
  next(iter(axes.values())).set_ylabel('loss on dev, nats a token')
  caption = (
    'Loss on dev classes, in support and in no arm: mean of the seeds, band '
    'from the least to the greatest. In the legend pass@1 on dev at the end, '
    'mean of the seeds, and the loss on the last batches of training. By '
    'parameters: of the runs of a model the longest, at the learning rate of '
    'least loss on dev. A target is one random program of the '
    'smallest that compute the function, so no loss can reach 0.'
  )
  return drawn.Drawn(fig, caption, numbers)


def _lines(
  study: study_lib.Study, contrast: str
) -> Mapping[str, records_lib.Record]:
  """Label -> the record that its curve is of."""
  found = study.contrasts.get(contrast, ())
  if contrast == contrasts.SCALING:
    levels = study_lib.frontier(found).values()
    longest = {level[0].parameters: level[0] for level in levels}
    return {f'{n:,}': record for n, record in sorted(longest.items())}
  if contrast == contrasts.DATA:
    largest = max((record.parameters for record in found), default=0)
    by_number = {
      record.facts['config']['split']['num_arm']: record
      for record in found
      if record.parameters == largest
    }
    return {f'{n:,}': record for n, record in sorted(by_number.items())}
  first = min(map(study_lib.split_seed, found), default=0)
  return {
    record.facts['arm']: record
    for record in found
    if study_lib.split_seed(record) == first
    and record.facts['arm'] in (support_split.WITHOUT, support_split.WITH)
  }


def _line(
  axis: axes_lib.Axes,
  label: str,
  record: records_lib.Record,
  style: str,
  colour: str,
) -> dict[str, Any]:
  """Draws one curve; returns its numbers."""
  steps, loss = zip(*record.facts['dev_loss'], strict=True)
  loss_TxS = np.array(loss, float)
  mean_T = loss_TxS.mean(axis=1)
  solved = float(record.pass_at_k(split_lib.DEV, 1).mean())
  axis.fill_between(
    steps, loss_TxS.min(axis=1), loss_TxS.max(axis=1), color=colour, alpha=0.2,
    lw=0,
  )  # fmt: skip
  axis.plot(
    steps, mean_T, style, color=colour, marker='.', ms=4,
    label=f'{label}: {solved:.1%}, {record.facts["loss"]:.2f}',
  )  # fmt: skip
  return {
    'steps': list(steps),
    'loss': mean_T.tolist(),
    'pass@1': solved,
    'loss in training': record.facts['loss'],
  }
