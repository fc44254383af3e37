"""The model: causality, the cache against the full forward pass, shapes."""

import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synth import attention
from synth import errors
from synth import model as model_lib
from synth.language import tokens
from tests import jaxprs

_SHAPE = model_lib.Config(
  D=16, H=4, N=2, F=32, W=24, M=2, features=10, vocabulary=11, length=6
)
_ROWS = 3


_GRAPH = model_lib.split(_SHAPE)
# Compiled whole: operation by operation, JAX compiles hundreds of them.
_init = jax.jit(lambda seed: model_lib.init(_SHAPE, jax.random.key(seed)))
_forward = jax.jit(
  lambda params, *batch: model_lib.merge(_GRAPH, params)(*batch)
)


@pytest.fixture(scope='module')
def params():
  return _init(0)


@pytest.fixture(scope='module')
def model(params):
  return functools.partial(_forward, params)


@pytest.fixture(scope='module')
def batch():
  rng = np.random.default_rng(0)
  spec_BxF = rng.standard_normal((_ROWS, 10)).astype(np.float32)
  tok_BxT = rng.integers(3, 11, (_ROWS, 6)).astype(np.int32)
  tok_BxT[:, 0] = tokens.BOS
  return spec_BxF, tok_BxT


@pytest.fixture(scope='module')
def logits(model, batch):
  return np.asarray(model(*batch))


def test_logits_are_finite_float32_of_every_token_at_every_position(logits):
  assert logits.shape == (_ROWS, 6, 11)
  assert logits.dtype == np.float32
  assert np.isfinite(logits).all()


@pytest.mark.parametrize('position', range(6))
def test_a_token_changes_no_logits_before_it_and_all_from_it_on(
  model, batch, logits, position
):
  spec_BxF, tok_BxT = batch
  other = tok_BxT.copy()
  other[:, position] = np.where(other[:, position] == 5, 6, 5)
  change_BxT = np.abs(np.asarray(model(spec_BxF, other)) - logits).max(axis=2)
  assert change_BxT[:, :position].max(initial=0) < 1e-6
  assert change_BxT[:, position:].min() > 1e-4


def test_the_specification_changes_all_logits(model, batch, logits):
  spec_BxF, tok_BxT = batch
  changed = np.abs(np.asarray(model(spec_BxF + 1, tok_BxT)) - logits)
  assert changed.max(axis=2).min() > 1e-4


def test_rows_of_a_batch_do_not_touch_each_other(model, batch, logits):
  spec_BxF, tok_BxT = (array.copy() for array in batch)
  spec_BxF[[0, 2]] += 1
  tok_BxT[[0, 2]] = 7
  changed = np.asarray(model(spec_BxF, tok_BxT))
  np.testing.assert_allclose(changed[1], logits[1], atol=1e-6)


def test_positions_are_told_apart(model, batch):
  spec_BxF, _ = batch
  same = np.full((_ROWS, 6), 5, np.int32)
  logits = np.asarray(model(spec_BxF, same))
  assert np.abs(np.diff(logits, axis=1)).max(axis=2).min() > 1e-4


@pytest.mark.slow
def test_jit_changes_nothing(params, batch, logits):
  with jax.disable_jit():
    plain = model_lib.merge(_GRAPH, params)(*map(jnp.asarray, batch))
  np.testing.assert_allclose(plain, logits, atol=1e-5)


# Together they have every value of every option.
_VARIANTS = {
  'relu': {},
  'gelu points mup': {
    'mlp': 'gelu',
    'prefix': 5,
    'mup': model_lib.Mup(4, 2),
  },
  'swiglu rope tied': {'mlp': 'swiglu', 'positions': 'rope', 'tied': True},
  'scan points': {'scan': True, 'prefix': 2},
  'bfloat16 rope scan remat': {
    'dtype': 'bfloat16',
    'positions': 'rope',
    'scan': True,
    'remat': True,
  },
}


