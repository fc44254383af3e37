"""Work over all programs of a universe, block by block, on all cores."""

import collections
from collections.abc import Callable
from collections.abc import Iterator
from concurrent import futures
import contextlib
import functools
from typing import TypeVar

import threadpoolctl

from synth import progress
from synth.universe import executors

ROWS = 1 << 15  # what numpy does to so many rows stays near the cache

_Result = TypeVar('_Result')


@contextlib.contextmanager
def threads() -> Iterator[futures.ThreadPoolExecutor]:
  """A thread for each core, where products of matrices use one core each.

  Libraries that spread each product over all cores get in the way of each
  other when several threads call them: it takes up to four times as long.
  """
  with (
    _libraries().limit(limits=1, user_api='blas'),
    futures.ThreadPoolExecutor(executors.cores()) as pool,
  ):
    yield pool


@functools.cache
def _libraries() -> threadpoolctl.ThreadpoolController:
  return threadpoolctl.ThreadpoolController()


def over(
  number: int,
  function: Callable[[slice], _Result],
  name: str,
  rows: int | None = None,
) -> Iterator[tuple[slice, _Result]]:
  """Calls `function` on consecutive slices of `range(number)`.

  Blocks are computed by threads (numpy and scipy let others work) and come in
  order, so what is summed does not depend on how many threads there are. Only
  a few results exist at a time.

  Args:
    number: How many rows there are.
    function: Gets a slice of the rows.
    name: Of the progress bar.
    rows: In a block; ROWS if not given.

  Yields:
    Each slice and the function's result.
  """
  rows = rows or ROWS
  bar = progress.Progress(name, number, 'programs')
  waiting: collections.deque[tuple[slice, futures.Future[_Result]]] = (
    collections.deque()
  )
  with threads() as pool:
    for start in range(0, number, rows):
      block = slice(start, min(start + rows, number))
      waiting.append((block, pool.submit(function, block)))
      while len(waiting) > executors.cores() or (
        waiting and block.stop == number
      ):
        done, future = waiting.popleft()
        yield done, future.result()
        bar.update(done.stop)
