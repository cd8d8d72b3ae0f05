"""Text: ids of its first words, by the rules of `ropewalk_model.text`; missing is ""."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import text as rules
from ropewalk_model.features.base import Write
from ropewalk_model.features.bins import Bins
from ropewalk_model.features.spec import Encoding, FeatureSpec
from ropewalk_model.features.string import ODD_WORDS, String, most_frequent

LEAST_SEEN = 2
"""A word must stand in the training rows so often to be learnt: from those that stand once the network learns
what an unknown word means, and a vocabulary is not full of typing errors."""
LENGTHS = 4
SHARES = ("all words known", "a quarter unknown at most", "more unknown")
SOME_UNKNOWN = 0.25
"""A text is counted by its length and by the share of its words that the model does not know."""
LOOKED_AT, WORDS_LOOKED_AT = 256, 32
"""Characters and words of a text that the share is taken of: all would cost as much as the encoding does."""
ODD_TEXTS = ("Don\u2019t!  \u201cSHOUT\u201d", "\u65e5\u672c\u8a9e \u03a3\u03c2 a\u0000b", "word " * 2000)


@dataclass(frozen=True)
class TextBins(Bins):
    """[for each length, which ends at an edge, one for each of SHARES; missing]."""

    kind = "Text"
    costly = True
    known: Container[str] = field(default=(), compare=False, repr=False)
    """Words that the model knows: counting needs them, and no document of bins has them."""

    @property
    def size(self) -> int:
        """The number of counts."""
        return (len(self.edges) + 1) * len(SHARES) + 1

    @property
    def names(self) -> list[str]:
        """Length and share of each bin."""
        lengths = [f"at most {edge:g} characters" for edge in self.edges] + ["longer"]
        if self.sensitive:
            lengths = [f"length {n}" for n in range(1, len(self.edges) + 2)]
        return [*(f"{length}, {share}" for length in lengths for share in SHARES), "(missing)"]

    def indices(self, column: NDArray[Any]) -> NDArray[np.int64]:
        """The bin of each text: int64 [N]."""
        return np.fromiter(map(self._cell, column), np.int64, len(column))

    def knowing(self, words: Container[str]) -> TextBins:
        """These bins with the words that the model knows."""
        return replace(self, known=words)

    def _cell(self, value: str) -> int:
        if not value:
            return self.size - 1
        words = rules.words(value[:LOOKED_AT], WORDS_LOOKED_AT)
        unknown = sum(word not in self.known for word in words)
        share = 0 if not unknown else 1 if unknown <= SOME_UNKNOWN * len(words) else 2
        return bisect_left(self.edges, len(value)) * len(SHARES) + share


class Text(String):
    """Ids of words to the network: float32 [N, max_tokens]."""

    name = "Text"
    bins_class = TextBins
    first_code = rules.FIRST_WORD
    bins_of_unseen_rows = True

    def describe(self, column: NDArray[Any], *, sensitive: bool) -> dict[str, Any]:
        """Count and mean length."""
        lengths = [len(text) for text in column if text]
        facts = {"count": len(column), "missing": len(column) - len(lengths)}
        return facts | {"meanLength": float(np.mean(lengths)) if lengths else 0.0}

    def fit(self, spec: FeatureSpec, column: NDArray[Any]) -> Encoding:
        """The most frequent words, of those that stand twice at least."""
        seen = Counter(word for value in column for word in rules.words(value, spec.max_tokens))
        often = Counter({word: count for word, count in seen.items() if count >= LEAST_SEEN})
        return Encoding(spec, vocabulary=most_frequent(often, spec.max_vocabulary))

    def width(self, one: Encoding) -> int:
        """A column a token."""
        return one.spec.max_tokens

    def encoder(self, one: Encoding) -> Write:
        """Ids of the first words, then padding."""
        codes, most = one.codes, one.spec.max_tokens

        def write(column: NDArray[Any], encoded: NDArray[np.float32]) -> None:
            for row, value in enumerate(column):
                words = rules.words(value, most)
                encoded[row, : len(words)] = [codes.get(word, rules.UNKNOWN) for word in words]

        return write

    def document(self, one: Encoding) -> dict[str, Any]:
        """The vocabulary."""
        return {"encoding": "Tokens", "vocabulary": list(one.vocabulary), "maxTokens": one.spec.max_tokens}

    def restore(self, spec: FeatureSpec, document: Mapping[str, Any]) -> Encoding:
        """Inverse of `document`."""
        return Encoding(spec, vocabulary=tuple(document.get("vocabulary", ())))

    def edge_values(self, one: Encoding) -> list[Any]:
        """Odd texts, and the vocabulary's ends."""
        first, last = " ".join(one.vocabulary[:50]).upper(), " ".join(reversed(one.vocabulary[-50:]))
        return [*ODD_WORDS, *ODD_TEXTS, first, last]

    def known_words(self, one: Encoding) -> Container[str]:
        """Words with an id of their own."""
        return one.codes.keys()

    def token_ids(self, one: Encoding) -> int:
        """Padding, the unknown word and the vocabulary."""
        return rules.FIRST_WORD + len(one.vocabulary)

    def bins(self, spec: FeatureSpec, column: NDArray[Any], known: Container[str] = ()) -> TextBins:
        """Quartiles of the lengths."""
        lengths = np.array([len(value) for value in column if value], dtype=np.float64)
        shares = np.linspace(0, 1, LENGTHS + 1)[1:-1]
        edges = np.unique(np.quantile(lengths, shares, method="lower")) if len(lengths) else np.zeros(0)
        return TextBins(edges=tuple(float(edge) for edge in edges), known=known)


TEXT = Text()
