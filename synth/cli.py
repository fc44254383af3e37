"""What all command-line tools share: the config flag, exit codes, the result.

A tool's `main` returns a JSON-serializable dict, printed as the last line of
stdout. Bad input, bad flags and bad configs print one sentence on stderr and
exit with code 2.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import itertools
import json
import math
import os
import pathlib
import re
import sys
import traceback
from typing import Any
from typing import NoReturn

from absl import app
from absl import flags
from absl import logging
import ml_collections
from ml_collections import config_flags

from synth import errors
from synth import interruption

_EXIT_BAD_INPUT = 2
_EXIT_INTERRUPTED = 130  # what shells use for Ctrl-C
_MOST_PAIRS = 10_000_000  # of an audit, which holds them in memory


def define_config(example: str, required: bool = True) -> None:
  """Defines `--config`; `example` is shown in the help."""
  config_flags.DEFINE_config_file(
    'config',
    None,
    f'Recipe FILE.py:VARIANT, for instance {example}; --config.KEY=VALUE '
    'overrides one value of it.',
  )
  show('config')
  if required:
    flags.mark_flag_as_required('config')


def show(*names: str) -> None:
  """Has the tool's --help list flags that other modules have defined."""
  for name in names:
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def define_workdir(what: str) -> None:
  """Defines `--workdir`, which `workdir` reads; `what` is shown in the help."""
  flags.DEFINE_string(
    'workdir', None, f'{what} runs/RECIPE-VARIANT if not given.'
  )
  show('workdir')


def define_audit(what: str) -> None:
  """Defines `--audit`, a number of pairs; `what` is shown in the help."""
  flags.DEFINE_integer('audit', 0, what, lower_bound=0, upper_bound=_MOST_PAIRS)
  show('audit')


def define_seconds(name: str, default: float | None, what: str) -> None:
  """Defines a flag of seconds, at least 0; `what` is shown in the help."""
  flags.DEFINE_float(name, default, what, lower_bound=0)
  flags.register_validator(
    name,
    lambda seconds: seconds is None or not math.isnan(seconds),
    message='nan is no number of seconds',
  )
  show(name)


def workdir() -> pathlib.Path:
  """The working directory: as given, else named after the recipe."""
  given = flags.FLAGS.workdir
  if given is not None:
    if not given or (os.path.lexists(given) and not os.path.isdir(given)):
      raise errors.InputError(f'--workdir={given} is no directory')
    return pathlib.Path(given)
  recipe, _, variant = recipe_of(sys.argv).partition(':')
  name = '-'.join(filter(None, (pathlib.Path(recipe).stem, variant)))
  print(f'working directory: runs/{name}', file=sys.stderr)
  return pathlib.Path('runs') / name


def recipe_of(argv: Sequence[str]) -> str:
  """FILE.py:VARIANT, as `--config` was given."""
  for flag, value in itertools.zip_longest(argv, argv[1:], fillvalue=''):
    name, equals, text = flag.lstrip('-').partition('=')
    if name == 'config' and flag.startswith('-'):
      return text if equals else value
  return ''


def run(
  main: Callable[[], Mapping[str, Any] | None], forwards: bool = False
) -> None:
  """Parses the flags, runs `main`, prints its result if it has one, exits.

  Args:
    main: The tool.
    forwards: Whether arguments after `--` are another tool's: see `forwarded`.
  """
  # The libraries' INFO lines would bury our own progress; --verbosity=0 shows
  # them.
  logging.set_verbosity(logging.WARNING)
  interruption.listen()

  def parse(argv: Sequence[str]) -> list[str]:
    return _parse_flags(_split(argv)[0] if forwards else argv)

  app.run(lambda _: _guarded(main), flags_parser=parse)


def forwarded() -> list[str]:
  """The arguments after `--`, those of the config as `joined` writes them."""
  return joined(_split(sys.argv)[1])


def joined(argv: Sequence[str]) -> list[str]:
  """Arguments with the config's as --config=VALUE and --config.KEY=VALUE.

  They may be given with one dash, and in two words.
  """
  found: list[str] = []
  words = list(argv)
  while words:
    word = words.pop(0)
    name, equals, value = word.partition('=')
    if re.fullmatch(r'--?config(\..+)?', name):
      if not equals and words and not words[0].startswith('--'):
        value, equals = words.pop(0), '='
      word = f'--{name.lstrip("-")}{equals}{value}'
    found.append(word)
  return found


