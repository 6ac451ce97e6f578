#!/bin/bash
# Directions of one's own and several layers in an atlas, as a user has them: rows of a text file, named; refusals; resuming; queries. ctest: slow
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
models=$TEST_DATA/models
corpus=$models/stories.txt
refused() { # TEXT COMMAND…
    local status=0
    "${@:2}" >"$folder/stdout" 2>"$folder/stderr" || status=$?
    [ "$status" = 2 ] || fail "${*:2}: status $status, expected 2: $(cat "$folder/stderr")"
    grep -q -- "$1" "$folder/stderr" || fail "${*:2}: no '$1' in: $(cat "$folder/stderr")"
}
cd "$folder"
python3 - <<'END'
import random
random.seed(3)
rows = [[random.gauss(0, 1) for _ in range(16)] for _ in range(5)]
rows[3] = [0] * 16
def write(name, rows, head=""):
    open(name, "w").write(head + "".join(",".join(map(repr, row)) + "\n" for row in rows))
write("own.csv", rows)
write("numbered.csv", rows, ",".join(map(str, range(16))) + "\n")
write("named.csv", rows, ",".join(f"x{i}" for i in range(16)) + "\n")
write("wide.csv", [row + [1] for row in rows])
open("blanks.csv", "w").write("\n".join("  ".join(map(repr, row)) for row in rows) + "\r\n\n")
open("word.csv", "w").write("1,2\n3,four\n")
open("short.csv", "w").write("1,2\n3\n")
open("empty.csv", "w").write("\n")
rows[1][2] = float("nan")
write("nan.csv", rows)
open("names.txt", "w").write("one\ntwo\nthree\nnothing\nfive\n")
open("four.txt", "w").write("one\ntwo\nthree\nfour\n")
END

# One reader for every place: a row by itself, the ranking, the atlas.
"$BILENS" eigen "$models/plain" --direction own.csv:4 --eigs -1 --format json >own.json
for file in numbered named blanks; do
    "$BILENS" eigen "$models/plain" --direction "@$file.csv:4" --eigs -1 --format json | sed "s/$file.csv/own.csv/" | cmp - own.json || fail "$file.csv"
    "$BILENS" rank "$models/plain" --directions $file.csv --format csv >$file.rank
    cmp $file.rank numbered.rank || fail "rank of $file.csv"
done
refused "line 2, column 2: 'four' is not a number" "$BILENS" rank "$models/plain" --directions word.csv
refused "line 2 has 1 numbers, the first row has 2" "$BILENS" rank "$models/plain" --directions short.csv
refused "holds no number" "$BILENS" rank "$models/plain" --directions empty.csv
refused "element .* is NaN" "$BILENS" rank "$models/plain" --directions nan.csv
refused "there is no row 5" "$BILENS" eigen "$models/plain" --direction @own.csv:5
refused "17 numbers, this model's have 16" "$BILENS" rank "$models/plain" --directions wide.csv
refused "without a name" "$BILENS" rank "$models/plain" --directions own.csv:weights

own() { "$BILENS" atlas "$models/plain" --corpus "$corpus" --quiet --directions own.csv --names names.txt -o "$@"; }
own own.db | grep -q "4 directions, 32 eigenpairs" || fail "directions of one's own"
"$BILENS" atlas query own.db token=two --format json | python3 -c '
import json, sys
answer = json.load(sys.stdin)
assert answer["source"] == "own.csv" and answer["count"] is None and answer["id"] == 1 and answer["direction"] == "@own.csv:1", answer["direction"]
for vector in answer["vectors"]:
    effect = vector["effect"]
    assert effect["own"] is None and effect["others"] is None and effect["total"] is None
    assert 0 <= vector["p"] <= 1 and 0 <= vector["q"] <= 1 and vector["matches"] and effect["ends"] >= 0
' || fail "one direction of one's own"
"$BILENS" atlas query own.db direction=@own.csv:4 --format json | python3 -c '
import json, sys
atlas, eigen = json.load(sys.stdin), json.load(open("own.json"))
assert abs(atlas["highest"] - eigen["eigenvalues"][-1]) < 1e-5 * abs(atlas["highest"])
' || fail "an atlas and eigen differ"
"$BILENS" atlas query own.db direction=@own.csv:4 | grep -q "no token" || fail "the terminal does not say that it is no token"
"$BILENS" atlas query own.db token='#2' --format json | grep '"token":"three"' >/dev/null || fail "a direction by its row"
"$BILENS" atlas query own.db sort=excess limit=2 --format csv | grep -c '"@own.csv:' | grep -qx 2 || fail "a list"
refused "no direction" "$BILENS" atlas query own.db token=nothing
refused "taken as they are" "$BILENS" atlas "$models/plain" --directions own.csv --raw -o no.db
refused "taken as they are" "$BILENS" atlas "$models/plain" --directions own.csv --frequent 3 -o no.db
refused "goes with --directions" "$BILENS" atlas "$models/plain" --names names.txt -o no.db
refused "4 lines, but there are 5 directions" "$BILENS" atlas "$models/plain" --directions own.csv --names four.txt -o no.db
refused "17 numbers, this model's have 16" "$BILENS" atlas "$models/plain" --directions wide.csv -o no.db
refused "NaN" "$BILENS" atlas "$models/plain" --directions nan.csv -o no.db
refused "selection of directions differs" "$BILENS" atlas "$models/plain" --corpus "$corpus" -o own.db
sed -i '1s/^[^,]*/9.5/' own.csv
refused "selection of directions differs" own own.db
[ ! -e no.db ] || fail "a refused run left a file"

