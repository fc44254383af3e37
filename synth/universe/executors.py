"""Who does the work: this process, its cores, or a cluster.

The enumeration is written against `concurrent.futures.Executor`. Workers share
a file system with the process that asks; they get paths, never arrays.
"""

from collections.abc import Callable
from collections.abc import Iterator
from concurrent import futures
import contextlib
import logging
import multiprocessing
import os
from typing import Any

from synth import errors
from synth import host_memory

SERIAL, PROCESSES, DASK = 'serial', 'processes', 'dask'
MOST_PROCESSES = 256  # of one host; all are started with the first task


class Serial(futures.Executor):
  """Does everything at once, here."""

  def submit(
    self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
  ) -> futures.Future:
    future: futures.Future = futures.Future()
    try:
      future.set_result(fn(*args, **kwargs))
    except Exception as error:  # as an executor does: the caller asks for it
      future.set_exception(error)
    return future


def cores() -> int:
  """Cores this process may use."""
  return len(os.sched_getaffinity(0))


def width(executor: futures.Executor) -> int:
  """How many threads of this process do as much at once as it does."""
  if isinstance(executor, Serial):
    return 1
  return getattr(executor, '_max_workers', cores())


def check(spec: str) -> None:
  """Refuses what names no executor.

  Raises:
    InputError: says what there is.
  """
  kind, _, rest = spec.partition(':')
  if kind == PROCESSES and rest:
    known = rest.isdecimal() and 1 <= int(rest) <= MOST_PROCESSES
  else:
    known = kind in (PROCESSES, DASK) or spec == SERIAL
  if not known:
    raise errors.InputError(
      f'unknown executor {spec!r}: choose from {SERIAL}, {PROCESSES}, '
      f'{PROCESSES}:N (N at most {MOST_PROCESSES}), {DASK}, {DASK}:ADDRESS'
    )


@contextlib.contextmanager
def open_executor(spec: str = PROCESSES) -> Iterator[futures.Executor]:
  """An executor by name.

  Args:
    spec: `serial`; `processes` (one a core) or `processes:N`; `dask` (a local
      cluster, one worker a core) or `dask:ADDRESS` of a scheduler.

  Raises:
    InputError: if there is no such executor, or it loses a worker for good.
  """
  check(spec)
  kind, _, rest = spec.partition(':')
  if kind == SERIAL:
    yield Serial()
  elif kind == PROCESSES:
    # Started afresh, so that nothing of this process (threads of JAX) is
    # shared; and only when the first task comes.
    context = multiprocessing.get_context('spawn')
    pool = futures.ProcessPoolExecutor(
      int(rest or cores()), context, host_memory.keep_freed
    )
    try:
      yield pool
    except futures.process.BrokenProcessPool:
      raise errors.InputError(
        'a worker process was killed (out of memory?): the same command resumes'
      ) from None
    finally:
      pool.shutdown(cancel_futures=True)
  else:
    with _dask(rest) as executor:
      yield executor


@contextlib.contextmanager
def _dask(address: str) -> Iterator[futures.Executor]:
  """A Dask cluster as an executor."""
  try:
    import distributed  # an optional extra
  except ImportError:
    raise errors.InputError(
      "the executor 'dask' needs the extra: pip install -e '.[dask]'"
    ) from None
  try:
    client = (
      distributed.Client(address)
      if address
      else distributed.Client(
        n_workers=cores(), threads_per_worker=1, silence_logs=logging.WARNING
      )
    )
  except (OSError, ValueError) as error:
    reason = str(error).splitlines()[0]
    raise errors.InputError(
      f'no Dask scheduler at {address}: {reason}'
    ) from None
  with client, client.get_executor(pure=False) as executor:
    yield executor
