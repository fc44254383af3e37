"""The study: records of its runs to contrasts, laws, verdicts on claims.

Everything is made from result records alone; what they do not hold is
`NotMeasured`, never a number.
"""
