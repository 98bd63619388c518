"""Tests of ``django_avp.policy_files``: statements, the files that count, and places of errors."""

from __future__ import annotations

import os
from contextlib import contextmanager
from errno import EIO
from pathlib import Path
from tempfile import TemporaryDirectory

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_avp.exceptions import PolicyError
from django_avp.policy_files import Statement, explain, files, fingerprint, read, statements, write_all

PERMIT = "permit (principal, action, resource);"


def split(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(statement.line, statement.text) for statement in statements(path)]


@contextmanager
def powerless():
    """Without root's right to read and write everything, where tests have it."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


# --- Statements ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", []),
        ("\n \t\n", []),
        ("// only a comment; permit (…);", []),
        ("\ufeff", []),
        (PERMIT, [(1, PERMIT)]),
        (PERMIT[:-1], [(1, PERMIT[:-1])]),
        (f"{PERMIT}{PERMIT}", [(1, PERMIT), (1, PERMIT)]),
        (f"\ufeff\n{PERMIT}\n", [(2, PERMIT)]),
        (f"{PERMIT} // after;\n// end;", [(1, PERMIT)]),
        (f"// one;\r\n\r\n{PERMIT}\r\n\r\n// two\r\n{PERMIT}", [(3, f"// one;\n\n{PERMIT}"), (6, f"// two\n{PERMIT}")]),
        (f'// "\n{PERMIT}\n// \'"\n{PERMIT}', [(2, f'// "\n{PERMIT}'), (4, f"// '\"\n{PERMIT}")]),
        (f'@id("a;b") @note("// no comment;")\n{PERMIT}', [(1, f'@id("a;b") @note("// no comment;")\n{PERMIT}')]),
        (r'@a("\";\\");@b(";', [(1, r'@a("\";\\");'), (1, '@b(";')]),
        (";", [(1, ";")]),
    ],
)
def test_files_are_split_into_statements(tmp_path, content, expected):
    """A semicolon ends a statement unless it is in a string or a comment; lines are those of the code."""
    assert split(tmp_path / "a.cedar", content) == expected


@given(
    st.lists(
        st.tuples(
            st.lists(st.text(alphabet='/;"\\a é'), max_size=2),
            st.text(alphabet=';/"a é').map(lambda text: text.replace('"', '\\"')),
        ),
        max_size=5,
    )
)
def test_statements_are_cedars(tmp_path_factory, parts):
    """Each statement is one policy for Cedar, whatever comments and strings are in it, and none is lost."""
    text = "".join(
        "".join(f"// {comment}\n" for comment in comments) + f'@note("{note}") {PERMIT}\n' for comments, note in parts
    )
    path = tmp_path_factory.mktemp("policies") / "a.cedar"
    path.write_text(text, encoding="utf-8")

    found = list(statements(path))

    assert len(found) == len(parts)
    for statement in found:
        assert len(cedarpy.PolicySet.from_str(statement.text)) == 1
        assert text.split("\n")[statement.line - 1].startswith("@note")
    assert str(cedarpy.PolicySet.from_str("\n".join(one.text for one in found))) == str(
        cedarpy.PolicySet.from_str(text)
    )


# --- Files ---------------------------------------------------------------------------------------------------------


def test_files_below_are_found_once(tmp_path):
    """Directories are searched to the bottom; one that is named twice counts once."""
    for name in ("b.cedar", "a.cedar", "deep/er/c.cedar", "d.txt", "e.cedar.bak"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    found = files([tmp_path, tmp_path / "deep", tmp_path], "*.cedar")

    assert [path.name for path in found] == ["a.cedar", "b.cedar", "c.cedar"]


def test_hidden_files_are_passed_over(tmp_path):
    """Neither an editor's lock nor the versions of a Kubernetes volume are read, but what links to them is."""
    (tmp_path / "..2024").mkdir()
    (tmp_path / "..2024" / "a.cedar").write_text(PERMIT)
    (tmp_path / "..data").symlink_to("..2024")
    (tmp_path / "a.cedar").symlink_to("..data/a.cedar")
    (tmp_path / ".#a.cedar").symlink_to("nobody@nowhere")

    assert files([tmp_path], "*.cedar") == [tmp_path / "a.cedar"]
    assert read(tmp_path / "a.cedar") == PERMIT


def test_links_to_folders_are_followed(tmp_path):
    """Kubernetes mounts a folder of a volume as a link: what is in it is read, and seen when it changes."""
    for version in ("..1", "..2"):
        (tmp_path / version / "limits").mkdir(parents=True)
        (tmp_path / version / "limits" / "f.cedar").write_text(PERMIT + version)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "limits").symlink_to("..data/limits")
    before = fingerprint([tmp_path])

    assert files([tmp_path], "*.cedar") == [tmp_path / "limits" / "f.cedar"]

    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").replace(tmp_path / "..data")

    assert files([tmp_path], "*.cedar") == [tmp_path / "limits" / "f.cedar"]
    assert read(tmp_path / "limits" / "f.cedar").endswith("..2")
    assert fingerprint([tmp_path]) != before


