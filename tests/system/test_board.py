"""Test how the board is identified."""

from appliance.system.board import Board, read_board


def test_raspberry_pi_is_read_from_the_device_tree(tmp_path):
    (tmp_path / "model").write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    (tmp_path / "serial-number").write_bytes(b"10000000abcdef12\0")
    expected = Board("Raspberry Pi", "Raspberry Pi 5 Model B Rev 1.0", "10000000abcdef12")
    assert read_board(tmp_path, tmp_path / "dmi") == expected


def test_pc_is_read_from_its_tables(tmp_path):
    (tmp_path / "sys_vendor").write_text("Maker\n")
    (tmp_path / "product_name").write_bytes(b"Box \xff\x1b[31m 3\n")
    assert read_board(tmp_path / "tree", tmp_path) == Board("Maker", "Box \ufffd 3")


def test_unknown_machine_has_no_names(tmp_path):
    assert read_board(tmp_path, tmp_path) == Board()
