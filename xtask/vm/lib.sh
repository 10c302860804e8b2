# What the phases share. /rows has a line for every row of the table: its name, the directory of the
# holders, the two views of it (often two mounts), and "count" where both views are one directory.

tell() { echo "$*" >&3; }

# Nothing of this boot can be had.
give_up() {
    tell "failed $*"
    tell done
    while :; do sleep 1000; done
}

# What the kernel was told to tell us.
option() { sed -n "s/.*\b$1=\([a-z0-9]*\).*/\1/p" /proc/cmdline; }

# The disk that was made for file system $1.
disk() {
    for serial in /sys/block/vd*/serial; do
        [ "$(cat "$serial")" = "$1" ] && basename "${serial%/serial}" | sed 's|^|/dev/|'
    done
}

# Mounts $1 at $2 as a $3, with options $4.
attach() {
    mkdir -p "$2"
    mount -t "$3" -o "${4:-rw}" "$1" "$2" || give_up "to mount $3 at $2: $(dmesg | tail -n 3 | tr '\n' ' ')"
}

# Runs the arguments for every row and both domains, with $row, $hold, $view, $other, $counts and
# $domain set.
each() {
    while read -r row hold view other counts <&4; do
        for domain in session deps; do "$@"; done
    done 4</rows
}

# What trial $2 locks in directory $1.
target() {
    case $domain in
        session) echo "$1/$row-$2.jsonl" ;;
        deps) echo "$1/$row-$2" ;;
    esac
}

# The file that its lock's record is in.
record() {
    case $domain in
        session) echo "$(target "$1" "$2").lock" ;;
        deps) echo "$(target "$1" "$2")/.openclaw-runtime-deps.lock/owner.json" ;;
    esac
}

# Milliseconds since boot, in steps of 10.
now() {
    read -r up _ </proc/uptime
    echo "${up%.*}${up#*.}0"
}

promise() { [ "$domain" = session ] && echo "--max-hold 30m"; }

# Holds the lock of trial $1 in directory $2 with the options $3, in the background, until it is
# killed. Under the name $4, both processes note their pids, and the command when it started.
keep() {
    note=/run/$row.$domain.$4
    lockctl "$domain" run $3 $(promise) "$(target "$2" "$1")" -- \
        sh -c 'read -r up _ </proc/uptime; echo "${up%.*}${up#*.}0" >"$0.since"; echo $$ >"$0"; exec sleep 100000' \
        "$note" 2>"$note.log" &
    echo $! >"$note.runner"
}

# Waits until file $1 has content, for at most $2 times 20 ms.
content() {
    for _ in $(seq "$2"); do
        [ -s "$1" ] && return
        usleep 20000
    done
    return 1
}

# Starts a holder of trial $1.
hold() {
    keep "$1" "$hold" "--timeout 10s --quiet" "$1"
    content "/run/$row.$domain.$1" 1000 || tell "failed to hold $row $domain $1: $(words "/run/$row.$domain.$1.log")"
}

# Kills the holder of trial $1 and its command, as a crash would.
crash() {
    note=/run/$row.$domain.$1
    kill -9 "$(cat "$note.runner")" "$(cat "$note")"
    rm -f "$note"
}

# A file's content on one line.
words() { tr '\n' ' ' <"$1"; }

# Tries for the lock of trial $2 under view $1, for at most $3. Tells question $4's answer.
try() {
    eval "directory=\$$1"
    started=$(now)
    timeout 100 lockctl "$domain" run --quiet --timeout "$3" "$(target "$directory" "$2")" -- true 2>/run/try.log
    tell "try $4 $row $domain $? $(($(now) - started)) $(words /run/try.log)"
}

# Tells what inspect says of all locks of trial $1, under the name $2.
inspect_all() {
    for domain in session deps; do
        for side in view other; do
            set --  "$1" "$2"
            while read -r row hold view other counts; do
                eval "directory=\$$side"
                set -- "$@" "$(target "$directory" "$1")"
            done </rows
            trial=$1 question=$2
            shift 2
            timeout 100 lockctl "$domain" inspect --json "$@" >/run/inspect.out 2>/run/inspect.log
            tell "inspect $question $side $domain $(words /run/inspect.out)"
            [ -s /run/inspect.log ] && tell "failed to inspect: $(words /run/inspect.log)"
            set -- "$trial" "$question"
        done
    done
}
