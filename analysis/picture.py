"""A picture: its question, what it shows, how it was made.

PNG, SVG and JSON of its numbers; PDF too, for papers.
"""

from collections.abc import Mapping
import io
import pathlib
from typing import Any

import matplotlib

matplotlib.use('Agg')

from matplotlib import axes as axes_lib
from matplotlib import figure as figure_lib
from matplotlib import pyplot as plt
from PIL import Image

from synth import runs

# Okabe-Ito: distinguishable with any colour vision.
BLACK, GREY = '#222222', '#999999'
BLUE, SKY = '#0072b2', '#56b4e9'
VERMILION, ORANGE = '#d55e00', '#e69f00'
GREEN, PURPLE, YELLOW = '#009e73', '#cc79a7', '#f0e442'
# Greys for what is left over, for lines of a grid and for areas behind marks.
PALE, FAINT, FAINTEST = '#cccccc', '#dddddd', '#eeeeee'

# What pictures are drawn under (`pyplot.rc_context`).
STYLE = {
  'font.size': 9.5,
  'axes.titlesize': 10.5,
  'axes.titlelocation': 'left',
  'axes.spines.top': False,
  'axes.spines.right': False,
  'svg.hashsalt': 'synth',  # else the file has other bits each time
  'svg.fonttype': 'none',
}
_DPI = 100
_PALETTE = 255  # colours of the PNG: half the bytes


def mosaic(
  question: str,
  layout: list[list[str]],
  size: tuple[float, float],
  **options: Any,
) -> tuple[figure_lib.Figure, dict[str, axes_lib.Axes]]:
  """A figure with its question as the title, and its axes by name.

  Args:
    question: What it answers.
    layout: Rows of names, as for `pyplot.subplot_mosaic`.
    size: Width and height in inches.
    **options: For `pyplot.subplot_mosaic`.
  """
  fig, axes = plt.subplot_mosaic(
    layout, figsize=size, layout='constrained', **options
  )
  title(fig, question)
  return fig, axes


def title(figure: figure_lib.Figure, text: str) -> None:
  """Sets what stands above a figure."""
  figure.suptitle(text, x=0.01, ha='left', fontsize=14, fontweight='bold')


def write(
  directory: pathlib.Path,
  name: str,
  figure: figure_lib.Figure,
  numbers: Mapping[str, Any],
  provenance: Mapping[str, Any],
  pdf: bool = False,
) -> None:
  """Writes `name`.png, .svg and .json and closes the figure.

  Args:
    directory: Is made if need be.
    name: Of the files.
    figure: What to write.
    numbers: What was drawn, for JSON.
    provenance: Seed, hashes and the command; drawn below the picture, except
      for hashes.
    pdf: Whether to write `name`.pdf too.
  """
  note = '   '.join(
    f'{key}: {value}'
    for key, value in provenance.items()
    if not key.endswith('sha256')
  )
  figure.supxlabel(note, x=0.01, ha='left', fontsize=7.5, color='#555555')
  png, svg = io.BytesIO(), io.StringIO()
  figure.savefig(png, format='png', dpi=_DPI)
  figure.set_layout_engine('none')  # it is laid out now
  figure.savefig(svg, format='svg', dpi=_DPI, metadata={'Date': None})
  if pdf:
    directory.mkdir(parents=True, exist_ok=True)
    figure.savefig(directory / f'{name}.pdf', metadata={'CreationDate': None})
  plt.close(figure)
  small = io.BytesIO()
  Image.open(png).convert('RGB').quantize(
    _PALETTE, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
  ).save(small, 'png', optimize=True)
  runs.write_json(
    directory / f'{name}.json', {'made': dict(provenance), **numbers}
  )
  runs.write_text(directory / f'{name}.svg', svg.getvalue())
  (directory / f'{name}.png').write_bytes(small.getvalue())


def label(
  axis: axes_lib.Axes,
  text: str,
  at: tuple[float, float],
  colour: str,
  **options: Any,
) -> None:
  """Names a line or a group of marks where it is, in its colour."""
  axis.annotate(
    text,
    at,
    xytext=options.pop('offset', (0, 4)),
    textcoords='offset points',
    color=colour,
    fontweight='bold',
    **options,
  )
