"""Atom and compound divergence of two sets of programs (CFQ).

Keysers et al., ICLR 2020: with P the distribution in training and Q in test,
C_a(P, Q) = sum_k p_k^a q_k^(1-a). Atoms: D_A = 1 - C_0.5 (symmetric).
Compounds: D_C = 1 - C_0.1 (asks whether test compounds occur in training at
all, not how often). Atoms are symbols, compounds pq-grams.
"""

import numpy as np

from synth.language import tokens
from synth.spaces import syntactic

ATOM_ALPHA, COMPOUND_ALPHA = 0.5, 0.1


def chernoff(p_K: np.ndarray, q_K: np.ndarray, alpha: float) -> float:
  """1 - sum p^alpha q^(1-alpha): 0 if distributions are equal, 1 if disjoint.

  Args:
    p_K: Frequencies of K things in training, of any scale, not all 0.
    q_K: Their frequencies in the test.
    alpha: Weight of training, between 0 and 1.
  """
  p_K = p_K / p_K.sum()
  q_K = q_K / q_K.sum()
  return float(1 - np.sum(p_K**alpha * q_K ** (1 - alpha)))


def atoms(train_tok_PxL: np.ndarray, test_tok_PxL: np.ndarray) -> float:
  """D_A of two sets of token rows."""
  number = int(max(train_tok_PxL.max(), test_tok_PxL.max())) + 1
  p, q = (
    np.bincount(tok_PxL[tok_PxL > tokens.EOS].astype(int), minlength=number)
    for tok_PxL in (train_tok_PxL, test_tok_PxL)
  )
  return chernoff(p, q, ATOM_ALPHA)


def compounds(train: syntactic.Profiles, test: syntactic.Profiles) -> float:
  """D_C of two sets of profiles that share their list of grams."""
  return chernoff(train.total_G(), test.total_G(), COMPOUND_ALPHA)
