#!/bin/busybox sh
# The first process of the guest: what a system needs, then the scenario, which ends in a power cut.
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/usr/sbin:/sbin
mkdir -p /proc /sys /tmp /run /sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
ln -sf /bin/busybox /sbin/modprobe
# Results have a serial line of their own: the console has the kernel's messages on it.
stty -F /dev/ttyS1 raw
exec 3>/dev/ttyS1
modprobe virtio_pci
modprobe virtio_blk
. /lib.sh
. /mounts.sh
. "/$(option phase).sh"
tell done
# The other side cuts the power.
while :; do sleep 1000; done
