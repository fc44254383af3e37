"""The jitted interpreter equals the reference and never trips over garbage."""

import fractions

import numpy as np
import pytest

from synth.language import grammar as grammar_lib
from synth.language import interpreter
from synth.language import multiprecision
from synth.language import program as program_lib
from synth.language import reference
from synth.language import tokens
from tests import programs as programs_lib
from tests.conftest import GRAMMARS

_POINTS = [fractions.Fraction(k, 97) for k in (-433, -98, 5, 61, 204, 480)]


def _encode(vocabulary, programs, length):
  return np.stack([vocabulary.encode(p, length) for p in programs])


def _reference_values(programs):
  """Exact values by the reference, with whether they are defined."""
  values = [
    [reference.evaluate(p, {'x': x}) for x in _POINTS] for p in programs
  ]
  return [
    [(v, v is not reference.Undefined.AT_POINT) for v in row] for row in values
  ]


def _assert_equal_to_reference(vocabulary, programs, length):
  tok_PxL = _encode(vocabulary, programs, length)
  expected = _reference_values(programs)
  prime = interpreter.PRIME
  residues = np.array(
    [p.numerator * pow(p.denominator, -1, prime) % prime for p in _POINTS],
    np.uint32,
  )
  number_PxE, ok_PxE, parsed_P = map(
    np.asarray,
    interpreter.run(tok_PxL, {'x': residues}, vocabulary, interpreter.MODULAR),
  )
  assert parsed_P.all()
  real_PxE, finite_PxE, _ = map(
    np.asarray,
    interpreter.run(
      tok_PxL,
      {'x': np.array(_POINTS, np.float32)},
      vocabulary,
      interpreter.FLOAT,
    ),
  )
  exact_ok_PxE = np.array([[ok for _, ok in row] for row in expected])
  exact_PxE = np.array(
    [[float(v) if ok else 0.0 for v, ok in row] for row in expected]
  )
  # Residues: wherever the residue is defined, the rational is, and they agree.
  # (A denominator divisible by the prime makes a defined rational undefined.)
  assert not np.any(ok_PxE & ~exact_ok_PxE)
  assert np.mean(exact_ok_PxE & ~ok_PxE) < 1e-3
  for p, e in zip(*np.nonzero(ok_PxE), strict=True):
    value = expected[p][e][0]
    wanted = value.numerator * pow(value.denominator, -1, prime) % prime
    assert number_PxE[p, e] == wanted, program_lib.to_infix(programs[p])
  # Floats: relative to the size of what was added up on the way, float32.
  both = finite_PxE & exact_ok_PxE
  error = np.abs(real_PxE - exact_PxE) / (1 + np.abs(exact_PxE))
  assert np.mean(error[both] < 1e-4) > 0.999
  assert np.mean(finite_PxE == exact_ok_PxE) > 0.99


