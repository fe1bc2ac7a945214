"""Tables as they are published: columns, separators, encodings, and which line means which recording."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikebench.errors import SpikebenchError
from spikebench.naming.conventions.convention import Facts
from spikebench.naming.names import ClipNames, name_clips
from spikebench.naming.table_matching import match_rows
from spikebench.naming.tables import Row, read_table
from spikebench.recordings.search import Clip


def clips(*names: str) -> list[Clip]:
    return [Clip(name, Path("/audio", name)) for name in names]


def labelled(names: ClipNames) -> dict[str, str]:
    return {
        clip.relative: names.keys[label]
        for clip, label in zip(names.clips, names.labels.tolist(), strict=True)
        if label >= 0
    }


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("t.csv")


@pytest.mark.parametrize(
    "header",
    [
        *("path,label", "filename,category", "slice_file_name,class", "file_name,label"),
        *("fname,labels", "Path,Label", "File Name;Class", "filename\tcategory", "WAV|Key-Word"),
        *("audio;target", '"file name",transcript', "sep=;\nfile;label"),
    ],
)
def test_columns_and_separators_of_published_tables(table: Path, header: str) -> None:
    sign = next(sign for sign in ";\t|," if sign in header.splitlines()[-1])
    header = header.replace("Key-Word", "keyword")
    table.write_text(f"{header}\na.wav{sign}x\nb.wav{sign}y\n")
    names = name_clips(clips("a.wav", "b.wav"), "t.csv")
    assert labelled(names) == {"a.wav": "x", "b.wav": "y"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(table: Path, end: str) -> None:
    table.write_bytes(end.join(["path;label", "a.wav;x", "b.wav;y", ""]).encode())
    assert labelled(name_clips(clips("a.wav", "b.wav"), "t.csv")) == {"a.wav": "x", "b.wav": "y"}


def test_the_table_of_esc50(table: Path) -> None:
    table.write_text(
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100032-A-0.wav,1,0,dog,True,100032,A\n5-9-A-1.wav,5,1,rooster,False,9,A\n"
    )
    names = name_clips(clips("audio/1-100032-A-0.wav", "audio/5-9-A-1.wav"), "t.csv")
    assert names.keys == ("dog", "rooster")
    assert names.splits == ("train", "test")
    assert "t.csv: path from 'filename', label from 'category', fold from 'fold'" in names.notices
    other = name_clips(clips("1-100032-A-0.wav", "5-9-A-1.wav"), "t.csv:test_fold=1")
    assert other.splits == ("test", "train")


def test_splits_that_are_numbers_are_folds(table: Path) -> None:
    table.write_text("path,label,split\na.wav,x,1\nb.wav,x,2\nc.wav,x,10\n")
    assert name_clips(clips("a.wav", "b.wav", "c.wav"), "t.csv").splits == (
        "train",
        "train",
        "test",
    )


def test_columns_are_told_after_a_colon(table: Path) -> None:
    table.write_text("path,Recording ID,Kind,Who\n1,a.wav,x,anna\n2,b.wav,y,bob\n")
    names = name_clips(clips("a.wav", "b.wav"), "t.csv:path=Recording ID,label=Kind,speaker=Who")
    assert labelled(names) == {"a.wav": "x", "b.wav": "y"}
    assert names.speaker_names == ("anna", "bob")


def test_a_file_whose_name_has_signs_of_its_own(tmp_path: Path) -> None:
    odd = tmp_path / "a,b=c:label=x.csv"
    odd.write_text("path,label\na.wav,x\n")
    assert labelled(name_clips(clips("a.wav"), str(odd))) == {"a.wav": "x"}


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ("dog\\a.wav", "dog/a.wav"),
        (".\\dog\\a.wav", "dog/a.wav"),
        ("corpus/audio/dog/a.wav", "dog/a.wav"),
        ("a.wav", "x/y/a.wav"),
        ("dog/a", "dog/a.wav"),
        ("a", "dog/a.wav"),
        ("dog/a.mp3", "dog/a.wav"),
        ("a.b", "dog/a.b.flac"),
        ("/home/anna/dog/a.wav", "dog/a.wav"),
        ("/home/anna/dog/a.wav", "here/dog/a.wav"),
        ("C:\\data\\dog\\a.wav", "here/dog/a.wav"),
        (unicodedata.normalize("NFD", "fünf/a.wav"), "fünf/a.wav"),
        ("fünf/a.wav", unicodedata.normalize("NFD", "fünf/a.wav")),
    ],
)
def test_paths_as_others_write_them(table: Path, written: str, there: str) -> None:
    table.write_text(f"path,label\n{written},x\nother.wav,y\n", encoding="utf-8")
    names = name_clips(clips(there, "nothing.wav"), "t.csv")
    assert labelled(names) == {there: "x"}
    assert [one.reason for one in names.skipped] == ["is not in t.csv"]
    assert any("1 of its 2 names match no recording" in line for line in names.notices)


@pytest.mark.parametrize(
    ("written", "there"),
    [
        (["cat/1.wav", "dog/2.wav"], ["dog/1.wav", "cat/2.wav"]),  # another folder, another thing
        (["/x/cat/1.wav", "/x/dog/2.wav"], ["dog/1.wav", "cat/2.wav"]),
        (["1.wav"], ["cat/1.wav", "dog/1.wav"]),  # which?
        (["train/1.wav", "test/1.wav"], ["1.wav"]),
        (["1"], ["1.wav", "1.flac"]),
    ],
)
def test_what_may_be_another_recording_is_not_matched(
    table: Path, written: list[str], there: list[str]
) -> None:
    table.write_text("path,label\n" + "".join(f"{path},x\n" for path in written))
    with pytest.raises(SpikebenchError, match=r"none of its \d names is a recording in the folder"):
        name_clips(clips(*there), "t.csv")


def test_a_name_of_each_is_shown_where_nothing_matches(table: Path) -> None:
    table.write_text("path,label\nrec_0001.wav,x\n")
    with pytest.raises(
        SpikebenchError, match=r"the table has 'rec_0001.wav', the folder has 'no/a.wav'"
    ):
        name_clips(clips("no/a.wav"), "t.csv")


NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map("/".join)


@given(st.lists(NAMES, unique=True, max_size=8), st.lists(NAMES, unique=True, max_size=8))
def test_a_line_means_at_most_one_recording(written: list[str], there: list[str]) -> None:
    rows = [Row(path, Facts(), "t.csv", i) for i, path in enumerate(written)]
    found = match_rows(rows, clips(*(f"{name}.wav" for name in there)))
    assert len({row.path for row in found.values()}) == len(found)
    for clip, row in found.items():
        ours, theirs = PurePosixPath(clip).with_suffix("").parts, PurePosixPath(row.path).parts
        length = min(len(ours), len(theirs))
        assert ours[-length:] == theirs[-length:]
    # Nobody who is there under the very name goes without.
    assert {name for name in there if name in written} <= {row.path for row in found.values()}


def test_one_table_per_split(table: Path) -> None:
    for name, file in (("one", "a"), ("two", "b"), ("train", "c"), ("my_dev_list", "d")):
        Path(f"{name}.tsv").write_text(f"path\tlabel\n{file}.wav\tx\n")
    four = clips("a.wav", "b.wav", "c.wav", "d.wav")
    names = name_clips(four[:2], "train=one.tsv,eval=two.tsv")
    assert names.splits == ("train", "test")
    by_name = name_clips(four[2:], "train.tsv,my_dev_list.tsv")
    assert by_name.splits == ("train", "validation")
    alone = name_clips(four[2:3], "train.tsv")
    assert alone.splits == ("",)


def test_a_list_alone_is_a_split(table: Path) -> None:
    Path("train.csv").write_text("path\nno/a.wav\n")
    Path("test.csv").write_text("path\nyes/a.wav\n")
    names = name_clips(clips("no/a.wav", "yes/a.wav"), split="train.csv,test.csv")
    assert (names.keys, names.splits) == (("no", "yes"), ("train", "test"))


def test_quotation_marks_in_a_table_with_tabs_open_nothing(table: Path) -> None:
    table.write_text('path\tsentence\na.wav\t"Hi, ""you"""\nb.wav\tan "odd one\n')
    names = name_clips(clips("a.wav", "b.wav"), "t.csv")
    assert labelled(names) == {"a.wav": 'Hi, "you"', "b.wav": 'an "odd one'}


