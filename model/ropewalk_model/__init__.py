"""What a model version is: the one format that trainer, server and operator share. Pure numpy, no TensorFlow.

The format is described in designs/0005-the-model-format.md.
"""

FORMAT_VERSION = 1
