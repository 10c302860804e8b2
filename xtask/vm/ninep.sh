# One directory of the host, as two shares: the guest takes them for two file systems.
for way in 9p 9p_virtio 9pnet_virtio; do modprobe $way 2>/dev/null; done
attach one /m/one 9p trans=virtio,version=9p2000.L,cache=none
attach two /m/two 9p trans=virtio,version=9p2000.L,cache=none
mkdir -p /m/one/locks
