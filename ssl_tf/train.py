"""Trains one config; resumes if it was interrupted, returns at once if it is done.

A run is of its images, wherever they lie: on others it neither goes on nor is done.

python -m ssl_tf.train --method ssal --arch densenet190
python -m ssl_tf.train --method ssal --dataset digits --seed 1 --set train.epochs=5
python -m ssl_tf.train --list
"""

from ssl_tf import cli


def arguments():
    parser = cli.parser("train", __doc__)
    cli.add_choice(parser)
    parser.add_argument(
        "--strategy",
        default="one",
        choices=cli.STRATEGIES,
        help="devices: one, all of this host, all hosts of TF_CONFIG or Slurm, a TPU",
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="log to <run>/tensorboard, too"
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    if options.list:
        return cli.show_list()
    spec, folder, origin = cli.chosen(options)
    cli.import_tensorflow()
    from ssl_tf import trainer

    try:
        trainer.train(
            spec,
            folder,
            root=options.datadir,
            strategy=options.strategy,
            tensorboard=options.tensorboard,
            origin=origin,
        )
    except trainer.Stopped as stop:
        return stop.code
    return 0


if __name__ == "__main__":
    cli.run(main)
