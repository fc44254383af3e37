"""F2: how many programs compute the same function? Exact counts."""

from typing import Any

from matplotlib import figure as figure_lib
from matplotlib import ticker
import numpy as np

from analysis import picture
from synth.language import counting
from synth.universe import universe as universe_lib

_TOP = 0.01  # share of the classes that is said to hold so many programs
_BINS_A_DECADE = 3


def measure(universe: universe_lib.Universe) -> dict[str, Any]:
  """Programs, classes and programs a class, from the universe's counts.

  Raises:
    InputError: if the universe did not count its programs.
  """
  programs = counting.Counts(universe.grammar).by_size(universe.max_size)
  size_C = np.asarray(universe.size_C)
  by_size = []
  for size, number in programs.items():
    count_C = universe.multiplicity(size)
    by_size.append(
      {
        'size': size,
        'programs': number,
        'programs_with_a_value': int(count_C.sum()),
        'classes_they_compute': int((count_C > 0).sum()),
        'classes_not_of_smaller_size': int((size_C == size).sum()),
      }
    )
  largest = max(programs)
  count_C = universe.multiplicity(largest)
  within = np.bincount(size_C, count_C, largest + 1)
  minimal: dict[str, float] = {
    str(size): float(within[size] / programs[largest]) for size in programs
  }
  defined = int(count_C.sum())
  count_K = np.sort(count_C[count_C > 0])[::-1]
  edges = 10 ** np.arange(
    0,
    np.log10(count_K[0]) + 1.0 / _BINS_A_DECADE,
    1.0 / _BINS_A_DECADE,
  )
  if len(edges) < 2:  # every function has one program
    edges = np.ones(2)
  edges[-1] = max(edges[-1], count_K[0] + 1)
  top = max(round(_TOP * len(count_K)), 1)
  return {
    'grammar': universe.grammar.name,
    'by_size': by_size,
    'largest_size': largest,
    'minimal_size_of_uniform_programs': minimal,
    'without_a_value': (programs[largest] - defined) / programs[largest],
    'programs_a_class': {
      'median': float(np.median(count_K)),
      'mean': defined / len(count_K),
      'max': int(count_K[0]),
      'top_share_of_classes': _TOP,
      'holds_share_of_programs': float(count_K[:top].sum() / defined),
      'bin_edges': edges.tolist(),
      'share_of_classes': (
        np.histogram(count_K, edges)[0] / len(count_K)
      ).tolist(),
      'share_of_programs': (
        np.histogram(count_K, edges, weights=count_K)[0] / defined
      ).tolist(),
    },
  }


def draw(numbers: dict[str, Any]) -> figure_lib.Figure:
  """Three panels: by size, by minimal size, by programs a function."""
  fig, axes = picture.mosaic(
    'How redundant are programs?',
    [['size', 'minimal', 'multiplicity']],
    (12.5, 4.2),
  )
  _by_size(axes['size'], numbers)
  _minimal(axes['minimal'], numbers)
  _multiplicity(axes['multiplicity'], numbers)
  return fig


def _by_size(axis: Any, numbers: dict[str, Any]) -> None:
  rows = numbers['by_size']
  size = [row['size'] for row in rows]
  axis.set_title('Programs outgrow functions')
  for key, name, colour in (
    ('programs', 'programs', picture.VERMILION),
    ('classes_not_of_smaller_size', 'functions of that\nminimal size',
     picture.BLUE),
  ):  # fmt: skip
    value = [row[key] for row in rows]
    axis.plot(size, value, 'o-', color=colour, ms=4)
    last = f'{name}\n{value[-1]:,}'
    picture.label(
      axis, last, (size[-1], value[-1]), colour, offset=(7, 0), va='center'
    )
  axis.set_yscale('log')
  axis.set_ylim(top=4 * rows[-1]['programs'])
  axis.set_xticks(size)
  axis.set_xlim(size[0] - 0.5, size[-1] + 0.62 * (size[-1] - size[0]))
  axis.set_xlabel('size in nodes')
  axis.set_ylabel('number (log)')


def _minimal(axis: Any, numbers: dict[str, Any]) -> None:
  shares = numbers['minimal_size_of_uniform_programs']
  largest = numbers['largest_size']
  names = [*shares, 'no\nvalue']
  value = [*shares.values(), numbers['without_a_value']]
  colours = [picture.SKY] * len(shares) + [picture.GREY]
  colours[len(shares) - 1] = picture.VERMILION
  axis.set_title(f'Uniform programs of size {largest} are small functions')
  bars = axis.bar(range(len(names)), value, color=colours)
  axis.bar_label(bars, [f'{100 * v:.1f} %' for v in value], fontsize=8)
  axis.set_xticks(range(len(names)), names)
  axis.set_xlabel('size of the smallest program with the same function')
  axis.set_ylabel(f'share of programs of size {largest}')
  axis.yaxis.set_major_formatter(ticker.PercentFormatter(1, 0))


def _multiplicity(axis: Any, numbers: dict[str, Any]) -> None:
  facts = numbers['programs_a_class']
  largest = numbers['largest_size']
  edges = facts['bin_edges']
  axis.set_title('Few functions hold most programs')
  for key, name, colour in (
    ('share_of_classes', 'share of\nfunctions', picture.BLUE),
    ('share_of_programs', 'share of\nprograms', picture.VERMILION),
  ):
    value = facts[key]
    axis.stairs(value, edges, fill=True, color=colour, alpha=0.25)
    axis.stairs(value, edges, color=colour, lw=1.6)
    peak = int(np.argmax(value))
    at = (np.sqrt(edges[peak] * edges[peak + 1]), value[peak])
    picture.label(axis, name, at, colour, ha='center')
  axis.set_xscale('log')
  axis.set_ylim(
    top=1.25 * max(*facts['share_of_classes'], *facts['share_of_programs'])
  )
  axis.yaxis.set_major_formatter(ticker.PercentFormatter(1, 0))
  axis.set_xlabel(f'programs of size {largest} with the same function (log)')
  axis.set_ylabel('share in each bin')
  axis.text(
    0.98,
    0.97,
    f'median {facts["median"]:,.0f}, mean {facts["mean"]:,.0f},\n'
    f'largest {facts["max"]:,}\n'
    f'top {facts["top_share_of_classes"]:.0%} of functions:\n'
    f'{facts["holds_share_of_programs"]:.0%} of programs',
    transform=axis.transAxes,
    ha='right',
    va='top',
    fontsize=8.5,
  )
