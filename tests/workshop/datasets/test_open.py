"""Opening datasets: folders and zips of every make, and what is not taken from them."""

import os
import pickle
import stat
import struct
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.errors import DatasetError, PictureError
from appliance.workshop.datasets.dataset import DevicePrediction
from appliance.workshop.datasets.open import open_dataset, require_trainable
from support.datasets import picture, split_tree, tree, write_folder, write_zip


def write(kind, tmp_path, files):
    return write_folder(tmp_path / "set", files) if kind == "folder" else write_zip(tmp_path / "set.zip", files)


def said(dataset, fault):
    return [problem.message for problem in dataset.problems if problem.kind == fault]


both = pytest.mark.parametrize("kind", ["folder", "zip"])


@both
def test_one_folder_a_label(kind, tmp_path):
    files = tree({"roses": 2, "tulips": 3})
    dataset = open_dataset(write(kind, tmp_path, files))
    assert dataset.labels == ("roses", "tulips")
    assert [(example.name, example.label, example.split) for example in dataset.examples] == [
        ("roses/000.jpg", "roses", None), ("roses/001.jpg", "roses", None),
        ("tulips/000.jpg", "tulips", None), ("tulips/001.jpg", "tulips", None), ("tulips/002.jpg", "tulips", None),
    ]  # fmt: skip
    assert all(example.read_bytes() == files[example.name] for example in dataset.examples)
    assert not dataset.problems and not dataset.unlabeled


@both
def test_a_folder_around_all_of_it_is_no_label(kind, tmp_path):
    files = {f"my_flowers/{name}": content for name, content in tree({"roses": 1, "tulips": 1}).items()}
    assert open_dataset(write(kind, tmp_path, files)).labels == ("roses", "tulips")


@both
def test_pictures_beside_the_label_folders_are_unlabeled(kind, tmp_path):
    dataset = open_dataset(write(kind, tmp_path, {**tree({"roses": 1}), "later.png": picture(9, "PNG")}))
    assert [example.name for example in dataset.unlabeled] == ["later.png"]
    assert [example.name for example in dataset.examples] == ["roses/000.jpg"]


@both
def test_train_validation_and_test_folders_give_the_splits(kind, tmp_path):
    files = split_tree({"a": 1, "b": 1}, "train", "val", "TEST", "unassigned")
    dataset = open_dataset(write(kind, tmp_path, files))
    assert dataset.labels == ("a", "b")
    assert Counter(example.split for example in dataset.examples) == {"train": 2, "validation": 2, "test": 2, None: 2}


@both
@pytest.mark.parametrize("around", ["", "my_set/"])
def test_one_split_alone_is_one_where_it_is_in_capitals_and_holds_nothing_but_folders(kind, around, tmp_path):
    files = {around + name: content for name, content in split_tree({"a": 1, "b": 1}, "TEST").items()}
    dataset = open_dataset(write(kind, tmp_path, files))
    assert dataset.labels == ("a", "b")
    assert {example.split for example in dataset.examples} == {"test"}


@both
def test_a_lone_folder_of_another_spelling_is_just_around_all_of_it_and_one_with_pictures_is_a_label(kind, tmp_path):
    dataset = open_dataset(write(kind, tmp_path, split_tree({"a": 1, "b": 1}, "test")))
    assert (dataset.labels, {example.split for example in dataset.examples}) == (("a", "b"), {None})
    files = {"later.png": picture(9, "PNG"), "TRAIN/1.png": picture(10, "PNG"), "TRAIN/more/2.png": picture(11, "PNG")}
    (tmp_path / "label").mkdir()
    assert open_dataset(write(kind, tmp_path / "label", files)).labels == ("TRAIN",)


def test_labels_may_be_called_train_and_test(tmp_path):
    dataset = open_dataset(write_folder(tmp_path / "set", tree({"train": 1, "test": 1})))
    assert dataset.labels == ("test", "train")
    assert {example.split for example in dataset.examples} == {None}


@both
def test_every_format_is_taken_and_what_systems_leave_behind_is_not_spoken_of(kind, tmp_path):
    files = {f"a/1.{form.lower()}": picture(n, form) for n, form in enumerate(["JPEG", "PNG", "GIF", "BMP", "ICO"])}
    litter = {"__MACOSX/a/._1.jpg": b"x", "a/.DS_Store": b"x", "a/Thumbs.db": b"x", ".git/config": b"x"}
    dataset = open_dataset(write(kind, tmp_path, {**files, **litter}))
    assert {example.name for example in dataset.examples} == set(files)
    assert not dataset.problems


