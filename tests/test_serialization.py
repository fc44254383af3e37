"""Orders of writing: against the tree, there and back, and malformed rows."""

import numpy as np
import pytest

from synth import errors
from synth.language import grammar as grammar_lib
from synth.language import interpreter
from synth.language import serialization
from synth.language import tokens
from tests import programs as programs_lib

_SIZE = 6
_TYPED = """
e ::= x | 1 | e + e | neg(e) | if(c, e, e)
c ::= e < e
"""


@pytest.fixture(scope='module')
def programs():
  """All programs of a grammar with unary, binary and ternary operators."""
  return list(programs_lib.all_programs(grammar_lib.parse(_TYPED), _SIZE))


@pytest.fixture(scope='module')
def vocabulary():
  return tokens.Vocabulary.of(grammar_lib.parse(_TYPED))


def _postfix(node):
  return [*(s for arg in node.args for s in _postfix(arg)), node.symbol]


def _infix(node):
  parts = [_infix(arg) for arg in node.args]
  if not parts:
    return [node.symbol]
  parts.insert(len(parts) == 2, [node.symbol])
  return ['(', *(s for part in parts for s in part), ')']


@pytest.mark.parametrize('order, wanted', [
  ('postfix', _postfix), ('infix', _infix),
])  # fmt: skip
def test_every_program_is_written_as_its_tree_says_and_read_back(
  order, wanted, programs, vocabulary
):
  serial = serialization.Serialization(order, vocabulary, _SIZE)
  symbols = (*vocabulary.symbols, '(', ')')
  assert serial.num_tokens == len(symbols) - 2 * (order == 'postfix')
  assert {p.size for p in programs} == set(range(1, _SIZE + 1))
  tok_PxL = np.stack([vocabulary.encode(p, _SIZE) for p in programs])
  out_PxM = serial.write(tok_PxL)
  assert out_PxM.shape[1] == serial.length
  longest = 0
  for program, out_M in zip(programs, out_PxM, strict=True):
    written = [symbols[t] for t in out_M if t != tokens.PAD]
    assert written == wanted(program)
    assert not out_M[len(written) :].any()
    longest = max(longest, len(written))
  assert longest == serial.length
  back = serial.read(np.pad(out_PxM, ((0, 0), (0, 1))))
  ends = (back == tokens.EOS).argmax(axis=1)
  assert ends.tolist() == [p.size for p in programs]
  back[back == tokens.EOS] = tokens.PAD
  np.testing.assert_array_equal(back[:, :_SIZE], tok_PxL)


@pytest.mark.parametrize('order', ['postfix', 'infix'])
def test_what_is_read_as_a_program_is_one_and_is_written_so(order, vocabulary):
  """Random rows: those that are read are exactly those that are written."""
  serial = serialization.Serialization(order, vocabulary, _SIZE)
  rng = np.random.default_rng(0)
  tok = rng.integers(3, serial.num_tokens, (20_000, 5))
  length_R = rng.integers(1, 6, len(tok))
  tok[np.arange(5) >= length_R[:, None]] = tokens.PAD
  out = serial.read(tok)
  points = {'x': np.array([0.5, 2.0], np.float32)}
  found = interpreter.run(out, points, vocabulary, interpreter.FLOAT)
  parsed_R = np.asarray(found.parsed)
  np.testing.assert_array_equal(parsed_R, out[:, 0] != tokens.PAD)
  assert 0 < parsed_R.mean() < 0.5
  out[out == tokens.EOS] = tokens.PAD
  again = serial.write(out[parsed_R][:, :_SIZE])[:, :5]
  np.testing.assert_array_equal(again, tok[parsed_R])


@pytest.mark.parametrize(
  'order, text',
  [
    ('postfix', ''),
    ('postfix', 'x x'),
    ('postfix', 'x add'),
    ('postfix', 'add x x'),
    ('postfix', '<bos> x'),
    ('postfix', 'x neg neg neg neg neg neg'),
    ('infix', ''),
    ('infix', '( x'),
    ('infix', '( x )'),
    ('infix', 'x )'),
    ('infix', 'x add x'),
    ('infix', '( add x x )'),
    ('infix', '( x neg )'),
    ('infix', '( x add x ) x'),
    ('infix', '( x add'),
    ('infix', '( neg <bos> )'),
  ],
)
def test_rows_that_are_no_program_of_the_size_become_padding(
  order, text, vocabulary
):
  serial = serialization.Serialization(order, vocabulary, _SIZE)
  symbols = (*vocabulary.symbols, '(', ')')
  row = [symbols.index(s) for s in text.split()] + [tokens.EOS]
  found = serial.read(np.array([row]))
  assert found.shape == (1, _SIZE + 1) and not found.any()


def test_in_prefix_order_too_a_row_that_does_not_end_is_no_program(vocabulary):
  serial = serialization.Serialization('prefix', vocabulary, 3)
  # Four nodes, where three are the most.
  tok = [vocabulary.symbols.index(s) for s in ('neg', 'neg', 'neg', 'x')]
  ended, filled = [*tok[1:], tokens.EOS], [*tok[2:], tokens.EOS, tokens.PAD]
  found = serial.read(np.array([tok, ended, filled]))
  np.testing.assert_array_equal(found[1:], [ended, filled])
  assert not found[0].any()


def test_prefix_is_left_as_it_is(vocabulary):
  serial = serialization.Serialization('prefix', vocabulary, _SIZE)
  row = np.array([[3, 9, tokens.EOS]])
  assert serial.write(row) is row
  np.testing.assert_array_equal(serial.read(row), row)
  assert serial.length == _SIZE and serial.num_tokens == len(vocabulary)


def test_an_unknown_order_is_named(vocabulary):
  with pytest.raises(errors.InputError, match=r"data\.order 'infx'.*'infix'"):
    serialization.Serialization('infx', vocabulary, _SIZE)
