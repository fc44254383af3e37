"""How many floating-point operations a model needs: counted, not measured.

A product of n x k and k x m counts 2 n k m. Attention counts every pair of
positions, masked or not. Softmax, norms, activations and rotations (below 5 %,
less the wider the model) count nothing, nor does looking up an embedding. The
backward pass of a product is two products, but that of the encoder's first
layer, whose input needs no gradient, is one. What `model.remat` computes anew
is not counted: these are the operations that the model needs, which its
utilization is measured by (Chowdhery et al. 2022, arXiv 2204.02311, B).
"""

import jax

from synth import model as model_lib

# Operations a second of a device in bfloat16 with float32 sums, dense, as its
# maker states them; by the start of `jax.Device.device_kind`.
_PEAK = {
  'NVIDIA H200': 989e12,
  'NVIDIA H100 PCIe': 756e12,
  'NVIDIA H100 NVL': 835e12,
  'NVIDIA H100': 989e12,
  'NVIDIA A100': 312e12,
  'TPU v4': 275e12,
  'TPU v5 lite': 197e12,
  'TPU v5': 459e12,
  'TPU v6 lite': 918e12,
}


def peak() -> float | None:
  """Operations a second of all devices together; None if it is not known."""
  kinds = [device.device_kind for device in jax.devices()]
  for start, operations in _PEAK.items():
    if all(kind.startswith(start) for kind in kinds):
      return operations * len(kinds)
  return None


def forward(config: model_lib.Config) -> dict[str, int]:
  """Operations of one sequence, by group of parameters (`model.GROUPS`).

  A sequence is all positions: the prefix and `length` tokens, padding included.
  `scores` are the products of attention that have no parameters.
  """
  c = config
  positions = c.prefix + c.length
  mlp_matrices = 3 if c.mlp == 'swiglu' else 2
  return {
    'encoder': c.prefix * 2 * (_inputs(c) * c.W + c.M * c.W**2 + c.W * c.D),
    'attention': c.N * positions * 2 * 4 * c.D**2,
    'scores': c.N * positions * 2 * 2 * positions * c.D,
    'mlp': c.N * positions * 2 * mlp_matrices * c.D * c.F,
    'head': c.length * 2 * c.D * c.vocabulary,
  }


def training(config: model_lib.Config) -> int:
  """Operations of one sequence in a training step: forward and backward."""
  first_layer = config.prefix * 2 * _inputs(config) * config.W
  return 3 * sum(forward(config).values()) - first_layer


def _inputs(config: model_lib.Config) -> int:
  return config.features // config.prefix
