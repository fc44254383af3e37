"""The page's definitions as Markdown, for docs/definitions.md.

The page is their one source (`analysis.study.definitions`). Formulas stay in a
line of plain text: an index is `_b`, a power `^2` or `^(1 - p)`.
"""

import html.parser
import re
import textwrap

from analysis.study import definitions

_WIDTH = 88
_HEAD = """# Definitions

Every word of the study, as on its page (`python -m analysis.report
--runs=results/cpu --out=runs/study.html`, which writes this text into
runs/study-definitions.md). Figures and tables named here are on that page,
figures in [study.md](study.md) too.
"""
_OPEN = {'i': '*', 'b': '**', 'code': '`', 'sub': '_', 'sup': '^'}
_CLOSE = {'i': '*', 'b': '**', 'code': '`'}
_BLOCKS = ('h2', 'p', 'li', 'td')
# At the start of a line these would begin a list, a quotation or a heading.
_STARTS = re.compile(r' (?=([-+*>=#]|\d+[.)])( |$))')
_STUCK = '\0'


def write() -> str:
  """All definitions, where intervals come from and what is not claimed."""
  parts = (
    definitions.DEFINITIONS, definitions.STATISTICS, definitions.SCOPE
  )  # fmt: skip
  return '\n'.join([_HEAD, *(markdown(part) for part in parts)])


def markdown(text: str) -> str:
  """HTML of headings, paragraphs, lists and tables of two columns as Markdown.

  A row of such a table becomes an item: its first cell bold, then the second.
  """
  reader = _Reader()
  reader.feed(text)
  reader.close()
  return '\n'.join(reader.lines)


class _Reader(html.parser.HTMLParser):
  """Reads the HTML of `definitions`; keeps finished lines."""

  def __init__(self) -> None:
    super().__init__(convert_charrefs=True)
    self.lines: list[str] = []
    self._words: list[str] = []  # of the block that is open
    self._cells: list[str] = []  # of the row that is open
    self._script: list[str] | None = None  # of the index or power that is open
    self._list = ''
    self._number = 0

  def handle_starttag(
    self, tag: str, attrs: list[tuple[str, str | None]]
  ) -> None:
    if tag in ('ul', 'ol'):
      self._list, self._number = tag, 0
    elif tag in ('sub', 'sup'):
      self._script = [_OPEN[tag]]
    elif tag in _OPEN:
      self.handle_data(_OPEN[tag])
    elif tag in _BLOCKS:
      self._words = []

  def handle_data(self, data: str) -> None:
    if self._script is not None:
      self._script.append(data)
    else:
      self._words.append(data)

  def handle_endtag(self, tag: str) -> None:
    if tag in ('sub', 'sup') and self._script is not None:
      sign, *inner = self._script
      text, self._script = ''.join(inner), None
      short = re.fullmatch(r'\w+', text)
      self._words.append(f'{sign}{text}' if short else f'{sign}({text})')
    elif tag in _CLOSE:
      self.handle_data(_CLOSE[tag])
    elif tag == 'h2':
      self.lines += [f'## {self._text()}', '']
    elif tag == 'p':
      self.lines += [*_wrapped(self._text()), '']
    elif tag == 'td':
      self._cells.append(self._text())
    elif tag == 'tr' and self._cells:
      word, meaning = self._cells
      self._cells = []
      self.lines += _wrapped(f'**{word}**: {meaning}', '* ')
    elif tag == 'li':
      self._number += 1
      mark = '* ' if self._list == 'ul' else f'{self._number}. '
      self.lines += _wrapped(self._text(), mark)
    elif tag in ('table', 'ul', 'ol'):
      self.lines.append('')

  def _text(self) -> str:
    return ' '.join(''.join(self._words).split())


def _wrapped(text: str, mark: str = '') -> list[str]:
  lines = textwrap.wrap(
    _STARTS.sub(_STUCK, text),
    _WIDTH,
    initial_indent=mark,
    subsequent_indent=' ' * len(mark),
    break_long_words=False,
    break_on_hyphens=False,
  )
  return [line.replace(_STUCK, ' ') for line in lines]