@both
@pytest.mark.parametrize(
    ("name", "content", "fault", "says"),
    [
        ("a/page.jpg", b"<html>404 not found</html>", "unreadable", "no picture, though its name says JPEG"),
        ("a/empty.png", b"", "unreadable", "no picture"),
        (
            "a/really.jpg",
            picture(5, "PNG"),
            "wrong_format",
            "is PNG inside, though its name says JPEG: rename it to .png",
        ),
        ("a/x.dat", picture(5, "PNG"), "wrong_format", "is PNG inside, which its name does not say"),
        ("a/new.webp", picture(5, "WEBP"), "wrong_format", "is WEBP: JPEG, PNG, GIF, BMP and ICO are taken"),
        ("a/new.jpg", picture(5, "WEBP"), "wrong_format", "is WEBP"),
        ("a/old.tif", picture(5, "TIFF"), "wrong_format", "is TIFF"),
        ("a/drawing.svg", b"<svg/>", "wrong_format", "is SVG"),
        ("a/notes.txt", b"hello", "passed_over", "no picture and was passed over"),
        ("a/nested.zip", b"PK\x03\x04", "passed_over", "passed over"),
        ("a/huge.bmp", b"BM" + bytes(30_000_000), "too_large", "30.0 MB, more than the 30 MB"),
        ("a/odd\x1b[2J.jpg", picture(5), "refused", r"'a/odd\x1b[2J.jpg' has a name that cannot be shown"),
    ],
)
def test_what_is_no_picture_to_learn_from_is_left_out_with_a_sentence(kind, name, content, fault, says, tmp_path):
    dataset = open_dataset(write(kind, tmp_path, {**tree({"a": 1}), name: content}))
    assert [example.name for example in dataset.examples] == ["a/000.jpg"]
    assert len(dataset.problems) == 1 and says in said(dataset, fault)[0]


@both
def test_a_picture_without_a_suffix_is_told_by_its_content(kind, tmp_path):
    assert len(open_dataset(write(kind, tmp_path, {"a/IMG_1": picture(1)})).examples) == 1


@both
def test_label_names_that_automl_refused_are_said_and_nothing_is_trained_on_them(kind, tmp_path):
    long = "x" * 33
    dataset = open_dataset(write(kind, tmp_path, tree({"t-shirt": 10, "roses": 10, long: 10})))
    assert dataset.labels == ("roses", "t-shirt", long)
    sentences = said(dataset, "wrong_name")
    assert len(sentences) == 2 and "for example to 't_shirt'" in sentences[0]
    with pytest.raises(DatasetError, match="'t-shirt' is not 1 to 32"):
        require_trainable(dataset)


def test_too_few_pictures_and_too_few_labels_are_not_trained_on(tmp_path):
    with pytest.raises(DatasetError, match=r"fewer than 10 pictures of b \(9\)"):
        require_trainable(open_dataset(write_folder(tmp_path / "few", tree({"a": 10, "b": 9}))))
    with pytest.raises(DatasetError, match="only the label a"):
        require_trainable(open_dataset(write_folder(tmp_path / "one", tree({"a": 10}))))
    with pytest.raises(DatasetError, match="no label"):
        require_trainable(open_dataset(write_folder(tmp_path / "none", {"x.jpg": picture(1)})))
    require_trainable(open_dataset(write_folder(tmp_path / "good", tree({"a": 10, "b": 10}))))


@pytest.mark.parametrize("around", ["", "flowers/", "TRAIN/"])
@both
def test_a_label_of_which_no_picture_can_be_taken_is_not_forgotten(kind, around, tmp_path):
    phone = {f"b/{number}.heic": b"\0\0\0\x18ftypheic" + bytes(16) for number in range(12)}
    files = {f"{around}{name}": content for name, content in (tree({"a": 12, "c": 12}) | phone).items()}
    files |= {"beside.webp": picture(99, "WEBP"), f"{around}notes/read.txt": b"me"}
    dataset = open_dataset(write(kind, tmp_path, files))
    assert dataset.labels == ("a", "b", "c")
    with pytest.raises(DatasetError, match=r"fewer than 10 pictures of b \(0\)"):
        require_trainable(dataset)


