#!/usr/bin/env python3
"""Runs a notebook's cells without Jupyter, and shows what a notebook would show.

    run_notebook.py NOTEBOOK.ipynb [-o PAGE.html] [--store] [--set NAME=EXPRESSION …]

-o writes a self-contained page of the cells and their outputs; --store puts the outputs into the notebook itself. --set changes an assignment of the notebook ("--set model=…" replaces the first
line that begins with `model =`). Stops at the first cell that fails, with its traceback. What is run is this notebook's code: a
cell's magic commands (%, !) are not understood.
"""
import argparse
import ast
import base64
import contextlib
import html
import io
import json
import re
import sys

STYLE = """body { font: 15px/1.5 sans-serif; max-width: 1240px; margin: 2em auto; padding: 0 1em; } pre.code { background: #f4f4f2; padding: .7em 1em; overflow-x: auto; }
.out { margin: .4em 0 1.6em; } .out pre { margin: 0; white-space: pre-wrap; } img { max-width: 760px; }"""


def representations(value):
    """{mime type: text} as a notebook would ask for them."""
    out = {"text/plain": repr(value)}
    for name, mime in (("_repr_html_", "text/html"), ("_repr_png_", "image/png")):
        made = getattr(value, name, lambda: None)()
        if isinstance(made, tuple):  # with metadata
            made = made[0]
        if made is not None:
            out[mime] = made if isinstance(made, str) else base64.b64encode(made).decode()
    return out


def run_cell(source, names, outputs):
    """Executes the cell; what it prints and displays, and its last expression, are appended to `outputs`."""
    names["display"] = lambda *values: outputs.extend(representations(v) for v in values)
    tree = ast.parse(source)
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        value = eval(compile(last, "<cell>", "eval"), names) if last is not None else None
    if printed.getvalue():
        outputs.append({"text/plain": printed.getvalue()})
    if value is not None:
        outputs.append(representations(value))


def run(path, changes=None):
    """[(cell, outputs)] and the names that the cells left. `changes`: {name: expression}."""
    with open(path, encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    names, done, pending = {"__name__": "__main__"}, [], dict(changes or {})
    for cell in cells:
        source, outputs = "".join(cell["source"]), []
        if cell["cell_type"] == "code":
            for name in list(pending):
                changed, n = re.subn(rf"^{re.escape(name)} = .*$", lambda _: f"{name} = {pending[name]}", source, count=1, flags=re.M)
                if n:
                    source = changed
                    del pending[name]
            run_cell(source, names, outputs)
        done.append((dict(cell, source=source), outputs))
    if pending:
        raise SystemExit(f"{path}: no line assigns {', '.join(pending)}")
    return done, names


def store(path, done):
    """Puts the outputs into the notebook, as Jupyter would."""
    with open(path, encoding="utf-8") as file:
        notebook = json.load(file)
    for cell, (_, outputs) in zip(notebook["cells"], done):
        if cell["cell_type"] == "code":
            cell["execution_count"] = None
            cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": {mime: text.splitlines(True) if mime.startswith("text/") else text
                                                                                       for mime, text in output.items()}} for output in outputs]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(notebook, file, indent=1, ensure_ascii=False)
        file.write("\n")


def show(output):
    if "text/html" in output:
        return output["text/html"]
    if "image/png" in output:
        return f'<img src="data:image/png;base64,{output["image/png"]}" alt="">'
    return f"<pre>{html.escape(output['text/plain'])}</pre>"


def markdown(source):
    """The little of it that the notebook uses: headings, code, links."""
    text = html.escape(source, quote=False)
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
    text = re.sub(r"\[([^\]]*)\]\((https?://[^)]*)\)", r'<a href="\2">\1</a>', text)
    lines = [re.sub(r"^(#+) (.*)$", lambda m: f"<h{len(m[1])}>{m[2]}</h{len(m[1])}>", line) for line in text.split("\n")]
    return "\n".join(line if line.startswith("<h") else f"<p>{line}</p>" for line in lines if line)


def page(done):
    parts = [f'<!doctype html><meta charset="utf-8"><title>notebook</title><style>{STYLE}</style>']
    for cell, outputs in done:
        if cell["cell_type"] == "markdown":
            parts.append(markdown(cell["source"]))
        else:
            parts.append(f'<pre class="code">{html.escape(cell["source"])}</pre>')
            parts += [f'<div class="out">{show(output)}</div>' for output in outputs]
    return "\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description="Runs a notebook's cells without Jupyter.")
    parser.add_argument("notebook")
    parser.add_argument("-o", metavar="PAGE.html", help="write a page of the cells and their outputs")
    parser.add_argument("--store", action="store_true", help="put the outputs into the notebook")
    parser.add_argument("--set", metavar="NAME=EXPRESSION", action="append", default=[], help="change an assignment")
    arguments = parser.parse_args()
    done, _ = run(arguments.notebook, dict(change.split("=", 1) for change in arguments.set))
    if arguments.store:
        store(arguments.notebook, done)
    if arguments.o:
        with open(arguments.o, "w", encoding="utf-8") as file:
            file.write(page(done))
    print(f"{sum(cell['cell_type'] == 'code' for cell, _ in done)} cells, {sum(len(o) for _, o in done)} outputs")


if __name__ == "__main__":
    sys.exit(main())
