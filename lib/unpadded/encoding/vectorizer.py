"""The encoder as a scikit-learn transformer."""

import os

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from unpadded.common import CONCAT, InputError
from unpadded.encoding.encoder import DocumentEncoder
from unpadded.model import LanguageModel
from unpadded.tokens import checked_texts


class DocumentVectorizer(TransformerMixin, BaseEstimator):
    """Texts to document vectors, float32 [n_documents, width], in a scikit-learn pipeline.

    `lm`: a `LanguageModel` or the folder of one. The other parameters are `DocumentEncoder`'s. Fitting learns nothing
    from the texts: it loads the model and checks them. Clones share the language model, which is only read.
    """

    def __init__(
        self,
        lm=None,
        *,
        pooling="mean",
        precision="float32",
        layer=-1,
        token_weights=None,
        device="cpu",
        batch_size=None,
    ):
        self.lm = lm
        self.pooling = pooling
        self.precision = precision
        self.layer = layer
        self.token_weights = token_weights
        self.device = device
        self.batch_size = batch_size

    def fit(self, X, y=None):
        """Load the model and check that `X` is an iterable of str, which `y` plays no part in; returns self.

        Raises `InputError` for anything that is not a str and for parameters that do not fit the model.
        """
        checked_texts(X)
        lm = LanguageModel.load(self.lm) if isinstance(self.lm, (str, os.PathLike)) else self.lm
        if not hasattr(lm, "awd_lstm"):
            raise InputError(f"The parameter lm is {type(lm).__name__}: give a LanguageModel or the folder of one.")
        self.encoder_ = DocumentEncoder(
            lm,
            self.pooling,
            self.precision,
            layer=self.layer,
            token_weights=self.token_weights,
            device=self.device,
        ).with_batch_size(self.batch_size)
        return self

    def transform(self, X) -> np.ndarray:
        """Vectors of the texts `X`, float32 [n_documents, width]; raises as `fit`, or NotFittedError."""
        check_is_fitted(self)
        return self.encoder_.encode(checked_texts(X))

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the columns, such as mean_17: an object array of str [width]; `input_features` is not used."""
        check_is_fitted(self)
        parts = CONCAT if self.encoder_.pooling == "concat" else (self.encoder_.pooling,)
        n = self.encoder_.width // len(parts)
        return np.array([f"{part}_{i}" for part in parts for i in range(n)], dtype=object)

    def __sklearn_clone__(self):
        # A deep copy of the language model would cost its memory again in every fold of a cross-validation.
        params = self.get_params(deep=False)
        return type(self)(**{k: v if k == "lm" else clone(v, safe=False) for k, v in params.items()})

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