def test_a_label_of_an_index_whose_pictures_are_all_missing_is_not_forgotten(tmp_path):
    write_folder(tmp_path, tree({"a": 12, "c": 12}))
    rows = [f"{label}/{number:03d}.jpg,{label}" for label in "abc" for number in range(12)]
    (tmp_path / "index.csv").write_text("\n".join(rows))
    dataset = open_dataset(tmp_path / "index.csv")
    assert dataset.labels == ("a", "b", "c")
    with pytest.raises(DatasetError, match=r"fewer than 10 pictures of b \(0\)"):
        require_trainable(dataset)


@both
def test_spaces_of_all_kinds_may_stand_in_names(kind, tmp_path):
    names = ["a/写真\u30001.jpg", "a/Screenshot at 10.00.00\u202fAM.jpg", "a/no\u00a0break.jpg"]
    dataset = open_dataset(write(kind, tmp_path, {name: picture(number) for number, name in enumerate(names)}))
    assert [example.name for example in dataset.examples] == sorted(names)
    assert not dataset.problems


@pytest.mark.parametrize("name", ["a\u2028b", "a\x1b[2Jb", "a\u202eb", "a\nb"])
@both
def test_names_that_break_a_terminal_are_refused(kind, name, tmp_path):
    dataset = open_dataset(write(kind, tmp_path, {**tree({"a": 1}), f"a/{name}.jpg": picture(9)}))
    assert len(dataset.examples) == 1
    assert "has a name that cannot be shown: rename it" in said(dataset, "refused")[0]


@both
def test_a_text_that_begins_like_a_bmp_is_passed_over(kind, tmp_path):
    dataset = open_dataset(write(kind, tmp_path, {**tree({"BMW": 1}), "labels.txt": b"BMW\nAudi\nVolkswagen\n"}))
    assert [problem.kind for problem in dataset.problems] == ["passed_over"]


def test_links_are_not_followed(tmp_path):
    secret = write_folder(tmp_path / "elsewhere", {"secret.jpg": picture(7)})
    folder = write_folder(tmp_path / "set", tree({"a": 1}))
    (folder / "a" / "link.jpg").symlink_to(secret / "secret.jpg")
    (folder / "b").symlink_to(secret)
    os.mkfifo(folder / "a" / "pipe.jpg")
    dataset = open_dataset(folder)
    assert len(dataset.examples) == 1 and dataset.labels == ("a",)
    assert said(dataset, "refused") == [
        "a/link.jpg is a link: put the file itself there.",
        "a/pipe.jpg is neither a file nor a folder.",
        "b is a link: put the file itself there.",
    ]


