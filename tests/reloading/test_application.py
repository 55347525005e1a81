"""The application: what is known of it while its threads import."""

from __future__ import annotations

from ponyreload.generations.generation import Generation
from ponyreload.reloading.application import Application


def test_a_thread_of_a_load_that_failed_may_import_while_its_files_are_searched():
    application = Application(lambda application: None, lambda: None)
    failed = Generation(2)
    failed.files = {"shop": "/site/shop.py", "app": "/site/app.py"}
    failed.modules = {"shop": None}

    class File(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            failed.files.setdefault("late", "/site/late.py")
            return str.__eq__(self, other)

    assert application.is_user_file(failed, File("/site/shop.py"))
    assert not application.is_user_file(failed, File("/site/app.py"))
    assert "late" in failed.files
