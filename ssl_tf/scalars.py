"""What TensorBoard shows of a run."""

import keras
import tensorflow as tf


class Scalars(keras.callbacks.Callback):
    """Writes every column of `history.csv` at its epoch.

    Keras' own callback asks for a compiled model.

    Args:
        folder: where the event files go.
    """

    def __init__(self, folder):
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(folder))

    def on_epoch_end(self, epoch, logs=None):
        with self.writer.as_default(step=epoch + 1):
            for name, value in (logs or {}).items():
                tf.summary.scalar(name, value)
        self.writer.flush()