def _draw(config):
  """Parameters none of which is at a value at which it does nothing."""
  rng = np.random.default_rng(1)
  like = jax.eval_shape(lambda: model_lib.init(config, jax.random.key(0)))
  return jax.tree.map(
    lambda leaf: 0.3 * rng.standard_normal(leaf.shape, np.float32), like
  )


@pytest.fixture(scope='module', params=_VARIANTS)
def variant(request, batch):
  """A config, parameters and the logits of the batch."""
  config = dataclasses.replace(_SHAPE, **_VARIANTS[request.param])
  graph, params = model_lib.split(config), _draw(config)
  run = jax.jit(lambda params: model_lib.merge(graph, params)(*batch))
  return config, params, run(params)


def _norm(x, scale):
  return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6) * scale


def _linear(x, params):
  return x @ params['kernel'] + params.get('bias', 0)


_ACTIVE = {
  'relu': lambda x: np.maximum(x, 0),
  'gelu': lambda x: x / 2 * (1 + np.tanh((2 / np.pi) ** 0.5
                                         * (x + 0.044715 * x**3))),
  'swiglu': lambda x: x / (1 + np.exp(-x)),
}  # fmt: skip


def _turned(x_PxK):
  """Rotary positions as complex numbers."""
  half = x_PxK.shape[1] // 2
  z = x_PxK[:, :half] + 1j * x_PxK[:, half:]
  rate = 10_000.0 ** (-np.arange(half) / half)
  z = z * np.exp(1j * np.arange(len(z))[:, None] * rate)
  return np.concatenate([z.real, z.imag], axis=1)


def _reference(c, params, spec_F, tok_T):
  """Logits of one sequence, written out in float64."""
  x = _linear(spec_F.reshape(c.prefix, -1), params['encoder']['embed'])
  for i in range(c.M):
    norm = params['encoder']['norms'][i]['scale']
    layer = params['encoder']['layers'][i]
    x = x + _linear(np.maximum(_norm(x, norm), 0), layer)
  x = np.maximum(_norm(x, params['encoder']['norm']['scale']), 0)
  x = _linear(x, params['encoder']['out'])
  x = np.concatenate([x, params['embed'][tok_T]])
  x = x + params.get('position', 0)
  for i in range(c.N):
    block = (
      jax.tree.map(lambda leaf, i=i: leaf[i], params['blocks'])
      if c.scan
      else params['blocks'][i]
    )
    h = _linear(_norm(x, block['attention_norm']['scale']), block['qkv'])
    heads = []
    for q, k, v in h.reshape(len(x), c.H, 3, -1).transpose(1, 2, 0, 3):
      if c.positions == 'rope':
        q, k = _turned(q), _turned(k)
      width = c.D // c.H
      scale = width**-0.5
      if c.mup:  # equal to the tuned model's at its head width, then 1 / width
        scale = c.mup.base_head_width**-0.5 * c.mup.base_head_width / width
      score = np.where(np.tri(len(x)) > 0, q @ k.T * scale, -np.inf)
      share = np.exp(score - score.max(axis=1, keepdims=True))
      heads.append(share / share.sum(axis=1, keepdims=True) @ v)
    x = x + _linear(np.concatenate(heads, axis=1), block['out'])
    h = _norm(x, block['mlp_norm']['scale'])
    first = _linear(h, block['gate' if c.mlp == 'swiglu' else 'up'])
    active = _ACTIVE[c.mlp](first)
    if c.mlp == 'swiglu':
      active = active * _linear(h, block['up'])
    x = x + _linear(active, block['down'])
  x = _norm(x[c.prefix :], params['norm']['scale'])
  if c.tied:
    return x @ params['embed'].T / np.sqrt(c.D)
  return _linear(x, params['head'])


def _tolerance(config, logits):
  return 0.05 * np.std(logits) if config.dtype == 'bfloat16' else 2e-5


def test_every_option_is_what_its_formula_says(variant, batch):
  config, params, logits = variant
  params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
  for spec_F, tok_T, found in zip(*batch, logits, strict=True):
    wanted = _reference(config, params, spec_F.astype(np.float64), tok_T)
    atol = _tolerance(config, wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=atol)


