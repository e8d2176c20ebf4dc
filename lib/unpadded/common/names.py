"""Names that modules on both sides of the data flow share. Nothing is imported here, so every module may import this."""

CONCAT = ("last", "mean", "max")  # the parts of concat, in this order
PARTS = (*CONCAT, "weighted_mean")  # what the encoder pools in one pass
STUDIED = (*CONCAT, "concat")  # compared by notebooks 03 and 05 and in the explorer
POOLINGS = STUDIED  # compared by the evaluations
# What may be done to a pooled vector. "idf" is done while pooling: the mean's tokens are weighted by their inverse
# document frequency; the others transform vectors.
POSTPROCESSES = ("none", "l2", "standardize", "remove_top", "whiten", "idf")
# Methods whose vectors are a language model's and have a pooling: as trained, as tuned, the latter joined with words, and,
# in rankings alone, what is recommended summed with BM25.
FROM_STATES = ("lm", "lm_tuned")
OF_MODEL = (*FROM_STATES, "lm_words", "lm_bm25")
# What a certificate says, from good to bad.
VERDICTS = ("bit-identical", "rounding", "depends on the batch", "not repeatable", "wrong order")
SEARCHED_BY = ("vectors", "words", "both")  # what a search compares; each result says which of them found it
SWEEP_SUMMARY = "sweep.json"  # the file that a sweep's folder is known by
# Before a parameter's name in a sweep's table, as MLflow has it: scores have columns `corpus` and `seed` of their own.
PARAMETER = "params."

NO_LABEL = "-"  # as the label's column in a notebook's parameters: do without topics, where "" means the standard name