# Cut off and resumed: the same bytes. A site of it.
own whole.db >/dev/null
(ulimit -f 110; own cut.db >/dev/null 2>stderr) && fail "110 blocks were enough"
own cut.db >/dev/null
cmp cut.db whole.db || fail "resuming gives another atlas"
"$BILENS" atlas "$models/plain" --from whole.db --site site --quiet
[ -s site/data/directions-0.js ] && [ -s site/data/0-0000.js ] && [ -s site/data/tokens.js ] || fail "the site: $(ls site/data)"

# A report on all of them: an index whose links lead to a page each, as a whole or not at all.
report() { "$BILENS" report "$models/plain" --corpus "$corpus" --quiet --directions own.csv "$@"; }
report --names names.txt --null-draws 5 -o pages --format json >ranking.json
cmp ranking.json pages/ranking.json || fail "the index's table is not what was told"
python3 - <<'END' || fail "the index"
import json, os, re
ranking = json.load(open("pages/ranking.json"))
rows = ranking["directions"]
assert ranking["total"] == 5 and ranking["null_draws"] == 5 and [r["name"] for r in rows][-1] == "nothing", rows
with_page = [r for r in rows if r["page"]]
assert len(with_page) == 4 and all(0 < r["p"] <= r["q"] <= 1 and r["index"] in (-1, 0) and r["ratio"] > 0 for r in with_page)
assert rows[-1]["page"] is None and rows[-1]["p"] is None and rows[-1]["index"] is None
excess = [r["excess"] for r in with_page]
assert excess == sorted(excess, reverse=True)
page = open("pages/index.html").read()
links = re.findall(r'href="(rows/[^"]*)"', page)
assert links == [r["page"] for r in with_page], links
for r in with_page:
    assert f"<h1>\u201c{r['name']}\u201d</h1>" in open(os.path.join("pages", r["page"])).read()
    assert json.load(open(f"pages/rows/{r['row']}/report.json"))["eigen"]["direction"] == f"@own.csv:{r['row']}"
END
report --rows 0,2-4 --stories 3 -o pages >/dev/null
[ "$(ls pages/rows | tr '\n' ' ')" = "0 2 4 " ] || fail "--rows 0,2-4: $(ls pages/rows)"
before=$(find pages -type f -exec md5sum {} + | sort | md5sum)
refused "there is no row 9" report --rows 0-9 -o pages
refused "not a list like" report --rows 3-1 -o pages
refused "not a list like" report --rows 1,, -o pages
refused "all 0" report --rows 3 -o pages
refused "taken as they are" report --token swim -o pages
refused "go with --directions" "$BILENS" report "$models/plain" --token swim --rows 1 -o pages
refused "names a file\|name a file" report --corpus - -o pages
refused "17 numbers" "$BILENS" report "$models/plain" --corpus "$corpus" --directions wide.csv -o pages
mkdir theirs
refused "is no report on many directions" report -o theirs
[ "$before" = "$(find pages -type f -exec md5sum {} + | sort | md5sum)" ] || fail "a refused run changed the report"
[ -z "$(find . -maxdepth 1 -name '.*tmp*')" ] || fail "a refused run left $(find . -maxdepth 1 -name '.*tmp*')"

# Several layers.
layers() { "$BILENS" atlas "$models/later-bilinear" --corpus "$corpus" --layers 1,0 --frequent 5 --quiet -o "$@"; }
layers layers.db | grep -q "10 directions, 80 eigenpairs" || fail "two layers"
[ "$("$BILENS" atlas query layers.db layer=1 --format csv | wc -l)" = 6 ] || fail "one layer of two"
[ "$("$BILENS" atlas query layers.db --format csv | wc -l)" = 11 ] || fail "both layers"
(ulimit -f 190; layers cut2.db >/dev/null 2>stderr) && fail "190 blocks were enough"
layers cut2.db >/dev/null
cmp cut2.db layers.db || fail "resuming gives another atlas of two layers"
refused "it has 0,1" "$BILENS" atlas query layers.db layer=2
refused "layer 2" "$BILENS" atlas "$models/later-bilinear" --layers 0,2 -o no.db
refused "named twice" "$BILENS" atlas "$models/later-bilinear" --layers 1,1 -o no.db
refused "give one of them" "$BILENS" atlas "$models/later-bilinear" --layers 0,1 --layer 1 -o no.db
refused "--layers differs" "$BILENS" atlas "$models/later-bilinear" --corpus "$corpus" --frequent 5 -o layers.db
echo "own directions and several layers: fine"
