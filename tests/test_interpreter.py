"""The jitted interpreter equals the reference and never trips over garbage."""

import fractions
import warnings

import jax
import numpy as np
import pytest
import sympy

from synth.language import batches
from synth.language import corpora
from synth.language import dag
from synth.language import grammar as grammar_lib
from synth.language import interpreter
from synth.language import multiprecision
from synth.language import program as program_lib
from synth.language import reference
from synth.language import symbolic
from synth.language import tokens
from tests import programs as programs_lib
from tests.conftest import GRAMMARS

_PLANS = (interpreter.BATCH, interpreter.CORPUS)
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


def _residues(number):
  """Of a rational modulo each prime; None of a denominator it divides."""
  return [
    number.numerator * pow(number.denominator, -1, prime) % prime
    if number.denominator % prime
    else None
    for prime in interpreter.PRIMES
  ]


def _points(system, value_E):
  """Whole numbers as numbers of a system."""
  modular = system == interpreter.MODULAR
  return np.stack([value_E] * 2, axis=1) if modular else value_E


def _run(tok_PxL, inputs, vocabulary, system):
  """value, ok and parsed, which both plans give, bit for bit."""
  batch, corpus = (
    interpreter.run(tok_PxL, inputs, vocabulary, system, plan)
    for plan in _PLANS
  )
  for one, other in zip(batch, corpus, strict=True):
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)
  return [np.asarray(array) for array in (batch.value, batch.ok, batch.parsed)]


def _assert_equal_to_reference(vocabulary, programs, length):
  tok_PxL = _encode(vocabulary, programs, length)
  expected = _reference_values(programs)
  residues = np.array([_residues(p) for p in _POINTS], np.uint32)
  number_PxEx2, ok_PxEx2, parsed_P = _run(
    tok_PxL, {'x': residues}, vocabulary, interpreter.MODULAR
  )
  assert parsed_P.all()
  real_PxE, finite_PxE, _ = _run(
    tok_PxL,
    {'x': np.array(_POINTS, np.float32)},
    vocabulary,
    interpreter.FLOAT,
  )
  exact_ok_PxE = np.array([[ok for _, ok in row] for row in expected])
  exact_PxE = np.array(
    [[float(v) if ok else 0.0 for v, ok in row] for row in expected]
  )
  # Residues: wherever the residue is defined, the rational is, and they agree.
  # (A denominator divisible by the prime makes a defined rational undefined.)
  assert not np.any(ok_PxEx2 & ~exact_ok_PxE[..., None])
  assert np.mean(exact_ok_PxE[..., None] & ~ok_PxEx2) < 1e-3
  for p, e, k in zip(*np.nonzero(ok_PxEx2), strict=True):
    wanted = _residues(expected[p][e][0])[k]
    assert number_PxEx2[p, e, k] == wanted, program_lib.to_infix(programs[p])
  # Floats: relative to the size of what was added up on the way, float32.
  both = finite_PxE & exact_ok_PxE
  error = np.abs(real_PxE - exact_PxE) / (1 + np.abs(exact_PxE))
  assert np.mean(error[both] < 1e-4) > 0.999
  assert np.mean(finite_PxE == exact_ok_PxE) > 0.99