def test_parameters_and_logits_are_float32_whatever_the_activations(variant):
  _, params, logits = variant
  assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {
    np.dtype('float32')
  }
  assert logits.dtype == jnp.float32


@pytest.mark.parametrize('dtype', model_lib.DTYPES)
def test_products_are_of_the_dtype_but_the_last(dtype, batch):
  config = dataclasses.replace(_SHAPE, dtype=dtype)
  graph = model_lib.split(config)
  like = jax.eval_shape(lambda: model_lib.init(config, jax.random.key(0)))
  traced = jax.make_jaxpr(lambda p, *b: model_lib.merge(graph, p)(*b))
  *others, last = (
    equation.outvars[0].aval
    for equation in jaxprs.equations(traced(like, *batch).jaxpr)
    if equation.primitive.name == 'dot_general'
  )
  # Scores of attention are accumulated in float32.
  assert {a.dtype.name for a in others if a.ndim == 2} == {dtype}
  assert last.dtype == jnp.float32


def test_the_cache_gives_what_the_full_forward_pass_gives_whatever_the_option(
  variant, batch
):
  config, params, logits = variant
  graph = model_lib.split(config)
  copies = 2

  @jax.jit
  def decode(params, spec_BxF, tok_BxT):
    model = model_lib.merge(graph, params)
    step = lambda cache, x: model.step(cache, *x)[::-1]  # noqa: E731
    cache = model.prefill(spec_BxF, copies)
    tok_TxR = jnp.repeat(tok_BxT, copies, axis=0).T
    return jax.lax.scan(step, cache, (tok_TxR, jnp.arange(len(tok_TxR))))[1]

  found = np.asarray(decode(params, *batch)).swapaxes(0, 1)
  for copy in range(copies):
    np.testing.assert_allclose(
      found[copy::copies], logits, atol=_tolerance(config, logits)
    )


def test_remat_and_scan_change_neither_logits_nor_gradients(batch):
  def loss_and_grads(params, **options):
    graph = model_lib.split(dataclasses.replace(_SHAPE, **options))
    loss = lambda p: jnp.sin(model_lib.merge(graph, p)(*batch)).sum()  # noqa: E731
    return jax.jit(jax.value_and_grad(loss))(params)

  def stack(tree):
    blocks = tree['blocks'].values()
    return {**tree, 'blocks': jax.tree.map(lambda *x: np.stack(x), *blocks)}

  params = _draw(_SHAPE)
  loss, grads = loss_and_grads(params)
  found, others = loss_and_grads(stack(params), scan=True, remat=True)
  np.testing.assert_allclose(found, loss, rtol=1e-5)
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, atol=1e-4),
    others,
    stack(grads),
  )


def test_scanned_layers_start_as_unrolled_ones():
  scanned = dataclasses.replace(_SHAPE, scan=True)
  init = lambda: model_lib.init(scanned, jax.random.key(0))  # noqa: E731
  traced = {
    name: leaf.shape
    for name, leaf in jax.eval_shape(init)['blocks']['qkv'].items()
  }
  assert traced == {'kernel': (_SHAPE.N, _SHAPE.D, 3 * _SHAPE.D)}
  found = jax.jit(lambda: init()['blocks']['qkv']['kernel'])()
  for i, block in _init(0)['blocks'].items():
    np.testing.assert_allclose(found[i], block['qkv']['kernel'], atol=1e-6)


def test_remat_computes_layers_anew(batch):
  def products(**options):
    config = dataclasses.replace(_SHAPE, **options)
    graph = model_lib.split(config)
    like = jax.eval_shape(lambda: model_lib.init(config, jax.random.key(0)))
    loss = lambda p: model_lib.merge(graph, p)(*batch).sum()  # noqa: E731
    traced = jax.make_jaxpr(jax.grad(loss))(like)
    names = [e.primitive.name for e in jaxprs.equations(traced.jaxpr)]
    return names.count('dot_general')

  plain = products()
  assert products(remat=True) > plain
  # One layer's equations in place of two.
  assert products(scan=True) < plain


