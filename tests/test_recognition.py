"""Minimal programs are told from all others, for every identity policy."""

import itertools

import numpy as np
import pytest

from synth.language import counting
from synth.language import grammar as grammar_lib
from synth.language import tokens
from synth.universe import build as build_lib
from tests.conftest import GRAMMARS


@pytest.mark.parametrize(
  'name, size', [('arithmetic', 5), ('conditional', 6), ('scientific', 3)]
)
def test_programs_are_recognized_iff_they_are_minimal(name, size, tmp_path):
  """Programs one by one, against the class that evaluating each gives."""
  grammar = grammar_lib.load(GRAMMARS / f'{name}.bnf')
  universe = build_lib.build(tmp_path / 'universe', grammar, size, seed=0)
  counts = counting.Counts(grammar)
  rows, wanted = [], []
  for length in range(1, size + 1):
    step = 1 if length < 5 else 3
    for program in itertools.islice(counts.programs(length), 0, None, step):
      number = universe.class_of(program)
      minimal = number is not None and universe.size_C[number] == length
      # A row may be longer than any program of the universe.
      rows.append(universe.vocabulary.encode(program, size + 2))
      wanted.append(number if minimal else -1)
  found = universe.minimal_classes(np.stack(rows))
  np.testing.assert_array_equal(found, wanted)
  assert -1 in wanted and max(wanted) > 0


def test_other_rows_are_of_no_class(universe7):
  vocabulary = universe7.vocabulary
  texts = [
    'add x',
    'x x',
    '',
    'x <eos> x',
    'x <bos>',
    'add x mul 2 div 1 sub x',
  ]
  rows = np.zeros((len(texts), 9), tokens.DTYPE)
  for row, text in zip(rows, texts, strict=True):
    symbols = [vocabulary.index[symbol] for symbol in text.split()]
    row[: len(symbols)] = symbols
  assert (universe7.minimal_classes(rows) == -1).all()
  assert universe7.minimal_classes(rows[:0]).shape == (0,)


def test_a_vocabulary_may_have_more_symbols_than_the_grammar(tmp_path):
  """Rows of the whole grammar are looked up among those of a part."""
  grammar = grammar_lib.parse('e ::= x | 2 | e + e | e * e | neg(e)')
  part = grammar_lib.parse('e ::= x | e * e')
  whole = build_lib.build(tmp_path / 'whole', grammar, 5, seed=0)
  universe = build_lib.build(tmp_path / 'part', part, 5, seed=0)
  rows = whole.representative_CxL
  decoded = [whole.vocabulary.decode(row) for row in rows]
  wanted = [
    universe.class_of(program) if part.derives(program) else -1
    for program in decoded
  ]
  universe = universe.written_in(whole.vocabulary)
  assert universe.minimal_classes(rows).tolist() == wanted
  assert len(set(wanted)) == 1 + len(universe.node_C) == 4
  drawn = universe.sample_programs(universe.node_C, np.random.default_rng(0))
  for number, tok_PxL in enumerate(
    zip(drawn, universe.representative_CxL, strict=True)
  ):
    for tok_L in tok_PxL:
      program = whole.vocabulary.decode(tok_L)
      assert universe.class_of(program) == number
