"""T2: every configuration of the study, run or only declared, as HTML."""

from collections.abc import Mapping
from collections.abc import Sequence
import html
import json
from typing import Any
from typing import NamedTuple

import ml_collections

from analysis import webpage
from analysis.study import plan
from analysis.study import study as study_lib
from synth import records
from synth import size as size_lib

# What every recipe has (`synth.training.optimizer`, `synth.model`).
_ALWAYS = (
  'Decoder transformer, causal, pre-norm (RMSNorm), no dropout; AdamW with '
  'decoupled weight decay on matrices, b1 0.9, epsilon 1e-8; the rate rises '
  'linearly, then falls to 0 by the schedule; cross-entropy of the program\'s '
  'tokens, padding left out. Initial values: matrices truncated normal of '
  'variance 1 / fan-in, embedding and learned positions normal of standard '
  'deviation 0.5 and 0.3, biases 0.'
)  # fmt: skip
_CONFIG = ('largest program', 'layers, width, heads, MLP',
           'encoder: layers, width', 'positions, MLP, head', 'precision',
           'batch', 'steps',
           'programs shown', 'peak rate, b2, weight decay, warm-up (share of '
           'steps), clipping, schedule', 'samples, temperature',
           'classes a test')  # fmt: skip
_HEAD = ('contrast', *_CONFIG, 'parameters (without embedding)',
         'FLOPs a model', 'splits', 'runs finished', 'seeds a run',
         'seconds to train a run, all its seeds', 'device')  # fmt: skip


class _Row(NamedTuple):
  """Runs of one contrast and configuration.

  Attributes:
    config: Of one of them.
    declared: Those of the plan.
    found: Records.
  """

  config: Mapping[str, Any]
  declared: list[plan.Declared]
  found: list[records.Record]


def table(study: study_lib.Study) -> str:
  """All configurations; what is the same in all of them is said once."""
  rows: dict[tuple[str, ...], _Row] = {}

  def row(contrast: str, config: Mapping[str, Any]) -> _Row:
    key = contrast, *_settings(config)
    return rows.setdefault(key, _Row(config, [], []))

  for run in study.declared:
    row(run.contrast, run.config).declared.append(run)
  for contrast, found in study.contrasts.items():
    for record in found:
      row(contrast, record.facts['config']).found.append(record)
  shown = [
    [*map(html.escape, key), *map(html.escape, _measures(one))]
    for key, one in rows.items()
  ]
  same = [
    len(shown) > 1 and len(set(column)) == 1
    for column in zip(*shown, strict=True)
  ]
  common = ''.join(
    f'<li>{name}: {cell}</li>'
    for name, cell, all_of in zip(_HEAD, shown[0], same, strict=True)
    if all_of
  )
  differing = [
    [cell for cell, all_of in zip(line, same, strict=True) if not all_of]
    for line in (_HEAD, *shown)
  ]
  told = f'<p>The same in all runs:</p><ul>{common}</ul>' if common else ''
  return (
    f'<p>{html.escape(_ALWAYS)}</p>{told}'
    + webpage.table(differing[0], differing[1:])
  )  # fmt: skip


def _settings(config: Mapping[str, Any]) -> tuple[str, ...]:
  """Cells of `_CONFIG`."""
  model, opt, sampling = config['model'], config['opt'], config['eval']
  batch, steps = config['data']['batch_size'], opt['num_steps']
  return (
    str(config['universe']['max_size']),
    f'{model["N"]}, {model["D"]}, {model["H"]}, {model["F"]}',
    f'{model["M"]}, {model["W"]}',
    f'{model["positions"]}, {model["mlp"]}, '
    f'{"tied to the embedding" if model["tied"] else "not tied"}',
    str(model['dtype']),
    str(batch),
    f'{steps:,}',
    f'{batch * steps:,}',
    f'{opt["lr"]:g}, {opt["b2"]:g}, {opt["weight_decay"]:g}, '
    f'{opt["warmup_share"]:g}, {opt["clip_norm"]:g}, {opt["schedule"]}',
    f'{sampling["num_samples"]:,}, {sampling["temperature"]:g}',
    f'{sampling["num_tasks"] or config["split"]["num_test"]:,}',
  )


def _measures(row: _Row) -> list[str]:
  """The other cells: of the records, where there is none of the plan."""
  if row.found:
    facts = row.found[0].facts
    params, flops = facts['params'], facts['flops']
    seeds = {len(record.facts['seeds']) for record in row.found}
    splits = {study_lib.split_seed(record) for record in row.found}
  else:
    plain = json.loads(json.dumps(row.config))
    size = size_lib.describe(ml_collections.ConfigDict(plain))
    params = size['params']
    sequences = (
      row.config['opt']['num_steps'] * row.config['data']['batch_size']
    )
    flops = size['training_flops_per_sequence'] * sequences
    seeds, splits = set(), set()
  seeds |= {len(run.facts['seeds']) for run in row.declared}
  splits |= {run.split for run in row.declared}
  total = params['total']
  number = f'{len(row.found)}'
  if row.declared:
    number += f' of {len(row.declared)}'
  return [
    f'{total:,} ({total - params["embedding"]:,})',
    f'{flops:.2e}',
    str(len(splits)),
    number,
    ' or '.join(map(str, sorted(seeds))),
    _seconds(row.found),
    ', '.join(sorted({_device(r.facts['device']) for r in row.found})) or '-',
  ]


def _seconds(found: Sequence[records.Record]) -> str:
  seconds = [r.facts['seconds'].get('train') for r in found]
  known = [value for value in seconds if value is not None]
  return f'{sum(known) / len(known):,.0f}' if known else 'not measured'


def _device(device: Any) -> str:
  if isinstance(device, dict):
    return ', '.join(str(value) for value in device.values())
  return str(device)
