"""Outcomes of hand-made programs, and agreement with exact semantics."""

import numpy as np
import pytest

from configs import base
from synth.evaluation import verify
from synth.evaluation.verify import Outcome
from synth.language import grammar as grammar_lib
from synth.language import program as program_lib
from synth.language import reference
from synth.language import tokens
from tests import programs as programs_lib
from tests.conftest import GRAMMARS

_LENGTH = 11
_PRODUCT, _QUOTIENT = '8 * 4 * (8 * 4)', '5 / 8 / (8 / 3)'
_INVERSE = f'(1 / ({_PRODUCT} - {_QUOTIENT}))'


@pytest.fixture(scope='module')
def vocabulary(arithmetic):
  return tokens.Vocabulary.of(arithmetic)


def _verifier(vocabulary, grid, seed=0):
  return verify.Verifier(vocabulary, ('x',), grid, 0, seed)


@pytest.fixture(scope='module')
def verifier(vocabulary):
  return _verifier(vocabulary, base.specification_grid())


def _rows(vocabulary, programs):
  parsed = [program_lib.parse(p) if isinstance(p, str) else p for p in programs]
  return np.stack([vocabulary.encode(p, _LENGTH) for p in parsed])


def _outcome(verifier, vocabulary, written, target):
  outcome = verifier.outcomes(
    _rows(vocabulary, [written])[:, None], _rows(vocabulary, [target])
  )
  assert outcome.shape == (1, 1) and outcome.dtype == np.int8
  return Outcome(outcome[0, 0])


@pytest.mark.parametrize(
  'written, target, wanted',
  [
    ('x + 1', 'x + 1', Outcome.CORRECT),
    ('1 + x', 'x + 1', Outcome.CORRECT),
    ('x + x', '2 * x', Outcome.CORRECT),
    ('(x * x - 1) / (x - 1)', 'x + 1', Outcome.CORRECT),  # a pole at 1
    ('1 / (1 / x)', 'x', Outcome.CORRECT),  # a pole at 0
    ('x', '1 / (1 / x)', Outcome.CORRECT),
    ('x - x', '1 - 1', Outcome.CORRECT),
    ('x / x', '1', Outcome.CORRECT),
    ('x + 2', 'x + 1', Outcome.WRONG),
    ('x - 1', '1 - x', Outcome.WRONG),
    ('x / 2', '2 / x', Outcome.WRONG),
    ('2', '3', Outcome.WRONG),
    ('x - x', 'x', Outcome.WRONG),
    ('1 / (x - x)', 'x', Outcome.UNDEFINED),
    ('1 / (1 - 1)', '1', Outcome.UNDEFINED),
    ('x + 1 / (x / x - 1)', 'x', Outcome.UNDEFINED),
    ('(x - x) / (x - x)', '1', Outcome.UNDEFINED),
  ],
)
def test_outcomes_of_programs(verifier, vocabulary, written, target, wanted):
  assert _outcome(verifier, vocabulary, written, target) == wanted


@pytest.mark.parametrize(
  'grid, written, wanted',
  [
    # At 29101/97 = 300.01 the second term is within the tolerance.
    ([29_101], 'x + 1 / x / x / x', Outcome.GRID_ONLY),
    ([29_101, -29_102], 'x + 1 / x / x', Outcome.GRID_ONLY),
    ([29_101, 2], 'x + 1 / x / x', Outcome.WRONG),
    ([29_101], 'x + 1', Outcome.WRONG),
    ([29_101], 'x / x * x', Outcome.CORRECT),
  ],
)
def test_equal_on_the_grid_is_not_equal(vocabulary, grid, written, wanted):
  verifier = _verifier(vocabulary, grid)
  assert _outcome(verifier, vocabulary, written, 'x') == wanted


