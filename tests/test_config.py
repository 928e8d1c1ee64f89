"""Configs: strict YAML, variants, overrides, and every file in the repository."""

import pytest

from ssl_tf import cli, config, experiment, progress, results, tables, train
from ssl_tf.augment.scene import Scene
from ssl_tf.errors import BadInput
from ssl_tf.methods import METHODS

VALID = """
method: {name: supervised}
backbone: {name: resnet18}
data: {name: digits}
views: [{name: plain}]
optimizer: {name: sgd, learning_rate: 0.1}
train: {batch_size: 8, epochs: 2}
variants:
  long: {train.epochs: 9, backbone.stem: small}
"""

# Eight times ten aliases of the line before: 100 million values.
BOMB = "paper:\n  a0: &a0 [1]\n" + "".join(
    f"  a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(8)
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "resnet18_digits.yaml"
    path.write_text(VALID)
    return path


def everything():
    """`(path, variant)` of all configs of the repository."""
    root = config.home() / "configs"
    paths = [path for *_, path in config.settings()]
    paths += sorted((root / "evidence").glob("*.yaml"))
    for path in paths:
        for variant in (None, *(config.read_yaml(path).get("variants") or {})):
            yield pytest.param(path, variant, id=f"{path.stem}-{variant}")


@pytest.mark.parametrize(("path", "variant"), list(everything()))
def test_every_config_and_variant_binds(path, variant):
    experiment.check(config.load(path, variant))


def evidence():
    """`{stem: (path, plain YAML)}` of comparisons whose images vary by seed."""
    paths = sorted((config.home() / "configs" / "evidence").glob("*.yaml"))
    found = {path.stem: (path, config.read_yaml(path)) for path in paths}
    return {k: v for k, v in found.items() if v[1]["data"].get("draw") == "seed"}


# What a search may change: which images judge it, how long it is, and its rate.
SEARCHED = ("data.validation", "data.share", "train.epochs", "optimizer.schedule.")


def searches():
    for stem, (path, whole) in evidence().items():
        for name in whole["variants"]:
            if name.endswith("search"):
                yield pytest.param(path, name, id=f"{stem}-{name}")


@pytest.mark.parametrize(("path", "variant"), list(searches()))
def test_a_search_differs_from_its_arm_in_images_epochs_and_rates_alone(path, variant):
    arm = variant.removesuffix("search").removesuffix("_") or None
    main, search = config.load(path, arm), config.load(path, variant)
    changed = config.differences(main, search)
    assert "data.validation" in changed
    assert all(key.startswith(SEARCHED) for key in changed)
    sure = lambda spec: experiment.check(spec).train.epochs
    assert sure(search) <= sure(main)


def test_arms_of_a_comparison_have_the_same_images_and_say_what_they_take():
    found = evidence()
    assert len(found) == 14
    for path, whole in found.values():
        data = {
            k: v for k, v in whole["data"].items() if k not in ("order", "validation")
        }
        assert data["norm"] == "mean_std" and data["per_class"] in (250, 1000)
        comment = path.read_text().split("\nmethod:")[0]
        assert "minutes" in comment and "PFLOP" in comment
        tuned = whole["evaluations"].get("finetune") or {}
        assert tuned.get("seed") is None and not tuned.get("draw")


@pytest.mark.parametrize(
    ("setting", "paper"),
    [
        ("supervised/classify_vit_cifar10_simsiam", "2112.02297"),
        ("simsiam/pretrain_pit_cifar10", "2112.02297"),
        ("simclr/guided_cifar10", "2009.12007"),
        ("simclr/cluster_simclr_cifar10", "2103.10994"),
        ("simsiam/cluster_simsiam_cifar10", "2103.10994"),
        ("supervised/supervised_tiny25k", "2101.03057"),
        ("scatsimclr/contrast_resnet18_cifar10", "2108.13939"),
    ],
)
def test_an_arm_stands_with_the_paper_that_its_comparison_tests(setting, paper):
    where = results.Setting(*setting.split("/"), None, False)
    assert paper in tables.title_of(where)


def test_the_placebo_differs_from_guided_batches_in_its_permutation_alone():
    path, _ = evidence()["guided_cifar10"]
    guided, placebo, plain = (config.load(path, v) for v in (None, "placebo", "plain"))
    assert config.differences(guided, placebo) == ["data.order.permute"]
    order = [f"data.order{k}" for k in ("", ".clusters", ".name")]
    assert config.differences(guided, plain) == [*order, "method.name"]


def test_every_method_has_one_config_for_digits_and_one_for_folder():
    known = {m: METHODS[m] for m in config.methods()}
    one_class = (
        m for m, method in known.items() if not (method.attributes or method.scenes)
    )
    for method in one_class:
        for dataset in ("digits", "folder"):
            config.find(method, dataset=dataset)


def test_every_ledger_row_says_paper_code_ours_and_switch():
    for path in (config.home() / "configs" / "ledger").glob("*.yaml"):
        rows = progress.ledger(path.stem)
        assert len(rows) > 5
        for row in rows:
            assert set(row) == {"what", "paper", "code", "ours", "switch"}


def test_run_all_names_configs_and_variants_that_exist():
    catalogue = results.catalogue()
    entries = {**catalogue["experiments"], **catalogue["demo"]}
    for name, entry in entries.items():
        path = config.home() / "configs" / f"{entry['config']}.yaml"
        config.load(path, entry.get("variant")), name
    assert set(catalogue["default"]) <= set(catalogue["experiments"])
    for table, own in catalogue["tables"].items():
        assert own and set(own) <= set(catalogue["experiments"]), table
    for method, _, _, path in config.settings():
        setting = results.Setting(method, path.stem, None, False)
        assert tables.title_of(setting) is not None, path
    assert set(catalogue["labels"]) == set(config.methods())


def experiments_of(setting, variant):
    """Those that run a config's variant, by the paper's protocol or as it stands."""
    plain = lambda name: [
        v for v in (name or "").split("+") if v not in ("", "faithful")
    ]
    for entry in results.catalogue()["experiments"].values():
        if (entry["config"], plain(entry.get("variant"))) == (setting, plain(variant)):
            yield entry


def numbers(paper):
    """`{metric: number}` of a config's `paper`, but for those of other trainings."""
    own = {k: v for k, v in (paper or {}).items() if k not in ("org", "released")}
    return {
        f"{e}.{m}": x for e, v in own.items() if type(v) is dict for m, x in v.items()
    }


def cells_of_papers():
    """`(setting, variant, paper)` of each config and variant with numbers."""
    for method, *_, path in config.settings():
        variants = config.read_yaml(path).get("variants") or {}
        own = [n for n, v in variants.items() if any(k.startswith("paper") for k in v)]
        for variant in (None, *own):
            paper = config.load(path, variant).get("paper")
            if numbers(paper):
                setting = f"{method}/{path.stem}"
                yield pytest.param(setting, variant, paper, id=f"{setting}-{variant}")


@pytest.mark.parametrize(("setting", "variant", "paper"), list(cells_of_papers()))
def test_every_number_of_a_paper_has_a_label_and_an_experiment(setting, variant, paper):
    labels = results.catalogue()["labels"][setting.split("/")[0]]
    assert set(numbers(paper)) <= set(labels)
    assert {m for m in paper.get("released", {})} <= set(labels)
    path = config.home() / "configs" / f"{setting}.yaml"
    found = list(experiments_of(setting, variant))
    assert found
    for entry in found:
        spec = config.load(path, entry.get("variant"))
        experiment.check(spec)
        assert spec["paper"] == paper


OURS = ("simsiam_cifar10", "simsiam_similarity_")  # another paper's recipe; 100 epochs


@pytest.mark.parametrize(("name", "entry"), results.catalogue()["experiments"].items())
def test_an_experiment_with_a_number_runs_the_authors_protocol(name, entry):
    path = config.home() / "configs" / f"{entry['config']}.yaml"
    whole = config.read_yaml(path)
    theirs = (whole.get("variants") or {}).get("faithful")
    own = (entry.get("variant") or "").split("+")
    paper = config.load(path, entry.get("variant")).get("paper")
    if name.startswith(OURS) or not numbers(paper):
        assert "faithful" not in own
    else:
        assert (own[-1] == "faithful") is bool(theirs)


def test_numbers_that_were_missing_or_mistyped_stand_in_the_configs():
    def number(setting, metric, variant=None):
        path = config.home() / "configs" / f"{setting}.yaml"
        return numbers(config.load(path, variant)["paper"])[metric]

    assert number("supervised/resnet18_cifar10", "terms.validation_accuracy") == 0.7568
    assert (
        number("scatsimclr/scatsimclr30_cifar20", "linear_scatsimclr.accuracy")
        == 0.6386
    )
    table = {  # SimSiam study, table 3: the four of validation, in the table's order
        ("multilabel/resnet18_celeba", None): (0.5377, 0.9339, 0.6522, 0.9552),
        ("simsiam/resnet18_celeba", None): (0.5449, 0.9340, 0.6549, 0.9608),
        ("supervised/resnet18_imagenet", "celeba"): (0.5898, 0.9391, 0.6690, 0.9634),
        ("multilabel/pit_tiny_celeba", None): (0.5301, 0.9297, 0.6412, 0.9504),
        ("simsiam/pit_tiny_celeba", None): (0.5413, 0.9311, 0.6579, 0.9591),
        ("supervised/pit_ti_imagenet", "celeba"): (0.5910, 0.9440, 0.6804, 0.9671),
    }
    order = ("macro_jaccard", "macro_auc", "micro_jaccard", "micro_auc")
    for (setting, variant), row in table.items():
        head = "multilabel" if setting.startswith("multi") else "finetune"
        names = (f"{head}.validation_{metric}" for metric in order)
        assert tuple(number(setting, name, variant) for name in names) == row


def test_a_label_of_nmi_has_one_of_ami_beside_it():
    for labels in results.catalogue()["labels"].values():
        for metric in (m for m in labels if m.endswith("nmi")):
            twin = labels[metric.removesuffix("nmi") + "ami"]
            assert twin == labels[metric].replace("NMI", "AMI")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n, e in results.catalogue()["experiments"].items() if "gflop" in e]
)
def test_the_listed_cost_is_the_models(name):
    from ssl_tf import cost, opening

    entry = results.catalogue()["experiments"][name]
    path = config.home() / "configs" / f"{entry['config']}.yaml"
    parts = experiment.check(config.load(path, entry.get("variant")))
    size, classes = experiment.view_size(parts), experiment.class_count(parts)
    method = opening.settle_groups(parts.method, None)
    model = experiment.build(parts, method, classes, size)
    scenes = isinstance(parts.recipes[0], Scene)
    shape = parts.recipes[0].shape(size) if scenes else (size, size, 3)
    flops = cost.training_flops(model, shape)
    flops *= 1 if scenes else experiment.work(parts.recipes, size)
    assert abs(flops / 1e9 / entry["gflop"] - 1) < 0.01


