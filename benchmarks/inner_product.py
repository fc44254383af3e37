"""The inner product of two levels of a universe on an accelerator.

  python -m benchmarks.inner_product --out=benchmarks/results/inner_product.json

What enumeration does to every pair of classes, from residues to 128 bits of
identity, for all operators of `arithmetic`: numpy on one core, as
`synth.universe.field` does it, and JAX on the device there is. Both must give
the same bits. The rest of an enumeration (sorting, grouping, writing) stays on
the host, so what counts is the time until the identities are there
(`to_host`); `on_device` leaves the transfer out.

A back end that is not five times as fast to the host is not worth having, and
one that is may not be: reciprocals, sorting and all else are as slow as before
(`docs/universe.md` has the shares).
"""

from collections.abc import Callable
import functools
import pathlib
import tempfile
import time
from typing import Any

from absl import flags
import jax
import jax.numpy as jnp
import numpy as np

from synth import cli
from synth import host_memory
from synth import progress
from synth import runs
from synth.language import grammar as grammar_lib
from synth.universe import build as build_lib
from synth.universe import candidates
from synth.universe import field as field_lib
from synth.universe import identity

_OPERATORS = ('add', 'sub', 'mul', 'div')
_SIZE = 9  # of the classes that are paired
_RIGHT = 2048  # of them, so that reciprocals are shared as in a tile
_AIM = 5.0  # times numpy's rate


def _numpy(
  policy: field_lib.Field, symbol: str, a: identity.Values, b: identity.Values
) -> tuple[np.ndarray, np.ndarray]:
  """key_AxB and rest_AxB, strip by strip as enumeration does."""
  rows = max(candidates._STRIP // b[0].shape[-1], 1)
  ready = policy.ready(symbol, 1, b)
  found = []
  for start in range(0, len(a[0]), rows):
    part = tuple(value[start : start + rows] for value in a)
    values, _ = policy.apply(symbol, (part, ready), identity.undecided)
    found.append(policy.pack(values))
  key, rest = zip(*found, strict=True)
  return np.concatenate(key), np.concatenate(rest)


@functools.partial(jax.jit, static_argnames=('symbol', 'primes'))
def _device(
  symbol: str, a_KxA: jax.Array, b_KxB: jax.Array, primes: tuple[int, ...]
) -> tuple[jax.Array, jax.Array]:
  """The same; divisors come as their reciprocals. Needs 64-bit integers."""
  values = []
  for k, prime in enumerate(primes):
    p = np.uint64(prime)
    a, b = a_KxA[k][:, None].astype(jnp.uint64), b_KxB[k].astype(jnp.uint64)
    if symbol == 'add':
      values.append((a + b) % p)
    elif symbol == 'sub':
      values.append((a + (p - b)) % p)
    else:
      values.append((a * b) % p)
  high, low = ((values[k] << np.uint64(31)) | values[k + 1] for k in (0, 2))
  return (high * field_lib._HIGH) ^ (low * field_lib._LOW), low


def _best(call: Callable[[], Any], rounds: int) -> float:
  call()
  times = []
  for _ in range(rounds):
    start = time.perf_counter()
    call()
    times.append(time.perf_counter() - start)
  return min(times)


def measure(rows: int, rounds: int) -> dict[str, Any]:
  """Candidates a second of each operator, both ways.

  Args:
    rows: Classes on the left.
    rounds: Measurements; the least time counts.

  Raises:
    SystemExit: if the bits differ.
  """
  grammar = grammar_lib.load(
    grammar_lib.find('configs/grammars/arithmetic.bnf')
  )
  with tempfile.TemporaryDirectory(prefix='universe-') as directory:
    place = pathlib.Path(directory) / 'u'
    universe = build_lib.build(place, grammar, _SIZE, 0, 'processes')
    policy = universe.policy
    values = universe.values_under(policy)
  assert isinstance(policy, field_lib.Field)
  rng = np.random.default_rng(0)
  left = rng.choice(len(values[0]), rows, replace=rows > len(values[0]))
  right = rng.choice(len(values[0]), _RIGHT, replace=False)
  a = tuple(value[left][:, None] for value in values)
  b = tuple(value[right] for value in values)
  primes = tuple(policy.primes)
  found: dict[str, Any] = {}
  bar = progress.Progress('inner product', len(_OPERATORS), 'operators')
  with jax.enable_x64(True):
    a_KxA = jax.device_put(np.stack([value[:, 0] for value in a]))
    for done, symbol in enumerate(_OPERATORS, 1):
      ready = np.stack(policy.ready(symbol, 1, b))

      def on_device(symbol: str = symbol, ready: np.ndarray = ready) -> Any:
        return jax.block_until_ready(_device(symbol, a_KxA, ready, primes))

      ours = tuple(map(np.asarray, on_device()))
      theirs = _numpy(policy, symbol, a, b)
      if not all(map(np.array_equal, ours, theirs)):
        raise SystemExit(f'{symbol}: the identities differ')
      seconds = {
        'numpy': _best(functools.partial(_numpy, policy, symbol, a, b), rounds),
        'on_device': _best(on_device, rounds),
        'to_host': _best(lambda: tuple(map(np.asarray, on_device())), rounds),
      }
      found[symbol] = {
        'seconds': seconds,
        'candidates_per_second': {
          name: rows * _RIGHT / each for name, each in seconds.items()
        },
      }
      bar.update(done)
  total = {
    name: sum(one['seconds'][name] for one in found.values())
    for name in ('numpy', 'on_device', 'to_host')
  }
  ratio = total['numpy'] / total['to_host']
  return {
    'operators': found,
    'candidates': len(_OPERATORS) * rows * _RIGHT,
    'seconds': total,
    'times_as_fast_as_numpy': {
      'on_device': total['numpy'] / total['on_device'],
      'to_host': ratio,
    },
    'aim_reached': ratio >= _AIM,
  }


def define_flags() -> None:
  """The command line."""
  flags.DEFINE_string('out', None, 'Where to write the record.', required=True)
  flags.DEFINE_integer('rows', 16_384, 'Classes on the left.', lower_bound=1)
  flags.DEFINE_integer('rounds', 5, 'Measurements of each.', lower_bound=1)


def main() -> dict[str, Any]:
  """Measures and writes the record."""
  args = flags.FLAGS
  host_memory.keep_freed()
  record = {
    **measure(args.rows, args.rounds),
    'rows': args.rows,
    'device': jax.devices()[0].device_kind,
    'versions': runs.versions(),
  }
  runs.write_json(pathlib.Path(args.out), record)
  return record


if __name__ == '__main__':
  define_flags()
  cli.run(main)
