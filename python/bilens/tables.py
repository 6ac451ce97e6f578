"""Tables: pandas DataFrames where pandas is installed, else a small stand-in with the same columns. Those of virtual tokens show the report's
own coloured table in a notebook."""
try:
    import pandas
except ImportError:  # without it everything else works
    pandas = None


class Table:
    """Columns of equal length, when pandas is not installed."""

    def __init__(self, columns):
        self._columns = dict(columns)

    @property
    def columns(self):
        return list(self._columns)

    def __getitem__(self, name):
        return self._columns[name]

    def __len__(self):
        return len(next(iter(self._columns.values()), []))

    def __repr__(self):
        cells = [[name] + [f"{v:.6g}" if isinstance(v, float) else str(v) for v in values] for name, values in self._columns.items()]
        widths = [max(map(len, column)) for column in cells]
        return "\n".join("  ".join(column[row].ljust(width) for column, width in zip(cells, widths)).rstrip() for row in range(len(self) + 1))


def table(columns):
    """A DataFrame of {name: values}."""
    return Table(columns) if pandas is None else pandas.DataFrame(columns)


if pandas is None:

    class TokenTable(Table):
        """Virtual tokens of one eigenvector."""

        def _repr_html_(self):
            return self._bilens_html()
else:

    class TokenTable(pandas.DataFrame):
        """Virtual tokens of one eigenvector: a DataFrame that a notebook shows as the report does. What is made from it (a slice, a copy) is
        a plain DataFrame."""

        _metadata = ["_bilens_html"]
        _bilens_html = None

        @property
        def _constructor(self):
            return pandas.DataFrame

        def _repr_html_(self):
            return self._bilens_html() if self._bilens_html else super()._repr_html_()


def token_table(columns, html):
    """`html`: a function that gives the report's table of it."""
    made = TokenTable(columns)
    object.__setattr__(made, "_bilens_html", html)
    return made
