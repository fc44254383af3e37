"""What interrupted trainings came to: counts, and the page docs/faults.md."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

SIGTERM = 'SIGTERM'  # how a process was ended; all else is a kill


def summarize(chains: list[dict[str, Any]]) -> dict[str, Any]:
  """Counts of interruptions by how and where, and of what became of them."""
  places = Counter(
    f'{how}; {where}' for c in chains for how, where in c['ended']
  )
  return {
    'trainings': len(chains),
    'interruptions': sum(places.values()),
    'kills': sum(map(kills, chains)),
    'by_place': dict(sorted(places.items())),
    'did_not_resume': sum(not c['resumed'] for c in chains),
    'differ': sum(c['resumed'] and not c['same'] for c in chains),
  }


def kills(chain: Mapping[str, Any]) -> int:
  """Interruptions of a chain that were no SIGTERM."""
  return sum(how != SIGTERM for how, _ in chain['ended'])


def table(record: Mapping[str, Any], titles: Mapping[str, str]) -> str:
  """The page docs/faults.md.

  Args:
    record: Of all trainings.
    titles: Name of a training in the record -> in the table; the first one is
      the rule.
  """
  lines = [
    '# Faults',
    '',
    'Made by `python -m benchmarks.faults`; the numbers are in',
    '`benchmarks/results/faults.json`. A training of 60 steps and two models,',
    'with a checkpoint every 4 steps, is interrupted up to four times and',
    'resumed until it ends. Then its parameters, its optimizer state and its',
    'metrics are compared, bit for bit, with those of a training that was',
    'never interrupted. Two arms in one program are two runs, and compared',
    'as such. Kills while loading data fall on one of the first 30 batches,',
    'which are made one at a time for it.',
    '',
    '| how the process ended | what it left | times |',
    '|---|---|---|',
  ]
  for number, (key, title) in enumerate(titles.items()):
    name = f' ({title})' if number else ''
    for place, times in record[key]['by_place'].items():
      how, where = place.split('; ')
      lines.append(f'| {how}{name} | {where} | {times} |')
  lines += ['', f'| outcome | {" | ".join(titles.values())} |']
  lines.append('|---' * (len(titles) + 1) + '|')
  for label, name in (
    ('trainings', 'trainings'),
    ('interruptions', 'interruptions'),
    ('... of them kills, the others SIGTERM', 'kills'),
    ('did not resume', 'did_not_resume'),
    ('differ from the uninterrupted one', 'differ'),
  ):
    counts = ' | '.join(str(record[key][name]) for key in titles)
    lines.append(f'| {label} | {counts} |')
  lines += ['', '| damage to the newest checkpoint | cases | found |',
            '|---|---|---|']  # fmt: skip
  for kind, counts in record['damage'].items():
    lines.append(f'| a file {kind} | {counts["cases"]} | {counts["found"]} |')
  lines += [
    '',
    'Every file of the checkpoint was damaged but `_CHECKPOINT_METADATA` and',
    '`commit_success.txt`, from which nothing is restored. SIGTERM counts as',
    'passed only with exit code 0 of all processes.',
    '',
    f'Versions: JAX {record["versions"]["jax"]}, Orbax '
    f'{record["versions"]["orbax-checkpoint"]}, Python '
    f'{record["versions"]["python"]}; {record["device"]}.',
  ]
  return '\n'.join(lines) + '\n'
