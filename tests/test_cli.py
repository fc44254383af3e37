"""Command lines: exit codes, the one line on stderr, the JSON on stdout.

A Python process that has imported everything forks for each command, so that a
command is a process of its own but starts at once.
"""

import dataclasses
import json
import os
import pathlib
import shlex
import subprocess
import sys

import numpy as np
import pytest

from synth import cli
from synth import runs
from synth.splits import split as split_lib

_ROOT = pathlib.Path(__file__).parents[1]
_TINY = (
  '--config=configs/support.py:tiny --config.universe.max_size=5 '
  '--config.split.num_test=4 --config.split.num_dev=6 '
)
# As in `test_train`, so that both share their compiled steps.
_SHORT = (
  '--config.data.batch_size=32 --config.opt.num_steps=120 '
  '--config.train.dev_every_steps=120 --config.train.log_every_steps=40 '
  '--config.train.checkpoint_every_steps=120 --config.eval.num_samples=4 '
  '--config.eval.batch_size=6 '
)
_ARITHMETIC = '--grammar=configs/grammars/arithmetic.bnf '

# Reads a list of (name, module, arguments, stdin), writes NAME.out, NAME.err
# and prints {name: exit code}. `{dir}` in arguments is the directory.
_DRIVER = """
import json, os, runpy, sys, traceback, warnings
import synth.baselines.__main__
import synth.evaluate, synth.interpret, synth.splits.__main__
import synth.train, synth.universe.__main__
import launch.local, launch.slurm, launch.sweep, launch.tpu
directory, codes = sys.argv[1], {}
for name, module, arguments, stdin in json.load(sys.stdin):
  with open(f'{directory}/{name}.in', 'w') as file:
    file.write(stdin)
  child = os.fork()
  if not child:
    streams = [os.open(f'{directory}/{name}.in', os.O_RDONLY)]
    for end in ('out', 'err'):
      path = f'{directory}/{name}.{end}'
      streams.append(os.open(path, os.O_CREAT | os.O_WRONLY))
    for number, stream in enumerate(streams):
      os.dup2(stream, number)
    warnings.simplefilter('ignore')
    sys.stdin = open(0)
    sys.argv = [module, *arguments]
    code = 99  # a tool never returns
    try:
      runpy.run_module(module, run_name='__main__', alter_sys=True)
    except SystemExit as end:
      code = end.code or 0
    except BaseException:
      traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)  # skips half a second of tidying up
  codes[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(codes))
"""


@dataclasses.dataclass(frozen=True)
class Case:
  """A command; `error` are parts of its one line on stderr, if it fails."""

  name: str
  module: str
  arguments: str
  error: tuple[str, ...] = ()
  stdin: str = ''