def test_rotated_products_depend_on_the_distance_alone():
  rng = np.random.default_rng(0)
  q, k = rng.standard_normal((2, 1, 1, 1, 8)).astype(np.float32)
  turned = lambda x, i: np.asarray(attention.rotate(x, jnp.array([i])))  # noqa: E731
  np.testing.assert_allclose(turned(q, 0), q, atol=1e-6)
  products = [(turned(q, i + 3) * turned(k, i)).sum() for i in (0, 1, 50)]
  np.testing.assert_allclose(products, products[0], atol=1e-4)
  assert abs((turned(q, 4) * turned(k, 0)).sum() - products[0]) > 1e-3


@pytest.mark.parametrize(
  'kind, capability, options, wanted',
  [
    ('NVIDIA H100', '9.0', {'dtype': 'bfloat16'}, 'cudnn'),
    ('NVIDIA H100', '9.0', {'dtype': 'float32'}, 'xla'),
    ('NVIDIA H100', '9.0', {'dtype': 'bfloat16', 'H': 4}, 'xla'),
    ('Tesla V100', '7.0', {'dtype': 'bfloat16'}, 'xla'),
    ('AMD MI300', 'gfx942', {'dtype': 'bfloat16'}, 'xla'),
    ('cpu', None, {'dtype': 'bfloat16'}, 'xla'),
  ],
)
def test_the_fused_kernel_is_used_where_it_exists(
  monkeypatch, kind, capability, options, wanted
):
  device = types.SimpleNamespace(
    platform='cpu' if kind == 'cpu' else 'gpu',
    device_kind=kind,
    compute_capability=capability,
  )
  monkeypatch.setattr(jax, 'devices', lambda: [device])
  monkeypatch.setattr(attention, '_compiles', lambda *_: True)
  config = dataclasses.replace(_SHAPE, **{'H': 2, **options})
  found = attention.implementation(config.compute_dtype, config.head_width, 12)
  assert found == wanted


def test_without_its_library_the_fused_kernel_is_not_used(monkeypatch, capfd):
  """As on a GPU whose cuDNN is missing, too old, or refuses the shape."""
  device = types.SimpleNamespace(
    platform='gpu', device_kind='NVIDIA H100', compute_capability='9.0'
  )
  monkeypatch.setattr(jax, 'devices', lambda: [device])
  for _ in range(2):  # the JAX of the tests finds no cuDNN
    found = attention.implementation(jnp.bfloat16, 24, 11)
    assert found == 'xla'
  (line,) = capfd.readouterr().err.splitlines()
  assert line.startswith('warning: attention without the fused kernel')
  assert '12 positions and heads 24 wide' in line


@pytest.mark.parametrize('positions', [12, 13])
def test_the_fused_kernel_can_be_differentiated(monkeypatch, positions):
  """Lowered for a GPU, by JAX's own checks, which want to see cuDNN."""
  kernel = pytest.importorskip('jax._src.cudnn.fused_attention_stablehlo')
  monkeypatch.setattr(kernel, 'check_cudnn_version', lambda: 91000)
  monkeypatch.setattr(attention, 'implementation', lambda *_: 'cudnn')
  x = jnp.ones((2, positions, 2, 32), jnp.bfloat16)

  def loss(q, k, v):
    return attention.among_themselves(q, k, v, scale=1.0).sum()

  step = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))
  lowered = step.trace(x, x, x).lower(lowering_platforms=('cuda',)).as_text()
  assert '__cudnn$fmhaSoftmaxBackward' in lowered


