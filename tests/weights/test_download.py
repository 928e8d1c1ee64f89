"""Downloads against a server that breaks off, lies, forgets and forbids."""

import hashlib
import http.server
import io
import random
import threading
import zipfile

import pytest

from ssl_tf.errors import BadInput
from ssl_tf.weights import download, zipped
from ssl_tf.weights.manifest import Entry, Manual

BODY = random.Random(0).randbytes(768_000)
SHA = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.pages`: {path: (body, how)}."""

    def do_GET(self):
        asked = self.headers["Range"]
        self.server.seen.append((self.path, asked))
        body, how = self.server.pages.get(self.path, (None, ""))
        if body is None:
            return self.send_error(404)
        start = 0
        if asked and "no range" not in how:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                return self.end_headers()
        part = body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "text/html" if "html" in how else "a/b")
        if start:
            first = 0 if "wrong place" in how else start
            span = f"bytes {first}-{len(body) - 1}/{len(body)}"
            self.send_header("Content-Range", span)
        if "no length" not in how:
            self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        sent = part[: 300_000 if "breaks off" in how else len(part)]
        self.wfile.write(sent if "nothing" not in how else b"")

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.pages, running.seen = {}, []
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def entry(server, *pages, **more):
    urls = [server.url + page for page in pages] or None
    plain = {"method": "ssal", "arch": "a", "dataset": "d", "format": "torch"}
    rest = {"file": "a.pth", "licence": "none stated", "paper": {}, "urls": urls}
    return Entry(**plain | rest | more)


def one_line(item, folder):
    with pytest.raises(BadInput) as caught:
        download.fetch(item, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_once(server, tmp_path, capsys):
    server.pages["/a"] = (BODY, "")
    item = entry(server, "/a", sha256=SHA, size=len(BODY))
    for _ in range(2):
        path = download.fetch(item, tmp_path / "models")
        assert path.read_bytes() == BODY
    assert len(server.seen) == 1
    assert names(tmp_path / "models") == ["a.pth"]
    told = capsys.readouterr().err
    assert told == f"downloading a.pth from {server.url}/a (0.8 MB)\n"


def test_an_unknown_checksum_is_pinned_by_the_first_download(server, tmp_path):
    server.pages["/a"] = (BODY, "")
    path = download.fetch(entry(server, "/a"), tmp_path)
    assert SHA in (tmp_path / "checksums.yaml").read_text()
    path.write_bytes(BODY[::-1])
    text = one_line(entry(server, "/a"), tmp_path)
    assert "remove it to download it again" in text and SHA in text
    path.unlink()
    server.pages["/a"] = (BODY[::-1], "")
    assert "not " + SHA in one_line(entry(server, "/a"), tmp_path)
    assert not path.exists()


@pytest.mark.parametrize("known", [SHA, None])
def test_a_broken_transfer_goes_on_where_it_ended(server, tmp_path, known):
    server.pages["/a"] = (BODY, "breaks off")
    path = download.fetch(entry(server, "/a", sha256=known), tmp_path)
    assert path.read_bytes() == BODY
    assert [asked for _, asked in server.seen] == [
        None,
        "bytes=300000-",
        "bytes=600000-",
    ]


def test_what_an_earlier_process_left_is_used(server, tmp_path):
    server.pages["/a"] = (BODY, "")
    (tmp_path / "a.pth.part").write_bytes(BODY[:1000])
    path = download.fetch(entry(server, "/a", sha256=SHA), tmp_path)
    assert path.read_bytes() == BODY
    assert server.seen == [("/a", "bytes=1000-")]


def test_a_whole_part_needs_no_second_transfer(server, tmp_path):
    server.pages["/a"] = (BODY, "")
    (tmp_path / "a.pth.part").write_bytes(BODY)
    path = download.fetch(entry(server, "/a", sha256=SHA), tmp_path)
    assert path.read_bytes() == BODY
    assert server.seen == [("/a", f"bytes={len(BODY)}-")]


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * (len(BODY) + 9)])
def test_a_wrong_rest_is_thrown_away(server, tmp_path, left):
    server.pages["/a"] = (BODY, "")
    (tmp_path / "a.pth.part").write_bytes(left)
    path = download.fetch(entry(server, "/a", sha256=SHA), tmp_path)
    assert path.read_bytes() == BODY
    assert names(tmp_path) == ["a.pth"]


def test_a_rest_of_unknown_origin_is_used_only_with_a_checksum(server, tmp_path):
    server.pages["/a"] = (BODY, "")
    (tmp_path / "a.pth.part").write_bytes(b"x" * 1000)
    path = download.fetch(entry(server, "/a"), tmp_path)
    assert path.read_bytes() == BODY and server.seen == [("/a", None)]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.pages["/a"] = (BODY, "no range")
    (tmp_path / "a.pth.part").write_bytes(BODY[:1000])
    path = download.fetch(entry(server, "/a", sha256=SHA), tmp_path)
    assert path.read_bytes() == BODY


def test_a_file_without_a_length_is_taken_if_its_checksum_fits(server, tmp_path):
    server.pages["/a"] = (BODY, "no length")
    assert download.fetch(entry(server, "/a", sha256=SHA), tmp_path).exists()


def test_the_next_mirror_is_tried(server, tmp_path):
    server.pages |= {
        "/page": (b"<html>Sign in", "html"),
        "/short": (BODY[:99], ""),
        "/dead": (BODY, "nothing"),
        "/wrong": (BODY[::-1], ""),
        "/a": (BODY, ""),
    }
    mirrors = ["/gone", "/page", "/dead", "/wrong", "/a"]
    path = download.fetch(entry(server, *mirrors, sha256=SHA), tmp_path)
    assert path.read_bytes() == BODY
    assert names(tmp_path) == ["a.pth"]


def test_when_all_mirrors_fail_each_reason_is_told(server, tmp_path):
    server.pages |= {"/page": (b"x", "html"), "/short": (BODY[:99], "")}
    mirrors = ["/gone", "/page", "/short"]
    text = one_line(entry(server, *mirrors, sha256=SHA, size=len(BODY)), tmp_path)
    for part in (
        f"{server.url}/gone: HTTP 404 Not Found",
        f"{server.url}/page: gives a web page",
        f"{server.url}/short: gives 99 bytes, not {len(BODY)}",
        f"put it at {tmp_path / 'a.pth'} by hand",
    ):
        assert part in text
    assert not (tmp_path / "a.pth").exists()


def test_an_unreachable_host_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    item = entry(None, file="b.pth")._replace(urls=["http://127.0.0.1:9/x"])
    assert "refused" in one_line(item, tmp_path).lower()


def test_a_resume_at_the_wrong_place_is_refused(server, tmp_path):
    server.pages["/a"] = (BODY, "wrong place")
    (tmp_path / "a.pth.part").write_bytes(BODY[:1000])
    text = one_line(entry(server, "/a", sha256=SHA), tmp_path)
    assert "resumes at the wrong place" in text


def test_manual_files_are_explained_and_then_used(tmp_path):
    manual = Manual("https://example.org/form", "weights (1).pth")
    item = entry(None, manual=manual)
    text = one_line(item, tmp_path)
    assert "open https://example.org/form, download weights (1).pth" in text
    (tmp_path / "a.pth").write_bytes(b"<html>error</html>")
    assert "is a web page" in one_line(item, tmp_path)
    (tmp_path / "a.pth").write_bytes(BODY)
    assert download.fetch(item, tmp_path).read_bytes() == BODY


def archive(*members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def test_one_member_of_a_zip_file_is_taken(server, tmp_path):
    body = archive(("../evil", b"x"), ("deep/a.pth", BODY))
    server.pages["/z"] = (body, "breaks off")
    item = entry(server, "/z", member="deep/a.pth", sha256=SHA, size=len(BODY))
    path = download.fetch(item, tmp_path / "models")
    assert path.read_bytes() == BODY
    assert names(tmp_path) == ["models"] and names(tmp_path / "models") == ["a.pth"]


def test_a_member_may_lie_in_another_folder(server, tmp_path):
    server.pages["/z"] = (archive(("deep/a.pth", BODY)), "")
    item = entry(server, "/z", member="a.pth", sha256=SHA, size=len(BODY))
    assert download.fetch(item, tmp_path).read_bytes() == BODY
    names = ["x/a.pth", "y/a.pth", "a.pth.txt"]
    assert zipped.known_as(names, "a.pth") == "a.pth"  # which of the two?
    assert zipped.known_as(names, "y/a.pth") == "y/a.pth"


def test_a_zip_file_put_there_by_hand_serves_all_its_members(server, tmp_path):
    other = archive(("deep/b.pth", BODY), ("deep/c.pth", BODY[:50]))
    (tmp_path / "gone").write_bytes(other)
    for member, content in (("deep/b.pth", BODY), ("c.pth", BODY[:50])):
        item = entry(server, "/gone", member=member, file=member[-5:])
        assert download.fetch(item, tmp_path).read_bytes() == content
    assert names(tmp_path) == ["b.pth", "c.pth", "checksums.yaml", "gone"]
    text = one_line(entry(server, "/gone", member="d.pth", file="d.pth"), tmp_path)
    assert "gone: holds no d.pth; remove it" in text
    (tmp_path / "gone").write_bytes(other[:99])
    text = one_line(entry(server, "/gone", member="e.pth", file="e.pth"), tmp_path)
    assert "damaged zip file" in text and (tmp_path / "gone").exists()


def test_a_members_own_path_chooses_no_place(server, tmp_path):
    server.pages["/z"] = (archive(("../../evil", BODY)), "")
    item = entry(server, "/z", member="../../evil")
    path = download.fetch(item, tmp_path / "a" / "b" / "c")
    assert path == tmp_path / "a" / "b" / "c" / "a.pth"
    assert [p.name for p in tmp_path.rglob("evil")] == []


def test_bad_zip_files_are_refused(server, tmp_path):
    good = archive(("a.pth", BODY))
    server.pages |= {
        "/none": (archive(("b.pth", BODY)), ""),
        "/bomb": (archive(("a.pth", bytes(10_000_000))), ""),
        "/cut": (good[:-30], ""),
        "/flipped": (good[:90] + b"\xff\xff\xff" + good[93:], ""),
    }
    pages = ["/none", "/bomb", "/cut", "/flipped"]
    text = one_line(entry(server, *pages, member="a.pth"), tmp_path)
    assert "holds no a.pth" in text and "more than" in text
    assert text.count("gives a damaged zip file") == 2
    assert not (tmp_path / "a.pth").exists()


def test_two_processes_do_not_write_the_same_file(server, tmp_path):
    server.pages["/a"] = (BODY, "")
    part = tmp_path / "a.pth.part"
    with download.held(part), pytest.raises(BadInput, match="another process"):
        download.fetch(entry(server, "/a"), tmp_path)
    assert download.fetch(entry(server, "/a"), tmp_path).exists()


def test_a_folder_that_cannot_be_written_is_one_line(server, tmp_path):
    server.pages["/a"] = (BODY, "")
    (tmp_path / "file").write_text("")
    assert "cannot be written" in one_line(entry(server, "/a"), tmp_path / "file")
