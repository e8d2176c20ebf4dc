"""What is near a query or a document, under each pooling side by side, with the words that explain it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import ipywidgets as widgets
import numpy as np

from unpadded.common import InputError
from unpadded.explore import render
from unpadded.explore.data import Explorable
from unpadded.explore.quiet import WRAPPED
from unpadded.explore.search import Neighbours
from unpadded.explore.words import contributions, hidden_states, shared_words, weightiest_words
from unpadded.report import title_and_beginning

COMMON = 4  # a word that is in more than one document in so many explains nothing
MOST_EXPLAINED = 2_000  # tokens; longer documents are not read again to weigh their words


class NeighbourPanel:
    """A line for a query and its nearest documents. `ask(text)` and `ask_document(row)` do what typing and clicking do.

    `show` is called with the rows that were found when they are to be shown on the maps.
    """

    def __init__(self, data: Explorable, *, show: Callable[[Sequence[int]], None]):
        self._data, self._near, self._show = data, Neighbours(data), show
        in_many = np.flatnonzero(data.document_frequencies > max(1, len(data) // COMMON))
        self._common = frozenset(data.lm.decode(in_many))
        hint, wide = "a question, a title, a whole document; Enter", {"width": "100%"}
        self.query = widgets.Text(placeholder=hint, description="Near", continuous_update=False, layout=wide)
        self.k = widgets.IntSlider(value=5, min=1, max=10, description="Documents", continuous_update=False)
        self.on_maps = widgets.Button(description="Show on the maps", disabled=True)
        self._about, self.results = widgets.HTML(), widgets.HTML()
        self._again: Callable[[], None] = lambda: None
        self._found: list[int] = []
        self.query.observe(lambda change: self.ask(change["new"]), names="value")
        self.k.observe(lambda _: self._again(), names="value")
        self.on_maps.on_click(lambda _: self._show(self._found))
        buttons = widgets.HBox([self.k, self.on_maps], layout=WRAPPED)
        self.widget = widgets.VBox([self.query, buttons, self._about, self.results], layout=wide)

    def ask(self, text: str) -> None:
        """Show what is near a text."""
        if not text.strip():
            return
        try:
            tokens = self._data.lm.numericalize([text])[0]
            self._fill(f"Near the text “{text}”", self._near.vectors_of(text), tokens, without=[])
        except InputError as error:
            self.results.value = render.problem(error)
        self._again = lambda: self.ask(text)

    def ask_document(self, row: int) -> None:
        """Show what is near a document of the corpus, itself left out."""
        title = title_and_beginning(self._data.corpus.texts[row])[0]
        tokens = self._data.tokens[row]
        self._fill(f"Near the document “{title}”", self._near.vectors_at(row), tokens, without=[row])
        self._again = lambda: self.ask_document(row)

    def _fill(self, about: str, vectors: Mapping[str, np.ndarray], tokens: np.ndarray, *, without: list[int]) -> None:
        nearest = self._near.nearest(vectors, k=self.k.value, without=without)
        terms = self._terms(list(dict.fromkeys(nearest["row"].tolist())), vectors)
        self._found = list(terms)
        self.on_maps.disabled = False
        self._about.value = f"<b>{render.escape(about)}</b>"
        self.results.value = render.results([self._explained(item, terms, tokens) for item in nearest.itertuples()])

    def _terms(self, rows: list[int], vectors: Mapping[str, np.ndarray]) -> dict[int, dict[str, np.ndarray]]:
        """What each token of the documents at `rows` adds: row -> pooling -> [n_tokens], or {} where it is not read."""
        lm, documents = self._data.lm, {row: self._data.tokens[row] for row in rows}
        forward = lm.directions == (lm,) and lm.direction == "forward"  # a backward last state is the first token's
        read = [row for row in rows if forward and 0 < len(documents[row]) <= MOST_EXPLAINED]
        states = hidden_states(lm, [documents[row] for row in read])
        explained = {row: contributions(own, vectors) for row, own in zip(read, states, strict=True)}
        return {row: explained.get(row, {}) for row in rows}

    def _explained(self, item, terms: Mapping[int, Mapping[str, np.ndarray]], asked: np.ndarray) -> render.Found:
        """A row of `nearest`'s table with the reasons why it is there."""
        row, corpus, lm, document = item.row, self._data.corpus, self._data.lm, self._data.tokens[item.row]
        tokens, frequencies = lm.decode(document), self._data.document_frequencies
        own = terms[row].get(item.pooling, np.zeros(len(tokens)))
        return render.Found(
            pooling=item.pooling,
            row=row,
            similarity=item.similarity,
            topic=(corpus.labels[row] or "") if corpus.labels else "",
            text=corpus.texts[row],
            tokens=tokens,
            terms=own,
            words=weightiest_words(tokens, own, common=self._common),
            shared=shared_words(document, asked, lm.vocab, frequencies, n_documents=len(corpus)),
        )
