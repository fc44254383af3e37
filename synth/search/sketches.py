"""Where sketches come from: n programs for each task, before any search.

Only the first uses what the model makes of the task. The others tell how much
of a search's success is the model's, the grammar's or training's.
"""

import numpy as np

from synth import progress
from synth import seeding
from synth.baselines import pcfg
from synth.evaluation import verify
from synth.language import tokens


def of_samples(
  tok_SxIxnxT: np.ndarray, outcome_SxIxn: np.ndarray
) -> np.ndarray:
  """The programs among a model's samples, the other rows PAD: tok_SxIxnxT."""
  program = outcome_SxIxn[..., None] != verify.Outcome.UNPARSED
  tok_SxIxnxT = tokens.without_eos(tok_SxIxnxT)
  return np.where(program, tok_SxIxnxT, tokens.PAD).astype(tokens.DTYPE)


def others(size_I: np.ndarray, name: str) -> np.ndarray:
  """For each task of a set another one: the next in order of size.

  Within a size the order is random, so almost all get one of their own size. A
  task on its own gets itself.
  """
  random_I = seeding.generator(0, 'other tasks', name).random(len(size_I))
  order_I = np.lexsort((random_I, size_I))
  other_I = np.empty_like(order_I)
  other_I[order_I] = np.roll(order_I, -1)
  return other_I


def of_others(tok_SxIxnxL: np.ndarray, other_I: np.ndarray) -> np.ndarray:
  """The rows of other tasks, PAD where there is no other: tok_SxIxnxL."""
  alone_I = other_I == np.arange(len(other_I))
  return np.where(
    alone_I[:, None, None], tokens.PAD, tok_SxIxnxL[:, other_I]
  ).astype(tokens.DTYPE)


def of_grammar(
  sampler: pcfg.Sampler,
  vocabulary: tokens.Vocabulary,
  name: str,
  shape: tuple[int, int, int],
) -> np.ndarray:
  """Draws of a grammar fitted to training, other ones for each task.

  Args:
    sampler: The grammar.
    vocabulary: Of its tokens.
    name: Of the set of tasks.
    shape: (I, n, L) of what is returned.

  Returns:
    tok_IxnxL.
  """
  rng = seeding.generator(0, 'sketches of the grammar', name)
  tok_IxnxL = np.zeros(shape, tokens.DTYPE)
  bar = progress.Progress(f'draws of the grammar: {name}', shape[0], 'tasks')
  for item, tok_nxL in enumerate(tok_IxnxL):
    for draw in range(shape[1]):
      tok_nxL[draw] = vocabulary.encode(sampler.sample(rng), shape[2])
    bar.update(item + 1)
  return tok_IxnxL