def test_a_pole_on_the_grid_is_no_agreement():
  # Grids avoid the poles of programs, so this takes made-up values.
  shape, primes = (1, 8), (1, 4, 2)
  defined, none = np.ones(shape, bool), np.zeros(shape, bool)
  value, parsed = np.ones(shape, np.float32), np.ones(1, bool)
  everywhere = np.ones(primes, bool)
  exact = (np.ones(primes), everywhere, np.zeros(primes), everywhere)

  def classify(*grid):
    return Outcome(int(verify._of_residues(exact, grid, parsed)[0]))

  assert classify(value, defined, value, defined) == Outcome.GRID_ONLY
  assert classify(value, none, value, defined) == Outcome.WRONG
  assert classify(value, defined, value, none) == Outcome.WRONG
  assert classify(value, none, 2 * value, none) == Outcome.GRID_ONLY


@pytest.mark.parametrize(
  'written, target, wanted',
  [
    # They differ by 65521 / 64.
    (_PRODUCT, _QUOTIENT, Outcome.WRONG),
    (f'x * ({_PRODUCT})', f'x * ({_QUOTIENT})', Outcome.WRONG),
    # Nowhere defined modulo 65521.
    (_INVERSE, f'2 * {_INVERSE} / 2', Outcome.CORRECT),
    (_INVERSE, f'2 * {_INVERSE}', Outcome.WRONG),
    (_INVERSE, '1', Outcome.WRONG),
    ('1', _INVERSE, Outcome.WRONG),
  ],
)
def test_one_prime_does_not_tell_functions_apart(written, target, wanted):
  symbols = (*tokens.SPECIALS, 'add', 'sub', 'mul', 'div', 'x', *'123458')
  vocabulary = tokens.Vocabulary(symbols)
  verifier = _verifier(vocabulary, base.specification_grid())
  rows = [
    vocabulary.encode(program_lib.parse(p), 21) for p in (written, target)
  ]
  found = verifier.outcomes(rows[0][None, None], rows[1][None])
  assert Outcome(found[0, 0]) == wanted


def test_equality_needs_enough_common_points():
  # Both defined at too few points: no proof of equality.
  def exact(common):
    ok = np.arange(8).reshape(1, 4, 2) < common
    one = np.ones(ok.shape, int)
    return one, ok, one, np.ones(ok.shape, bool)

  defined = np.ones((1, 1), bool)
  grid = (np.zeros((1, 1)), defined, np.ones((1, 1)), defined)
  for common, wanted in ((4, Outcome.CORRECT), (3, Outcome.WRONG)):
    found = verify._of_residues(exact(common), grid, np.ones(1, bool))
    assert Outcome(int(found[0])) == wanted


@pytest.mark.parametrize(
  'grammar, written, target, wanted',
  [
    ('conditional', 'if(x < 1, 1, x)', 'max(1, x)', Outcome.CORRECT),
    ('conditional', 'min(x, 1) + max(x, 1)', 'x + 1', Outcome.CORRECT),
    ('conditional', 'x', 'max(1, x)', Outcome.WRONG),
    ('conditional', 'max(x, 2 / 2)', 'max(1, x)', Outcome.CORRECT),
    # Equal on the grid, which ends at 3.
    ('conditional', 'min(x, 3)', 'x', Outcome.GRID_ONLY),
    ('conditional', '1 / (min(x, 1) - min(1, x))', 'x', Outcome.UNDEFINED),
    ('conditional', 'if(x < 1, 1 / (x - x), x)', 'max(1, x)', Outcome.WRONG),
    ('scientific', 'log(exp(x))', 'x', Outcome.CORRECT),
    ('scientific', 'exp(log(x))', 'x', Outcome.WRONG),
    ('scientific', 'exp(x) * exp(y)', 'exp(x + y)', Outcome.CORRECT),
    ('scientific', 'sin(x)', 'x', Outcome.WRONG),
    # 8e-5 everywhere: as near to 0 as what fits the specification may be.
    ('scientific', 'inv(exp(exp(2) + 2))', 'x - x', Outcome.GRID_ONLY),
    ('scientific', 'x + inv(exp(exp(2) + 2))', 'x', Outcome.GRID_ONLY),
    ('scientific', 'sqrt(neg(1))', 'x', Outcome.UNDEFINED),
  ],
)
def test_outcomes_of_programs_that_are_not_rational(
  grammar, written, target, wanted
):
  loaded = grammar_lib.load(GRAMMARS / f'{grammar}.bnf')
  vocabulary = tokens.Vocabulary.of(loaded)
  grid = [-301, -97 * 2 + 3, -50, 41, 120, 280]
  verifier = verify.Verifier(vocabulary, loaded.variables, grid, 0, 0)
  rows = [
    vocabulary.encode(program_lib.parse(text), 12) for text in (written, target)
  ]
  found = verifier.outcomes(np.stack(rows[:1])[None], np.stack(rows[1:]))
  assert Outcome(int(found[0, 0])) == wanted


