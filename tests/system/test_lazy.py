"""Lazy package interfaces."""

import sys

import pytest

from appliance.system.lazy import load_member


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "lazy_face"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from appliance.system.lazy import load_member\n"
        "def __getattr__(name): return load_member(__name__, {'answer': 'deep'}, name)\n"
    )
    (folder / "deep.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "lazy_face"
    for name in [name for name in sys.modules if name.split(".")[0] == "lazy_face"]:
        del sys.modules[name]


def test_module_is_loaded_with_the_first_use(package):
    face = __import__(package)
    assert "lazy_face.deep" not in sys.modules
    assert face.answer == 42
    assert "lazy_face.deep" in sys.modules


def test_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=r"'lazy_face' has no attribute 'question'"):
        _ = __import__(package).question


def test_module_can_still_be_imported_by_name(package):
    __import__(package)
    from lazy_face import deep

    assert deep.answer == 42


def test_member_of_a_package_is_returned():
    assert load_member("appliance.system", {"is_plain_name": "names"}, "is_plain_name")("a")