def test_variants_and_overrides_apply_in_order(file):
    spec = config.load(file, "long", ["train.epochs=3", "optimizer.l2={kernel: 0.5}"])
    assert spec["train"]["epochs"] == 3
    assert spec["backbone"]["stem"] == "small"
    assert spec["optimizer"]["l2"] == {"kernel": 0.5}
    assert "variants" not in spec


def test_overrides_reach_into_lists():
    spec = {"method": {"branches": [{"weight": 1}, {"weight": 2}]}}
    config.override(spec, "method.branches.1.weight", 5, "--set")
    assert spec["method"]["branches"][1]["weight"] == 5
    with pytest.raises(BadInput, match="'2' is not a position"):
        config.override(spec, "method.branches.2.weight", 5, "--set")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (VALID.replace("method:", "methd:"), "unknown section 'methd'"),
        (VALID.replace("views: [{name: plain}]\n", ""), "section 'views' is missing"),
        (VALID + "data: {name: noise}\n", "key 'data' twice"),
        (VALID.replace("data:", "data: ["), "while parsing"),
        ("- 1\n- 2\n", "is not a mapping"),
        ("!!python/object/apply:os.system ['echo']\n", "could not determine"),
        ("", "is not a mapping"),
        (VALID.replace("views:", "\tviews:"), "cannot start any token"),
        (VALID + "paper: {<<: {a: 1}, <<: {b: 2}}\n", "key '<<' twice"),
        (VALID + "paper: {1: 2}\n", "key 1 is no text"),
        (VALID + "paper: !!timestamp 2026-01-31\n", "could not determine"),
        (VALID + f"paper: {{a: {'9' * 5000}}}\n", "limit (4300 digits)"),
        (VALID + "paper: &a {b: *a}\n", "unconstructable recursive"),
        (VALID + f"paper: {'[' * 900 + ']' * 900}\n", "nested too deeply"),
        (VALID + BOMB, "more than 100,000 values"),
        (VALID.replace("{name: digits}", "digits"), "data: is 'digits'; must be a map"),
        (
            VALID.replace("[{name: plain}]", "plain"),
            "views: is 'plain'; must be a list",
        ),
        (VALID + "needs: [a]\n", "needs: is ['a']; must be a mapping"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as error:
        config.load(path)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert "broken.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=1", "train: unknown key 'epoch'"),
        ("train.epoch=1", "xla. Did you mean 'epochs'?"),
        ("train.epochs=0", "train.epochs: is 0; must be >= 1."),
        ("train.epochs=many", "train.epochs: is 'many'"),
        ("train.epochs=1e2", "must be a whole number: write 100."),
        ("train.epochs='08'", "write 8 without quotes."),
        ("train.epochs=1:30", "is '1:30'; must be a whole number."),
        ("train.epochs=yes", "is 'yes'; must be a whole number."),
        ("train.deterministic=on", "is 'on'; must be true or false."),
        ("optimizer.learning_rate=.inf", "a number that float32 holds"),
        ("optimizer.learning_rate=1e999", "a number that float32 holds"),
        ("data.classes=[010]", "is 10; must be text, not empty (put it in quotes"),
        ("data.classes=[]", "must be a list of one item or more"),
        ("data.draw=4294967296", "must be less than 2**32"),
        ("views=[{name: crop_flip, scale: [1, 0.5]}]", "must be from low to high"),
        ("needs={confg: x}", "Did you mean 'config'?"),
        ("evaluations={finetune: {share: 2}}", "finetune.share: is 2.0; must be <= 1"),
        ("evaluations={knn: {k: []}}", "knn.k: is []; must be a list of one item"),
        ("optimizer.learning_rate=-1", "must be > 0"),
        ("optimizer.l2={'(': 1.0}", "must be a regular expression"),
        ("backbone.name=resnet", "unknown name 'resnet'. Have: autoencoder_deep"),
        ("data.name=cifar", "unknown name 'cifar'"),
        ("data.validation=1", "must be >= 0 and < 1"),
        ("data.norm=unitt", "data.norm: is 'unitt'"),
        ("views.0.name=shift", "views.0.name: unknown name"),
        ("views.0.count=0", "views.0.count: is 0"),
        ("train.accumulate=3", "must divide the batch of 8"),
        ("train.best=accuracy", "set data.validation"),
        ("optimizer.schedule={name: cosine, warmup: -5}", "must be >= 0"),
        ("evaluations={knnn: {}}", "unknown name 'knnn'"),
        ("paper={terms: {accuracy: high}}", "paper.terms.accuracy"),
        ("trian.epochs=1", "unknown section 'trian'"),
        ("train.epochs", "write --set section.key=value"),
    ],
)
def test_typos_and_values_out_of_range_fail_before_data_is_opened(
    file, override, message
):
    with pytest.raises(BadInput) as error:
        experiment.check(config.load(file, overrides=[override]))
    assert message in str(error.value)


