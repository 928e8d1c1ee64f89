"""Batches of images and a seed per image in, images of the same kind out."""

from ssl_tf.augment.recipes import RECIPES

__all__ = ["RECIPES"]
