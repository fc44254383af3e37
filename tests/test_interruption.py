"""Ctrl-C where Python ignores exceptions."""

import signal
import sys

import pytest

from synth import interruption
from synth import progress
from synth.training import preemption


class _Finalized:
  def __del__(self):
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def listening():
  old = signal.signal(signal.SIGINT, signal.default_int_handler)
  interruption.listen()
  yield
  signal.signal(signal.SIGINT, old)


@pytest.mark.parametrize(
  'ask',
  [
    lambda: progress.Progress('a', 2).update(1),
    lambda: preemption.Preemption(1.0).requested(3),
  ],
)
def test_an_interrupt_that_is_lost_in_a_finalizer_is_raised_in_the_loop(
  listening, monkeypatch, ask
):
  lost = []
  monkeypatch.setattr(sys, 'unraisablehook', lambda u: lost.append(u.exc_type))
  ask()
  _Finalized()  # which ends here
  assert lost == [KeyboardInterrupt]
  with pytest.raises(KeyboardInterrupt):
    ask()
  ask()  # it was told


def test_an_interrupt_that_is_ignored_stays_ignored():
  old = signal.signal(signal.SIGINT, signal.SIG_IGN)
  interruption.listen()
  assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
  signal.signal(signal.SIGINT, old)
