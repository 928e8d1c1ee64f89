"""SimCLR's view built from Keras' own preprocessing layers, as near as they come."""

import os

import keras
import tensorflow as tf

BLUR = 9  # taps: what 2 int(0.05 side) + 1 gives at 96 pixels


def layers(size):
    """Zoom into 30-100 % of each side at a random place, flip, colours, grey, blur.

    Keras has no random resized crop: a zoom moved off the centre stands for it. Its
    colour changes come in a fixed order and for every image, which spares it sorting.
    """
    zoom = {"height_factor": (-0.7, 0.0), "width_factor": (-0.7, 0.0)}
    return [
        keras.layers.RandomTranslation(0.2, 0.2),
        keras.layers.RandomZoom(**zoom),
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomColorJitter((0, 1), 0.8, 0.8, 0.8, 0.2),
        keras.layers.RandomGrayscale(0.2),
        *([keras.layers.RandomGaussianBlur(0.5, BLUR, 1.0, (0, 1))] * (size > 32)),
        keras.layers.Normalization(mean=[0.5] * 3, variance=[0.25**2] * 3),
    ]


def batches(images, size, batch_size):
    """Dataset of two views of uint8 arrays, or of files that are brought to size."""
    given = tf.data.Dataset.from_tensor_slices(images).repeat()
    if images.ndim == 1:
        given = given.map(lambda path: read(path, size), tf.data.AUTOTUNE)
    recipe = keras.Sequential(layers(size))
    recipe.build((batch_size, size, size, 3))

    def views(batch):
        batch = tf.cast(batch, tf.float32) * (1 / 255)
        return tuple(recipe(batch, training=True) for _ in range(2))

    given = given.batch(batch_size, drop_remainder=True)
    return given.map(views, os.cpu_count()).prefetch(2)


def read(path, size):
    image = tf.io.decode_jpeg(tf.io.read_file(path), 3)
    return tf.image.resize(image, [size, size], antialias=True)
