"""Rows of tokens hold programs without loss; bad rows are refused."""

import numpy as np
import pytest

from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.language import tokens
from tests import programs as programs_lib


@pytest.fixture(scope='module')
def vocabulary(arithmetic):
  return tokens.Vocabulary.of(arithmetic)


def _row(vocabulary, text):
  return [vocabulary.index[symbol] for symbol in text.split()]


def test_ids_are_specials_then_the_symbols_of_the_grammar(vocabulary):
  # Stored data sets depend on these numbers.
  assert vocabulary.symbols == (
    *('<pad>', '<bos>', '<eos>'),
    *('add', 'sub', 'mul', 'div'),
    *('x', '1', '2', '3'),
  )
  assert (tokens.PAD, tokens.BOS, tokens.EOS) == (0, 1, 2)
  assert len(vocabulary) == 11
  assert all(vocabulary.index[s] == i for i, s in enumerate(vocabulary.symbols))


def test_rows_without_eos_end_in_padding(vocabulary):
  row = _row(vocabulary, 'add x 1 <eos> <pad>')
  found = tokens.without_eos(np.array([[row]], tokens.DTYPE))
  assert found.dtype == tokens.DTYPE and found.shape == (1, 1, 5)
  assert found[0, 0].tolist() == _row(vocabulary, 'add x 1 <pad> <pad>')


def test_arities_follow_the_operators():
  grammar = grammar_lib.parse('e ::= x | 2 | neg(e) | inv(e) | e - e')
  vocabulary = tokens.Vocabulary.of(grammar)
  assert dict(
    zip(vocabulary.symbols, vocabulary.arity_V.tolist(), strict=True)
  ) == {
    **{'<pad>': -1, '<bos>': -1, '<eos>': -1},
    **{'sub': 2, 'neg': 1, 'inv': 1, 'x': 0, '2': 0},
  }


def test_a_row_is_the_program_in_prefix_order_then_padding(vocabulary):
  program = program_lib.parse('x - 1 * 2')
  row = vocabulary.encode(program, 7)
  assert row.tolist() == _row(vocabulary, 'sub x mul 1 2 <pad> <pad>')
  assert row.dtype == tokens.DTYPE


def test_decode_inverts_encode(arithmetic, vocabulary):
  programs = programs_lib.all_programs(arithmetic, 5)
  rows = np.stack([vocabulary.encode(p, 5) for p in programs])
  assert len(np.unique(rows, axis=0)) == len(programs)
  assert [vocabulary.decode(row) for row in rows] == programs


def test_decode_inverts_encode_for_unary_operators_and_large_programs():
  grammar = grammar_lib.parse('e ::= x | y | 0.5 | neg(e) | inv(e) | e * e')
  vocabulary = tokens.Vocabulary.of(grammar)
  for program in programs_lib.all_programs(grammar, 5):
    assert vocabulary.decode(vocabulary.encode(program, 5)) == program
  large = program_lib.from_preorder(['neg'] * 60 + ['mul', 'x', '0.5'])
  assert vocabulary.decode(vocabulary.encode(large, 70)) == large


def test_a_row_may_begin_with_bos_and_ends_at_eos_or_padding(vocabulary):
  wanted = program_lib.parse('x + 1')
  for text in (
    'add x 1',
    '<bos> add x 1',
    '<bos> add x 1 <eos>',
    'add x 1 <eos> 2 2',  # whatever follows EOS is not read
    'add x 1 <pad> 2',
  ):
    assert vocabulary.decode(_row(vocabulary, text)) == wanted


@pytest.mark.parametrize(
  'text',
  ['', '<pad> x', '<eos> x', 'add x', 'add', 'x 1', 'add x 1 2', '<bos>'],
)
def test_a_row_that_is_not_one_program_is_refused(vocabulary, text):
  with pytest.raises(program_lib.ProgramError):
    vocabulary.decode(_row(vocabulary, text))


@pytest.mark.parametrize('token', [-1, 11, 99])
def test_an_id_outside_the_vocabulary_is_refused(vocabulary, token):
  # A negative id must not count from the end of the vocabulary.
  with pytest.raises(program_lib.ProgramError, match=str(token)):
    vocabulary.decode([token])


def test_a_symbol_outside_the_grammar_is_refused_by_name(vocabulary):
  with pytest.raises(program_lib.ProgramError) as caught:
    vocabulary.encode(program_lib.parse('x + y * 2'), 9)
  message = str(caught.value)
  assert 'x + y * 2' in message
  assert "symbol 'y'" in message
  assert 'add sub mul div x 1 2 3' in message  # what would have been allowed


def test_a_program_longer_than_the_row_is_refused_with_both_sizes(vocabulary):
  program = program_lib.parse('x + 1 + 2')
  assert vocabulary.decode(vocabulary.encode(program, 5)) == program
  with pytest.raises(program_lib.ProgramError, match='size 5, more than 4'):
    vocabulary.encode(program, 4)


def test_distinct_rows_and_the_place_of_each():
  tok_PxL = np.array([[3, 0], [-1, 2], [3, 0], [1, 0]], tokens.DTYPE)
  tok_UxL, place_P = tokens.distinct(tok_PxL)
  assert len(tok_UxL) == 3
  np.testing.assert_array_equal(tok_UxL[place_P], tok_PxL)