@pytest.mark.parametrize(
  'symbols',
  [
    'add x',  # arguments missing
    'x x',  # two programs
    'add',
    '',
    'x <bos>',
    '<bos> x',
    'x <eos> x',  # something after the end
    'x <pad> x',
    '<eos> x',
    'add x 1 <eos> <eos>',
  ],
)
def test_malformed_rows_are_unparsed(verifier, vocabulary, symbols):
  row = [vocabulary.index[s] for s in symbols.split()]
  row += [tokens.PAD] * (_LENGTH - len(row))
  found = verifier.outcomes(
    np.array(row, np.int8)[None, None], _rows(vocabulary, ['x'])
  )
  assert Outcome(found[0, 0]) == Outcome.UNPARSED


def test_a_row_may_end_with_eos(verifier, vocabulary):
  row = _rows(vocabulary, ['x + 1'])
  row[0, 3] = tokens.EOS
  found = verifier.outcomes(row[:, None], _rows(vocabulary, ['1 + x']))
  assert Outcome(found[0, 0]) == Outcome.CORRECT


def test_each_sample_is_compared_with_its_own_target(verifier, vocabulary):
  targets = ['x', 'x + 1', '2 / x']
  written = ['x', '1 + x', '2 / x', '1 / (x - x)']
  tok_BxnxL = np.broadcast_to(
    _rows(vocabulary, written), (3, len(written), _LENGTH)
  )
  found = verifier.outcomes(tok_BxnxL, _rows(vocabulary, targets))
  good, wrong, undefined = Outcome.CORRECT, Outcome.WRONG, Outcome.UNDEFINED
  assert found.tolist() == [
    [good, wrong, wrong, undefined],
    [wrong, good, wrong, undefined],
    [wrong, wrong, good, undefined],
  ]


@pytest.mark.parametrize('seed', [0, 1])
def test_random_pairs_agree_with_exact_semantics(arithmetic, vocabulary, seed):
  """Correct iff equal as rational functions, in both directions."""
  function = reference.RationalFunctions(arithmetic.variables)
  rng = np.random.default_rng(seed)
  programs = [
    programs_lib.random_program(arithmetic, int(size), rng)
    for size in rng.choice([1, 3, 5, 7], 1500)
  ]
  value = [function(program) for program in programs]
  zero = reference.Undefined.ZERO_FUNCTION
  by_value = {}
  for index, v in enumerate(value):
    by_value.setdefault(v, []).append(index)
  targets = [i for i, v in enumerate(value) if v is not zero]
  target = rng.choice(targets, 3000)
  # Half of the pairs at random, half of one class.
  written = rng.integers(0, len(programs), 3000)
  for place in range(0, 3000, 2):
    written[place] = rng.choice(by_value[value[target[place]]])
  tok_PxL = _rows(vocabulary, programs)
  found = _verifier(vocabulary, base.specification_grid(), seed).outcomes(
    tok_PxL[written][:, None], tok_PxL[target]
  )[:, 0]
  for outcome, w, t in zip(found, written, target, strict=True):
    if value[w] is zero:
      wanted = {Outcome.UNDEFINED}
    elif value[w] == value[t]:
      wanted = {Outcome.CORRECT}
    else:
      wanted = {Outcome.WRONG, Outcome.GRID_ONLY}
    assert outcome in wanted, (programs[w], programs[t])
  counts = np.bincount(found, minlength=5)
  assert counts[Outcome.CORRECT] >= 1500
  assert counts[Outcome.WRONG] > 500
  assert counts[Outcome.UNDEFINED] > 3
  different = sum(written != target)
  assert different > 2000  # equality is not that of a program with itself
