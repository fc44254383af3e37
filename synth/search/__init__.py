"""Search with the models of a run (`python -m synth.search`).

sketches      whose programs are completed: the model's own, those it wrote for
              other tasks, a grammar's, the nearest of training
writer        the models, asked for programs of any outputs
by_subgoals   tasks solved by asking them for what is left
results       search.json
"""
