"""The format of a model version, shared by trainer, server and operator. numpy only, no TensorFlow.

The format is described in `designs/0005-the-model-format.md`.
"""

FORMAT_VERSION = 1
