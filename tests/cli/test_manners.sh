# Signals that end a wait, a hub without a home, -- and options in any order.
set -u
model=$TEST_DATA/models/plain
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
cd "$work" || exit 1
for signal in TERM HUP; do
    mkfifo pipe && exec 3<>pipe
    "$BILENS" tokenize "$model" --corpus - <pipe >out 2>err &
    sleep 1.5 && kill -$signal $!
    wait $!
    [ $? -gt 128 ] || fail "$signal while waiting for standard input: $(cat err)"
    exec 3>&- && rm pipe
done
env -u HOME -u HF_HOME -u XDG_CACHE_HOME -u HF_HUB_CACHE HF_HUB_OFFLINE=1 "$BILENS" info some/model >out 2>err
[ $? = 2 ] && [ ! -e "$work/~" ] && ! grep -q "~" err || fail "without HOME: $(cat err)"
HOME=$work HF_HOME='$HOME/hf' HF_HUB_OFFLINE=1 "$BILENS" info some/model 2>err
grep -q "$work/hf" err || fail "variables in HF_HOME: $(cat err)"
cp -r "$model" ./--model
"$BILENS" info -- --model >out || fail "-- ends the options"
