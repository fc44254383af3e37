"""What lies under the mouse: every mark of a figure, said in words.

The marks are read off the drawn figure (points, bars, cells of a matrix), so
every figure has them. They lie as a transparent layer over its picture; the
pointer or the arrow keys move between them.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import html
from typing import Any
from typing import NamedTuple

from matplotlib import axes as axes_lib
from matplotlib import axis as axis_lib
from matplotlib import colors
from matplotlib import container
from matplotlib import figure as figure_lib
from matplotlib import lines as lines_lib
from matplotlib import ticker
import numpy as np

from analysis import webpage

_SCALE = 1000  # width of a layer in its own units
_RADIUS = 9.0  # of the place around a point that answers
_SMALL = 3.0  # the same where points are many
UNSAID = 'unsaid'  # gid of lines whose places are no values
HEAD = """<style>
.plot { position: relative; } .plot img { display: block; width: 100%; }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.plot svg * { fill: transparent; }
.plot svg .on { stroke: #222; stroke-width: 2; }
#hover { position: fixed; display: none; max-width: 24rem; z-index: 9;
         padding: 0.3rem 0.6rem; background: #222; color: #fff;
         font-size: 0.85rem; pointer-events: none; }
</style><script>
addEventListener('DOMContentLoaded', () => {
  const box = document.createElement('div');
  box.id = 'hover';
  box.setAttribute('role', 'status');
  document.body.append(box);
  let on = null;
  const show = mark => {
    on?.classList.remove('on');
    on = mark;
    box.style.display = mark ? 'block' : 'none';
    if (!mark) return;
    mark.classList.add('on');
    box.textContent = mark.getAttribute('aria-label');
    const place = mark.getBoundingClientRect();
    const left = Math.min(place.right + 8, innerWidth - box.offsetWidth - 8);
    box.style.left = Math.max(left, 0) + 'px';
    box.style.top = Math.max(place.top - box.offsetHeight - 4, 0) + 'px';
  };
  for (const layer of document.querySelectorAll('.plot svg')) {
    const marks = [...layer.children];
    layer.onpointerover = e => show(e.target === layer ? null : e.target);
    layer.onpointerleave = layer.onblur = () => show(null);
    layer.onfocus = () => { if (layer.matches(':focus-visible')) show(marks[0]); };
    layer.onkeydown = e => {
      const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1};
      if (!(e.key in step)) return;
      const at = marks.indexOf(on) + step[e.key] + marks.length;
      show(marks[at % marks.length]);
      e.preventDefault();
    };
  }
});
</script>"""  # noqa: E501


_Drawn = lines_lib.Line2D | container.Container
_Colour = Any  # whatever matplotlib takes for one


class Mark(NamedTuple):
  """A mark of a figure.

  Attributes:
    x, y: Its middle, in shares of the figure's width and height, from the top
      left.
    width, height: The same of its sides; 0 of a point.
    text: What it is.
    radius: Of the place around a point that answers.
  """

  x: float
  y: float
  width: float
  height: float
  text: str
  radius: float = _RADIUS


def marks(
  figure: figure_lib.Figure,
  texts: Mapping[str, Sequence[str]] | None = None,
) -> list[Mark]:
  """The marks of a figure that has been laid out.

  Args:
    figure: The figure.
    texts: Gid of a collection of points -> what each of them is.
  """
  return [mark for axes in figure.axes for mark in _of(axes, texts or {})]


def plot(
  png: bytes,
  description: str,
  figure: figure_lib.Figure,
  design: str,
  texts: Mapping[str, Sequence[str]] | None = None,
) -> str:
  """A picture with its marks, as HTML.

  Args:
    png: The picture.
    description: For who cannot see it.
    figure: What was drawn.
    design: Said of every mark: how many splits, seeds and tasks it is of.
    texts: As for `marks`.
  """
  width, height = figure.get_size_inches()
  tall = _SCALE * height / width
  layer = []
  for mark in marks(figure, texts):
    x, y = _SCALE * mark.x, tall * mark.y
    if mark.width:
      wide, high = _SCALE * mark.width, tall * mark.height
      shape = (
        f'rect x="{x - wide / 2:.1f}" y="{y - high / 2:.1f}" '
        f'width="{wide:.1f}" height="{high:.1f}"'
      )
    else:
      shape = f'circle cx="{x:.1f}" cy="{y:.1f}" r="{mark.radius}"'
    text = '; '.join(filter(None, (mark.text, design)))
    layer.append(f'<{shape} aria-label="{html.escape(text)}"/>')
  return (
    f'<div class="plot">{webpage.image(png, description)}'
    f'<svg viewBox="0 0 {_SCALE} {tall:.1f}" tabindex="0" role="group" '
    'aria-label="marks: arrow keys move between them">'
    + '\n'.join(layer)
    + '</svg></div>'
  )


def _of(
  axes: axes_lib.Axes, texts: Mapping[str, Sequence[str]]
) -> Iterator[Mark]:
  yield from _bars(axes)
  yield from _cells(axes)
  yield from _points(axes)
  yield from _named(axes, texts)


def _named(
  axes: axes_lib.Axes, texts: Mapping[str, Sequence[str]]
) -> Iterator[Mark]:
  """Points of which is told what each is."""
  for group in axes.collections:
    told = texts.get(group.get_gid() or '')
    if told is None:
      continue
    place_Px2 = np.asarray(group.get_offsets(), float)
    for point, text in zip(place_Px2, told, strict=True):
      mark = _mark(axes, (point[0], point[1]), (0, 0), [text])
      yield mark._replace(text=text, radius=_SMALL)


def _bars(axes: axes_lib.Axes) -> Iterator[Mark]:
  for group in axes.containers:
    if not isinstance(group, container.BarContainer):
      continue
    for patch in group:
      box = patch.get_bbox()
      if not box.width or not box.height:
        continue
      middle = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
      if group.orientation == 'horizontal':
        text = [_value(axes.yaxis, middle[1]), _value(axes.xaxis, box.width)]
      else:
        text = [_value(axes.xaxis, middle[0]), _value(axes.yaxis, box.height)]
      name = _name(axes, group, patch.get_facecolor())
      yield _mark(axes, middle, (box.width, box.height), [name, *text])


def _cells(axes: axes_lib.Axes) -> Iterator[Mark]:
  """Of a matrix; what is written in a cell belongs to it."""
  said = {text.get_position(): text.get_text() for text in axes.texts}
  for image in axes.images:
    rows, columns = np.asarray(image.get_array()).shape[:2]
    for row, column in np.ndindex(rows, columns):
      where = f'{_value(axes.yaxis, row)} on {_value(axes.xaxis, column)}'
      text = [where, said.get((column, row), '')]
      yield _mark(axes, (column, row), (1, 1), text)


def _points(axes: axes_lib.Axes) -> Iterator[Mark]:
  errors = {
    id(group.lines[0]): group
    for group in axes.containers
    if isinstance(group, container.ErrorbarContainer)
  }
  caps = {id(cap) for group in errors.values() for cap in group.lines[1]}
  for line in axes.get_lines():
    unmarked = line.get_marker() in ('None', None, '', ' ')
    if unmarked or line.get_transform() != axes.transData:
      continue
    if id(line) in caps or line.get_gid() == UNSAID:
      continue
    error = errors.get(id(line))
    for number, point in enumerate(np.asarray(line.get_xydata(), float)):
      if not np.isfinite(point).all():
        continue
      x, y = point.tolist()
      interval = _error(axes, error, number) if error else _spans(axes, line, y)
      name = _name(axes, error or line, line.get_color())
      text = [name, _value(axes.yaxis, y), interval, _value(axes.xaxis, x)]
      yield _mark(axes, (x, y), (0, 0), text)


def _mark(
  axes: axes_lib.Axes,
  middle: tuple[float, float],
  size: tuple[float, float],
  text: list[str],
) -> Mark:
  half = np.abs(size) / 2
  corners = np.array([np.subtract(middle, half), np.add(middle, half)])
  place = (axes.transData - axes.figure.transFigure).transform(corners)
  (x0, y0), (x1, y1) = place
  if not np.any(size):
    x0 = x1 = (x0 + x1) / 2
    y0 = y1 = (y0 + y1) / 2
  parts = [axes.get_title(loc='left') or axes.get_title(), *text]
  told = '; '.join(part.replace('\n', ', ') for part in parts if part)
  return Mark(
    (x0 + x1) / 2, 1 - (y0 + y1) / 2, abs(x1 - x0), abs(y1 - y0), told
  )


def _name(axes: axes_lib.Axes, artist: _Drawn, colour: _Colour) -> str:
  """Its label, or that of what has its colour: a line, bars, or a text."""
  own = _label(artist)
  if own:
    return own
  for line in axes.get_lines():
    if _label(line) and colors.same_color(line.get_color(), colour):
      return _label(line)
  for group in axes.containers:
    if isinstance(group, container.BarContainer) and _label(group):
      patches = [patch.get_facecolor() for patch in group]
      if any(colors.same_color(patch, colour) for patch in patches):
        return _label(group)
  for text in axes.texts:
    bold = text.get_fontweight() == 'bold'
    if bold and colors.same_color(text.get_color(), colour):
      return text.get_text()
  return ''


def _label(artist: _Drawn) -> str:
  """Its label; matplotlib's own ones begin with an underscore."""
  label = str(artist.get_label())
  return '' if label.startswith('_') else label


