"""The distinct subtrees of many programs, as one directed acyclic graph.

Programs of one grammar share most of their subtrees: of 10,000 programs of 11
nodes over four leaves and four operators, a quarter of the nodes are distinct.
Built with numpy, all programs at once and one height after the other: equal
(operator, arguments) get one number.
"""

import dataclasses

import numpy as np

from synth.language import tokens

_TABLE = 8  # keys possible for each one met, up to which they are looked up


@dataclasses.dataclass(frozen=True)
class Dag:
  """N nodes: the V tokens as leaves, then bucket after bucket.

  Attributes:
    arg_NxA: Arguments of each node, which come before it; 0 beyond its arity.
    buckets: (operator, first node, node after the last) of all nodes of one
      height and operator.
    root_P: The node of each program; the leaf PAD where the row is none.
    parsed_P: Whether the row is exactly one program.
  """

  arg_NxA: np.ndarray
  buckets: list[tuple[str, int, int]]
  root_P: np.ndarray
  parsed_P: np.ndarray


def most_tokens(vocabulary: tokens.Vocabulary) -> int:
  """So many tokens, padding included, that one DAG can hold them."""
  symbols = len(vocabulary)
  # The key of a node, its symbol and its arguments, has 63 bits.
  nodes = (2**63 / symbols) ** (1 / vocabulary.max_arity)
  return int(nodes * (1 - 1e-9)) - symbols


def build(tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary) -> Dag:
  """The DAG of token rows, programs or not.

  Args:
    tok_PxL: Tokens of the vocabulary, L > 0.
    vocabulary: What they mean.

  Raises:
    ValueError: if there are more than `most_tokens`.
  """
  symbols = len(vocabulary)
  max_arity = vocabulary.max_arity
  if tok_PxL.size > most_tokens(vocabulary):
    raise ValueError(f'{tok_PxL.shape} tokens are too many for one DAG')
  token_LxP, arity_LxP, parsed_P = _parse(tok_PxL, vocabulary)
  start_AxLxP, height_LxP = _arguments(arity_LxP, max_arity)
  # Places in the L x P array, flat: a gather takes one index.
  start_AxI = start_AxLxP.reshape(max_arity, -1)
  token_I, arity_I = token_LxP.reshape(-1), arity_LxP.reshape(-1)
  height_I = height_LxP.reshape(-1)
  # With a row for where arguments would start that an operator lacks.
  node_I = np.zeros(len(token_I) + len(tok_PxL), np.int64)
  node_I[: len(token_I)] = token_I
  args = [np.zeros((symbols, max_arity), np.int32)]
  buckets: list[tuple[str, int, int]] = []
  nodes = symbols
  for height in range(1, int(height_I.max(initial=0)) + 1):
    place = np.flatnonzero(height_I == height)
    arity = arity_I.take(place)
    same = bool((arity == max_arity).all())
    key = token_I.take(place).astype(np.int64)
    for argument, start_I in enumerate(start_AxI):
      arg = node_I.take(start_I.take(place))
      key = key * nodes + (arg if same else np.where(arity > argument, arg, 0))
    key, number = _distinct(key, symbols * nodes**max_arity)
    node_I[place] = nodes + number
    arg_NxA = np.empty((len(key), max_arity), np.int32)
    for argument in reversed(range(max_arity)):
      key, arg_NxA[:, argument] = np.divmod(key, nodes)
    args.append(arg_NxA)
    bound = np.searchsorted(key, np.arange(symbols + 1)) + nodes
    buckets += [
      (vocabulary.symbols[token], int(bound[token]), int(bound[token + 1]))
      for token in np.flatnonzero(np.diff(bound)).tolist()
    ]
    nodes += len(key)
  root_P = np.where(parsed_P, node_I[: len(tok_PxL)], tokens.PAD)
  return Dag(np.concatenate(args), buckets, root_P.astype(np.int32), parsed_P)


def _parse(
  tok_PxL: np.ndarray, vocabulary: tokens.Vocabulary
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """token_LxP, arity_LxP (0 where no program is) and parsed_P."""
  token_LxP = np.ascontiguousarray(tok_PxL.T)
  arity_LxP = vocabulary.arity_V.astype(np.int8).take(token_LxP)
  stop_LxP = (token_LxP == tokens.PAD) | (token_LxP == tokens.EOS)
  stopped_LxP = np.logical_or.accumulate(stop_LxP, axis=0)
  after_LxP = np.zeros_like(stopped_LxP)  # the first stop, PAD or EOS
  after_LxP[1:] = stopped_LxP[:-1]
  change_LxP = np.where(stopped_LxP, 0, arity_LxP - 1)
  # Arguments still missing before each position.
  missing_LxP = np.ones(
    (len(token_LxP) + 1, len(tok_PxL)), _counts(len(token_LxP))
  )
  for position, change_P in enumerate(change_LxP):
    np.add(missing_LxP[position], change_P, out=missing_LxP[position + 1])
  bad_LxP = np.where(
    stopped_LxP,
    after_LxP & (token_LxP != tokens.PAD),
    (arity_LxP < 0) | (missing_LxP[:-1] <= 0),
  )
  parsed_P = ~bad_LxP.any(axis=0) & (missing_LxP[-1] == 0)
  arity_LxP = np.where(stopped_LxP | ~parsed_P, 0, arity_LxP)
  return token_LxP, arity_LxP, parsed_P


def _counts(length: int) -> type[np.signedinteger]:
  """What holds any number of arguments, and any height, of so long a row."""
  return np.int16 if 2 * length < 2**15 else np.int32


def _arguments(
  arity_LxP: np.ndarray, max_arity: int
) -> tuple[np.ndarray, np.ndarray]:
  """Where each argument of each node starts (flat), and the nodes' heights."""
  length, programs = arity_LxP.shape
  place_LxP = np.arange((length + 1) * programs).reshape(-1, programs)
  end_LxP = place_LxP.copy()  # where the subtree ends that starts here
  height_LxP = np.zeros((length + 1, programs), _counts(length))
  end_I, height_I = end_LxP.reshape(-1), height_LxP.reshape(-1)
  start_AxLxP = np.empty((max_arity, length, programs), np.int64)
  has_AxLxP = arity_LxP > np.arange(max_arity)[:, None, None]
  for position in reversed(range(length)):
    height_P = height_LxP[position]
    end_P = place_LxP[position + 1]
    for argument, has_LxP in enumerate(has_AxLxP):
      start_AxLxP[argument, position] = end_P
      has_P = has_LxP[position]
      above_P = height_I.take(end_P)
      above_P += 1
      above_P *= has_P  # `where=has_P` takes many times as long
      np.maximum(height_P, above_P, out=height_P)
      end_P = np.where(has_P, end_I.take(end_P), end_P)
    end_LxP[position] = end_P
  return start_AxLxP, height_LxP[:length]


def _distinct(key_K: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
  """The distinct keys in order, and the index of each key among them."""
  if limit <= _TABLE * max(len(key_K), 1 << 12):
    table = np.zeros(limit, np.int32)
    table[key_K] = 1
    keys = np.flatnonzero(table)
    table[keys] = np.arange(len(keys))
    return keys, table.take(key_K)
  order = np.argsort(key_K)
  key_K = key_K.take(order)
  new_K = np.ones(len(key_K), bool)
  np.not_equal(key_K[1:], key_K[:-1], out=new_K[1:])
  number_K = np.empty(len(key_K), np.int32)
  number_K[order] = np.cumsum(new_K, dtype=np.int32) - 1
  return key_K[new_K], number_K
