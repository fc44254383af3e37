"""The ladder: success against compound divergence at fixed atom divergence."""

from collections.abc import Mapping

from analysis.study import cells as cells_lib
from analysis.study import effects
from synth.splits import support


def span(divergence: Mapping[int, Mapping[str, float]]) -> float:
  """D_C from the lowest to the highest rung, mean of the splits.

  Args:
    divergence: Split -> arm -> D_C of the test from the arm.
  """
  spans = [max(arms.values()) - min(arms.values())
           for arms in divergence.values()]  # fmt: skip
  return sum(spans) / len(spans)


def cost(
  grid: cells_lib.Grid,
  divergence: Mapping[int, Mapping[str, float]],
) -> effects.Effect:
  """pass@1 on the novel test lost from the lowest to the highest rung.

  It is the slope over compound divergence times its `span`: points of pass@1,
  which a margin of equivalence can be stated in.

  Args:
    grid: The records; arms are rungs.
    divergence: Split -> arm -> D_C of the test from the arm.

  Raises:
    NotMeasured: if a split lacks a rung or its divergence.
  """
  height = span(divergence)

  def weights(split: int) -> effects.Weights:
    if split not in divergence:
      raise cells_lib.NotMeasured(f'split {split} states no divergence')
    rising = effects.slope(divergence[split], support.NOVEL)
    return {key: -height * weight for key, weight in rising.items()}

  return effects.effect(grid, weights, 1)
