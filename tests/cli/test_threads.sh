# The same output, soon, whatever number of threads the system gives.
set -u
model=$TEST_DATA/models/$(ls "$TEST_DATA/models" | head -1)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
printf 'Tom likes to swim.\n<|endoftext|>\nLily saw a big red ball. She wanted to play with it.\n' > "$work/stories.txt"
cd "$work" || exit 1
run() { # run NAME VARIABLES…: eval's and eigen's output
    local name=$1
    shift
    env "$@" timeout 120 "$BILENS" eval "$model" --corpus stories.txt --threads 2 --format json > "$name.eval" || fail "eval under $*"
    env "$@" timeout 120 "$BILENS" eigen "$model" --token '#30' --threads 2 --format json > "$name.eigen" || fail "eigen under $*"
}
run plain A=1
for limits in OMP_THREAD_LIMIT=1 OMP_DYNAMIC=true "OMP_DYNAMIC=true OMP_THREAD_LIMIT=2" OMP_MAX_ACTIVE_LEVELS=0 OMP_NUM_THREADS=1; do
    # shellcheck disable=SC2086
    run limited $limits
    cmp plain.eval limited.eval || fail "eval is another under $limits"
    cmp plain.eigen limited.eigen || fail "eigen is another under $limits"
done
# A limit on the address space, or on data: a message or a result, at once.
case $BILENS in *valgrind*) exit 0 ;; esac
grep -q __asan_init "$BILENS" && exit 0 # which reserves terabytes
for limit in "v 100" "v 250" "v 400" "v 700" "d 20" "d 300" "d 700" "v 1500"; do
    megabytes=${limit#* }
    (ulimit "-${limit% *}" $((megabytes * 1024)) && exec timeout 60 "$BILENS" eigen "$model" --token '#30' > out 2> err)
    status=$?
    [ $status -eq 0 ] || [ $status -eq 1 ] || fail "exit $status with $limit MB: $(cat err)"
    [ $status -eq 0 ] || grep -q "address space\|memory" err || fail "no message with $limit MB: $(cat err)"
done
grep -q . out || fail "1500 MB are enough"
