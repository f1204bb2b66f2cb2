"""The courses whose topics the package covers, each in its own order: topics, and the pages of their systems."""

COURSES: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "MIT, Introduction to Deep Learning": (
        ("Bags of words", ("bag_of_words",)),
        ("Markov models of language", ("ngram_lm",)),
        ("Recurrent networks", ("rnn_lm",)),
        ("Sentiment", ("sentiment", "text_cnn")),
        ("Machine translation", ("seq2seq",)),
        ("Backpropagation through time", ("truncated_bptt",)),
        ("Vanishing and exploding gradients", ("gradient_flow",)),
        ("Activations, initial weights, gated cells", ("identity_rnn", "initialization", "lstm")),
        ("Attention", ("attention",)),
        ("Convolution and pooling", ("convolution", "convnet", "pooling")),
        ("Generating text and handwriting", ("rnn_lm", "mixture_density_rnn")),
        ("Generative and discriminative models", ("generative_versus_discriminative",)),
        ("Pixels in sequence", ("pixel_rnn",)),
        ("Autoencoders", ("autoencoder", "denoising_autoencoder")),
        ("Generative adversarial networks", ("gan",)),
        ("Layers that are pre-trained, and transfer", ("stacked_autoencoder", "transfer")),
        ("Boltzmann machines of pictures and of words", ("rbm", "replicated_softmax")),
        ("Word vectors", ("word2vec",)),
        ("Q-learning with networks", ("dqn",)),
    ),
    "Stanford, Unsupervised Feature Learning and Deep Learning": (
        ("Linear regression", ("linear_regression",)),
        ("Logistic regression", ("logistic_regression",)),
        ("Softmax regression", ("softmax_regression",)),
        ("Multilayer networks and backpropagation", ("mlp", "gradient_check")),
        ("Convolutional networks", ("ufldl_convnet", "patch_features")),
        ("Stochastic gradient descent and momentum", ("gradient_descent", "momentum")),
        ("PCA and whitening", ("pca",)),
        ("Sparse coding", ("sparse_coding",)),
        ("ICA and RICA", ("ica", "rica")),
        ("Sparse and stacked autoencoders", ("sparse_autoencoder", "stacked_autoencoder")),
        ("Language models", ("ngram_lm", "rnn_lm")),
        ("Losses", ("losses",)),
        ("Computational graphs", ("autodiff",)),
        ("Detection and speech", ("object_detection", "ctc_speech")),
    ),
    "Udacity, Deep Learning": (
        ("Logistic classifiers and softmax", ("logistic_regression", "softmax_temperature", "softmax_regression")),
        ("Inputs and initial weights", ("standardization", "initialization")),
        ("Validation and its size", ("holdout",)),
        ("Momentum and falling rates", ("momentum", "learning_rate_decay")),
        ("Learning curves", ("learning_curves",)),
        ("AdaGrad", ("adagrad",)),
        ("Deeper, not wider", ("depth_versus_width",)),
        ("Early stopping, weight decay, dropout", ("early_stopping", "weight_decay", "dropout")),
        ("Statistical invariance, weights that are shared", ("translation_invariance",)),
        (
            "Convolutions, pooling, 1 x 1 filters, inception",
            ("convolution", "pooling", "network_in_network", "inception"),
        ),
        ("Embeddings, t-SNE, sampled softmax", ("word2vec", "tsne", "sampled_softmax")),
        ("Exploding gradients", ("gradient_clipping",)),
        ("LSTM and its regularisation", ("lstm", "rnn_lm")),
        ("Beam search", ("decoding",)),
    ),
    "Hung-yi Lee, Machine Learning and Having It Deep and Structured (2017)": (
        ("Gated recurrent units", ("gru",)),
        ("Stacks, pooling", ("stack_rnn", "pooling")),
        ("Backpropagation", ("mlp",)),
        ("Language models", ("ngram_lm", "neural_lm", "rnn_lm", "factorized_bigram_lm")),
        ("Spatial transformers", ("spatial_transformer",)),
        ("Residual and highway networks", ("resnet", "highway")),
        ("Grid LSTM", ("grid_lstm",)),
        ("Recursive networks, tensors and matrices", ("recursive_network", "rntn", "mv_rnn")),
        ("Generating text, verse and pictures", ("rnn_lm", "poem", "pixel_rnn")),
        ("Sequence to sequence, dialogue", ("seq2seq", "hred")),
        ("Attention and its regularisation", ("attention",)),
        ("Memory", ("memory_network", "neural_turing_machine")),
        (
            "What a decoder learns from: its own words, whole sentences",
            ("scheduled_sampling", "sequence_level_training"),
        ),
        ("Pointers", ("pointer_network", "pointer_generator")),
        ("Batch normalisation", ("batch_norm",)),
        ("Rectifiers, SELU", ("activations", "selu")),
        ("Capsules", ("capsules",)),
        ("Generative adversarial networks", ("gan",)),
    ),
    "A lecture on representation learning": (
        ("Forward and backward phase", ("mlp",)),
        ("Convolution", ("convolution",)),
        ("What layers see", ("feature_visualization",)),
        ("Transfer", ("transfer",)),
        ("Distributed units", ("diversity",)),
        ("The manifold of the data", ("autoencoder", "denoising_autoencoder")),
        ("Memory in recurrent networks, truncated gradients", ("lstm", "truncated_bptt")),
    ),
}
GUIDES = {"decoding": "guides/decoding"}  # topics that a guide explains


def page(stems: list[str]) -> str:
    """The courses as Markdown; systems that have no page yet are left out."""
    lines = ["# The courses, topic by topic", "", "What to run, lecture by lecture, in the order of each course.", ""]
    for course, topics in COURSES.items():
        lines += [f"## {course}", "", "| topic | systems |", "| --- | --- |"]
        for topic, names in topics:
            links = [
                f"[{name.replace('_', '-')}]({GUIDES.get(name, f'systems/{name}')}.md)"
                for name in names
                if name in stems or name in GUIDES
            ]
            if links:
                lines.append(f"| {topic} | {', '.join(links)} |")
        lines.append("")
    return "\n".join(lines)
