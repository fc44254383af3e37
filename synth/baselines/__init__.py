"""What solves the tests without a transformer, one method a file.

    nearest_neighbour    the training program nearest in the semantic space
    best_constant        one answer to all tasks: a bound
    pcfg                 programs drawn from a grammar fitted to training
    enumeration          all functions, smallest first
    meet_in_the_middle   an operator between two functions of a bank

Each is given the tasks of the models and judged by their verifier, and charged
in candidates, operations and seconds (`charges`).
"""
