"""Work that is broken off at any moment, and inputs that change or dribble meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import bpetk
from bpetk import counting
from bpetk._counter import CountWorker, combine
from bpetk._trainer import MergeLoop
from bpetk.alphabet import BYTE_ORDER
from bpetk.corpus import Transcoder, resolve
from bpetk.counting import count_files, file_hashes
from bpetk.errors import InputChangedWarning
from bpetk.pretokenizers import get_scheme

BYTE_IDS = [BYTE_ORDER.index(byte) for byte in range(256)]


def many_classes() -> Any:
    rng = random.Random(0)
    worker = CountWorker("none", lines=False)
    words = ((bytes(rng.choices(b"abcdefgh", k=40)) + str(i).encode(), 1 + i % 4000) for i in range(30_000))
    worker.add_words(words)
    return combine([worker], 1)


def test_cancel_at_any_moment_of_the_first_scan() -> None:
    """Lists are sized by what was counted: a count that ended early must never be written by."""
    outcomes = set()
    for step in range(25):
        loop = MergeLoop(
            many_classes(), byte_ids=BYTE_IDS, strings=256, reserved=[], vocab_size=2000, threads=2
        )
        loop.lay_out()

        def stop(loop: MergeLoop = loop, delay: float = step * 0.0002) -> None:
            begin = time.perf_counter()
            while time.perf_counter() - begin < delay:
                pass
            loop.cancel()

        thread = threading.Thread(target=stop)
        thread.start()
        try:
            loop.run(1)
            outcomes.add("finished")
        except KeyboardInterrupt:
            outcomes.add("cancelled")
        thread.join()
    assert "cancelled" in outcomes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_ctrl_c_while_two_threads_wait_for_text(tmp_path: Path) -> None:
    pipes = [tmp_path / "one", tmp_path / "two"]
    for pipe in pipes:
        os.mkfifo(pipe)
    holders = [os.open(pipe, os.O_RDWR) for pipe in pipes]  # readers get nothing, for ever
    code = "import sys, bpetk; print('go', flush=True); bpetk.train(sys.argv[1:], 300, threads=2)"
    command = [sys.executable, "-c", code, *map(str, pipes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"go\n"
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            assert process.wait(5) != 0
            assert process.stderr is not None and b"KeyboardInterrupt" in process.stderr.read()
        finally:
            process.kill()
    for holder in holders:
        os.close(holder)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_short_reads_do_not_scan_a_line_again_and_again(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "CHUNK", 512)
    scanned: list[int] = []
    real_chunk, real_fill = counting._Feeder.chunk, Transcoder.readinto

    def chunk(self: Any, data: Any, stop: int, *, final: bool) -> int:
        scanned.append(stop)
        return real_chunk(self, data, stop, final=final)

    monkeypatch.setattr(counting._Feeder, "chunk", chunk)
    monkeypatch.setattr(Transcoder, "readinto", lambda self, view: real_fill(self, view[:100]))
    size = 100_000
    read, write = os.pipe()

    def dribble() -> None:
        with os.fdopen(write, "wb", buffering=0) as pipe:
            for _ in range(size // 100):
                pipe.write(b"a" * 100)

    thread = threading.Thread(target=dribble)
    thread.start()
    with os.fdopen(read, "rb", buffering=0) as stream:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": stream}))
        counted = count_files(resolve("-"), get_scheme("none"), encoding=encoding)
    thread.join()
    assert counted.bytes == size
    assert sum(scanned) < 6 * size


def test_hard_blocks_do_not_search_a_line_end_each(tmp_path: Path) -> None:
    """One line without end, with a no-break space in every block: time grows with the text, not with its square."""
    times = []
    for size in (1_000_000, 4_000_000):
        data = ("a" * 60 + "\u00a0").encode() * (size // 62)
        worker = CountWorker("cl100k", lines=True)
        begin = time.process_time()
        worker.feed(data, 0, len(data), True)
        times.append(time.process_time() - begin)
    assert times[1] < 8 * times[0] + 0.05


def test_a_file_that_changes_has_no_hash(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("low lower lowest\n" * 50, encoding="utf-8")
    sources = resolve(path)
    assert file_hashes(sources) != [None]
    path.write_text("other text\n" * 50, encoding="utf-8")
    assert file_hashes(sources) == [None]
    path.unlink()
    assert file_hashes(sources) == [None]


def test_a_training_survives_the_loss_of_its_input(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("low lower lowest newer newest\n" * 50, encoding="utf-8")

    def progress(state: bpetk.Progress) -> None:
        if state.stage == "count":
            path.unlink(missing_ok=True)

    with pytest.warns(InputChangedWarning, match="its hash is not recorded"):
        tok = bpetk.train(path, 260, hash_inputs=True, progress=progress)
    assert tok.train_report is not None
    assert tok.train_report.inputs[0].sha256 is None
    assert tok.vocab_size == 260


def test_tokens_at_a_size_when_a_merge_makes_a_special_token() -> None:
    """Such a merge adds no entry; a smaller training stops before it."""
    documents, special = ["xyab xyab ab ab zab cd cd ef"], ["ab", "cd", "xyab"]
    options: dict[str, Any] = {"scheme": "whitespace", "special_tokens": special}
    full = bpetk.train_from_iterator(documents, 261, **options).train_report
    assert full is not None
    for size in (259, 260, 261):
        smaller = bpetk.train_from_iterator(documents, size, **options).train_report
        assert smaller is not None
        assert full.tokens_at(size) == smaller.tokens


@pytest.mark.parametrize(
    "options",
    [{"byte_ids": [1, 2]}, {"byte_ids": [10**6] * 256}, {"reserved": [(b"he", 10**8)]}],
)
def test_the_native_loop_checks_its_arguments(options: dict[str, Any]) -> None:
    worker = CountWorker("none", lines=False)
    worker.add_words([(b"hello", 3)])
    arguments = {"byte_ids": BYTE_IDS, "strings": 256, "reserved": [], "vocab_size": 300, **options}
    with pytest.raises(ValueError, match=r"byte_ids|reserved"):
        MergeLoop(combine([worker], 1), **arguments)


def test_native_calls_in_any_order() -> None:
    worker = CountWorker("none", lines=False)
    worker.add_words([(b"hello", 3)])
    loop = MergeLoop(combine([worker], 1), byte_ids=BYTE_IDS, strings=256, reserved=[], vocab_size=300)
    assert loop.script_costs()["latin"] == (15, 15)
    with pytest.raises(TypeError, match="expected CountWorker"):
        combine([None], 1)
    with pytest.raises(OverflowError, match="add up"):
        CountWorker("none", lines=False).add_words([(b"a", 2**63)])
