"""The benchmark of training counts what a compiled step sends."""

from benchmarks.training import collectives

# As XLA prints a step on several CPU devices, with what surrounds it left out.
_PROGRAM = """
  %all-reduce.1 = (f32[1,32,96]{2,1,0}, /*index=1*/f32[]) all-reduce(%a, %b),
  %all-reduce.2 = bf16[8,2]{1,0} all-reduce(%c), channel_id=2
  ROOT %all-gather.3 = s32[1,64]{1,0} all-gather(%d), dimensions={1}
  %fusion.4 = f32[4]{0} fusion(%all-reduce.2), calls=%all-reduce.sum
"""


def test_collectives_and_their_bytes_are_counted():
  assert collectives.count(_PROGRAM) == {
    'all-gather': {'count': 1, 'bytes': 64 * 4},
    'all-reduce': {'count': 2, 'bytes': (32 * 96 + 1) * 4 + 16 * 2},
  }
  assert collectives.count('') == {}