def test_a_folder_that_cannot_be_read_costs_only_itself(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root can read every folder")
    folder = write_folder(tmp_path / "set", tree({"a": 1, "b": 1}))
    (folder / "b").chmod(0)
    dataset = open_dataset(folder)
    (folder / "b").chmod(0o755)
    assert dataset.labels == ("a",) and said(dataset, "unreadable") == [
        "The folder b cannot be read: Permission denied."
    ]


def test_zip_entries_that_climb_or_link_are_refused_and_the_rest_is_read(tmp_path):
    path = write_zip(tmp_path / "set.zip", tree({"a": 1}))
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../../evil.jpg", "/etc/evil.jpg", "a/../../evil.jpg", "C:/evil.jpg", "a\\..\\evil.jpg"):
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            archive.writestr(entry, picture(3))
        link = zipfile.ZipInfo("a/link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        pipe = zipfile.ZipInfo("a/pipe.jpg")
        pipe.external_attr = (stat.S_IFIFO | 0o666) << 16
        archive.writestr(pipe, b"")
        archive.writestr("a/strong.jpg", picture(4), zipfile.ZIP_LZMA)
    dataset = open_dataset(path)
    assert [example.name for example in dataset.examples] == ["a/000.jpg"]
    sentences = said(dataset, "refused")
    assert len(sentences) == 8
    assert sum("leads out of the zip's folder" in sentence for sentence in sentences) == 5
    assert "'a/link.jpg' is a link: pack the file itself." in sentences
    assert "'a/pipe.jpg' is neither a file nor a folder." in sentences
    assert "'a/strong.jpg' is packed neither stored nor deflated." in sentences


def test_a_zip_with_backslashes_is_not_said_to_climb(tmp_path):
    path = write_zip(tmp_path / "set.zip", tree({"a": 1}))
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("x")
        entry.filename = "b\\001.jpg"
        archive.writestr(entry, picture(3))
    (sentence,) = said(open_dataset(path), "refused")
    assert "has backslashes where slashes belong" in sentence


def test_an_encrypted_entry_is_refused(tmp_path):
    path = write_zip(tmp_path / "set.zip", tree({"a": 2}))
    raw = bytearray(path.read_bytes())
    for signature, flags_at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = raw.index(signature) + flags_at
        raw[at] |= 1
    path.write_bytes(raw)
    dataset = open_dataset(path)
    assert len(dataset.examples) == 1
    assert said(dataset, "refused") == ["'a/000.jpg' is encrypted: pack it without a password."]


def test_an_entry_that_stands_there_twice_is_said(tmp_path):
    path = write_zip(tmp_path / "set.zip", tree({"a": 2}))
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/000.jpg", picture(50))
    dataset = open_dataset(path)
    assert len(dataset.examples) == 2 and "twice" in said(dataset, "refused")[0]


def test_a_zip_bomb_is_refused_without_unpacking_it(tmp_path):
    """Forty entries share one run of packed bytes, so that 30 kB claim to be more than a gigabyte."""
    path = tmp_path / "bomb.zip"
    write_zip(path, {"a/0.bmp": bytes(29_000_000)}, zipfile.ZIP_DEFLATED)
    raw = path.read_bytes()
    start = raw.index(b"PK\x01\x02")
    local, entry = raw[:start], raw[start : raw.index(b"PK\x05\x06")]
    directory = b"".join(entry.replace(b"a/0.bmp", b"a/%c.bmp" % (48 + n)) for n in range(40))
    path.write_bytes(
        local + directory + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 40, 40, len(directory), len(local), 0)
    )
    with pytest.raises(DatasetError, match=r"refused as a zip bomb: 0\.\d MB would unpack to 1\.2 GB"):
        open_dataset(path)


def test_a_single_entry_that_swells_is_too_large_and_is_not_read(tmp_path):
    path = write_zip(
        tmp_path / "set.zip", {**tree({"a": 1}), "a/bomb.bmp": b"BM" + bytes(40_000_000)}, zipfile.ZIP_DEFLATED
    )
    dataset = open_dataset(path)
    assert len(dataset.examples) == 1 and "40.0 MB" in said(dataset, "too_large")[0]


def test_an_entry_that_lies_about_its_size_gives_no_byte_more(tmp_path):
    path = write_zip(
        tmp_path / "set.zip", {"a/x.bmp": b"BM" + bytes(12) + b"\x28" + bytes(1_000_000)}, zipfile.ZIP_DEFLATED
    )
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, raw.index(b"PK\x01\x02") + 24, 5000)
    path.write_bytes(raw)
    (example,) = open_dataset(path).examples
    with pytest.raises(PictureError, match="a/x.bmp in .*set.zip is damaged"):
        example.read_bytes()


def test_a_damaged_entry_costs_only_itself(tmp_path):
    path = write_zip(
        tmp_path / "set.zip", {"a/0.bmp": picture(0, "BMP"), "a/1.bmp": picture(1, "BMP"), "a/2.jpg": picture(2)}
    )
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"a/0.bmp") + 10_000] ^= 0xFF  # found when all of it is read
    raw[raw.index(b"a/2.jpg") + 300] ^= 0xFF  # so small that the first bytes are all of it
    path.write_bytes(raw)
    dataset = open_dataset(path)
    damaged, whole = dataset.examples
    with pytest.raises(PictureError, match="a/0.bmp in .* is damaged and cannot be unpacked"):
        damaged.read_bytes()
    assert whole.read_bytes() == picture(1, "BMP")
    assert "a/2.jpg in" in said(dataset, "unreadable")[0]


