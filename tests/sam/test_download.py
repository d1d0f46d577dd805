"""Downloads: the right file or a clear error, and never a half file under the right name."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from samkit.sam import cache, download
from samkit.sam.download import fetch
from samkit.sam.remote import Remote
from tests.https_server import Server, make_certificate, serving

RIGHT = np.random.default_rng(0).bytes(300_000)
NAME = "weights.pth"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def server(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "WAITS", (0.0,))
    with serving(certificate) as server:
        server.files[f"/{NAME}"] = RIGHT
        yield server


def pinned(server: Server, content: bytes = RIGHT) -> Remote:
    return Remote(f"{server.address}/{NAME}", len(content), hashlib.sha256(content).hexdigest())


def names(folder: Path) -> set[str]:
    """What lies there, without the notes and the lock."""
    return {p.name for p in folder.iterdir() if p.suffix not in (".lock", ".verified")}


def test_a_download_is_made_once(server: Server, tmp_path: Path) -> None:
    path = fetch(pinned(server), tmp_path / "new" / "folder")
    assert path.read_bytes() == RIGHT
    assert names(path.parent) == {NAME}
    assert fetch(pinned(server), path.parent) == path
    assert server.asked == [(f"/{NAME}", None)]


def test_broken_at_three_places_it_is_resumed(server: Server, tmp_path: Path) -> None:
    server.break_after = [100_000, 50_000, 1]
    assert fetch(pinned(server), tmp_path).read_bytes() == RIGHT
    ranges = [asked for _, asked in server.asked]
    assert ranges == [None, "bytes=100000-", "bytes=150000-", "bytes=150001-"]


def test_a_later_call_goes_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "WAITS", ())
    for stop, kept in ((1, 1), (120_000, 120_001), (179_998, 299_999)):
        server.break_after = [stop]
        with pytest.raises(OSError, match=rf"ended early\. {kept:,} bytes are kept, call again"):
            fetch(pinned(server), tmp_path)
        assert names(tmp_path) == {f"{NAME}.part"}
    assert fetch(pinned(server), tmp_path).read_bytes() == RIGHT
    assert server.asked[-1][1] == "bytes=299999-"


def test_a_server_that_never_gets_further_is_given_up(server: Server, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(OSError, match="answered 503 Service Unavailable.*put it into"):
        fetch(pinned(server), tmp_path)
    assert len(server.asked) == 2 and names(tmp_path) == set()


def test_a_server_without_ranges_starts_anew(server: Server, tmp_path: Path) -> None:
    server.ranges, server.break_after = False, [200_000, 250_000]
    assert fetch(pinned(server), tmp_path).read_bytes() == RIGHT
    assert [asked for _, asked in server.asked] == [None, "bytes=200000-", "bytes=250000-"]


@pytest.mark.parametrize("shift", [-5, 200_000], ids=["another part", "none there"])
def test_a_server_with_wrong_ranges_starts_anew(server: Server, tmp_path: Path, shift: int) -> None:
    server.shift, server.break_after = shift, [200_000]
    assert fetch(pinned(server), tmp_path).read_bytes() == RIGHT
    assert [asked for _, asked in server.asked] == [None, "bytes=200000-", None]


def test_a_file_that_changed_on_the_way_starts_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(b"x" * 100_000)
    assert fetch(pinned(server), tmp_path).read_bytes() == RIGHT
    assert [asked for _, asked in server.asked] == ["bytes=100000-", None]
    assert names(tmp_path) == {NAME}


@pytest.mark.parametrize("begun", [300_000, 400_000], ids=["whole", "too long"])
def test_a_part_that_only_misses_its_check(server: Server, tmp_path: Path, begun: int) -> None:
    (tmp_path / f"{NAME}.part").write_bytes((RIGHT * 2)[:begun])
    assert fetch(pinned(server), tmp_path).read_bytes() == RIGHT
    assert len(server.asked) == (0 if begun == len(RIGHT) else 1)


def test_a_wrong_file_is_refused_and_kept_aside(server: Server, tmp_path: Path) -> None:
    wrong = server.files[f"/{NAME}"] = RIGHT[::-1]
    with pytest.raises(ValueError, match=rf"its sha256 is \w+ instead of.*{NAME}\.refused"):
        fetch(pinned(server), tmp_path)
    assert names(tmp_path) == {f"{NAME}.refused"}
    assert (tmp_path / f"{NAME}.refused").read_bytes() == wrong


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("length", [299_999, 300_001, 900_000])
def test_a_file_of_another_size_is_refused(
    server: Server, tmp_path: Path, length: int, announced: bool
) -> None:
    server.files[f"/{NAME}"] = (RIGHT * 3)[:length]
    server.announces_length = announced
    with pytest.raises(ValueError, match=r"it has [\d,]+ bytes instead of 300,000"):
        fetch(pinned(server), tmp_path)
    assert names(tmp_path) == {f"{NAME}.refused"}


def test_a_web_page_does_not_cost_what_came_before(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(RIGHT[:100_000])
    server.files[f"/{NAME}"], server.ranges = b"<html>Please log in</html>", False
    server.content_type, server.announces_length = "text/html; charset=utf-8", False
    with pytest.raises(ValueError, match="it is a web page, perhaps a login"):
        fetch(pinned(server), tmp_path)
    assert (tmp_path / f"{NAME}.refused").read_bytes() == b"<html>Please log in</html>"
    assert (tmp_path / f"{NAME}.part").read_bytes() == RIGHT[:100_000]
    assert not (tmp_path / NAME).exists()
    with pytest.raises(ValueError, match="it is a web page"):
        fetch(Remote(f"{server.address}/{NAME}"), tmp_path / "unpinned")
    assert names(tmp_path / "unpinned") == {f"{NAME}.refused"}


def test_redirects_are_followed_to_https_only(server: Server, tmp_path: Path) -> None:
    remote = Remote(f"{server.address}/moved/{NAME}", len(RIGHT), pinned(server).sha256)
    with serving(None) as plain:
        plain.files[f"/{NAME}"] = RIGHT
        server.redirects[f"/moved/{NAME}"] = f"{plain.address}/{NAME}"
        with pytest.raises(ValueError, match="redirects to http://.*not https"):
            fetch(remote, tmp_path)
        assert plain.asked == [] and names(tmp_path) == set()
        with pytest.raises(ValueError, match="only https addresses are read, got http://"):
            fetch(Remote(f"{plain.address}/{NAME}"), tmp_path)
        assert plain.asked == []
    server.redirects[f"/moved/{NAME}"] = f"{server.address}/{NAME}"
    assert fetch(remote, tmp_path).read_bytes() == RIGHT


def test_a_stranger_s_certificate_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger))
    with pytest.raises(OSError, match="certificate is not trusted"):
        fetch(pinned(server), tmp_path / "cache")
    assert server.asked == []


def test_what_is_not_there_is_said_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"nothing\.pth: the server answered 404"):
        fetch(Remote(f"{server.address}/nothing.pth"), tmp_path)
    assert len(server.asked) == 1


def test_a_damaged_file_in_the_cache_is_replaced(server: Server, tmp_path: Path) -> None:
    path = fetch(pinned(server), tmp_path)
    path.write_bytes(RIGHT[:-1] + b"x")
    os.utime(path, ns=(1, 1))
    with pytest.warns(UserWarning, match="is not the file it should be.*downloaded again"):
        assert fetch(pinned(server), tmp_path).read_bytes() == RIGHT
    assert names(tmp_path) == {NAME, f"{NAME}.refused"}


def test_a_file_put_there_by_hand_is_checked_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_bytes(RIGHT)
    fetch(pinned(server), tmp_path)
    monkeypatch.setattr(download, "mismatch", lambda *_: pytest.fail("hashed again"))
    assert fetch(pinned(server), tmp_path) == tmp_path / NAME
    assert server.asked == []


def test_a_file_nobody_pinned_is_taken_whole_or_not(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(b"of another day")
    server.break_after = [200_000]
    assert fetch(Remote(f"{server.address}/{NAME}"), tmp_path).read_bytes() == RIGHT
    assert [asked for _, asked in server.asked] == [None, None]
    monkeypatch.setattr(download, "UNPINNED_BYTES", 299_999)
    with pytest.raises(ValueError, match="more than the 299,999 bytes"):
        fetch(Remote(f"{server.address}/{NAME}"), tmp_path / "other")
    assert names(tmp_path / "other") == set()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True
    )
    if not mount or mount.returncode:
        pytest.skip("cannot mount a small tmpfs here (it takes root on Linux)")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("foreseen", [True, False])
def test_a_full_disk(
    server: Server, small_disk: Path, monkeypatch: pytest.MonkeyPatch, foreseen: bool
) -> None:
    if not foreseen:  # what another program may take meanwhile
        monkeypatch.setattr(download, "_require_space", lambda *_: None)
    with pytest.raises(OSError, match=r"no space left.*still to come.*SAMKIT_HOME") as caught:
        fetch(pinned(server), small_disk)
    assert (len(server.asked) == 0) is foreseen
    assert names(small_disk) == (set() if foreseen else {f"{NAME}.part"}), caught.value
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    assert fetch(pinned(server), small_disk).read_bytes() == RIGHT
    assert foreseen or server.asked[-1][1] is not None  # went on, did not begin again


def fetching(remote: Remote, folder: Path) -> "subprocess.Popen[str]":
    """Another process that fetches the file and prints its path."""
    code = (
        "import sys; from pathlib import Path\n"
        "from samkit.sam.download import fetch; from samkit.sam.remote import Remote\n"
        f"print(fetch(Remote({remote.address!r}, {remote.size}, {remote.sha256!r}), Path(sys.argv[1])))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once(server: Server, tmp_path: Path) -> None:
    server.pause = 0.3  # so that the second comes while the first is at it
    remote = pinned(server)
    pair = [fetching(remote, tmp_path) for _ in range(2)]
    ends = [process.communicate(timeout=120) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], ends
    assert {out.strip() for out, _ in ends} == {str(tmp_path / NAME)}
    assert (tmp_path / NAME).read_bytes() == RIGHT and names(tmp_path) == {NAME}
    assert len(server.asked) == 1


def test_a_killed_process_leaves_what_the_next_goes_on_with(server: Server, tmp_path: Path) -> None:
    server.pause, part = 0.5, tmp_path / f"{NAME}.part"
    process = fetching(pinned(server), tmp_path)
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert 0 < part.stat().st_size < len(RIGHT) and names(tmp_path) == {f"{NAME}.part"}
    server.pause = 0.0
    assert fetch(pinned(server), tmp_path).read_bytes() == RIGHT
    assert server.asked[-1][1] is not None


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMKIT_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path
    monkeypatch.delenv("SAMKIT_HOME")
    monkeypatch.setattr(cache.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "samkit"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.cache_folder() == Path.home() / ".cache" / "samkit"
    monkeypatch.setattr(cache.sys, "platform", "darwin")
    assert cache.cache_folder() == Path.home() / "Library" / "Caches" / "samkit"
    monkeypatch.setattr(cache.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "samkit" / "Cache"
