"""What every page is made of: one style, tables, pictures inside it."""

import base64
from collections.abc import Sequence
import html

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
       max-width: 70rem; padding: 0 1rem; color: #222; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.88rem; }
th, td { padding: 0.3rem 0.6rem; border-bottom: 1px solid #ddd;
         text-align: left; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } img { max-width: 100%; height: auto; }
code { font-size: 0.92em; } .hash { word-break: break-all; font-size: 0.8em;
  display: inline-block; min-width: 18ch; } .note, figcaption { color: #555; }
pre { background: #f6f6f6; padding: 0.8rem; overflow-x: auto; }
figure { margin: 1rem 0 2rem; } figcaption { font-size: 0.9rem; }
.good, .reproduced { color: #00704f; }
.bad, .not-reproduced { color: #a33d00; }
.undecided { color: #7a5c00; } .not-measured { color: #666; }
.verdict { font-weight: bold; white-space: nowrap; }
.incomplete { border-left: 4px solid #d55e00; padding: 0.2rem 0.8rem;
              background: #fdf1e8; }
"""


def document(title: str, parts: Sequence[str], head: str = '') -> str:
  """A whole page that loads nothing.

  Args:
    title: Of the window, HTML already.
    parts: What it shows, HTML already.
    head: More styles or scripts.
  """
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width">'
    f'<title>{title}</title><style>{_STYLE}</style>{head}</head>\n<body>'
    + '\n'.join(parts)
    + '</body></html>\n'
  )


def table(
  head: Sequence[str], rows: Sequence[Sequence[str]], numeric: int | None = None
) -> str:
  """A table of HTML; columns from `numeric` on are aligned as numbers."""
  lines = ['<tr>' + ''.join(f'<th>{cell}</th>' for cell in head) + '</tr>']
  for row in rows:
    cells = (
      f'<td class="n">{cell}</td>'
      if numeric is not None and i >= numeric
      else f'<td>{cell}</td>'
      for i, cell in enumerate(row)
    )
    lines.append('<tr>' + ''.join(cells) + '</tr>')
  return '<div class="wide"><table>' + '\n'.join(lines) + '</table></div>'


def image(png: bytes, description: str) -> str:
  """A picture inside the page; the description is plain text."""
  data = base64.b64encode(png).decode()
  text = html.escape(description)
  return f'<img alt="{text}" src="data:image/png;base64,{data}">'
