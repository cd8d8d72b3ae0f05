"""Code that several protocols share: decoding of JSON, tensors and images, schemas, errors."""