def test_a_grouping_of_the_wrong_length_fails_before_data_is_opened():
    path = config.find("ssal", "resnet18", "digits")
    wrong = "method.branches.0.groups=cifar100_20_group_similar_v2"
    with pytest.raises(BadInput, match="groups 100 classes, the data has 10"):
        experiment.check(config.load(path, overrides=[wrong]))
    with pytest.raises(BadInput, match="no such file"):
        experiment.check(config.load(path, overrides=["method.branches.0.groups=x"]))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("08", 8),
        ("-012", -12),
        ("0o17", 15),
        ("0x1f", 31),
        ("1e-4", 0.0001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("190:20:30.15", "190:20:30.15"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("yes", "yes"),
        ("off", "off"),
        ("2026-01-31", "2026-01-31"),
        ("True", True),
        ("~", None),
        ("", None),
        ("a=b", "a=b"),
        ("1,5", "1,5"),
        ("[1, '2', x]", [1, "2", "x"]),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(text, value):
    found = config.pair(f"a.b={text}")
    assert found == ("a.b", value) and type(found[1]) is type(value)


@pytest.mark.parametrize(
    "text", ["1e5", "0o17", "010", "yes", "1:30", "2026-01-31", "<<", "~", "a: b", ""]
)
def test_text_that_looks_like_something_else_is_written_so_that_it_stays_text(text):
    assert config.parsed(config.dump({"k": text}), "") == {"k": text}
    assert config.parsed(f"[{config.scalar(text)}]", "") == [text]


def test_merge_keys_give_way_to_explicit_ones_and_places_stay_apart(tmp_path):
    path = tmp_path / "merged.yaml"
    train = "train: &t {batch_size: 8, epochs: 2}"
    text = VALID.replace("train: {batch_size: 8, epochs: 2}", train)
    text += "  other: {train: {<<: *t, epochs: 7}}\n"
    text += "evaluations: {knn: {data: &d {limit: 5}}, linear: {data: *d}}\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    found = config.load(path, "other", ["evaluations.knn.data.limit=9"])
    assert found["train"] == {"batch_size": 8, "epochs": 7}
    assert found["evaluations"]["knn"]["data"] == {"limit": 9}
    assert found["evaluations"]["linear"]["data"] == {"limit": 5}  # an alias, no link


def test_the_run_to_start_from_leaves_the_rest_of_init_as_the_config_has_it(file):
    frozen = ["init={run: runs/a, freeze: true}", ("init.run", "010")]
    found = config.load(file, None, frozen)
    assert found["init"] == {"run": "010", "freeze": True}


@pytest.mark.parametrize("path", ["010", "1e5", "on", "null", "a: b", "[x]", "a b/c"])
def test_a_path_in_a_flag_is_taken_as_it_is(file, path, monkeypatch):
    given = ["--config", str(file), "--init", path, "--classes-file", path]
    spec, _, _ = cli.chosen(train.arguments().parse_args(given))
    assert spec["init"]["run"] == spec["data"]["classes_file"] == path
    monkeypatch.setenv("HOME", "/home/me")
    given = ["--config", str(file), "--init=~/runs/x", "--seed", "010"]
    spec, folder, _ = cli.chosen(train.arguments().parse_args(given))
    assert spec["init"]["run"] == "/home/me/runs/x" and folder.name == "seed10"


def test_find_lists_what_there_is():
    assert config.find("ssal", "densenet190").stem == "densenet190_cifar100"
    with pytest.raises(BadInput, match="several configs: .*imagenet"):
        config.find("ssal", "resnet50")
    with pytest.raises(BadInput, match="no such config. Have: .*wrn28_10"):
        config.find("ssal", "vit")
    with pytest.raises(BadInput, match="unknown name 'simsim'"):
        config.find("simsim")


def test_the_digest_ignores_the_order_of_keys():
    a, b = {"x": 1, "y": {"z": 2, "w": 3}}, {"y": {"w": 3, "z": 2}, "x": 1}
    assert config.digest(a) == config.digest(b) != config.digest({"x": 1})
    assert config.differences(a, {"x": 1, "y": {"z": 5}}) == ["y.w", "y.z"]


def test_official_weights_stand_beside_the_rows_of_their_variant():
    def lines(variant, official, value):
        name = "resnet18_imagenet" + "_official" * official
        setting = results.Setting("supervised", name, variant, official)
        line = results.blank(setting, "finetune.accuracy", "fine-tuned", {})
        record = {"values": {"accuracy": value}}
        return line._replace(by_seed={0: record})

    given = [("stl10", True, 0.9), (None, True, 0.7)]
    given += [(variant, False, 0.5) for variant in (None, "faithful", "stl10", "x")]
    rows = results.joined([lines(*one) for one in given], [])
    beside = {r.line.setting.variant: r.official and r.official.values for r in rows}
    assert beside == {None: [0.7], "faithful": [0.7], "stl10": [0.9], "x": None}


@pytest.mark.parametrize(("dataset", "side"), [("cifar10", 32), ("stl10", 96)])
def test_small_crops_beside_whole_views_do_not_shrink_the_images(dataset, side):
    path = config.find("self_classifier", "resnet18", dataset)
    parts = experiment.check(config.load(path))
    assert [r.size for r in parts.recipes] == [None] * 2 + [side // 2] * 4
    assert experiment.view_size(parts) == side