def test_what_spreadsheets_leave_is_passed_over(table: Path) -> None:
    table.write_bytes(b"\xef\xbb\xbfpath;label\r\na.wav;x;\r\n;\r\n\r\nb.wav;y\r\n")
    assert labelled(name_clips(clips("a.wav", "b.wav"), "t.csv")) == {"a.wav": "x", "b.wav": "y"}


@pytest.mark.parametrize("cell", ["dog;cat", "a|b", "a | b", '"dog,cat"'])
def test_several_labels_in_a_cell_are_refused(table: Path, cell: str) -> None:
    table.write_text(f"path,label\na.wav,{cell}\n")
    with pytest.raises(SpikebenchError, match=r"t.csv: line 2: several labels in one cell"):
        name_clips(clips("a.wav"), "t.csv")


def test_a_comma_and_a_space_are_one_label(table: Path) -> None:
    table.write_text('path,label\na.wav,"Guitar, acoustic"\n')
    assert name_clips(clips("a.wav"), "t.csv").keys == ("Guitar, acoustic",)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("path,label\nä.wav,fünf\n".encode("latin-1"), r"is not UTF-8 \(line 2\).*WINDOWS-1252"),
        ("path,label\na.wav,x\n".encode("utf-16"), r"is not UTF-8 .*iconv -f UTF-16"),
        ("path,label\na.wav,x\n".encode("utf-16-le"), r"is not UTF-8 .*iconv -f UTF-16"),
        (b"PK\x03\x04...", "is a spreadsheet, not text"),
        (b"", "empty; the first line must name"),
        (
            b"a.wav,x\nb.wav,y\n",
            r"a column path or .*\(found: 'a.wav', 'x'\); name the columns by t.csv:path=",
        ),
        (b"path,label\n,x\n", "line 2: names no recording"),
        (b"path,label,fold\na.wav,x,one\n", "line 2: fold 'one' is not a number"),
        (b"path,label\na/b.wav,x\na\\b.wav,y\n", r"line 3: .* occurs twice \(line 2\)"),
        (
            b"path,label,Label\na.wav,x,y\n",
            r"two columns are called 'label' \(found: 'path', 'label', 'Label'\)",
        ),
        (b"path,label\n", "has no line below the first"),
    ],
)
def test_what_cannot_be_read_says_why(table: Path, data: bytes, says: str) -> None:
    table.write_bytes(data)
    with pytest.raises(SpikebenchError, match=says):
        name_clips(clips("a.wav", "b.wav"), "t.csv")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("t.csv:label=Sort", r"no column 'Sort' \(found: 'path', 'label'\)"),
        ("t.csv:pth=path", "allowed after the colon: path=…, label=…"),
        ("t.csv:path=", "allowed after the colon"),
        ("t.csv,gone.csv", "gone.csv: no such file"),
        ("train=t.csv,test=t.csv", r"'a.wav' occurs twice \(line 2\)"),
    ],
)
def test_tables_named_wrongly(table: Path, source: str, says: str) -> None:
    table.write_text("path,label\na.wav,x\n")
    with pytest.raises(SpikebenchError, match=says):
        name_clips(clips("a.wav"), source)


def test_a_bare_name_that_several_recordings_have_is_told(table: Path) -> None:
    here = clips("a/x.wav", "a/y.wav", "b/x.wav")
    table.write_text("path,label\nx,k\n")
    with pytest.raises(
        SpikebenchError, match=r"'x', which may be 'a/x.wav' or 'b/x.wav': include the folder"
    ):
        name_clips(here, "t.csv")
    table.write_text("path,label\ny.wav,k\nx.wav,l\n")
    notices = name_clips(here, "t.csv").notices
    assert any("the first: x.wav, which may be 'a/x.wav' or" in line for line in notices)


def test_names_from_tables_do_not_reach_a_terminal_as_they_are(table: Path) -> None:
    table.write_text("path,label\n\x1b[31m.wav,x\n")
    with pytest.raises(SpikebenchError) as caught:
        name_clips(clips("a.wav"), "t.csv")
    assert "\x1b" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "t.csv"
    path.write_bytes(b"path,label\n" + data)
    said = ""
    try:
        read_table(path, {})
    except SpikebenchError as error:
        said = str(error)
    assert said.isprintable()
