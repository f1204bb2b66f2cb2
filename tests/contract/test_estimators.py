"""scikit-learn's own checks over everything that has its API; what is exempted must fail."""

import warnings

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from contract.estimators import ESTIMATORS, EXCEPTIONS


def checks():
    for name, estimator in ESTIMATORS.items():
        options = {"expected_failed_checks": EXCEPTIONS.get(name), "mark": "xfail", "xfail_strict": True}
        for number, case in enumerate(estimator_checks_generator(estimator, **options)):
            values, marks = getattr(case, "values", case), getattr(case, "marks", ())
            function = getattr(values[1], "func", values[1])
            yield pytest.param(*values, marks=marks, id=f"{name}-{function.__name__}-{number}")


@pytest.mark.parametrize(("estimator", "check"), checks())
def test_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def test_there_are_as_many_checks_as_the_field_s_own_estimators_have():
    counts = {name: len(list(estimator_checks_generator(estimator))) for name, estimator in ESTIMATORS.items()}
    assert {name: count for name, count in counts.items() if count < 40} == {}