def test_a_file_is_read_once_whatever_leads_to_it(tmp_path):
    """Links to a folder, to a file and in a circle add nothing."""
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / "b" / "deep" / "c.cedar").touch()
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b" / "deep" / "loop").symlink_to("../..")
    (tmp_path / "d.cedar").symlink_to("b/deep/c.cedar")

    assert len(files([tmp_path], "*.cedar")) == 1
    assert len(files([tmp_path / "b", tmp_path / "a", tmp_path], "*.cedar")) == 1


def test_a_folder_may_be_called_as_a_file(tmp_path):
    """It is searched, and not read."""
    (tmp_path / "a.cedar").mkdir()
    (tmp_path / "a.cedar" / "b.cedar").touch()

    assert files([tmp_path], "*.cedar") == [tmp_path / "a.cedar" / "b.cedar"]


def test_a_link_to_nowhere_is_told(tmp_path):
    """It may have led to a folder with forbids; a file that is no policy is left alone."""
    (tmp_path / "notes.txt").touch()
    (tmp_path / "limits").symlink_to("gone")

    with pytest.raises(PolicyError, match=r"limits: leads nowhere that this process may read\. Mend the link"):
        files([tmp_path], "*.cedar")


def test_a_folder_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    """Forbids may be in it."""
    (tmp_path / "limits").mkdir(mode=0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)

    with powerless(), pytest.raises(PolicyError, match=r"^limits: cannot be read \(Permission denied\)\. Let this"):
        files([Path()], "*.cedar")


def test_fingerprint_tells_changes(tmp_path):
    """It differs when a file is new, gone, rewritten or replaced, and only then."""
    path = tmp_path / "a.cedar"
    seen = [fingerprint([tmp_path])]
    for change in (
        lambda: path.write_text("a"),
        lambda: path.write_text("ab"),
        lambda: os.utime(path, ns=(1, 1)),
        lambda: (tmp_path / "schema.cedarschema").touch(),
        lambda: (tmp_path / "template-links.json").touch(),
        lambda: path.rename(tmp_path / "b.cedar"),
        lambda: path.symlink_to("nowhere"),
    ):
        change()
        seen.append(fingerprint([tmp_path]))
        assert seen[-1] == fingerprint([tmp_path])

    assert len(set(seen)) == len(seen)


def test_the_same_size_and_time_is_another_file(tmp_path):
    """A file that an editor puts in the place of another is a change, even of equal size and time."""
    path, other = tmp_path / "a.cedar", tmp_path / "other"
    for one in (path, other):
        one.write_text("a")
        os.utime(one, ns=(1, 1))
    before = fingerprint([tmp_path])

    other.replace(path)

    assert fingerprint([tmp_path]) != before


@pytest.mark.parametrize("content", [b"\xff\xfep\x00", "é".encode("latin-1"), None])
def test_unreadable_files_are_told(tmp_path, content):
    """What is not UTF-8, or cannot be read at all, is named with the cure, not passed over."""
    path = tmp_path / "a.cedar"
    if content is None:
        path.symlink_to("nowhere")
    else:
        path.write_bytes(content)

    with pytest.raises(PolicyError, match=r"a.cedar: cannot be read as UTF-8 text \(\w+\). Save it as UTF-8"):
        list(statements(path))


# --- Writing -------------------------------------------------------------------------------------------------------


def everything(directory):
    """What a directory has, hidden files included; links by what they lead to."""
    paths = (path for path in directory.rglob("*") if not path.is_dir())
    return {
        str(path.relative_to(directory)): os.readlink(path) if path.is_symlink() else path.read_text() for path in paths
    }


def test_all_files_are_written_or_none(tmp_path):
    """One in the way of which a folder stands leaves the others as they were: written, new and removed ones."""
    for name in ("a", "b", "shared"):
        (tmp_path / name).write_text("old")
    (tmp_path / "link").symlink_to("shared")
    (tmp_path / "folder").mkdir()
    before = everything(tmp_path)
    texts = {"a": "new", "b": None, "link": None, "c": "new"}

    with pytest.raises(PolicyError, match=r"folder: cannot be written \("):
        write_all({tmp_path / name: text for name, text in {**texts, "folder": None}.items()})
    assert everything(tmp_path) == before

    write_all({tmp_path / name: text for name, text in texts.items()})
    assert everything(tmp_path) == {"a": "new", "c": "new", "shared": "old"}


def test_a_file_that_may_not_be_removed_is_told_first():
    """Where it is in a folder that is not ours, nothing is written elsewhere."""
    # Not in pytest's directory, which nobody else may enter.
    with TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "sub").mkdir()
        (directory / "a.cedar").write_text("old")
        (directory / "sub" / "b.cedar").write_text("old")
        directory.chmod(0o777)
        (directory / "sub").chmod(0o555)

        with powerless(), pytest.raises(PolicyError, match=r"sub/b.cedar: cannot be written \(Permission denied\)"):
            write_all({directory / "a.cedar": "new", directory / "sub" / "b.cedar": None})

        assert everything(directory) == {"a.cedar": "old", "sub/b.cedar": "old"}


