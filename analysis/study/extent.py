"""From where to where numbers go, in words."""

from collections.abc import Iterable


def extent(values: Iterable[float], form: str = ',') -> str:
  """The least and the largest, once if they look alike; '' of none."""
  ordered = sorted(values)
  ends = (format(value, form) for value in ordered[:1] + ordered[-1:])
  return ' to '.join(dict.fromkeys(end.replace('%', ' %') for end in ends))