def load_config(arguments: Sequence[str]) -> ml_collections.ConfigDict:
  """The config that --config=FILE.py:VARIANT and --config.KEY=VALUE make.

  Raises:
    InputError: if there is no such file, key or value.
  """
  values, argv = flags.FlagValues(), ['', *arguments]
  config_flags.DEFINE_config_file('config', flag_values=values, sys_argv=argv)
  if not recipe_of(argv):
    raise errors.InputError('give --config=FILE.py:VARIANT')
  _check_config_file(argv)
  try:
    values(argv)
  except Exception as error:
    raise errors.InputError(f'config: {_last_sentence(error)}') from None
  return values.config


def overrides() -> list[str]:
  """The command line's --config.KEY=VALUE."""
  return [word for word in joined(sys.argv) if word.startswith('--config.')]


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
  place = argv.index('--') if '--' in argv else len(argv)
  return list(argv[:place]), list(argv[place + 1 :])


def _guarded(main: Callable[[], Mapping[str, Any] | None]) -> None:
  try:
    result = main()
  except errors.InputError as error:
    fail(str(error))
  except OSError as error:  # a full disk, a directory that is not writable
    # numpy tells how much it wrote, and not why no more.
    reason = error.strerror or f'{error}; is the disk full?'
    fail(f'{error.filename or "file system"}: {reason}')
  except MemoryError as error:
    fail(_no_memory(str(error)))
  except KeyboardInterrupt:
    print('interrupted: the same command resumes', file=sys.stderr)
    # What had to be saved was, on the way here. The threads of the device and
    # of the data loader do not survive the interpreter's own tidying up.
    interruption.kill_spawned()
    _end(_EXIT_INTERRUPTED)
  except Exception as error:
    if re.search('out of memory|RESOURCE_EXHAUSTED', str(error), re.IGNORECASE):
      fail(_no_memory(str(error)))
    if not _joined():
      raise
    traceback.print_exc()
    _end(1)
  if result is not None:
    print(json.dumps(result), flush=True)


def _no_memory(message: str) -> str:
  """A sentence for what numpy or XLA, which nests its messages, say."""
  found = re.search(r'[^:\n]*(allocat|out of memory)[^:\n]*', message, re.I)
  reason = f' ({found[0].strip()})' if found else ''
  return (
    f'not enough memory{reason}: make less at once (data.batch_size or '
    'opt.accumulation in training, eval.batch_size in evaluation)'
  )


def fail(message: str) -> NoReturn:
  """Prints one sentence and exits with code 2."""
  print(f'error: {message}', file=sys.stderr, flush=True)
  if _joined():
    _end(_EXIT_BAD_INPUT)
  sys.exit(_EXIT_BAD_INPUT)


def _joined() -> bool:
  """Whether this is one of several processes that train together.

  When one fails it ends at once: JAX's own tidying up would wait for the
  others, and they for it.
  """
  jax = sys.modules.get('jax')  # most tools do without
  return jax is not None and jax.distributed.is_initialized()


def _end(code: int) -> NoReturn:
  """Ends this process without the interpreter's tidying up."""
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)


def _parse_flags(argv: Sequence[str]) -> list[str]:
  """absl's parser, with every refusal as one sentence and exit code 2."""
  try:
    _check_config_file(argv)
    rest = flags.FLAGS(list(argv))
  except errors.InputError as error:
    fail(str(error))
  except flags.Error as error:
    fail(_missing(_last_sentence(error)))
  except Exception as error:
    # The config file itself, or an override it refuses: `--config.key=value`.
    fail(f'config: {_last_sentence(error)}')
  if len(rest) > 1:
    fail(f'unexpected argument {rest[1]!r}: all options are flags, see --help')
  return rest


def _missing(message: str) -> str:
  """What the library says of a required flag, or of a list, in words."""
  found = re.match(r'flag --(\w+)=None: .* other than None', message)
  if found:
    return f'give --{found[1]}=... (see --help)'
  found = re.match(r"Type <class 'list'> of field (\S+) is not", message)
  if found:
    return f'--{found[1]} is a list: change it in a recipe of your own'
  return message


def _check_config_file(argv: Sequence[str]) -> None:
  """The library would report a missing config file only when it is used.

  Raises:
    InputError: if there is none.
  """
  path = recipe_of(argv).partition(':')[0]
  if path and not pathlib.Path(path).is_file():
    raise errors.InputError(f'no config file {path!r}')


def _last_sentence(error: Exception) -> str:
  """The end of a message, where the library quotes a traceback before it.

  An error inside a config file comes as the text of its traceback, whose last
  line is `module.Class: message`.
  """
  while error.args and isinstance(error.args[0], Exception):
    error = error.args[0]
  text = str(error.args[0] if error.args else error).strip()
  if isinstance(error, KeyError) and text.startswith("'"):  # a key, no sentence
    text = f'no key {text}'
  if 'Traceback' in text:
    text = text.splitlines()[-1].split(': ', 1)[-1]
  return ' '.join(text.replace('\\n', ' ').split())
