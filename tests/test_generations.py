"""Which generation answers, the swap by rename, and the lock for one writer."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assistant.errors import IndexBusy, IndexDamaged, IndexUnusable
from assistant.generations import IndexFolder


@pytest.fixture
def folder(index_folder: IndexFolder) -> IndexFolder:
    index_folder.root.mkdir()
    return index_folder


def test_before_the_first_swap_no_generation_answers(index_folder: IndexFolder) -> None:
    assert index_folder.current() == 0


def test_the_generation_of_the_last_swap_answers_however_often_it_is_repeated(folder: IndexFolder) -> None:
    for number in (1, 2, 2, 41):
        folder.swap(number)
        assert folder.current() == number


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe", b"-1", b"1.5", b"1 2", "²".encode(), b"../../etc"])
def test_a_current_that_names_no_generation_is_damage_and_names_rebuild(folder: IndexFolder, content: bytes) -> None:
    (folder.root / "CURRENT").write_bytes(content)
    with pytest.raises(IndexDamaged, match="assistant sync --rebuild"):
        folder.current()


def test_the_swap_is_a_rename_so_an_open_file_keeps_the_old_number(folder: IndexFolder) -> None:
    folder.swap(1)
    with (folder.root / "CURRENT").open() as opened:
        folder.swap(2)
        assert int(opened.read()) == 1
    assert folder.current() == 2


def test_the_new_number_is_on_disk_before_the_rename_and_the_rename_after_it(
    folder: IndexFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(str(Path(f"/proc/self/fd/{fd}").readlink())), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (steps.append("rename"), replace(self, to)))
    folder.swap(1)
    assert steps == [str(folder.root / "CURRENT.new"), "rename", str(folder.root)]


def test_a_swap_killed_before_its_rename_changes_nothing_and_can_be_repeated(
    folder: IndexFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.swap(1)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            folder.swap(2)
    assert folder.current() == 1
    folder.swap(2)
    assert folder.current() == 2


def _interrupt(self: Path, to: Path) -> None:
    raise KeyboardInterrupt


def test_a_number_that_was_begun_is_never_given_again(folder: IndexFolder) -> None:
    """Also where the clock was set back."""
    later = time.time_ns()
    folder.swap(later + 4)
    assert folder.next_number() == later + 5
    folder.generation(later + 7).mkdir(parents=True)
    assert folder.next_number() == later + 8


def test_a_folder_made_anew_does_not_use_a_number_again(folder: IndexFolder) -> None:
    first = folder.next_number()
    folder.swap(first)
    second = folder.next_number()
    shutil.rmtree(folder.root)
    folder.root.mkdir()
    time.sleep(0.002)
    assert first < second < folder.next_number()


def test_a_garbled_current_does_not_reuse_a_number_on_disk(folder: IndexFolder) -> None:
    later = time.time_ns()
    folder.generation(later).mkdir(parents=True)
    (folder.root / "CURRENT").write_text("garbage")
    assert folder.next_number() == later + 1


def test_only_the_kept_generations_remain(folder: IndexFolder) -> None:
    for number in range(1, 6):
        folder.generation(number).mkdir(parents=True)
    (folder.generation(1).parent / "half a copy").mkdir()
    folder.remove_all_but({4, 5})
    assert sorted(path.name for path in folder.generation(1).parent.iterdir()) == ["000004", "000005"]


def test_git_ignores_the_index(index_folder: IndexFolder) -> None:
    with index_folder.writer():
        pass
    assert (index_folder.root / ".gitignore").read_text().split() == ["*", "!.gitignore"]


def test_a_second_writer_is_refused_and_told_who_writes(index_folder: IndexFolder) -> None:
    with index_folder.writer(), pytest.raises(IndexBusy) as refused, IndexFolder(index_folder.root).writer():
        pass
    assert f"process {os.getpid()} on {socket.gethostname()}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_lock_is_free_after_a_writer_that_failed(index_folder: IndexFolder) -> None:
    with pytest.raises(KeyboardInterrupt), index_folder.writer():
        raise KeyboardInterrupt
    with index_folder.writer():
        pass


HOLD = """
import sys
from pathlib import Path
from assistant.generations import IndexFolder
with IndexFolder(Path(sys.argv[1])).writer():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_named_by_its_pid_and_its_death_frees_the_lock(index_folder: IndexFolder) -> None:
    command = [sys.executable, "-c", HOLD, str(index_folder.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(IndexBusy, match=rf"process {other.pid} on "), index_folder.writer():
            pass
        other.send_signal(signal.SIGKILL)
    with index_folder.writer():
        pass


# -- a folder that is none ---------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_place_of_the_folder_is_one_line_that_names_the_option(tmp_path: Path, below: str) -> None:
    (tmp_path / "README.md").write_text("not an index")
    folder = IndexFolder(tmp_path / "README.md" / below)
    for use in (folder.current, folder.writer().__enter__):
        with pytest.raises(IndexUnusable, match=r"cannot be used \(.*; name another: --index DIR$") as refused:
            use()
        assert str(folder.root) in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_folder_without_permission_is_unusable(folder: IndexFolder) -> None:
    folder.root.chmod(0o500)
    with pytest.raises(IndexUnusable, match="Permission denied"), folder.writer():
        pass
    folder.root.chmod(0)
    with pytest.raises(IndexUnusable, match="Permission denied"):
        folder.current()
    folder.root.chmod(0o700)


def test_a_disk_that_is_full_while_the_writer_works_is_one_line_and_frees_the_lock(index_folder: IndexFolder) -> None:
    with pytest.raises(IndexUnusable, match="No space left on device") as refused, index_folder.writer():
        Path("/dev/full").write_text("x" * 10)
    assert "\n" not in str(refused.value)
    with index_folder.writer():
        pass


def test_a_copy_that_failed_says_why_in_one_line(index_folder: IndexFolder, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "dangling").symlink_to(tmp_path / "nothing")
    with pytest.raises(IndexUnusable, match="No such file") as refused, index_folder.writer():
        shutil.copytree(tmp_path / "from", tmp_path / "to")
    assert "\n" not in str(refused.value)
