"""The peer of `benchmarks.decoding`: `synth.model` in PyTorch, with a cache.

The same layers with the same parameters, several models one after the other;
sampling as one would write it: a static key-value cache, scaled dot-product
attention, multinomial draws.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from synth import model as model_lib
from synth.language import tokens
from synth.universe import executors

VERSION = torch.__version__
_EPSILON = 1e-6  # of nnx.RMSNorm
_Cache = list[tuple[torch.Tensor, torch.Tensor]]


class Model:
  """Models of `synth.model`.

  Args:
    params_S: Their parameters, stacked.
    shape: Their shape.
  """

  def __init__(self, params_S: Any, shape: model_lib.Config):
    torch.set_num_threads(executors.cores())
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
      self._read(params, self._prefix(params, spec), cache, 0)
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
        x = self._embed(params, tok_R[:, None], start)
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
      self._read(params, self._prefix(params, spec), cache, 0)
      steps = []
      for position in range(tok_BxT.shape[1]):
        tok = torch.from_numpy(tok_BxT[:, position, None]).to(self._device)
        start = self._shape.prefix + position
        x = self._embed(params, tok, start)
        steps.append(self._read(params, x, cache, start))
      found.append(torch.cat(steps, dim=1).cpu().numpy())
    return np.stack(found)

  def _empty(self, rows: int) -> _Cache:
    shape = self._shape
    size = (rows, shape.H, shape.prefix + shape.length, shape.D // shape.H)
    zeros = torch.zeros(size, device=self._device)
    return [(zeros.clone(), zeros.clone()) for _ in range(shape.N)]

  def _prefix(self, params: Any, spec: torch.Tensor) -> torch.Tensor:
    encoder = params['encoder']
    x = _linear(encoder['embed'], spec)
    for i in range(self._shape.M):
      h = F.relu(_norm(encoder['norms'][i], x))
      x = x + _linear(encoder['layers'][i], h)
    x = _linear(encoder['out'], F.relu(_norm(encoder['norm'], x)))
    return x[:, None] + params['position'][: self._shape.prefix]

  def _embed(self, params: Any, tok: torch.Tensor, start: int) -> torch.Tensor:
    return params['embed'][tok] + params['position'][start]

  def _read(
    self, params: Any, x: torch.Tensor, cache: _Cache, start: int
  ) -> torch.Tensor:
    """Logits after one new position, which is put into the cache."""
    shape = self._shape
    for i, (k_cache, v_cache) in enumerate(cache):
      block = params['blocks'][i]
      qkv = _linear(block['qkv'], _norm(block['attention_norm'], x))
      q, k, v = qkv.view(len(x), 1, 3, shape.H, -1).permute(2, 0, 3, 1, 4)
      k_cache[:, :, start : start + 1] = k
      v_cache[:, :, start : start + 1] = v
      y = F.scaled_dot_product_attention(
        q, k_cache[:, :, : start + 1], v_cache[:, :, : start + 1]
      )
      x = x + _linear(block['out'], y.transpose(1, 2).reshape(x.shape))
      h = F.relu(_linear(block['up'], _norm(block['mlp_norm'], x)))
      x = x + _linear(block['down'], h)
    return _linear(params['head'], _norm(params['norm'], x))


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
