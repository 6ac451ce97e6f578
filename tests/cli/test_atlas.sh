#!/bin/bash
# bilens atlas as a user runs it: threads, another model or corpus, files that are damaged or something else, a read-only folder, a full disk,
# a story of one token, a token that never occurs, queries. Kills are test_atlas_kill.c's, ranks test_ranks.sh's. ctest: slow
set -eu
folder=$(mktemp -d)
trap 'mountpoint -q "$folder/small" && umount "$folder/small"; rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
models=$TEST_DATA/models
cat "$models/stories.txt" >"$folder/stories.txt"
printf '\n<|endoftext|>\nswim\n' >>"$folder/stories.txt" # [BOS] swim: short
make() { "$BILENS" atlas "$models/plain" --corpus "$folder/stories.txt" --quiet -o "$@"; }
dump() { "$BILENS" atlas query "$1" limit=1000 --format csv; for t in swim the t '##w13'; do "$BILENS" atlas query "$1" "token=$t" --format json | tail -n +2; done; }
refused() { # STATUS TEXT COMMAND…
    local status=0
    "${@:3}" >"$folder/stdout" 2>"$folder/stderr" || status=$?
    [ "$status" = "$1" ] || fail "${*:3}: status $status, expected $1: $(cat "$folder/stderr")"
    grep -q -- "$2" "$folder/stderr" || fail "${*:3}: no '$2' in: $(cat "$folder/stderr")"
}

make "$folder/whole.db" --threads 2 | grep -q "104 directions, 832 eigenpairs, 13 stories" || fail "a plain run"
[ "$(ls "$folder")" = "$(printf 'stories.txt\nwhole.db')" ] || fail "files are left: $(ls "$folder")"
dump "$folder/whole.db" >"$folder/whole.txt"
make "$folder/one.db" --threads 1 >/dev/null
cmp "$folder/whole.db" "$folder/one.db" || fail "the number of threads changes the atlas"

