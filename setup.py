"""Installs synth and the recipes, launchers and analysis beside it."""

import setuptools

setuptools.setup(
  name='synth',
  version='0.1.0',
  description=(
    'Density versus support generalization of program synthesis, measured in '
    'an exactly enumerated universe of programs.'
  ),
  license='Apache-2.0',
  packages=setuptools.find_packages(
    include=['synth*', 'configs*', 'launch*', 'analysis*']
  ),
  package_data={
    'analysis.data': ['explorer.html'],
    'configs': ['grammars/*.bnf'],
  },
  python_requires='>=3.11',
  install_requires=[
    'absl-py>=2.1',
    'flax>=0.12.8,<0.13',
    'grain>=0.2.18',
    'jax>=0.10.2,<0.13',
    'lark>=1.2',
    'matplotlib>=3.9',
    'ml-collections>=1.1.0',
    'mpmath>=1.3',
    'numpy>=2.1',
    'optax>=0.2.8',
    'orbax-checkpoint>=0.12.0',
    'pillow>=10',
    'scipy>=1.14',
    'sympy>=1.13',
    'threadpoolctl>=3.5',
  ],
  extras_require={
    'cuda12': ['jax[cuda12]'],
    'cuda13': ['jax[cuda13]'],
    'tpu': ['jax[tpu]'],
    'benchmarks': ['deap', 'moocore', 'numexpr', 'pyoperon'],
    'tensorboard': ['tensorboardX>=2.6.5'],
    'slurm': ['submitit>=1.5.4'],
    'dask': ['distributed>=2025.1'],
    'trees': ['apted>=1.0.3', 'zss>=1.2.0'],
    'dev': [
      'apted>=1.0.3',
      'distributed>=2025.1',
      'mypy',
      'pytest',
      'pytest-xdist',
      'ruff',
      'submitit>=1.5.4',
      'tensorboardX>=2.6.5',
      'zss>=1.2.0',
    ],
  },
)