def test_equals_the_reference_on_every_program_up_to_size_7(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  programs = programs_lib.all_programs(arithmetic, 7)
  assert len(programs) == 4 + 64 + 2048 + 81920
  _assert_equal_to_reference(vocabulary, programs, 7)


def test_equals_the_reference_on_ten_thousand_larger_programs(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  rng = np.random.default_rng(0)
  programs = [
    programs_lib.random_program(arithmetic, int(size), rng)
    for size in rng.choice([9, 11, 13, 15], 10_000)
  ]
  _assert_equal_to_reference(vocabulary, programs, 15)


def test_unary_operators_equal_the_reference():
  grammar = grammar_lib.parse('e ::= x | 2 | neg(e) | inv(e) | e - e')
  vocabulary = tokens.Vocabulary.of(grammar)
  programs = programs_lib.all_programs(grammar, 6)
  _assert_equal_to_reference(vocabulary, programs, 6)


def test_division_by_zero_is_undefined_and_spreads(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  texts = ['1 / (x - x)', '(1 / (x - x)) * (x - x)', '1 / (x - 2)', 'x - x']
  tok_PxL = _encode(vocabulary, [program_lib.parse(t) for t in texts], 9)
  for system, dtype in (
    (interpreter.FLOAT, np.float32),
    (interpreter.MODULAR, np.uint32),
  ):
    _, ok_PxE, parsed_P = interpreter.run(
      tok_PxL, {'x': np.array([2, 3], dtype)}, vocabulary, system
    )
    assert parsed_P.tolist() == [True] * 4
    assert ok_PxE.tolist() == [
      [False] * 2,
      [False] * 2,
      [False, True],
      [True] * 2,
    ]


@pytest.mark.parametrize(
  'row, parsed',
  [
    ('add x 1', True),
    ('add x 1 <eos>', True),
    ('x', True),
    ('', False),
    ('<eos>', False),
    ('add x', False),
    ('add x 1 2', False),
    ('x <eos> x', False),
    ('x <pad> <eos>', False),
    ('add x <pad> 1', False),
    ('<bos> x', False),
    ('add x <bos>', False),
    ('add', False),
    ('div add x 1 sub 2', False),
  ],
)
def test_malformed_rows_are_not_parsed(arithmetic, row, parsed):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  tok_1xL = np.zeros((1, 6), np.int32)
  for i, symbol in enumerate(row.split()):
    tok_1xL[0, i] = vocabulary.index[symbol]
  _, ok_PxE, parsed_P = interpreter.run(
    tok_1xL, {'x': np.ones(2, np.float32)}, vocabulary, interpreter.FLOAT
  )
  assert parsed_P.tolist() == [parsed]
  assert ok_PxE.tolist() == [[parsed, parsed]]


def test_random_rows_parse_iff_they_are_programs(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  rng = np.random.default_rng(1)
  tok_PxL = rng.integers(-2, len(vocabulary) + 2, (20_000, 5))
  short = rng.random(20_000) < 0.7  # mostly short rows, so that some parse
  tok_PxL[short, rng.integers(1, 4)] = tokens.EOS
  tok_PxL[short, 4] = tokens.PAD
  *_, parsed_P = interpreter.run(
    tok_PxL, {'x': np.ones(1, np.uint32)}, vocabulary, interpreter.MODULAR
  )

  def is_program(tok_L):
    row = tok_L.tolist()
    stops = [i for i, t in enumerate(row) if t in (tokens.PAD, tokens.EOS)]
    end = stops[0] if stops else len(row)
    if any(t != tokens.PAD for t in row[end + 1 :]):
      return False
    if any(not tokens.EOS < t < len(vocabulary) for t in row[:end]):
      return False
    try:
      vocabulary.decode(tok_L[:end])
    except program_lib.ProgramError:
      return False
    return True

  expected = [is_program(row) for row in tok_PxL]
  assert 50 < sum(expected) < 19_000
  assert parsed_P.tolist() == expected


def test_one_compilation_for_all_batches_of_a_shape(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  rng = np.random.default_rng(2)
  before = interpreter._run._cache_size()
  for _ in range(3):
    interpreter.run(
      rng.integers(0, 9, (33, 5)),
      {'x': np.ones(3, np.float32)},
      vocabulary,
      interpreter.FLOAT,
    )
  assert interpreter._run._cache_size() == before + 1


@pytest.mark.parametrize('name', ['conditional', 'scientific'])
def test_floats_of_other_grammars_equal_the_reference(name):
  grammar = grammar_lib.load(GRAMMARS / f'{name}.bnf')
  vocabulary = tokens.Vocabulary.of(grammar)
  chosen = programs_lib.all_programs(grammar, 5 if name[0] == 'c' else 4)
  chosen = chosen[:: max(len(chosen) // 1500, 1)]
  tok_PxL = np.stack([vocabulary.encode(p, 6) for p in chosen])
  rng = np.random.default_rng(0)
  points = {
    variable: rng.uniform(-3, 3, 6).astype(np.float32)
    for variable in grammar.variables
  }
  value, ok, parsed = interpreter.run(
    tok_PxL, points, vocabulary, interpreter.FLOAT
  )
  assert np.all(parsed)
  system = multiprecision.Multiprecision(30)
  for row, program in enumerate(chosen):
    for e in range(6):
      point = {n: fractions.Fraction(float(c[e])) for n, c in points.items()}
      wanted = reference.evaluate(program, point, system)
      if isinstance(wanted, reference.Undefined):
        # float32 may miss an exact 0 that is divided by.
        assert not ok[row, e] or abs(value[row, e]) > 1e5
      elif ok[row, e]:
        assert float(value[row, e]) == pytest.approx(
          float(wanted), rel=2e-3, abs=2e-3
        )
      else:
        assert abs(wanted) > 1e30
