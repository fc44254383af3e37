"""Decoding against slow references: the forward pass over all sequences."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from synth import errors
from synth import model as model_lib
from synth.evaluation import decode
from synth.evaluation import scoring
from synth.language import grammar as grammar_lib
from synth.language import prefixes
from synth.language import tokens
from tests import conftest
from tests import programs as programs_lib
from tests import test_prefixes

_MODELS = 2
# Three symbols and EOS, three places: 40 sequences.
_V, _T = 6, 3
_SHAPE = model_lib.Config(
  D=16, H=2, N=1, F=16, W=16, M=1, features=4, vocabulary=_V, length=_T
)
_GRAPH = model_lib.split(_SHAPE)
_SYMBOLS = range(tokens.EOS + 1, _V)
_SEQUENCES = np.array(
  [
    (*row, *end)
    for size in range(_T + 1)
    for row in itertools.product(_SYMBOLS, repeat=size)
    for end in [(tokens.EOS, *[tokens.PAD] * _T)[: _T - size]]
  ]
)
_SAMPLE, _BEAM, _UNIQUE = map(decode.Method, decode.METHODS)


def _random(shape):
  """Parameters of untrained models, drawn by numpy: nothing to compile."""
  rng = np.random.default_rng(0)
  like = jax.eval_shape(lambda: model_lib.init(shape, jax.random.key(0)))
  return jax.tree.map(
    lambda x: rng.normal(0, 0.6, (_MODELS, *x.shape)).astype(np.float32), like
  )


@jax.jit
@jax.vmap
def _forward(params, spec_BxF, tok_BxT):
  return model_lib.merge(_GRAPH, params)(spec_BxF, tok_BxT)


@pytest.fixture(scope='module')
def params():
  params = _random(_SHAPE)
  # EOS about as probable as all else, PAD and BOS more: never to be drawn.
  bias_V = np.zeros(_V, np.float32)
  bias_V[tokens.EOS], bias_V[[tokens.PAD, tokens.BOS]] = 1.0, 4.0
  params['head']['bias'] = np.tile(bias_V, (_MODELS, 1))
  return params


@pytest.fixture(scope='module')
def spec_BxF():
  return np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


@pytest.fixture(scope='module')
def law(params, spec_BxF):
  """log p of each token after each prefix of each sequence: S x B x 40 x T x V,
  by one forward pass without a cache."""
  read = np.roll(_SEQUENCES, 1, axis=1)
  read[:, 0] = tokens.BOS
  tasks, count = len(spec_BxF), len(_SEQUENCES)
  logits = _forward(
    params,
    np.tile(np.repeat(spec_BxF, count, axis=0), (_MODELS, 1, 1)),
    np.tile(read, (_MODELS, tasks, 1)).astype(np.int32),
  )
  logits = np.array(logits, np.float64)
  logits[..., [tokens.PAD, tokens.BOS]] = -np.inf
  return scipy.special.log_softmax(logits, axis=-1).reshape(
    _MODELS, tasks, count, _T, _V
  )


def _of_sequences(law):
  """log p of each sequence by the law of its tokens."""
  picked = np.take_along_axis(law, _SEQUENCES[None, None, ..., None], -1)[
    ..., 0
  ]
  return np.where(_SEQUENCES == tokens.PAD, 0, picked).sum(axis=-1)


def _decode(params, spec_BxF, method, n, temperature=1.0, seed=0, graph=_GRAPH):
  tok, logprob = decode.decode(
    params,
    spec_BxF,
    jax.random.key(seed),
    temperature,
    graph=graph,
    method=method,
    num_programs=n,
    length=_T,
  )
  return np.asarray(tok), np.asarray(logprob)


def _numbers(tok):
  """Which of the sequences each row is; fails if it is none."""
  base = _V ** np.arange(_T)
  known = {int(code): i for i, code in enumerate(_SEQUENCES @ base)}
  return np.vectorize(known.__getitem__)(tok @ base)


@pytest.fixture(scope='module')
def drawn(params, spec_BxF):
  return _decode(params, spec_BxF, _SAMPLE, 500)


# Given programs.


def test_given_programs_are_as_probable_as_samples_of_them(
  params, spec_BxF, law
):
  tasks, count = len(spec_BxF), len(_SEQUENCES)
  read = np.roll(_SEQUENCES, 1, axis=1)
  read[:, 0] = tokens.BOS
  found = scoring.log_probability(
    params,
    np.repeat(spec_BxF, count, axis=0),
    np.tile(read, (tasks, 1)),
    np.tile(_SEQUENCES, (tasks, 1)),
    graph=_GRAPH,
  )
  wanted = _of_sequences(law).reshape(_MODELS, -1)
  np.testing.assert_allclose(found, wanted, atol=1e-4)


# Independent samples.


def test_samples_follow_the_model(drawn, law):
  # As sequences: only EOS is followed by PAD, which is never drawn, nor is BOS.
  number_SxBxn = _numbers(drawn[0])
  logp_SxBxN = _of_sequences(law)
  np.testing.assert_allclose(
    drawn[1], np.take_along_axis(logp_SxBxN, number_SxBxn, axis=2), atol=1e-4
  )
  for s, b in np.ndindex(number_SxBxn.shape[:2]):
    assert _p_value(number_SxBxn[s, b], np.exp(logp_SxBxN[s, b])) > 1e-4


def _p_value(number_n, probability_N):
  """Of draws under a law (chi-square), rare outcomes taken together."""
  found_N = np.bincount(number_n, minlength=len(probability_N))
  wanted_N = probability_N * len(number_n)
  assert not found_N[probability_N == 0].any()
  rare_N = wanted_N < 5
  found = np.append(found_N[~rare_N], found_N[rare_N].sum())
  wanted = np.append(wanted_N[~rare_N], wanted_N[rare_N].sum())
  found, wanted = found[wanted > 0], wanted[wanted > 0]
  return scipy.stats.chisquare(
    found, wanted / wanted.sum() * found.sum()
  ).pvalue


def test_temperature_zero_takes_the_most_probable_token(params, spec_BxF, law):
  tok, _ = _decode(params, spec_BxF, _SAMPLE, 500, 0.0)
  number_SxBxn = _numbers(tok)
  np.testing.assert_array_equal(tok, np.repeat(tok[:, :, :1], 500, axis=2))
  for s, b in np.ndindex(number_SxBxn.shape[:2]):
    number = number_SxBxn[s, b, 0]
    best_T = law[s, b, number].argmax(axis=-1)
    written = _SEQUENCES[number] != tokens.PAD
    assert (_SEQUENCES[number] == best_T)[written].all()
  assert len(np.unique(number_SxBxn)) > 2  # task and model matter
  np.testing.assert_array_equal(
    tok, _decode(params, spec_BxF, _SAMPLE, 500, 0.0, seed=9)[0]
  )


def test_the_key_decides_the_samples(params, spec_BxF, drawn):
  for mine, other in zip(
    drawn, _decode(params, spec_BxF, _SAMPLE, 500), strict=True
  ):
    np.testing.assert_array_equal(mine, other)
  tok, _ = _decode(params, spec_BxF, _SAMPLE, 500, seed=1)
  assert (tok != drawn[0]).any(axis=3).mean() > 0.5
  # Nor is the noise that of another row, model or place.
  same = np.repeat(spec_BxF[:1], 5, axis=0)
  tok, _ = _decode(params, same, _SAMPLE, 500, 50.0)
  first = tok[..., 0].reshape(-1, 500)
  for row, other in itertools.combinations(first, 2):
    assert (row == other).mean() < 0.4
  assert (tok[..., 0] == tok[..., 1]).mean() < 0.4


def _cut(logp_xV, temperature, top_k, top_p):
  """log p at a temperature of what top_k and top_p leave, slowly."""
  cut = np.full_like(logp_xV, -np.inf)
  for index in np.ndindex(logp_xV.shape[:-1]):
    hot_V = scipy.special.softmax(logp_xV[index] / temperature)
    order = np.argsort(-hot_V)[: top_k or None]
    mass = np.cumsum(hot_V[order]) / hot_V[order].sum()
    kept = order[: 1 + np.searchsorted(mass, top_p)]  # to the first to reach it
    cut[index][kept] = np.log(hot_V[kept] / hot_V[kept].sum())
  return cut


@pytest.mark.parametrize(
  'top_k, top_p', [(2, 1.0), (0, 0.7), (3, 0.8), (99, 0.999), (1, 0.01)]
)
def test_top_k_and_top_p_leave_the_tokens_they_say(law, top_k, top_p):
  method = decode.Method(decode.SAMPLE, top_k, top_p)
  logits = jnp.asarray(law[0, 0], jnp.float32)
  for temperature in (0.5, 1.5):
    kept = decode._kept(
      jnp.asarray(law[0, 0], jnp.float32), temperature, method
    )
    cut = _cut(law[0, 0], temperature, top_k, top_p)
    np.testing.assert_array_equal(np.isfinite(kept), np.isfinite(cut))
  cold = decode._kept(logits, 0.0, method)
  assert (np.argmax(cold, axis=-1) == law[0, 0].argmax(axis=-1)).all()


def test_samples_of_a_cut_law_follow_it(params, spec_BxF, law):
  method = decode.Method(decode.SAMPLE, 3, 0.8)
  tok, logprob = _decode(params, spec_BxF, method, 500, 1.5)
  cut = _cut(law, 1.5, 3, 0.8)
  left = np.isfinite(cut).sum(axis=-1)
  assert left.max() == 3 and left.min() < 3  # both cut
  number_SxBxn = _numbers(tok)
  cut_SxBxN = _of_sequences(cut)
  for s, b in np.ndindex(number_SxBxn.shape[:2]):
    assert _p_value(number_SxBxn[s, b], np.exp(cut_SxBxN[s, b])) > 1e-4
  # Reported are probabilities of the model, not of the law drawn from.
  np.testing.assert_allclose(
    logprob,
    np.take_along_axis(_of_sequences(law), number_SxBxn, axis=2),
    atol=1e-4,
  )


# Beam search.


@pytest.mark.parametrize('method', [_SAMPLE, _BEAM])
def test_scanned_layers_write_what_unrolled_ones_write(
  params, spec_BxF, method
):
  # Their caches have the layers before the rows.
  def stack(params):
    first, *others = (params['blocks'][i] for i in range(_SHAPE.N))
    blocks = jax.tree.map(lambda *x: np.stack(x, axis=1), first, *others)
    return {**params, 'blocks': blocks}

  wanted = _decode(params, spec_BxF, method, 4)
  scanned = model_lib.split(dataclasses.replace(_SHAPE, scan=True))
  found = _decode(stack(params), spec_BxF, method, 4, graph=scanned)
  np.testing.assert_array_equal(found[0], wanted[0])
  np.testing.assert_allclose(found[1], wanted[1], rtol=1e-5)


def _slow_beam(law_NxTxV, width):
  """Beam search in plain Python: the sequences kept, best first."""
  known = {tuple(row): i for i, row in enumerate(_SEQUENCES.tolist())}
  beams = [(0.0, ())]
  for place in range(_T):
    grown = []
    for score, row in beams:
      if tokens.EOS in row:
        grown.append((score, row))
        continue
      example = next(i for r, i in known.items() if r[:place] == row)
      for v in (tokens.EOS, *_SYMBOLS):
        grown.append((score + law_NxTxV[example, place, v], (*row, v)))
    beams = sorted(grown, reverse=True)[:width]
  return [known[row + (tokens.PAD,) * (_T - len(row))] for _, row in beams]


@pytest.mark.parametrize('width', [1, 4, len(_SEQUENCES) + 5])
def test_a_beam_keeps_the_most_probable(params, spec_BxF, law, width):
  tok, logprob = _decode(params, spec_BxF, _BEAM, width)
  logp_SxBxN = _of_sequences(law)
  there = np.isfinite(logprob)
  assert there.sum(axis=2).max() == min(width, len(_SEQUENCES))
  assert not tok[~there].any()
  for s, b in np.ndindex(logprob.shape[:2]):
    found = _numbers(tok[s, b, there[s, b]])
    assert found.tolist() == _slow_beam(law[s, b], width)
    np.testing.assert_allclose(
      logprob[s, b, there[s, b]], logp_SxBxN[s, b, found], atol=1e-4
    )
    if width > len(_SEQUENCES):  # all there are: exhaustive search
      assert found.tolist() == np.argsort(-logp_SxBxN[s, b]).tolist()
    if width == 1:
      greedy, _ = _decode(params, spec_BxF, _SAMPLE, 500, 0.0)
      np.testing.assert_array_equal(tok, greedy[:, :, :1])


# Without replacement.


def test_unique_programs_follow_sampling_without_replacement(
  params, spec_BxF, law
):
  # One task many times over; two programs of each.
  many = np.repeat(spec_BxF[:1], 4000, axis=0)
  tok, _ = _decode(params, many, _UNIQUE, 2)
  number_SxBxn = _numbers(tok)
  for s in range(_MODELS):
    p_N = np.exp(_of_sequences(law)[s, 0])
    first, second = number_SxBxn[s].T
    assert (first != second).all()
    assert _p_value(first, p_N) > 1e-4
    # p(i then j) = p_i p_j / (1 - p_i).
    pair_NxN = p_N[:, None] * p_N / (1 - p_N[:, None])
    np.fill_diagonal(pair_NxN, 0)
    assert _p_value(second, pair_NxN.sum(axis=0)) > 1e-4
    pair = first * len(p_N) + second
    assert _p_value(pair, pair_NxN.ravel()) > 1e-4


def test_unique_programs_are_all_there_are_if_asked_for(params, spec_BxF, law):
  count = len(_SEQUENCES)
  tok, logprob = _decode(params, spec_BxF, _UNIQUE, count + 5)
  number_SxBxn = _numbers(tok[:, :, :count])
  assert (np.sort(number_SxBxn, axis=2) == np.arange(count)).all()
  np.testing.assert_allclose(
    logprob[:, :, :count],
    np.take_along_axis(_of_sequences(law), number_SxBxn, axis=2),
    atol=1e-4,
  )
  assert (logprob[:, :, count:] == -np.inf).all()
  assert not tok[:, :, count:].any()


# All methods.


def test_unique_programs_at_next_to_no_temperature_begin_with_the_greedy(
  params, spec_BxF
):
  tok, logprob = _decode(params, spec_BxF, _UNIQUE, 3, 1e-40)
  assert np.isfinite(logprob).all()
  greedy, _ = _decode(params, spec_BxF, _SAMPLE, 1, 0.0)
  np.testing.assert_array_equal(tok[:, :, 0], greedy[:, :, 0])


def test_the_loop_ends_when_all_programs_have(params, spec_BxF, monkeypatch):
  steps = []
  step = model_lib.Model.step

  def counting(self, cache, tok_B, position):
    jax.debug.callback(lambda p: steps.append(int(p)), position)
    return step(self, cache, tok_B, position)

  monkeypatch.setattr(model_lib.Model, 'step', counting)
  bias_SxV = np.zeros((_MODELS, _V), np.float32)
  bias_SxV[:, tokens.EOS] = 50
  ends = {**params, 'head': {**params['head'], 'bias': bias_SxV}}
  tok, _ = _decode(ends, spec_BxF, _SAMPLE, 3)  # a shape of its own
  jax.effects_barrier()
  assert (tok == [tokens.EOS, tokens.PAD, tokens.PAD]).all()
  assert set(steps) == {0}


def test_settings_without_effect_are_refused():
  with pytest.raises(errors.InputError, match=r'top_k=3 and top_p=1\.0'):
    decode.Method(decode.BEAM, top_k=3)


# Constrained to a grammar.


def _constrained(grammar, max_size, method, n, temperature=1.0):
  """Programs of untrained models: vocabulary, tokens, log-probabilities."""
  vocabulary = tokens.Vocabulary.of(grammar)
  shape = model_lib.Config(
    D=16, H=2, N=1, F=16, W=16, M=1, features=4,
    vocabulary=len(vocabulary), length=max_size + 1,
  )  # fmt: skip
  tok, logprob = decode.decode(
    _random(shape),
    np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32),
    jax.random.key(0),
    temperature,
    prefixes.tables(grammar, vocabulary, max_size),
    graph=model_lib.split(shape),
    method=method,
    num_programs=n,
    length=max_size + 1,
  )
  return vocabulary, np.asarray(tok), np.asarray(logprob)


@pytest.mark.parametrize(
  'grammar, max_size, method',
  [
    (grammar_lib.parse(test_prefixes.TYPED), 9, _SAMPLE),
    (grammar_lib.load(conftest.GRAMMARS / 'countdown.bnf'), 7, _UNIQUE),
  ],
)
def test_every_constrained_program_is_one(grammar, max_size, method):
  for temperature in (0.3, 30.0):
    vocabulary, tok, _ = _constrained(
      grammar, max_size, method, 40, temperature
    )
    rows = tok.reshape(-1, max_size + 1)
    assert (np.count_nonzero(rows == tokens.EOS, axis=1) == 1).all()
    programs = [vocabulary.decode(row) for row in rows]
    assert all(map(grammar.derives, programs))
    assert max(p.size for p in programs) <= max_size
  # At the last temperature nearly uniform over what is allowed.
  assert len(np.unique(rows, axis=0)) > 40


def test_every_program_that_fits_is_written_with_its_probability():
  grammar = grammar_lib.parse(test_prefixes.PARITY)
  programs = programs_lib.all_programs(grammar, 5)
  vocabulary, tok, logprob = _constrained(
    grammar, 5, _UNIQUE, len(programs) + 3
  )
  wanted = {tuple(vocabulary.encode(p, 6).tolist()) for p in programs}
  there = np.isfinite(logprob)
  for s, b in np.ndindex(logprob.shape[:2]):
    rows = tok[s, b, there[s, b]]
    rows = np.where(rows == tokens.EOS, tokens.PAD, rows)
    assert len(rows) == len(wanted)
    assert set(map(tuple, rows.tolist())) == wanted
    # Probabilities among what is allowed: they sum to one.
    assert np.exp(logprob[s, b]).sum() == pytest.approx(1, abs=1e-4)
