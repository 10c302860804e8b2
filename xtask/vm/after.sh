# The boot after the cut: what is said of the owners of the boot before, and what becomes of them.

# A lock without content, as a cut can leave it, made just now.
plant() {
    file=$(record "$hold" planted)
    mkdir -p "${file%/*}"
    : >"$file"
    try other planted 200ms planted-fresh
}
each plant
planted=$(now)

found() {
    file=$(record "$hold" recent)
    what=nothing
    [ -e "$file" ] && what=empty
    [ -s "$file" ] && what=record
    tell "found $row $domain $what"
}
each found
inspect_all synced rebooted
tell mark "what was found"

each try other synced 2s rebooted
tell mark "locks of the boot before"

# Past every grace for a lock that names no owner.
while [ $(($(now) - planted)) -lt 31000 ]; do sleep 1; done
each try view recent 2s recent
each try view planted 2s planted-old
tell mark "graces"

# What is still there after every lock was taken and let go, or removed by hand if its owner may
# live, and after the doctor.
left() {
    for trial in synced recent; do
        lockctl "$domain" break --yes "$(target "$view" $trial)" >/run/break.log 2>&1
        case $? in
            0 | 3) ;;
            *) tell "failed to break $row $domain $trial: $(words /run/break.log)" ;;
        esac
    done
    case $domain in
        session)
            lockctl session doctor --fix "$view" >/run/doctor.log 2>&1
            find "$view" -mindepth 1 -maxdepth 1 \( ! -type d -o -name '.*' \) >/run/left
            ;;
        deps)
            lockctl deps doctor --fix "$view/$row"-*[a-z] >/run/doctor.log 2>&1
            find "$view" -mindepth 2 >/run/left
            ;;
    esac
    tell "left $row $domain $(words /run/left)"
}
each left