def test_a_spare_position_changes_nothing(monkeypatch):
  rng = np.random.default_rng(0)
  qkv = rng.standard_normal((3, 2, 13, 2, 32)).astype(np.float32)

  def with_gradients():
    def values(*qkv):
      y = attention.among_themselves(*qkv, scale=0.2)
      return (y**2).sum(), y

    found = jax.value_and_grad(values, argnums=(0, 1, 2), has_aux=True)(*qkv)
    return [found[0][1], *found[1]]

  wanted = with_gradients()
  seen = []

  def fused(*qkv, implementation, **options):
    seen.append((qkv[0].shape[1], implementation))
    return in_xla(*qkv, implementation='xla', **options)

  in_xla = jax.nn.dot_product_attention
  monkeypatch.setattr(jax.nn, 'dot_product_attention', fused)
  monkeypatch.setattr(attention, 'implementation', lambda *_: 'cudnn')
  for one, other in zip(with_gradients(), wanted, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-5)
  assert seen == [(14, 'cudnn')]


@pytest.mark.parametrize('positions', [12, 13])
def test_attention_in_bfloat16_follows_that_in_float32(positions):
  # On a GPU it is the fused kernel, for one of them with a spare position.
  rng = np.random.default_rng(0)
  qkv = rng.standard_normal((3, 4, positions, 2, 32)).astype(np.float32)
  weight = rng.standard_normal(qkv.shape[1:])

  def values(*qkv):
    y = attention.among_themselves(*qkv, scale=0.2)
    return (y.astype(jnp.float32) * weight).sum(), y

  def with_gradients(dtype):
    args = jnp.asarray(qkv, dtype)
    function = jax.value_and_grad(values, argnums=(0, 1, 2), has_aux=True)
    (_, y), found = jax.jit(jax.vmap(function))(*args[:, None])
    return np.stack([y, *found]).astype(np.float32)

  exact = with_gradients(jnp.float32)
  error = np.abs(with_gradients(jnp.bfloat16) - exact).max()
  assert error < 0.02 * np.abs(exact).max()


@pytest.mark.parametrize('options', _VARIANTS.values(), ids=_VARIANTS)
def test_groups_of_parameters_follow_the_formula(options):
  c = dataclasses.replace(_SHAPE, **options)
  groups = model_lib.count_by_group(c)
  like = jax.eval_shape(lambda: model_lib.init(c, jax.random.key(0)))
  assert sum(groups.values()) == sum(x.size for x in jax.tree.leaves(like))
  matrices = 3 if c.mlp == 'swiglu' else 2
  assert groups == {
    'embedding': c.D
    * (c.vocabulary + (c.positions == 'learned') * (c.prefix + c.length)),
    'encoder': (
      (c.features // c.prefix * c.W + c.W)
      + c.M * (c.W**2 + 2 * c.W)
      + c.W
      + (c.W * c.D + c.D)
    ),
    'attention': c.N * 4 * c.D**2,
    'mlp': c.N * (matrices * c.D * c.F + (matrices - 1) * c.F + c.D),
    'norms': (2 * c.N + 1) * c.D,
    'head': (not c.tied) * (c.D + 1) * c.vocabulary,
  }


def test_the_key_decides_the_parameters():
  one, again, other = (_init(seed) for seed in (0, 0, 1))
  same = jax.tree.map(lambda a, b: np.array_equal(a, b), one, again)
  assert all(jax.tree.leaves(same))
  assert not np.array_equal(one['embed'], other['embed'])
  assert not np.array_equal(
    one['blocks'][0]['qkv']['kernel'], one['blocks'][1]['qkv']['kernel']
  )


def test_a_width_that_the_heads_do_not_divide_is_refused():
  with pytest.raises(errors.InputError, match=r'model\.D=16 .*model\.H=3'):
    dataclasses.replace(_SHAPE, H=3)


@pytest.mark.parametrize(
  'options, named',
  [
    ({'positions': 'ropes'}, r"model\.positions 'ropes': did you mean 'rope'"),
    ({'mlp': 'glu'}, r"model\.mlp 'glu'.* choose from relu, gelu, swiglu"),
    ({'dtype': 'float16'}, r"model\.dtype 'float16'"),
    ({'H': 16, 'positions': 'rope'}, r'even head width, .*model\.H=16 is 1'),
  ],
)
def test_options_that_do_not_exist_are_named(options, named):
  with pytest.raises(errors.InputError, match=named):
    dataclasses.replace(_SHAPE, **options)
