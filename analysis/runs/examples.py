"""Real examples: a target, what a model wrote for it, and why it failed."""

import dataclasses

import numpy as np

from analysis.runs import results
from synth import seeding
from synth.evaluation import verify
from synth.language import program as program_lib
from synth.language import tokens

_MEANING = {
  verify.Outcome.CORRECT: 'correct: the same function',
  verify.Outcome.GRID_ONLY: 'equal on the grid only',
  verify.Outcome.WRONG: 'another function',
  verify.Outcome.UNDEFINED: 'divides by the zero function',
  verify.Outcome.UNPARSED: 'not a program',
}


@dataclasses.dataclass(frozen=True)
class Example:
  """One task and the first sample of one model for it."""

  arm: str
  tests: str
  target: str
  written: str
  verdict: str
  correct: bool
  solved_share: float


def draw(
  run: results.Run, vocabulary: tokens.Vocabulary, number: int
) -> list[Example]:
  """`number` random tasks of every test set, with the first seed's answer."""
  found = []
  for name in run.result['items']:
    rng = seeding.generator(0, 'examples', name)
    target_IxL = run.samples[f'{name}_target']
    for item in rng.permutation(len(target_IxL))[:number]:
      outcome_n = run.samples[f'{name}_outcome'][0, item]
      outcome = verify.Outcome(int(outcome_n[0]))
      found.append(
        Example(
          run.arm,
          name,
          _text(target_IxL[item], vocabulary),
          _text(run.samples[f'{name}_tok'][0, item, 0], vocabulary),
          _MEANING[outcome],
          outcome == verify.Outcome.CORRECT,
          float((outcome_n == verify.Outcome.CORRECT).mean()),
        )
      )
  return found


def _text(tok_L: np.ndarray, vocabulary: tokens.Vocabulary) -> str:
  """Infix if it is a program, else the bare symbols."""
  try:
    return program_lib.to_infix(vocabulary.decode(tok_L))
  except program_lib.ProgramError:
    return ' '.join(vocabulary.row_symbols(tok_L)) or '(nothing)'