@pytest.mark.slow
def test_equals_the_reference_on_every_program_up_to_size_7(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  programs = programs_lib.all_programs(arithmetic, 7)
  assert len(programs) == 4 + 64 + 2048 + 81920
  _assert_equal_to_reference(vocabulary, programs, 7)


@pytest.mark.slow
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
    points = _points(system, np.array([2, 3], dtype))
    _, ok_PxE, parsed_P = _run(tok_PxL, {'x': points}, vocabulary, system)
    assert parsed_P.tolist() == [True] * 4
    if system == interpreter.MODULAR:
      assert (ok_PxE[..., 0] == ok_PxE[..., 1]).all()
      ok_PxE = ok_PxE[..., 0]
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
  _, ok_PxE, parsed_P = _run(
    tok_1xL, {'x': np.ones(2, np.float32)}, vocabulary, interpreter.FLOAT
  )
  assert parsed_P.tolist() == [parsed]
  assert ok_PxE.tolist() == [[parsed, parsed]]


def _is_program(tok_L, vocabulary):
  """By the slow decoder, one row at a time."""
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


def _random_rows(rng, number, length, vocabulary):
  """Noise of all kinds; a good part are programs."""
  tok_PxL = rng.integers(tokens.EOS + 1, len(vocabulary), (number, length))
  arity_PxL = np.maximum(vocabulary.arity_V, 0)[tok_PxL]
  complete_PxL = np.cumsum(arity_PxL - 1, axis=1) == -1
  end_P = np.where(complete_PxL.any(axis=1), complete_PxL.argmax(axis=1), 0)
  position_L = np.arange(length)
  kind_P = rng.random(number)
  # Cut where a first program ends, with EOS or PAD after it.
  cut_PxL = (position_L > end_P[:, None]) & (kind_P < 0.6)[:, None]
  tok_PxL[cut_PxL] = tokens.PAD
  eos_PxL = (position_L == end_P[:, None] + 1) & (kind_P < 0.3)[:, None]
  tok_PxL[eos_PxL] = tokens.EOS
  # Anything anywhere, far outside the vocabulary too.
  noise_PxL = (rng.random(tok_PxL.shape) < 0.3) & (kind_P > 0.9)[:, None]
  strange = [-(2**62), -1, 0, 1, 2, 127, 128, 255, 2**31, 2**32 + 7, 2**62]
  tok_PxL[noise_PxL] = rng.choice(strange, int(noise_PxL.sum()))
  changed_P = (kind_P > 0.5) & (kind_P < 0.6)
  tok_PxL[changed_P, rng.integers(length)] = rng.integers(len(vocabulary))
  return tok_PxL


def _fuzz(grammar, number, length, seed, checked):
  """Runs random rows; a sample is held against the reference."""
  vocabulary = tokens.Vocabulary.of(grammar)
  rng = np.random.default_rng(seed)
  tok_PxL = _random_rows(rng, number, length, vocabulary)
  x = np.array([float(p) for p in _POINTS], np.float32)
  inputs = {name: np.roll(x, i) for i, name in enumerate(grammar.variables)}
  value_PxE, ok_PxE, parsed_P = _run(
    tok_PxL, inputs, vocabulary, interpreter.FLOAT
  )
  assert not ok_PxE[~parsed_P].any()
  assert 0.05 < parsed_P.mean() < 0.9
  system = multiprecision.Multiprecision(30)
  for p in rng.choice(number, checked, replace=False):
    assert parsed_P[p] == _is_program(tok_PxL[p], vocabulary), tok_PxL[p]
    if parsed_P[p]:
      program = vocabulary.decode(tok_PxL[p])
      for e in range(2):
        point = {
          name: fractions.Fraction(float(column[e]))
          for name, column in inputs.items()
        }
        wanted = reference.evaluate(program, point, system)
        if ok_PxE[p, e] and not isinstance(wanted, reference.Undefined):
          # Rounding is that of the operands, which cancellation brings out.
          assert abs(value_PxE[p, e] - wanted) < 0.05 * (1 + abs(wanted)), (
            program_lib.to_infix(program)
          )


@pytest.mark.parametrize('name', ['arithmetic', 'conditional'])
def test_random_rows_parse_iff_they_are_programs(name):
  grammar = grammar_lib.load(GRAMMARS / f'{name}.bnf')
  _fuzz(grammar, 20_000, 9, seed=1, checked=3000)


@pytest.mark.simulation
@pytest.mark.parametrize(
  'name, length',
  [
    ('arithmetic', 9),
    ('arithmetic', 31),
    ('arithmetic3', 15),
    ('conditional', 15),
    ('scientific', 15),
    ('countdown', 11),
  ],
)
def test_a_million_random_rows(name, length):
  grammar = grammar_lib.load(GRAMMARS / f'{name}.bnf')
  for seed in range(10):
    _fuzz(grammar, 100_000, length, seed, checked=1000)


@pytest.mark.parametrize('plan', _PLANS)
@pytest.mark.parametrize('shape', [(0, 5), (3, 0), (0, 0), (3, 5)])
def test_nothing_at_all(arithmetic, plan, shape):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  for points in (0, 2):
    found = interpreter.run(
      np.zeros(shape, np.int8),
      {'x': np.ones(points, np.float32)},
      vocabulary,
      interpreter.FLOAT,
      plan,
    )
    assert found.value.shape == found.ok.shape == (shape[0], points)
    assert found.parsed.shape == shape[:1]
    assert not found.ok.any() and not found.parsed.any()


@pytest.mark.parametrize('plan', _PLANS)
@pytest.mark.parametrize('dtype', [np.int8, np.uint8, np.int64, np.uint64])
def test_rows_of_any_integer_type(arithmetic, plan, dtype):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  tok_PxL = _encode(vocabulary, [program_lib.parse('x * x + 1')], 6)
  found = interpreter.run(
    tok_PxL.astype(dtype),
    {'x': np.array([2, 3], np.float32)},
    vocabulary,
    interpreter.FLOAT,
    plan,
  )
  assert found.ok.all() and found.value.tolist() == [[5, 10]]


@pytest.mark.parametrize('system', [interpreter.FLOAT, interpreter.MODULAR])
def test_chunks_and_passes_leave_no_seam(arithmetic, system, monkeypatch):
  """Sizes so small that rows, nodes and points all take several turns."""
  vocabulary = tokens.Vocabulary.of(arithmetic)
  tok_PxL = _random_rows(np.random.default_rng(3), 103, 7, vocabulary)
  dtype = np.float32 if system == interpreter.FLOAT else np.uint32
  inputs = {'x': _points(system, np.arange(1, 12).astype(dtype))}
  whole = _run(tok_PxL, inputs, vocabulary, system)
  monkeypatch.setitem(batches._SIZES, jax.default_backend(), (40, 4))
  monkeypatch.setattr(corpora, '_sizes', lambda: corpora.Sizes(70, 8, 3, 4))
  batches.run.clear_cache()
  parts = _run(tok_PxL, inputs, vocabulary, system)
  batches.run.clear_cache()
  assert 0.2 < whole[1].mean() < 0.9
  for part, wanted in zip(parts, whole, strict=True):
    np.testing.assert_array_equal(part, wanted)


def test_few_compilations_for_corpora_of_many_sizes(arithmetic, monkeypatch):
  monkeypatch.setattr(corpora, '_sizes', lambda: corpora._CPU)
  vocabulary = tokens.Vocabulary.of(arithmetic)
  rng = np.random.default_rng(4)
  corpora._execute.clear_cache()
  for number in (1, 17, 40, 200, 500, 1000, 1500, 2000):
    interpreter.run(
      _random_rows(rng, number, 5, vocabulary),
      {'x': np.ones(3, np.float32)},
      vocabulary,
      interpreter.FLOAT,
      interpreter.CORPUS,
    )
  # Buffers of two lengths, results of three.
  assert corpora._execute._cache_size() <= 4


def test_a_compiled_computation_may_hold_a_batch(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  tok_PxL = _random_rows(np.random.default_rng(5), 33, 5, vocabulary)
  inputs = {'x': np.array([2.5, 3], np.float32)}

  def run(tok_PxL, inputs):
    return interpreter.run(tok_PxL, inputs, vocabulary, interpreter.FLOAT)

  for inside, outside in zip(
    jax.jit(run)(tok_PxL, inputs), run(tok_PxL, inputs), strict=True
  ):
    np.testing.assert_array_equal(inside, outside)


@pytest.mark.parametrize('name', ['arithmetic3', 'conditional', 'scientific'])
def test_floats_equal_those_of_sympy_lambdify(name):
  """An outside oracle: sympy's own operators, compiled to numpy, float64."""
  grammar = grammar_lib.load(GRAMMARS / f'{name}.bnf')
  vocabulary = tokens.Vocabulary.of(grammar)
  rng = np.random.default_rng(6)
  programs = programs_lib.all_programs(grammar, 4 if name[0] == 's' else 5)
  chosen = [programs[i] for i in rng.choice(len(programs), 250, replace=False)]
  inputs = {
    variable: rng.uniform(-3, 3, 8).astype(np.float32)
    for variable in grammar.variables
  }
  value_PxE, ok_PxE, _ = _run(
    _encode(vocabulary, chosen, 6), inputs, vocabulary, interpreter.FLOAT
  )
  names = sympy.symbols(grammar.variables)
  compared = 0
  for program, value_E, ok_E in zip(chosen, value_PxE, ok_PxE, strict=True):
    expression = symbolic.to_sympy(program)
    if expression.has(sympy.zoo, sympy.nan):
      assert not ok_E.any()
      continue
    with warnings.catch_warnings(), np.errstate(all='ignore'):
      warnings.simplefilter('ignore')
      compiled = sympy.lambdify(names, expression, 'numpy')
      wanted_E = np.broadcast_to(
        compiled(*(inputs[v].astype(np.float64) for v in inputs)), (8,)
      )
    # Sympy simplifies, so it may be defined where the program is not.
    real_E = np.isfinite(wanted_E) & np.isreal(wanted_E)
    both_E = ok_E & real_E
    np.testing.assert_allclose(
      value_E[both_E], wanted_E[both_E].real, 2e-3, 2e-3, err_msg=str(program)
    )
    compared += both_E.sum()
  assert compared > 1200  # of 2000


@pytest.mark.parametrize('name', ['arithmetic', 'conditional', 'scientific'])
def test_doubles_are_floats_with_more_digits(name):
  grammar = grammar_lib.load(GRAMMARS / f'{name}.bnf')
  vocabulary = tokens.Vocabulary.of(grammar)
  rng = np.random.default_rng(7)
  tok_PxL = _random_rows(rng, 5000, 7, vocabulary)
  inputs = {v: rng.uniform(-3, 3, 4) for v in grammar.variables}
  found = interpreter.run(tok_PxL, inputs, vocabulary, interpreter.DOUBLE)
  floats = interpreter.run(
    tok_PxL,
    {v: x.astype(np.float32) for v, x in inputs.items()},
    vocabulary,
    interpreter.FLOAT,
  )
  assert found.value.dtype == np.float64
  np.testing.assert_array_equal(found.parsed, floats.parsed)
  assert not found.ok[~found.parsed].any()
  assert np.mean(found.ok == np.asarray(floats.ok)) > 0.995
  system = multiprecision.Multiprecision(40)
  compared = 0
  for p in np.flatnonzero(found.parsed)[:400]:
    program = vocabulary.decode(tok_PxL[p])
    for e in range(4):
      point = {v: fractions.Fraction(x[e]) for v, x in inputs.items()}
      wanted = reference.evaluate(program, point, system)
      if found.ok[p, e] and not isinstance(wanted, reference.Undefined):
        # What cancels leaves the rounding errors of its terms, 1e-16 of them.
        assert abs(found.value[p, e] - wanted) < 1e-9 * (1 + abs(wanted))
        compared += 1
  assert compared > 500


@pytest.mark.slow
def test_a_corpus_may_have_rows_of_many_thousand_tokens(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  operators = 33_000  # more open arguments than 16 bits count
  row = ['add'] * operators + ['x'] * (operators + 1)
  found = interpreter.run(
    np.array([[vocabulary.index[symbol] for symbol in row]]),
    {'x': np.ones(1, np.float32)},
    vocabulary,
    interpreter.FLOAT,
    interpreter.CORPUS,
  )
  assert found.value.tolist() == [[operators + 1]]


def test_a_chunk_is_no_larger_than_a_dag_can_be(monkeypatch):
  """Operators of three arguments leave few bits for each."""
  grammar = grammar_lib.load(GRAMMARS / 'conditional.bnf')
  vocabulary = tokens.Vocabulary.of(grammar)
  most = dag.most_tokens(vocabulary)
  symbols = len(vocabulary)
  assert symbols * (most + symbols) ** 3 < 2**63
  assert symbols * (1.001 * most + symbols) ** 3 > 2**63
  monkeypatch.setattr(corpora, '_sizes', lambda: corpora._DEVICE)
  assert corpora._DEVICE.tokens > most
  rows = most // 15 + 10_000
  tok_PxL = np.zeros((rows, 15), np.int8)
  tok_PxL[:, 0] = vocabulary.index['x']
  chunks = list(corpora.build(tok_PxL, vocabulary))
  assert sum(chunk.rows for chunk in chunks) == rows
  assert len(chunks) == 2


def test_one_compilation_for_all_batches_of_a_shape(arithmetic):
  vocabulary = tokens.Vocabulary.of(arithmetic)
  rng = np.random.default_rng(2)
  before = batches.run._cache_size()
  for _ in range(3):
    interpreter.run(
      rng.integers(0, 9, (33, 5)),
      {'x': np.ones(3, np.float32)},
      vocabulary,
      interpreter.FLOAT,
    )
  assert batches.run._cache_size() == before + 1


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
  value, ok, parsed = _run(tok_PxL, points, vocabulary, interpreter.FLOAT)
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
