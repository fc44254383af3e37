"""docs/preregistration.md, where the study's page repeats it."""

from collections.abc import Iterator
import html
import pathlib
import re

from synth import errors

PATH = pathlib.Path(__file__).parents[2] / 'docs' / 'preregistration.md'
_ROW = re.compile(r'^\|(.*)\|$', re.MULTILINE)


def section(title: str) -> str:
  """The text of a section.

  Raises:
    InputError: if there is none.
  """
  if not PATH.exists():
    raise errors.InputError(f'{PATH} is missing: report from a clone')
  parts = re.split(r'^## (.*)\n', PATH.read_text(encoding='utf-8'), flags=re.M)
  for name, text in zip(parts[1::2], parts[2::2], strict=True):
    if name == title:
      return text.strip()
  raise errors.InputError(f'{PATH} has no section {title!r}')


def table(title: str) -> list[list[str]]:
  """The rows of the table in a section, without its head.

  Raises:
    InputError: if there is no such section.
  """
  rows = [row.split('|') for row in _ROW.findall(section(title))]
  return [[cell.strip() for cell in row] for row in rows[2:]]


def prose(title: str) -> str:
  """A section without tables as HTML: paragraphs, lists, code, bold.

  Raises:
    InputError: if there is no such section.
  """
  return '\n'.join(_blocks(section(title)))


def _blocks(text: str) -> Iterator[str]:
  for block in re.split(r'\n\s*\n', text):
    if block.startswith('* '):
      items = re.split(r'^\* ', block, flags=re.M)[1:]
      inner = ''.join(f'<li>{_inline(item)}</li>' for item in items)
      yield f'<ul>{inner}</ul>'
    else:
      yield f'<p>{_inline(block)}</p>'


def _inline(text: str) -> str:
  line = html.escape(' '.join(text.split()), quote=False)
  line = re.sub(r'`([^`]+)`', r'<code>\1</code>', line)
  return re.sub(r'\*\*([^*]+)\*\*', r'<b>\1</b>', line)
