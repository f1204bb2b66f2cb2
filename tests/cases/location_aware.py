from cases.attention import sentences, translate
from contract.cases import Case
from oracles import location_aware as oracle

from deepcanon.sequence import LocationAwareSeq2Seq

CASES = tuple(
    Case(
        f"location_aware_{window}_{reach}",
        lambda window=window, reach=reach: LocationAwareSeq2Seq(
            7, 6, 4, embedding_size=3, window=window, reach=reach, features=2
        ),
        sentences,
        oracle.module,
        call=translate,
        covers=("LocationAwareSeq2Seq",),
    )
    for window, reach in ((3, 5), (1, 1))
)