def test_a_picture_that_grew_or_went_since_it_was_opened_is_said(tmp_path):
    folder = write_folder(tmp_path / "set", tree({"a": 2}))
    first, second = open_dataset(folder).examples
    (folder / "a" / "000.jpg").write_bytes(bytes(30_000_001))
    (folder / "a" / "001.jpg").unlink()
    with pytest.raises(PictureError, match="a/000.jpg is larger than the 30 MB"):
        first.read_bytes()
    with pytest.raises(PictureError, match="001.jpg cannot be read: No such file"):
        second.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.zip", None, "does not exist: a dataset is a folder, a .zip or a .csv index"),
        ("list.txt", b"a,b", "is no dataset"),
        ("text.zip", b"this is no zip", "text.zip is not a zip file, or it is cut short: copy or make it again.$"),
        ("empty.csv", b"\n", "holds no picture that can be taken"),
        ("latin.csv", "müll.jpg,a".encode("latin-1"), "is not UTF-8 text: save it as UTF-8"),
        ("null.csv", b"a\x00.jpg,a", "holds no picture|is not CSV"),
    ],
)
def test_what_is_no_dataset_is_said(name, content, says, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=says):
        open_dataset(tmp_path / name)


def test_a_dataset_without_pictures_says_why(tmp_path):
    with pytest.raises(DatasetError, match="holds no picture that can be taken .*a/page.jpg is no picture"):
        open_dataset(write_folder(tmp_path / "set", {"a/page.jpg": b"<html>"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no picture"):
        open_dataset(tmp_path / "empty")


def test_a_cut_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "set.zip", tree({"a": 3}))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DatasetError, match="cut short"):
        open_dataset(path)


@pytest.mark.parametrize("bits", [32, 64])
def test_a_zip_with_more_names_than_pictures_can_be_is_refused(bits, tmp_path):
    path = tmp_path / "many.zip"
    count = 400_000
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    directory = entry * count
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    if bits == 64:
        end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        end64 = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), 0)
        end = end64 + struct.pack("<4sIQI", b"PK\x06\x07", 0, len(directory), 1) + end
    path.write_bytes(directory + end)
    with pytest.raises(DatasetError, match="list of names of 17 MiB, more than the 16 MiB that are read"):
        open_dataset(path)


@both
def test_many_threads_and_other_processes_read_the_right_bytes(kind, tmp_path):
    # Larger than a file's buffer, so that each reading moves the position that a forked process shares.
    files = {f"{label}/{seed}.bmp": picture(seed, "BMP") for seed in range(20) for label in "ab"}
    dataset = open_dataset(write(kind, tmp_path, files))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda example: example.read_bytes(), dataset.examples * 5)) == [
            files[example.name] for example in dataset.examples * 5
        ]
    sent = pickle.loads(pickle.dumps(dataset))
    assert [example.read_bytes() for example in sent.examples] == [files[example.name] for example in dataset.examples]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # a process that was forked while the zip is open shares its file position
        try:
            same = all(example.read_bytes() == files[example.name] for _ in range(20) for example in dataset.examples)
        except PictureError:
            same = False
        os.write(writing, b"y" if same else b"n")
        os._exit(0)
    assert all(example.read_bytes() == files[example.name] for _ in range(20) for example in dataset.examples)
    assert os.read(reading, 1) == b"y"
    os.waitpid(child, 0)


@both
def test_the_guess_beside_a_collected_frame_is_read(kind, tmp_path):
    guess = (
        b'{"reason": "unsure", "labels": [{"label": "roses", "score": 0.41}], "model": {"name": "m", "version": "1.2"}}'
    )
    files = {
        "x1.jpg": picture(1), "x1.json": guess,
        "x2.jpg": picture(2), "x2.json": b"somebody else's",
        "x3.jpg": picture(3), "alone.json": b"{}",
    }  # fmt: skip
    dataset = open_dataset(write(kind, tmp_path, files))
    assert [example.prediction for example in dataset.unlabeled] == [
        DevicePrediction("roses", 0.41, "m 1.2", "unsure"),
        None,
        None,
    ]
    assert said(dataset, "passed_over") == ["alone.json is no picture and was passed over."]


def test_the_published_sets_open_as_they_are(data):
    dataset = open_dataset(data / "sign_digits" / "sign_digits_train.zip")
    require_trainable(dataset)
    assert len(dataset.examples) == 1333 and len(dataset.labels) == 10 and not dataset.problems
