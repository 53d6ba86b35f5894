"""Coverage-guided fuzzing of everything that reads files: `make fuzz`, or this script with SECONDS and names.

Each reader has a process of its own, which ends at the first input that is neither accepted nor refused in one line,
and leaves that input where it was started. Needs atheris (the extra `fuzz`).
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def fuzz(name: str, seconds: int) -> None:
    """Feed one reader, in this process, until the time is over or something is found."""
    import atheris

    with atheris.instrument_imports(
        include=["ffnn", "yaml", "json", "zipfile", "robustness"], enable_loader_override=False
    ):
        from robustness.targets import TARGETS, outcome
    target = TARGETS[name]
    counts = {"accepted": 0, "refused": 0}
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, sample in enumerate(target.samples):
            (corpus / str(number)).write_bytes(sample)
        words = Path(folder) / "words"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words if len(word) < 100))

        def one(content: bytes) -> None:
            counts[outcome(target, content, Path(folder))] += 1

        limits = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=4096", "-max_len=6000"]
        limits += ["-print_final_stats=1", *([f"-dict={words}"] if target.words else [])]
        atheris.Setup([sys.argv[0], *limits, str(corpus)], one)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def main() -> None:
    """Every reader in turn; exit code 1 if something was found."""
    words = sys.argv[1:]
    if words[:1] == ["--here"]:
        fuzz(words[1], int(words[2]))
        return
    from robustness.targets import TARGETS

    seconds, names = int(words[0]) if words else 60, words[1:] or list(TARGETS)
    bad = []
    for name in names:
        command = [sys.executable, __file__, "--here", name, str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        tried = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        print(
            f"{name:14} {tried[0] if tried else '?':>9} inputs  {'FAILED' if done.returncode else 'nothing found'}",
            flush=True,
        )
        if done.returncode:
            bad.append(name)
            print(done.stderr[-3000:])
    sys.exit(bool(bad))


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    main()
