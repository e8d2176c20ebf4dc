"""Initial embeddings: tokens of one topic lie together, and every start is the same for the same seed."""

import numpy as np
import pytest
import torch

from conftest import TOPICS
from unpadded.model.fastai_modules import make_module
from unpadded.training.initialization import UNIFORM_STD, lsa_embeddings, pass_inputs_through, start_from_topics


@pytest.fixture(scope="module")
def counted(tiny_tokens, tiny_model):
    return tiny_tokens.with_vocab(tiny_model.vocab)


def test_tokens_of_one_topic_are_nearer_than_those_of_two(counted):
    vectors = lsa_embeddings(counted, 8)
    place = {token: i for i, token in enumerate(counted.types)}
    groups = [vectors[[place[word] for word in words]] for words in TOPICS.values()]
    for i, group in enumerate(groups):
        others = np.concatenate(groups[:i] + groups[i + 1 :])
        assert (group @ group.T).mean() > 2 * (group @ others.T).mean()


def test_as_long_as_random_ones_unless_the_token_never_occurs(counted):
    vectors = lsa_embeddings(counted, 8)
    lengths = np.linalg.norm(vectors, axis=1)
    occurs = counted.counts > 0
    everywhere = np.isclose(lengths, 0)  # in every document or in none: inverse document frequency says nothing
    np.testing.assert_allclose(lengths[~everywhere], UNIFORM_STD * np.sqrt(8), rtol=1e-5)
    assert not lengths[~occurs].any()
    assert (~everywhere).sum() > 20


def test_never_wider_than_the_rank(counted):
    few = counted.select(np.arange(4))
    vectors = lsa_embeddings(few, 16)
    assert vectors.shape == (len(few.types), 4)
    assert np.isfinite(vectors).all()


def test_rows_of_unknown_tokens_and_columns_beyond_the_rank_stay_random(counted):
    few = counted.select(np.arange(4))
    table = torch.full((len(few.types), 16), 7.0)
    start_from_topics(table, few)
    unseen = torch.from_numpy(few.counts == 0)
    assert (table[unseen] == 7).all()
    assert (table[:, 4:] == 7).all()
    assert (table[~unseen][:, :4] != 7).any(dim=1).float().mean() > 0.5


def test_the_seed_decides(counted):
    np.testing.assert_array_equal(lsa_embeddings(counted, 8, seed=3), lsa_embeddings(counted, 8, seed=3))


@pytest.mark.parametrize("n_layers", [1, 2])
def test_states_begin_as_averages_of_the_inputs(n_layers):
    """Random gates keep some likeness with the mean of what was read; passed through, there is much more of it."""

    def likeness(strength):
        torch.manual_seed(0)
        awd_lstm = make_module(50, {"emb_sz": 24, "n_hid": 32, "n_layers": n_layers})[0].eval()
        pass_inputs_through(awd_lstm, strength)
        ids = torch.randint(50, (40, 30))
        with torch.no_grad():
            state = awd_lstm(ids)[:, -1]
            read = awd_lstm.encoder(ids)[:, -4:].mean(1)
        return torch.cosine_similarity(state - state.mean(0), read - read.mean(0)).mean().item()

    assert abs(likeness(0.0)) < 0.3
    assert likeness(8.0) > 0.6


def test_no_strength_changes_nothing():
    module = make_module(10, {"emb_sz": 6, "n_hid": 8, "n_layers": 2})
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    pass_inputs_through(module[0], 0.0)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
