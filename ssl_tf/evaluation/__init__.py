"""`(method, train, test, **kwargs) -> {name: number or array}`, after training."""

from ssl_tf.evaluation.combination import combination
from ssl_tf.evaluation.confusion import confusion
from ssl_tf.evaluation.terms import terms

EVALUATIONS = {
    "combination": combination,
    "confusion": confusion,
    "terms": terms,
}