# Without effects: said, null, and everything else as it was.
make "$folder/bare.db" --no-effects >/dev/null
"$BILENS" atlas query "$folder/bare.db" token=swim >"$folder/bare.txt"
grep -q "effects on the loss were left out" "$folder/bare.txt" || fail "left out effects are not said"
vectors() { "$BILENS" atlas query "$1" token=swim --format json | python3 -c '
import json, sys
root = json.load(sys.stdin, parse_float=lambda x: float(f"{float(x):.3g}")) # products of other blocks: other last bits
effects = [v.pop(key) for v in root["vectors"] for key in ("effect", "null_effect")]
print(root["effects"], all(effects), any(effects), file=sys.stderr)
print(json.dumps(root["vectors"]))'; }
vectors "$folder/whole.db" >"$folder/with" 2>"$folder/has"
vectors "$folder/bare.db" >"$folder/without" 2>>"$folder/has"
[ "$(cat "$folder/has")" = "$(printf 'True True True\nFalse False False')" ] || fail "effects: $(cat "$folder/has")"
cmp "$folder/with" "$folder/without" || fail "--no-effects changes more than the effects"
rm "$folder/"{bare.db,bare.txt,with,without,has}

# A file of something else is refused and left as it is.
before=$(md5sum <"$folder/whole.db")
refused 2 "the model differs" "$BILENS" atlas "$models/norm" --corpus "$folder/stories.txt" -o "$folder/whole.db"
refused 2 "another corpus" "$BILENS" atlas "$models/plain" --corpus "$models/stories.txt" -o "$folder/whole.db"
refused 2 "--top differs" make "$folder/whole.db" --top 3
refused 2 "--no-effects differs" make "$folder/whole.db" --no-effects
refused 2 "--null-draws differs" make "$folder/whole.db" --null-draws 2
refused 2 "must be at least 1" make "$folder/whole.db" --null-draws 0
cp "$folder/stories.txt" "$folder/other.txt"
refused 2 "no SQLite database" make "$folder/other.txt"
refused 2 "no database" make "$folder/other.txt" --overwrite
rm "$folder/other.txt"
refused 2 "-o FILE is missing" "$BILENS" atlas "$models/plain"
[ "$before" = "$(md5sum <"$folder/whole.db")" ] || fail "a refused run changed the atlas"
# A database of something else, of another format, cut short, damaged within: refused, by queries too, and left as it is.
broken() { # NAME TEXT
    before=$(md5sum <"$folder/$1.db")
    refused 2 "$2" make "$folder/$1.db"
    refused 2 "" "$BILENS" atlas query "$folder/$1.db" token=swim
    [ "$before" = "$(md5sum <"$folder/$1.db")" ] || fail "$1: a refused run changed it"
}
LC_ALL=C sed 's/meta/mfta/g' "$folder/whole.db" >"$folder/other.db"
LC_ALL=C sed 's/bilens atlas 5/bilens atlas 2/g' "$folder/whole.db" >"$folder/older.db"
head -c 200000 "$folder/whole.db" >"$folder/short.db"
head -c 50 "$folder/whole.db" >"$folder/shorter.db"
{ head -c 4096 "$folder/whole.db"; head -c 400000 /dev/zero | tr '\0' 'x'; } >"$folder/junk.db"
broken other "a database, but no atlas of bilens"
broken older "make it again (bilens atlas … --overwrite)"
broken short "damaged"
broken shorter "no SQLite database, or a damaged one"
broken junk "damaged"
: >"$folder/empty.db"
make "$folder/empty.db" >/dev/null || fail "an empty file is a place to write"
cmp "$folder/empty.db" "$folder/whole.db" || fail "an empty file before it changes the atlas"
rm "$folder/"{other,older,short,shorter,junk,empty}.db
[ -s "$folder/stories.txt" ] || fail "the corpus was overwritten"
refused 2 "cannot be written" make "$folder/nowhere/atlas.db"
make "$folder/one.db" --top 3 --overwrite >/dev/null || fail "--overwrite"

# A story of one token, a token that never occurs.
printf 'Home.\n<|endoftext|>\n' >"$folder/short.txt"
printf 'swim\nfly\n\nswim\n' >"$folder/tokens.txt"
"$BILENS" atlas "$models/plain" --corpus "$folder/short.txt" --tokens "$folder/tokens.txt" --quiet -o "$folder/short.db" | grep -q "2 directions, 16 eigenpairs, 1 stories" ||
    fail "a short story"
"$BILENS" atlas query "$folder/short.db" token=swim --format json | grep '"count":0' >/dev/null || fail "a token that never occurs"
printf '\xcc\x81\n<|endoftext|>\nswim\n' >"$folder/accent.txt" # an accent on nothing is stripped: [BOS] alone
"$BILENS" atlas "$models/plain" --corpus "$folder/accent.txt" --tokens "$folder/tokens.txt" --quiet -o "$folder/accent.db" | grep -q "2 stories, 3 positions" ||
    fail "a story of one token"
"$BILENS" atlas query "$folder/accent.db" token=swim --format json | grep '"story":0,"position":0' >/dev/null || fail "the story of one token is no match"
printf 'swum\n' >"$folder/tokens.txt"
refused 2 "nearest: .*swim" "$BILENS" atlas "$models/plain" --corpus "$folder/short.txt" --tokens "$folder/tokens.txt" --quiet -o "$folder/unknown.db"
[ ! -e "$folder/unknown.db" ] || fail "a misspelt token left a file"
: >"$folder/tokens.txt"
refused 2 "holds no line" "$BILENS" atlas "$models/plain" --tokens "$folder/tokens.txt" -o "$folder/unknown.db"
refused 2 "nowhere.txt" "$BILENS" atlas "$models/plain" --tokens "$folder/nowhere.txt" -o "$folder/unknown.db"

# Queries.
[ "$("$BILENS" atlas query "$folder/whole.db" sort=largest limit=3 --format csv | wc -l)" = 4 ] || fail "a list of three"
"$BILENS" atlas query "$folder/whole.db" reads=the limit=1000 --format json | python3 -c '
import json, sys
answer = json.load(sys.stdin)
readers = answer["readers"]
assert answer["reads"] == "the" and answer["total"] == len(readers) > 0
sizes = [abs(r["activation"]) for r in readers]
assert sizes == sorted(sizes, reverse=True)
assert all(abs(r["activation"] - r["eigenvalue"] * r["value"] ** 2) < 1e-5 for r in readers)
sources = {r["source"] for r in readers}
assert sources <= {"direct"} | {f"head {h}" for h in range(64)}
' || fail "who reads the"
[ "$("$BILENS" atlas query "$folder/whole.db" reads=the source=direct limit=1000 --format csv | tail -n +2 | grep -vc '"direct"')" = 0 ] || fail "who reads the directly"
refused 2 "neither direct nor a head" "$BILENS" atlas query "$folder/whole.db" reads=the source=heads
refused 2 "no token" "$BILENS" atlas query "$folder/whole.db" reads=swum
refused 2 "cannot sort directions by" "$BILENS" atlas query "$folder/whole.db" sort=beauty
refused 2 "no direction" "$BILENS" atlas query "$folder/whole.db" token=swum
[ "$("$BILENS" atlas query "$folder/whole.db" list=eigenpairs sort=q order=ascending limit=3 --format csv | wc -l)" = 4 ] || fail "a list of three eigenpairs"
"$BILENS" atlas query "$folder/whole.db" list=eigenpairs sort=effect limit=1 --format json | grep '"p":[01]\.[0-9]*,"q":[01]\.' >/dev/null || fail "p and q"
"$BILENS" atlas query "$folder/whole.db" sort=effect limit=2 | grep "from uniform" >/dev/null || fail "the calibration"
refused 2 "cannot sort eigenpairs by" "$BILENS" atlas query "$folder/whole.db" list=eigenpairs sort=largest
refused 2 "list is directions or eigenpairs" "$BILENS" atlas query "$folder/whole.db" list=tokens
refused 2 "there is no key" "$BILENS" atlas query "$folder/whole.db" colour=red
refused 2 "No such file" "$BILENS" atlas query "$folder/nothing.db"
refused 2 "no SQLite database" "$BILENS" atlas query "$folder/stories.txt"

# A limit on the size of files, a full disk, then room: it resumes. A read-only folder.
(ulimit -f 600; refused 1 "limit on the size" make "$folder/limited.db") || exit 1
make "$folder/limited.db" >/dev/null || fail "resuming after the file size limit"
dump "$folder/limited.db" | sed "s,$folder/limited.db,$folder/whole.db," | cmp - "$folder/whole.txt" || fail "the file size limit changed the rows"
mkdir "$folder/small"
if mount -t tmpfs -o size=600k tmpfs "$folder/small" 2>/dev/null; then
    refused 1 "disk is full" make "$folder/small/atlas.db"
    mount -o remount,size=20m "$folder/small"
    make "$folder/small/atlas.db" >/dev/null || fail "resuming after a full disk"
    dump "$folder/small/atlas.db" | sed "s,$folder/small/atlas.db,$folder/whole.db," | cmp - "$folder/whole.txt" || fail "a full disk changed the rows"
    mount -o remount,ro "$folder/small"
    "$BILENS" atlas query "$folder/small/atlas.db" token=swim >/dev/null || fail "reading in a read-only folder"
    refused 2 "" make "$folder/small/new.db"
    umount "$folder/small"
else
    echo "no right to mount a small file system: the full disk was not tried" >&2
    mkdir "$folder/locked" && chmod 555 "$folder/locked"
    [ -w "$folder/locked" ] || refused 2 "cannot be written" make "$folder/locked/new.db"
fi
echo "atlas: refused, resumed, queried: fine"
