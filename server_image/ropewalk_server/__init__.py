"""The model server: loads versions from a mounted store and answers predictions, without TensorFlow."""
