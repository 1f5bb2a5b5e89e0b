"""The encodings of index files."""

import pytest

from appliance.errors import DatasetError
from appliance.workshop.datasets.index_text import decode_index, read_index_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_decoded(encoding):
    assert decode_index("bäume/1.jpg,bäume\n".encode(encoding), "i.csv") == "bäume/1.jpg,bäume\n"


def test_other_encoding_and_missing_file_are_sentences(tmp_path):
    with pytest.raises(DatasetError, match=r"i\.csv is not UTF-8 text; save it as UTF-8"):
        decode_index("müll.jpg,a".encode("latin-1"), "i.csv")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_index_text(tmp_path / "none.csv")
