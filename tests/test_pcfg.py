"""Probabilistic grammars draw what their probabilities say."""

from collections import Counter
import math

import numpy as np
import pytest

from synth import errors
from synth.language import grammar as grammar_lib
from synth.language import pcfg as pcfg_lib
from synth.language import program as program_lib
from tests import programs as programs_lib
from tests.conftest import GRAMMARS

_TYPED = grammar_lib.parse('s ::= x | s + d | neg(s)\nd ::= 1 | d * s')


def _weights(grammar, numbers):
  return dict(zip(grammar.productions, numbers, strict=True))


def _chi2(count, probability):
  total = sum(count.values())
  return sum(
    (count[key] - total * p) ** 2 / (total * p)
    for key, p in probability.items()
  )


def test_a_probability_is_the_product_along_the_derivation():
  # s: x .5, s + d .3, neg .2; d: 1 .8, d * s .2.
  pcfg = pcfg_lib.Pcfg(_TYPED, _weights(_TYPED, [5, 3, 2, 8, 2]))
  program = program_lib.parse('neg(x) + 1 * x')
  assert math.exp(programs_lib.log_prob(pcfg, program)) == pytest.approx(
    0.3 * (0.2 * 0.5) * (0.2 * 0.8 * 0.5)
  )


def test_probabilities_of_all_programs_of_a_size_add_up():
  pcfg = pcfg_lib.Pcfg(_TYPED, _weights(_TYPED, [5, 3, 2, 8, 2]))
  mass = Counter()
  for program in programs_lib.all_programs(_TYPED, 8):
    mass[program.size] += math.exp(programs_lib.log_prob(pcfg, program))
  for size in range(1, 9):
    assert pcfg.size_probability(size) == pytest.approx(mass[size])


def test_the_mean_size_is_that_of_the_branching_process(arithmetic):
  # Operators with probability q: a tree has 1 / (1 - 2 q) nodes on average.
  weights = [1] * 4 + [0.5] * 4
  pcfg = pcfg_lib.Pcfg(arithmetic, _weights(arithmetic, weights))
  sizes = np.arange(600)
  mass = np.array([pcfg.size_probability(int(s)) for s in sizes[:160]])
  assert mass.sum() == pytest.approx(1, abs=1e-3)
  assert mass @ sizes[:160] == pytest.approx(1 / (1 - 2 / 3), abs=0.05)


def test_samples_of_a_size_have_their_probabilities():
  pcfg = pcfg_lib.Pcfg(_TYPED, _weights(_TYPED, [5, 3, 2, 8, 2]))
  rng = np.random.default_rng(0)
  programs = [
    program
    for program in programs_lib.all_programs(_TYPED, 5)
    if program.size == 5
  ]
  weight = [
    math.exp(programs_lib.log_prob(pcfg, program)) for program in programs
  ]
  probability = {
    program: w / sum(weight)
    for program, w in zip(programs, weight, strict=True)
  }
  count = Counter(pcfg.sample_of_size(5, rng) for _ in range(4000))
  assert set(count) <= set(programs)
  freedom = len(programs) - 1
  assert _chi2(count, probability) < freedom + 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize('number', [1, 2, 7, 300])
def test_a_choice_is_that_of_numpy(number):
  rng = np.random.default_rng(number)
  weight = rng.random(number) * (rng.random(number) < 0.7)
  weight[-1] = 0.1
  probability = weight / weight.sum()
  ours, theirs = np.random.default_rng(1), np.random.default_rng(1)
  choice = pcfg_lib.Choice(probability)
  for _ in range(500):
    assert choice.draw(ours) == theirs.choice(number, p=probability)
  assert ours.random() == theirs.random()


def test_the_same_seed_draws_the_same_programs(arithmetic):
  # Searches start from such draws: those that were recorded shall come again.
  weights = [4, 3, 2, 1, 1, 2, 3, 4]
  pcfg = pcfg_lib.Pcfg(arithmetic, _weights(arithmetic, weights))
  rng = np.random.default_rng(0)
  drawn = [pcfg.sample_of_size(7, rng), pcfg.sample(9, rng)]
  assert list(map(program_lib.to_infix, drawn)) == ['x / (x + 3 / 1)', '3 * 2']


def test_samples_follow_the_law_of_sizes(arithmetic):
  pcfg = pcfg_lib.Pcfg.uniform(arithmetic)
  rng = np.random.default_rng(1)
  count = Counter(pcfg.sample(9, rng).size for _ in range(4000))
  mass = {size: pcfg.size_probability(size) for size in (1, 3, 5, 7, 9)}
  share = {size: m / sum(mass.values()) for size, m in mass.items()}
  assert set(count) == set(share)
  assert _chi2(count, share) < 4 + 5 * math.sqrt(8)


def test_fitting_finds_what_was_drawn_from():
  true = pcfg_lib.Pcfg(_TYPED, _weights(_TYPED, [5, 3, 2, 8, 2]))
  rng = np.random.default_rng(2)
  # The law given a size of at most 30, which leaves next to nothing out.
  drawn = [true.sample(30, rng) for _ in range(3000)]
  fitted = pcfg_lib.Pcfg.fit(_TYPED, drawn)
  for rule, probability in true.probability.items():
    assert fitted.probability[rule] == pytest.approx(probability, abs=0.03)
  # No other probabilities make the draws more likely.
  likelihood = sum(programs_lib.log_prob(fitted, program) for program in drawn)
  of_true = sum(programs_lib.log_prob(true, program) for program in drawn)
  assert likelihood >= of_true - 1e-6


def test_what_cannot_be_drawn_is_refused(arithmetic):
  pcfg = pcfg_lib.Pcfg.uniform(arithmetic)
  rng = np.random.default_rng(0)
  with pytest.raises(errors.InputError, match='no program of 4 nodes'):
    pcfg.sample_of_size(4, rng)
  with pytest.raises(errors.InputError, match='at most 0'):
    pcfg.sample(0, rng)
  with pytest.raises(errors.InputError, match='must be positive'):
    pcfg_lib.Pcfg(arithmetic, _weights(arithmetic, [1] * 7 + [0]))
  with pytest.raises(program_lib.ProgramError, match='does not derive'):
    pcfg_lib.Pcfg.fit(arithmetic, [program_lib.parse('neg(x)')])


def test_the_critical_law_of_arithmetic_is_the_known_one(arithmetic):
  # G = 4t + 4tG^2 has a solution up to t = 1/8, there G = 1: an operator and a
  # leaf are equally likely.
  assert pcfg_lib.critical_weight(arithmetic) == pytest.approx(1 / 8, rel=1e-5)
  critical = pcfg_lib.Pcfg.critical(arithmetic)
  for rule, probability in critical.probability.items():
    assert probability == pytest.approx(1 / 8, rel=5e-3), rule


@pytest.mark.parametrize(
  'name',
  [
    'conditional',
    pytest.param('countdown', marks=pytest.mark.slow),
    'scientific',
  ],
)
def test_under_the_critical_law_equal_sizes_are_equally_likely(name):
  grammar = grammar_lib.load(GRAMMARS / f'{name}.bnf')
  max_size = 7 if name == 'countdown' else 4
  critical = pcfg_lib.Pcfg.critical(grammar)
  per_node = np.log(pcfg_lib.critical_weight(grammar))
  found = [
    programs_lib.log_prob(critical, program) - program.size * per_node
    for program in programs_lib.all_programs(grammar, max_size)
  ]
  assert len(found) > 20
  assert np.ptp(found) < 0.02  # the iteration ends just short of the limit
