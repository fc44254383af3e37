"""`synth.model` in PyTorch: the peer of benchmarks of decoding and training.

The same layers with the same parameters. `Model` samples as one would write
it, several models one after the other: a static key-value cache, scaled
dot-product attention, multinomial draws. `Trainer` trains one model as
`synth.train` does: fused AdamW, clipped, a learning rate of its own each step.
"""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils import checkpoint

from synth import errors
from synth import model as model_lib
from synth.language import tokens
from synth.universe import executors

VERSION = torch.__version__
_EPSILON = 1e-6  # of nnx.RMSNorm
_Cache = list[tuple[torch.Tensor, torch.Tensor]]
# What attention makes of queries, keys and values BxHxTxK.
_Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Model:
  """Models of `synth.model`.

  Args:
    params_S: Their parameters, stacked.
    shape: Their shape.
  """

  def __init__(self, params_S: Any, shape: model_lib.Config):
    torch.set_num_threads(executors.cores())
    torch.set_float32_matmul_precision('high')  # TF32 on GPUs, as in XLA
    self._device = 'cuda' if torch.cuda.is_available() else 'cpu'
    self._shape = shape
    count = len(params_S['embed'])
    self._params = [_part(params_S, s, self._device) for s in range(count)]

  @torch.inference_mode()
  def sample(
    self, spec_BxF: np.ndarray, programs: int, length: int, seed: int
  ) -> np.ndarray:
    """Tokens drawn at temperature 1: tok_SxRxT."""
    generator = torch.Generator(self._device).manual_seed(seed)
    written = []
    for params in self._params:
      spec = torch.from_numpy(spec_BxF).to(self._device)
      cache = self._empty(len(spec))
      self._read(params, _prefix(params, spec, self._shape), cache, 0)
      cache = [
        (
          k.repeat_interleave(programs, dim=0),
          v.repeat_interleave(programs, dim=0),
        )
        for k, v in cache
      ]
      rows = len(spec) * programs
      tok_R = torch.full((rows,), tokens.BOS, device=self._device)
      out = torch.empty((rows, length), dtype=torch.long, device=self._device)
      for position in range(length):
        start = self._shape.prefix + position
        x = _embed(params, tok_R[:, None], start)
        logits = self._read(params, x, cache, start)[:, -1]
        logits[:, : tokens.EOS] = -torch.inf
        tok_R = torch.multinomial(
          F.softmax(logits, dim=-1), 1, generator=generator
        )[:, 0]
        out[:, position] = tok_R
      written.append(out.cpu().numpy())
    return np.stack(written)

  @torch.inference_mode()
  def logits(self, spec_BxF: np.ndarray, tok_BxT: np.ndarray) -> np.ndarray:
    """Logits after each token, one by one through the cache: SxBxTxV."""
    found = []
    for params in self._params:
      spec = torch.from_numpy(spec_BxF).to(self._device)
      cache = self._empty(len(spec))
      self._read(params, _prefix(params, spec, self._shape), cache, 0)
      steps = []
      for position in range(tok_BxT.shape[1]):
        tok = torch.from_numpy(tok_BxT[:, position, None]).to(self._device)
        start = self._shape.prefix + position
        x = _embed(params, tok, start)
        steps.append(self._read(params, x, cache, start))
      found.append(torch.cat(steps, dim=1).cpu().numpy())
    return np.stack(found)

  def _empty(self, rows: int) -> _Cache:
    shape = self._shape
    size = (rows, shape.H, shape.prefix + shape.length, shape.D // shape.H)
    zeros = torch.zeros(size, device=self._device)
    return [(zeros.clone(), zeros.clone()) for _ in range(shape.N)]

  def _read(
    self, params: Any, x: torch.Tensor, cache: _Cache, start: int
  ) -> torch.Tensor:
    """Logits after one new position, which is put into the cache."""

    def attend_to(k_cache: torch.Tensor, v_cache: torch.Tensor) -> _Attend:
      def attend(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
      ) -> torch.Tensor:
        k_cache[:, :, start : start + 1] = k
        v_cache[:, :, start : start + 1] = v
        return F.scaled_dot_product_attention(
          q, k_cache[:, :, : start + 1], v_cache[:, :, : start + 1]
        )

      return attend

    for i, kv in enumerate(cache):
      x = _layer(params['blocks'][i], x, self._shape.H, attend_to(*kv))
    return _linear(params['head'], _norm(params['norm'], x))


class Trainer:
  """Trains one model.

  Args:
    params_S: Parameters of models; the first is trained.
    shape: Its shape.
    opt: Settings of the optimizer, `config.opt`.
    lr_N: Learning rate of each step.
    device: `cpu` or `cuda`.
    compiled: Whether `torch.compile` makes loss and gradients.

  Raises:
    InputError: for a model that is not written here.
  """

  def __init__(
    self,
    params_S: Any,
    shape: model_lib.Config,
    opt: Any,
    lr_N: np.ndarray,
    device: str,
    compiled: bool,
  ):
    for name, value in {
      'positions': 'learned', 'mlp': 'relu', 'tied': False, 'mup': None,
    }.items():  # fmt: skip
      if getattr(shape, name) != value:
        raise errors.InputError(
          f'the PyTorch peer has model.{name}={value!r} only, not '
          f'{getattr(shape, name)!r}'
        )
    torch.set_num_threads(executors.cores())
    torch.set_float32_matmul_precision('high')  # TF32 on GPUs, as in XLA
    self._device, self._shape, self._lr_N = device, shape, lr_N
    self._dtype = getattr(torch, shape.dtype)
    if shape.scan:
      blocks = params_S['blocks']
      split = {
        i: jax.tree.map(lambda x, i=i: x[:, i], blocks) for i in range(shape.N)
      }
      params_S = {**params_S, 'blocks': split}
    self._params = _part(params_S, 0, device)
    kernels: list[torch.Tensor] = []
    others: list[torch.Tensor] = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(self._params):
      leaf.requires_grad_()
      (kernels if path[-1].key == 'kernel' else others).append(leaf)
    self._leaves = kernels + others
    self._clip_norm = opt.clip_norm
    self._optimizer = torch.optim.AdamW(
      [
        {'params': kernels, 'weight_decay': opt.weight_decay},
        {'params': others, 'weight_decay': 0.0},
      ],
      lr=float(lr_N[0]),
      betas=(0.9, opt.b2),
      fused=True,
    )
    self._loss = self._loss_fn
    if compiled:
      self._loss = torch.compile(self._loss_fn, fullgraph=True)
    self._steps = 0

  def host(self, batch: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The first model's part of a batch of `synth.data`, on the host."""
    return {
      name: torch.from_numpy(
        array[0] if name == 'spec' else array[0].astype(np.int64)
      )
      for name, array in batch.items()
    }

  def step(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """One step on a batch of `host`; its loss, which may not be there yet."""
    on_device = {
      name: tensor.to(self._device, non_blocking=True)
      for name, tensor in batch.items()
    }
    lr = float(self._lr_N[min(self._steps, len(self._lr_N) - 1)])
    for group in self._optimizer.param_groups:
      group['lr'] = lr
    self._optimizer.zero_grad(set_to_none=True)
    loss = self._loss(self._params, **on_device)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(self._leaves, self._clip_norm, foreach=True)
    self._optimizer.step()
    self._steps += 1
    return loss.detach()

  def wait(self) -> None:
    """Until the device has done what it was asked for."""
    if self._device == 'cuda':
      torch.cuda.synchronize()

  @torch.inference_mode()
  def logits(self, batch: Mapping[str, torch.Tensor]) -> np.ndarray:
    """Logits of a batch of `host`: BxTxV."""
    found = self._logits(
      self._params,
      batch['spec'].to(self._device),
      batch['input'].to(self._device),
    )
    return found.cpu().numpy()

  def _loss_fn(
    self,
    params: Any,
    spec: torch.Tensor,
    input: torch.Tensor,  # the batch's name for it
    target: torch.Tensor,
  ) -> torch.Tensor:
    logits = self._logits(params, spec, input)
    return F.cross_entropy(
      logits.flatten(0, 1), target.flatten(), ignore_index=tokens.PAD
    )

  def _logits(
    self, params: Any, spec: torch.Tensor, tok: torch.Tensor
  ) -> torch.Tensor:
    shape, head = self._shape, params['head']
    if self._dtype != torch.float32:
      params = _cast(params, self._dtype)
    x = torch.cat(
      [
        _prefix(params, spec.to(self._dtype), shape),
        _embed(params, tok, shape.prefix),
      ],
      dim=1,
    )
    for i in range(shape.N):
      args = (params['blocks'][i], x, shape.H, _causal)
      if shape.remat:
        x = checkpoint.checkpoint(_layer, *args, use_reentrant=False)
      else:
        x = _layer(*args)
    x = _norm(params['norm'], x)[:, shape.prefix :]
    return _linear(head, x.float())


def _prefix(
  params: Any, spec_BxF: torch.Tensor, shape: model_lib.Config
) -> torch.Tensor:
  encoder = params['encoder']
  x = _linear(
    encoder['embed'], spec_BxF.reshape(len(spec_BxF), shape.prefix, -1)
  )
  for i in range(shape.M):
    h = F.relu(_norm(encoder['norms'][i], x))
    x = x + _linear(encoder['layers'][i], h)
  x = _linear(encoder['out'], F.relu(_norm(encoder['norm'], x)))
  return x + params['position'][: shape.prefix]


def _embed(params: Any, tok_BxT: torch.Tensor, start: int) -> torch.Tensor:
  position = params['position'][start : start + tok_BxT.shape[1]]
  return F.embedding(tok_BxT, params['embed']) + position


def _layer(
  block: Any, x: torch.Tensor, heads: int, attend: _Attend
) -> torch.Tensor:
  qkv = _linear(block['qkv'], _norm(block['attention_norm'], x))
  q, k, v = qkv.view(*x.shape[:2], heads, 3, -1).permute(3, 0, 2, 1, 4)
  y = attend(q, k, v)
  x = x + _linear(block['out'], y.transpose(1, 2).reshape(x.shape))
  h = F.relu(_linear(block['up'], _norm(block['mlp_norm'], x)))
  return x + _linear(block['down'], h)


def _causal(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
  return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def _cast(tree: Any, dtype: torch.dtype) -> Any:
  if isinstance(tree, dict):
    return {name: _cast(value, dtype) for name, value in tree.items()}
  return tree.to(dtype)


def _part(tree: Any, model: int, device: str) -> Any:
  """The parameters of one model, kernels as PyTorch wants them."""
  if not isinstance(tree, dict):
    return torch.from_numpy(np.array(tree[model])).to(device)
  part = {name: _part(value, model, device) for name, value in tree.items()}
  if 'kernel' in part:
    part['kernel'] = part['kernel'].T.contiguous()
  return part


def _linear(params: Any, x: torch.Tensor) -> torch.Tensor:
  return F.linear(x, params['kernel'], params.get('bias'))


def _norm(params: Any, x: torch.Tensor) -> torch.Tensor:
  return F.rms_norm(x, x.shape[-1:], params['scale'], _EPSILON)
