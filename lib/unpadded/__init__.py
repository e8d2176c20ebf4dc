"""Document vectors from a fastai language model, in batches that cannot change a vector."""

__version__ = "0.1.0"
