"""A recipe as a scikit-learn estimator: in a pipeline, a grid search and cross-validation.

To run it: python examples/pipeline.py
"""

from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import deepcanon

X, y = load_wine(return_X_y=True)  # 178 wines, 13 measurements, 3 growers

# Both steps after the scaler are recipes of this package: PCA compresses the measurements, and softmax regression
# classifies the result.
model = Pipeline(
    [
        ("scale", StandardScaler()),
        ("compress", deepcanon.Estimator("pca", components=4)),
        ("classify", deepcanon.Estimator("softmax-regression", seed=0)),
    ]
)
grid = {"compress__components": [2, 4, 8], "classify__decay": [1e-3, 1e-1]}

search = GridSearchCV(model, grid, cv=3).fit(X, y)
results = search.cv_results_
for params, score in zip(results["params"], results["mean_test_score"], strict=True):
    print(f"components {params['compress__components']}  decay {params['classify__decay']:<5}  accuracy {score:.3f}")

scores = cross_val_score(search.best_estimator_, X, y, cv=5)
print(f"the best of them in five folds: accuracy {scores.mean():.3f} +- {scores.std():.3f}")
