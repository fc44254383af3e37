"""What progress is said."""

from synth import progress


def test_progress_is_said_of_what_takes_long_or_has_a_note(monkeypatch, capsys):
  now = [0.0]
  monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
  brief, noted, long = (progress.Progress(n, 2) for n in ('a', 'b', 'c'))
  now[0] = 0.5
  brief.update(2)
  noted.update(2, 'loss 1')
  long.update(1)
  now[0] = 20.0
  long.update(1)
  long.update(2)
  assert capsys.readouterr().err.splitlines() == [
    'b: 2/2 (100%) done in 0 s loss 1',
    'c: 1/2 (50%)',
    'c: 2/2 (100%) done in 20 s',
  ]
