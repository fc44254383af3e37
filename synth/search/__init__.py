"""Search that starts from written programs (`python -m synth.search`).

sketches   whose programs: the model's own, those it wrote for other tasks,
           a grammar's, the nearest of training
"""
