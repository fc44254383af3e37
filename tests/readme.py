"""Runs the commands of a README's `sh ci` blocks; the first failure stops it.

python tests/readme.py README.md
"""

import pathlib
import re
import subprocess
import sys


def commands(text: str) -> list[str]:
  """The shell scripts between "```sh ci" and "```"."""
  return re.findall(r'^```sh ci\n(.*?)^```', text, re.DOTALL | re.MULTILINE)


if __name__ == '__main__':
  found = commands(pathlib.Path(sys.argv[1]).read_text(encoding='utf-8'))
  if not found:
    sys.exit(f'no `sh ci` block in {sys.argv[1]}')
  for script in found:
    subprocess.run(['bash', '-euxc', script], check=True)
