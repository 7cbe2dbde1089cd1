from pathlib import Path

from sandbox.local.demo_files import DemoFiles
from sandbox.snapshot import FILE, UNREADABLE


def files(local: Path, database: str = "(1, 5)") -> DemoFiles:
    return DemoFiles(local, database)


def test_a_new_database_is_seeded_again_with_its_own_sandbox(tmp_path: Path) -> None:
    files(tmp_path).complete()
    other = files(tmp_path, "(1, 6)")
    assert files(tmp_path).is_seeded
    assert not other.is_seeded
    assert files(tmp_path).state != other.state


def test_a_demo_without_its_sandbox_is_lost_permanently(tmp_path: Path) -> None:
    demo = files(tmp_path)
    demo.prepare()
    assert not demo.is_lost
    (demo.state / FILE).touch()
    demo.complete()
    assert not demo.is_lost
    (demo.state / FILE).unlink()
    assert files(tmp_path).is_lost
    demo.progress.note_lost()
    (demo.state / FILE).touch()
    assert files(tmp_path).is_lost


def test_an_unreadable_state_is_lost(tmp_path: Path) -> None:
    demo = files(tmp_path)
    demo.prepare()
    (demo.state / FILE).touch()
    demo.complete()
    (demo.state / UNREADABLE).touch()
    assert demo.is_lost


def test_an_interrupted_seed_is_lost_only_after_its_first_part(tmp_path: Path) -> None:
    demo = files(tmp_path)
    demo.progress.note(0, 26)
    assert not demo.is_lost
    demo.progress.note(1, 26)
    assert files(tmp_path).is_lost


def test_the_state_of_an_earlier_version_is_kept_for_its_database(tmp_path: Path) -> None:
    earlier = tmp_path / "sandbox" / FILE
    earlier.parent.mkdir()
    earlier.write_text("state")
    other = files(tmp_path, "(1, 6)")
    other.prepare()
    assert earlier.exists()
    demo = files(tmp_path)
    demo.complete()
    demo.prepare()
    assert (demo.state / FILE).read_text() == "state"
    assert not demo.is_lost
