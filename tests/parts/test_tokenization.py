import pytest

from deepcanon.parts.tokenization import detokenize, tokenize


@pytest.mark.parametrize(
    "text",
    [
        "Ein Hund läuft, schnell.",
        "It's a well-known dog's tail (black), isn't it?",
        "你好，世界。",
        "3 men: 5 % of all!",
        "",
    ],
)
def test_back_and_forth(text):
    assert detokenize(tokenize(text)) == text.replace(" %", "%")


def test_words_signs_and_case():
    assert tokenize("Der <unk> T-Shirt-Träger; 30km", lower=True) == ["der", "<unk>", "t-shirt-träger", ";", "30km"]
    assert tokenize("…\n\tx_y") == ["…", "x_y"]