# In this order: later commands read what earlier ones made.
_GOOD = [
  Case(
    'universe',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --max_size=5 --workdir={dir}/u',
  ),
  Case(
    'universe_again',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --config.universe.max_size=5 '
    "--workdir={dir}/u --describe='(x * x - 1) / (x + 1)' --audit=20",
  ),
  Case('splits', 'synth.splits', _TINY + '--workdir={dir}/data'),
  Case('verify', 'synth.splits', '--verify={dir}/data'),
  Case(
    'train',
    'synth.train',
    _TINY + _SHORT + '--workdir={dir}/run --data={dir}/data',
  ),
  Case('evaluate', 'synth.evaluate', '--workdir={dir}/run'),
  Case(
    'baselines',
    'synth.baselines',
    '--workdir={dir}/run --budget=100 --bank_size=3',
  ),
  Case('search', 'synth.search', '--workdir={dir}/run --bank_sizes=1'),
  Case(
    'interpret',
    'synth.interpret',
    _ARITHMETIC + "--points='x=0.5,0,-2'",
    stdin='x + 1\n1 / x\n\n1 / (x - x)\nx +\ny\n(x - 3) / 2\nx ^ 2\nneg(x)\n',
  ),
]
_BAD = [
  Case('nothing_given', 'synth.evaluate', '', ('give --workdir=...', '--help')),
  Case(
    'data_are_not_there',
    'synth.train',
    _TINY + '--workdir={dir}/x --data={dir}/nowhere',
    ('no data in {dir}/nowhere', 'synth.splits'),
  ),
  Case(
    'unknown_executor',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --max_size=5 --workdir={dir}/u '
    '--executor=grid',  # of a universe that is there
    ("'grid'", 'processes'),
  ),
  Case(
    'a_way_to_decode_that_only_evaluation_would_need',
    'synth.train',
    _TINY + '--workdir={dir}/x --config.eval.method=bea',
    ("unknown eval.method 'bea'", "did you mean 'beam'"),
  ),
  Case(
    'no_test_set',
    'synth.evaluate',
    '--workdir={dir}/run --tests=',
    ('--tests= names no set',),
  ),
  Case(
    'no_temperature',
    'synth.evaluate',
    '--workdir={dir}/run --temperatures=',
    ('--temperatures= has no temperature',),
  ),
  Case(
    'edges_that_would_be_a_split_of_their_own',
    'synth.splits',
    _TINY + "--workdir={dir}/x --config.split.edges='sub>div'",
    ("split.edges='sub>div'", "must be written 'sub > div'"),
  ),
  Case(
    'nothing_to_describe',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --max_size=5 --workdir={dir}/u '
    '--describe=',
    ('program',),
  ),
  Case(
    'what_cannot_be_described_before_anything_is_built',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --workdir={dir}/bad.bnf '
    "--describe='x +'",
    ("program 'x +'",),
  ),
  Case(
    'no_grammar_file',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --max_size=1 --workdir={dir}/u1 '
    '--grammar=',
    ('grammar file',),
  ),
  Case(
    'more_processes_than_a_host_has_room_for',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --workdir={dir}/x '
    '--executor=processes:100000',
    ("'processes:100000'", 'at most 256'),
  ),
  Case(
    'more_pairs_than_memory_holds',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --workdir={dir}/x '
    '--audit=1000000000',
    ('--audit=1000000000',),
  ),
  Case(
    'more_processes_that_make_batches',
    'synth.train',
    _TINY + '--workdir={dir}/x --grain_workers=100000',
    ('--grain_workers=100000',),
  ),
  Case(
    'a_list_of_the_config',
    'synth.train',
    _TINY + "--workdir={dir}/x --config.spaces.grid='(1,2)'",
    ('--config.spaces.grid is a list', 'recipe of your own'),
  ),
  Case(
    'no_time_at_all',
    'synth.train',
    _TINY + '--workdir={dir}/x --grace_s=nan',
    ('--grace_s=nan',),
  ),
  Case(
    'a_time_budget_that_is_no_number',
    'launch.sweep',
    '--out={dir}/x --over=opt.lr=1 --dry_run --time_budget=nan -- ' + _TINY,
    ('--time_budget=nan',),
  ),
  Case(
    'describes_another_language',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --config.universe.max_size=5 '
    "--workdir={dir}/u --describe='x + y'",
    ("'y'", 'arithmetic.bnf'),
  ),
  Case(
    'settings_of_another_split',
    'synth.splits',
    _TINY + '--config.split.kind=ladder --workdir={dir}/x',
    ("split.kind='ladder'", 'split.num_arm'),
  ),
  Case(
    'arms_of_one_class',
    'synth.splits',
    '--config=configs/density.py:tiny --config.universe.max_size=5 '
    '--config.split.num_arm=1 --workdir={dir}/small',
    ('split.num_arm=1',),
  ),
  Case(
    'no_variable',
    'synth.train',
    '--config=configs/density.py:tiny --config.universe.grammar={dir}/n.bnf '
    '--config.universe.max_size=7 --config.split.num_test=4 '
    '--config.split.num_dev=6 --config.split.num_arm=20 --workdir={dir}/n',
    ('n.bnf has no variable',),
  ),
  Case(
    'no_port',
    'synth.train',
    _TINY + '--workdir={dir}/x --coordinator=host --num_processes=2 '
    '--process_id=0',
    ('--coordinator=host has no port',),
  ),
  Case(
    'no_runs_at_a_time',
    'launch.sweep',
    '--config=configs/study.py:toy --config.at_once=0 --dry_run',
    ('at_once=0',),
  ),
  Case(
    'unknown_variant',
    'synth.train',
    '--config=configs/support.py:tinny --workdir={dir}/x',
    ("'tinny'", "did you mean 'tiny'"),
  ),
  Case(
    'unknown_universe',
    'synth.universe',
    '--config=configs/universe.py:arithmetc --workdir={dir}/x',
    ("'arithmetc'", "did you mean 'arithmetic'"),
  ),
  Case(
    'unknown_key',
    'synth.train',
    _TINY + '--config.opt.num_step=3 --workdir={dir}/x',
    ('num_step', 'num_steps'),
  ),
  Case(
    'unknown_key_like_no_other',
    'synth.train',
    _TINY + '--config.opt.nope=3 --workdir={dir}/x',
    ("no key 'nope'",),
  ),
  Case(
    'wrong_type',
    'synth.train',
    _TINY + '--config.opt.num_steps=many --workdir={dir}/x',
    ('opt.num_steps', 'many'),
  ),
  Case(
    'unknown_flag',
    'synth.train',
    _TINY + '--workdri={dir}/x',
    ('workdri', 'workdir'),
  ),
  Case(
    'no_config_file',
    'synth.splits',
    '--config=configs/suport.py:tiny --workdir={dir}/x',
    ('configs/suport.py',),
  ),
  Case('no_config', 'synth.train', '--workdir={dir}/x', ('config',)),
  Case(
    'no_config_or_verify', 'synth.splits', '--workdir={dir}/x', ('--config',)
  ),
  Case(
    'config_and_verify',
    'synth.splits',
    _TINY + '--verify={dir}/data',
    ('leave out --config',),
  ),
  Case('stray_argument', 'synth.train', _TINY + 'stray', ("'stray'", '--help')),
  Case('no_workdir', 'synth.evaluate', '', ('workdir',)),
  Case(
    'unknown_arm',
    'synth.train',
    _TINY + '--config.data.arm=train_d --workdir={dir}/no_arm',
    ("'train_d'", "did you mean 'train_"),
  ),
  Case(
    'unknown_split',
    'synth.splits',
    _TINY + '--config.split.kind=densty --workdir={dir}/no_split',
    ("'densty'", "did you mean 'density'"),
  ),
  Case(
    'other_config',
    'synth.train',
    _TINY
    + _SHORT
    + '--config.opt.lr=0.5 --workdir={dir}/run --data={dir}/data',
    ('{dir}/run/run.json', 'config.opt.lr=0.003', '0.5'),
  ),
  Case(
    'foreign_universe',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --max_size=4 --workdir={dir}/u',
    ('{dir}/u/universe', 'max_size=5', '4'),
  ),
  Case(
    'sweep_of_nothing', 'launch.sweep', '--out={dir}/x', ('--over and --point',)
  ),
  Case(
    'sweep_with_a_workdir',
    'launch.sweep',
    '--out={dir}/x --over=opt.lr=1,2 -- --workdir=y',
    ('--workdir=y', 'chooses it'),
  ),
  Case(
    'job_without_a_config',
    'launch.slurm',
    '--dry_run -- --workdir={dir}/x',
    ('--config=...', 'after --'),
  ),
  Case(
    'demo_of_no_recipe',
    'launch.demo',
    '--config=configs/universe.py:arithmetic --workdir={dir}/x',
    ("no 'spaces'",),
  ),
  Case(
    'half_of_the_processes',
    'synth.train',
    _TINY + '--num_processes=2 --workdir={dir}/x',
    ('--coordinator and --process_id',),
  ),
  Case(
    'workdir_is_a_file',
    'synth.train',
    _TINY + '--workdir=README.md',
    ('--workdir=README.md is no directory',),
  ),
  Case(
    'workdir_is_empty',
    'synth.train',
    _TINY + '--workdir=',
    ('--workdir= is no directory',),
  ),
  Case('foreign_run', 'synth.evaluate', '--workdir={dir}/data', ('run.json',)),
  Case(
    'temperature_is_no_number',
    'synth.evaluate',
    '--workdir={dir}/run --temperatures=0.2,hot',
    ('--temperatures', "'hot'"),
  ),
  Case('no_run', 'synth.baselines', '--workdir={dir}/data', ('run.json',)),
  Case('no_search', 'synth.search', '--workdir={dir}/nope', ('{dir}/nope',)),
  Case(
    'no_sizes',
    'synth.search',
    '--workdir={dir}/run --bank_sizes=3,large',
    ('--bank_sizes=3,large',),
  ),
  Case(
    'no_directory', 'synth.evaluate', '--workdir={dir}/nope', ('{dir}/nope',)
  ),
  Case(
    'no_manifest',
    'synth.splits',
    '--verify={dir}/nope/manifest.json',
    ('{dir}/nope',),
  ),
  Case(
    'no_grammar',
    'synth.interpret',
    '--grammar={dir}/nope.bnf --points=x=1',
    ('{dir}/nope.bnf',),
  ),
  Case(
    'bad_grammar',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --grammar={dir}/bad.bnf '
    '--workdir={dir}/x',
    ('{dir}/bad.bnf',),
  ),
  Case(
    'bad_size',
    'synth.universe',
    '--config=configs/universe.py:arithmetic --max_size=0 --workdir={dir}/x',
    ('max_size',),
  ),
  Case(
    'unwritable',
    'synth.splits',
    _TINY + '--workdir={dir}/bad.bnf',
    ('{dir}/bad.bnf',),
  ),
  *(
    Case(
      f'points_{number}',
      'synth.interpret',
      _ARITHMETIC + shlex.quote(f'--points={points}'),
      ('--points', *parts),
    )
    for number, (points, parts) in enumerate(
      [
        ('x', ("'x'", 'variable=number')),
        ('x=1,two', ("'x=1,two'",)),
        ('x=1/0', ("'x=1/0'",)),
        ('x=1e999999999', ("'x=1e999999999'", 'a float can hold')),
        ('x=1,1e400', ("'x=1,1e400'", 'a float can hold')),
        ('y=1', ("no values for 'x'",)),
        ('x=1;x=2', ("'x' is given twice",)),
        ('x=1,2;y=1', ('unequal numbers',)),
        ('3=1', ("'3=1'",)),
        ('', ("no values for 'x'",)),
      ]
    )
  ),
]
_LAUNCH = [
  Case(
    f'launch_{tool}', f'launch.{tool}', f'{flags}-- {_TINY} --workdir={{dir}}/x'
  )
  for tool, flags in (
    ('local', '--dry_run --num_processes=2 '),
    ('slurm', '--dry_run --nodes=2 '),
    ('tpu', '--with=gcloud '),
  )
] + [
  Case(
    'launch_sweep',
    'launch.sweep',
    f'--out={{dir}}/x --over=opt.lr=1,2 --dry_run --evaluate -- {_TINY}',
  )
]
_HELP = [
  Case(f'help_{tool}', f'synth.{tool}', '--help')
  for tool in [
    'universe',
    'splits',
    'interpret',
    'train',
    'evaluate',
    'baselines',
    'search',
  ]
]


