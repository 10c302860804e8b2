# The first boot: living owners, clock steps, contention, crashes; then owners are left for the cut.

refused() {
    try view living 100ms held-view
    try other living 100ms held-other
}
each hold living
inspect_all living living
each refused
tell mark "living owners"

# A clock that is a day wrong, either way, while locks are held.
day=86400
date -s "@$(($(date +%s) + day))" >/dev/null
inspect_all living ahead
each try view living 0 ahead
date -s "@$(($(date +%s) - 2 * day))" >/dev/null
inspect_all living behind
each try other living 0 behind
date -s "@$(($(date +%s) + day))" >/dev/null
tell mark "clock steps"

# Two processes add to a number, one under each view of the lock, and let another process in
# between reading and writing.
turns=$(option turns)
add() {
    for _ in $(seq $turns); do
        lockctl "$domain" run --quiet --timeout 30s "$(target "$1" count)" -- \
            sh -c 'read -r n <"$0"; usleep 20000; echo $((n + 1)) >"$0"' "/run/$row.$domain.number"
    done
}
count() {
    [ "$counts" = count ] || return
    echo 0 >"/run/$row.$domain.number"
    add "$view" 2>/run/view.log & first=$!
    add "$other" 2>/run/other.log & second=$!
    wait $first $second
    tell "count $row $domain $(cat "/run/$row.$domain.number") of $((2 * turns)) $(words /run/view.log) $(words /run/other.log)"
}
each count
tell mark contention

# A holder is killed while a waiter waits under the other view; then the waiter, which is the
# holder now, with nobody waiting.
killed() {
    keep living "$other" "--timeout 60s" waiter
    waiter=/run/$row.$domain.waiter
    content "$waiter.log" 100
    started=$(now)
    crash living
    if content "$waiter" 3200; then
        tell "waiter $row $domain $(($(cat "$waiter.since") - started))"
        crash waiter
    else
        tell "waiter $row $domain never $(words "$waiter.log")"
        kill -9 "$(cat "$waiter.runner")"
    fi
}
each killed
inspect_all living crashed
each try view living 10s crashed
tell mark crashes

# What the power cut finds: locks that were on the disk long before it, and locks whose names are
# on the disk while their content may still be on its way.
each hold synced
sync
each hold recent
sleep 12
