"""Looks at a data set before training does: what is there, what is wrong, what to do.

python -m ssl_tf.doctor data folder --datadir my_images
python -m ssl_tf.doctor data imagenet --datadir DIR --quick
python -m ssl_tf.doctor data cifar10

Exit code 0: usable, warnings included. 2: training would fail.
"""

from ssl_tf import cli, schema


def arguments():
    parser = cli.parser("doctor", __doc__)
    parser.add_argument("what", choices=("data",), help="what to look at")
    parser.add_argument("dataset", help="as data.name in a config, e.g. folder")
    parser.add_argument("--datadir", metavar="DIR", help="where the images are")
    parser.add_argument(
        "--classes-file",
        metavar="FILE",
        help="imagenet: wnids to use, one a line; or imagenet50, ...100, ...200",
    )
    parser.add_argument(
        "--first",
        type=int,
        default=200,
        metavar="N",
        help="tiny_imagenet: use the first N wnids",
    )
    parser.add_argument(
        "--test-share",
        type=float,
        default=0.2,
        metavar="S",
        help="folder: share held out where there is no test folder",
    )
    parser.add_argument(
        "--no-labels",
        action="store_true",
        help="folder: for methods that need no classes",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="decode a sample of each split, look for no duplicates",
    )
    return parser


def main(argv=None):
    options = arguments().parse_args(argv)
    schema.checked(schema.Fraction, options.test_share, "--test-share")
    schema.checked(schema.Count, options.first, "--first")
    from ssl_tf.data import checkup

    found = checkup.laid_out(
        options.dataset,
        options.datadir,
        classes_file=options.classes_file,
        first=options.first,
        test_share=options.test_share,
        labels=not options.no_labels,
    )
    return checkup.report(found, options.quick)


if __name__ == "__main__":
    cli.run(main)