@dataclasses.dataclass(frozen=True)
class Done:
  """What a command left."""

  code: int
  out: list[str]
  err: list[str]

  @property
  def result(self):
    """The last line of stdout."""
    return json.loads(self.out[-1])


@pytest.fixture(scope='module')
def directory(tmp_path_factory):
  directory = tmp_path_factory.mktemp('cli')
  (directory / 'bad.bnf').write_text('expr ::= x | expr +\n')
  (directory / 'n.bnf').write_text(
    'e ::= 1 | 2 | e + e | e - e | e * e | e / e'
  )
  return directory


@pytest.fixture(scope='module')
def done(directory):
  """Name -> what the command left."""
  cases = [*_GOOD, *_BAD, *_LAUNCH, *_HELP]
  assert len({case.name for case in cases}) == len(cases)
  commands = [
    (
      case.name,
      case.module,
      [
        part.replace('{dir}', str(directory))
        for part in shlex.split(case.arguments)
      ],
      case.stdin,
    )
    for case in cases
  ]
  driver = subprocess.run(
    [sys.executable, '-c', _DRIVER, str(directory)],
    input=json.dumps(commands),
    cwd=_ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert driver.returncode == 0, driver.stderr
  codes = json.loads(driver.stdout.splitlines()[-1])

  def lines(name, end):
    return (directory / f'{name}.{end}').read_text().splitlines()

  return {
    name: Done(code, lines(name, 'out'), lines(name, 'err'))
    for name, code in codes.items()
  }


@pytest.mark.parametrize('case', _BAD, ids=lambda case: case.name)
def test_bad_input_is_one_line_and_exit_code_2(done, directory, case):
  found = done[case.name]
  assert found.code == 2, found.err
  assert not found.out
  # The line comes last; what was being built may have said so before it.
  *before, line = found.err
  assert line.startswith('error: ')
  assert not [text for text in before if not text.startswith('enumerate ')]
  for part in case.error:
    assert part.replace('{dir}', str(directory)) in line


@pytest.mark.parametrize('name', ['no_arm', 'no_split'])
def test_what_no_split_can_be_is_refused_before_building(done, directory, name):
  assert done['unknown_arm'].code == done['unknown_split'].code == 2
  assert not (directory / name).exists()


@pytest.mark.parametrize('case', _GOOD, ids=lambda case: case.name)
def test_good_input_ends_with_a_json_object_and_exit_code_0(done, case):
  found = done[case.name]
  assert found.code == 0, found.err
  assert isinstance(found.result, dict)
  if case.name != 'interpret':
    assert len(found.out) == 1


@pytest.mark.parametrize('case', _HELP, ids=lambda case: case.name)
def test_help_lists_the_flags(done, case):
  found = done[case.name]
  assert found.code in (0, 1)
  text = '\n'.join(found.out + found.err)
  for flag in {
    'universe': ['--config', '--workdir', '--grammar', '--max_size'],
    'splits': ['--config', '--workdir', '--verify'],
    'interpret': ['--grammar', '--points'],
    'train': [
      '--config',
      '--workdir',
      '--data',
      '--arms',
      '--tensorboard',
      '--profile',
      '--coordinator',
      '--num_processes',
      '--process_id',
      '--distributed',
    ],
    'evaluate': ['--workdir'],
    'baselines': ['--workdir', '--config', '--budget', '--bank_size'],
    'search': ['--workdir', '--bank_sizes'],
  }[case.module.split('.')[1]]:
    assert f'  {flag}: ' in text or f'  --[no]{flag[2:]}: ' in text
  assert 'Traceback' not in text


@pytest.mark.parametrize('case', _LAUNCH, ids=lambda case: case.name)
def test_a_dry_run_prints_the_commands_of_training(done, directory, case):
  found = done[case.name]
  assert found.code == 0, found.err
  # For a shell, or a file: without a result of their own.
  commands = found.out if case.name == 'launch_tpu' else found.out[:-1]
  assert not any(line.startswith('{') for line in commands)
  train = [line for line in commands if 'synth.train' in line]
  assert len(train) == (
    2 if case.name in ('launch_local', 'launch_sweep') else 1
  )
  for line in train:
    for argument in shlex.split(_TINY):
      assert argument in line
    assert f'--workdir={directory}/x' in line


def test_the_universe_reports_its_sizes(done, directory):
  result = done['universe'].result
  assert result['new_classes_by_size'] == {'1': 4, '3': 28, '5': 249}
  assert result['programs_by_size'] == {'1': 4, '3': 64, '5': 2048}
  assert result['seconds'] >= 0 and result['peak_bytes'] > 10**7
  assert (directory / 'u' / 'universe' / 'manifest.json').exists()
  # --max_size and the config's key are two ways to say the same.
  again = done['universe_again'].result
  assert again['new_classes_by_size'] == result['new_classes_by_size']
  described = again['described']
  assert described['minimal_size'] == 3 and described['some'] == ['x - 1']
  assert described['depends'] == ['x']
  # 1: none, 3: x - 1, 5: x - (2 - 1) and others.
  assert described['programs_by_size']['3'] == 1
  manifest = directory / 'u' / 'universe' / 'manifest.json'
  noted = json.loads(manifest.read_text())['notes']['audit']
  assert noted == again['audit'] and noted['passed']


def test_making_and_verifying_a_split_report_the_same(done, directory):
  made, verified = done['splits'].result, done['verify'].result
  assert verified == {'splits': [made]}
  (split,) = split_lib.stored(directory / 'data')
  assert made['manifest'] == str(split / 'manifest.json')
  assert made['classes']['test_novel'] == made['classes']['test_control'] == 4
  assert made['checks'] and all(made['checks'].values())
  assert len(made['sha256']) == 64
  assert json.loads((split / 'manifest.json').read_text())['measurements']


def test_training_reports_steps_losses_and_parameters(done, directory):
  result = done['train'].result
  assert result.keys() == {'steps', 'loss', 'dev_loss', 'diverged', 'params'}
  assert result['steps'] == 120 and 0 < result['loss'] < 3
  record = json.loads((directory / 'run' / 'run.json').read_text())
  assert result['params'] == record['params']['total']
  assert not (directory / 'run' / 'universe').exists()  # it is in --data


def test_evaluation_reports_the_result_without_its_longest_parts(
  done, directory
):
  stored = runs.read_result(directory / 'run')
  found = done['evaluate'].result
  hidden = stored.keys() - found.keys()
  assert hidden == {
    'config', 'versions', 'inputs_sha256', 'files_sha256', 'calibration',
    'calibration_strata',
    'reliability', 'retrieval', 'best_by_forced', 'pass@k_by_seed',
  }  # fmt: skip
  assert all(found[name] == stored[name] for name in found)


def test_baselines_report_the_share_they_solve(done, directory):
  stored = json.loads((directory / 'run' / 'baselines.json').read_text())
  record = json.loads((directory / 'run' / 'run.json').read_text())
  for key in ('config', 'inputs_sha256'):
    assert stored[key] == record[key]
  found = done['baselines'].result
  assert found.keys() == stored['baselines'].keys() and len(found) == 5
  result = done['evaluate'].result
  for name, told in result['baselines'].items():
    nearest = found['nearest_neighbour'][name]['1']
    constant = found['best_constant'][name]['1']
    assert nearest == told['nearest_neighbour']
    assert constant == told['best_constant']


def test_the_interpreter_prints_a_line_for_each_program(done):
  lines = [json.loads(line) for line in done['interpret'].out]
  values = [line.get('values') for line in lines[:-1]]
  assert values == [
    [1.5, 1.0, -1.0],
    [2.0, None, -0.5],
    [None, None, None],
    None,
    None,
    [-1.25, -1.5, -2.5],
    None,
    None,
  ]
  for line in lines[:-1]:
    assert line.keys() in ({'values'}, {'error'})
    if 'error' in line:
      assert isinstance(line['error'], str) and '\n' not in line['error']
  assert 'unexpected end' in lines[3]['error']
  assert 'does not derive' in lines[4]['error'] and 'y' in lines[4]['error']
  assert "'^'" in lines[6]['error']
  assert lines[-1] == {'programs': 8, 'errors': 4, 'points': 3}


def test_lines_that_are_no_text_and_values_that_are_no_float_are_errors():
  large = ' * '.join(['exp(x)'] * 11)
  found = subprocess.run(
    [sys.executable, '-m', 'synth.interpret', '--points=x=80;y=1',
     '--grammar=configs/grammars/scientific.bnf'],
    input=b'x + y\n\xff\n' + large.encode(),
    env={**os.environ, 'PYTHONIOENCODING': 'utf-8:strict'},
    cwd=_ROOT, capture_output=True,
  )  # fmt: skip
  assert found.returncode == 0, found.stderr
  one, no_text, too_large, _ = map(json.loads, found.stdout.splitlines())
  assert one == {'values': [81.0]}
  assert no_text.keys() == {'error'}
  assert too_large == {'error': 'a value is larger than 1.8e+308'}


def test_a_full_disk_is_called_that(capsys):
  for write in (
    lambda: np.zeros(100_000).tofile('/dev/full'),
    lambda: pathlib.Path('/dev/full').write_text('x'),
  ):
    with pytest.raises(SystemExit, match='2'):
      cli._guarded(write)
    told = capsys.readouterr().err
    assert told.count('\n') == 1
    assert 'is the disk full?' in told or 'No space left' in told


@pytest.mark.parametrize(
  'error, told',
  [
    (MemoryError('Unable to allocate 745. GiB for an array'), '745. GiB'),
    (
      RuntimeError('INTERNAL: Error: Out of memory allocating 7200 bytes.'),
      'Out of memory allocating 7200 bytes',
    ),
    (RuntimeError('RESOURCE_EXHAUSTED: Failed to allocate 3 B'), '3 B'),
  ],
)
def test_a_lack_of_memory_is_called_that(error, told, capsys):
  def main():
    raise error

  with pytest.raises(SystemExit, match='2'):
    cli._guarded(main)
  message = capsys.readouterr().err
  assert message.startswith('error: not enough memory') and told in message
  assert message.count('\n') == 1


def test_refused_commands_leave_nothing_behind(done, directory):
  assert not (directory / 'x' / 'run.json').exists()
  assert not (directory / 'nope').exists()
  assert not list(directory.rglob('*.tmp*'))
