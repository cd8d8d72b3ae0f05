"""The stages of a run in their order. Adding one is one file and one line here."""

from collections.abc import Callable, Mapping

from ropewalk_trainer.context import Context
from ropewalk_trainer.stages import evaluate, preprocess, publish, source, train, validate

STAGES: Mapping[str, Callable[[Context], str]] = {
    "Source": source.run,
    "Validate": validate.run,
    "Preprocess": preprocess.run,
    "Train": train.run,
    "Evaluate": evaluate.run,
    "Publish": publish.run,
}
"""Each takes the context, fills in its part, and returns its state: Succeeded, Cached or Skipped."""
