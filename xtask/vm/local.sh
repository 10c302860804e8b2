# Local file systems, each on a disk of its own that is mounted twice; tmpfs; two kinds of overlay.
modprobe overlay
for kind in ext4 xfs btrfs vfat f2fs exfat; do
    device=$(disk $kind)
    [ -n "$device" ] || continue
    modprobe $kind 2>/dev/null
    attach "$device" /m/$kind $kind
    attach "$device" /m/$kind.again $kind
    mkdir -p /m/$kind/locks
done
attach tmpfs /m/tmpfs tmpfs
mkdir -p /m/tmpfs/locks /m/tmpfs.again
mount --bind /m/tmpfs /m/tmpfs.again

# An overlay, seen through a bind mount too.
layers=/m/ext4/layers
mkdir -p $layers/lower $layers/upper $layers/work /m/overlay.again
attach overlay /m/overlay overlay lowerdir=$layers/lower,upperdir=$layers/upper,workdir=$layers/work
mkdir -p /m/overlay/locks
mount --bind /m/overlay /m/overlay.again

# Two overlays of one lower directory, in which a process of the lower side holds locks.
mkdir -p $layers/shared/locks $layers/upper1 $layers/work1 $layers/upper2 $layers/work2
attach overlay /m/one overlay lowerdir=$layers/shared,upperdir=$layers/upper1,workdir=$layers/work1
attach overlay /m/two overlay lowerdir=$layers/shared,upperdir=$layers/upper2,workdir=$layers/work2
