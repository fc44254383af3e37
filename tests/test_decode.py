"""Sampling against the full forward pass: greedy, random, log-probability."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from synth import decode
from synth import model as model_lib
from synth.language import grammar as grammar_lib
from synth.language import prefixes
from synth.language import program as program_lib
from synth.language import tokens
from tests import programs as programs_lib

_SHAPE = model_lib.Config(
  D=16, H=2, N=1, F=16, W=16, M=1, features=10, vocabulary=11, length=6
)
_TASKS, _SAMPLES = 7, 16
_GRAPH = model_lib.split(_SHAPE)
# Compiled whole: operation by operation, JAX compiles hundreds of them.
_init = jax.jit(lambda seed: model_lib.init(_SHAPE, jax.random.key(seed)))
_forward = jax.jit(
  lambda params, *batch: model_lib.merge(_GRAPH, params)(*batch)
)


@pytest.fixture(scope='module')
def params():
  params = _init(0)
  # EOS about as probable as all else, PAD and BOS more: never to be drawn.
  bias_V = np.zeros(11, np.float32)
  bias_V[tokens.EOS], bias_V[[tokens.PAD, tokens.BOS]] = 1.0, 4.0
  params['head']['bias'] = jnp.asarray(bias_V)
  return params


@pytest.fixture(scope='module')
def spec_BxF():
  rng = np.random.default_rng(0)
  return rng.standard_normal((_TASKS, 10)).astype(np.float32)


def _sample(params, spec_BxF, temperature, seed=0):
  tok, logprob = decode.sample(
    params,
    spec_BxF,
    jax.random.key(seed),
    temperature,
    graph=_GRAPH,
    num_samples=_SAMPLES,
    length=_SHAPE.length,
  )
  return np.asarray(tok), np.asarray(logprob)


def _full_logprob(params, spec_BxF, tok_BxnxT):
  """log p of each token after those before it: RxTxV, by one forward pass."""
  tok_RxT = tok_BxnxT.reshape(-1, _SHAPE.length)
  read_RxT = np.concatenate(
    [np.full((len(tok_RxT), 1), tokens.BOS), tok_RxT[:, :-1]], axis=1
  )
  spec_RxF = np.repeat(spec_BxF, tok_BxnxT.shape[1], axis=0)
  logits = np.array(_forward(params, spec_RxF, read_RxT.astype(np.int32)))
  logits[..., [tokens.PAD, tokens.BOS]] = -np.inf
  return scipy.special.log_softmax(logits, axis=-1)


@pytest.fixture(scope='module')
def drawn(params, spec_BxF):
  return _sample(params, spec_BxF, 1.0)


def test_greedy_decoding_takes_the_argmax_of_the_forward_pass(params, spec_BxF):
  tok, _ = _sample(params, spec_BxF, 0.0)
  best = _full_logprob(params, spec_BxF, tok).argmax(axis=-1)
  for tok_T, best_T in zip(tok.reshape(-1, 6), best, strict=True):
    ends = np.flatnonzero(tok_T == tokens.EOS)
    written = ends[0] + 1 if len(ends) else 6
    assert tok_T[:written].tolist() == best_T[:written].tolist()


def test_greedy_decoding_needs_no_randomness(params, spec_BxF):
  tok, logprob = _sample(params, spec_BxF, 0.0, seed=0)
  other, _ = _sample(params, spec_BxF, 0.0, seed=99)
  np.testing.assert_array_equal(tok, other)
  np.testing.assert_array_equal(tok, np.repeat(tok[:, :1], _SAMPLES, axis=1))
  assert np.ptp(logprob, axis=1).max() < 1e-5
  assert len(np.unique(tok[:, 0], axis=0)) > 1  # the task matters


def test_nothing_but_padding_follows_eos(drawn):
  tok_RxT = drawn[0].reshape(-1, 6)
  after = np.cumsum(tok_RxT == tokens.EOS, axis=1) - (tok_RxT == tokens.EOS)
  assert (tok_RxT[after > 0] == tokens.PAD).all()
  # Ends at many places occur, also none at all.
  ends = np.where(
    (tok_RxT == tokens.EOS).any(axis=1),
    (tok_RxT == tokens.EOS).argmax(axis=1),
    6,
  )
  assert len(np.unique(ends)) >= 5


def test_padding_and_bos_are_never_drawn(drawn):
  tok_RxT = drawn[0].reshape(-1, 6)
  before = np.cumsum(tok_RxT == tokens.EOS, axis=1) == 0
  assert (tok_RxT[before] > tokens.EOS).all()
  assert not (tok_RxT == tokens.BOS).any()


@pytest.mark.parametrize('temperature', [0.0, 0.7, 1.0])
def test_the_log_probability_is_that_of_the_full_forward_pass(
  params, spec_BxF, temperature
):
  tok, logprob = _sample(params, spec_BxF, temperature)
  full = _full_logprob(params, spec_BxF, tok)
  tok_RxT = tok.reshape(-1, 6)
  picked = np.take_along_axis(full, tok_RxT[..., None], axis=2)[..., 0]
  wanted = np.where(tok_RxT != tokens.PAD, picked, 0).sum(axis=1)
  np.testing.assert_allclose(logprob.reshape(-1), wanted, atol=1e-4)


def test_the_key_decides_the_samples(params, spec_BxF, drawn):
  again, logprob = _sample(params, spec_BxF, 1.0, seed=0)
  np.testing.assert_array_equal(again, drawn[0])
  np.testing.assert_array_equal(logprob, drawn[1])
  other, _ = _sample(params, spec_BxF, 1.0, seed=1)
  assert (other != drawn[0]).any(axis=2).mean() > 0.5


def test_samples_of_one_task_are_independent_draws(params, spec_BxF, drawn):
  for task in range(_TASKS):
    assert len(np.unique(drawn[0][task], axis=0)) > _SAMPLES / 2
  # Positions too have noise of their own: equal noise would repeat tokens.
  same = np.repeat(spec_BxF[:1], _TASKS, axis=0)
  tok, _ = _sample(params, same, 50.0)
  first, second = tok[..., 0].ravel(), tok[..., 1].ravel()
  alive = first != tokens.EOS
  assert (first[alive] == second[alive]).mean() < 0.35


def test_first_tokens_follow_the_softmax_at_the_temperature(params, spec_BxF):
  temperature = 2.0
  same = np.repeat(spec_BxF[:1], _TASKS, axis=0)
  first = np.concatenate(
    [_sample(params, same, temperature, seed)[0][..., 0] for seed in range(20)]
  ).ravel()
  tok = np.zeros((_TASKS, _SAMPLES, 6), int)
  logp_V = _full_logprob(params, same, tok)[0, 0]
  wanted = np.exp(logp_V / temperature)
  wanted /= wanted.sum()
  found = np.bincount(first, minlength=11) / len(first)
  sigma = np.sqrt(wanted * (1 - wanted) / len(first))
  assert (np.abs(found - wanted) <= 4.5 * sigma + 1e-9).all()


# Two types, unary and ternary operators, sizes odd and even.
_TYPED = """
e ::= x | 1 | e + e | neg(e) | if(c, e, e)
c ::= e < e
"""


def _constrained(grammar, length, temperature, seed=0, rows=40):
  """Samples of an untrained model: token rows and log-probabilities."""
  vocabulary = tokens.Vocabulary.of(grammar)
  shape = model_lib.Config(
    D=16, H=2, N=1, F=16, W=16, M=1, features=10,
    vocabulary=len(vocabulary), length=length,
  )  # fmt: skip
  params = jax.jit(lambda s: model_lib.init(shape, jax.random.key(s)))(seed)
  spec = np.random.default_rng(seed).standard_normal((5, 10)).astype(np.float32)
  tok, logprob = decode.sample(
    params,
    spec,
    jax.random.key(seed),
    temperature,
    prefixes.tables(grammar, vocabulary),
    graph=model_lib.split(shape),
    num_samples=rows,
    length=length,
  )
  return vocabulary, np.asarray(tok), np.asarray(logprob)


@pytest.mark.parametrize('temperature', [0.0, 1.0, 30.0])
def test_constrained_samples_are_programs_of_the_grammar(temperature):
  grammar = grammar_lib.parse(_TYPED)
  vocabulary, tok, _ = _constrained(grammar, 10, temperature)
  sizes = set()
  for row in tok.reshape(-1, 10):
    assert np.count_nonzero(row == tokens.EOS) == 1
    program = vocabulary.decode(row)
    assert grammar.derives(program) and program.size <= 9
    sizes.add(program.size)
  if temperature > 1:  # nearly uniform over what is allowed
    assert {1, 2, 9} <= sizes


def test_a_length_that_fits_one_program_gives_it():
  # inner nodes are only allowed while they can be finished
  grammar = grammar_lib.parse('s ::= d + d\nd ::= 1 | d * d')
  vocabulary, tok, _ = _constrained(grammar, 4, 30.0)
  wanted = vocabulary.encode(program_lib.parse('1 + 1'), 3).tolist()
  assert np.all(tok == [*wanted, tokens.EOS])


def test_every_program_that_fits_can_be_written():
  grammar = grammar_lib.parse('e ::= x | neg(e) | e - e')
  vocabulary, tok, _ = _constrained(grammar, 6, 30.0, rows=4000)
  written = {
    program_lib.to_infix(vocabulary.decode(row))
    for row in np.unique(tok.reshape(-1, 6), axis=0)
  }
  assert written == {
    program_lib.to_infix(p) for p in programs_lib.all_programs(grammar, 5)
  }


def test_constrained_log_probabilities_are_among_what_is_allowed():
  # Of two leaves the second fits no operator: its log-probability is that of
  # a leaf among leaves.
  grammar = grammar_lib.parse('e ::= x | 1 | e + e')
  _, tok, logprob = _constrained(grammar, 4, 1.0, rows=200)
  shares = {}
  for row, value in zip(tok[0], logprob[0], strict=True):
    shares.setdefault(tuple(row.tolist()), set()).add(round(float(value), 4))
  assert all(len(values) == 1 for values in shares.values())
  # All programs of at most three nodes: their probabilities sum to one.
  assert len(shares) == 2 + 4
  total = sum(np.exp(next(iter(values))) for values in shares.values())
  assert total == pytest.approx(1, abs=1e-3)


def test_a_symbol_that_does_not_say_what_follows_is_refused():
  grammar = grammar_lib.parse('s ::= x | a + b | b + a\na ::= 1\nb ::= 2')
  with pytest.raises(grammar_lib.GrammarError, match="begin with 'add'"):
    prefixes.tables(grammar, tokens.Vocabulary.of(grammar))
