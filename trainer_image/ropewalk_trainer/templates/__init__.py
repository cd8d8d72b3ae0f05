"""The built-in networks. Adding one is one file and one line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ropewalk_trainer.hyperparameters import Kind, Values
from ropewalk_trainer.templates import image, tabular


@dataclass(frozen=True)
class Template:
    """`build(shape of one row, outputs, values)` gives an untrained keras.Model that ends in logits or values."""

    hyperparameters: Mapping[str, Kind]
    build: Callable[[tuple[int, ...], int, Values], Any]


TEMPLATES: Mapping[str, Template] = {
    "Tabular": Template(tabular.HYPERPARAMETERS, tabular.build),
    "Image": Template(image.HYPERPARAMETERS, image.build),
}
