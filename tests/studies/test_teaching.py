"""Models taught each pooling by itself, and from each start; what pieces of documents find by them."""

import pytest

from unpadded import TuningSettings
from unpadded.evaluation.choice.pieces import cut
from unpadded.studies import found_by_pieces, from_each_start, taught_by_pooling
from unpadded.studies.teaching import SHARES, TAUGHT

pytestmark = pytest.mark.slow

SHORT = TuningSettings(max_minutes=0, epochs=2, batch_size=16, piece_length=12, precision="float32")


@pytest.fixture(scope="module")
def documents(tiny_tokens) -> dict:
    half = len(tiny_tokens) // 2
    return {"tokens": tiny_tokens.select(range(half)), "valid": tiny_tokens.select(range(half, len(tiny_tokens)))}


def test_each_pooling_is_taught_by_itself_and_asked_for_all(tiny_model, tiny_corpus, documents):
    taught = taught_by_pooling(tiny_model, settings=SHORT, **documents)
    assert taught.pop("nothing") is tiny_model
    assert {name: model.card["tuning"]["settings"]["pooling"] for name, model in taught.items()} == dict(
        zip(TAUGHT, TAUGHT, strict=True)
    )
    assert len({model.fingerprint for model in taught.values()}) == len(TAUGHT)
    found = found_by_pieces(taught, cut(tiny_corpus.texts, range(20)))
    assert found.shape == (len(TAUGHT), 3 * 2)
    assert {pooling for pooling, _ in found.columns} == {"last", "mean", "max"}
    assert ((found > 0) & (found <= 1)).all(axis=None)


def test_the_trained_model_is_taken_as_it_is_and_the_others_learn_for_less(tiny_model, documents):
    models = from_each_start(tiny_model, settings=SHORT, **documents)
    assert list(models) == [f"{share}, {when}" for share in SHARES for when in ("before", "after")]
    assert models["trained, before"] is tiny_model
    begun = models["hardly trained, before"]
    assert begun.emb_sz == tiny_model.emb_sz
    assert begun.card["minutes"] < 0.2
    assert "tuning" in models["hardly trained, after"].card
