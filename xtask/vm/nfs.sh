# One export of one server, in the same kernel, mounted several times.
ip link set lo up
ip addr add 127.0.0.1/8 dev lo 2>/dev/null
echo "127.0.0.1 localhost" >/etc/hosts
printf 'root:x:0:0::/:/bin/sh\n_rpc:x:101:65534::/:/bin/sh\nstatd:x:102:65534::/:/bin/sh\n' >/etc/passwd
echo "/srv *(rw,sync,no_subtree_check,no_root_squash,insecure)" >/etc/exports
modprobe nfsd
modprobe nfsv3
modprobe nfsv4
attach "$(disk ext4)" /srv ext4
mkdir -p /srv/four /srv/three /srv/nolock /srv/mixed /srv/server
mkdir -p /var/lib/nfs/nfsdcld /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/rpc_pipefs /var/run /run/rpcbind
touch /var/lib/nfs/etab /var/lib/nfs/rmtab /var/lib/nfs/xtab
mount -t rpc_pipefs rpc /var/lib/nfs/rpc_pipefs
mount -t nfsd nfsd /proc/fs/nfsd
nfsdcld
rpcbind -w
for _ in $(seq 50); do
    rpcinfo -T tcp 127.0.0.1 portmapper >/dev/null 2>&1 && break
    usleep 100000
done
rpc.statd --no-notify
exportfs -ra
# The server does not wait long for the clients of the boot before.
echo 10 >/proc/fs/nfsd/nfsv4gracetime
echo 10 >/proc/fs/nfsd/nfsv4leasetime
echo 10 >/proc/sys/fs/nfs/nlm_grace_period
rpc.nfsd 4 || give_up "to start the server"
rpc.mountd || give_up "to start mountd"

# Each mount is a client of its own.
remote() {
    mkdir -p "/m/$1"
    for _ in 1 2 3 4 5; do
        mount.nfs localhost:/srv "/m/$1" -o "$2,nosharecache" 2>/run/mount.log && return
        sleep 1
    done
    give_up "to mount $1: $(words /run/mount.log)"
}
remote v4 vers=4.2
remote v4.again vers=4.2
remote v3 vers=3
remote v3.again vers=3
remote nolock vers=3,nolock
remote nolock.again vers=3,nolock
# Locks wait for the end of the grace period.
sleep 12