def test_what_cannot_be_put_back_is_kept(tmp_path, monkeypatch):
    """A disk that fails in between: the only copy of what was there stays beside it, and the error names it."""
    for name in ("a.cedar", "b.cedar"):
        (tmp_path / name).write_text(f"old {name}")
    move, paths = os.replace, []

    def replace(source, target):
        paths.append(source)
        if len(paths) > 2:
            raise OSError(EIO, "Input/output error")
        move(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(PolicyError, match=r"/c\.cedar: cannot be written \(Input/output error\)") as caught:
        write_all({tmp_path / "a.cedar": "new", tmp_path / "b.cedar": None, tmp_path / "c.cedar": "new"})

    removed, written = paths[3:]
    assert everything(tmp_path) == {"a.cedar": "new", removed.name: "old b.cedar", written.name: "old a.cedar"}
    for path, name in ((removed, "b.cedar"), (written, "a.cedar")):
        assert f"{path} could not be moved back to {tmp_path / name} (Input/output error)" in str(caught.value)


def test_a_folder_that_closes_in_between_is_told(monkeypatch):
    """Nothing can be put back then, or cleared away: it is an error with a place, and what was there is kept."""
    move = os.replace

    def replace(source, target):
        if target.name == "b.cedar":
            target.parent.chmod(0o555)
        move(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        directory = Path(name) / "ours"
        with powerless():
            directory.mkdir()
            (directory / "a.cedar").write_text("old")
            with pytest.raises(PolicyError, match=r"b\.cedar: cannot be written \(Permission denied\)") as caught:
                write_all({directory / "a.cedar": "new", directory / "b.cedar": "new"})
        (kept,) = (name for name, text in everything(directory).items() if text == "old")
        assert f"{directory / kept} could not be moved back to {directory / 'a.cedar'}" in str(caught.value)


def test_links_stay_where_files_are_written(tmp_path):
    """What they lead to is written, with its permissions; it may not be there yet."""
    (tmp_path / "shared").write_text("old")
    (tmp_path / "shared").chmod(0o640)
    (tmp_path / "a.cedar").symlink_to("shared")
    (tmp_path / "b.cedar").symlink_to("elsewhere/b")

    write_all({tmp_path / "a.cedar": "new", tmp_path / "b.cedar": "new"})

    assert everything(tmp_path) == {
        "a.cedar": "shared",
        "b.cedar": "elsewhere/b",
        "shared": "new",
        "elsewhere/b": "new",
    }
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o640


# --- Places --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (PERMIT[:-1], 1, "unexpected end of input. Close what is open; a `;` may be missing at the end."),
        (f"// c\n\n{PERMIT[:-1]}\n// the end\n\n", 3, "unexpected end of input."),
        ("permit (principal,\n action,\n resource) when {\n true", 4, "unexpected end of input."),
        (
            f"{PERMIT[:-1]}\n\n\n{PERMIT}",
            4,
            "unexpected token `(`. Look at what stands before it; a `;` may be missing",
        ),
        (f'{PERMIT[:-1]}\n@id("x")\n{PERMIT}', 2, "unexpected token `@`."),
        ("permit (\n principal, action, resource)\nwhen { principal. };", 3, "unexpected token `}`."),
        ("permit (principal, action, resource)\nwhen { a.b == 1\n && == 2 };", 3, "unexpected token `==`."),
        ('permit (principal, action, resource)\nwhen {\n context.a == "x };', 3, "invalid token. A string may not be"),
        (";", 1, "unexpected token `;`."),
        ("// c\nallow (principal, action, resource);", 2, "invalid policy effect: allow."),
        ("permit (principal, action, resource)\nwhen {\n foo(1) };", 3, "`foo` is not a valid function."),
        ("// foo\npermit (principal, action, resource)\nwhen { foo(foo(1)) };", 2, "`foo` is not a valid function."),
        ("permit (principal,\naction in Action::foo,\nresource);", 2, "expected an entity uid"),
        ("permit (principal, action);", 1, "this policy is missing the `resource` variable in the scope."),
    ],
)
def test_errors_name_the_line(tmp_path, text, line, message):
    """The line is the one of the token that Cedar stumbles over, or the end, or else the statement's own."""
    path = tmp_path / "a.cedar"
    path.write_text(f"// first\n{PERMIT}\n{text}")
    statement = list(statements(path))[-1]
    with pytest.raises(ValueError, match=".") as caught:
        cedarpy.policies_to_json_str(statement.text)

    error = explain(statement, caught.value, cedarpy.policies_to_json_str)

    assert str(error).startswith(f"{path}:{line + 2}: {message}")


def test_place_is_a_compilers(tmp_path):
    """Editors can jump to ``file:line``."""
    assert Statement(tmp_path / "a.cedar", 3, "").place == f"{tmp_path}/a.cedar:3"