def _value(axis: axis_lib.Axis, value: float) -> str:
  """A coordinate, as the axis says it."""
  formatter = axis.get_major_formatter()
  name = axis.get_label_text().replace('\n', ' ')
  named = isinstance(formatter, ticker.FixedFormatter | ticker.FuncFormatter)
  if named and isinstance(axis.get_major_locator(), ticker.FixedLocator):
    places = np.asarray(axis.get_ticklocs())
    nearest = int(np.argmin(np.abs(places - value)))
    # Not of the labels: an axis that shares them with another has none.
    return str(formatter(float(places[nearest]), nearest))
  text = _number(formatter, value)
  return f'{name}: {text}' if name else text


def _number(formatter: ticker.Formatter, value: float) -> str:
  if isinstance(formatter, ticker.PercentFormatter):
    return f'{value / formatter.xmax:.1%}'
  return f'{value:.4g}'


def _error(
  axes: axes_lib.Axes, group: container.ErrorbarContainer, number: int
) -> str:
  """The interval of a point of an error-bar plot."""
  (bars,) = group.lines[2]
  low, high = bars.get_segments()[number][:, 1]
  formatter = axes.yaxis.get_major_formatter()
  return f'[{_number(formatter, low)}, {_number(formatter, high)}]'


def _spans(axes: axes_lib.Axes, line: lines_lib.Line2D, y: float) -> str:
  """Intervals drawn as level lines at the height of a point, in its colour."""
  found = []
  formatter = axes.xaxis.get_major_formatter()
  for other in axes.get_lines():
    ends = np.asarray(other.get_xydata(), float)
    level = ends.shape == (2, 2) and np.allclose(ends[:, 1], y)
    if (
      level
      and other.get_marker() == 'None'
      and other.get_transform() == axes.transData
      and colors.same_color(other.get_color(), line.get_color())
    ):
      low, high = (_number(formatter, v) for v in ends[:, 0])
      found.append(f'[{low}, {high}]')
  return ', '.join(found)
