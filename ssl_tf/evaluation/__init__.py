"""`(method, train, test, **kwargs) -> {name: number or array}`, after training."""

from ssl_tf.evaluation.clustering import clustering
from ssl_tf.evaluation.combination import combination
from ssl_tf.evaluation.confusion import confusion
from ssl_tf.evaluation.detection import detection
from ssl_tf.evaluation.discover import discover
from ssl_tf.evaluation.finetune import finetune
from ssl_tf.evaluation.gallery import gallery
from ssl_tf.evaluation.kmeans import kmeans
from ssl_tf.evaluation.knn import knn
from ssl_tf.evaluation.linear import linear
from ssl_tf.evaluation.linear_gsimclr import linear_gsimclr
from ssl_tf.evaluation.linear_scatsimclr import linear_scatsimclr
from ssl_tf.evaluation.map import embedding_map
from ssl_tf.evaluation.multilabel import multilabel
from ssl_tf.evaluation.neighbours import neighbours
from ssl_tf.evaluation.pseudo_labels import pair_rates, pseudo_labels
from ssl_tf.evaluation.terms import terms
from ssl_tf.evaluation.views import views

# What the evaluator supplies, to those that ask for it: a `Store` of the method's
# features, the run's recipes and a way to train beside the contract's three.
SUPPLIED = ("method", "train", "test", "store", "recipes", "tune")

EVALUATIONS = {
    "clustering": clustering,
    "combination": combination,
    "confusion": confusion,
    "detection": detection,
    "discover": discover,
    "finetune": finetune,
    "gallery": gallery,
    "kmeans": kmeans,
    "knn": knn,
    "linear": linear,
    "linear_gsimclr": linear_gsimclr,
    "linear_scatsimclr": linear_scatsimclr,
    "map": embedding_map,
    "multilabel": multilabel,
    "neighbours": neighbours,
    "pair_rates": pair_rates,
    "pseudo_labels": pseudo_labels,
    "terms": terms,
    "views": views,
}
