"""Five self-supervised and auxiliary-learning image papers on Keras 3."""

__version__ = "0.1.0"
