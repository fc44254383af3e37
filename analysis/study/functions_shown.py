"""F24: what search solves where training shows fewer functions, and more."""

from typing import Any

from matplotlib import ticker
import numpy as np

from analysis import picture
from analysis.study import drawn
from analysis.study import search
from analysis.study import study as study_lib
from synth.search import results
from synth.splits import density as density_split

# Source -> its name, colour and style: what the model does in full.
_LINES = {
  search.SAMPLES: ('one of the samples itself', picture.BLACK, '-'),
  results.OWN: ("the model's samples completed", picture.ORANGE, '-'),
  search.ASKED: ('the model asked for subgoals', picture.VERMILION, '-'),
  results.TRAINING: (
    'training programs completed, nearest in outputs', picture.SKY, '--',
  ),
  search.KNOWN: ('subgoals looked up in training', picture.BLUE, '--'),
  results.MEET_IN_THE_MIDDLE: ('meet in the middle', picture.PURPLE, '--'),
}  # fmt: skip


def draw(study: study_lib.Study) -> drawn.Drawn:
  """F24: shares of tasks solved by every search, by functions shown.

  Raises:
    NotMeasured: if records lack.
  """
  grids = search.by_functions(study)
  fig, axes = picture.mosaic(
    'Is retrieval worth less where training shows fewer functions?',
    [['uniform']],
    (11, 5.2),
  )
  axis, x = axes['uniform'], list(grids)
  numbers: dict[str, Any] = {'functions': x}
  for source, (label, colour, style) in _LINES.items():
    found = [
      search.share(grid, source, density_split.UNIFORM)
      for grid in grids.values()
    ]
    mean_K, low_K, high_K = np.array(found).T
    axis.plot(x, mean_K, style, color=colour, lw=2, label=label,
              marker='o', ms=5)  # fmt: skip
    axis.fill_between(x, low_K, high_K, color=colour, alpha=0.12, lw=0)
    numbers[source] = [list(interval) for interval in found]
  axis.set_xscale('log', base=2)
  axis.set_xticks(x)
  axis.xaxis.set_major_formatter(ticker.StrMethodFormatter('{x:,.0f}'))
  axis.xaxis.set_minor_locator(ticker.NullLocator())
  axis.set_xlabel('functions shown in training')
  axis.set_ylabel('tasks solved (drawn uniformly)')
  axis.set_ylim(0, 1)
  axis.yaxis.set_major_formatter(ticker.PercentFormatter(1))
  axis.legend(
    frameon=False, fontsize=9, loc='upper left', bbox_to_anchor=(1.01, 1)
  )
  (first, *_) = study.of(search.SHOWN)
  caption = (
    f'Full: what the models do, {first.facts["config"]["eval"]["num_samples"]} '
    'samples a task; dashed: what needs no model. Completed: with the bank of '
    f'at most {search.BANK} nodes; subgoals: one operator with a known '
    'argument of at most three nodes. '
    f'{drawn.design(next(iter(grids.values())))}; bands: 95 % intervals over '
    'new seeds and tasks.'
  )
  return drawn.Drawn(fig, caption, numbers)
