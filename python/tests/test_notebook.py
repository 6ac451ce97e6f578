"""The paper's notebook: every cell runs, and shows what it should; on a model of another kind, too."""
import json
import re
import sys

import numpy as np
import pytest
from conftest import DATA, TOP

sys.path.insert(0, str(TOP / "examples"))
import run_notebook  # noqa: E402

NOTEBOOK = TOP / "examples" / "paper_notebook.ipynb"


def test_notebook(tmp_path):
    done, names = run_notebook.run(NOTEBOOK)
    shown = [output for _, outputs in done for output in outputs]
    html = [output.get("text/html", "") for output in shown]
    assert "2,949,120 parameters" in html[0]
    assert sum("<svg" in h for h in html) == 1 and sum("image/png" in o for o in shown) == 1
    assert sum('class="vt"' in h for h in html) == 2 and sum('class="words"' in h for h in html) == 8
    assert names["scan"].stories == 354 and len(names["scan"]) == 40
    assert [h.index for h in names["scan"]] == [*range(20), *range(-20, 0)]
    # The colours of the table are the values of the table.
    table = names["eig"].virtual_tokens(-1)
    numbers = [float(n.replace("\u2212", "-")) for n in re.findall(r'<td class="v c\d+">([^<]*)</td>', next(h for h in html if 'class="vt"' in h))]
    columns = np.array([table[f"Value{s}"] for s in ["", *(f" {h}" for h in range(8))]])
    assert names["eig"].orientation(-1) == -1
    columns = -columns[:, ::-1]  # drawn by the end its inputs are at
    values = columns[np.argsort(-np.abs(columns).max(1), kind="stable")].ravel()  # a table per source, the strongest first
    assert np.abs(np.array(numbers) - values).max() < 6e-5
    # The page of it all.
    page = run_notebook.page(done)
    assert page.count('class="bilens"') == 12 and "activation 8." in page
    (tmp_path / "page.html").write_text(page, encoding="utf-8")


def test_of_another_model(tmp_path):
    """A tiny model with norms: its words are other ones, and its activations are divided by the norm; the cells that check this are not its."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells["cells"] = [cell for cell in cells["cells"] if "range(20)" not in "".join(cell["source"]) and "scan" not in "".join(cell["source"])]
    (tmp_path / "short.ipynb").write_text(json.dumps(cells))
    changes = {"model": f"bilens.load({str(DATA / 'models' / 'norm')!r})", "comparison_tokens": "['run', 'big']"}
    done, names = run_notebook.run(tmp_path / "short.ipynb", changes)
    assert names["model"].config.normalization and names["eig"].direction.minus == ["run", "big"]
    with pytest.raises(SystemExit, match="no line assigns nothing_like_it"):
        run_notebook.run(tmp_path / "short.ipynb", {**changes, "nothing_like_it": "1"})


def test_outputs_are_stored():
    """The notebook as it is shipped shows what a run of it shows, and nobody's paths. (BILENS_DATA=data python examples/run_notebook.py --store …)"""
    text = NOTEBOOK.read_text(encoding="utf-8")
    stored = [cell.get("outputs", []) for cell in json.loads(text)["cells"]]
    done, _ = run_notebook.run(NOTEBOOK)
    kinds = [[sorted(output) for output in outputs] for _, outputs in done]
    assert [[sorted(output["data"]) for output in outputs] for outputs in stored] == kinds
    words = lambda html: re.findall(r">([^<>]+)<", html)  # noqa: E731
    for (_, outputs), cells in zip(done, stored):
        for fresh, old in zip(outputs, cells):
            if 'class="vt"' in fresh.get("text/html", ""):
                old = "".join(old["data"]["text/html"])
                assert len(set(words(fresh["text/html"])) & set(words(old))) > 0.8 * len(set(words(old)))
    assert "/home/" not in text and "/root/" not in text and str(TOP) not in text
