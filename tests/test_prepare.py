"""What all prepare scripts promise."""

import pytest
from test_prepare_lsp import lsp, write_lsp
from test_prepare_penn_action import penn_action, write_penn
from test_prepare_utd_mhad import utd_mhad, write_clip

SETS = [(utd_mhad, write_clip), (lsp, write_lsp), (penn_action, write_penn)]


@pytest.mark.parametrize(("script", "write"), SETS[:2])
@pytest.mark.parametrize("there", ["joints.txt", "images/mine.png"])
def test_refuses_to_overwrite(script, write, there, raw, out, capsys):
    write(raw)
    (out / there).parent.mkdir(parents=True)
    (out / there).write_text("mine")
    with pytest.raises(SystemExit):
        script.main(["--raw", str(raw), "--out", str(out)])
    message = capsys.readouterr().err
    assert str(out) in message
    assert "pass another --out" in message
    assert [path for path in out.rglob("*") if path.is_file()] == [out / there]
    assert (out / there).read_text() == "mine"


@pytest.mark.parametrize(("script", "write"), SETS)
def test_says_what_it_expected_in_another_folder(script, write, raw, out, capsys):
    raw.mkdir()
    with pytest.raises(SystemExit):
        script.main(["--raw", str(raw), "--out", str(out)])
    message = capsys.readouterr().err
    assert str(raw) in message
    assert "pass another --raw" in message
    assert not out.exists()
