"""Locks: one holder at a time, however often they change."""

from concurrent import futures
import shutil

from configs import support as support_config
from synth import inputs as inputs_lib
from synth import locks
from synth.splits import split as split_lib


def test_holders_that_come_and_go_exclude_each_other(tmp_path):
  inside, most = [], []

  def hold(_):
    with locks.exclusive(tmp_path / 'lock', 'busy', wait=True):
      inside.append(0)
      most.append(len(inside))
      inside.pop()

  with futures.ThreadPoolExecutor(4) as threads:
    for future in [threads.submit(hold, k) for k in range(2000)]:
      future.result()
  assert set(most) == {1}
  assert not list(tmp_path.iterdir())


def test_a_lock_may_be_removed_while_it_is_looked_at(tmp_path):
  asked = []

  class Path(type(tmp_path)):
    def stat(self, **options):
      asked.append(self.name)
      if asked.count('lock') % 2 == 0 and self.name == 'lock':
        raise FileNotFoundError(str(self))
      return super().stat(**options)

  for _ in range(2):
    with locks.exclusive(Path(tmp_path / 'lock'), 'busy', wait=False) as held:
      assert held
  assert asked.count('lock') > 2


def test_a_split_that_several_want_at_once_is_made_once(tmp_path):
  config = support_config.get_config('tiny')
  made = inputs_lib.load_or_build(config, tmp_path)
  directory = split_lib.place(tmp_path, made.context.settings)
  shutil.rmtree(directory.parent)
  with futures.ThreadPoolExecutor(3) as threads:
    found = list(
      threads.map(
        lambda _: inputs_lib.load_or_build(config, tmp_path).sha256, range(3)
      )
    )
  assert found == [made.sha256] * 3
  assert [path.name for path in directory.parent.iterdir()] == [directory.name]
