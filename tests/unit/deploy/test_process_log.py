from pathlib import Path

from deploy.local.process_log import ProcessLog


def test_a_full_file_is_rotated_and_only_one_older_is_kept(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "a.log", max_bytes=100)

    for number in range(50):
        log.feed(f"line {number:03}\n".encode())
    log.close()

    files = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(files) == {"a.log", "a.log.1"}
    assert all(len(text) <= 100 for text in files.values())
    assert (files["a.log.1"] + files["a.log"]).endswith("line 048\nline 049\n")


def test_a_later_runner_appends(tmp_path: Path) -> None:
    for word in ("first", "second"):
        log = ProcessLog(tmp_path / "a.log", max_bytes=1000)
        log.feed(f"{word}\n".encode())
        log.close()

    assert (tmp_path / "a.log").read_text() == "first\nsecond\n"


def test_lines_are_shown_whole_however_they_arrive(tmp_path: Path) -> None:
    shown: list[str] = []
    log = ProcessLog(tmp_path / "a.log", max_bytes=1000, show=shown.append)

    for chunk in (b"on", b"e\ntwo\nth", b"r\xc3", b"\xa9\xff\n"):
        log.feed(chunk)
    log.close()

    assert shown == ["one", "two", "thré�"]


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    shown: list[str] = []
    log = ProcessLog(tmp_path / "a.log", max_bytes=10**9, show=shown.append)

    for _ in range(64):
        log.feed(b"x" * 16_384)
    log.close()

    assert len(shown) == 3


def test_a_new_run_forgets_the_words_of_the_last(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "a.log", max_bytes=1000)
    log.feed(b"listening on 127.0.0.1:1\n")

    log.begin_run()
    log.feed(b"listening on 127.0.0.1:2\n")
    log.close()

    assert log.head == b"listening on 127.0.0.1:2\n"
    assert log.last_lines(5) == ["listening on 127.0.0.1:2"]


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "missing" / "a.log", max_bytes=1000)

    log.feed(b"words\n")

    assert log.last_lines(1) == ["words"]
