"""synth: does a program-synthesis transformer generalize, or retrieve?"""

__version__ = '0.1.0'
