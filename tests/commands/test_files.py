"""Files and folders appear whole or not at all."""

import errno
import os

import pytest

from tacref.files import (
    check_new_file,
    check_new_folder,
    files_together,
    new_file,
    new_folder,
    replacing,
)


def test_replacing_writes_and_replaces(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    for text in ("one", "two"):
        with replacing(target) as path:
            assert path.suffix == ".txt"
            path.write_text(text)
        assert target.read_text() == text
    assert [file.name for file in target.parent.iterdir()] == ["file.txt"]


def test_replacing_keeps_the_old_file_on_failure(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")

    def fail():
        with replacing(target) as path:
            path.write_text("half")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        fail()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_new_folder(tmp_path):
    target = tmp_path / "deep" / "folder"
    with new_folder(target) as path:
        (path / "a").write_text("a")
        assert not target.exists()
    assert [file.name for file in target.iterdir()] == ["a"]

    def fail():
        with new_folder(tmp_path / "other") as path:
            (path / "a").write_text("a")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        fail()
    assert [file.name for file in tmp_path.iterdir()] == ["deep"]


@pytest.mark.parametrize("replace", [True, False])
def test_files_together(tmp_path, replace):
    paths = [tmp_path / "new" / name for name in ("data", "graph")]
    with files_together(paths, replace=replace) as folder:
        for path in paths:
            (folder / path.name).write_text(path.name)
        (folder / "other").touch()
        assert not any(path.exists() for path in paths)
    assert sorted(paths[0].parent.iterdir()) == paths
    assert [path.read_text() for path in paths] == ["data", "graph"]

    def fail():
        with files_together(paths, replace=replace) as folder:
            (folder / "data").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert sorted(paths[0].parent.iterdir()) == paths
    assert [path.read_text() for path in paths] == ["data", "graph"]


def test_files_together_replace_none_that_is_there(tmp_path):
    paths = [tmp_path / name for name in ("data", "graph")]
    paths[1].write_text("theirs")

    def write():
        with files_together(paths, replace=False) as folder:
            for path in paths:
                (folder / path.name).write_text("ours")

    with pytest.raises(ValueError, match="graph: exists already; name another or remove it"):
        write()
    assert list(tmp_path.iterdir()) == [paths[1]]
    assert paths[1].read_text() == "theirs"


def fail_at(monkeypatch, name, *, links):
    """Let nothing be moved to a name, except back, and maybe let there be no hard links."""
    real, failed = os.replace, []

    def replace(source, path):
        if path.name == name and not failed:
            failed.append(path)
            raise OSError(errno.EIO, "broken")
        real(source, path)

    def link(*arguments, **options):
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(os, "replace", replace)
    if not links:
        monkeypatch.setattr(os, "link", link)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("fails", ["data", "graph"])
@pytest.mark.parametrize("there", [(), ("data",), ("graph",), ("data", "graph"), ("linked",)])
def test_files_together_replace_all_or_none(tmp_path, monkeypatch, there, fails, links):
    paths = [tmp_path / "out" / name for name in ("data", "graph")]
    paths[0].parent.mkdir()
    for name in there:
        if name == "linked":
            (tmp_path / "linked").write_text("old linked")
            paths[0].symlink_to(tmp_path / "linked")
        else:
            (tmp_path / "out" / name).write_text(f"old {name}")

    def content():
        return {
            path.name: (path.is_symlink(), path.read_text()) for path in paths[0].parent.iterdir()
        }

    def write():
        with files_together(paths, replace=True) as folder:
            for path in paths:
                (folder / path.name).write_text(f"new {path.name}")

    old = content()
    with monkeypatch.context() as patch:
        fail_at(patch, fails, links=links)
        with pytest.raises(OSError, match="broken"):
            write()
        assert content() == old
        write()
    assert content() == {"data": (False, "new data"), "graph": (False, "new graph")}
    assert all(path.stat().st_nlink == 1 for path in paths)


def test_files_together_replace_no_folder(tmp_path):
    paths = [tmp_path / name for name in ("data", "graph")]
    paths[0].write_text("old")
    (paths[1] / "deep").mkdir(parents=True)

    def write():
        with files_together(paths, replace=True) as folder:
            for path in paths:
                (folder / path.name).write_text("new")

    with pytest.raises(IsADirectoryError):
        write()
    assert sorted(tmp_path.iterdir()) == paths
    assert paths[0].read_text() == "old"
    assert (paths[1] / "deep").is_dir()


def test_existing_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="output folder is not empty"):
        check_new_folder(tmp_path)
    with pytest.raises(ValueError, match="output folder is a file"):
        check_new_folder(tmp_path / "file")
    check_new_folder(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as path:
        (path / "a").write_text("")
    assert (tmp_path / "empty" / "a").exists()


def test_places_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot be made, .*file is a file"):
        check_new_folder(tmp_path / "file" / "deep" / "folder")
    with pytest.raises(ValueError, match="cannot be made"):
        check_new_file(tmp_path / "file" / "out.onnx")
    with pytest.raises(ValueError, match="output file is a folder"):
        check_new_file(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be written \("):
        check_new_folder("/proc/tacref")
    assert check_new_file(tmp_path / "deep" / "out.onnx").name == "out.onnx"
    assert not (tmp_path / "deep").exists()


def test_the_current_folder_and_a_link_to_an_empty_one(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "here")
    for name in (tmp_path / "link", "."):
        monkeypatch.chdir(tmp_path / "here")
        with new_folder(name) as path:
            (path / "a").write_text("a")
        assert [file.name for file in (tmp_path / "here").iterdir()] == ["a"]
        (tmp_path / "here" / "a").unlink()


@pytest.mark.parametrize(
    "name", ["n" * 255, "n" * 251 + ".npz", "ä" * 125 + ".npz", "a." + "s" * 240]
)
def test_names_as_long_as_there_are(tmp_path, name):
    with replacing(check_new_file(tmp_path / "files" / name)) as path:
        assert path.suffix == (tmp_path / name).suffix
        path.write_text("whole")
    with new_folder(tmp_path / "folders" / name) as path:
        (path / "a").touch()
    assert (tmp_path / "files" / name).read_text() == "whole"
    assert (tmp_path / "folders" / name / "a").exists()


@pytest.mark.parametrize("check", [check_new_file, check_new_folder])
@pytest.mark.parametrize("path", ["n" * 256, "ä" * 128, "n" * 256 + "/file"])
def test_names_that_are_too_long(tmp_path, check, path):
    with pytest.raises(ValueError, match=f"{path}: the name is too long"):
        check(tmp_path / path)


@pytest.mark.parametrize("make", [replacing, new_file, new_folder])
def test_a_full_disk_is_told_of_the_output(tmp_path, make):
    full = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / ".hidden"))
    with pytest.raises(OSError, match="No space") as caught, make(tmp_path / "out"):
        raise full
    assert caught.value.filename == str(tmp_path / "out")
    assert not list(tmp_path.iterdir())
    with pytest.raises(PermissionError) as caught, make(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "Permission denied", "elsewhere")
    assert caught.value.filename == "elsewhere"
