"""F3: does a naive split leak?

A training set of n independent uniform programs of one size, and test programs
drawn alike, of which a split drops those that it knows from training:

    none     drops nothing
    string   the same text (which is the same syntax tree: both are one to one)
    tree     the same tree up to the order of the operands of + and *
    class    the same function

A kept test program *leaks* if training has a program with its function. With
q_c the share of programs of class c and r_u the share that the split takes to
be the same as program u, the expected share of leaks among those kept is

    1 - sum_c q_c (1 - q_c)^n / mean_u (1 - r_u)^n,

exact from the universe's counts. Only r_u of `tree` is from a sample of
programs.
"""

from typing import Any

from matplotlib import figure as figure_lib
from matplotlib import ticker
import numpy as np

from analysis import picture
from synth import seeding
from synth.language import counting
from synth.language import operators
from synth.language import program as program_lib
from synth.universe import universe as universe_lib

_NUMBERS = np.unique(np.round(np.logspace(0, 6, 31)).astype(int))
_SIZES = 4  # the largest, whose string splits are compared
_SAMPLE = 1000  # programs whose operands are reordered
_LEVELS = {
  'none': ('no check', picture.GREY),
  'string': ('no shared string', picture.VERMILION),
  'tree': ('no shared tree, operands\nof + and * in any order', picture.ORANGE),
  'class': ('no shared function: 0 % by construction', picture.BLUE),
}
# Where the lines are named; the first three hardly differ where n is small.
_HEIGHTS = {'none': 0.46, 'string': 0.39, 'tree': 0.26, 'class': 0.05}


def unseen(share_K: np.ndarray, number: int) -> np.ndarray:
  """Probability that none of `number` independent draws has each share."""
  with np.errstate(divide='ignore'):
    return np.exp(number * np.log1p(-np.asarray(share_K, float)))


def leaks(count_C: np.ndarray, same_U: np.ndarray, number: int) -> float:
  """Expected share of leaks among the test programs that a split keeps.

  Args:
    count_C: Programs of each class.
    same_U: For test programs, all or a uniform sample, how many programs the
      split takes to be the same.
    number: Programs in training.
  """
  total = int(count_C.sum())
  function_new = (count_C / total) @ unseen(count_C / total, number)
  kept = unseen(same_U / total, number).mean()
  return float(1 - min(function_new / kept, 1.0)) if kept > 0 else 1.0


def reorderings(program: program_lib.Node) -> int:
  """Number of trees that differ in the order of commutative operands alone."""
  return _sorted(program)[0]


def _sorted(program: program_lib.Node) -> tuple[int, str]:
  """The number of reorderings and a text that they share."""
  found = [_sorted(arg) for arg in program.args]
  number = int(np.prod([number for number, _ in found], dtype=object))
  texts = [text for _, text in found]
  operator = operators.OPERATORS.get(program.symbol)
  if operator is not None and operator.commutative:
    number *= 1 if texts[0] == texts[1] else 2
    texts.sort()
  return number, f'{program.symbol}({",".join(texts)})'


def measure(universe: universe_lib.Universe, seed: int) -> dict[str, Any]:
  """The shares that leak.

  Raises:
    InputError: if the universe did not count its programs.
  """
  counts = counting.Counts(universe.grammar)
  sizes = list(counts.by_size(universe.max_size))[-_SIZES:]
  largest = sizes[-1]
  rng = seeding.generator(seed, 'leakage')
  same_U = np.array(
    [
      reorderings(program)
      for program in (counts.sample(largest, rng) for _ in range(_SAMPLE))
      if universe.class_of(program) is not None
    ],
    float,
  )
  by_size = {}
  for size in sizes:
    count_C = universe.multiplicity(size)
    by_size[str(size)] = _curve(count_C, np.ones(1))
  return {
    'grammar': universe.grammar.name,
    'training_programs': _NUMBERS.tolist(),
    'largest_size': largest,
    'programs_of_largest_size': int(count_C.sum()),
    'sampled_for_tree': len(same_U),
    'leaks_at_largest_size': {
      'none': _curve(count_C, np.zeros(1)),
      'string': by_size[str(largest)],
      'tree': _curve(count_C, same_U),
      'class': [0.0] * len(by_size[str(largest)]),
    },
    'leaks_of_string_split_by_size': by_size,
  }


def _curve(count_C: np.ndarray, same_U: np.ndarray) -> list[float]:
  """`leaks` for the numbers of `_NUMBERS` up to the number of programs."""
  numbers = _NUMBERS[count_C.sum() >= _NUMBERS]
  return [leaks(count_C, same_U, number) for number in numbers.tolist()]


def draw(numbers: dict[str, Any]) -> figure_lib.Figure:
  """Two panels: what a split checks; the size of the programs."""
  fig, axes = picture.mosaic(
    'Does a naive split of random programs leak?',
    [['level', 'size']],
    (12, 4.6),
    sharey=True,
  )
  n = np.array(numbers['training_programs'])
  left, right = axes['level'], axes['size']
  largest = numbers['largest_size']
  left.set_title(f'By what the split checks (programs of size {largest})')
  for level, (name, colour) in _LEVELS.items():
    share = numbers['leaks_at_largest_size'][level]
    style = '--' if level == 'tree' else '-'  # it may hide the one below
    left.plot(n[: len(share)], share, style, color=colour, lw=2)
    left.text(
      0.98, _HEIGHTS[level], name, transform=left.transAxes, color=colour,
      ha='right', fontweight='bold',
    )  # fmt: skip
  left.text(
    0.98, 0.53, 'three lines, nearly the same:', transform=left.transAxes,
    ha='right',
  )  # fmt: skip
  right.set_title('By size of the programs (no shared string)')
  by_size = numbers['leaks_of_string_split_by_size']
  blues = (picture.PURPLE, picture.SKY, picture.GREEN, picture.VERMILION)
  for (size, share), colour in zip(
    by_size.items(), blues[-len(by_size) :], strict=True
  ):
    right.plot(n[: len(share)], share, color=colour, lw=2)
    middle = int(np.searchsorted(share, 0.4))
    middle = min(middle, len(share) - 1)
    name = f'size {size}' if size == next(iter(by_size)) else size
    picture.label(
      right, name, (n[middle], share[middle]), colour, offset=(-5, 2),
      ha='right',
    )  # fmt: skip
  for axis in (left, right):
    axis.set_xscale('log')
    axis.set_xlim(n[0], n[-1])
    axis.set_xlabel('training programs n (log)')
    axis.yaxis.set_major_formatter(ticker.PercentFormatter(1, 0))
    axis.set_ylim(-0.03, 1.03)
    axis.grid(axis='y', color=picture.FAINT, lw=0.6)
  left.set_ylabel('test programs whose function\nis in training')
  return fig
