"""A run from its newest state to its last epoch: progress, states, history."""

import signal
import threading
import time

import keras
import numpy as np

from ssl_tf import runs, schedules, state
from ssl_tf.data import decode, orders
from ssl_tf.errors import BadInput, have
from ssl_tf.loop import MOST_UPDATES
from ssl_tf.ops import distribute
from ssl_tf.watching import Collapse, Judge, reduced, score, stale

SECONDS_A_CALL = 1.0


class Stopped(Exception):
    """The run was asked to stop and has saved its state; `.code` is the exit code."""

    def __init__(self, code):
        super().__init__(f"stopped with exit code {code}")
        self.code = code


class Training:
    """Drives a `Loop` over the epochs of one run folder.

    Args:
        folder: the run folder, locked by the caller.
        loop: `Loop`.
        opened: `opening.Opened`.
        parts: `experiment.Parts`.
        order: see `pipeline.views`.
        peak: float, peak learning rate.
        progress: `progress.Progress`.
        callbacks: list of Keras callbacks.

    Attributes:
        step: updates done.
        rows: rows of `history.csv`.
    """

    def __init__(
        self, folder, loop, opened, parts, order, *, peak, progress, callbacks=()
    ):
        self.folder = folder
        self.loop = loop
        self.opened = opened
        self.train = parts.train
        self.recipes = parts.recipes
        self.order = order
        self.peak = peak
        self.schedule = parts.rate.schedule or schedules.constant
        self.plateau = parts.rate.plateau
        self.progress = progress
        self.callbacks = keras.callbacks.CallbackList(
            list(callbacks), model=loop.method
        )
        self.judge = Judge(loop, opened, parts.recipes, parts.train)
        self.judge.check(parts.train.best)
        self.collapse = Collapse(loop.method.terms, progress.warn)
        self.chief = distribute.worker()[0] == 0
        self.steps_per_epoch = len(order(0))
        self.epochs = schedules.epochs_left(
            self.schedule, self.steps_per_epoch, self.train.epochs
        )
        if self.epochs < 1:
            raise BadInput("optimizer.schedule: holds no rates for a whole epoch.")
        if self.epochs < self.train.epochs:
            progress.warn(
                f"the learning rates last for {self.epochs} epochs; see plan."
            )
        self.total = self.epochs * self.steps_per_epoch
        if self.train.updates is not None:
            self.total = min(self.total, self.train.updates)
            self.epochs = -(-self.total // self.steps_per_epoch)
        self.step, self.rows, self.best = 0, [], None
        self.sums = np.zeros(len(loop.method.terms))
        self.clock = {"seconds": 0.0, "waiting": 0.0}
        self.signal = None

    def run(self):
        """Trains to the last epoch; returns the rows of the history.

        Raises:
            Stopped: on SIGINT or SIGTERM, in the main thread; state saved.
            BadInput: the loss is not finite, an image is damaged, the disk is full.
        """
        self.restore()
        numbers = (signal.SIGINT, signal.SIGTERM)
        if threading.current_thread() is not threading.main_thread():
            numbers = ()  # Python allows handlers in the main thread only
        before = {number: signal.getsignal(number) for number in numbers}
        for number in before:
            signal.signal(number, self.on_signal)
        try:
            start = divmod(self.step, self.steps_per_epoch)
            self.loop.feed(lambda part: self.batches(part, start))
            self.callbacks.on_train_begin()
            with self.progress:
                while self.step < self.total and not stale(self.rows, self.train):
                    self.epoch(self.step // self.steps_per_epoch)
            self.callbacks.on_train_end()
            if self.train.patience is not None:
                self.return_to_best()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)
        return self.rows

    def return_to_best(self):
        """The weights of the best evaluation; the chief wrote them."""
        distribute.agree(self.loop.strategy, [0.0])  # all wait for the chief
        with self.loop.strategy.scope():
            runs.load_weights(self.loop.method, self.folder / "best.weights.h5")

    def on_signal(self, number, frame):
        self.signal = number

    def batches(self, part, start):
        seed = self.train.seed
        return self.opened.batches(self.recipes, self.order, seed, part, start)

    def fresh(self, part):
        """Batches of the epoch after the last."""
        return self.batches(part, (self.epochs, 0))

    def epoch(self, epoch):
        end = min((epoch + 1) * self.steps_per_epoch, self.total)
        method = self.loop.method
        if method.still_from is not None and method.still != (
            epoch >= method.still_from
        ):
            method.still = epoch >= method.still_from
            self.loop.trace()
        self.callbacks.on_epoch_begin(epoch)
        self.progress.epoch(epoch, self.step - epoch * self.steps_per_epoch)
        saved, pace = time.monotonic(), None
        while self.step < end:
            count = 1 if pace is None else SECONDS_A_CALL / max(pace, 1e-6)
            count = int(min(max(count, 1), MOST_UPDATES))
            count, stop = self.agreed(count)
            if stop:
                self.save()
                raise Stopped(128 + stop)
            pace = self.advance(min(count, end - self.step))
            due = time.monotonic() - saved > 60 * self.train.save_minutes
            if due and self.step < end:
                self.save()
                saved = time.monotonic()
        self.close_epoch(epoch)

    def agreed(self, count):
        """Steps of the next call and the signal to stop for, the same on all workers.

        The chief's count is taken; any worker's signal stops all.
        """
        wish = [count if self.chief else 0, self.signal or 0, bool(self.signal)]
        count, numbers, asked = distribute.agree(self.loop.strategy, wish)
        return int(count), int(numbers / asked) if asked else 0

    def advance(self, count):
        """`count` updates in one call; returns seconds an update."""
        began = time.monotonic()
        steps = np.arange(self.step, self.step + count)
        self.callbacks.on_train_batch_begin(self.step)
        rates = self.rates(steps)
        with decode.blamed(self.opened.train, lambda: self.places(count)):
            terms, waiting = self.loop.run(rates)
        seconds = time.monotonic() - began
        bad = ~np.isfinite(terms).all(axis=1)
        if bad.any():
            raise BadInput(
                f"{self.folder}: the loss is not finite at step "
                f"{self.step + int(np.argmax(bad))} (seed {self.train.seed}); the last "
                "good state is kept. Try a smaller optimizer.learning_rate under "
                "another --name."
            )
        self.collapse(terms, self.step)
        for row in terms:  # one by one: the sum must not depend on `count`
            self.sums += row
        self.step += count
        self.clock["seconds"] += seconds
        self.clock["waiting"] += float(waiting.sum())
        last = dict(zip(self.loop.method.terms, terms[-1]))
        self.callbacks.on_train_batch_end(self.step - 1, last)
        self.progress.advance(count, last, self.clock, self.train.batch_size)
        return seconds / count

    def rates(self, steps):
        """Learning rates of updates of this epoch."""
        split, count = self.judge.split, self.steps_per_epoch
        factor = reduced(self.rows, self.peak, self.plateau, split)
        peak = self.peak * factor
        return schedules.rates(self.schedule, peak, steps, count, self.train.epochs)

    def places(self, count):
        """Which images the next `count` updates read."""
        epoch, first = divmod(self.step, self.steps_per_epoch)
        return orders.indices(self.order(epoch)[first : first + count])

    def close_epoch(self, epoch):
        """Evaluates, writes history and state, keeps what was asked for."""
        done, steps = epoch + 1, self.step - epoch * self.steps_per_epoch
        rate = float(self.rates([self.step - 1])[0])
        row = {"epoch": done, "step": self.step, "learning_rate": rate}
        row |= dict(zip(self.loop.method.terms, (self.sums / steps).tolist()))
        if hasattr(self.loop.optimizer, "penalty"):
            row["l2"] = float(self.loop.optimizer.penalty())
        every = self.train.evaluate_every
        if done == self.epochs or (every and done % every == 0):
            values = self.judge(done)
            row |= {f"{self.judge.split}_{k}": value for k, value in values.items()}
            self.keep_best(values)
        images = steps * self.train.batch_size
        row |= {
            "seconds": round(self.clock["seconds"], 3),
            "images_per_second": round(images / self.clock["seconds"], 1),
            "waiting": round(self.clock["waiting"] / self.clock["seconds"], 4),
        }
        self.rows.append(row)
        self.sums = np.zeros_like(self.sums)
        self.clock = {"seconds": 0.0, "waiting": 0.0}
        self.save()
        keep = self.train.keep_every
        if self.chief:
            runs.write_history(self.folder, self.rows)
            if keep and done % keep == 0:
                self.save_weights(f"epoch{done:05d}")
        self.callbacks.on_epoch_end(epoch, row)
        self.progress.close_epoch(row)

    def keep_best(self, values):
        term = self.train.best
        if term is None:
            return
        if term == "online_knn" and self.train.knn and term not in values:
            return  # left out this time
        if term not in values:
            raise BadInput(
                f"train.best: {term!r} is not measured on held-out images. Have: "
                f"{have(values)}."
            )
        reached = score(term, values[term])
        if not np.isfinite(reached):
            return
        if self.best is None or reached > self.best:
            self.best = reached
            if self.chief:
                self.save_weights("best")

    def save_weights(self, name):
        runs.save_weights(self.loop.method, self.folder, name)

    def variables(self):
        """`{name: variable}` of all that a resumed run needs."""
        method, optimizer = self.loop.method, self.loop.optimizer
        groups = {
            "t": method.trainable_variables,
            "s": method.non_trainable_variables,
            "o": optimizer.variables,
        }
        return {
            f"{kind}{i:04d}/{v.path}": v
            for kind, variables in groups.items()
            for i, v in enumerate(variables)
        }

    def save(self):
        if not self.chief:
            return
        arrays = {name: np.asarray(v) for name, v in self.variables().items()}
        extra = {
            "step": self.step,
            "steps_per_epoch": self.steps_per_epoch,
            "rows": self.rows,
            "sums": self.sums.tolist(),
            "clock": self.clock,
            "best": self.best,
        }
        state.save(self.folder, self.step, arrays, extra)

    def restore(self):
        found = state.newest(self.folder, warn=self.progress.warn)
        if found is None:
            return
        arrays, extra = found
        variables = self.variables()
        if (
            arrays.keys() != variables.keys()
            or any(arrays[n].shape != tuple(v.shape) for n, v in variables.items())
            or extra["steps_per_epoch"] != self.steps_per_epoch
        ):
            raise BadInput(
                f"{self.folder}/state: belongs to another model or other data; give "
                "this run another --name."
            )
        with self.loop.strategy.scope():
            for name, variable in variables.items():
                variable.assign(arrays[name])
        self.step, self.rows, self.best = extra["step"], extra["rows"], extra["best"]
        self.sums, self.clock = np.array(extra["sums"]), extra["clock"]
        if self.chief:
            runs.write_history(self.folder, self.rows)
            self.compare_rates()
        self.progress.resumed(self.step, self.steps_per_epoch)

    def compare_rates(self):
        """Says so if the epochs done had other learning rates than now they would."""
        if not self.rows or self.step >= self.total:
            return
        *before, last = self.rows
        then, rows = float(last["learning_rate"]), self.rows
        self.rows = before  # on which plateaus the rate then depended
        now = float(self.rates([int(last["step"]) - 1])[0])
        self.rows = rows
        if np.isclose(then, now, rtol=1e-6, atol=0):
            return
        following = float(self.rates([self.step])[0])
        self.progress.warn(
            f"{self.folder}: the learning rates are now those of {self.train.epochs} "
            f"epochs: the run goes on at {following:.3g}, it was at {then:.3g}; give "
            "it another --name to train all epochs by one schedule."
        )
