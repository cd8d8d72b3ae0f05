"""The built-in networks. Adding one is one file and one line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ropewalk_model.features import Encoder
from ropewalk_trainer.templates import image, tabular, text
from ropewalk_trainer.templates.layers import Network
from ropewalk_trainer.training.hyperparameters import Kind, Values


@dataclass(frozen=True)
class Template:
    """`build(encoder, outputs, values, seed)` gives a network of encoded rows that ends in logits or values."""

    hyperparameters: Mapping[str, Kind]
    build: Callable[[Encoder, int, Values, int], Network]


TEMPLATES: Mapping[str, Template] = {
    "Tabular": Template(tabular.HYPERPARAMETERS, tabular.build),
    "Text": Template(text.HYPERPARAMETERS, text.build),
    "Image": Template(image.HYPERPARAMETERS, image.build),
}
