"""Finding programs by what their parts must compute.

bank         all small functions, found by their outputs
arguments    what an argument must be for an operator to give a value
one_level    an operator between two functions of a bank
completion   a program with one subtree left open, and what fits there
subgoals     what is left of a task below operators with known arguments
answers      the first right one of what was found
"""
