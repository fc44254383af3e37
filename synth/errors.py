"""The one exception for bad input: its text is one sentence for the user."""


class InputError(ValueError):
  """Bad input: a grammar file, program, config, dataset or checkpoint.

  The message is one sentence that names the file, the place and the value.
  Command-line tools print it and exit with code 2.
  """
