"""The built-in networks. Adding one is one file and one line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ropewalk_trainer.hyperparameters import Kind, Values
from ropewalk_trainer.templates import image, tabular
from ropewalk_trainer.templates.layers import Network


@dataclass(frozen=True)
class Template:
    """`build(shape of one encoded row, outputs, values, seed)` gives a network that ends in logits or values."""

    hyperparameters: Mapping[str, Kind]
    build: Callable[[tuple[int, ...], int, Values, int], Network]


TEMPLATES: Mapping[str, Template] = {
    "Tabular": Template(tabular.HYPERPARAMETERS, tabular.build),
    "Image": Template(image.HYPERPARAMETERS, image.build),
}
